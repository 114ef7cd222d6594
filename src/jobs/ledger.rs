//! The storage of jobs and batches as traits, with two implementations: embedded ([`super::sqlite`]) and clustered
//! (`nats`).
//!
//! The traits ask for no more than a key-value store can do: a step reads one record or replaces it by compare-and-set
//! on its revision. Transitions of several steps are ordered so that a crash between two steps is detected and
//! repaired. A ledger does not know the transitions: it stores the records that [`super::life`] computed, and finds
//! records by their fields.
//!
//! | trait | for |
//! | --- | --- |
//! | [`Ledger`] | records: insert, load, compare-and-set, remove, list, count |
//! | [`Dispatch`] | the queues: work and webhooks that are due, claims (leases), notifications |
//! | [`Blobs`] | bytes beside the records: bodies, hashes of assets, the trash |
//! | [`TemplateLedger`] | records of templates, by owner and id |

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::batch::BatchId;
use super::job::JobId;
use super::life::batch_record::{BatchProgress, BatchRecord};
use super::life::blob::BlobRef;
use super::life::entry::Entry;
use super::life::key::Key;
use super::life::limits::Refusal;
use super::life::record::JobRecord;
use super::life::trash::Trash;
use super::store::{
    Counts, DeliveryCapacity, FetchFilter, ItemQuery, NewBatch, NewJob, Owner, PinnedAsset, StoreFuture, TemplateEntry,
};
use super::timestamp::{Clock, Timestamp};
use crate::hash::ContentHash;

/// A record as it was read.
#[derive(Clone, Debug)]
pub(super) struct Stored<R = Entry> {
    pub(super) record: R,
    /// Version of the record, which every write increases. The next write must name it.
    pub(super) revision: u64,
}

/// Outcome of an insertion.
#[derive(Debug)]
pub(super) enum Inserted<R> {
    /// The record was inserted, durably.
    Created(R),
    /// An earlier call with the same idempotency key and the same body has inserted this record.
    Existing(R),
    /// An earlier call with the same idempotency key had another body.
    KeyReused,
    /// A limit would be exceeded.
    Refused(Refusal),
}

/// Replacement of a record by compare-and-set.
#[derive(Debug)]
pub(super) struct Swap<'a> {
    pub(super) entry: &'a Entry,
    /// The revision that is replaced.
    pub(super) revision: u64,
    /// Files to delete once the record is written.
    pub(super) trash: Trash,
    /// Whether it must survive a crash of the machine; otherwise of the process only.
    pub(super) durable: bool,
}

/// Removal of a record with everything that belongs to it: rows, hashes of assets, blobs, idempotency key, messages.
#[derive(Debug)]
pub(super) struct Removal<'a> {
    pub(super) key: &'a Key,
    /// `None` when there is no record but there may be rows or hashes of assets.
    pub(super) stored: Option<&'a Stored>,
    /// Files to delete once the record is removed.
    pub(super) trash: Trash,
}

/// Kind of records that a page lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    /// Single jobs, without the rows of batches.
    Job,
    /// Batches, whose rows are not listed.
    Batch,
}

/// A selection of the rows of a batch for [`Ledger::row_records`]. Ledgers that cannot select so finely return more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowSet {
    /// Rows that have a record.
    WithRecord,
    /// All rows that a retry schedules again, and possibly others.
    Failed,
    /// All rows with a webhook in the outbox, and possibly others.
    WithDeliveries,
}

/// A row of a batch in a page of items.
#[derive(Clone, Debug)]
pub(super) struct ListedRow {
    /// Position among the rows, from 1.
    pub(super) number: u64,
    /// `None` while it has no record; it is then scheduled with its submitted values.
    pub(super) record: Option<JobRecord>,
}

/// The lease of a queue entry that was handed out, until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim(pub(super) u64);

/// How a claim is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Acknowledges the entry, which is deleted.
    Ack,
    /// Has the entry delivered again after this time.
    Nak(Duration),
    /// Has the entry returned by the next call, before all others.
    Requeue,
    /// Sends no acknowledgement: another process has the entry, or gets it when the lease expires.
    Abandon,
}

/// Answer to a request for work.
#[derive(Debug)]
pub(super) enum Due {
    /// A job, row or document. The caller must check its state.
    Record(Box<Stored<JobRecord>>, Claim),
    /// Nothing is due before this time unless something is submitted; `None` if no time is known.
    Nothing(Option<Timestamp>),
}

