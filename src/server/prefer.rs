//! `Prefer: wait` (RFC 7240): the answer to a new job is sent when the job has ended.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

/// Header with the preferences of the caller.
pub(super) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Header of the answer with the preferences that were followed.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Longest wait that the caller asks for. `None`: no wait, as with `respond-async`; `Some(None)`: as long as the
/// service allows, for `wait` without a number, which Polotno's clients send.
pub(super) fn wait(headers: &HeaderMap) -> Option<Option<Duration>> {
    let mut wait = None;
    for header in headers.get_all(PREFER) {
        for preference in header.to_str().unwrap_or_default().split(',') {
            // Parameters after `;` belong to unsupported preferences.
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "respond-async" => return None,
                // The first of several counts; text that is not a number of seconds counts as `wait` alone.
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
    fn prefer_follows_rfc_7240() {
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
