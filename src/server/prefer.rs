//! `Prefer: wait` (RFC 7240): hold the answer until the job ends.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

/// What the caller would like.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// What it got of that.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How long the caller would wait: `Some(None)` for as long as we like (the vendor's bare `wait`). `respond-async` beside it
/// means not at all.
pub(super) fn wait(headers: &HeaderMap) -> Option<Option<Duration>> {
    let mut wait = None;
    for header in headers.get_all(PREFER) {
        for preference in header.to_str().unwrap_or_default().split(',') {
            // Parameters after `;` belong to preferences we do not know.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => return None,
                // The first of several counts; a number of seconds that is none reads as none given.
                "wait" => wait = wait.or(Some(value.parse().ok().map(Duration::from_secs))),
                _ => {}
            }
        }
    }
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefer_is_read_as_rfc_7240_writes_it() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, text.parse().expect("a header"));
            wait(&headers)
        };
        let seconds = |seconds| Some(Some(Duration::from_secs(seconds)));
        assert_eq!(wait(&HeaderMap::new()), None);
        assert_eq!(read("wait"), Some(None));
        assert_eq!(read("Wait=10"), seconds(10));
        assert_eq!(read("return=minimal, wait=\"5\"; x=y"), seconds(5));
        assert_eq!(read("wait=soon"), Some(None));
        assert_eq!(read("wait=3, wait=9"), seconds(3));
        assert_eq!(read("wait=3, respond-async"), None);
        assert_eq!(read("handling=lenient"), None);
    }
}
