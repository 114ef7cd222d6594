//! Freshness of HTTP responses for the cache.
//!
//! Implements a part of HTTP caching (RFC 9111): `no-store`, `no-cache`, `max-age`, `Age`, and the validators.
//! `private` is ignored: requests have no cookies or credentials, so that the response is the same for everyone who
//! knows the URL.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Lifetime of responses without `max-age`, and maximum lifetime of redirected ones, whose target may change.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// Maximum lifetime that a server can set, so that a replaced picture is shown after one hour at the latest.
const MAX_LIFETIME: Duration = Duration::from_secs(3600);

/// How long a response may be reused, and how it is revalidated afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// False when the response must not be stored.
    pub(in crate::assets) storable: bool,
    /// Time from now during which the response may be reused without revalidation.
    pub(in crate::assets) fresh_for: Duration,
    /// Validators for conditional requests.
    pub(in crate::assets) validators: Validators,
}

/// Headers that identify a version of the file for the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::assets) struct Validators {
    #[serde(with = "header_bytes")]
    pub(in crate::assets) etag: Option<HeaderValue>,
    #[serde(with = "header_bytes")]
    pub(in crate::assets) last_modified: Option<HeaderValue>,
}

/// Serialises a header value as bytes, since it need not be UTF-8.
mod header_bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(value: &Option<HeaderValue>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(HeaderValue::as_bytes).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderValue>, D::Error> {
        let bytes = Option::<Vec<u8>>::deserialize(deserializer)?;
        bytes.map(|bytes| HeaderValue::from_bytes(&bytes).map_err(D::Error::custom)).transpose()
    }
}

impl Validators {
    /// True when the response has no validators.
    pub(in crate::assets) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

impl Freshness {
    /// Freshness of a response with status 200 and these headers. `redirected`: the response came from another URL than
    /// the requested one, so that its validators cannot be used.
    pub(super) fn of(headers: &HeaderMap, redirected: bool) -> Self {
        let directives = || {
            let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
            lines.flat_map(|line| line.split(',')).map(|directive| directive.trim().to_ascii_lowercase())
        };
        let has = |name: &str| {
            directives().any(|it| it == name || it.strip_prefix(name).is_some_and(|it| it.starts_with('=')))
        };
        let max_age = directives().find_map(|it| it.strip_prefix("max-age=")?.trim_matches('"').parse().ok());
        let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
        let lifetime =
            max_age.map_or(DEFAULT_LIFETIME, |seconds: u64| Duration::from_secs(seconds.saturating_sub(age)));
        let max_lifetime = if redirected { DEFAULT_LIFETIME } else { MAX_LIFETIME };
        let header = |name: HeaderName| headers.get(name).cloned().filter(|_| !redirected);
        Self {
            storable: !has("no-store"),
            fresh_for: if has("no-cache") { Duration::ZERO } else { lifetime.min(max_lifetime) },
            validators: Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) },
        }
    }

    /// Freshness after a response with status 304, which contains only the headers that changed.
    pub(super) fn renewed(&self, headers: &HeaderMap) -> Self {
        let mut renewed = Self::of(headers, false);
        if !headers.contains_key(CACHE_CONTROL) {
            (renewed.storable, renewed.fresh_for) = (self.storable, self.fresh_for);
        }
        if renewed.validators.is_empty() {
            renewed.validators = self.validators.clone();
        }
        renewed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(lines: &[(&'static str, &str)], redirected: bool) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().expect("a header value"));
        }
        let freshness = Freshness::of(&headers, redirected);
        freshness.storable.then_some(freshness.fresh_for.as_secs())
    }

    #[test]
    fn freshness_follows_cache_control() {
        assert_eq!(seconds(&[], false), Some(60));
        assert_eq!(seconds(&[("cache-control", "public, Max-Age=300")], false), Some(300));
        assert_eq!(seconds(&[("cache-control", "max-age=300"), ("age", "290")], false), Some(10));
        assert_eq!(seconds(&[("cache-control", "max-age=300"), ("age", "400")], false), Some(0));
        assert_eq!(seconds(&[("cache-control", "max-age=31536000, immutable")], false), Some(3600));
        assert_eq!(seconds(&[("cache-control", "public"), ("cache-control", "no-cache")], false), Some(0));
        assert_eq!(seconds(&[("cache-control", "no-store")], false), None);
        assert_eq!(seconds(&[("cache-control", "max-age=soon")], false), Some(60));
        assert_eq!(seconds(&[("cache-control", "max-age=300")], true), Some(60));
    }

    #[test]
    fn freshness_drops_validators_of_another_url() {
        let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_static("\"1\""))]);
        assert!(!Freshness::of(&headers, false).validators.is_empty());
        assert!(Freshness::of(&headers, true).validators.is_empty());
    }
}
