//! The files that a batch is made of, among the results: each as it was first fetched, until the batch is forgotten.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::batch::BatchId;
use super::results::{ResultError, Results};
use super::service::Service;
use super::store::Pin;
use crate::assets::{AssetKind, SnapshotStore, SnapshotStoreError};

/// How often store or results failed, and why the last time.
#[derive(Default)]
struct StorageFailures {
    times: u64,
    latest: String,
}

/// One batch's.
pub(super) struct BatchAssets {
    batch: BatchId,
    store: Arc<Service>,
    results: Results,
    trouble: Mutex<StorageFailures>,
}

impl BatchAssets {
    pub(super) fn new(batch: BatchId, store: Arc<Service>, results: Results) -> Self {
        Self { batch, store, results, trouble: Mutex::default() }
    }

    /// How often store or results failed up to now, for whichever row.
    pub(super) fn error_count(&self) -> u64 {
        self.trouble().times
    }

    /// Why they failed since there were so many `error_count`, if they did: each row that ended in an error meanwhile may do better
    /// when they are well.
    pub(super) fn error_since(&self, error_count: u64) -> Option<String> {
        let trouble = self.trouble();
        (trouble.times > error_count).then(|| trouble.latest.clone())
    }

    fn trouble(&self) -> MutexGuard<'_, StorageFailures> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find_file(&self, key: &str) -> Result<Option<Bytes>, String> {
        let pinned = self.store.asset_hash(&self.batch, key).await.map_err(|error| error.to_string())?;
        match pinned {
            Some(digest) => self.file(digest).await.map(Some),
            None => Ok(None),
        }
    }

    async fn file(&self, digest: [u8; 32]) -> Result<Bytes, String> {
        let name = hex(&digest);
        let file = self.results.get_pin(&self.batch, &name).await.map_err(|error| match error {
            ResultError::NotFound => format!("the file {name} that the batch {} is made of is missing", self.batch),
            ResultError::Failed(reason) => reason,
        })?;
        if <[u8; 32]>::from(Sha256::digest(&file)) != digest {
            return Err(format!("the file {name} that the batch {} is made of has been changed", self.batch));
        }
        Ok(file)
    }

    async fn keep_file(&self, key: String, file: Bytes) -> Result<Option<Bytes>, String> {
        let sha256: [u8; 32] = Sha256::digest(&file).into();
        // The file first: whoever sees the pin finds it.
        self.results.put_pin(&self.batch, &hex(&sha256), file).await.map_err(|error| error.to_string())?;
        let standing =
            self.store.put_asset_hash(&self.batch, Pin { key, sha256 }).await.map_err(|error| error.to_string())?;
        match standing {
            Some(before) if before != sha256 => self.file(before).await.map(Some),
            // Of a batch that is gone nobody wants to know any more.
            Some(_) | None => Ok(None),
        }
    }

    fn note<T>(&self, result: Result<T, String>) -> Result<T, String> {
        if let Err(reason) = &result {
            let mut trouble = self.trouble();
            trouble.times += 1;
            trouble.latest.clone_from(reason);
        }
        result
    }
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The same address may be a picture here and a font there.
fn key(kind: AssetKind, url: &str) -> String {
    match kind {
        AssetKind::Image => format!("image {url}"),
        AssetKind::Font => format!("font {url}"),
    }
}

impl SnapshotStore for BatchAssets {
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async move { self.note(self.find_file(&key(kind, url)).await).map_err(SnapshotStoreError::new) })
    }

    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async move { self.note(self.keep_file(key(kind, url), file).await).map_err(SnapshotStoreError::new) })
    }
}

impl fmt::Debug for BatchAssets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchFiles").field("batch", &self.batch).finish_non_exhaustive()
    }
}
