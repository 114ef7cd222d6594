//! What front ends do for batches all the time: put rows into the queue as there is room, see that the last one has ended, clear
//! away what is over.
//!
//! One front end at a time does it for all; should it die, another begins within seconds. Correctness does not need that there is
//! one only: what is done is compare-and-set, or sent under the same name, and happens once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::{CreateErrorKind, Operation, UpdateErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Nats;
use super::bodies;
use super::index::{Care, SeenRow};
use super::jobs::{PARALLEL, STORING, Sent};
use super::queue::Note;
use super::records::Found;
use crate::jobs::PINS;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::life::batch_record::{BatchRecord, PlannedDocument};
use crate::jobs::life::key::Key;
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::life::row_list::{RowList, SentRow};
use crate::jobs::moment::Moment;
use crate::jobs::names::result_stem;
use crate::jobs::store::StoreError;
use crate::report::with_causes;

/// How long the one who does it may be silent before another takes over.
const LEASE: Duration = Duration::from_secs(6);
/// Where the lease stands, in the bucket that forgets.
const LEASE_KEY: &str = "feeder";
/// Looks without news: they find what a crash left.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// News come in hundreds; each look is at all batches.
const NEWS: Duration = Duration::from_millis(5);
/// Before a batch is looked at again that could not be gone on with: its rows cannot be read from the bucket, say.
const REST: Duration = Duration::from_secs(1);
/// After a retry has not come to its end for so long, whoever began it is dead.
const RETRYING: Duration = Duration::from_secs(30);

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
    /// For ever.
    pub(super) async fn tend_batches(&self) {
        // Batches that failed are left alone for a while, and hold up no others.
        let mut resting: HashMap<BatchId, Instant> = HashMap::new();
        loop {
            let _ = tokio::time::timeout(BETWEEN_LOOKS, self.0.index.batches_changed()).await;
            tokio::time::sleep(NEWS).await;
            if !self.0.index.is_complete() || self.connected().is_err() {
                continue;
            }
            match self.holds_lease().await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) => {
                    tracing::warn!(%error, "cannot ask who feeds batches; trying again");
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                    continue;
                }
            }
            resting.retain(|_, since| since.elapsed() < REST);
            for batch in self.0.index.open_batches() {
                if resting.contains_key(&batch) {
                    continue;
                }
                if let Err(error) = self.tend_batch(&batch).await {
                    tracing::warn!(%batch, %error, "cannot go on with a batch; trying again");
                    resting.insert(batch, Instant::now());
                }
            }
        }
    }

    /// Whether it is this front end that tends batches now.
    async fn holds_lease(&self) -> Result<bool, StoreError> {
        let now = self.now();
        let left = |lease: &Lease| Moment::from_micros(lease.until).since(now);
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

    async fn tend_batch(&self, batch: &BatchId) -> Result<(), StoreError> {
        let Some(Care { revision, room, over, retrying }) = self.0.index.care(batch) else { return Ok(()) };
        match retrying {
            Some(since) if self.now().since(since) > RETRYING => {
                let found = self.look_up::<BatchRecord>(&Key::Batch(batch.clone())).await?;
                if let Some(found) = found.filter(|it| it.record.retrying) {
                    tracing::warn!(%batch, "a retry was broken off; going on with it");
                    self.retry_failed(batch, found).await?;
                }
                return Ok(());
            }
            Some(_) => return Ok(()),
            None => {}
        }
        // What is seen now was so at the head's revision, or later: rows that ended do not come back without another head.
        if over && self.0.index.reached() >= revision {
            return self.complete_batch(batch, revision).await;
        }
        if room > 0 {
            let rows = self.0.index.next_rows(batch, room);
            if !rows.is_empty() {
                return self.feed(batch, rows).await;
            }
        }
        Ok(())
    }

    async fn complete_batch(&self, batch: &BatchId, revision: u64) -> Result<(), StoreError> {
        let found = self.look_up::<BatchRecord>(&Key::Batch(batch.clone())).await?;
        let Some(Found { record: mut head, .. }) = found.filter(|it| it.revision == revision) else { return Ok(()) };
        let now = self.now();
        let tally = self.0.index.tally(batch, now);
        let made = match head.document.as_ref().and_then(|it| JobId::parse(&it.id)) {
            // A server that is behind tells what was: a look later it knows.
            Some(id) => match self.find(&Key::Row(batch.clone(), id)).await? {
                Some(found) if found.record.status.is_end() => found.record.made(),
                _ => return Ok(()),
            },
            None => None,
        };
        if head.complete(&tally, made, self.0.rules.lifetime, now) && self.replace(&head, revision).await?.is_some() {
            tracing::info!(%batch, done = tally.done, failed = tally.error, "batch completed");
            self.announce_batch(&head).await;
        }
        Ok(())
    }

    async fn announce_batch(&self, head: &BatchRecord) {
        for hook in head.pending() {
            let Some(place) = BatchId::parse(&head.id).map(Key::Batch) else { return };
            if let Err(error) = self.post_hook(&place, &hook.id, &hook.id).await {
                tracing::warn!(
                    batch = head.id,
                    error = with_causes(&error),
                    "a webhook is not sent yet; it is found later"
                );
            }
        }
    }

    /// Gives rows their records and messages.
    async fn feed(&self, batch: &BatchId, rows: Vec<SeenRow>) -> Result<(), StoreError> {
        let found = self.look_up::<BatchRecord>(&Key::Batch(batch.clone())).await?;
        let Some(Found { record: head, .. }) = found.filter(|it| !it.record.gone) else { return Ok(()) };
        let list = self.list(&head).await?;
        let feeding = rows.into_iter().map(|row| self.feed_row(batch, &head, &list, row));
        stream::iter(feeding.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await
    }

    async fn feed_row(
        &self,
        batch: &BatchId,
        head: &BatchRecord,
        list: &RowList,
        row: SeenRow,
    ) -> Result<(), StoreError> {
        let lost = || self.failed("a batch has lost a row", row.number);
        if let Some(id) = row.id {
            // It was begun before, and is to be begun again.
            let found = self.find(&Key::Row(batch.clone(), id)).await?;
            return match found.filter(|it| !it.record.status.is_end() && it.record.sequence == 0) {
                Some(found) => self.send_anew(&found).await.map(drop),
                None => Ok(()),
            };
        }
        let sent = match &head.document {
            Some(PlannedDocument { id, name }) => {
                SentRow { id: id.clone(), name: name.clone(), values: None, bad: None }
            }
            None => list.row(row.number).ok_or_else(lost)?,
        };
        let id = JobId::parse(&sent.id).ok_or_else(lost)?;
        let stem = result_stem(&id).map_err(|error| self.failed("no randomness for a name", error))?;
        let mut seed = JobSeed { id: &id, stem, key: None, body: None, sequence: 0, now: self.now() };
        if let Some(values) = &sent.values {
            let body = bodies::store(&self.0.results, values.clone().into()).await;
            seed.body = Some(body.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))?);
        }
        if sent.bad.is_none() {
            let digest = seed.body.as_ref().map_or(&head.list.digest, |body| &body.digest);
            let note = Note::of_row(batch, &id, digest, &head.extension);
            // The message first, as for jobs. Who feeds the same row sends the same.
            match self.send(self.0.layout.rows_subject(batch), &note, id.as_str()).await? {
                Sent::Sequence(sequence) => seed.sequence = sequence,
                Sent::QueueFull | Sent::OwnerFull => return Err(self.failed("the queue of rows", "is full")),
            }
        }
        let record = JobRecord::of_row(head, row.number, sent, seed);
        match self.make(&record).await? {
            Some(_) => self.announce(&record).await,
            // Another was faster, whom the watch has not told of yet.
            None => {
                if let Some(Found { record, revision }) = self.find(&Key::Row(batch.clone(), id)).await? {
                    self.0.index.saw(&record, revision);
                }
            }
        }
        Ok(())
    }

    /// Clears away batches that are over; how many.
    pub(super) async fn clear_batches(&self) -> u64 {
        let mut cleared = 0;
        for batch in self.0.index.batches_to_clear(self.now()) {
            match self.clear_batch(&batch).await {
                Ok(is_cleared) => cleared += u64::from(is_cleared),
                Err(error) => tracing::warn!(%batch, %error, "cannot clear a batch away; trying again later"),
            }
        }
        cleared
    }

    /// Removes a batch that was removed or has expired, with everything that belongs to it. What its files are called is known to
    /// its rows only, which go after that is noted, and its head goes last.
    async fn clear_batch(&self, batch: &BatchId) -> Result<bool, StoreError> {
        let place = Key::Batch(batch.clone());
        let Some(Found { record: mut head, mut revision }) = self.look_up::<BatchRecord>(&place).await? else {
            // Written by somebody who did not know yet that the batch was gone.
            self.purge(batch).await?;
            self.0.index.forget(&place);
            return Ok(false);
        };
        if !head.has_expired(self.now()) {
            return Ok(false);
        }
        if !head.gone {
            // From here on nobody has it rendered again.
            head.gone = true;
            let Some(noted) = self.replace(&head, revision).await? else { return Ok(false) };
            revision = noted;
        }
        self.caught_up(revision).await?;
        self.purge_messages(batch).await?;
        let rows = self.0.index.recorded_rows(batch);
        let throwing = rows.into_iter().map(|id| self.throw_row_away(batch, id));
        let busy = stream::iter(throwing.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let busy = busy.try_fold(false, async |any, one| Ok(any || one)).await?;
        let from = self.now().plus(if busy { STORING } else { Duration::ZERO });
        self.throw_away(&format!("{batch}{PINS}"), from).await?;
        self.purge(batch).await?;
        if let (Some(key), Some(id)) = (&head.key, JobId::parse(&head.id)) {
            self.drop_key(key, &id).await?;
        }
        self.forget(&place, revision).await
    }

    /// Notes which files a row may have left; whether it was unfinished.
    async fn throw_row_away(&self, batch: &BatchId, id: JobId) -> Result<bool, StoreError> {
        let Some(Found { mut record, .. }) = self.find(&Key::Row(batch.clone(), id)).await? else { return Ok(false) };
        let unfinished = !record.status.is_end();
        // One that is begun at this moment, too.
        record.begun += u32::from(unfinished && record.sequence > 0);
        let from = self.now().plus(if unfinished { STORING } else { Duration::ZERO });
        for file in record.leftovers(true) {
            self.throw_away(&file, from).await?;
        }
        Ok(unfinished)
    }

    /// Removes all that stands below a batch. Watchers are told by the head's end.
    async fn purge(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.connected()?;
        let records = &self.0.layout.records;
        for pattern in Key::below(batch) {
            let subject = format!("{}{pattern}", records.prefix);
            let purged = records.stream.purge().filter(subject).await;
            purged.map_err(|error| self.failed("cannot remove the rows of a batch", with_causes(&error)))?;
        }
        Ok(())
    }

    /// Removes the messages of a batch's rows, those under way among them.
    pub(super) async fn purge_messages(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.connected()?;
        let purged = self.0.layout.rows.purge().filter(self.0.layout.rows_subject(batch)).await;
        purged.map(drop).map_err(|error| self.failed("cannot remove messages of a batch", with_causes(&error)))
    }
}
