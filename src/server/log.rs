//! One line a request, under an id that the caller gets too. Queries are not written: the key is in there.

use std::fmt::Write as _;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::limits::Quota;
use super::problem::Refusal;
use super::traces;
use crate::pipeline::Timings;

/// Taken from the caller when it is short and plain, made otherwise, always returned.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Left in a response by whoever refused; the log's words, which may say more than the caller's.
#[derive(Clone)]
pub(super) struct Failure(pub(super) String);

/// Left in a response by a render.
#[derive(Clone, Default)]
pub(super) struct RenderNotes {
    /// The key's name.
    pub(super) caller: Option<String>,
    /// Of the stages taken.
    pub(super) timings: Timings,
    /// How many there were.
    pub(super) warnings: usize,
    /// What the key has left.
    pub(super) quota: Quota,
}

impl RenderNotes {
    /// The answer, with what the key has left, and with these notes for the log.
    pub(super) fn onto(self, answered: Result<Response, Refusal>) -> Response {
        let mut response = answered.unwrap_or_else(IntoResponse::into_response);
        self.quota.write(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }
}

/// The outermost layer.
pub(super) async fn request(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID).filter(|it| is_plain(it)).cloned().unwrap_or_else(new_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut line = Line {
        id: id.to_str().unwrap_or_default().to_owned(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        begun: Instant::now(),
        written: false,
    };
    let span = traces::begin(&request, &line.id);
    let mut response = next.run(request).instrument(span.clone()).await;
    traces::end(&span, response.status());
    response.headers_mut().insert(REQUEST_ID, id);
    line.write(&response);
    response
}

/// Written when the answer is ready, or, if the caller leaves before, when the request is dropped.
struct Line {
    id: String,
    method: Method,
    path: String,
    begun: Instant,
    written: bool,
}

impl Line {
    fn write(&mut self, response: &Response) {
        self.written = true;
        let Self { id, method, path, .. } = self;
        let status = response.status().as_u16();
        let error = response.extensions().get::<Failure>().map(|it| it.0.as_str());
        let notes = response.extensions().get::<RenderNotes>().cloned().unwrap_or_default();
        let caller = notes.caller.as_deref();
        let warnings = notes.warnings;
        let stages = stages_text(&notes.timings);
        let total_ms = self.begun.elapsed().as_millis() as u64;
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

impl Drop for Line {
    fn drop(&mut self) {
        if !self.written {
            let Self { id, method, path, .. } = self;
            let total_ms = self.begun.elapsed().as_millis() as u64;
            tracing::info!(%id, %method, %path, total_ms, "the caller left before the answer");
        }
    }
}

/// `parse_ms=1.2 assets_ms=30.1`.
fn stages_text(timings: &Timings) -> String {
    let mut text = String::new();
    for (stage, took) in timings.iter() {
        let separator = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{}_ms={:.1}", stage.as_str(), took.as_secs_f64() * 1000.0);
    }
    text
}

/// Short and without anything that could forge a log line.
fn is_plain(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':' | b'/'))
}

fn new_id() -> HeaderValue {
    let mut bytes = [0; 8];
    // Ids only tell requests apart; without randomness they all read as zero.
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
