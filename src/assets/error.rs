//! Errors of assets, with the messages that callers read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cause::FailureCause;
use super::data_url::DataUrlError;
use super::decode::DecodeError;
use super::google::FontServiceError;
use super::guard::{BlockedAddress, UrlError};
use super::memory::MemoryError;
use super::request::AssetKind;
use crate::hash::ContentHash;
use crate::pool::PoolError;
use crate::report::JsonPath;

/// Maximum length of a URL in messages, in bytes; longer ones are truncated.
const MAX_URL_LEN: usize = 200;
/// Maximum length of a `data:` URL in messages, in bytes, which suffices for its media type.
const MAX_DATA_URL_LEN: usize = 40;

/// Message for host names without an address that may be reached.
const NO_PUBLIC_ADDRESS: &str = "the host name has no address, or only addresses in a closed network; to allow a network, \
     add it to TENTER_ALLOW_ADDRESSES";

/// An asset that could not be loaded, for one of its requests.
///
/// The text keeps the editor's wording, by which clients classify errors (http-api.md §6):
/// `image with id <id> url: <url>`, `Timeout loading asset …`, `Timeout for loading font "<family>"`.
#[derive(Clone, Debug)]
pub struct AssetError {
    /// JSON path of the field in the design.
    pub at: JsonPath,
    /// The element's id, `page background`, or the family of a font.
    pub element: Arc<str>,
    /// Kind of the asset.
    pub kind: AssetKind,
    /// URL, truncated for messages.
    pub url: Arc<str>,
    /// The cause of the failure.
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
            // The editor's renderer uses this wording for every cause.
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
    /// True when loading exceeded a time limit.
    pub fn is_timeout(&self) -> bool {
        self.reason.is_timeout()
    }

    /// True when the asset was not tried because something is used up, so that another attempt may succeed.
    pub fn is_exhaustion(&self) -> bool {
        self.reason.is_exhaustion()
    }

    /// True for failures of the service itself, which neither the caller nor the source can fix.
    pub fn is_internal(&self) -> bool {
        self.reason.is_internal()
    }
}

/// Cause of a failed load, independent of the request. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    /// The text is not a URL, or its scheme is not supported.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// All addresses of the host name are in closed networks. The message is that of an unknown name, so that it does
    /// not reveal the names of a private network.
    #[error("{NO_PUBLIC_ADDRESS}")]
    Blocked(#[from] BlockedAddress),
    /// The target of a redirect failed.
    #[error("redirected to {to}: {reason}")]
    Redirected {
        /// Target URL, truncated for messages.
        to: String,
        /// The cause of the failure at the target.
        #[source]
        reason: Box<Reason>,
    },
    /// The server redirects more often than allowed.
    #[error("more than {limit} redirects (TENTER_ASSET_REDIRECTS)")]
    Redirects {
        /// Maximum number of redirects.
        limit: u32,
    },
    /// Loading exceeded a time limit.
    #[error("not loaded within {} s ({setting})", .after.as_secs_f64())]
    Timeout {
        /// The time limit that was exceeded.
        after: Duration,
        /// Name of the option or setting that sets the limit.
        setting: &'static str,
    },
    /// The server answered with a status other than 200.
    #[error("the server answered {0}; 200 is needed")]
    Status(u16),
    /// The file is larger than allowed.
    #[error("the file is {}; the limit is {limit} bytes (TENTER_ASSET_MAX_BYTES)", size(.found))]
    TooLarge {
        /// Size as announced by the server; `None` when the limit was exceeded during the transfer.
        found: Option<u64>,
        /// Maximum size in bytes.
        limit: u64,
    },
    /// The connection to the server failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The `data:` URL cannot be decoded.
    #[error(transparent)]
    DataUrl(Arc<DataUrlError>),
    /// The file is not a supported image or font, or is damaged.
    #[error(transparent)]
    Unreadable(Arc<DecodeError>),
    /// There is no memory for the decoded picture.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The font service lacks the family, or its style sheet cannot be used.
    #[error("font service: {0}")]
    FontService(#[from] FontServiceError),
    /// The file has changed since earlier rows of the batch.
    #[error(transparent)]
    Changed(Box<ChangedFile>),
    /// A task of the service failed on the CPU threads.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The storage of the batch's snapshot failed.
    #[error("{0}")]
    SnapshotStore(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The load failed in another process.
    #[error("{}", .0.message)]
    Elsewhere(Arc<FailureSummary>),
}

/// A failed load, as processes report it to each other: its message for callers and its classification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureSummary {
    message: String,
    cause: FailureCause,
    is_timeout: bool,
    is_internal: bool,
    is_transient: bool,
}

impl From<&Reason> for FailureSummary {
    fn from(reason: &Reason) -> Self {
        Self {
            message: reason.to_string(),
            cause: reason.cause(),
            is_timeout: reason.is_timeout(),
            is_internal: reason.is_internal(),
            is_transient: reason.is_transient(),
        }
    }
}

impl From<FailureSummary> for Reason {
    fn from(summary: FailureSummary) -> Self {
        Self::Elsewhere(Arc::new(summary))
    }
}

/// A file that differs from the snapshot of the batch.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
#[error(
    "the file has changed since the batch began: its SHA-256 was {expected}, now it is {found}; restore the file, \
    start a new batch, or raise TENTER_PIN_BYTES"
)]
pub struct ChangedFile {
    /// Hash in the snapshot of the batch.
    pub expected: ContentHash,
    /// Hash of the current file.
    pub found: ContentHash,
}

