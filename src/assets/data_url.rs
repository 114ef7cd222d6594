//! Decoder for `data:` URLs, base64 or percent-encoded, as lenient as browsers. The media type is ignored, because it
//! is often wrong and contents are sniffed anyway (design-format.md §4).

use std::borrow::Cow;

use ::data_url::DataUrl;
use ::data_url::forgiving_base64::{DecodeError, InvalidBase64};

/// Reason why a `data:` URL cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DataUrlError {
    /// The text is not a `data:` URL, or has no comma before its contents.
    #[error("the data: URL cannot be decoded: {0}")]
    Malformed(#[source] ::data_url::DataUrlError),
    /// The contents are not base64.
    #[error("the data: URL cannot be decoded: {0}")]
    Base64(#[source] InvalidBase64),
    /// The contents have more bytes than allowed.
    #[error("the file is too large; the limit is {limit} bytes (TENTER_ASSET_MAX_BYTES)")]
    TooLarge {
        /// Maximum size in bytes.
        limit: u64,
    },
}

/// True for `data:` URLs, in upper or lower case and with the white space that URL parsers ignore.
pub(super) fn is_data_url(url: &str) -> bool {
    let chars = url.trim_start_matches(|c| c <= ' ').chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
    chars.take(5).map(|c| c.to_ascii_lowercase()).eq("data:".chars())
}

/// Decodes `url` to at most `limit` bytes. White space and missing padding in base64 are accepted.
pub(super) fn decode(url: &str, limit: u64) -> Result<Vec<u8>, DataUrlError> {
    let url = with_markup_in_body(url);
    let parsed = DataUrl::process(&url).map_err(DataUrlError::Malformed)?;
    let mut bytes = Vec::new();
    let outcome = parsed.decode(|part| {
        if bytes.len() as u64 + part.len() as u64 > limit {
            return Err(());
        }
        bytes.extend_from_slice(part);
        Ok(())
    });
    match outcome {
        Ok(_) => Ok(bytes),
        Err(DecodeError::WriteError(())) => Err(DataUrlError::TooLarge { limit }),
        Err(DecodeError::InvalidBase64(error)) => Err(DataUrlError::Base64(error)),
    }
}

/// Escapes bare `#` in SVG that was written into a URL by hand (`fill="#f00"`), which the standard takes for the start
/// of a fragment. Real fragments contain no `>`, so a `#` that is followed by one is part of the contents.
fn with_markup_in_body(url: &str) -> Cow<'_, str> {
    let body = url.find(',').map_or(url.len(), |comma| comma + 1);
    let (head, body) = url.split_at(body);
    match body.split_once('#') {
        Some((_, fragment)) if fragment.contains('>') => Cow::Owned(format!("{head}{}", body.replace('#', "%23"))),
        _ => Cow::Borrowed(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(url: &str) -> String {
        String::from_utf8(decode(url, 1000).expect(url)).expect("UTF-8")
    }

    #[test]
    fn data_url_base64_is_lenient() {
        for url in [
            "data:image/png;base64,aGVsbG8=",
            "data:image/png;base64,aGVsbG8",
            "data:;base64,aGVs bG8=",
            "data:image/png;base64,aGVs\r\n\tbG8=\n",
            "data:image/png;base64,aGVsbG8%3D",
            "DATA:image/png;charset=utf-8;BASE64,aGVsbG8=",
            " data:font/woff2 ; base64,aGVsbG8=",
        ] {
            assert!(is_data_url(url), "{url}");
            assert_eq!(text(url), "hello", "{url}");
        }
    }

    #[test]
    fn data_url_svg_as_text() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><path fill=\"#f00\"/></svg>";
        assert_eq!(text(&format!("data:image/svg+xml;utf8,{svg}")), svg);
        assert_eq!(text(&format!("data:image/svg+xml,{}", svg.replace('#', "%23").replace('<', "%3C"))), svg);
        assert_eq!(text("data:image/svg+xml,%3Csvg/%3E#view"), "<svg/>");
        assert_eq!(text("data:,100%"), "100%");
    }

    #[test]
    fn data_url_problems_are_named() {
        let problem = |url| decode(url, 1000).expect_err(url).to_string();
        assert_eq!(
            problem("data:image/png;base64"),
            "the data: URL cannot be decoded: data url is missing comma delimiting attributes and body"
        );
        assert!(
            problem("data:;base64,a§b").starts_with("the data: URL cannot be decoded: symbol"),
            "{}",
            problem("data:;base64,a§b")
        );
        assert!(!is_data_url("https://example.com/data:"));
    }

    #[test]
    fn data_url_limit_holds_while_decoding() {
        assert_eq!(decode("data:,0123456789", 10).expect("exactly the limit").len(), 10);
        let error = decode(&format!("data:;base64,{}", "AAAA".repeat(100)), 299).expect_err("300 bytes");
        assert_eq!(error.to_string(), "the file is too large; the limit is 299 bytes (TENTER_ASSET_MAX_BYTES)");
    }
}