/// A webhook that is due.
#[derive(Debug)]
pub(super) struct DueDelivery {
    /// The record whose outbox has it.
    pub(super) stored: Stored,
    /// Id of the delivery.
    pub(super) id: String,
    pub(super) claim: Claim,
}

/// An open batch for which a step may be due: completing it, enqueuing more of its rows, or finishing a retry that was
/// interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenBatch {
    pub(super) id: BatchId,
    /// Start of a retry that has not finished; `None` without one.
    pub(super) retrying: Option<Timestamp>,
    /// Whether all its rows have ended.
    pub(super) have_rows_ended: bool,
}

/// Storage of the records of jobs and batches.
pub(super) trait Ledger: Dispatch + Blobs + TemplateLedger {
    /// The clock that all processes of this ledger share.
    fn clock(&self) -> Clock;
    /// Inserts a job with its body, atomically and durably.
    fn insert_job<'a>(&'a self, job: &'a NewJob) -> StoreFuture<'a, Inserted<JobRecord>>;
    /// Inserts a batch with all its rows, atomically and durably. Rows may get their records later.
    fn insert_batch<'a>(&'a self, batch: &'a NewBatch) -> StoreFuture<'a, Inserted<BatchRecord>>;
    fn load<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>>;
    /// Compare-and-set: replaces a record and returns its new revision; `None` when it is no longer at the given one.
    fn swap<'a>(&'a self, swap: Swap<'a>) -> StoreFuture<'a, Option<u64>>;
    /// False when the record is no longer at the given revision.
    fn remove<'a>(&'a self, removal: Removal<'a>) -> StoreFuture<'a, bool>;
    /// The `limit` newest records of `owner` after the first `offset`, without expired ones, and the total number.
    fn page<'a>(
        &'a self,
        owner: &'a Owner,
        kind: ListKind,
        offset: u64,
        limit: u64,
    ) -> StoreFuture<'a, (Vec<Entry>, u64)>;
    /// Rows of a batch that does not become a document, in order, and the total number.
    fn rows<'a>(&'a self, batch: &'a BatchId, which: ItemQuery) -> StoreFuture<'a, (Vec<ListedRow>, u64)>;
    /// Records of rows and of the document of a batch, by number, as of `revision` of the batch or later.
    fn row_records<'a>(
        &'a self,
        batch: &'a BatchId,
        set: RowSet,
        revision: u64,
    ) -> StoreFuture<'a, Vec<Stored<JobRecord>>>;
    /// Progress of the rows of a batch, as of `revision` of the batch or later.
    fn progress<'a>(&'a self, batch: &'a BatchId, revision: u64) -> StoreFuture<'a, BatchProgress>;
    /// The counts of an open batch whose rows have all ended, and the revision of the batch at which they had; `None`
    /// while some rows have not ended, or when this process does not know.
    fn all_rows_ended<'a>(&'a self, batch: &'a BatchId) -> StoreFuture<'a, Option<(u64, BatchProgress)>>;
    /// Keys of jobs and batches that have expired or were removed, at most [`EXPIRED_PAGE`] at a time: a shorter list
    /// is complete.
    fn expired(&self, now: Timestamp) -> StoreFuture<'_, Vec<Key>>;
    fn counts(&self) -> StoreFuture<'_, Counts>;
}

/// Maximum number of keys that an embedded ledger returns from [`Ledger::expired`].
pub(super) const EXPIRED_PAGE: usize = 500;