impl From<DecodeError> for Reason {
    fn from(error: DecodeError) -> Self {
        Self::Unreadable(Arc::new(error))
    }
}

impl From<DataUrlError> for Reason {
    fn from(error: DataUrlError) -> Self {
        match error {
            DataUrlError::TooLarge { limit } => Self::TooLarge { found: None, limit },
            error => Self::DataUrl(Arc::new(error)),
        }
    }
}

impl Reason {
    /// The cause after all redirects.
    pub fn root(&self) -> &Reason {
        match self {
            Self::Redirected { reason, .. } => reason.root(),
            reason => reason,
        }
    }

    fn is_timeout(&self) -> bool {
        match self.root() {
            Self::Timeout { .. } => true,
            Self::Elsewhere(summary) => summary.is_timeout,
            _ => false,
        }
    }

    /// True when the asset was not tried because something is used up.
    pub(super) fn is_exhaustion(&self) -> bool {
        match self.root() {
            Self::Pool(error) => error.is_exhaustion(),
            Self::Memory(error) => error.is_exhaustion(),
            Self::Unreadable(error) => error.is_exhaustion(),
            _ => false,
        }
    }

    fn is_internal(&self) -> bool {
        match self.root() {
            Self::Pool(_) | Self::SnapshotStore(_) => true,
            Self::Elsewhere(summary) => summary.is_internal,
            _ => false,
        }
    }

    /// The cause for metrics.
    pub(super) fn cause(&self) -> FailureCause {
        match self.root() {
            Self::Blocked(blocked) | Self::Url(UrlError::Blocked(blocked)) => {
                FailureCause::Refused(blocked.network.into())
            }
            Self::Url(_) | Self::DataUrl(_) => FailureCause::Url,
            Self::Redirected { .. } | Self::Redirects { .. } => FailureCause::Redirects,
            Self::Timeout { .. } => FailureCause::Timeout,
            Self::Status(_) => FailureCause::Status,
            Self::TooLarge { .. } => FailureCause::TooLarge,
            Self::Network(_) => FailureCause::Network,
            Self::Memory(_) => FailureCause::Memory,
            Self::Unreadable(error) if matches!(**error, DecodeError::Memory(_)) => FailureCause::Memory,
            Self::Unreadable(_) => FailureCause::Unreadable,
            Self::FontService(_) => FailureCause::FontService,
            Self::Changed(_) => FailureCause::Changed,
            Self::Pool(_) | Self::SnapshotStore(_) => FailureCause::Internal,
            Self::Elsewhere(summary) => summary.cause.clone(),
        }
    }

    /// True when the pictures of the request that ran the load take too much memory, which says nothing about others.
    pub(super) fn is_limit_of_request(&self) -> bool {
        let memory = match self.root() {
            Self::Memory(error) => Some(error),
            Self::Unreadable(error) => match &**error {
                DecodeError::Memory(error) => Some(error),
                _ => None,
            },
            _ => None,
        };
        memory.is_some_and(|error| !error.is_exhaustion())
    }

