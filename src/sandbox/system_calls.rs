//! seccomp: which system calls a process can make.
//!
//! The filter lists what is denied. A list of what is allowed would have to follow the C library, the allocator and GPU
//! drivers of every version, and its gaps would be crashes in production. Calls that did not exist when the list was
//! last reviewed are denied as if the kernel were older.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads, sock_filter,
};

use super::confinement::{Allowed, Level};

/// The newest system call that was reviewed for the lists below (`mseal` of Linux 6.10). Newer ones have higher numbers
/// on all architectures, and so do the calls of the x32 ABI, which would pass the filter for their x86-64 twins.
const LAST_REVIEWED: u32 = 462;
/// `fchmodat2` of Linux 6.6, which the libc crate does not have for all targets. The number is the same on all.
const FCHMODAT2: c_long = 452;
/// Denied commands of `ioctl`: input for the terminal that standard error may be (`TIOCSTI`, `TIOCLINUX`), and signals
/// to other processes by way of open files (`FIOSETOWN`, `SIOCSPGRP`).
const CONTROLS: [u64; 4] = [0x5412, 0x541C, 0x8901, 0x8902];
/// Denied commands of `fcntl`, which also choose the process that gets a file's signals: `F_SETOWN`, `F_SETOWN_EX`.
const FILE_CONTROLS: [u64; 2] = [8, 15];

/// Calls that fail with `EPERM` whatever their arguments are.
const DENIED: &[c_long] = &[
    // Sockets besides those that are open.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes: their memory, files, signals and priorities.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_ioprio_set,
    // Memory and messages shared by name.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Changes to the file system, of which Landlock covers some.
    libc::SYS_truncate,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Interfaces that often had flaws, and that no renderer needs.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_vmsplice,
    libc::SYS_remap_file_pages,
    libc::SYS_memfd_secret,
    libc::SYS_personality,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];

/// Calls that only x86-64 has, mostly older forms of the calls above.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_creat,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_inotify_init,
    libc::SYS_modify_ldt,
    libc::SYS_iopl,
    libc::SYS_ioperm,
];
#[cfg(target_arch = "aarch64")]
const DENIED_HERE: &[c_long] = &[];

/// Calls that fail with `ENOSYS`, because their arguments are in memory, where a filter cannot see them. The C library
/// and others then use the older `clone` and `openat`.
const UNKNOWN: &[c_long] = &[libc::SYS_clone3, libc::SYS_openat2];

pub(super) fn confine(allowed: &Allowed) -> Level {
    let programs = match programs(allowed.devices, std::process::id()) {
        Ok(programs) => programs,
        Err(error) => return Level::None(format!("the filter cannot be compiled: {error}")),
    };
    for (at, program) in programs.iter().enumerate() {
        if let Err(error) = apply_filter_all_threads(program) {
            let reason = format!("seccomp: {error}");
            return if at == 0 { Level::None(reason) } else { Level::Partial(reason) };
        }
    }
    Level::Full
}

/// The filters of a process with this id. The kernel runs all of them and does what the strictest says.
fn programs(devices: bool, process: u32) -> Result<[BpfProgram; 2], BackendError> {
    let denied = compile(denied(devices, process.into())?, libc::EPERM)?;
    let unknown = compile(UNKNOWN.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS)?;
    Ok([denied, [newer_than_reviewed().to_vec(), unknown].concat()])
}

/// A filter that answers calls with a matching rule, or with no rules, with an error, and allows all others.
fn compile(rules: BTreeMap<c_long, Vec<SeccompRule>>, error: libc::c_int) -> Result<BpfProgram, BackendError> {
    let target: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(error.unsigned_abs()), target)?.try_into()
}

/// Answers calls above [`LAST_REVIEWED`] with `ENOSYS`; what follows handles the others. seccompiler compares numbers
/// for equality only.
fn newer_than_reviewed() -> [sock_filter; 3] {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| sock_filter { code: code as u16, jt, jf, k };
    [
        // The number is the first field of what the kernel shows to filters.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 1, LAST_REVIEWED),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
    ]
}

