//! A job's span is a part of the trace of the request that it came with, on whatever machine it is rendered.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::store::Taken;
use crate::report::SPANS;

/// The header of W3C Trace Context, in which a trace goes from one process to the next.
const TRACEPARENT: &str = "traceparent";

/// The trace that `span` belongs to; `None` where nothing collects spans.
pub(super) fn parent_of(span: &Span) -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    headers.remove(TRACEPARENT)
}

/// The span of one attempt.
pub(super) fn begin(taken: &Taken) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "job",
        otel.kind = "consumer",
        job_id = %taken.ticket.id,
        attempt = taken.ticket.attempt,
    );
    if let Some(parent) = &taken.traceparent {
        let headers = HashMap::from([(TRACEPARENT.to_owned(), parent.clone())]);
        // Fails only where nothing collects spans.
        drop(span.set_parent(TraceContextPropagator::new().extract(&headers)));
    }
    span
}
