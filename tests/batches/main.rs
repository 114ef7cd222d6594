//! Batches: responses of the router, and what happens to accepted rows when the program is killed.

mod api;
mod calls;
mod documents;
mod faults;
#[path = "../support/pictures.rs"]
mod pictures;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/service.rs"]
mod service;
#[path = "../support/tools.rs"]
mod tools;

use serde_json::{Value, json};

/// A page of 30 × 20 px with a text and, where `photo` is given, a picture.
fn design() -> Value {
    let text = json!({"type": "text", "text": "{name}", "width": 30, "height": 10, "fontSize": 8});
    let photo = json!({"type": "image", "name": "photo", "src": WHITE, "width": 8, "height": 8});
    json!({"width": 30, "height": 20, "pages": [{"children": [text, photo]}]})
}

/// A PNG of one white pixel.
const WHITE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg==";

/// Valid rows.
fn rows(count: usize) -> Vec<Value> {
    (1..=count).map(|number| json!({"name": format!("N{number}")})).collect()
}
