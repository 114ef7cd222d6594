//! A record of either kind: a job (or a row, or a document), or a batch.

use super::batch_record::BatchRecord;
use super::delivery::StoredDelivery;
use super::key::Key;
use super::record::JobRecord;
#[cfg(feature = "cluster")]
use crate::jobs::job::JobId;
use crate::jobs::timestamp::Timestamp;

/// What a ledger holds under a key.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::jobs) enum Entry {
    /// A job, a row of a batch, or the document of all rows.
    Job(JobRecord),
    /// What is known of a batch as a whole.
    Batch(BatchRecord),
}

/// A kind of record, known at compile time, or either.
pub(in crate::jobs) trait RecordKind: Sized + Send + Sync {
    /// `None` when the entry is of the other kind.
    fn from_entry(entry: Entry) -> Option<Self>;
    /// The record as an entry.
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
    /// Where it stands; `None` when the record makes no sense.
    pub(in crate::jobs) fn key(&self) -> Option<Key> {
        match self {
            Self::Job(record) => record.key(),
            Self::Batch(record) => record.key(),
        }
    }

    /// Name of the API key that created it.
    pub(in crate::jobs) fn owner(&self) -> &str {
        match self {
            Self::Job(record) => &record.owner,
            Self::Batch(record) => &record.owner,
        }
    }

    /// The id by which its owner asks for it; `None` when the record makes no sense.
    #[cfg(feature = "cluster")]
    pub(in crate::jobs) fn id(&self) -> Option<JobId> {
        match self {
            Self::Job(record) => JobId::parse(&record.id),
            Self::Batch(record) => JobId::parse(&record.id),
        }
    }

    /// Where its idempotency key stands, in a ledger that keeps keys apart.
    #[cfg(feature = "cluster")]
    pub(in crate::jobs) fn idempotency(&self) -> Option<&str> {
        match self {
            Self::Job(record) => record.key.as_deref(),
            Self::Batch(record) => record.key.as_deref(),
        }
    }

    /// Whether callers see it no more.
    pub(in crate::jobs) fn has_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Job(record) => record.has_expired(now),
            Self::Batch(record) => record.has_expired(now),
        }
    }

    /// What its receiver is or was to be told, oldest first.
    pub(in crate::jobs) fn deliveries(&self) -> &[StoredDelivery] {
        match self {
            Self::Job(record) => &record.deliveries,
            Self::Batch(record) => &record.deliveries,
        }
    }

    /// As [`Entry::deliveries`], to be changed.
    pub(in crate::jobs) fn deliveries_mut(&mut self) -> &mut [StoredDelivery] {
        match self {
            Self::Job(record) => &mut record.deliveries,
            Self::Batch(record) => &mut record.deliveries,
        }
    }
}
