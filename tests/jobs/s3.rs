//! Results in a bucket: a real S3 server (moto), which can be cut off.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::design;
use super::program::{Program, Running, until};
use super::service::png_size;

/// The server, and before it a line that can be cut.
struct Bucket {
    server: Child,
    address: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// `None`, said aloud, on a machine without moto. `.ci/run` installs it and insists.
#[expect(clippy::disallowed_methods, reason = "whether this run may go without is no setting of the program")]
fn bucket() -> Option<Bucket> {
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
            eprintln!("skipped: there is no moto_server here (pip install 'moto[server]')");
            return None;
        }
    };
    let server_address = SocketAddr::from(([127, 0, 0, 1], port));
    let cut = Arc::new(AtomicBool::new(false));
    let bucket = Bucket { server, address: line_to(server_address, cut.clone()), cut };
    until("the bucket is made", || {
        let answer = exchange(
            server_address,
            "PUT /pictures HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        );
        answer.starts_with(b"HTTP/1.1 200").then_some(())
    });
    Some(bucket)
}

/// Passes bytes on, both ways, until it is cut.
#[expect(clippy::disallowed_methods, reason = "a line beside the program tested")]
fn line_to(server: SocketAddr, cut: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            if cut.load(Ordering::SeqCst) {
                continue; // closes it
            }
            let Ok(far) = TcpStream::connect(server) else { continue };
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (Ok(from), Ok(to), cut) = (from.try_clone(), to.try_clone(), cut.clone()) else { continue };
                std::thread::spawn(move || pass(from, to, &cut));
            }
        }
    });
    address
}

fn pass(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if cut.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Whoever else holds the sockets sees their end.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

/// The whole answer; empty when nobody answers.
fn exchange(address: SocketAddr, request: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let sent = stream.write_all(request.as_bytes());
        let _ = sent.and_then(|()| stream.read_to_end(&mut answer));
    }
    answer
}

/// Follows a link to the bucket: head and body.
fn follow(link: &str) -> (String, Vec<u8>) {
    let (address, path) = link.strip_prefix("http://").and_then(|it| it.split_once('/')).expect("a plain link");
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let answer = exchange(address.parse().expect("an address"), &request);
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), answer[end + 4..].to_vec())
}

fn program(bucket: &Bucket) -> Program {
    Program::new()
        .with("TENTER_RESULTS", "s3://pictures/tenter/test")
        .with("TENTER_S3_ENDPOINT", &format!("http://{}", bucket.address))
        .with("TENTER_S3_ACCESS_KEY_ID", "somebody")
        .with("TENTER_S3_SECRET_ACCESS_KEY", "hush-hush")
}

fn ended(service: &Running, id: &Value) -> Value {
    let path = format!("/api/renders/{}", id.as_str().expect("an id"));
    until("a job ends", || {
        Some(service.get(&path).json()).filter(|job| matches!(job["status"].as_str(), Some("done" | "error")))
    })
}

#[test]
fn bucket_keeps_results_of_both_calls_behind_presigned_links() {
    let Some(bucket) = bucket() else { return };
    let service = program(&bucket).start();
    let created = service.post("/api/renders", &json!({"design": design()})).json();
    let job = ended(&service, &created["id"]);
    let link = job["output"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
    assert!(link.contains("/pictures/tenter/test/jobs/") && link.contains("X-Amz-Expires=604800"), "{link}");
    let (head, body) = follow(&link);
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: image/png"), "{head}");
    assert_eq!(png_size(&body), (30, 20));

    let classic =
        service.post("/api/render", &json!({"design": design(), "outputFormat": "url", "format": "jpeg"})).json();
    let url = classic["url"].as_str().unwrap_or_else(|| panic!("{classic}"));
    assert!(url.contains("/pictures/tenter/test/files/") && url.contains("X-Amz-Expires=86400"), "{url}");
    assert!(follow(url).0.contains("content-type: image/jpeg"));

    let removed = service.call("DELETE", &format!("/api/renders/{}", created["id"].as_str().expect("an id")), "");
    assert_eq!(removed.status, 204);
    assert!(follow(&link).0.starts_with("http/1.1 404"));
    assert!(!service.stop().contains("hush-hush"), "the bucket's key stands in the log");
}

#[test]
fn bucket_down_in_the_middle_loses_nothing() {
    let Some(bucket) = bucket() else { return };
    let program = program(&bucket);
    let service = program.start();
    let ids: Vec<_> = (0..30)
        .map(|at| {
            bucket.cut.store((10..30).contains(&at), Ordering::SeqCst);
            service.post("/api/renders", &json!({"design": design()})).json()["id"].clone()
        })
        .collect();
    let again = |log: &str| log.contains("cannot be stored; trying again later");
    until("a job waits for the bucket", || again(&service.log()).then_some(()));
    assert!(service.all_jobs().iter().all(|job| job["status"] != "error"));
    bucket.cut.store(false, Ordering::SeqCst);
    for id in &ids {
        let job = ended(&service, id);
        assert_eq!(job["status"], "done", "{job}");
        let (head, body) = follow(job["output"].as_str().expect("a link"));
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(png_size(&body), (30, 20));
    }
    assert_eq!(service.all_jobs().len(), ids.len());
}
