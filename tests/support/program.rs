//! Starts, kills and restarts the built program, and calls it over sockets.

#![allow(dead_code, reason = "not every test program uses all of it")]

#[path = "command.rs"]
mod command;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use command::tenter;

/// Settings and data folder of a service; the folder outlives restarts.
pub(crate) struct Program {
    command: &'static str,
    folder: Arc<tempfile::TempDir>,
    settings: Vec<(String, String)>,
}

/// A running process of the program; killed when dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    log: Arc<Mutex<String>>,
    _folder: Arc<tempfile::TempDir>,
}

/// An HTTP response; `head` is in lower case.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Program {
    pub(crate) fn new() -> Self {
        Self::of("serve")
    }

    /// Prepares `tenter <command>` in a new folder, listening on a free port, with JSON log lines.
    pub(crate) fn of(command: &'static str) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self { command, folder, settings: Vec::new() }
            .with("TENTER_LISTEN", "127.0.0.1:0")
            .with("TENTER_LOG_FORMAT", "json")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn spawn(&self) -> Child {
        let mut command = tenter(self.folder());
        command.arg(self.command).stderr(Stdio::piped());
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).spawn().expect("runs")
    }

    /// Starts the program, which must exit with an error within ten seconds, and returns its standard error.
    pub(crate) fn refuses(&self) -> String {
        let mut child = self.spawn();
        let mut left = 500;
        let ended = loop {
            match child.try_wait().expect("known") {
                Some(ended) => break ended,
                None if left > 0 => left -= 1,
                None => {
                    child.kill().expect("running");
                    panic!("the program started although it must refuse to");
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(!ended.success());
        let mut stderr = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
        stderr
    }

    /// Starts the program and returns when it listens.
    #[expect(clippy::disallowed_methods, reason = "the thread reads a pipe to its end")]
    pub(crate) fn start(&self) -> Running {
        let mut child = self.spawn();
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines.next().expect("more").expect("text");
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            log.lock().expect("no panic").push_str(&format!("{line}\n"));
            if value["message"] == "listening" {
                break value["address"].as_str().expect("an address").to_owned();
            }
        };
        // Without a reader the program would block on a full pipe.
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = writer.lock().expect("no panic");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Running { child, address, log, _folder: self.folder.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("running");
        self.child.wait().expect("ends");
    }

    /// Stops the process with SIGTERM, expects success, and returns its log.
    pub(crate) fn stop(mut self) -> String {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("runs");
        assert!(sent.success());
        let ended = self.child.wait().expect("ends");
        assert!(ended.success(), "{ended}");
        self.log()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no panic").clone()
    }

    /// Sends one request on a new connection. Returns `None` when there is no complete response.
    pub(crate) fn try_call(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\
             content-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let status = head.get(9..12)?.parse().ok()?;
        let body = if head.contains("transfer-encoding: chunked") {
            unchunked(&answer[end + 4..])?
        } else {
            answer[end + 4..].to_vec()
        };
        Some(Answer { status, head, body })
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_call(method, path, "", body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, &body.to_string())
    }

    /// All jobs that `GET /api/renders/list` lists, over all pages.
    pub(crate) fn all_jobs(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for page in 1.. {
            let listing = self.get(&format!("/api/renders/list?page={page}")).json();
            let renders = listing["renders"].as_array().expect("a list").clone();
            if renders.is_empty() {
                break;
            }
            all.extend(renders);
        }
        all
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|it| it == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        rest = rest.get(line + 4 + size..)?;
    }
}

/// Calls `found` every 20 ms until it returns a value, for at least a minute; then panics with `what`.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..3000 {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("timed out after a minute: {what}")
}
