//! Server-side request forgery: private addresses are not reached, however they are written.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use axum::http::StatusCode;
use serde_json::json;

use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

/// Private addresses in notations that need no DNS query. `PORT` stands for the port of a server that would answer.
const CLOSED: &[&str] = &[
    "http://127.0.0.1:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "http://LOCALHOST:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://127.1:PORT/",
    "http://2130706433:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f000001:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127\u{3002}0\u{3002}0\u{3002}1:PORT/",
    "http://①②⑦.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http:///127.0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fd00::1]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/",
    "http://[2600::5efe:7f00:1]:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "HTTP://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.0/",
    "http://100.127.255.255/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
];

#[tokio::test]
async fn private_addresses_are_not_reached_in_any_notation() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port().to_string();
    let service = service(&[]);
    for url in CLOSED {
        let url = url.replace("PORT", &port);
        let answer = service.element(image(&url)).await;
        assert_refused(
            &answer,
            UNPROCESSABLE,
            ELEMENT,
            &["image with id i", "closed network", "TENTER_ALLOW_ADDRESSES"],
        );
        let mut request = call(json!([with(&text("a"), &json!({"fontFamily": "Own"}))]));
        request["design"]["fonts"] = json!([{"fontFamily": "Own", "url": url}]);
        let answer = service.render(request).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["font \"Own\"", "TENTER_ALLOW_ADDRESSES"]);
    }
    let met = listener.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}

#[tokio::test]
async fn urls_of_other_schemes_are_refused() {
    let service = service(&[]);
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "\\\\localhost\\etc\\passwd",
        "//host/x.png",
        "C:\\x.png",
        "ftp://example.com/x",
        "gopher://example.com/",
        "javascript:alert(1)",
        "blob:https://example.com/1",
        "http://",
        "http://a b/",
        "http://x:99999/",
    ] {
        let answer = service.element(image(url)).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i", "http:, https:"]);
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the server belongs to the test")]
async fn redirect_targets_are_checked() {
    let behind = TcpListener::bind("127.0.0.1:0").expect("a port");
    behind.set_nonblocking(true).expect("set");
    let port = behind.local_addr().expect("an address").port();
    // All of 127.0.0.0/8 is the loopback interface: one address of it is allowed, the target of the redirect is not.
    let front = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).expect("a port");
    let here = front.local_addr().expect("an address");
    let targets = [
        format!("http://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/".to_owned(),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "file:///etc/passwd".to_owned(),
    ];
    let locations = targets.clone();
    let answering = std::thread::spawn(move || {
        for location in locations {
            let (mut stream, _) = front.accept().expect("a request");
            let _ = stream.read(&mut [0; 4096]).expect("read");
            let head = "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nconnection: close\r\nlocation: ";
            stream.write_all(format!("{head}{location}\r\n\r\n").as_bytes()).expect("written");
        }
    });
    let service = service(&[("TENTER_ALLOW_ADDRESSES", "127.0.0.2/32")]);
    for target in targets {
        // Refusals are cached, so each iteration uses a different address.
        let answer = service.element(image(&format!("http://{here}/{target}"))).await;
        let word = if target.starts_with("file") { "http:, https:" } else { "closed network" };
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["redirected to", word]);
    }
    answering.join().expect("four requests came");
    let met = behind.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}

#[tokio::test]
async fn credentials_in_urls_are_refused() {
    let service = service(&[]);
    for url in
        ["http://user:secret@127.0.0.1/", "http://example.com@127.0.0.1/", "https://example.com:80@169.254.169.254/"]
    {
        let answer = service.element(image(url)).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i", "the part before @"]);
    }
}

/// Port scanning: authors of designs must not learn which ports are open on the internal network.
#[tokio::test]
async fn answers_are_the_same_for_open_and_closed_ports() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address").port();
    let closed = {
        let gone = TcpListener::bind("127.0.0.1:0").expect("a port");
        gone.local_addr().expect("an address").port()
    };
    let service = service(&[]);
    let mut answers = Vec::new();
    for port in [open, closed] {
        let answer = service.element(image(&format!("http://127.0.0.1:{port}/"))).await;
        answers.push((answer.status, answer.error().replace(&port.to_string(), "PORT")));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn webhooks_do_not_reach_private_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let port = listener.local_addr().expect("an address").port();
    let service = service(&[]);
    let working = tokio::spawn({
        let jobs = service.jobs.clone();
        async move { jobs.run().await }
    });
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let mut body = call(json!([]));
        body["webhook"] = json!(format!("http://{host}:{port}/hook"));
        let mut request = service::post("/api/renders", &body.to_string());
        request.headers_mut().insert("prefer", "wait=20".parse().expect("a header"));
        let answer = service.call(request).await;
        if answer.status == StatusCode::OK {
            assert_eq!(
                answer.json()["status"],
                "done",
                "a webhook that cannot be reached fails no job: {:?}",
                answer.body
            );
        } else {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{:?}", answer.body);
        }
    }
    working.abort();
    let met = listener.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}

#[tokio::test]
async fn file_links_allow_no_path_traversal() {
    let service = service(&[]);
    std::fs::write(service.folder.path().join("secret.png"), b"secret").expect("written");
    let name = "0000000069-00000000000000000000000000000007.png";
    for path in [
        "/files/..%2fsecret.png",
        "/files/%2e%2e/secret.png",
        "/files/../secret.png",
        "/files/..\\secret.png",
        "/files/%2fetc%2fpasswd",
        "/files/secret.png%00",
        "/files/C:%5csecret.png",
        "/files//secret.png",
        "/files/secret.png",
        "/files/.",
        "/web/..%2f..%2fCargo.toml",
        "/web/examples/..%2f..%2fstyle.css",
        "/api/renders/..%2f..%2fetc",
        "/api/renders/%00",
        &format!("/files/{name}"),
        &format!("/files/{name}/.."),
        &format!("/files/{}.png", "a".repeat(30_000)),
    ] {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty());
        let Ok(request) = request else { continue }; // not a valid path
        let answer = service.call(request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {:?}", answer.body);
    }
}
