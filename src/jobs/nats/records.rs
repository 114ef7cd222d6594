//! Records in the key-value bucket: read, created, replaced and deleted by compare-and-set on the revision.

use async_nats::jetstream::kv::{CreateErrorKind, Entry as KvEntry, Operation, UpdateErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::cluster::{ClusterConnection, PARALLEL};
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::{Entry, RecordKind};
use crate::jobs::life::key::Key;
use crate::jobs::life::trash::Trash;
use crate::jobs::store::StoreError;
use crate::report::with_causes;

impl ClusterConnection {
    /// The record under `key`; `None` when there is none or it is of another kind.
    pub(super) async fn load<R: RecordKind>(&self, key: &Key) -> Result<Option<Stored<R>>, StoreError> {
        self.connected()?;
        let entry = self.layout.records.entry(key.to_string()).await;
        let entry = entry.map_err(|error| self.failed("cannot read a record", with_causes(&error)))?;
        let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
        let Stored { record, revision } = self.read(&entry)?;
        Ok(R::from_entry(record).map(|record| Stored { record, revision }))
    }

    pub(super) fn read(&self, entry: &KvEntry) -> Result<Stored, StoreError> {
        let damaged =
            |reason: String| StoreError::Damaged { place: format!("{}, record {}", self.place, entry.key), reason };
        let record = match Key::parse(&entry.key) {
            Some(Key::Batch(_)) => serde_json::from_slice(&entry.value).map(Entry::Batch),
            _ => serde_json::from_slice(&entry.value).map(Entry::Job),
        };
        let record = record.map_err(|error| damaged(error.to_string()))?;
        match record.key() {
            Some(key) if key.to_string() == entry.key => Ok(Stored { record, revision: entry.revision }),
            _ => Err(damaged("it is stored under another key".into())),
        }
    }

    /// The revision of the new record; `None` when its key has one already.
    pub(super) async fn create(&self, record: &Entry) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.layout.records.create(key, text).await {
            Ok(revision) => {
                self.index.apply(record, revision);
                Ok(Some(revision))
            }
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(self.failed("cannot write a record", with_causes(&error))),
        }
    }

    /// The new revision; `None` when the record is no longer at `revision`.
    pub(super) async fn replace(&self, record: &Entry, revision: u64) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.layout.records.update(key, text, revision).await {
            Ok(revision) => {
                self.index.apply(record, revision);
                Ok(Some(revision))
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(None),
            Err(error) => Err(self.failed("cannot change a record", with_causes(&error))),
        }
    }

    /// False when the record is no longer at `revision`.
    pub(super) async fn delete(&self, key: &Key, revision: u64) -> Result<bool, StoreError> {
        self.connected()?;
        match self.layout.records.delete_expect_revision(key.to_string(), Some(revision)).await {
            Ok(()) => {
                self.index.remove(key);
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(self.failed("cannot remove a record", with_causes(&error))),
        }
    }

    /// Replaces a record and adds files to the trash. A failure of the latter is logged only, since the record is
    /// written.
    pub(super) async fn replace_with_trash(
        &self,
        record: &Entry,
        revision: u64,
        trash: &Trash,
    ) -> Result<Option<u64>, StoreError> {
        let replaced = self.replace(record, revision).await?;
        if replaced.is_some()
            && let Err(error) = self.add_to_trash(trash).await
        {
            tracing::warn!(key = ?record.key(), %error, "cannot note files of attempts for deletion");
        }
        Ok(replaced)
    }

    /// Notes files for deletion.
    pub(super) async fn add_to_trash(&self, trash: &Trash) -> Result<(), StoreError> {
        if trash.is_empty() {
            return Ok(());
        }
        self.connected()?;
        let noting = trash.iter().map(|(file, from)| async move {
            let noted = self.layout.trash.put(file, from.micros().to_string().into()).await;
            noted.map(drop).map_err(|error| self.failed("cannot note what to remove", with_causes(&error)))
        });
        stream::iter(noting.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect().await
    }

    fn write(&self, record: &Entry) -> Result<(String, bytes::Bytes), StoreError> {
        let key = record.key().ok_or_else(|| self.failed("cannot write a record", "it has no key"))?;
        let text = match record {
            Entry::Job(record) => serde_json::to_vec(record),
            Entry::Batch(record) => serde_json::to_vec(record),
        };
        let text = text.map_err(|error| self.failed("cannot write a record", error))?;
        Ok((key.to_string(), text.into()))
    }
}
