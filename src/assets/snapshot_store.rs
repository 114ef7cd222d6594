//! Storage for the files of a batch's snapshot that outlives the process.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

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
    /// When the storage cannot be written.
    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>>;
}

/// Failure of a [`SnapshotStore`], with the message of the underlying error. Cheap to clone.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SnapshotStoreError(#[source] Arc<dyn Error + Send + Sync>);

impl SnapshotStoreError {
    /// Wraps an error of the storage.
    pub fn new(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}
