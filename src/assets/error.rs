//! Why an asset could not be had, in the words the caller reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::decode::DecodeError;
use super::guard::{Refused, UrlProblem};
use super::{AssetKind, ContentHash};
use crate::report::JsonPath;

/// Longest URL shown in full; longer ones lose their end.
const SHOWN_URL: usize = 200;
/// How much of a `data:` URL is shown: the media type is what helps.
const SHOWN_DATA_URL: usize = 40;

/// One asset that could not be had, for one of the places that ask for it.
///
/// Its text keeps the engine's wording, by which clients classify it (http-api.md §6): `image with id <id> url: <url>`,
/// `Timeout loading asset …`, `Timeout for loading font "<family>"`.
#[derive(Clone, Debug)]
pub struct AssetError {
    /// The place in the design.
    pub at: JsonPath,
    /// The element's id, `page background`, or a font's family.
    pub element: Arc<str>,
    /// What was asked for.
    pub kind: AssetKind,
    /// Shortened for messages.
    pub url: Arc<str>,
    /// What went wrong.
    pub reason: Reason,
}

impl fmt::Display for AssetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { element, url, reason, .. } = self;
        match self.kind {
            AssetKind::Image if self.is_timeout() => {
                write!(f, "Timeout loading asset image with id {element} url: {url}: {reason}")
            }
            AssetKind::Image => write!(f, "image with id {element} url: {url}: {reason}"),
            // The engine says so whatever the cause.
            AssetKind::Font => write!(f, "Timeout for loading font \"{element}\" url: {url}: {reason}"),
        }
    }
}

impl std::error::Error for AssetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

impl AssetError {
    /// The source was too slow.
    pub fn is_timeout(&self) -> bool {
        matches!(self.reason.root(), Reason::Timeout { .. })
    }

    /// A bug of ours, or the service is stopping; neither the caller nor the source can help it.
    pub fn is_internal(&self) -> bool {
        matches!(self.reason.root(), Reason::Internal(_))
    }
}

/// What went wrong with a URL, whoever asked for it. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    /// Neither http, https nor data, or not a URL.
    #[error("{0}")]
    Url(UrlProblem),
    /// The host's name leads to closed networks only.
    #[error(transparent)]
    Refused(Refused),
    /// A redirect led to a URL that failed.
    #[error("redirected to {to}: {reason}")]
    Redirected {
        /// Where to, shortened.
        to: String,
        /// What went wrong there.
        reason: Box<Reason>,
    },
    /// More redirects than allowed.
    #[error("more than {limit} redirects (TENTER_ASSET_REDIRECTS)")]
    Redirects {
        /// How many are followed.
        limit: u32,
    },
    /// Took too long.
    #[error("not loaded within {} s ({setting})", .after.as_secs_f64())]
    Timeout {
        /// The limit.
        after: Duration,
        /// The option or setting that holds it.
        setting: &'static str,
    },
    /// An answer other than 200.
    #[error("the server answered {0}; 200 is needed")]
    Status(u16),
    /// Larger than allowed.
    #[error("{}; the limit is {limit} bytes (TENTER_ASSET_MAX_BYTES)", size(.found))]
    TooLarge {
        /// Bytes as announced; `None` when the limit was passed under way.
        found: Option<u64>,
        /// Bytes.
        limit: u64,
    },
    /// The connection could not be made or broke off.
    #[error("{0}")]
    Network(NetworkProblem),
    /// A `data:` URL that cannot be decoded.
    #[error("not a readable data: URL: {0}")]
    DataUrl(String),
    /// The bytes came, but are no image or font that we read.
    #[error("{0}")]
    Unreadable(Arc<DecodeError>),
    /// The font service has no such family, or its style sheet is of no use.
    #[error("font service: {0}")]
    FontService(String),
    /// Other contents than the rows before were made of.
    #[error("{0}")]
    Changed(Box<Changed>),
    /// Not the caller's fault.
    #[error("{0}")]
    Internal(String),
}

