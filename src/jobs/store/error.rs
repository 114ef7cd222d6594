//! The error of job stores.

use futures_util::future::BoxFuture;

/// Future of a call to a store.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A job store failed. The call that returned this has changed nothing.
///
/// `place` is the file or server that failed; `reason` is the text of the underlying error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk has no space left.
    #[error("{place}: the disk is full ({reason}); free space for TENTER_DATA_DIR")]
    Full {
        /// The file or server that failed.
        place: String,
        /// Text of the underlying error.
        reason: String,
    },
    /// A file or folder cannot be written.
    #[error("{place}: cannot be written ({reason}); TENTER_DATA_DIR must name a folder that this user may write")]
    ReadOnly {
        /// The file or server that failed.
        place: String,
        /// Text of the underlying error.
        reason: String,
    },
    /// The stored data cannot be interpreted.
    #[error(
        "{place}: is damaged ({reason}); restore it from a backup, or move it away to begin with an empty store (jobs in it \
         are lost)"
    )]
    Damaged {
        /// The file or server that failed.
        place: String,
        /// Text of the underlying error.
        reason: String,
    },
    /// The file or server has another version or lacks a feature. A retry does not help.
    #[error("{place}: {reason}")]
    Unsupported {
        /// The file or server that failed.
        place: String,
        /// What is missing, and what to use instead.
        reason: String,
    },
    /// Any other failure. A retry may succeed.
    #[error("{place}: {reason}")]
    Failed {
        /// The file or server that failed.
        place: String,
        /// Text of the underlying error.
        reason: String,
    },
}
