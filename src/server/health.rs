//! Liveness and readiness. Both bypass admission: an overloaded service is still alive.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::app::App;
use super::lifecycle::{READY, STARTING};
use crate::config::RasterizerChoice;
use crate::pipeline::{GpuReport, PaintReport};

/// Answer of the liveness check.
#[derive(Serialize, ToSchema)]
pub(super) struct Liveness {
    status: &'static str,
}

/// Answer of the readiness check, with the painters in use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Readiness {
    status: &'static str,
    /// The painter that the service prefers; each answer names the one that painted it.
    rasterizer: &'static str,
    gpus: Vec<Gpu>,
    /// Adapters that exist and are not used, each with the reason.
    refused_adapters: Vec<String>,
}

/// A graphics processor in use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Gpu {
    name: &'static str,
    adapter: String,
    driver: String,
    pci_bus_id: String,
    /// True for a software implementation, which computes on the CPU.
    software: bool,
    /// Largest side of a texture in px.
    max_texture_side: u32,
    /// False while the device is created again after a fault.
    up: bool,
    /// Number of pages that wait for the device.
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

/// Handler of `GET /health/live`.
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    summary = "Liveness check",
    responses((status = 200, description = "The process is alive", body = Liveness)),
)]
pub(super) async fn live() -> Response {
    Json(Liveness { status: "ok" }).into_response()
}

/// Handler of `GET /health/ready`.
///
/// 200 when the service accepts requests, else 503. The answer names the painters, which shows a node that
/// lost its GPU. With `TENTER_RASTERIZER=gpu`, a node without a GPU is not ready.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    summary = "Readiness check",
    responses(
        (status = 200, description = "The service accepts requests", body = Readiness),
        (status = 503, description = "Starting, stopping, without its queue, or without a required GPU", body = Readiness),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let PaintReport { gpus, refused, .. } = app.engine.paint_report();
    let has_gpu = app.settings.render.rasterizer != RasterizerChoice::Gpu || gpus.iter().any(|gpu| gpu.up);
    let (status, word) = readiness(app.health.state(), app.jobs.reachable().is_ok(), has_gpu);
    let gpus = gpus.into_iter().map(Gpu::from).collect();
    let rasterizer = app.engine.rasterizer();
    (status, Json(Readiness { status: word, rasterizer, gpus, refused_adapters: refused })).into_response()
}

/// Status and state name. `has_gpu` is also true where no GPU is required.
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
    use crate::server::lifecycle::STOPPING;

    #[test]
    fn readiness_needs_queue_and_required_gpu() {
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
