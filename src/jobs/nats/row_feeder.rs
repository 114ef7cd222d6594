//! Enqueues rows of batches, a few at a time: writes their records and publishes their messages.
//!
//! One front end does it for all, under a lease; when it dies, another takes over within seconds. The lease saves work
//! and is not needed for correctness: records are written by compare-and-set, and equal messages have equal ids.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{CreateErrorKind, Operation, UpdateErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::bodies;
use super::cluster::{ClusterConnection, PARALLEL};
use super::index::IndexedRowId;
use super::message::WorkMessage;
use super::publish::Published;
use crate::cache::SharedLru;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::Stored;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::life::row_list::RowList;
use crate::jobs::names::result_stem;
use crate::jobs::store::StoreError;
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// Time for which a lease is valid.
const LEASE: Duration = Duration::from_secs(6);
/// Key of the lease in the clock bucket.
const LEASE_KEY: &str = "feeder";
/// Time for which the lease of another process is not read again. It may be released early.
const READ_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FeederLease {
    holder: String,
    /// End of the lease, in µs since 1970.
    until: i64,
}

/// The lease as this process last read or wrote it.
#[derive(Clone)]
struct KnownLease {
    lease: FeederLease,
    revision: u64,
    at: Instant,
}

/// Largest size of the cached row lists, in bytes: a batch is enqueued a few rows at a time.
const LISTS_BYTES: usize = 64 << 20;

/// Enqueues rows of batches while this process has the lease.
pub(super) struct RowFeeder {
    /// Identifies this process in the lease.
    holder: String,
    lease: Mutex<Option<KnownLease>>,
    /// Row lists by their hash.
    lists: SharedLru<ContentHash, Arc<RowList>>,
}

impl Default for RowFeeder {
    fn default() -> Self {
        let holder = uuid::Uuid::new_v4().simple().to_string();
        Self { holder, lease: Mutex::default(), lists: SharedLru::new(LISTS_BYTES, 1) }
    }
}

impl RowFeeder {
    /// Takes or extends the lease if it is free. False when another process has it.
    pub(super) async fn holds_lease(&self, cluster: &ClusterConnection) -> Result<bool, StoreError> {
        let now = cluster.now();
        let left = |lease: &FeederLease| Timestamp::from_micros(lease.until).since(now);
        let known = self.lease.lock().clone();
        match known {
            Some(KnownLease { lease, .. }) if lease.holder == self.holder && left(&lease) > LEASE / 2 => {
                return Ok(true);
            }
            Some(KnownLease { lease, at, .. }) if lease.holder != self.holder && at.elapsed() < READ_INTERVAL => {
                return Ok(false);
            }
            _ => {}
        }
        let failed = |error: &dyn std::error::Error| {
            cluster.failed("cannot read the lease of the row feeder", with_causes(error))
        };
        let entry = cluster.layout.clock.entry(LEASE_KEY).await.map_err(|error| failed(&error))?;
        let current = entry.filter(|it| it.operation == Operation::Put);
        let lease = current.as_ref().and_then(|it| serde_json::from_slice::<FeederLease>(&it.value).ok());
        if let (Some(entry), Some(lease)) = (&current, lease)
            && lease.holder != self.holder
            && left(&lease) > Duration::ZERO
        {
            self.note_lease(Some((lease, entry.revision)));
            return Ok(false);
        }
        let lease = FeederLease { holder: self.holder.clone(), until: now.plus(LEASE).micros() };
        let text = serde_json::to_vec(&lease).map_err(|error| failed(&error))?;
        let clock = &cluster.layout.clock;
        let fetched = match current {
            Some(entry) => match clock.update(LEASE_KEY, text.into(), entry.revision).await {
                Ok(revision) => Some(revision),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => None,
                Err(error) => return Err(failed(&error)),
            },
            None => match clock.create(LEASE_KEY, text.into()).await {
                Ok(revision) => Some(revision),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => None,
                Err(error) => return Err(failed(&error)),
            },
        };
        self.note_lease(fetched.map(|revision| (lease, revision)));
        Ok(fetched.is_some())
    }

    fn note_lease(&self, lease: Option<(FeederLease, u64)>) {
        *self.lease.lock() = lease.map(|(lease, revision)| KnownLease { lease, revision, at: Instant::now() });
    }

