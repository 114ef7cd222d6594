//! HTTP calls for the tests of batches.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::Value;

use super::service::{Answer, Service, post};

pub(crate) fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).expect("a request")
}

/// Creates a batch from a JSON body.
pub(crate) async fn create(service: &Service, body: &Value) -> Value {
    let answer = service.post("/api/batches", &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    answer.json()
}

/// Creates a batch from a body with its rows.
pub(crate) async fn create_of(service: &Service, media_type: &str, query: &str, rows: &str) -> Answer {
    let mut request = post(&format!("/api/batches?{query}"), rows);
    request.headers_mut().insert("content-type", media_type.parse().expect("a header"));
    service.call(request).await
}

pub(crate) fn path(batch: &Value, rest: &str) -> String {
    format!("/api/batches/{}{rest}", batch["id"].as_str().expect("an id"))
}

/// Renders rows until the batch is done.
pub(crate) async fn finished(service: &Service, batch: &Value) -> Value {
    let done = async {
        loop {
            let batch = service.get(&path(batch, "")).await.json();
            if batch["status"] == "done" {
                break batch;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        done = done => done,
        () = service.jobs.run() => panic!("work ended by itself"),
    }
}

/// The lines of a manifest.
pub(crate) async fn manifest(service: &Service, batch: &Value) -> Vec<Value> {
    let answer = service.get(&path(batch, "/manifest")).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"));
    lines(&answer.body)
}

pub(crate) fn lines(text: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(text).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The entries of a ZIP file by name.
pub(crate) fn unzipped(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).expect("an entry");
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).expect("whole, with the right checksum");
            (entry.name().expect("UTF-8").into_owned(), contents)
        })
        .collect()
}
