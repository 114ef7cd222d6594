//! Is it up, and may it get requests? Outside admission: an overloaded service is still alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::config::RasterizerChoice;
use crate::pipeline::{GpuReport, PaintReport};

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

/// How the service is, in a word.
#[derive(Serialize, ToSchema)]
pub(super) struct Word {
    status: &'static str,
}

/// The same, and what paints.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    status: &'static str,
    /// As a rule; each answer says what painted it.
    rasterizer: &'static str,
    gpus: Vec<Gpu>,
    /// Adapters that are there and not used, each with the reason.
    refused_adapters: Vec<String>,
}

/// One graphics processor in use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Gpu {
    name: &'static str,
    adapter: String,
    driver: String,
    pci_bus_id: String,
    /// It computes on the CPU.
    software: bool,
    /// In px.
    max_texture_side: u32,
    /// False while it is set up anew after a fault.
    up: bool,
    /// Pages that wait for it.
    queued: usize,
    rebuilds: u64,
    latest_fault: String,
}

impl From<GpuReport> for Gpu {
    fn from(report: GpuReport) -> Self {
        let GpuReport {
            name,
            adapter,
            driver,
            pci_bus_id,
            software,
            max_texture_side,
            up,
            queued,
            rebuilds,
            latest_fault,
        } = report;
        Self { name, adapter, driver, pci_bus_id, software, max_texture_side, up, queued, rebuilds, latest_fault }
    }
}

/// 200 as long as anything answers.
#[utoipa::path(
    get,
    path = "/health/live",
    summary = "Does anything answer?",
    responses((status = 200, description = "As long as anything answers", body = Word)),
)]
pub(super) async fn live() -> Response {
    Json(Word { status: "ok" }).into_response()
}

/// 200 when requests are welcome, else 503. Says what paints, so that a node that lost its GPU is seen; one that must have a GPU
/// (`TENTER_RASTERIZER=gpu`) is not ready while none is up.
#[utoipa::path(
    get,
    path = "/health/ready",
    summary = "Are requests welcome?",
    responses(
        (status = 200, description = "Requests are welcome", body = Readiness),
        (status = 503, description = "Starting, stopping, without its queue, or without the GPU it must have", body = Readiness),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let PaintReport { gpus, refused, .. } = app.engine.paint_report();
    let has_gpu = app.settings.render.rasterizer != RasterizerChoice::Gpu || gpus.iter().any(|gpu| gpu.up);
    let (status, word) = readiness(app.health.0.load(Ordering::SeqCst), app.jobs.reachable().is_ok(), has_gpu);
    let gpus = gpus.into_iter().map(Gpu::from).collect();
    let rasterizer = app.engine.rasterizer();
    (status, Json(Readiness { status: word, rasterizer, gpus, refused_adapters: refused })).into_response()
}

/// `has_gpu`: or need not have one.
fn readiness(state: u8, reaches_queue: bool, has_gpu: bool) -> (StatusCode, &'static str) {
    match (state, reaches_queue, has_gpu) {
        (READY, true, true) => (StatusCode::OK, "ready"),
        (READY, false, _) => (StatusCode::SERVICE_UNAVAILABLE, "queue unreachable"),
        (READY, true, false) => (StatusCode::SERVICE_UNAVAILABLE, "no GPU"),
        (STARTING, ..) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_was_started_and_has_all_it_must_have() {
        let words = |state| {
            [(true, true), (true, false), (false, true), (false, false)]
                .map(|(queue, gpu)| readiness(state, queue, gpu).1)
        };
        assert_eq!(words(READY), ["ready", "no GPU", "queue unreachable", "queue unreachable"]);
        assert_eq!(words(STARTING), ["starting"; 4]);
        assert_eq!(words(STOPPING), ["stopping"; 4]);
        assert_eq!(readiness(READY, true, true).0, StatusCode::OK);
        assert_eq!(readiness(READY, true, false).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
