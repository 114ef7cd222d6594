//! How rows of batches get into the queue: little by little, as there is room for them.
//!
//! One front end at a time does it for all; should it die, another begins within seconds. Correctness does not need that there is
//! one only: what is done is compare-and-set, or sent under the same name, and happens once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{CreateErrorKind, Operation, UpdateErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Nats;
use super::bodies;
use super::dispatch::WorkMessage;
use super::index::KnownRowId;
use super::ledger::{PARALLEL, Sent};
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

/// How long the one who does it may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(6);
/// Where the lease stands, in the bucket that forgets.
const LEASE_KEY: &str = "feeder";
/// Before another's lease is asked for again: it may be given back early.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    holder: String,
    until: i64,
}

/// The lease as it was when this process last asked.
#[derive(Clone)]
struct Seen {
    lease: Lease,
    revision: u64,
    at: Instant,
}

/// What this process knows of the lease.
#[derive(Default)]
pub(super) struct Leasing(Mutex<Option<Seen>>);

impl Leasing {
    fn latest(&self) -> Option<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, lease: Option<(Lease, u64)>) {
        let seen = lease.map(|(lease, revision)| Seen { lease, revision, at: Instant::now() });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl Nats {
    /// Whether it is this front end that feeds batches now.
    pub(super) async fn holds_lease(&self) -> Result<bool, StoreError> {
        let now = self.now();
        let left = |lease: &Lease| Timestamp::from_micros(lease.until).since(now);
        match self.0.leasing.latest() {
            Some(Seen { lease, .. }) if lease.holder == self.0.holder && left(&lease) > LEASE / 2 => return Ok(true),
            // Another's may be given back early.
            Some(Seen { lease, at, .. }) if lease.holder != self.0.holder && at.elapsed() < BETWEEN_LOOKS => {
                return Ok(false);
            }
            _ => {}
        }
        let failed = |error: &dyn std::error::Error| self.failed("cannot ask who feeds batches", with_causes(error));
        let entry = self.0.layout.clock.entry(LEASE_KEY).await.map_err(|error| failed(&error))?;
        let standing = entry.filter(|it| it.operation == Operation::Put);
        let theirs = standing.as_ref().and_then(|it| serde_json::from_slice::<Lease>(&it.value).ok());
        if let (Some(entry), Some(lease)) = (&standing, theirs)
            && lease.holder != self.0.holder
            && left(&lease) > Duration::ZERO
        {
            self.0.leasing.note(Some((lease, entry.revision)));
            return Ok(false);
        }
        let lease = Lease { holder: self.0.holder.clone(), until: now.plus(LEASE).micros() };
        let text = serde_json::to_vec(&lease).map_err(|error| failed(&error))?;
        let clock = &self.0.layout.clock;
        let taken = match standing {
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
        self.0.leasing.note(taken.map(|revision| (lease, revision)));
        Ok(taken.is_some())
    }

    /// So that another front end need not wait for the lease to end.
    pub(super) async fn give_back_lease(&self) {
        if let Some(Seen { lease, revision, .. }) = self.0.leasing.latest()
            && lease.holder == self.0.holder
        {
            self.0.leasing.note(None);
            if let Err(error) = self.0.layout.clock.delete_expect_revision(LEASE_KEY, Some(revision)).await {
                tracing::debug!(%error, "cannot give back what says who feeds batches; it ends by itself");
            }
        }
    }

    /// Puts more rows of a batch into the queue, as far as there is room.
    pub(super) async fn feed_batch(&self, batch: &BatchId) -> Result<(), StoreError> {
        let rows = self.0.index.next_rows(batch);
        if rows.is_empty() { Ok(()) } else { self.feed(batch, rows).await }
    }

    /// Gives rows their records and messages.
    async fn feed(&self, batch: &BatchId, rows: Vec<KnownRowId>) -> Result<(), StoreError> {
        let found = self.look_up::<BatchRecord>(&Key::Batch(batch.clone())).await?;
        let Some(Stored { record: head, .. }) = found.filter(|it| !it.record.is_removed) else { return Ok(()) };
        let list = self.list(&head).await?;
        let feeding = rows.into_iter().map(|row| self.feed_row(batch, &head, &list, row));
        stream::iter(feeding.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await
    }

    async fn feed_row(
        &self,
        batch: &BatchId,
        head: &BatchRecord,
        list: &RowList,
        row: KnownRowId,
    ) -> Result<(), StoreError> {
        let lost = || self.failed("a batch has lost a row", row.number);
        if let Some(id) = row.id {
            // It was begun before, and is to be begun again.
            let found = self.look_up::<JobRecord>(&Key::Row(batch.clone(), id)).await?;
            return match found.filter(|it| !it.record.status.is_end() && it.record.sequence == 0) {
                Some(found) => self.send_anew(&found).await.map(drop),
                None => Ok(()),
            };
        }
        let sent = match &head.document {
            Some(planned) => planned.as_row(),
            None => list.row(row.number).ok_or_else(lost)?,
        };
        let id = JobId::parse(&sent.id).ok_or_else(lost)?;
        let stem = result_stem(&id).map_err(|error| self.failed("no randomness for a name", error))?;
        let mut seed = JobSeed::new(&id, stem, self.now());
        if let Some(values) = &sent.values {
            let body = bodies::store(&self.0.results, values.clone().into()).await;
            seed.body = Some(body.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))?);
        }
        if sent.error.is_none() {
            let hash = seed.body.as_ref().map_or(head.list.hash, |body| body.hash);
            let message = WorkMessage::of_row(batch, &id, hash, &head.extension);
            // The message first, as for jobs. Who feeds the same row sends the same.
            match self.send(self.0.layout.rows_subject(batch), &message, id.as_str()).await? {
                Sent::Sequence(sequence) => seed.sequence = sequence,
                Sent::QueueFull | Sent::OwnerFull => return Err(self.failed("the queue of rows", "is full")),
            }
        }
        let record = JobRecord::of_row(head, row.number, sent, seed);
        let record = Entry::Job(record);
        match self.make(&record).await? {
            Some(_) => self.announce_all(&record).await,
            // Another was faster, whom the watch has not told of yet.
            None => {
                if let Some(Stored { record, revision }) =
                    self.look_up::<JobRecord>(&Key::Row(batch.clone(), id)).await?
                {
                    self.0.index.saw(&Entry::Job(record), revision);
                }
            }
        }
        Ok(())
    }

    /// The rows of a batch as they were sent.
    async fn list(&self, batch: &BatchRecord) -> Result<Arc<RowList>, StoreError> {
        let key = batch.list.hash;
        if let Some(list) = self.0.lists.get(&key) {
            return Ok(list);
        }
        let read = bodies::load(&self.0.results, &batch.list).await;
        let read = read.map_err(|error| self.failed("cannot read what was sent (TENTER_RESULTS)", error))?;
        let list = Arc::new(RowList::new(read));
        self.0.lists.put(key, list.clone(), list.size());
        Ok(list)
    }
}
