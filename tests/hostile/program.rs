//! Hostile requests to the built program, where memory, connections and threads matter.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::command::tenter;
use super::*;

pub(super) const MIB: usize = 1 << 20;

/// Peak resident memory of a process in bytes; `None` after it has ended.
fn peak(pid: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// Process ids of the render processes of `service`.
fn renderers(service: &Child) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", service.id())).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|text| text.split_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<_>>()).collect()
}

/// A running service; killed when dropped.
pub(super) struct Running {
    child: Child,
    pub(super) address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread reads a pipe to its end")]
pub(super) fn serve(settings: &[(&str, &str)]) -> Running {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = tenter(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .envs(settings.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut wait_for = |message: &str| {
        loop {
            let line: Value = serde_json::from_str(&lines.next().expect("more").expect("text")).expect("JSON");
            if line["message"] == message {
                break line;
            }
        }
    };
    let address = wait_for("listening")["address"].as_str().expect("an address").to_owned();
    wait_for("ready");
    // Without a reader the program would block on a full pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Running { child, address, _folder: folder }
}

impl Running {
    /// Sum of the peaks of the service and its render processes in bytes.
    pub(super) fn peak(&self) -> usize {
        let renderers: usize = renderers(&self.child).into_iter().filter_map(peak).sum();
        peak(self.child.id()).expect("running") + renderers
    }

    /// The process id, as text.
    pub(super) fn id(&self) -> String {
        self.child.id().to_string()
    }

    /// Sends a render request and does not read the response.
    fn send(&self, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = "POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        stream
    }

    /// Sends a render request and returns status and body of the response.
    pub(super) fn call(&self, body: &[u8]) -> (u16, String) {
        let mut answer = Vec::new();
        self.send(body).read_to_end(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.get(9..12).and_then(|it| it.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {answer:.100}")), answer)
    }

    /// Sends `slow`, which occupies the only worker, and does not read its response.
    fn occupy(&self, slow: &[u8], small: &[u8]) -> TcpStream {
        const LOOKS: usize = 100;
        loop {
            let sent = self.send(slow);
            for _ in 0..LOOKS {
                if self.call(small).0 == 429 {
                    return sent;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            // The slow request came while a small one had the worker, and was refused.
        }
    }

    /// Repeats the request until the response has this status.
    fn until(&self, status: u16, body: &[u8]) {
        while self.call(body).0 != status {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn deeply_nested_body_of_100_mb_takes_no_extra_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let size = 100 * MIB;
    std::fs::write(folder.path().join("deep.json"), vec![b'['; size]).expect("written");
    let mut child = tenter(folder.path())
        .args(["render", "deep.json", "-o", "a.png"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut max_peak = 0;
    while child.try_wait().expect("known").is_none() {
        max_peak = max_peak.max(peak(child.id()).unwrap_or(0));
    }
    let output = child.wait_with_output().expect("ends");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("100 (TENTER_MAX_JSON_DEPTH)"), "{message}");
    assert!(max_peak < size + 50 * MIB, "{} MiB for a file of {} MiB", max_peak / MIB, size / MIB);
}

#[test]
fn body_of_a_hundred_megabytes_is_413_and_takes_no_memory() {
    let service = serve(&[]);
    let before = service.peak();
    let (status, answer) = service.call(&vec![b'['; 100 * MIB]);
    assert_eq!(status, 413, "{answer}");
    assert!(answer.contains("5242880 bytes (TENTER_REQUEST_MAX_BYTES)"), "{answer}");
    assert!(service.peak() < before + 10 * MIB, "{} MiB", service.peak() / MIB);
}

#[test]
fn bombs_take_little_memory() {
    let service = serve(&[]);
    let header =
        [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xc3\x50\0\0\xc3\x50\x08\x06\0\0\0"[..], &[0x1e, 0xc0, 0x5c, 0x2f]]
            .concat();
    let laughs = "<!DOCTYPE s [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><svg>&b;</svg>";
    let nested = json!((0..90).fold(json!({}), |inner, _| json!([inner])));
    let bodies = [
        call(json!([image(&data_url("image/png", &header))])),
        call(json!([image(&data_url("image/svg+xml", laughs.as_bytes()))])),
        call(json!([{"type": "table", "rows": 1e9, "cols": 1e9}])),
        call(json!([with(&figure(), &json!({"dash": [1e-9], "stroke": "red", "strokeWidth": 1}))])),
        call(json!([with(&text("a"), &json!({"fontSize": 1e9}))])),
        json!({"design": {"width": 1e9, "height": 1e9, "pages": [{}]}}),
        json!({"design": {"width": 9, "height": 9, "pages": [{"custom": nested}]}}),
    ];
    for body in bodies {
        let (status, answer) = service.call(body.to_string().as_bytes());
        assert!(matches!(status, 200 | 400 | 422), "{answer:.300}");
    }
    assert!(service.peak() < 150 * MIB, "{} MiB", service.peak() / MIB);
}

/// The scaled images of a large page are not all in memory at the same time.
#[test]
fn pictures_of_a_large_page_do_not_add_up_in_memory() {
    let service = serve(&[]);
    let picture = small_png();
    let side = 4000.0;
    let over = |at: u32| with(&image(&picture), &json!({"x": f64::from(at) * 0.3, "width": side, "height": side}));
    let mut request = call(json!((0..20).map(over).collect::<Vec<_>>()));
    (request["design"]["width"], request["design"]["height"]) = (json!(side), json!(side));
    let (status, answer) = service.call(request.to_string().as_bytes());
    assert_eq!(status, 200, "{answer:.300}");
    // Each scaled image takes 64 MB, so all of them together would take 1.3 GB.
    assert!(service.peak() < 800 * MIB, "{} MiB", service.peak() / MIB);
}

/// The request would take minutes; if it were not cancelled, the only worker would stay occupied.
#[test]
fn work_is_cancelled_when_its_client_disconnects() {
    let matrix = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='300' height='300'><filter id='f'><feConvolveMatrix order='20'
         kernelMatrix='{}'/></filter><rect width='300' height='300' filter='url(#f)'/></svg>",
        "1 ".repeat(400)
    );
    let svg = with(&image(&data_url("image/svg+xml", matrix.as_bytes())), &json!({"width": 300, "height": 300}));
    let dashes =
        json!({"type": "figure", "width": 1000, "height": 1000, "stroke": "red", "strokeWidth": 1, "dash": [0.2, 0.2]});
    let small = call(json!([])).to_string();
    for (slow, count) in [(svg, 1000), (dashes, 15_000)] {
        let service = serve(&[("TENTER_THREADS", "1"), ("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "0")]);
        drop(service.occupy(call(json!(vec![slow; count])).to_string().as_bytes(), small.as_bytes()));
        service.until(200, small.as_bytes());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the threads are clients")]
fn parallel_clients_get_pictures_or_429() {
    let service = Arc::new(serve(&[("TENTER_WORKERS", "2"), ("TENTER_QUEUE", "8")]));
    let good = Arc::new(call(json!([text("Hello"), figure(), image(&small_png())])).to_string());
    let bad = Arc::new(call(json!([{"type": "hologram"}])).to_string());
    let clients: Vec<_> = (0..64)
        .map(|client: usize| {
            let (service, good, bad) = (service.clone(), good.clone(), bad.clone());
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                for turn in 0..6 {
                    match (client + turn) % 5 {
                        0 => seen.push((service.call(bad.as_bytes()).0, [400, 429])),
                        // This client disconnects without reading the response.
                        1 => drop(service.send(good.as_bytes())),
                        _ => seen.push((service.call(good.as_bytes()).0, [200, 429])),
                    }
                }
                seen
            })
        })
        .collect();
    let seen: Vec<_> = clients.into_iter().flat_map(|client| client.join().expect("no panic")).collect();
    for (status, expected) in &seen {
        assert!(expected.contains(status), "{status}");
    }
    assert!(seen.iter().any(|(status, _)| *status == 200));
    assert_eq!(service.call(good.as_bytes()).0, 200, "the service still answers");
    assert!(service.peak() < 300 * MIB, "{} MiB", service.peak() / MIB);
}
