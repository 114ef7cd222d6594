//! Hostile requests: each is answered with a picture or a clear refusal, never with a 5xx, and in bounded memory. No
//! test asserts a time, but a case that takes more than a few seconds is a bug as well.
//!
//! `json`, `numbers`, `texts`, `files`, `bombs`, `pictures`, `budgets`, `templates`, `addresses` and `svgs` call the
//! real router. `program` and `wire` call the built program, where memory, signals and sockets matter. `mutants`
//! renders randomly changed small designs.

#[path = "../support/command.rs"]
mod command;
#[path = "../support/mutate.rs"]
mod mutate;
#[path = "../support/service.rs"]
mod service;

mod addresses;
mod bombs;
mod budgets;
mod files;
mod json;
mod mutants;
mod numbers;
mod pictures;
mod program;
mod svgs;
mod templates;
mod texts;
mod wire;

use axum::http::StatusCode;
use serde_json::{Value, json};

use service::{Answer, Service, png_size, service};

/// Request for a page of 64 × 64 px with these elements.
fn call(children: Value) -> Value {
    let page = json!({"id": "page", "children": children});
    json!({"design": {"width": 64, "height": 64, "pages": [page]}, "outputFormat": "file"})
}

/// Returns `element` with the members of `more` added or replaced.
fn with(element: &Value, more: &Value) -> Value {
    let (mut element, more) = (element.clone(), more.as_object().expect("an object"));
    let members = element.as_object_mut().expect("an object");
    members.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    element
}

fn text(text: &str) -> Value {
    json!({"id": "t", "type": "text", "text": text, "width": 60, "height": 60, "fontSize": 12})
}

fn figure() -> Value {
    json!({"id": "f", "type": "figure", "subType": "star", "width": 50, "height": 50, "fill": "red"})
}

fn image(src: &str) -> Value {
    json!({"id": "i", "type": "image", "src": src, "width": 50, "height": 50})
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    use base64::Engine as _;
    format!("data:{media_type};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

/// PNG with a header for `width` × `height` px of RGBA and the rows in `pixels`.
fn png(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().expect("written").write_image_data(pixels).expect("as many bytes as pixels");
    out
}

fn small_png() -> String {
    data_url("image/png", &png(2, 2, &[255, 0, 0, 255, 0, 255, 0, 128, 0, 0, 255, 0, 9, 9, 9, 255]))
}

/// Fails unless the response is a picture of 64 × 64 px.
#[track_caller]
fn assert_drawn(answer: &Answer, case: &str) {
    assert_eq!(answer.status, StatusCode::OK, "{case}: {:.400}", String::from_utf8_lossy(&answer.body));
    assert_eq!(png_size(&answer.body), (64, 64), "{case}");
}

/// Fails unless the response has this status, its first problem is at `path`, and the error contains all of `words`.
#[track_caller]
fn assert_refused(answer: &Answer, status: StatusCode, path: &str, words: &[&str]) {
    let error = answer.error();
    assert_eq!(answer.status, status, "{error:.400}");
    assert_eq!(answer.json()["problems"][0]["path"], path, "{error:.400}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not in {error:.400}");
    }
    assert!(answer.body.len() < 100_000, "an answer of {} bytes", answer.body.len());
}

impl Service {
    async fn element(&self, element: Value) -> Answer {
        self.render(call(json!([element]))).await
    }
}
