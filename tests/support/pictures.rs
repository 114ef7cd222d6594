//! Image server: answers each call with a different picture, with 404 while it is set to broken, and delays `held.png`
//! while that is set.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// HTTP server for images; stops when dropped.
pub(crate) struct Pictures {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    asked: AtomicUsize,
    broken: AtomicBool,
    held: AtomicBool,
    over: AtomicBool,
}

impl Pictures {
    #[expect(clippy::disallowed_methods, reason = "the image server runs beside the tested program")]
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = serving.clone();
                std::thread::spawn(move || answer(&shared, stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    pub(crate) fn set_broken(&self, broken: bool) {
        self.shared.broken.store(broken, Ordering::SeqCst);
    }

    /// While set, calls for `held.png` get no answer.
    pub(crate) fn set_held(&self, held: bool) {
        self.shared.held.store(held, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the listening thread, which then ends
    }
}

fn answer(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    let is_held = line.contains("/held.png");
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
    }
    let number = shared.asked.fetch_add(1, Ordering::SeqCst);
    while is_held && shared.held.load(Ordering::SeqCst) && !shared.over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (status, body) = if shared.broken.load(Ordering::SeqCst) { (404, Vec::new()) } else { (200, picture(number)) };
    write!(stream, "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// PNG of one grey pixel whose level depends on `number`.
fn picture(number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[(number * 40 % 256) as u8]).expect("a pixel");
    writer.finish().expect("an end");
    bytes
}
