//! API keys: which caller a request comes from.

use axum::http::{HeaderMap, Uri, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::api_error::ApiError;
use crate::config::Keys;

/// Names and SHA-256 digests of the API keys.
///
/// Digests have one length, and every check compares with all of them in constant time, so that response times reveal neither
/// the length nor the letters of a key.
pub(super) struct KeyRing(Vec<(String, [u8; 32])>);

impl KeyRing {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(keys.iter().map(|key| (key.name.clone(), digest(&key.secret))).collect())
    }

    /// Name of the key that the request carries; `None` when the service runs without keys.
    ///
    /// `?KEY=`, which the vendor's clients send, takes precedence over `Authorization: Bearer`.
    ///
    /// # Errors
    /// [`ApiError::Unauthorized`] without a known key.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let in_query = uri.query().and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "KEY")
                .map(|(_, key)| key.into_owned())
        });
        let key = in_query.or_else(|| bearer(headers)).ok_or(ApiError::Unauthorized)?;
        let sent = digest(&key);
        let mut caller = None;
        for (name, known) in &self.0 {
            if bool::from(known.ct_eq(&sent)) {
                caller = Some(name.as_str());
            }
        }
        caller.map(Some).ok_or(ApiError::Unauthorized)
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
