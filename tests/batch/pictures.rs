//! Image server that can delay and fail responses and change its images.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

/// HTTP server for `/<number>.png`: each image is red, and is answered when its number is released.
#[derive(Clone)]
pub(crate) struct Pictures {
    address: String,
    inner: Arc<Inner>,
}

struct Inner {
    asked: Mutex<BTreeMap<u64, u32>>,
    released: watch::Sender<u64>,
    missing: Mutex<Vec<u64>>,
    /// Red level; decreases with every response when the images change.
    red: Mutex<u8>,
    changes: bool,
}

impl Pictures {
    /// Starts the server. Numbers up to `released` are answered, larger ones wait. With `changes`, all responses
    /// differ.
    pub(crate) async fn serve(released: u64, changes: bool) -> Self {
        let inner = Arc::new(Inner {
            asked: Mutex::default(),
            released: watch::Sender::new(released),
            missing: Mutex::default(),
            red: Mutex::new(255),
            changes,
        });
        let router = Router::new().route("/{name}", get(answer)).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    pub(crate) fn url(&self, number: u64) -> String {
        format!("http://{}/{number}.png", self.address)
    }

    /// CSV of rows with the columns `name` and `photo`.
    pub(crate) fn rows(&self, count: u64) -> String {
        let rows = (1..=count).map(|row| format!("row {row},{}\n", self.url(row)));
        std::iter::once("name,photo\n".to_owned()).chain(rows).collect()
    }

    pub(crate) fn release(&self, up_to: u64) {
        self.inner.released.send_replace(up_to);
    }

    /// Answers these numbers with 404.
    pub(crate) fn lose(&self, numbers: &[u64]) {
        *self.inner.missing.lock().expect("no panic") = numbers.to_vec();
    }

    pub(crate) fn has_asked(&self, number: u64) -> bool {
        self.inner.asked.lock().expect("no panic").contains_key(&number)
    }

    /// Number of requests for each image since the last call of this function.
    pub(crate) fn take_asked(&self) -> BTreeMap<u64, u32> {
        std::mem::take(&mut self.inner.asked.lock().expect("no panic"))
    }
}

async fn answer(State(inner): State<Arc<Inner>>, Path(name): Path<String>) -> Response {
    let Some(number) = name.strip_suffix(".png").and_then(|it| it.parse::<u64>().ok()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *inner.asked.lock().expect("no panic").entry(number).or_default() += 1;
    let mut released = inner.released.subscribe();
    released.wait_for(|up_to| number <= *up_to).await.expect("the server outlives its answers");
    if inner.missing.lock().expect("no panic").contains(&number) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut red = inner.red.lock().expect("no panic");
    if inner.changes {
        *red -= 1;
    }
    ([("cache-control", "no-store")], png(*red)).into_response()
}

/// PNG of one px with this red level.
fn png(red: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[red, 0, 0]).expect("pixels");
    drop(writer);
    bytes
}
