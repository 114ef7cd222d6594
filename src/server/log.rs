//! One log line per request, with the id that the answer has too. Query strings are never logged: they contain the API
//! key.

use std::fmt::Write as _;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::api_error::{ApiError, LoggedFailure};
use super::limits::RateQuota;
use super::traces;
use crate::pipeline::Timings;

/// Header with the request id: taken from the caller when it is short and plain, else generated; always returned.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Response extension with the fields of the log line about a render.
#[derive(Clone, Default)]
pub(super) struct RenderNotes {
    /// Name of the API key.
    pub(super) caller: Option<String>,
    /// Duration of each stage.
    pub(super) timings: Timings,
    /// Number of warnings of the render.
    pub(super) warnings: usize,
    /// Remaining calls of the API key.
    pub(super) quota: RateQuota,
}

impl RenderNotes {
    /// The answer with the headers of the rate limit and with these notes as an extension.
    pub(super) fn attach_to(self, answered: Result<Response, ApiError>) -> Response {
        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        self.quota.write(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

/// The outermost layer: sets the request id, opens the trace span, and writes the log line.
pub(super) async fn request(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).filter(|it| is_plain(it)).cloned().unwrap_or_else(new_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut line = LogLine {
        id: id.to_str().unwrap_or_default().to_owned(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        started: Instant::now(),
        written: false,
    };
    let span = traces::begin(&request, &line.id);
    let mut response = next.run(request).instrument(span.clone()).await;
    traces::end(&span, response.status());
    response.headers_mut().insert(REQUEST_ID, id);
    line.write(&response);
    response
}

/// The log line: written when the answer is ready, or on drop when the client disconnects before.
struct LogLine {
    id: String,
    method: Method,
    path: String,
    started: Instant,
    written: bool,
}

impl LogLine {
    fn write(&mut self, response: &Response) {
        self.written = true;
        let Self { id, method, path, .. } = self;
        let status = response.status().as_u16();
        let error = response.extensions().get::<LoggedFailure>().map(|it| it.0.as_str());
        let notes = response.extensions().get::<RenderNotes>().cloned().unwrap_or_default();
        let caller = notes.caller.as_deref();
        let warnings = notes.warnings;
        let stages = stages_text(&notes.timings);
        let total_ms = self.started.elapsed().as_millis() as u64;
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(%id, %method, %path, status, total_ms, stages, caller, warnings, error, "request")
            };
        }
        match response.status() {
            _ if path.starts_with("/health/") || matches!(path.as_str(), "/livez" | "/readyz") => line!(debug),
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE => line!(error),
            StatusCode::GATEWAY_TIMEOUT => line!(warn),
            _ => line!(info),
        }
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if !self.written {
            let Self { id, method, path, .. } = self;
            let total_ms = self.started.elapsed().as_millis() as u64;
            tracing::info!(%id, %method, %path, total_ms, "the client disconnected before the answer");
        }
    }
}

/// Durations of the stages, as `parse_ms=1.2 assets_ms=30.1`.
fn stages_text(timings: &Timings) -> String {
    let mut text = String::new();
    for (stage, took) in timings.iter() {
        let separator = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{}_ms={:.1}", stage.as_str(), took.as_secs_f64() * 1000.0);
    }
    text
}

/// Whether the id has at most 128 characters, none of which could forge a log line.
fn is_plain(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':' | b'/'))
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; 8];
    // Ids only distinguish requests; without randomness they are all zero.
    let _ = getrandom::fill(&mut bytes);
    HeaderValue::from_str(&format!("{:016x}", u64::from_be_bytes(bytes))).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_of_callers_are_plain_or_replaced() {
        let plain = |text: &str| is_plain(&HeaderValue::from_str(text).expect("a header"));
        assert!(plain("01J9-ab_c.1:2/3"));
        assert!(!plain("") && !plain("a b") && !plain("a\"b") && !plain(&"x".repeat(129)));
        assert_ne!(new_id(), new_id());
    }
}
