//! Who may call.

use axum::http::{HeaderMap, Uri, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Refusal;
use crate::config::Keys;

/// The keys' digests. Comparing digests of one length tells nothing about a key's length, and every comparison looks at
/// all keys in full, so that time tells nothing about their letters.
pub(super) struct KeyRing(Vec<(String, [u8; 32])>);

impl KeyRing {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(keys.iter().map(|key| (key.name.clone(), digest(&key.secret))).collect())
    }

    /// The caller's name; `None` when calls need no key.
    ///
    /// `?KEY=` counts before `Authorization: Bearer`: it is what the vendor's clients send (http-api.md §1).
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let in_query = uri.query().and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "KEY")
                .map(|(_, key)| key.into_owned())
        });
        let key = in_query.or_else(|| bearer(headers)).ok_or(Refusal::Key)?;
        let shown = digest(&key);
        let mut caller = None;
        for (name, known) in &self.0 {
            if bool::from(known.ct_eq(&shown)) {
                caller = Some(name.as_str());
            }
        }
        caller.map(Some).ok_or(Refusal::Key)
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
