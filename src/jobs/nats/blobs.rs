//! Bytes beside the records: bodies in the bucket of results, pins and names of results to remove on the servers.

use async_nats::jetstream::kv::{CreateErrorKind, Operation};
use bytes::Bytes;
use futures_util::StreamExt;

use super::Nats;
use super::bodies::{self, BodyError};
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::ledger::Blobs;
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::key::Key;
use crate::jobs::store::{Answer, Pin, StoreError};
use crate::report::with_causes;

impl Blobs for Nats {
    fn blob<'a>(&'a self, key: &'a Key, blob: &'a BlobRef) -> Answer<'a, Bytes> {
        Box::pin(async move {
            bodies::load(&self.0.results, blob).await.map_err(|error| match error {
                BodyError::Bucket(error) => self.failed("cannot read what was sent (TENTER_RESULTS)", error),
                BodyError::Damaged(reason) => {
                    StoreError::Damaged { place: format!("{}, record {key}", self.0.place), reason }
                }
            })
        })
    }

    fn put_blob<'a>(&'a self, _: &'a Key, bytes: Bytes) -> Answer<'a, BlobRef> {
        Box::pin(async move {
            let stored = bodies::store(&self.0.results, bytes).await;
            stored.map_err(|error| self.failed("cannot store what belongs to a batch (TENTER_RESULTS)", error))
        })
    }

    fn put_row_values<'a>(&'a self, _: &'a Key, values: Bytes) -> Answer<'a, Option<BlobRef>> {
        Box::pin(async move {
            let stored = bodies::store(&self.0.results, values).await;
            stored.map(Some).map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))
        })
    }

    fn pinned<'a>(&'a self, batch: &'a BatchId, key: &'a str) -> Answer<'a, Option<[u8; 32]>> {
        Box::pin(async move {
            self.connected()?;
            let entry = self.0.layout.records.entry(pin_key(batch, key).to_string()).await;
            let failed = |reason: String| self.failed("cannot read which file a batch is made of", reason);
            let entry = entry.map_err(|error| failed(with_causes(&error)))?;
            let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
            let hash = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<ContentHash>().ok());
            hash.map(|hash| Some(*hash.as_bytes())).ok_or_else(|| failed(format!("{} is no digest", entry.key)))
        })
    }

    fn pin<'a>(&'a self, batch: &'a BatchId, pin: Pin) -> Answer<'a, [u8; 32]> {
        Box::pin(async move {
            let place = pin_key(batch, &pin.key).to_string();
            match self.0.layout.records.create(place, ContentHash::from_bytes(pin.sha256).to_string().into()).await {
                Ok(_) => Ok(pin.sha256),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => {
                    // Gone again: its batch was cleared away at this moment.
                    Ok(self.pinned(batch, &pin.key).await?.unwrap_or(pin.sha256))
                }
                Err(error) => Err(self.failed("cannot note which file a batch is made of", with_causes(&error))),
            }
        })
    }

    fn trash(&self, limit: u64) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            self.connected()?;
            let failed =
                |error: &dyn std::error::Error| self.failed("cannot list results to remove", with_causes(error));
            let (now, trash) = (self.now(), &self.0.layout.trash);
            let mut due = Vec::new();
            // Who watches an empty bucket waits.
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

    fn trash_removed<'a>(&'a self, file: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.connected()?;
            let trash = &self.0.layout.trash;
            let entry = trash.entry(file).await;
            let entry = entry.map_err(|error| self.failed("cannot read what is to be removed", with_causes(&error)))?;
            if let Some(entry) = entry {
                // The message itself goes, and leaves no marker. Gone already is as good.
                let _ = trash.stream.delete_message(entry.revision).await;
            }
            Ok(())
        })
    }

    fn sweep_blobs(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            if !self.0.index.is_complete() {
                // What is not known yet may be needed.
                return Ok(());
            }
            self.sweep_markers().await;
            self.sweep_bodies().await
        })
    }
}

fn pin_key(batch: &BatchId, key: &str) -> Key {
    Key::Pin(batch.clone(), ContentHash::of(key.as_bytes()).to_string())
}
