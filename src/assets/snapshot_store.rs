//! Storage for the files of a batch's snapshot that outlives the process.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::error::{ChangedFile, Reason};
use super::request::AssetKind;

/// Stores the files of one batch as they were first fetched, for all processes that render its rows.
pub trait SnapshotStore: fmt::Debug + Send + Sync {
    /// Returns the stored file of `url`, if there is one.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>>;

    /// Stores `file` for `url` and returns `None`. If another process has stored one already, returns that one instead.
    ///
    /// # Errors
    /// When the storage cannot be written, or when it has only the hash of another file.
    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>>;
}

/// Failure of a [`SnapshotStore`]. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotStoreError {
    /// The storage failed, with its error.
    #[error("{0}")]
    Storage(#[source] Arc<dyn Error + Send + Sync>),
    /// The store has the hash of the file, and the file has changed.
    #[error(transparent)]
    Changed(ChangedFile),
}

impl SnapshotStoreError {
    /// Wraps an error of the storage.
    pub fn new(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self::Storage(error)
    }
}

impl From<SnapshotStoreError> for Reason {
    fn from(error: SnapshotStoreError) -> Self {
        match error {
            SnapshotStoreError::Storage(error) => Self::SnapshotStore(error),
            SnapshotStoreError::Changed(file) => Self::Changed(Box::new(file)),
        }
    }
}
