//! What keeps records, whoever does it: the embedded one ([`super::sqlite`]) and the one of a cluster (`nats`).
//!
//! Made for the weaker of the two: a step reads or replaces one record, by compare-and-set; what takes several steps is ordered so
//! that a crash between two of them is found and mended. A ledger knows nothing of what may happen to a job: it stores what
//! [`super::life`] made of a record, and finds records by what is in them.
//!
//! | trait | what |
//! | --- | --- |
//! | [`Ledger`] | records: inserted, read, replaced, removed, listed, counted |
//! | [`Dispatch`] | who gets which record next, and who is told that it changed |
//! | [`Blobs`] | bytes beside the records: what was sent, what is pinned, what is to be removed |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
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
use super::store::{Answer, Counts, DeliveryCapacity, ItemQuery, NewBatch, NewJob, Owner, Pin, StoreError, TakeFilter};
use super::timestamp::{Clock, Timestamp};

/// A record as it was read.
#[derive(Clone, Debug)]
pub(super) struct Stored<R = Entry> {
    pub(super) record: R,
    /// Changes with every write of the record; the next write must name it.
    pub(super) revision: u64,
}

/// What became of something that was to be inserted.
#[derive(Debug)]
pub(super) enum Inserted<R> {
    /// It is stored, durably.
    New(R),
    /// An earlier call with the same idempotency key and the same body stored this.
    Again(R),
    /// An earlier call with the same idempotency key had another body.
    OtherBody,
    /// A limit forbids it.
    Refused(Refusal),
}

/// A record's replacement.
#[derive(Debug)]
pub(super) struct Swap<'a> {
    pub(super) entry: &'a Entry,
    /// The revision that it replaces.
    pub(super) revision: u64,
    /// Names of results that nobody needs once this is written.
    pub(super) trash: Trash,
    /// Whether it must survive the death of the machine, or that of the process only.
    pub(super) on_disk: bool,
}

/// A record that is to go, with all that belongs to it: rows, pins, blobs, its idempotency key, its messages.
#[derive(Debug)]
pub(super) struct Removal<'a> {
    pub(super) key: &'a Key,
    /// `None`: there is no record, but there may be something below it.
    pub(super) stored: Option<&'a Stored>,
    /// Names of results that nobody needs once it is gone.
    pub(super) trash: Trash,
}

/// Which records a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Jobs without the rows of batches.
    Job,
    /// Batches.
    Batch,
}

/// Which rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowSet {
    /// Those that have a record.
    Recorded,
    /// Those that a retry may begin again, and perhaps more.
    Failed,
    /// Those that a receiver was told of, and perhaps more.
    Announced,
}

/// A row of a batch as a page of items has it.
#[derive(Clone, Debug)]
pub(super) struct ListedRow {
    /// Its place among the rows, from 1.
    pub(super) number: u64,
    /// `None`: it has no record yet, and is what was sent.
    pub(super) record: Option<JobRecord>,
}

/// The right to a message of the ledger's transport, until it is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Claim(pub(super) u64);

/// What becomes of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// There will never be anything to do for it.
    Done,
    /// It comes again after this time.
    Later(Duration),
    /// It comes again at the next call, before all others.
    Next,
    /// Nothing is said about it: another has it, or is going to.
    Silent,
}

/// What could be worked on next.
#[derive(Debug)]
pub(super) enum Due {
    /// This job, row or document; whoever asks looks whether that is still so.
    Record(Box<Stored<JobRecord>>, Claim),
    /// Nothing before then, unless something comes in.
    Nothing(Option<Timestamp>),
}

/// A delivery that could be made now.
#[derive(Debug)]
pub(super) struct DueDelivery {
    /// The record that has it.
    pub(super) stored: Stored,
    /// The delivery's id.
    pub(super) id: String,
    pub(super) claim: Claim,
}

/// A batch for which there may be something to do besides rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OpenBatch {
    pub(super) id: BatchId,
    /// Since when failed rows are being made to wait again.
    pub(super) retrying: Option<Timestamp>,
    /// Whether all its rows have ended.
    pub(super) is_over: bool,
}

