//! Jobs: responses of the router, and what happens to accepted jobs when the program is killed or its storage fails.

mod api;
#[path = "../support/bucket.rs"]
mod bucket;
mod faults;
mod limits;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;
mod s3;
#[path = "../support/service.rs"]
mod service;
mod webhooks;

use serde_json::{Value, json};

/// A design with two pages of 30 × 20 px.
fn design() -> Value {
    json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": []}, {"id": "two", "children": []}]})
}
