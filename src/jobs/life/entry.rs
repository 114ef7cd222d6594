//! A record of either kind, as ledgers store it.

use super::batch_record::BatchRecord;
use super::delivery::StoredDelivery;
use super::key::Key;
use super::record::JobRecord;
#[cfg(feature = "cluster")]
use crate::jobs::job::JobId;
use crate::jobs::timestamp::Timestamp;

/// A record in a ledger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A job, a row of a batch, or the document of all rows of a batch.
    Job(JobRecord),
    /// A batch as a whole.
    Batch(BatchRecord),
}

/// A type of record that an [`Entry`] can be converted to; `Entry` itself is one.
pub(crate) trait RecordKind: Sized + Send + Sync {
    /// `None` when the entry is of the other kind.
    fn from_entry(entry: Entry) -> Option<Self>;
    fn into_entry(self) -> Entry;
}

impl RecordKind for Entry {
    fn from_entry(entry: Entry) -> Option<Self> {
        Some(entry)
    }

    fn into_entry(self) -> Entry {
        self
    }
}

impl RecordKind for JobRecord {
    fn from_entry(entry: Entry) -> Option<Self> {
        match entry {
            Entry::Job(record) => Some(record),
            Entry::Batch(_) => None,
        }
    }

    fn into_entry(self) -> Entry {
        Entry::Job(self)
    }
}

impl RecordKind for BatchRecord {
    fn from_entry(entry: Entry) -> Option<Self> {
        match entry {
            Entry::Batch(record) => Some(record),
            Entry::Job(_) => None,
        }
    }

    fn into_entry(self) -> Entry {
        Entry::Batch(self)
    }
}

impl Entry {
    /// The key of the record; `None` when its ids are invalid.
    pub(crate) fn key(&self) -> Option<Key> {
        match self {
            Self::Job(record) => record.key(),
            Self::Batch(record) => record.key(),
        }
    }

    /// Name of the API key that created it; empty when the service runs without keys.
    pub(crate) fn owner(&self) -> &str {
        match self {
            Self::Job(record) => &record.owner,
            Self::Batch(record) => &record.owner,
        }
    }

    /// The id of the job, or of the batch as the id of a job; `None` when it is invalid.
    #[cfg(feature = "cluster")]
    pub(crate) fn id(&self) -> Option<JobId> {
        match self {
            Self::Job(record) => JobId::parse(&record.id),
            Self::Batch(record) => JobId::parse(&record.id),
        }
    }

    /// Key of its entry among the idempotency keys, in a ledger that stores these apart.
    #[cfg(feature = "cluster")]
    pub(crate) fn idempotency_key(&self) -> Option<&str> {
        match self {
            Self::Job(record) => record.key.as_deref(),
            Self::Batch(record) => record.key.as_deref(),
        }
    }

    /// Whether calls no longer return it.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Job(record) => record.has_expired(now),
            Self::Batch(record) => record.has_expired(now),
        }
    }

    /// Its outbox of webhooks, oldest first.
    pub(crate) fn deliveries(&self) -> &[StoredDelivery] {
        match self {
            Self::Job(record) => &record.deliveries,
            Self::Batch(record) => &record.deliveries,
        }
    }

    pub(crate) fn deliveries_mut(&mut self) -> &mut [StoredDelivery] {
        match self {
            Self::Job(record) => &mut record.deliveries,
            Self::Batch(record) => &mut record.deliveries,
        }
    }
}
