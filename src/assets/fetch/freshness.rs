//! How long an answer may be used again, from its headers.
//!
//! A small part of HTTP caching (RFC 9111): `no-store`, `no-cache`, `max-age`, `Age`, and the validators. `private` counts
//! as public: no cookies or credentials are sent, so whoever knows the URL gets the same answer.

use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};

/// For answers that say nothing, and for redirected ones, whose way may change.
const UNSAID: Duration = Duration::from_secs(60);
/// However long the server allows: a replaced picture shows after this at the latest.
const LONGEST: Duration = Duration::from_secs(3600);

/// When an answer may be used again without asking, and how to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::assets) struct Freshness {
    /// False: not to be kept at all.
    pub(in crate::assets) keep: bool,
    /// Usable without asking, from now.
    pub(in crate::assets) fresh_for: Duration,
    /// What to ask with, after that.
    pub(in crate::assets) validators: Validators,
}

/// Headers by which a server recognises what we have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::assets) struct Validators {
    pub(in crate::assets) etag: Option<HeaderValue>,
    pub(in crate::assets) last_modified: Option<HeaderValue>,
}

impl Validators {
    /// True when there is nothing to ask with.
    pub(in crate::assets) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

impl Freshness {
    /// Of a 200 with these headers. `redirected`: the URL asked for was not the one that answered, so its validators are
    /// another URL's.
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
        let said = max_age.map_or(UNSAID, |seconds: u64| Duration::from_secs(seconds.saturating_sub(age)));
        let longest = if redirected { UNSAID } else { LONGEST };
        let header = |name: HeaderName| headers.get(name).cloned().filter(|_| !redirected);
        Self {
            keep: !has("no-store"),
            fresh_for: if has("no-cache") { Duration::ZERO } else { said.min(longest) },
            validators: Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) },
        }
    }

    /// Of a 304 to a question about this; it repeats only what changed.
    pub(super) fn renewed(&self, headers: &HeaderMap) -> Self {
        let mut renewed = Self::of(headers, false);
        if !headers.contains_key(CACHE_CONTROL) {
            (renewed.keep, renewed.fresh_for) = (self.keep, self.fresh_for);
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
        freshness.keep.then_some(freshness.fresh_for.as_secs())
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
