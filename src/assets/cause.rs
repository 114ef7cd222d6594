//! Causes of failed loads, for metrics.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Cause of a failed load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FailureCause {
    /// The address is in a closed network, of this kind.
    Refused(Cow<'static, str>),
    /// The URL is invalid.
    Url,
    /// The server redirected too often, or to nowhere.
    Redirects,
    /// A time limit was exceeded.
    Timeout,
    /// The server answered with a status other than 200.
    Status,
    /// The file is larger than allowed.
    TooLarge,
    /// The connection failed.
    Network,
    /// The file is no image or font that can be decoded.
    Unreadable,
    /// There is no memory for the decoded picture.
    Memory,
    /// The font service lacks the family.
    FontService,
    /// The file changed during a batch.
    Changed,
    /// The service itself failed.
    Internal,
}

impl FailureCause {
    /// The value of the metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Url => "url",
            Self::Redirects => "redirects",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Network => "network",
            Self::Unreadable => "unreadable",
            Self::Memory => "memory",
            Self::FontService => "font_service",
            Self::Changed => "changed",
            Self::Internal => "internal",
        }
    }
}
