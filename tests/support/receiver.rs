//! Webhook receiver that records calls and answers with scripted statuses.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// HTTP server for webhooks; stops when dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    /// Statuses of the next answers; 204 when empty.
    answers: Mutex<VecDeque<u16>>,
    over: AtomicBool,
}

/// A received webhook call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Request line and headers in lower case, one header per line as `name: value`.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Call {
    pub(crate) fn job(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
    }
}

impl Receiver {
    /// Listens on a free port.
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"))
    }

    #[expect(clippy::disallowed_methods, reason = "the receiver runs beside the tested program")]
    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::SeqCst) {
                    break;
                }
                let serving = serving.clone();
                std::thread::spawn(move || answer(&serving, stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn answer_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.shared.answers.lock().expect("no panic").extend(statuses);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().expect("no panic").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the listening thread, which then ends
    }
}

/// Records and answers one call per connection; incomplete calls are ignored.
fn answer(shared: &Shared, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase().replace("\r\n", "\n");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = shared.answers.lock().expect("no panic").pop_front().unwrap_or(204);
    shared.calls.lock().expect("no panic").push(Call { head, body: String::from_utf8(body).expect("text") });
    let answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    reader.into_inner().write_all(answer.as_bytes()).ok()
}
