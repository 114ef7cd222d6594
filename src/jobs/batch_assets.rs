//! The template and the asset snapshot of a batch in the job store and the results: each asset as it was first
//! fetched, until the batch expires.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

use super::batch::BatchId;
use super::results::{ResultError, Results};
use super::service::Service;
use super::storage_error::StorageError;
use super::store::PinnedAsset;
use crate::assets::{AssetKind, SnapshotStore, SnapshotStoreError};
use crate::error::Error;
use crate::hash::ContentHash;
use crate::renderers::BatchSource;

/// The stored assets of one batch.
pub(super) struct BatchAssets {
    batch: BatchId,
    /// The body of the batch's template.
    template: Bytes,
    service: Arc<Service>,
    results: Results,
    failures: Mutex<StorageFailures>,
}

#[derive(Default)]
struct StorageFailures {
    count: u64,
    last: Option<Arc<StorageError>>,
}

impl BatchAssets {
    pub(super) fn new(batch: BatchId, template: Bytes, service: Arc<Service>, results: Results) -> Self {
        Self { batch, template, service, results, failures: Mutex::default() }
    }

    /// Number of storage failures so far, in whichever row they occurred.
    pub(super) fn error_count(&self) -> u64 {
        self.failures.lock().count
    }

    /// The last storage failure, if any occurred since [`Self::error_count`] returned `count`. A row that failed
    /// meanwhile may succeed when the storage works again.
    pub(super) fn error_since(&self, count: u64) -> Option<Arc<StorageError>> {
        let failures = self.failures.lock();
        failures.last.clone().filter(|_| failures.count > count)
    }

    async fn find(&self, key: &str) -> Result<Option<Bytes>, StorageError> {
        match self.service.asset_hash(&self.batch, key).await? {
            Some(hash) => self.read(hash).await.map(Some),
            None => Ok(None),
        }
    }

    async fn read(&self, hash: ContentHash) -> Result<Bytes, StorageError> {
        let batch = || self.batch.clone();
        let file = self.results.asset(&self.batch, hash).await.map_err(|error| match error {
            ResultError::NotFound => StorageError::AssetMissing { batch: batch(), hash },
            error => error.into(),
        })?;
        if ContentHash::of(&file) != hash {
            return Err(StorageError::AssetChanged { batch: batch(), hash });
        }
        Ok(file)
    }

    /// Stores `file` unless `key` already has a file, which is then returned.
    async fn put(&self, key: String, file: Bytes) -> Result<Option<Bytes>, StorageError> {
        let hash = ContentHash::of(&file);
        // The file is stored first, so that it exists for everyone who finds the key.
        self.results.put_asset(&self.batch, hash, file).await?;
        match self.service.put_asset_hash(&self.batch, PinnedAsset { key, hash }).await? {
            Some(earlier) if earlier != hash => self.read(earlier).await.map(Some),
            // `None`: the batch has been removed, so that its assets do not matter.
            Some(_) | None => Ok(None),
        }
    }

    /// Counts a failure and turns it into the error that [`SnapshotStore`] returns.
    fn count_failure<T>(&self, result: Result<T, StorageError>) -> Result<T, SnapshotStoreError> {
        result.map_err(|error| {
            let error = Arc::new(error);
            let mut failures = self.failures.lock();
            failures.count += 1;
            failures.last = Some(error.clone());
            SnapshotStoreError::new(error)
        })
    }
}

/// Key of an asset. It contains the kind, because the same URL may be used as an image and as a font.
fn key(kind: AssetKind, url: &str) -> String {
    match kind {
        AssetKind::Image => format!("image {url}"),
        AssetKind::Font => format!("font {url}"),
    }
}

impl SnapshotStore for BatchAssets {
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async move { self.count_failure(self.find(&key(kind, url)).await) })
    }

    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async move { self.count_failure(self.put(key(kind, url), file).await) })
    }
}

impl BatchSource for BatchAssets {
    fn id(&self) -> &str {
        self.batch.as_str()
    }

    fn template(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async { Ok(self.template.clone()) })
    }
}

impl fmt::Debug for BatchAssets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchAssets").field("batch", &self.batch).finish_non_exhaustive()
    }
}
