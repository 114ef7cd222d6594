//! The error of requests to the servers. Its text becomes that of a `StoreError`, which callers see.

use std::path::PathBuf;

use async_nats::ConnectError;

use crate::report::with_causes;

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Why the servers cannot be used, or did not do what was requested.
#[derive(Debug, thiserror::Error)]
pub(super) enum NatsError {
    /// A setting is invalid, or settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// The file of a setting cannot be used.
    #[error("{} ({setting}): {source}", file.display())]
    File { file: PathBuf, setting: &'static str, source: BoxedError },
    /// No server could be reached in time.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A server refuses the connection; another attempt does not help.
    #[error("{source}: {advice}")]
    Refused { source: ConnectError, advice: &'static str },
    /// A stream, bucket or consumer cannot be created or opened.
    #[error("cannot {action} the {kind} {name}: {}", with_causes(source.as_ref()))]
    Object { action: &'static str, kind: &'static str, name: String, source: BoxedError },
    /// The servers refused a request, or did not answer it.
    #[error("{}", with_causes(.0.as_ref()))]
    Request(#[source] BoxedError),
    /// The servers answered something that cannot be used.
    #[error("{0}")]
    Unexpected(&'static str),
}

impl NatsError {
    pub(super) fn request(error: impl Into<BoxedError>) -> Self {
        Self::Request(error.into())
    }
}
