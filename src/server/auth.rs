//! API keys: identifies the caller of a request.

use axum::http::{HeaderMap, HeaderName, Uri, header};
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
    /// `?KEY=` or `?key=`, which Polotno's clients send, take precedence over `X-API-Key`, and that over
    /// `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] without a known key.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let query = QueryParameters::of(uri);
        let key = query
            .api_key()
            .or_else(|| header_key(headers))
            .or_else(|| bearer(headers))
            .ok_or(ApiError::Unauthorized)?;
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

/// Header with the API key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

fn header_key(headers: &HeaderMap) -> Option<&str> {
    headers.get(API_KEY)?.to_str().ok().map(str::trim)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
