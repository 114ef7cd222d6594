//! Records: read, made, changed by compare-and-set, removed.

use async_nats::jetstream::kv::{CreateErrorKind, Entry, Operation, UpdateErrorKind};

use super::Nats;
use super::record::Record;
use crate::jobs::job::JobId;
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
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) revision: u64,
}

impl Nats {
    /// The record, unless there is none, or no longer.
    pub(super) async fn find(&self, id: &JobId) -> Result<Option<Found>, StoreError> {
        self.connected()?;
        let entry = self.0.layout.records.entry(id.as_str()).await;
        let entry = entry.map_err(|error| self.failed("cannot read a job", with_causes(&error)))?;
        match entry.filter(|it| it.operation == Operation::Put) {
            Some(entry) => self.read(&entry).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn read(&self, entry: &Entry) -> Result<Found, StoreError> {
        let damaged =
            |reason: String| StoreError::Damaged { place: format!("{}, job {}", self.0.place, entry.key), reason };
        let record: Record = serde_json::from_slice(&entry.value).map_err(|error| damaged(error.to_string()))?;
        if record.id != entry.key || JobId::parse(&record.id).is_none() {
            return Err(damaged(format!("it stands under another name: {}", record.id)));
        }
        Ok(Found { record, revision: entry.revision })
    }

    /// False when there is one of that name.
    pub(super) async fn make(&self, record: &Record) -> Result<bool, StoreError> {
        self.connected()?;
        match self.0.layout.records.create(&record.id, self.write(record)?).await {
            Ok(revision) => {
                self.0.index.saw(record, revision);
                Ok(true)
            }
            Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(self.failed("cannot write a job", with_causes(&error))),
        }
    }

    /// Changes a record as `change` says, which may be asked several times. Returns what it was made to be, and `change`'s
    /// answer; `None` when there is no record.
    pub(super) async fn change<T>(
        &self,
        id: &JobId,
        mut change: impl FnMut(&mut Record) -> Change<T> + Send,
    ) -> Result<Option<(Record, T)>, StoreError> {
        loop {
            let Some(Found { mut record, revision }) = self.find(id).await? else { return Ok(None) };
            let answer = match change(&mut record) {
                Change::Leave(answer) => return Ok(Some((record, answer))),
                Change::Write(answer) => answer,
            };
            if self.replace(&record, revision).await? {
                return Ok(Some((record, answer)));
            }
        }
    }

    /// False when it is no longer at that revision.
    pub(super) async fn replace(&self, record: &Record, revision: u64) -> Result<bool, StoreError> {
        self.connected()?;
        match self.0.layout.records.update(&record.id, self.write(record)?, revision).await {
            Ok(revision) => {
                self.0.index.saw(record, revision);
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(self.failed("cannot change a job", with_causes(&error))),
        }
    }

    /// Removes a record. False when it is no longer at that revision.
    pub(super) async fn forget(&self, id: &JobId, revision: u64) -> Result<bool, StoreError> {
        self.connected()?;
        match self.0.layout.records.delete_expect_revision(id.as_str(), Some(revision)).await {
            Ok(()) => {
                self.0.index.forget(id);
                Ok(true)
            }
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
            Err(error) => Err(self.failed("cannot remove a job", with_causes(&error))),
        }
    }

    fn write(&self, record: &Record) -> Result<bytes::Bytes, StoreError> {
        let text = serde_json::to_vec(record).map_err(|error| self.failed("cannot write a job", error))?;
        Ok(text.into())
    }
}
