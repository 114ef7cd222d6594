//! Is it up, and may it get requests? Outside admission: an overloaded service is still alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::App;
use crate::pipeline::GpuReport;

/// Where the service is in its life. Cheap to clone; all clones show the same.
#[derive(Clone, Default)]
pub struct Health(Arc<AtomicU8>);

const STARTING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

impl Health {
    /// Fonts are loaded and a page was rendered. Has no effect once stopping.
    pub fn set_ready(&self) {
        // A stop that came first stays.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// No new requests, please.
    pub fn set_stopping(&self) {
        self.0.store(STOPPING, Ordering::SeqCst);
    }
}

/// 200 as long as anything answers.
pub(super) async fn live() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// 200 when requests are welcome, else 503. Says what paints, so that a node that lost its GPU is seen.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let (status, word) = match app.health.0.load(Ordering::SeqCst) {
        READY => (StatusCode::OK, "ready"),
        STARTING => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let report = app.engine.paint_report();
    let gpu = |it: &GpuReport| {
        json!({
            "name": it.name, "adapter": it.adapter, "driver": it.driver, "pciBusId": it.pci_bus_id,
            "software": it.software, "maxTextureSide": it.max_texture_side, "up": it.up, "queued": it.queued,
            "rebuilds": it.rebuilds, "latestFault": it.latest_fault,
        })
    };
    let gpus: Vec<_> = report.gpus.iter().map(gpu).collect();
    let rasterizer = app.engine.rasterizer();
    let answer = json!({"status": word, "rasterizer": rasterizer, "gpus": gpus, "refusedAdapters": report.refused});
    (status, Json(answer)).into_response()
}