/// Calls that fail with `EPERM`, each with the arguments that are denied: any of its rules, or all if it has none.
fn denied(devices: bool, process: u64) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<_, _> = DENIED.iter().chain(DENIED_HERE).map(|call| (*call, Vec::new())).collect();
    // Threads may be started, processes may not.
    rules.insert(libc::SYS_clone, vec![rule([has_not(0, libc::CLONE_THREAD as u64)?])?]);
    // A stream socket pair reaches its own two ends only (tokio's signals use one). Datagrams could be sent to any
    // address. Streams are type 1; flags are above the lowest four bits.
    rules.insert(
        libc::SYS_socketpair,
        vec![rule([has_not(1, 1)?])?, rule([has(1, 2)?])?, rule([has(1, 4)?])?, rule([has(1, 8)?])?],
    );
    // Signals to other processes; those to its own threads end the process in a panic or abort.
    rules.insert(libc::SYS_kill, vec![rule([is_not(0, process)?])?]);
    rules.insert(libc::SYS_tgkill, vec![rule([is_not(0, process)?])?]);
    rules.insert(libc::SYS_rt_tgsigqueueinfo, vec![rule([is_not(0, process)?])?]);
    // Limits and priorities of others. 0 is the caller, or a process as opposed to a group or a user.
    rules.insert(libc::SYS_prlimit64, vec![rule([is_not(0, 0)?, is_not(0, process)?])?]);
    rules.insert(libc::SYS_setpriority, vec![rule([is_not(0, 0)?])?, rule([is_not(1, 0)?])?]);
    // The signal that ends the process with its parent stays.
    rules.insert(libc::SYS_prctl, vec![rule([is(0, libc::PR_SET_PDEATHSIG as u64)?])?]);
    for (call, commands) in [(libc::SYS_ioctl, CONTROLS.as_slice()), (libc::SYS_fcntl, &FILE_CONTROLS)] {
        rules.insert(call, commands.iter().map(|it| rule([is(1, *it)?])).collect::<Result<_, _>>()?);
    }
    rules.insert(libc::SYS_openat, writing(2, devices)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, writing(1, devices)?);
    Ok(rules)
}

/// Rules for flags of `open` that change files. Devices are opened for writing, but nothing is created or truncated.
fn writing(argument: u8, devices: bool) -> Result<Vec<SeccompRule>, BackendError> {
    let opens = if devices { [].as_slice() } else { &[libc::O_WRONLY, libc::O_RDWR] };
    let flags = opens.iter().chain(&[libc::O_CREAT, libc::O_TRUNC]);
    flags.map(|flag| rule([has(argument, *flag as u64)?])).collect()
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

/// Whether an argument has this bit.
fn has(argument: u8, bit: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bit), bit)
}

fn has_not(argument: u8, bit: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bit), 0)
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    condition(argument, SeccompCmpOp::Ne, value)
}

