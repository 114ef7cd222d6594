//! Storage for the files of a batch's snapshot that outlives the process.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::cache::LoadResult;
use super::error::Reason;
use super::fetch::Fetched;
use super::{AssetKind, Loader};
use url::Url;

/// Stores the files of one batch as they were first fetched, for all processes that render its rows.
pub trait SnapshotStore: fmt::Debug + Send + Sync {
    /// Returns the stored file of `url`, if there is one.
    ///
    /// # Errors
    /// A message when the storage cannot be read.
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, String>>;

    /// Stores `file` for `url` and returns `None`. If another process has stored one already, returns that one instead.
    ///
    /// # Errors
    /// A message when the storage cannot be written.
    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, String>>;
}

impl Loader {
    /// Loads `url` from `store`, or fetches and stores it. Files that cannot be decoded are not stored.
    pub(super) async fn load_stored(&self, store: &dyn SnapshotStore, kind: AssetKind, url: &Url) -> LoadResult {
        if let Some(file) = store.find(kind, url.as_str()).await.map_err(Reason::Internal)? {
            return self.decode(kind, file).await;
        }
        let file: Bytes = match self.fetcher().get(url, None).await? {
            Fetched::Body(file, _) => file.into(),
            // The request was not conditional, so 304 is no valid answer.
            Fetched::NotModified(_) => return Err(Reason::Status(304)),
        };
        let loaded = self.decode(kind, file.clone()).await?;
        match store.put_if_absent(kind, url.as_str(), file).await.map_err(Reason::Internal)? {
            None => Ok(loaded),
            Some(stored) => self.decode(kind, stored).await,
        }
    }
}
