//! API keys: identifies the caller of a request.

use axum::http::{HeaderMap, Uri, header};
use subtle::ConstantTimeEq;

use super::api_error::ApiError;
use super::query::QueryParameters;
use crate::config::Keys;
use crate::hash::ContentHash;

/// Names and SHA-256 hashes of the API keys.
///
/// Hashes have one length, and every check compares with all of them in constant time, so that response times reveal
/// neither the length nor the letters of a key.
pub(super) struct KeyRing(Vec<(String, ContentHash)>);

impl KeyRing {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(keys.iter().map(|key| (key.name.clone(), ContentHash::of(key.secret.as_bytes()))).collect())
    }

    /// Name of the key that the request carries; `None` when the service runs without keys.
    ///
    /// `?KEY=`, which Polotno's clients send, takes precedence over `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] without a known key.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let query = QueryParameters::of(uri);
        let key = query.api_key().or_else(|| bearer(headers)).ok_or(ApiError::Unauthorized)?;
        let sent = ContentHash::of(key.as_bytes());
        let mut caller = None;
        for (name, known) in &self.0 {
            if bool::from(known.as_bytes().ct_eq(sent.as_bytes())) {
                caller = Some(name.as_str());
            }
        }
        caller.map(Some).ok_or(ApiError::Unauthorized)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
