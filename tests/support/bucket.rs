//! An S3 server (moto) behind a TCP proxy whose connections can be cut.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::program::until;

/// An S3 server with the bucket `pictures`, and a proxy in front of it.
pub(crate) struct Bucket {
    server: Child,
    pub(crate) line: Line,
    /// Address of the server itself, which bypasses the proxy.
    pub(crate) server_address: SocketAddr,
}

impl Bucket {
    /// URL of the server through the proxy.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.line.address)
    }
}

/// TCP proxy that forwards bytes in both directions until `cut` is set; then it closes new connections at once.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    pub(crate) cut: Arc<AtomicBool>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Starts the server. Returns `None` and prints a line when `moto_server` is not installed; `.ci/run` installs it and
/// sets `CI_TESTS`, which makes that a failure.
#[expect(clippy::disallowed_methods, reason = "CI_TESTS configures the tests, not the program")]
pub(crate) fn bucket() -> Option<Bucket> {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let server = Command::new("moto_server")
        .args(["-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            assert!(std::env::var_os("CI_TESTS").is_none(), "moto_server: {error}");
            eprintln!("skipped: moto_server is not installed (pip install 'moto[server]')");
            return None;
        }
    };
    let server_address = SocketAddr::from(([127, 0, 0, 1], port));
    let bucket = Bucket { server, line: Line::to(server_address), server_address };
    until("the bucket is made", || {
        let answer = exchange(
            server_address,
            "PUT /pictures HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        answer.starts_with(b"HTTP/1.1 200").then_some(())
    });
    Some(bucket)
}

impl Line {
    #[expect(clippy::disallowed_methods, reason = "the proxy runs beside the tested program")]
    pub(crate) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let cut = Arc::new(AtomicBool::new(false));
        let state = cut.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if state.load(Ordering::SeqCst) {
                    continue; // dropping the stream closes the connection
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (Ok(from), Ok(to), cut) = (from.try_clone(), to.try_clone(), state.clone()) else { continue };
                    std::thread::spawn(move || pass(from, to, &cut));
                }
            }
        });
        Self { address, cut }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if cut.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // The other direction's thread has clones of these sockets; shutdown makes its read return.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// Sends `request` and returns the whole response; empty when the connection fails.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let sent = stream.write_all(request.as_bytes());
        let _ = sent.and_then(|()| stream.read_to_end(&mut answer));
    }
    answer
}

/// Requests an `http://` link to the bucket and returns the response head in lower case, and the body.
pub(crate) fn follow(link: &str) -> (String, Vec<u8>) {
    let (address, path) = link.strip_prefix("http://").and_then(|it| it.split_once('/')).expect("a plain link");
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let answer = exchange(address.parse().expect("an address"), &request);
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), answer[end + 4..].to_vec())
}
