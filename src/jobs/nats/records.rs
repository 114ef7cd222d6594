//! Records: read, made, replaced by compare-and-set, removed.

use async_nats::jetstream::kv::{CreateErrorKind, Entry as KvEntry, Operation, UpdateErrorKind};

use super::Nats;
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::{Entry, RecordKind};
use crate::jobs::life::key::Key;
use crate::jobs::store::StoreError;
use crate::report::with_causes;

impl Nats {
    /// The record under `key`, unless there is none, or no longer, or one of another kind.
    pub(super) async fn look_up<R: RecordKind>(&self, key: &Key) -> Result<Option<Stored<R>>, StoreError> {
        self.connected()?;
        let entry = self.0.layout.records.entry(key.to_string()).await;
        let entry = entry.map_err(|error| self.failed("cannot read a record", with_causes(&error)))?;
        let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
        let Stored { record, revision } = self.read(&entry)?;
        Ok(R::from_entry(record).map(|record| Stored { record, revision }))
    }

    pub(super) fn read(&self, entry: &KvEntry) -> Result<Stored, StoreError> {
        let damaged =
            |reason: String| StoreError::Damaged { place: format!("{}, record {}", self.0.place, entry.key), reason };
        let record = match Key::parse(&entry.key) {
            Some(Key::Batch(_)) => serde_json::from_slice(&entry.value).map(Entry::Batch),
            _ => serde_json::from_slice(&entry.value).map(Entry::Job),
        };
        let record = record.map_err(|error| damaged(error.to_string()))?;
        match record.key() {
            Some(key) if key.to_string() == entry.key => Ok(Stored { record, revision: entry.revision }),
            _ => Err(damaged("it stands under another's name".into())),
        }
    }

    /// Its revision; `None` when there is one of that name.
    pub(super) async fn make(&self, record: &Entry) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.0.layout.records.create(key, text).await {
            Ok(revision) => {
                self.0.index.saw(record, revision);
                Ok(Some(revision))
            }
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(self.failed("cannot write a record", with_causes(&error))),
        }
    }

    /// Its new revision; `None` when it is no longer at `revision`.
    pub(super) async fn replace(&self, record: &Entry, revision: u64) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.0.layout.records.update(key, text, revision).await {
            Ok(revision) => {
                self.0.index.saw(record, revision);
                Ok(Some(revision))
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(self.failed("cannot change a record", with_causes(&error))),
        }
    }

    /// Removes a record. False when it is no longer at that revision.
    pub(super) async fn forget(&self, key: &Key, revision: u64) -> Result<bool, StoreError> {
        self.connected()?;
        match self.0.layout.records.delete_expect_revision(key.to_string(), Some(revision)).await {
            Ok(()) => {
                self.0.index.forget(key);
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(self.failed("cannot remove a record", with_causes(&error))),
        }
    }

    fn write(&self, record: &Entry) -> Result<(String, bytes::Bytes), StoreError> {
        let key = record.key().ok_or_else(|| self.failed("cannot write a record", "it has no name"))?;
        let text = match record {
            Entry::Job(record) => serde_json::to_vec(record),
            Entry::Batch(record) => serde_json::to_vec(record),
        };
        let text = text.map_err(|error| self.failed("cannot write a record", error))?;
        Ok((key.to_string(), text.into()))
    }
}
