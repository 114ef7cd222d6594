//! Connects the span of a job with the trace of the request that created it, across processes.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::store::FetchedJob;
use crate::report::SPANS;

/// Header of W3C Trace Context that passes a trace to another process.
const TRACEPARENT: &str = "traceparent";

/// The `traceparent` of `span`; `None` when spans are not exported.
pub(super) fn traceparent(span: &Span) -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    headers.remove(TRACEPARENT)
}

/// Creates the span of one attempt, as a child of the request's span.
pub(super) fn attempt_span(job: &FetchedJob) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "job",
        otel.kind = "consumer",
        job_id = %job.attempt_id.job,
        attempt = job.attempt_id.number,
    );
    if let Some(parent) = &job.traceparent {
        let headers = HashMap::from([(TRACEPARENT.to_owned(), parent.clone())]);
        // This fails only when spans are not exported.
        drop(span.set_parent(TraceContextPropagator::new().extract(&headers)));
    }
    span
}