    /// Deletes the lease of this process, so that another need not wait for its end.
    pub(super) async fn release_lease(&self, cluster: &ClusterConnection) {
        let known = self.lease.lock().take();
        if let Some(KnownLease { lease, revision, .. }) = known
            && lease.holder == self.holder
            && let Err(error) = cluster.layout.clock.delete_expect_revision(LEASE_KEY, Some(revision)).await
        {
            tracing::debug!(%error, "cannot delete the lease of the row feeder; it expires by itself");
        }
    }

    /// Enqueues the next rows of a batch, unless enough are in the queue.
    pub(super) async fn enqueue_rows(&self, cluster: &ClusterConnection, batch: &BatchId) -> Result<(), StoreError> {
        let rows = cluster.index.rows_to_enqueue(batch);
        if rows.is_empty() {
            return Ok(());
        }
        let found = cluster.load::<BatchRecord>(&Key::Batch(batch.clone())).await?;
        let Some(Stored { record, .. }) = found.filter(|it| !it.record.is_removed) else { return Ok(()) };
        let list = self.list(cluster, &record).await?;
        let enqueueing = rows.into_iter().map(|row| enqueue_row(cluster, batch, &record, &list, row));
        stream::iter(enqueueing.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await
    }

    async fn list(&self, cluster: &ClusterConnection, batch: &BatchRecord) -> Result<Arc<RowList>, StoreError> {
        let key = batch.list.hash;
        if let Some(list) = self.lists.get(&key) {
            return Ok(list);
        }
        let read = bodies::load(&cluster.results, &batch.list).await;
        let read = read.map_err(|error| cluster.failed("cannot read what was sent (TENTER_RESULTS)", error))?;
        let list = Arc::new(RowList::new(read));
        self.lists.put(key, list.clone(), list.size());
        Ok(list)
    }
}

async fn enqueue_row(
    cluster: &ClusterConnection,
    batch: &BatchId,
    record: &BatchRecord,
    list: &RowList,
    row: IndexedRowId,
) -> Result<(), StoreError> {
    let lost = || cluster.failed("a batch has lost a row", row.number);
    if let Some(id) = row.id {
        // A retry: the row has a record without a message.
        let found = cluster.load::<JobRecord>(&Key::Row(batch.clone(), id)).await?;
        return match found.filter(|it| !it.record.status.is_end() && it.record.sequence == 0) {
            Some(found) => cluster.republish(&found).await.map(drop),
            None => Ok(()),
        };
    }
    let submitted = match &record.document {
        Some(planned) => planned.as_row(),
        None => list.row(row.number).ok_or_else(lost)?,
    };
    let id = JobId::parse(&submitted.id).ok_or_else(lost)?;
    let stem = result_stem(&id).map_err(|error| cluster.failed("no randomness for a name", error))?;
    let mut seed = JobSeed::new(&id, stem, cluster.now());
    if let Some(values) = &submitted.values {
        let body = bodies::store(&cluster.results, values.clone().into()).await;
        seed.body = Some(body.map_err(|error| cluster.failed("cannot store what was sent (TENTER_RESULTS)", error))?);
    }
    if submitted.error.is_none() {
        let hash = seed.body.as_ref().map_or(record.list.hash, |body| body.hash);
        let message = WorkMessage::of_row(batch, &id, hash, &record.extension);
        // The message comes first, as for jobs. Another front end that enqueues the row publishes the same message.
        match cluster.publish(cluster.layout.rows_subject(batch), &message, id.as_str()).await? {
            Published::Sequence(sequence) => seed.sequence = sequence,
            Published::QueueFull | Published::OwnerFull => return Err(cluster.failed("the queue of rows", "is full")),
        }
    }
    let record = Entry::Job(JobRecord::of_row(record, row.number, submitted, seed));
    match cluster.create(&record).await? {
        Some(_) => cluster.publish_pending_webhooks(&record).await,
        // Another process was faster, and the watch has not seen the record yet.
        None => {
            if let Some(Stored { record, revision }) = cluster.load::<JobRecord>(&Key::Row(batch.clone(), id)).await? {
                cluster.index.apply(&Entry::Job(record), revision);
            }
        }
    }
    Ok(())
}
