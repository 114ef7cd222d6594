//! A self test: what a confined process must not be able to do, tried.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Something that a confined process must not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// Opens a TCP socket.
    TcpSocket,
    /// Opens a UDP socket.
    UdpSocket,
    /// Opens a Unix socket that is not connected.
    UnixSocket,
    /// Reads `/etc/passwd`.
    ReadPasswd,
    /// Creates a file in the folder for temporary files.
    WriteTemporaryFile,
    /// Starts `/bin/true`.
    Execute,
    /// Asks whether it could send a signal to the parent process.
    SignalParent,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The kernel refused it: the confinement works.
    Refused {
        /// The error of the system call.
        error: String,
    },
    /// It succeeded: the confinement does not cover it.
    Succeeded,
    /// It failed for a reason that may be none of the confinement, such as a missing file.
    Failed {
        /// The error of the system call.
        error: String,
    },
}

/// One attempt and its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What the process tried.
    pub attempt: Attempt,
    /// What became of the attempt.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Probe {
    /// Whether the kernel refused the attempt.
    pub fn is_refused(&self) -> bool {
        matches!(self.outcome, Outcome::Refused { .. })
    }
}

/// Tries everything that a confined process must not be able to do. Attempts that succeed leave nothing behind.
pub fn probe() -> Vec<Probe> {
    let outcomes = [
        (Attempt::TcpSocket, outcome(TcpListener::bind("127.0.0.1:0"))),
        (Attempt::UdpSocket, outcome(UdpSocket::bind("127.0.0.1:0"))),
        (Attempt::UnixSocket, outcome(open_unix_socket())),
        (Attempt::ReadPasswd, outcome(read_passwd())),
        (Attempt::WriteTemporaryFile, outcome(write_temporary_file())),
        (Attempt::Execute, outcome(execute())),
        (Attempt::SignalParent, outcome(signal_parent())),
    ];
    outcomes.into_iter().map(|(attempt, outcome)| Probe { attempt, outcome }).collect()
}

fn outcome<T>(result: io::Result<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        // EPERM and EACCES.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Outcome::Refused { error: error.to_string() },
        Err(error) => Outcome::Failed { error: error.to_string() },
    }
}

fn read_passwd() -> io::Result<usize> {
    fs::File::open("/etc/passwd")?.read(&mut [0; 16])
}

fn write_temporary_file() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("tenter-probe-{}", std::process::id()));
    fs::File::create_new(&path)?.write_all(b"tenter")?;
    fs::remove_file(path)
}

fn execute() -> io::Result<()> {
    // Without /dev/null for its streams, so that nothing but the start of the program can be refused.
    let status = Command::new("/bin/true").status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

#[cfg(unix)]
fn open_unix_socket() -> io::Result<()> {
    std::os::unix::net::UnixDatagram::unbound().map(drop)
}

#[cfg(not(unix))]
fn open_unix_socket() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn signal_parent() -> io::Result<()> {
    let parent = rustix::process::getppid().ok_or(io::ErrorKind::NotFound)?;
    Ok(rustix::process::test_kill_process(parent)?)
}

#[cfg(not(target_os = "linux"))]
fn signal_parent() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