/// Compares the lower 32 bits. All arguments compared here are C's `int`, of which the kernel ignores the upper half,
/// or have their flags in the lower half.
fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: u32 = 4321;
    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: u32 = 0xC000_003E;
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: u32 = 0xC000_00B7;

    /// What the kernel does with a call.
    #[derive(Debug, PartialEq)]
    enum Answer {
        Allowed,
        Refused(i32),
        ProcessKilled,
    }
    use Answer::{Allowed, ProcessKilled, Refused};

    /// Runs a filter as the kernel does: classic BPF on `struct seccomp_data`.
    fn run(program: &[sock_filter], number: u32, architecture: u32, arguments: &[u64]) -> u32 {
        let mut data = [number, architecture, 0, 0].map(u32::to_le_bytes).concat();
        data.extend((0..6).flat_map(|at| arguments.get(at).copied().unwrap_or_default().to_le_bytes()));
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let instruction = &program[at];
            let (code, k) = (u32::from(instruction.code), instruction.k);
            let jump = |condition: bool| usize::from(if condition { instruction.jt } else { instruction.jf });
            at += 1;
            match code {
                0x20 => accumulator = u32::from_le_bytes(data[k as usize..][..4].try_into().unwrap()),
                0x54 => accumulator &= k,
                0x05 => at += k as usize,
                0x15 => at += jump(accumulator == k),
                0x25 => at += jump(accumulator > k),
                0x35 => at += jump(accumulator >= k),
                0x06 => return k,
                _ => panic!("instruction {code:#x}"),
            }
        }
    }

    fn answer_on(architecture: u32, devices: bool, number: u32, arguments: &[u64]) -> Answer {
        let programs = programs(devices, PROCESS).unwrap();
        // The strictest has the lowest number, read as signed.
        let results = programs.iter().map(|it| run(it, number, architecture, arguments) as i32);
        match results.min().unwrap() {
            0x7FFF_0000 => Allowed,
            error if error & 0x7FFF_0000 == 0x0005_0000 => Refused(error & 0xFFFF),
            i32::MIN => ProcessKilled,
            other => panic!("action {other:#x}"),
        }
    }

    fn answer(call: c_long, arguments: &[u64]) -> Answer {
        answer_on(ARCHITECTURE, false, u32::try_from(call).unwrap(), arguments)
    }

    #[test]
    fn filters_are_short_enough_for_the_kernel() {
        for program in programs(false, PROCESS).unwrap() {
            assert!(program.len() <= 4096, "{}", program.len());
        }
    }

    #[test]
    fn listed_calls_are_refused_and_others_are_not() {
        for call in DENIED.iter().chain(DENIED_HERE) {
            assert_eq!(answer(*call, &[]), Refused(libc::EPERM), "{call}");
        }
        let needed = [
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_sendto,
            libc::SYS_recvfrom,
            libc::SYS_epoll_pwait,
            libc::SYS_eventfd2,
            libc::SYS_futex,
            libc::SYS_mmap,
            libc::SYS_madvise,
            libc::SYS_mprotect,
            libc::SYS_memfd_create,
            libc::SYS_ftruncate,
            libc::SYS_getrandom,
            libc::SYS_clock_gettime,
            libc::SYS_sched_getaffinity,
            libc::SYS_rseq,
            libc::SYS_exit_group,
        ];
        for call in needed {
            assert_eq!(answer(call, &[]), Allowed, "{call}");
        }
    }

    #[test]
    fn threads_start_and_processes_do_not() {
        // What glibc passes for a thread, and for fork.
        assert_eq!(answer(libc::SYS_clone, &[0x003D_0F00]), Allowed);
        assert_eq!(answer(libc::SYS_clone, &[0x0120_0011]), Refused(libc::EPERM));
        assert_eq!(answer(libc::SYS_clone3, &[]), Refused(libc::ENOSYS));
    }

    #[test]
    fn calls_that_were_not_reviewed_do_not_exist() {
        for number in [LAST_REVIEWED + 1, 0x4000_0000 | 39, 0x4000_0000 | 520, u32::MAX] {
            assert_eq!(answer_on(ARCHITECTURE, true, number, &[]), Refused(libc::ENOSYS), "{number}");
        }
        assert_eq!(answer(libc::SYS_mseal, &[]), Allowed);
        assert_eq!(libc::SYS_mseal, c_long::from(LAST_REVIEWED));
    }

    #[test]
    fn calls_of_a_32_bit_program_kill_the_process() {
        assert_eq!(answer_on(0x4000_0003, false, 11, &[]), ProcessKilled);
    }

    #[test]
    fn socket_pairs_are_streams_only() {
        let flags = (libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u64;
        for kind in 0..16 {
            let expected = if kind == libc::SOCK_STREAM as u64 { Allowed } else { Refused(libc::EPERM) };
            assert_eq!(answer(libc::SYS_socketpair, &[1, kind | flags]), expected, "{kind}");
        }
    }

    #[test]
    fn a_process_signals_and_limits_itself_only() {
        let own = u64::from(PROCESS);
        assert_eq!(answer(libc::SYS_tgkill, &[own, 4400, 6]), Allowed);
        assert_eq!(answer(libc::SYS_kill, &[own, 6]), Allowed);
        assert_eq!(answer(libc::SYS_prlimit64, &[0]), Allowed);
        assert_eq!(answer(libc::SYS_prlimit64, &[own]), Allowed);
        assert_eq!(answer(libc::SYS_setpriority, &[0, 0, 19]), Allowed);
        // 0 and negative ids are groups of processes.
        for other in [0, 1, own + 1, u64::from(u32::MAX), u64::MAX, own.wrapping_neg()] {
            assert_eq!(answer(libc::SYS_kill, &[other, 9]), Refused(libc::EPERM), "{other}");
            assert_eq!(answer(libc::SYS_tgkill, &[other, other, 9]), Refused(libc::EPERM), "{other}");
        }
        assert_eq!(answer(libc::SYS_prlimit64, &[own + 1]), Refused(libc::EPERM));
        for (kind, other) in [(0, own), (1, 0), (2, 0)] {
            assert_eq!(answer(libc::SYS_setpriority, &[kind, other, 19]), Refused(libc::EPERM), "{kind} {other}");
        }
        assert_eq!(answer(libc::SYS_prctl, &[libc::PR_SET_PDEATHSIG as u64, 0]), Refused(libc::EPERM));
        assert_eq!(answer(libc::SYS_prctl, &[libc::PR_SET_NAME as u64]), Allowed);
    }

    #[test]
    fn the_upper_half_of_an_argument_does_not_hide_the_lower() {
        for (call, commands) in [(libc::SYS_ioctl, CONTROLS.as_slice()), (libc::SYS_fcntl, &FILE_CONTROLS)] {
            for command in commands {
                assert_eq!(answer(call, &[2, *command]), Refused(libc::EPERM), "{command:#x}");
                assert_eq!(answer(call, &[2, command | 0xFFFF_FFFF_0000_0000]), Refused(libc::EPERM), "{command:#x}");
            }
        }
        // TIOCGWINSZ, F_SETFL.
        assert_eq!(answer(libc::SYS_ioctl, &[2, 0x5413]), Allowed);
        assert_eq!(answer(libc::SYS_fcntl, &[0, 4]), Allowed);
    }

    #[test]
    fn files_are_opened_for_writing_with_devices_only_and_never_created() {
        let number = u32::try_from(libc::SYS_openat).unwrap();
        let open = |devices, flags: i32| answer_on(ARCHITECTURE, devices, number, &[0, 0, flags as u64]);
        for devices in [false, true] {
            assert_eq!(open(devices, libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY), Allowed);
            for flags in [libc::O_WRONLY | libc::O_CREAT, libc::O_RDONLY | libc::O_CREAT, libc::O_RDWR | libc::O_TRUNC]
            {
                assert_eq!(open(devices, flags), Refused(libc::EPERM), "{flags:#o}");
            }
        }
        for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_RDWR | libc::O_TMPFILE] {
            assert_eq!(open(false, flags), Refused(libc::EPERM), "{flags:#o}");
            assert_eq!(open(true, flags), Allowed, "{flags:#o}");
        }
        assert_eq!(answer(libc::SYS_openat2, &[]), Refused(libc::ENOSYS));
    }
}