    /// True for failures that are worth another attempt: network errors and status 5xx (http-api.md §6).
    pub(super) fn is_transient(&self) -> bool {
        match self.root() {
            Self::Timeout { .. } | Self::Network(_) => true,
            Self::Status(status) => *status >= 500,
            Self::Elsewhere(summary) => summary.is_transient,
            _ => false,
        }
    }
}

/// Kinds of network failures. They contain neither addresses nor messages of the operating system, so that they reveal
/// nothing about closed networks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// The host name has no address.
    #[error("{NO_PUBLIC_ADDRESS}")]
    NoHost,
    /// The TLS handshake failed: certificate or protocol.
    #[error("the TLS connection to the host failed: {0}")]
    Tls(#[source] rustls::Error),
    /// The host did not accept the connection.
    #[error("the host did not accept the connection")]
    Connect,
    /// The connection was closed early, or the server does not speak HTTP.
    #[error("the host closed the connection before it had sent a complete HTTP response")]
    Broken,
}

/// Error of the configuration or the HTTP client at the start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `TENTER_GOOGLE_FONTS_URL` cannot be used.
    #[error("TENTER_GOOGLE_FONTS_URL: {0}")]
    FontService(#[source] UrlError),
    /// The HTTP client could not be created.
    #[error("the HTTP client could not be created: {0}")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn size(found: &Option<u64>) -> String {
    found.map_or_else(|| "too large".to_owned(), |found| format!("{found} bytes"))
}

/// `url` for messages: `data:` URLs and long ones are truncated, and an empty one is shown as such.
pub(super) fn shorten_url(url: &str) -> String {
    if url.is_empty() {
        return "(empty)".to_owned();
    }
    let max_len = if url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        MAX_DATA_URL_LEN.min(url.find(',').map_or(MAX_DATA_URL_LEN, |comma| comma + 1))
    } else {
        MAX_URL_LEN
    };
    if url.len() <= max_len {
        return url.to_owned();
    }
    format!("{}… ({} characters)", &url[..url.floor_char_boundary(max_len)], url.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: AssetKind, reason: Reason) -> String {
        let url = "https://example.com/a".into();
        AssetError { at: JsonPath::root(), element: "hero".into(), kind, url, reason }.to_string()
    }

    #[test]
    fn error_text_keeps_the_editors_wording() {
        let timeout = || Reason::Timeout { after: Duration::from_millis(1500), setting: "assetLoadTimeout" };
        let missing = || Reason::Status(404);
        assert_eq!(
            error(AssetKind::Image, missing()),
            "image with id hero url: https://example.com/a: the server answered 404; 200 is needed"
        );
        assert_eq!(
            error(AssetKind::Image, timeout()),
            "Timeout loading asset image with id hero url: https://example.com/a: \
             not loaded within 1.5 s (assetLoadTimeout)"
        );
        assert_eq!(
            error(AssetKind::Font, missing()),
            "Timeout for loading font \"hero\" url: https://example.com/a: the server answered 404; 200 is needed"
        );
    }

    #[test]
    fn error_of_an_unknown_name_equals_that_of_a_closed_one() {
        let blocked = Reason::Blocked(BlockedAddress { network: "private" });
        assert_eq!(blocked.to_string(), Reason::Network(NetworkError::NoHost).to_string());
    }

    #[test]
    fn error_is_classified_by_the_cause_after_redirects() {
        let wrapped = |reason| Reason::Redirected { to: "http://x/".into(), reason: Box::new(reason) };
        assert!(wrapped(Reason::Status(503)).is_transient());
        assert!(!wrapped(wrapped(Reason::Status(404))).is_transient());
        assert!(!Reason::Blocked(BlockedAddress { network: "loopback" }).is_transient());
    }

    #[test]
    fn error_truncates_urls() {
        assert_eq!(shorten_url(""), "(empty)");
        assert_eq!(shorten_url("https://example.com/é.png"), "https://example.com/é.png");
        assert_eq!(shorten_url("data:image/png;base64,AAAA"), "data:image/png;base64,… (26 characters)");
        assert_eq!(
            shorten_url(&format!("DATA:{}", "é".repeat(40))),
            format!("DATA:{}… (45 characters)", "é".repeat(17))
        );
        let long = format!("https://example.com/{}", "a".repeat(400));
        assert_eq!(shorten_url(&long), format!("{}… (420 characters)", &long[..200]));
    }
}