/// Records.
pub(super) trait Ledger: Dispatch + Blobs {
    /// The clock by which all processes that share this ledger tell times.
    fn clock(&self) -> Clock;
    /// Stores a new job with its body, all of it or nothing. Durable when this returns.
    fn insert_job<'a>(&'a self, job: &'a NewJob) -> Answer<'a, Inserted<JobRecord>>;
    /// Stores a new batch with all its rows, all of it or nothing. Durable when this returns. Rows may get their records later.
    fn insert_batch<'a>(&'a self, batch: &'a NewBatch) -> Answer<'a, Inserted<BatchRecord>>;
    /// The record under `key`.
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>>;
    /// Replaces a record. Its new revision; `None` when it is no longer at the one named.
    fn swap<'a>(&'a self, swap: Swap<'a>) -> Answer<'a, Option<u64>>;
    /// Removes a record with all that belongs to it. False when it has changed meanwhile.
    fn remove<'a>(&'a self, removal: Removal<'a>) -> Answer<'a, bool>;
    /// `limit` of `owner`'s records after the newest `offset`, without those that have expired, and how many there are in all.
    fn page<'a>(&'a self, owner: &'a Owner, kind: Kind, offset: u64, limit: u64) -> Answer<'a, (Vec<Entry>, u64)>;
    /// Rows of a batch whose rows have files of their own, in order, and how many there are in all.
    fn rows<'a>(&'a self, batch: &'a BatchId, which: ItemQuery) -> Answer<'a, (Vec<ListedRow>, u64)>;
    /// Records of rows of a batch, the document of all rows among them, in order of their numbers; as they were when the
    /// batch was at `revision`, or later.
    fn row_records<'a>(&'a self, batch: &'a BatchId, set: RowSet, revision: u64) -> Answer<'a, Vec<Stored<JobRecord>>>;
    /// What the rows of a batch are like, as they were when it was at `revision`, or later.
    fn tally<'a>(&'a self, batch: &'a BatchId, revision: u64) -> Answer<'a, BatchProgress>;
    /// The revision of a batch at which all its rows had ended, with what they were like; `None` while some have not, or when
    /// this process does not know.
    fn over<'a>(&'a self, batch: &'a BatchId) -> Answer<'a, Option<(u64, BatchProgress)>>;
    /// Some of the jobs that have expired, and of the batches that have or were removed. Fewer than [`EXPIRED_AT_ONCE`]: that is
    /// all.
    fn expired(&self, now: Timestamp) -> Answer<'_, Vec<Key>>;
    /// For gauges.
    fn counts(&self) -> Answer<'_, Counts>;
}

/// Keys of one call of [`Ledger::expired`].
pub(super) const EXPIRED_AT_ONCE: usize = 500;

/// Handing records out, and hearing of changes.
pub(super) trait Dispatch: Send + Sync {
    /// The next job, row or document: of the owner with the fewest under way, single jobs before rows, the oldest that is due;
    /// rows of the batch that has waited longest for its turn. A ledger that can choose passes over what `filter` excludes; with
    /// another the caller releases it.
    fn next_due(&self, filter: TakeFilter) -> Answer<'_, Due>;
    /// Resolves when there may be something due that was not there before.
    fn work_ready(&self) -> BoxFuture<'_, ()>;
    /// Deliveries that could be made now, as far as `room` allows, and when others will be.
    fn deliveries_due(&self, room: DeliveryCapacity) -> Answer<'_, (Vec<DueDelivery>, Option<Timestamp>)>;
    /// Resolves when there may be a delivery due that was not there before.
    fn delivery_ready(&self) -> BoxFuture<'_, ()>;
    /// What becomes of a claim.
    fn release(&self, claim: Claim, how: Release) -> BoxFuture<'_, ()>;
    /// Has those who send hear of a delivery that is on record. `name`: two announcements of the same are one.
    fn announce<'a>(&'a self, _key: &'a Key, _delivery: &'a str, _name: &'a str) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Who waits for which job to end.
    fn ends(&self) -> &EndSignals;
    /// Batches for which there may be something to do besides rendering: complete them, go on with a retry, hand out more rows.
    fn open_batches(&self) -> Answer<'_, Vec<OpenBatch>>;
    /// Resolves when [`Dispatch::open_batches`] may have changed.
    fn batches_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Makes more rows of a batch due, where they do not become so by themselves.
    fn feed<'a>(&'a self, _batch: &'a BatchId) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Whether a job could be accepted now, as far as is known without asking.
    fn reachable(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// What the ledger has to do all the time; until dropped.
    fn maintain(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Nothing more will be asked for: what was fetched ahead goes back at once.
    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Bytes beside the records.
pub(super) trait Blobs: Send + Sync {
    /// What `blob` refers to, in the record under `key`. [`StoreError::Damaged`] when it is lost: no other try does better.
    fn blob<'a>(&'a self, key: &'a Key, blob: &'a BlobRef) -> Answer<'a, Bytes>;
    /// Stores bytes that the record under `key` is going to refer to.
    fn put_blob<'a>(&'a self, key: &'a Key, bytes: Bytes) -> Answer<'a, BlobRef>;
    /// Stores the values of a row that is to be tried again, where workers do not read them from the batch's list.
    fn put_row_values<'a>(&'a self, _key: &'a Key, _values: Bytes) -> Answer<'a, Option<BlobRef>> {
        Box::pin(std::future::ready(Ok(None)))
    }
    /// The digest under which `key` is pinned for this batch.
    fn pinned<'a>(&'a self, batch: &'a BatchId, key: &'a str) -> Answer<'a, Option<[u8; 32]>>;
    /// AssetSnapshot, unless the key has a pin already; what stands then.
    fn pin<'a>(&'a self, batch: &'a BatchId, pin: Pin) -> Answer<'a, [u8; 32]>;
    /// Names of results that nobody needs any more, at most `limit`.
    fn trash(&self, limit: u64) -> Answer<'_, Vec<String>>;
    /// That result is gone.
    fn trash_removed<'a>(&'a self, file: &'a str) -> Answer<'a, ()>;
    /// Removes blobs that no record needs.
    fn sweep_blobs(&self) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Who waits inside this process for a job to end.
#[derive(Debug, Default)]
pub(super) struct EndSignals(Mutex<HashMap<JobId, Arc<Notify>>>);

impl EndSignals {
    /// Notified when the job ends or goes.
    pub(super) fn of(&self, id: &JobId) -> Arc<Notify> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Wakes those who wait for this job.
    pub(super) fn notify(&self, id: &JobId) {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }
}
