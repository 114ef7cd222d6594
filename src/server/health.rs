//! Liveness and readiness. Both bypass admission: an overloaded service is still alive.

use std::borrow::Cow;

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
    rasterizer: Cow<'static, str>,
    /// The render processes; null when this process renders itself (`TENTER_RENDERERS=0`).
    renderers: Option<RendererStates>,
    gpus: Vec<Gpu>,
    /// Adapters that exist and are not used, each with the reason.
    refused_adapters: Vec<String>,
}

/// The render processes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RendererStates {
    /// Number of processes that get calls.
    serving: usize,
    /// Number of replaced processes that end their last calls.
    draining: usize,
    /// What confines the processes.
    confinement: String,
}

/// A graphics processor in use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Gpu {
    name: Cow<'static, str>,
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
/// 200 when the service accepts requests and jobs, else 503. The answer names the painters, which shows a node that
/// lost its GPU. With `TENTER_RASTERIZER=gpu`, a node without a GPU is not ready.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    summary = "Readiness check",
    responses(
        (status = 200, description = "The service accepts requests", body = Readiness),
        (status = 503, description = "Starting, stopping, without a job store that takes jobs, or without a required GPU", body = Readiness),
    ),
)]
pub(super) async fn ready(State(app): State<App>) -> Response {
    let PaintReport { gpus, refused, .. } = app.renderers.paint_report();
    let has_gpu = app.settings.render.rasterizer != RasterizerChoice::Gpu || gpus.iter().any(|gpu| gpu.up);
    let (status, word) =
        readiness(app.health.state(), app.jobs.reachable().await.is_ok(), has_gpu, app.renderers.renders());
    let gpus = gpus.into_iter().map(Gpu::from).collect();
    let rasterizer = app.renderers.rasterizer();
    let renderers = app.renderers.processes().map(|report| RendererStates {
        serving: report.processes.iter().filter(|it| it.serving).count(),
        draining: report.processes.iter().filter(|it| !it.serving).count(),
        confinement: report.confinement.map_or_else(|| "unknown".to_owned(), |it| it.to_string()),
    });
    (status, Json(Readiness { status: word, rasterizer, renderers, gpus, refused_adapters: refused })).into_response()
}

/// Status and state name. `has_gpu` is also true where no GPU is required. `renders`: whether a renderer has rendered
/// something within the last seconds.
fn readiness(state: u8, accepts_jobs: bool, has_gpu: bool, renders: bool) -> (StatusCode, &'static str) {
    match (state, accepts_jobs, has_gpu, renders) {
        (READY, true, true, true) => (StatusCode::OK, "ready"),
        (READY, false, ..) => (StatusCode::SERVICE_UNAVAILABLE, "no job store"),
        (READY, true, false, _) => (StatusCode::SERVICE_UNAVAILABLE, "no GPU"),
        (READY, true, true, false) => (StatusCode::SERVICE_UNAVAILABLE, "no renderer answers"),
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
                .map(|(queue, gpu)| readiness(state, queue, gpu, true).1)
        };
        assert_eq!(words(READY), ["ready", "no GPU", "no job store", "no job store"]);
        assert_eq!(words(STARTING), ["starting"; 4]);
        assert_eq!(words(STOPPING), ["stopping"; 4]);
        assert_eq!(readiness(READY, true, true, true).0, StatusCode::OK);
        assert_eq!(readiness(READY, true, true, false).1, "no renderer answers");
        assert_eq!(readiness(READY, true, false, true).0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
