//! GET /metrics: the metrics of this process, for Prometheus.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use crate::config::MetricsAccess;

/// Media type of OpenMetrics.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Handler of `GET /metrics`.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    summary = "Counters for Prometheus",
    responses(
        (status = 200, description = "OpenMetrics", content((String = "application/openmetrics-text"))),
        (status = 401, description = "No key, or an unknown one (TENTER_METRICS)", body = ErrorBody),
        (status = 404, description = "Switched off (TENTER_METRICS)", body = ErrorBody),
    ),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn serve(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    match app.settings.server.metrics {
        MetricsAccess::Off => return Err(ApiError::NotFound),
        MetricsAccess::Key => drop(app.keys.check(&uri, &headers)?),
        MetricsAccess::Open => {}
    }
    let text = app.metrics.encode(app.jobs.counts().await)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
