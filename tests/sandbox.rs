//! What a confined process can and cannot do. Each test starts this test program again, as the process to be confined.
//! It has a main function of its own, because a process must have one thread when it confines itself.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use serde::{Deserialize, Serialize};
use tenter::sandbox::{
    Allowed, Attempt, Confinement, Level, Outcome, Probe, avoid_oom_kill, confine_files, confine_system_calls,
    die_with_parent, give_up_privileges, limit_data, prefer_as_oom_victim, probe, resident_bytes,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Environment variable with the [`Role`] of a started process.
const ROLE: &str = "SANDBOX_TEST_ROLE";
/// Private memory that a confined process may have.
const DATA: u64 = 3 << 30;

/// What a started process does.
#[derive(Serialize, Deserialize)]
enum Role {
    /// Confines itself, tries things, and reports. `folder` has files to try.
    Confined { files: bool, system_calls: bool, devices: bool, folder: PathBuf },
    /// Confines itself and aborts.
    Abort,
    /// Starts a process that must end with it, reports, and waits.
    Parent,
    /// Ends with its parent, which has this id; reports its id, and waits.
    Orphan { parent: u32 },
}

/// What a confined process found.
#[derive(Serialize, Deserialize)]
struct Report {
    confinement: Confinement,
    probes: Vec<Probe>,
    /// Lines of `/proc/self/status` and `/proc/self/limits`, and the out-of-memory score, before files were confined.
    status: String,
    /// Other things tried after confinement, each with the kind of the error, or "" where it succeeded.
    tried: BTreeMap<String, String>,
}

/// What a parent process found.
#[derive(Serialize, Deserialize)]
struct ParentReport {
    /// Id of the process that must end with it.
    orphan: u32,
    /// Whether the parent is ended last when memory runs out.
    is_protected: bool,
    /// Its out-of-memory score.
    score: i32,
}

impl Report {
    fn outcome(&self, attempt: Attempt) -> &Outcome {
        &self.probes.iter().find(|it| it.attempt == attempt).expect("everything is tried").outcome
    }

    fn refused(&self) -> Vec<Attempt> {
        self.probes.iter().filter(|it| it.is_refused()).map(|it| it.attempt).collect()
    }

    fn tried(&self, name: &str) -> &str {
        self.tried.get(name).unwrap_or_else(|| panic!("{name} was not tried"))
    }
}

#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn main() -> ExitCode {
    // Before anything else, because the test harness starts threads.
    if let Ok(role) = std::env::var(ROLE) {
        run(serde_json::from_str(&role).expect("a role"));
        return ExitCode::SUCCESS;
    }
    macro_rules! trials {
        ($($test:ident),* $(,)?) => { vec![$(Trial::test(stringify!($test), || { $test(); Ok(()) })),*] };
    }
    let trials = trials![
        an_unconfined_process_can_do_everything_that_is_probed,
        a_confined_process_reaches_allowed_files_and_nothing_else,
        landlock_alone_takes_files,
        seccomp_alone_takes_sockets_programs_and_changes_to_files,
        a_process_with_devices_reads_drivers_but_nothing_else,
        a_process_gives_up_privileges_and_is_ended_first,
        a_confined_process_can_abort,
        a_process_ends_with_its_parent,
        the_score_of_a_parent_is_lowered_if_the_kernel_lets_it,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn an_unconfined_process_can_do_everything_that_is_probed() {
    let folder = folder();
    let report = report(false, false, false, folder.path());
    for probe in &report.probes {
        assert_eq!(probe.outcome, Outcome::Succeeded, "{:?}", probe.attempt);
    }
    assert_eq!(report.probes.len(), 7);
    for name in ["read a file outside", "write a file", "make a file executable", "pair of datagram sockets"] {
        assert_eq!(report.tried(name), "", "{name}");
    }
}

fn a_confined_process_reaches_allowed_files_and_nothing_else() {
    let folder = folder();
    let report = report(true, true, false, folder.path());
    if is_unavailable(&report.confinement.files) || is_unavailable(&report.confinement.system_calls) {
        return;
    }
    for probe in &report.probes {
        assert!(probe.is_refused(), "{probe:?}");
    }
    assert_eq!(report.probes.len(), 7);
    let refused = [
        "read a file outside",
        "list a folder outside",
        "write a file",
        "make a file executable",
        "remove a file",
        "connect to a Unix socket",
        "pair of datagram sockets",
    ];
    for name in refused {
        assert_eq!(report.tried(name), "PermissionDenied", "{name}");
    }
    let works = ["read an allowed file", "list an allowed folder", "start a thread", "talk through an open socket"];
    for name in works {
        assert_eq!(report.tried(name), "", "{name}");
    }
    assert_eq!(report.tried("reserve more memory than is allowed"), "OutOfMemory");
}

fn landlock_alone_takes_files() {
    let folder = folder();
    let report = report(true, false, false, folder.path());
    if is_unavailable(&report.confinement.files) {
        return;
    }
    let refused =
        [Attempt::TcpSocket, Attempt::ReadPasswd, Attempt::WriteTemporaryFile, Attempt::Execute, Attempt::SignalParent];
    assert_eq!(report.refused(), refused);
    assert_eq!(report.tried("read a file outside"), "PermissionDenied");
    assert_eq!(report.tried("remove a file"), "PermissionDenied");
    assert_eq!(report.tried("read an allowed file"), "");
}

fn seccomp_alone_takes_sockets_programs_and_changes_to_files() {
    let folder = folder();
    let report = report(false, true, false, folder.path());
    if is_unavailable(&report.confinement.system_calls) {
        return;
    }
    assert_eq!(report.outcome(Attempt::ReadPasswd), &Outcome::Succeeded);
    assert_eq!(report.refused().len(), 6, "{:?}", report.probes);
    for name in ["write a file", "make a file executable", "remove a file", "pair of datagram sockets"] {
        assert_eq!(report.tried(name), "PermissionDenied", "{name}");
    }
    assert_eq!(report.tried("read a file outside"), "");
    assert_eq!(report.tried("start a thread"), "");
}

fn a_process_with_devices_reads_drivers_but_nothing_else() {
    let folder = folder();
    let report = report(true, true, true, folder.path());
    if is_unavailable(&report.confinement.files) || is_unavailable(&report.confinement.system_calls) {
        return;
    }
    for probe in &report.probes {
        assert!(probe.is_refused(), "{probe:?}");
    }
    assert_eq!(report.tried("list drivers"), "");
    assert_eq!(report.tried("save a cache before system calls are confined"), "");
    for name in ["save a cache", "overwrite a cache", "remove a cache"] {
        assert_eq!(report.tried(name), "PermissionDenied", "{name}");
    }
    assert_eq!(report.tried("read a cache"), "");
    assert_eq!(report.tried("read a file outside"), "PermissionDenied");
    assert_eq!(report.tried("write a file"), "PermissionDenied");
    assert_eq!(report.tried("remove a file"), "PermissionDenied");
}

fn a_process_gives_up_privileges_and_is_ended_first() {
    let folder = folder();
    let report = report(false, false, false, folder.path());
    let line = |name: &str| {
        let found = report.status.lines().find_map(|it| it.strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in {}", report.status)).trim()
    };
    assert_eq!(line("NoNewPrivs:"), "1");
    for set in ["CapEff:", "CapPrm:"] {
        let set = u64::from_str_radix(line(set), 16).expect("hexadecimal");
        // CAP_DAC_READ_SEARCH.
        assert_eq!(set & !0b100, 0, "{set:#x}");
    }
    assert_eq!(line("Max core file size").split_whitespace().collect::<Vec<_>>(), ["1", "1", "bytes"]);
    let data = DATA.to_string();
    assert_eq!(line("Max data size").split_whitespace().collect::<Vec<_>>(), [&data, &data, "bytes"]);
    assert_eq!(line("oom_score_adj"), "1000");
}

fn a_confined_process_can_abort() {
    let (mut process, _output) = start(&Role::Abort);
    assert_eq!(process.wait().expect("the process ends").signal(), Some(libc::SIGABRT));
}

fn a_process_ends_with_its_parent() {
    let (mut parent, mut output) = start(&Role::Parent);
    let ParentReport { orphan, .. } = read_report(&mut output);
    assert!(is_running(orphan));
    parent.kill().expect("the parent can be killed");
    parent.wait().expect("the parent ends");
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_running(orphan) {
        assert!(Instant::now() < deadline, "process {orphan} outlives its parent");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn the_score_of_a_parent_is_lowered_if_the_kernel_lets_it() {
    let (mut parent, mut output) = start(&Role::Parent);
    let ParentReport { is_protected, score, .. } = read_report(&mut output);
    parent.kill().expect("the parent can be killed");
    parent.wait().expect("the parent ends");
    assert_eq!(is_protected, score < 0, "{score}");
}

/// Whether the process exists and is not merely waiting for its parent to ask how it ended.
fn is_running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The state follows the name, which is in parentheses.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Whether the kernel lacks this confinement, which is a failure where `.ci/run` requires all tools.
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn is_unavailable(level: &Level) -> bool {
    if *level == Level::Full {
        return false;
    }
    assert!(std::env::var_os("TEST_TOOLS").is_none(), "{level}");
    writeln!(io::stderr(), "SKIPPED: a check of confinement: {level}").expect("standard error is open");
    true
}

/// A folder with a folder to read, one to write, and another.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    for name in ["allowed", "outside", "cache"] {
        fs::create_dir(folder.path().join(name)).expect("a new folder");
        fs::write(folder.path().join(name).join("file"), name).expect("a new file");
    }
    folder
}

/// Starts a process that confines itself, and returns what it found.
fn report(files: bool, system_calls: bool, devices: bool, folder: &Path) -> Report {
    let role = Role::Confined { files, system_calls, devices, folder: folder.to_path_buf() };
    let (mut process, mut output) = start(&role);
    let report = read_report(&mut output);
    let resident = resident_bytes(process.id()).expect("the memory of a confined process can be read");
    assert!(resident > 1 << 20, "{resident}");
    // The process ends when its input does.
    drop(process.stdin.take());
    let status = process.wait().expect("the process ends");
    assert!(status.success(), "{status}");
    report
}

/// Starts this program again in a role; its output is read by [`read_report`].
fn start(role: &Role) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.env(ROLE, serde_json::to_string(role).expect("JSON"));
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program starts");
    let output = BufReader::new(process.stdout.take().expect("piped"));
    (process, output)
}

/// Reads the line with the report.
fn read_report<T: for<'a> Deserialize<'a>>(output: &mut impl io::BufRead) -> T {
    let mut line = String::new();
    output.read_line(&mut line).expect("output is text");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

fn run(role: Role) {
    match role {
        Role::Confined { files, system_calls, devices, folder } => confined(files, system_calls, devices, &folder),
        Role::Abort => {
            let nothing = Allowed::default();
            confine_files(&nothing);
            confine_system_calls(&nothing);
            std::process::abort();
        }
        Role::Parent => {
            let (mut orphan, mut output) = start(&Role::Orphan { parent: std::process::id() });
            let id: u32 = read_report(&mut output);
            let is_protected = avoid_oom_kill();
            let score = fs::read_to_string("/proc/self/oom_score_adj").expect("/proc is mounted");
            let score = score.trim().parse().expect("a number");
            print_report(&ParentReport { orphan: id, is_protected, score });
            orphan.wait().expect("the process ends");
        }
        Role::Orphan { parent } => {
            let error = die_with_parent(u32::MAX).expect_err("no process has this id");
            assert_eq!(error.to_string(), "the parent process has ended");
            die_with_parent(parent).expect("the parent runs");
            print_report(&std::process::id());
            std::thread::sleep(Duration::from_secs(600));
        }
    }
}

fn print_report(report: &impl Serialize) {
    println!("{}", serde_json::to_string(report).expect("JSON"));
}

/// Confines this process, tries things, reports, and waits until standard input closes.
fn confined(files: bool, system_calls: bool, devices: bool, folder: &Path) {
    prefer_as_oom_victim().expect("the score can be raised");
    limit_data(DATA).expect("the limit can be set");
    give_up_privileges().expect("privileges can be given up");
    let read = |path: &str| fs::read_to_string(path).expect("/proc is mounted");
    let status =
        read("/proc/self/status") + &read("/proc/self/limits") + "oom_score_adj " + &read("/proc/self/oom_score_adj");

    let mut tried = BTreeMap::new();
    let mut attempt = |name: &str, result: io::Result<()>| {
        tried.insert(name.to_owned(), result.err().map_or(String::new(), |error| format!("{:?}", error.kind())));
    };
    let cache = folder.join("cache");
    let write = if devices { vec![cache.clone()] } else { Vec::new() };
    let allowed = Allowed { read: vec![folder.join("allowed"), folder.join("missing")], write, devices };
    let off = || Level::None("not asked for".to_owned());
    let files = if files { confine_files(&allowed) } else { off() };
    // Started before system calls are confined, as a renderer's are.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let ends = UnixStream::pair().expect("a pair of sockets");
    attempt("save a cache before system calls are confined", save(&cache.join("file")));
    let system_calls = if system_calls { confine_system_calls(&allowed) } else { off() };

    let (allowed, outside) = (folder.join("allowed"), folder.join("outside"));
    attempt("read an allowed file", fs::read(allowed.join("file")).map(|it| assert_eq!(it, b"allowed")));
    attempt("list an allowed folder", fs::read_dir(&allowed).map(|it| assert_eq!(it.count(), 1)));
    attempt("list drivers", fs::read_dir("/usr/lib").map(drop));
    attempt("read a file outside", fs::read(outside.join("file")).map(drop));
    attempt("list a folder outside", fs::read_dir(&outside).map(drop));
    attempt("write a file", fs::write(allowed.join("file"), "changed"));
    let executable = fs::Permissions::from_mode(0o700);
    attempt("make a file executable", fs::set_permissions(allowed.join("file"), executable));
    attempt("remove a file", fs::remove_file(outside.join("file")));
    attempt("save a cache", save(&cache.join("file")));
    attempt("overwrite a cache", fs::OpenOptions::new().write(true).open(cache.join("file")).map(drop));
    attempt("remove a cache", fs::remove_file(cache.join("file")));
    attempt("read a cache", fs::read(cache.join("file")).map(drop));
    attempt("connect to a Unix socket", UnixStream::connect("/run/socket").map(drop));
    attempt("pair of datagram sockets", std::os::unix::net::UnixDatagram::pair().map(drop));
    attempt("start a thread", std::thread::Builder::new().spawn(|| ()).and_then(join));
    attempt("talk through an open socket", runtime.block_on(runtime.spawn(talk(ends))).expect("no panic"));
    let reserved = Vec::<u8>::new().try_reserve_exact(DATA as usize + 1).map_err(|_| io::ErrorKind::OutOfMemory.into());
    attempt("reserve more memory than is allowed", reserved);

    print_report(&Report { confinement: Confinement { files, system_calls }, probes: probe(), status, tried });
    io::stdin().read_to_end(&mut Vec::new()).expect("standard input can be read");
}

fn join(thread: std::thread::JoinHandle<()>) -> io::Result<()> {
    thread.join().map_err(|_| io::Error::other("the thread panicked"))
}

/// Replaces a file by a read-only one, as compiled pipelines of a GPU are saved.
fn save(file: &Path) -> io::Result<()> {
    let partial = file.with_extension("part");
    fs::OpenOptions::new().create_new(true).write(true).mode(0o400).open(&partial)?.write_all(b"saved")?;
    fs::rename(&partial, file)
}

/// Sends a message from one end to the other, and waits a moment.
async fn talk(ends: (UnixStream, UnixStream)) -> io::Result<()> {
    let open = |end: UnixStream| {
        end.set_nonblocking(true)?;
        tokio::net::UnixStream::from_std(end)
    };
    let (mut here, mut there) = (open(ends.0)?, open(ends.1)?);
    here.write_all(b"hello").await?;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut message = [0; 5];
    there.read_exact(&mut message).await?;
    assert_eq!(&message, b"hello");
    Ok(())
}
