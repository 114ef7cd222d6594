//! A snapshot store that has only the hashes of the files, for runs that do not store the files of others.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::error::ChangedFile;
use super::request::AssetKind;
use super::snapshot_store::{SnapshotStore, SnapshotStoreError};
use crate::hash::ContentHash;

/// One entry of a snapshot, which identifies the contents of a URL after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Kind of the asset.
    pub kind: AssetKind,
    /// Absolute URL without fragment.
    pub url: String,
    /// Hash of the file.
    pub sha256: ContentHash,
}

/// The hashes of a batch's files as they were first fetched. A file that has changed since is an error.
#[derive(Debug, Default)]
pub struct SnapshotRecord(Mutex<RecordState>);

#[derive(Debug, Default)]
struct RecordState {
    hashes: HashMap<(AssetKind, String), ContentHash>,
    /// Entries since the last call of [`SnapshotRecord::drain_new`].
    new: Vec<SnapshotEntry>,
}

impl SnapshotRecord {
    /// Creates a record that knows the entries of earlier runs, as [`Self::drain_new`] returned them.
    pub fn new(entries: impl IntoIterator<Item = SnapshotEntry>) -> Self {
        let hashes = entries.into_iter().map(|it| ((it.kind, it.url), it.sha256)).collect();
        Self(Mutex::new(RecordState { hashes, new: Vec::new() }))
    }

    /// Returns the entries that were added since the last call, or since the start.
    pub fn drain_new(&self) -> Vec<SnapshotEntry> {
        std::mem::take(&mut self.0.lock().new)
    }

    fn add(&self, kind: AssetKind, url: &str, found: ContentHash) -> Result<(), ChangedFile> {
        let mut state = self.0.lock();
        match state.hashes.get(&(kind, url.to_owned())) {
            Some(expected) if *expected != found => return Err(ChangedFile { expected: *expected, found }),
            Some(_) => return Ok(()),
            None => {}
        }
        state.hashes.insert((kind, url.to_owned()), found);
        state.new.push(SnapshotEntry { kind, url: url.to_owned(), sha256: found });
        Ok(())
    }
}

impl SnapshotStore for SnapshotRecord {
    fn find<'a>(&'a self, _: AssetKind, _: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        Box::pin(async move {
            self.add(kind, url, ContentHash::of(&file)).map_err(SnapshotStoreError::Changed)?;
            Ok(None)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/a.png";

    async fn put(record: &SnapshotRecord, file: &'static str) -> Result<(), String> {
        let put = record.put_if_absent(AssetKind::Image, URL, file.into()).await;
        put.map(drop).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn changed_file_is_an_error() {
        let record = SnapshotRecord::default();
        assert_eq!(put(&record, "first").await, Ok(()));
        assert_eq!(put(&record, "first").await, Ok(()));
        let changed = put(&record, "second").await.expect_err("changed");
        let hash = ContentHash::of(b"first");
        assert!(changed.contains(&format!("SHA-256 was {hash}")) && changed.contains("TENTER_PIN_BYTES"), "{changed}");
        assert_eq!(record.drain_new(), [SnapshotEntry { kind: AssetKind::Image, url: URL.into(), sha256: hash }]);
        assert_eq!(record.drain_new(), []);
    }

    #[tokio::test]
    async fn entries_of_earlier_runs_are_known() {
        let entry = SnapshotEntry { kind: AssetKind::Image, url: URL.into(), sha256: ContentHash::of(b"first") };
        let record = SnapshotRecord::new([entry]);
        assert!(put(&record, "second").await.is_err());
        assert_eq!(put(&record, "first").await, Ok(()));
        assert_eq!(record.drain_new(), [], "the entry is not new");
    }
}
