//! Limits and privileges of one process: its end with its parent, memory, the out-of-memory killer, capabilities.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};

/// Score of this process for the kernel's out-of-memory killer: -1000 (never ended) to 1000 (ended first).
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Ends the process (SIGKILL) when its parent ends, even while it is busy.
///
/// The kernel sends the signal when the *thread* that started the process ends. The parent must start it from a thread
/// that lives as long as the parent.
///
/// # Errors
/// Fails when the process with the id `parent` is no longer the parent: it has ended, and no signal will come.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = getppid().map(|it| it.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) { Ok(()) } else { Err(io::Error::other("the parent process has ended")) }
}

/// Gives up what the process may have from its user: capabilities of root, and new privileges through other programs.
/// Also turns core dumps off.
///
/// One capability stays if present, CAP_DAC_READ_SEARCH, so that root can still read fonts of other users.
///
/// # Errors
/// Fails when the kernel refuses one of them.
pub fn give_up_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    let capabilities_now = capabilities(None)?;
    let stays = CapabilitySet::DAC_READ_SEARCH;
    let reduced = CapabilitySets {
        effective: capabilities_now.effective & stays,
        permitted: capabilities_now.permitted & stays,
        inheritable: CapabilitySet::empty(),
    };
    if reduced != capabilities_now {
        set_capabilities(None, reduced)?;
    }
    // A dump of gigabytes delays the end of the process and holds designs of callers. At 1 byte, unlike at 0, the
    // kernel does not pipe dumps to a collector either. PR_SET_DUMPABLE would do the same, but hides the process's
    // memory use from its parent where /proc is mounted with hidepid (ProtectProc= of systemd).
    setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) })?;
    Ok(())
}

/// Limits the private writable memory of the process (`RLIMIT_DATA`: heap, anonymous maps, thread stacks), whether used
/// or not. Allocations beyond it fail, which ends a Rust program.
///
/// # Errors
/// Fails when a lower limit is set already.
pub fn limit_data(bytes: u64) -> io::Result<()> {
    setrlimit(Resource::Data, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
    Ok(())
}

/// Makes the kernel end this process before others when memory runs out.
///
/// # Errors
/// Fails without a writable `/proc`.
pub fn prefer_as_oom_victim() -> io::Result<()> {
    fs::write(OOM_SCORE, "1000")
}

/// Makes the kernel end this process last when memory runs out, and returns whether it will. That takes
/// CAP_SYS_RESOURCE or a lower score from the start (`OOMScoreAdjust=` of systemd); without them, the score stays.
pub fn avoid_oom_kill() -> bool {
    // At -1000 it would never be ended, not even when nothing else is left in its control group.
    let _refused = fs::write(OOM_SCORE, "-999");
    let score = fs::read_to_string(OOM_SCORE).ok().and_then(|it| it.trim().parse::<i32>().ok());
    score.is_some_and(|it| it < 0)
}
