//! Addresses that must not be reached, however they are written.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use axum::http::StatusCode;
use serde_json::json;

use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

/// Written so that nothing is asked of a name server; `PORT` is where somebody would answer.
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
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
];

#[tokio::test]
async fn closed_networks_are_not_reached_however_they_are_written() {
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
async fn what_is_no_web_address_is_refused() {
    let service = service(&[]);
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "\\\\host\\share",
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
#[expect(clippy::disallowed_methods, reason = "a server of the test's own")]
async fn redirects_are_checked_like_first_addresses() {
    let behind = TcpListener::bind("127.0.0.1:0").expect("a port");
    behind.set_nonblocking(true).expect("set");
    let port = behind.local_addr().expect("an address").port();
    // The whole of 127.0.0.0/8 is this machine: one address of it is opened, the next hop is not.
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
        // Another address each time: refusals are remembered.
        let answer = service.element(image(&format!("http://{here}/{target}"))).await;
        let word = if target.starts_with("file") { "http:, https:" } else { "closed network" };
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["redirected to", word]);
    }
    answering.join().expect("four requests came");
    let met = behind.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}
