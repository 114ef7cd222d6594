//! Records: read, made, changed by compare-and-set, removed.

use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, UpdateErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Nats;
use super::index::Index;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::delivery::StoredDelivery;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::moment::Moment;
use crate::jobs::store::StoreError;
use crate::report::with_causes;

/// What a look at a record leads to.
pub(super) enum Change<T> {
    /// It stays as it is.
    Leave(T),
    /// It becomes what it was made to be, unless somebody else was faster; then all begins again.
    Write(T),
}

/// A record as it was read.
pub(super) struct Found<R = JobRecord> {
    pub(super) record: R,
    pub(super) revision: u64,
}

/// A kind of record.
pub(super) trait StoredRecord: Serialize + DeserializeOwned + Send + Sync {
    /// Where one stands of which a caller knows the id.
    fn place(id: &JobId) -> Key;
    /// Where it stands; `None` when it makes no sense.
    fn key(&self) -> Option<Key>;
    /// Whose it is.
    fn owner(&self) -> &str;
    /// Whether callers see it no more.
    fn has_expired(&self, now: Moment) -> bool;
    /// What receivers are told of it.
    fn deliveries(&mut self) -> &mut Vec<StoredDelivery>;
    /// Tells the index.
    fn show(&self, index: &Index, revision: u64);
}

impl StoredRecord for JobRecord {
    fn place(id: &JobId) -> Key {
        Key::Job(id.clone())
    }

    fn key(&self) -> Option<Key> {
        self.key()
    }

    fn owner(&self) -> &str {
        &self.owner
    }

    fn has_expired(&self, now: Moment) -> bool {
        self.has_expired(now)
    }

    fn deliveries(&mut self) -> &mut Vec<StoredDelivery> {
        &mut self.deliveries
    }

    fn show(&self, index: &Index, revision: u64) {
        index.saw(self, revision);
    }
}

impl StoredRecord for BatchRecord {
    fn place(id: &JobId) -> Key {
        Key::Batch(id.clone().into())
    }

    fn key(&self) -> Option<Key> {
        BatchId::parse(&self.id).map(Key::Batch)
    }

    fn owner(&self) -> &str {
        &self.owner
    }

    fn has_expired(&self, now: Moment) -> bool {
        self.has_expired(now)
    }

    fn deliveries(&mut self) -> &mut Vec<StoredDelivery> {
        &mut self.deliveries
    }

    fn show(&self, index: &Index, revision: u64) {
        index.saw_head(self, revision);
    }
}

impl Nats {
    /// The record of a job or a row, unless there is none, or no longer.
    pub(super) async fn find(&self, key: &Key) -> Result<Option<Found>, StoreError> {
        self.look_up(key).await
    }

    /// The record of any kind.
    pub(super) async fn look_up<R: StoredRecord>(&self, key: &Key) -> Result<Option<Found<R>>, StoreError> {
        self.connected()?;
        let entry = self.0.layout.records.entry(key.to_string()).await;
        let entry = entry.map_err(|error| self.failed("cannot read a record", with_causes(&error)))?;
        match entry.filter(|it| it.operation == Operation::Put) {
            Some(entry) => self.read(&entry).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn read<R: StoredRecord>(&self, entry: &Entry) -> Result<Found<R>, StoreError> {
        let damaged =
            |reason: String| StoreError::Damaged { place: format!("{}, record {}", self.0.place, entry.key), reason };
        let record: R = serde_json::from_slice(&entry.value).map_err(|error| damaged(error.to_string()))?;
        match record.key() {
            Some(key) if key.to_string() == entry.key => Ok(Found { record, revision: entry.revision }),
            _ => Err(damaged("it stands under another's name".into())),
        }
    }

    /// Its revision; `None` when there is one of that name.
    pub(super) async fn make<R: StoredRecord>(&self, record: &R) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.0.layout.records.create(key, text).await {
            Ok(revision) => {
                record.show(&self.0.index, revision);
                Ok(Some(revision))
            }
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(self.failed("cannot write a record", with_causes(&error))),
        }
    }

    /// Changes a record as `change` says, which may be asked several times. Returns what it was made to be, at which revision,
    /// and `change`'s answer; `None` when there is no record.
    pub(super) async fn change<R: StoredRecord, T>(
        &self,
        key: &Key,
        mut change: impl FnMut(&mut R) -> Change<T> + Send,
    ) -> Result<Option<(Found<R>, T)>, StoreError> {
        loop {
            let Some(Found { mut record, revision }) = self.look_up::<R>(key).await? else { return Ok(None) };
            let answer = match change(&mut record) {
                Change::Leave(answer) => return Ok(Some((Found { record, revision }, answer))),
                Change::Write(answer) => answer,
            };
            if let Some(revision) = self.replace(&record, revision).await? {
                return Ok(Some((Found { record, revision }, answer)));
            }
        }
    }

    /// Its new revision; `None` when it is no longer at `revision`.
    pub(super) async fn replace<R: StoredRecord>(&self, record: &R, revision: u64) -> Result<Option<u64>, StoreError> {
        self.connected()?;
        let (key, text) = self.write(record)?;
        match self.0.layout.records.update(key, text, revision).await {
            Ok(revision) => {
                record.show(&self.0.index, revision);
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

    fn write<R: StoredRecord>(&self, record: &R) -> Result<(String, bytes::Bytes), StoreError> {
        let key = record.key().ok_or_else(|| self.failed("cannot write a record", "it has no name"))?;
        let text = serde_json::to_vec(record).map_err(|error| self.failed("cannot write a record", error))?;
        Ok((key.to_string(), text.into()))
    }
}