/// Queues of work and webhooks, delivered at least once, and notifications of changes.
pub(super) trait Dispatch: Send + Sync {
    /// The next job, row or document. The embedded ledger follows the order of [`super::life::order`] and skips what
    /// `filter` excludes. Other ledgers may return excluded work, whose claim the caller releases.
    fn next_due(&self, filter: FetchFilter) -> StoreFuture<'_, Due>;
    /// Resolves when work may have become due.
    fn work_ready(&self) -> BoxFuture<'_, ()>;
    /// Webhooks that are due, at most as many as `room` allows, and the time at which the next one will be due.
    fn deliveries_due(&self, room: DeliveryCapacity) -> StoreFuture<'_, (Vec<DueDelivery>, Option<Timestamp>)>;
    /// Resolves when a delivery may have become due.
    fn delivery_ready(&self) -> BoxFuture<'_, ()>;
    fn release(&self, claim: Claim, release: Release) -> BoxFuture<'_, ()>;
    /// Queues a webhook that is in the outbox of the record under `key`. Of two calls with the same `id`, the second
    /// does nothing. A ledger that finds webhooks in the records needs no queue.
    fn publish_webhook<'a>(&'a self, _key: &'a Key, _delivery: &'a str, _id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn end_signals(&self) -> &EndSignals;
    /// All open batches for which a step may be due.
    fn open_batches(&self) -> StoreFuture<'_, Vec<OpenBatch>>;
    /// Resolves when [`Dispatch::open_batches`] may have changed.
    fn batches_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Enqueues more rows of a batch, in a ledger with a queue.
    fn enqueue_rows<'a>(&'a self, _batch: &'a BatchId) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// # Errors
    /// While there is no connection, or the disk refuses writes. Sends no request; after a failure of the disk it
    /// writes, to find out whether the disk works again.
    fn reachable(&self) -> StoreFuture<'_, ()>;
    /// Background work of a front end. Runs until it is dropped.
    fn maintain(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Returns work that was fetched in advance, before the process ends.
    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Storage of bytes beside the records.
pub(super) trait Blobs: Send + Sync {
    /// Reads a blob that the record under `key` refers to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is lost; another attempt then has no chance.
    fn blob<'a>(&'a self, key: &'a Key, blob: &'a BlobRef) -> StoreFuture<'a, Bytes>;
    /// Stores bytes that the record under `key` will refer to.
    fn put_blob<'a>(&'a self, key: &'a Key, bytes: Bytes) -> StoreFuture<'a, BlobRef>;
    /// Stores the values of a row for a retry. `None` in a ledger whose workers read them from the list of the batch.
    fn put_row_values<'a>(&'a self, _key: &'a Key, _values: Bytes) -> StoreFuture<'a, Option<BlobRef>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// Hash of the asset called `key` in the snapshot of a batch.
    fn asset_hash<'a>(&'a self, batch: &'a BatchId, key: &'a str) -> StoreFuture<'a, Option<ContentHash>>;
    /// Adds an asset to the snapshot of a batch, unless it is there already. Returns the hash that the snapshot has
    /// then.
    fn put_asset_hash<'a>(&'a self, batch: &'a BatchId, pin: PinnedAsset) -> StoreFuture<'a, ContentHash>;
    /// Names of files that may be deleted now, at most `limit`.
    fn trash(&self, limit: u64) -> StoreFuture<'_, Vec<String>>;
    /// Notes that a file has been deleted.
    fn remove_from_trash<'a>(&'a self, file: &'a str) -> StoreFuture<'a, ()>;
    /// Deletes blobs that no record refers to, in a ledger that does not delete them with their records.
    fn sweep_blobs(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Storage of the records of templates, which the ledger does not read: JSON by owner and id. Their designs are files
/// of [`super::results::Area::Templates`].
pub(super) trait TemplateLedger: Send + Sync {
    fn template<'a>(&'a self, owner: &'a Owner, id: &'a str) -> StoreFuture<'a, Option<TemplateEntry>>;
    /// The records of one owner, or of all, in no particular order. Includes every write that was acknowledged before
    /// the call.
    fn templates<'a>(&'a self, owner: Option<&'a Owner>) -> StoreFuture<'a, Vec<Arc<str>>>;
    /// Compare-and-set: creates a record (`revision` is `None`) or replaces the one at `revision`, durably. False when
    /// there is another one by now.
    fn put_template<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a str,
        record: Arc<str>,
        revision: Option<u64>,
    ) -> StoreFuture<'a, bool>;
    /// False when the record is no longer at the given revision.
    fn remove_template<'a>(&'a self, owner: &'a Owner, id: &'a str, revision: u64) -> StoreFuture<'a, bool>;
}

/// Notifications of this process about the ends of jobs.
#[derive(Debug, Default)]
pub(super) struct EndSignals(Mutex<HashMap<JobId, Arc<Notify>>>);

impl EndSignals {
    /// Notified when the job ends or is removed.
    pub(super) fn subscribe(&self, id: &JobId) -> Arc<Notify> {
        self.0.lock().entry(id.clone()).or_default().clone()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    pub(super) fn notify(&self, id: &JobId) {
        let waiting = self.0.lock().remove(id);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }
}
