//! Hostile connections: slow clients, floods, and bytes that are not HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::program::{MIB, Running, serve};
use super::*;

/// Sends these bytes and returns the response until the service closes the connection or is silent for ten seconds.
fn exchange(service: &Running, bytes: &[u8]) -> String {
    let mut stream = connect(service);
    // The service may close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn connect(service: &Running) -> TcpStream {
    let stream = TcpStream::connect(&service.address).expect("a connection");
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("set");
    stream
}

#[track_caller]
fn assert_answers(service: &Running) {
    assert_eq!(service.call(call(json!([])).to_string().as_bytes()).0, 200, "the service still answers");
}

#[test]
fn too_many_headers_are_431() {
    let service = serve(&[]);
    let before = service.peak();
    let many: String = (0..10_000).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(10 * MIB));
    let line = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(10 * MIB));
    for head in [&many, &long] {
        let answer = exchange(&service, format!("GET /health/live HTTP/1.1\r\nhost: x\r\n{head}\r\n").as_bytes());
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer:.200}");
    }
    let answer = exchange(&service, line.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:.200}");
    assert_answers(&service);
    assert!(service.peak() < before + 20 * MIB, "{} MiB", service.peak() / MIB);
}

#[test]
fn slow_heads_are_cut_off_while_others_are_served() {
    let service = serve(&[("TENTER_HEADER_TIMEOUT", "1 s")]);
    let mut slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = connect(&service);
            stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\nx-slow: ").expect("sent");
            stream
        })
        .collect();
    assert_answers(&service);
    for stream in &mut slow {
        let mut answer = Vec::new();
        // The service closes the connection; otherwise the test's own timeout is an error.
        stream.read_to_end(&mut answer).expect("the service closes");
    }
    assert_answers(&service);
}

#[test]
fn slow_bodies_are_408() {
    let service = serve(&[("TENTER_BODY_TIMEOUT", "1 s")]);
    let mut stream = connect(&service);
    let head =
        "POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("TENTER_BODY_TIMEOUT"), "{answer:.300}");
    assert_answers(&service);
}

#[test]
fn bytes_that_are_not_http_are_refused() {
    let service = serve(&[]);
    let head = "POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for bytes in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET /\r\n x: folded HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nbad header: x\r\n\r\n",
        format!("{head}content-length: -1\r\n\r\n").as_bytes(),
        format!("{head}content-length: 99999999999999999999\r\n\r\n").as_bytes(),
        format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes(),
        format!("{head}transfer-encoding: x\r\n\r\n").as_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n").as_bytes(),
        format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n").as_bytes(),
    ] {
        let mut stream = connect(&service);
        let _ = stream.write_all(bytes);
        stream.shutdown(std::net::Shutdown::Write).expect("half closed");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{bytes:?}: {answer:.200}");
    }
    assert_answers(&service);
}

/// Request smuggling: a proxy and the service that follow different lengths would see different requests.
#[test]
fn conflicting_lengths_are_never_two_requests() {
    let service = serve(&[]);
    let inner = "GET /health/live HTTP/1.1\r\nhost: smuggled\r\n\r\n";
    let request = format!(
        "POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         transfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    let answer = exchange(&service, request.as_bytes());
    assert!(!answer.contains("\"ok\""), "{answer:.400}");
    assert_answers(&service);
}

#[test]
fn silent_connections_do_not_block_others() {
    let service = serve(&[("TENTER_CONNECTIONS", "50"), ("TENTER_HEADER_TIMEOUT", "1 s")]);
    let silent: Vec<_> = (0..200).map(|_| connect(&service)).collect();
    assert_answers(&service);
    drop(silent);
    assert_answers(&service);
}

#[test]
fn request_ids_and_hosts_cannot_inject_headers() {
    let service = serve(&[]);
    let body = with(&call(json!([])), &json!({"outputFormat": "url"})).to_string();
    for (name, value) in [
        ("host", "evil.example/x?"),
        ("host", "a@evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-request-id", "a\" injected=\"1"),
        ("x-request-id", "\u{7f}"),
    ] {
        let host = if name == "host" { "" } else { "host: render.test\r\n" };
        let request = format!(
            "POST /api/render HTTP/1.1\r\n{host}{name}: {value}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(&service, request.as_bytes());
        assert!(!answer.contains("evil.example") && !answer.contains("injected"), "{name}: {value}: {answer:.400}");
    }
    assert_answers(&service);
}

/// Status and body of a request without a body.
fn get(service: &Running, path: &str) -> String {
    exchange(service, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

fn post(service: &Running, path: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    let head = "host: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let request = format!("POST {path} HTTP/1.1\r\n{head}content-length: {}\r\n\r\n{body}", body.len());
    exchange(service, request.as_bytes())
}

#[test]
fn requests_without_a_host_are_400() {
    let service = serve(&[]);
    for head in ["", "host: x\r\nhost: y\r\n"] {
        let answer = exchange(&service, format!("GET /livez HTTP/1.1\r\n{head}\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("host"), "{answer:.300}");
    }
    // Older clients need not send one.
    let answer = exchange(&service, b"GET /livez HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer:.300}");
    assert_answers(&service);
}

#[test]
fn wrong_keys_of_one_address_are_answered_ever_later() {
    let service = serve(&[("TENTER_KEYS", "shop=right-key")]);
    let begun = std::time::Instant::now();
    for _ in 0..12 {
        assert!(get(&service, "/metrics?KEY=wrong").starts_with("HTTP/1.1 401"));
    }
    assert!(begun.elapsed().as_secs() >= 2, "the last two are delayed by one second and by two");
    let begun = std::time::Instant::now();
    assert!(get(&service, "/metrics?KEY=right-key").starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed().as_secs() < 2, "the right key is not delayed");
}

/// A limit of file sizes stands for a full disk: each write fails, and reads work.
#[test]
fn full_disk_is_503_with_its_cause_until_it_has_space() {
    let service = serve(&[]);
    let allow = |bytes: &str| {
        let limit = format!("--fsize={bytes}:unlimited");
        let changed = std::process::Command::new("prlimit").args(["--pid", &service.id(), &limit]).status();
        assert!(changed.expect("prlimit").success());
    };
    let design = call(json!([]))["design"].clone();
    allow("0");
    let answer = post(&service, "/api/render", &json!({"design": design, "outputFormat": "url"}));
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("the disk for results is full"), "{answer:.500}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 10"), "{answer:.500}");
    let answer = post(&service, "/api/renders", &json!({"design": design}));
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:.500}");
    assert!(get(&service, "/metrics").contains("tenter_jobs_store_up 0"));
    let ready = get(&service, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("no job store"), "{ready:.500}");
    assert_answers(&service);
    allow("unlimited");
    assert!(get(&service, "/readyz").starts_with("HTTP/1.1 200"), "it finds out by itself");
    assert!(get(&service, "/metrics").contains("tenter_jobs_store_up 1"));
    assert!(post(&service, "/api/renders", &json!({"design": design})).starts_with("HTTP/1.1 200"));
}
