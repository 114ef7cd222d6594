//! Conditional and partial requests for files: `if-none-match`, `range` and `if-range` (RFC 9110 §13, §14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderName, header};

/// What a request gets of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The caller has the file already.
    NotModified,
    /// All bytes.
    Whole,
    /// These bytes; at least one.
    Part(Range<u64>),
    /// No byte that the caller asks for exists.
    Outside,
}

/// Decides what a request with these headers gets of a file of `size` bytes. `etag`: of the file, with its quotes.
///
/// A request for several ranges gets the whole file, as does one with a range that cannot be read, which RFC 9110
/// allows.
pub(super) fn choose(asked: &HeaderMap, etag: &str, size: u64) -> Choice {
    let text = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
    let known = text(header::IF_NONE_MATCH).is_some_and(|tags| {
        // The comparison is weak: proxies that compress mark their tags with `W/`.
        tags.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
    });
    if known {
        return Choice::NotModified;
    }
    let unchanged = text(header::IF_RANGE).is_none_or(|tag| tag == etag);
    match text(header::RANGE).filter(|_| unchanged).and_then(|range| read(range, size)) {
        None => Choice::Whole,
        Some(range) if range.is_empty() => Choice::Outside,
        Some(range) => Choice::Part(range),
    }
}

/// The bytes of `bytes=first-last`, `bytes=first-` or `bytes=-count`, empty when they lie outside of the file.
fn read(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    Some(match (first, last) {
        ("", count) => size.saturating_sub(number(count)?)..size,
        (first, "") => number(first)?.min(size)..size,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            first.min(size)..last.saturating_add(1).min(size)
        }
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn chosen(headers: &[(HeaderName, &'static str)]) -> Choice {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        choose(&headers.collect(), "\"a\"", 100)
    }

    #[test]
    fn range_is_one_part_of_the_file() {
        let range = |text| chosen(&[(header::RANGE, text)]);
        assert_eq!(range("bytes=0-9"), Choice::Part(0..10));
        assert_eq!(range("bytes=90-"), Choice::Part(90..100));
        assert_eq!(range("bytes=-10"), Choice::Part(90..100));
        assert_eq!(range("bytes=-1000"), Choice::Part(0..100));
        assert_eq!(range("bytes=99-18446744073709551615"), Choice::Part(99..100));
        for outside in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(range(outside), Choice::Outside, "{outside}");
        }
        for ignored in ["bytes=9-0", "bytes=0-1,5-6", "bytes=a-b", "bytes=-", "pages=1-2", "bytes=+1-2", "bytes"] {
            assert_eq!(range(ignored), Choice::Whole, "{ignored}");
        }
    }

    #[test]
    fn etag_decides_about_conditional_requests() {
        assert_eq!(chosen(&[]), Choice::Whole);
        for known in ["\"a\"", "\"b\", W/\"a\"", "*"] {
            assert_eq!(chosen(&[(header::IF_NONE_MATCH, known)]), Choice::NotModified, "{known}");
        }
        assert_eq!(chosen(&[(header::IF_NONE_MATCH, "\"b\"")]), Choice::Whole);
        let part = (header::RANGE, "bytes=0-9");
        assert_eq!(chosen(&[part.clone(), (header::IF_RANGE, "\"a\"")]), Choice::Part(0..10));
        assert_eq!(chosen(&[part, (header::IF_RANGE, "\"b\"")]), Choice::Whole);
    }
}
