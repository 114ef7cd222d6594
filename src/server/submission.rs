//! The head of a call that creates a job or a batch: API key, rate limit, idempotency key and base of links.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use super::api_error::ApiError;
use super::app::App;
use super::links::link_base;
use super::log::RenderNotes;
use crate::jobs::Owner;

/// Header with a key: repeated calls with the same key and body create one job.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Header of the answer to a repeated call, with the value `true`.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Maximum length of an `Idempotency-Key` in characters, as in other APIs.
const KEY_CHARS: usize = 255;

/// The head of a call that creates a job or a batch.
pub(super) struct SubmissionHead {
    /// Name of the API key; empty when the service runs without keys.
    pub(super) owner: Owner,
    /// Value of the header [`IDEMPOTENCY_KEY`].
    pub(super) idempotency_key: Option<String>,
    /// Start of links to results, as this caller reaches the service.
    pub(super) link_base: String,
}

impl SubmissionHead {
    /// Checks the API key and counts the call towards its rate limit.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`], [`ApiError::RateLimited`], or [`ApiError::Header`] for an invalid idempotency key.
    pub(super) fn read(app: &App, head: &Parts, notes: &mut RenderNotes) -> Result<Self, ApiError> {
        let caller = app.keys.check(&head.uri, &head.headers)?;
        notes.caller = caller.map(str::to_owned);
        app.limits.count(caller, &mut notes.quota)?;
        let idempotency_key = idempotency_key(&head.headers)?;
        let owner = caller.unwrap_or_default().into();
        Ok(Self { owner, idempotency_key, link_base: link_base(&app.settings.server, &head.headers) })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|it| (1..=KEY_CHARS).contains(&it.len()));
    key.map(|it| Some(it.to_owned())).ok_or(ApiError::Header("idempotency-key", "1 to 255 printable ASCII characters"))
}
