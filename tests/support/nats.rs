//! A NATS server of a test's own.

#![allow(dead_code, reason = "each test program uses a part")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server, which keeps its streams over a restart.
pub(crate) struct Nats {
    server: Child,
    pub(crate) address: SocketAddr,
    folder: tempfile::TempDir,
    /// Arguments besides the usual ones.
    more: Vec<String>,
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Nats {
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// `None`, said aloud, on a machine without nats-server. `.ci/run` installs it and insists.
    #[expect(clippy::disallowed_methods, reason = "whether this run may go without is no setting of the program")]
    pub(crate) fn start_with(more: &[String]) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = match serve(address, &folder, more) {
            Ok(server) => server,
            Err(error) => {
                assert!(std::env::var_os("CI_TESTS").is_none(), "nats-server: {error}");
                eprintln!("skipped: there is no nats-server here (apt-get install nats-server)");
                return None;
            }
        };
        let nats = Self { server, address, folder, more: more.to_vec() };
        nats.listens();
        Some(nats)
    }

    fn listens(&self) {
        for _ in 0..1000 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nats-server does not listen at {}", self.address);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.kill().expect("running");
        self.server.wait().expect("ends");
    }

    /// Where it was, with what it had.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(self.address, &self.folder, &self.more).expect("runs");
        self.listens();
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}

fn serve(address: SocketAddr, folder: &tempfile::TempDir, more: &[String]) -> std::io::Result<Child> {
    let start = |program: &str| {
        Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &address.port().to_string(), "-js", "-sd"])
            .arg(folder.path())
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    // Debian has it where only root looks.
    start("nats-server").or_else(|_| start("/usr/sbin/nats-server"))
}
