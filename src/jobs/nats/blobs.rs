//! Blobs in the bucket of results; hashes of assets and names of files to delete in buckets on the servers.

use async_nats::jetstream::kv::{CreateErrorKind, Operation};
use bytes::Bytes;
use futures_util::StreamExt;

use super::bodies::{self, BodyError};
use super::ledger::NatsLedger;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::ledger::Blobs;
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::key::Key;
use crate::jobs::store::{PinnedAsset, StoreError, StoreFuture};
use crate::report::with_causes;

impl Blobs for NatsLedger {
    fn blob<'a>(&'a self, key: &'a Key, blob: &'a BlobRef) -> StoreFuture<'a, Bytes> {
        Box::pin(async move {
            bodies::load(&self.cluster.results, blob).await.map_err(|error| match error {
                BodyError::Bucket(error) => self.cluster.failed("cannot read what was sent (TENTER_RESULTS)", error),
                BodyError::Damaged(reason) => {
                    StoreError::Damaged { place: format!("{}, record {key}", self.cluster.place), reason }
                }
            })
        })
    }

    fn put_blob<'a>(&'a self, _: &'a Key, bytes: Bytes) -> StoreFuture<'a, BlobRef> {
        Box::pin(async move {
            let stored = bodies::store(&self.cluster.results, bytes).await;
            stored.map_err(|error| self.cluster.failed("cannot store what belongs to a batch (TENTER_RESULTS)", error))
        })
    }

    fn put_row_values<'a>(&'a self, _: &'a Key, values: Bytes) -> StoreFuture<'a, Option<BlobRef>> {
        Box::pin(async move {
            let stored = bodies::store(&self.cluster.results, values).await;
            stored.map(Some).map_err(|error| self.cluster.failed("cannot store what was sent (TENTER_RESULTS)", error))
        })
    }

    fn asset_hash<'a>(&'a self, batch: &'a BatchId, key: &'a str) -> StoreFuture<'a, Option<ContentHash>> {
        Box::pin(async move {
            self.cluster.connected()?;
            let entry = self.cluster.layout.records.entry(asset_key(batch, key).to_string()).await;
            let failed = |reason: String| self.cluster.failed("cannot read which file a batch is made of", reason);
            let entry = entry.map_err(|error| failed(with_causes(&error)))?;
            let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
            let hash = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<ContentHash>().ok());
            hash.map(Some).ok_or_else(|| failed(format!("{} is no hash", entry.key)))
        })
    }

    fn put_asset_hash<'a>(&'a self, batch: &'a BatchId, pin: PinnedAsset) -> StoreFuture<'a, ContentHash> {
        Box::pin(async move {
            let place = asset_key(batch, &pin.key).to_string();
            match self.cluster.layout.records.create(place, pin.hash.to_string().into()).await {
                Ok(_) => Ok(pin.hash),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                    // It is missing when the batch was removed meanwhile.
                    Ok(self.asset_hash(batch, &pin.key).await?.unwrap_or(pin.hash))
                }
                Err(error) => {
                    Err(self.cluster.failed("cannot note which file a batch is made of", with_causes(&error)))
                }
            }
        })
    }

    fn trash(&self, limit: u64) -> StoreFuture<'_, Vec<String>> {
        Box::pin(async move {
            self.cluster.connected()?;
            let failed = |error: &dyn std::error::Error| {
                self.cluster.failed("cannot list results to remove", with_causes(error))
            };
            let (now, trash) = (self.cluster.now(), &self.cluster.layout.trash);
            let mut due = Vec::new();
            // A watch of an empty bucket yields nothing and does not end.
            if trash.stream.get_info().await.map_err(|error| failed(&error))?.state.messages == 0 {
                return Ok(due);
            }
            let mut all = trash.watch_with_history(">").await.map_err(|error| failed(&error))?;
            while let Some(entry) = all.next().await {
                let entry = entry.map_err(|error| failed(&error))?;
                let since = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<i64>().ok());
                if since.is_some_and(|since| since <= now.micros()) {
                    due.push(entry.key);
                }
                if due.len() as u64 >= limit || entry.delta == 0 {
                    break;
                }
            }
            Ok(due)
        })
    }

    fn remove_from_trash<'a>(&'a self, file: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.cluster.connected()?;
            let trash = &self.cluster.layout.trash;
            let entry = trash.entry(file).await;
            let entry =
                entry.map_err(|error| self.cluster.failed("cannot read what is to be removed", with_causes(&error)))?;
            if let Some(entry) = entry {
                // By its message, which leaves no tombstone. An error means that another front end was faster.
                let _ = trash.stream.delete_message(entry.revision).await;
            }
            Ok(())
        })
    }

    fn sweep_blobs(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if !self.cluster.index.is_complete() {
                // A record that is not in the index may refer to a blob.
                return Ok(());
            }
            self.cluster.sweep_tombstones().await;
            self.cluster.sweep_bodies().await
        })
    }
}

fn asset_key(batch: &BatchId, key: &str) -> Key {
    Key::Pin(batch.clone(), ContentHash::of(key.as_bytes()).to_string())
}
