//! One trace span for each request, a child of the caller's span when it sends `traceparent` (W3C Trace Context).
//!
//! Spans cost next to nothing while nothing collects them. Attributes follow the semantic conventions of OpenTelemetry
//! for HTTP servers. Paths are route patterns, so that spans contain no file names and no keys.

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::report::SPANS;

/// Opens the span of `request`. `id` is the request id of the log.
pub(super) fn begin(request: &Request, id: &str) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    if route.starts_with("/health/") || matches!(route, "/metrics" | "/livez" | "/readyz") {
        return Span::none(); // health checks and scrapes would drown the rest
    }
    let method = request.method();
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
        request_id = id,
    );
    let context = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // Fails only where nothing collects spans.
    drop(span.set_parent(context));
    span
}

/// Records the status of the answer on the span.
pub(super) fn end(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", i64::from(status.as_u16()));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