/// A file that is not what a batch is made of.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the file has changed since the batch began: it had SHA-256 {pinned}, now {found}; give it back its contents, begin the \
     batch anew, or raise TENTER_PIN_BYTES"
)]
pub struct Changed {
    /// Of what the batch is made of.
    pub pinned: ContentHash,
    /// Of what is there now.
    pub found: ContentHash,
}

impl Reason {
    /// The reason at the end of redirects.
    pub fn root(&self) -> &Reason {
        match self {
            Self::Redirected { reason, .. } => reason.root(),
            reason => reason,
        }
    }

    /// Another try may do better (http-api.md §6: network errors and 5xx).
    pub(super) fn is_passing(&self) -> bool {
        match self.root() {
            Self::Timeout { .. } | Self::Network(_) => true,
            Self::Status(status) => *status >= 500,
            _ => false,
        }
    }
}

/// Kinds of network failure: no addresses, no words of the operating system, so that nothing about closed networks shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkProblem {
    /// No address for the host's name.
    #[error("the host name has no address")]
    NoHost,
    /// No trusted TLS connection: certificate or protocol.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// Nothing answered.
    #[error("no connection to the host")]
    Connect,
    /// Broken off, or not HTTP.
    #[error("the transfer broke off")]
    Broken,
}

/// A wrong setting that stops the start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `TENTER_ALLOW_ADDRESSES`.
    #[error(transparent)]
    Network(#[from] super::guard::BadNetwork),
    /// `TENTER_GOOGLE_FONTS_URL`.
    #[error("TENTER_GOOGLE_FONTS_URL: {0}")]
    FontService(String),
    /// The HTTP client could not be built.
    #[error("HTTP client: {0}")]
    Client(String),
}

fn size(found: &Option<u64>) -> String {
    found.map_or_else(|| "too large".to_owned(), |found| format!("{found} bytes"))
}

/// `url` as shown in messages: `data:` URLs and very long ones without their end.
pub(super) fn shown_url(url: &str) -> String {
    let keep = if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        SHOWN_DATA_URL.min(url.find(',').map_or(SHOWN_DATA_URL, |comma| comma + 1))
    } else {
        SHOWN_URL
    };
    if url.len() <= keep {
        return url.to_owned();
    }
    format!("{}… ({} characters)", &url[..url.floor_char_boundary(keep)], url.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: AssetKind, reason: Reason) -> String {
        let url = "https://example.com/a".into();
        AssetError { at: JsonPath::root(), element: "hero".into(), kind, url, reason }.to_string()
    }

    #[test]
    fn error_text_keeps_the_engine_wording() {
        let timeout = || Reason::Timeout { after: Duration::from_millis(1500), setting: "assetLoadTimeout" };
        let missing = || Reason::Status(404);
        assert_eq!(
            error(AssetKind::Image, missing()),
            "image with id hero url: https://example.com/a: the server answered 404; 200 is needed"
        );
        assert_eq!(
            error(AssetKind::Image, timeout()),
            "Timeout loading asset image with id hero url: https://example.com/a: not loaded within 1.5 s (assetLoadTimeout)"
        );
        assert_eq!(
            error(AssetKind::Font, missing()),
            "Timeout for loading font \"hero\" url: https://example.com/a: the server answered 404; 200 is needed"
        );
    }

    #[test]
    fn error_looks_through_redirects() {
        let wrapped = |reason| Reason::Redirected { to: "http://x/".into(), reason: Box::new(reason) };
        assert!(wrapped(Reason::Status(503)).is_passing());
        assert!(!wrapped(wrapped(Reason::Status(404))).is_passing());
        assert!(!Reason::Refused(Refused { network: "loopback" }).is_passing());
    }

    #[test]
    fn error_shortens_urls() {
        assert_eq!(shown_url("https://example.com/é.png"), "https://example.com/é.png");
        assert_eq!(shown_url("data:image/png;base64,AAAA"), "data:image/png;base64,… (26 characters)");
        assert_eq!(shown_url(&format!("DATA:{}", "é".repeat(40))), format!("DATA:{}… (45 characters)", "é".repeat(17)));
        let long = format!("https://example.com/{}", "a".repeat(400));
        assert_eq!(shown_url(&long), format!("{}… (420 characters)", &long[..200]));
    }
}
