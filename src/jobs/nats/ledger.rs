//! Records on the servers: inserted, read, replaced, removed, listed, counted.
//!
//! A batch is on record with its head; its rows lie in the bucket in one piece and become records, and messages, little by little
//! ([`super::row_feeder`]), so that ten thousand of them hold nobody up. Counts are what the index has seen.

use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Nats;
use super::bodies;
use super::dispatch::WorkMessage;
use super::idempotency::{ExistingKey, Reserved};
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::{Inserted, Kind, Ledger, ListedRow, Removal, RowSet, Stored, Swap};
use crate::jobs::life::batch_record::{BatchProgress, BatchRecord, BatchSeed};
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Refusal;
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::life::row_list::{RowList, SubmittedRow};
use crate::jobs::life::trash::Trash;
use crate::jobs::store::{Answer, Counts, ItemQuery, NewBatch, NewJob, Owner, StoreError};
use crate::jobs::timestamp::{Clock, Timestamp};
use crate::report::with_causes;

/// Requests to the servers at once, for one page of a list or one sweep.
pub(super) const PARALLEL: usize = 16;
/// Tries to write the record of a job whose message is sent. Each takes its time while servers are away, and all together
/// stay below [`super::dispatch::UNRECORDED`].
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// For the index to see what is on record: it is some ms behind, unless the watch is being mended, or has just begun.
const CATCHING_UP: Duration = Duration::from_secs(4);
/// What a full stream says, of all messages and of those of one subject.
const FULL: &str = "maximum messages exceeded";
const OWNER_FULL: &str = "maximum messages per subject exceeded";

/// How a message was taken in.
pub(super) enum Sent {
    Sequence(u64),
    QueueFull,
    OwnerFull,
}

impl Ledger for Nats {
    fn clock(&self) -> Clock {
        self.0.clock.as_clock()
    }

    fn insert_job<'a>(&'a self, job: &'a NewJob) -> Answer<'a, Inserted<JobRecord>> {
        Box::pin(async move {
            self.connected()?;
            let reserved = match &job.idempotency {
                Some(call) => match self.reserve::<JobRecord>("", &job.owner, call).await? {
                    Ok(reserved) => reserved,
                    Err(ExistingKey::Same(before)) => return Ok(Inserted::Again(before)),
                    Err(ExistingKey::Other) => return Ok(Inserted::OtherBody),
                },
                None => self.reserve_anew(None)?,
            };
            if self.has_too_many(&job.owner) {
                self.give_up(reserved).await?;
                return Ok(Inserted::Refused(Refusal::Owner));
            }
            let body = bodies::store(&self.0.results, job.body.clone()).await;
            let body = body.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))?;
            let message = WorkMessage {
                id: reserved.id.to_string(),
                digest: body.hash.to_string(),
                format: job.extension.to_owned(),
                batch: None,
                traceparent: job.traceparent.clone(),
            };
            let subject = self.0.layout.work_subject(&job.owner);
            let refusal = match self.send(subject, &message, reserved.id.as_str()).await? {
                Sent::Sequence(sequence) => return self.record(job, reserved, body, sequence).await,
                Sent::QueueFull => Refusal::Queue,
                Sent::OwnerFull => Refusal::Owner,
            };
            self.give_up(reserved).await?;
            Ok(Inserted::Refused(refusal))
        })
    }

    fn insert_batch<'a>(&'a self, batch: &'a NewBatch) -> Answer<'a, Inserted<BatchRecord>> {
        Box::pin(async move {
            self.connected()?;
            self.complete().await?;
            let reserved = match &batch.idempotency {
                Some(call) => match self.reserve::<BatchRecord>("batch\0", &batch.owner, call).await? {
                    Ok(reserved) => reserved,
                    Err(ExistingKey::Same(before)) => return Ok(Inserted::Again(before)),
                    Err(ExistingKey::Other) => return Ok(Inserted::OtherBody),
                },
                None => self.reserve_anew(None)?,
            };
            // By what this front end has seen: two calls of the same moment at two of them may both be let in.
            let unfinished = self.0.index.unfinished_of(&batch.owner);
            if let Some(refusal) = self.0.limits.refuse_batch(batch.rows.len() as u64, unfinished) {
                self.give_up(reserved).await?;
                return Ok(Inserted::Refused(refusal));
            }
            let record = self.batch_record(batch, &reserved).await?;
            if self.make_surely(&Entry::Batch(record.clone()), &reserved.id).await? {
                return Ok(Inserted::New(record));
            }
            // By the same call at another front end, or by ourselves, in a try whose answer was lost.
            match self.look_up::<BatchRecord>(&Key::Batch(reserved.id.clone().into())).await? {
                Some(Stored { record: theirs, .. }) if theirs.list == record.list => Ok(Inserted::New(theirs)),
                Some(Stored { record: theirs, .. }) if theirs.key.is_some() && theirs.key == record.key => {
                    Ok(Inserted::Again(theirs))
                }
                _ => Err(self.failed("another batch has this id", &reserved.id)),
            }
        })
    }

    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Stored>> {
        Box::pin(self.look_up(key))
    }

    fn swap<'a>(&'a self, Swap { entry, revision, trash, .. }: Swap<'a>) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            let Some(revision) = self.replace(entry, revision).await? else { return Ok(None) };
            if let Err(error) = self.throw_away(&trash).await {
                tracing::warn!(key = ?entry.key(), %error, "cannot note what an attempt may have left in the bucket");
            }
            if let Entry::Batch(BatchRecord { is_removed: true, id, .. }) = entry
                && let Some(batch) = BatchId::parse(id)
                && let Err(error) = self.purge_messages(&batch).await
            {
                // Should one stay, whoever gets it finds that its batch is gone.
                tracing::debug!(%batch, %error, "messages of a removed batch stay for now");
            }
            Ok(Some(revision))
        })
    }

    fn remove<'a>(&'a self, removal: Removal<'a>) -> Answer<'a, bool> {
        Box::pin(async move {
            let Removal { key, stored, trash } = removal;
            // Before the record, which is the only one to know of them.
            self.throw_away(&trash).await?;
            if let Key::Batch(batch) = key {
                self.purge_messages(batch).await?;
                self.purge(batch).await?;
            }
            let Some(Stored { record, revision }) = stored else {
                self.0.index.forget(key);
                return Ok(false);
            };
            if let (Some(place), Some(id)) = (record.idempotency_key(), record.id()) {
                self.drop_key(place, &id).await?;
            }
            if !self.forget(key, *revision).await? {
                return Ok(false);
            }
            if let Entry::Job(JobRecord { status, sequence, id, .. }) = record
                && !status.is_end()
                && let Err(error) = self.0.layout.work.delete_message(*sequence).await
            {
                // Should it stay, whoever gets it finds no job.
                tracing::debug!(%id, %error, "a message stays for now");
            }
            Ok(true)
        })
    }

    fn page<'a>(&'a self, owner: &'a Owner, kind: Kind, offset: u64, limit: u64) -> Answer<'a, (Vec<Entry>, u64)> {
        Box::pin(async move {
            self.complete().await?;
            let (keys, total) = self.0.index.page(owner, kind, offset, limit, self.now());
            let reading = keys.iter().map(|key| self.look_up::<Entry>(key));
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok((found.into_iter().flatten().map(|it| it.record).collect(), total))
        })
    }

    fn rows<'a>(&'a self, batch: &'a BatchId, which: ItemQuery) -> Answer<'a, (Vec<ListedRow>, u64)> {
        Box::pin(async move {
            let ItemQuery { status, after_row, offset, limit } = which;
            let rows = self.0.index.rows(batch, status, after_row);
            let total = rows.len() as u64;
            let skipped = rows.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
            let page: Vec<_> = skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
            let reading = page.into_iter().map(|row| async move {
                let Some(id) = row.id else { return Ok(Some(ListedRow { number: row.number, record: None })) };
                // One that was removed this moment is none.
                let found = self.look_up::<JobRecord>(&Key::Row(batch.clone(), id)).await?;
                Ok::<_, StoreError>(found.map(|it| ListedRow { number: row.number, record: Some(it.record) }))
            });
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok((found.into_iter().flatten().collect(), total))
        })
    }

    fn row_records<'a>(&'a self, batch: &'a BatchId, set: RowSet, revision: u64) -> Answer<'a, Vec<Stored<JobRecord>>> {
        Box::pin(async move {
            self.caught_up(revision).await?;
            let ids = match set {
                RowSet::Failed => self.0.index.failed_rows(batch),
                RowSet::Recorded | RowSet::Announced => self.0.index.recorded_rows(batch),
            };
            let keys: Vec<_> = ids.into_iter().map(|id| Key::Row(batch.clone(), id)).collect();
            let reading = keys.iter().map(|key| self.look_up::<JobRecord>(key));
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    fn tally<'a>(&'a self, batch: &'a BatchId, revision: u64) -> Answer<'a, BatchProgress> {
        Box::pin(async move {
            self.complete().await?;
            self.caught_up(revision).await?;
            Ok(self.0.index.tally(batch, self.now()))
        })
    }

    fn over<'a>(&'a self, batch: &'a BatchId) -> Answer<'a, Option<(u64, BatchProgress)>> {
        Box::pin(async move {
            // What is seen now was so at the head's revision, or later: rows that ended do not come back without another head.
            let seen = self.0.index.over(batch).filter(|revision| self.0.index.reached() >= *revision);
            Ok(seen.map(|revision| (revision, self.0.index.tally(batch, self.now()))))
        })
    }

    fn expired(&self, now: Timestamp) -> Answer<'_, Vec<Key>> {
        // What is not known yet expires next time, and nothing is thrown away that may be needed.
        let known = self.0.index.is_complete();
        let expired = if known { self.0.index.expired(now) } else { Vec::new() };
        Box::pin(std::future::ready(Ok(expired)))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(async move {
            self.connected()?;
            let failed = |error: &dyn std::error::Error| self.failed("cannot count jobs", with_causes(error));
            let workers = self.0.work.consumer().get_info().await.map_err(|error| failed(&error))?;
            let rows = self.0.rows.consumer().get_info().await.map_err(|error| failed(&error))?;
            let hooks = self.0.hooks.consumer().get_info().await.map_err(|error| failed(&error))?;
            // A front end knows of rows that are not in the queue yet.
            let (rows_scheduled, rows_progress) = match self.0.index.is_complete() {
                true => {
                    let (unfinished, under_way) = (self.0.index.unfinished_rows(), self.0.index.rows_under_way());
                    (unfinished.saturating_sub(under_way), under_way)
                }
                false => (rows.num_pending, rows.num_ack_pending as u64),
            };
            Ok(Counts {
                scheduled: workers.num_pending,
                progress: workers.num_ack_pending as u64,
                deliveries: hooks.num_pending + hooks.num_ack_pending as u64,
                rows_scheduled,
                rows_progress,
            })
        })
    }
}

impl Nats {
    /// Resolves when all jobs are known that there were when this process began.
    pub(super) async fn complete(&self) -> Result<(), StoreError> {
        let complete = tokio::time::timeout(CATCHING_UP, self.0.index.completed()).await;
        complete.map_err(|_| self.failed("not all jobs are known yet", "this front end has just been started"))
    }

    /// Resolves when the index has seen all that was on record at `revision`.
    async fn caught_up(&self, revision: u64) -> Result<(), StoreError> {
        let watched = tokio::time::timeout(CATCHING_UP, self.0.index.has_watched(revision)).await;
        watched.map_err(|_| self.failed("not all rows are known yet", "watching the records is being mended"))
    }

    /// Batches count among jobs, and have no message beside theirs, by which the server counts.
    fn has_too_many(&self, owner: &str) -> bool {
        let limit = self.0.limits.of_owner;
        limit > 0 && self.0.index.has_open_batches(owner) && self.0.index.unfinished_of(owner).of_owner >= limit
    }

    /// Puts a message into the stream that has `subject`. `name`: two of the same within two minutes are one.
    pub(super) async fn send(&self, subject: String, message: &WorkMessage, name: &str) -> Result<Sent, StoreError> {
        self.connected()?;
        let text = serde_json::to_vec(message).map_err(|error| self.failed("cannot write a message", error))?;
        let message = PublishMessage::build().payload(text.into()).message_id(name);
        let sending = self.0.context.send_publish(subject, message).await;
        let sent = match sending {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match sent.map_err(|error| with_causes(&error)) {
            Ok(answer) => Ok(Sent::Sequence(answer.sequence)),
            Err(reason) if reason.contains(OWNER_FULL) => Ok(Sent::OwnerFull),
            Err(reason) if reason.contains(FULL) => Ok(Sent::QueueFull),
            Err(reason) => Err(self.failed("cannot put a job into the queue", reason)),
        }
    }

    /// The last step: from here on it is a job.
    async fn record(
        &self,
        job: &NewJob,
        reserved: Reserved,
        body: BlobRef,
        sequence: u64,
    ) -> Result<Inserted<JobRecord>, StoreError> {
        let Reserved { id, stem, key, .. } = reserved;
        let seed = JobSeed { key, body: Some(body), sequence, ..JobSeed::new(&id, stem, self.now()) };
        let record = JobRecord::new(job, seed);
        // Should it fail, its message is dropped by whoever finds no record for it.
        if self.make_surely(&Entry::Job(record.clone()), &id).await? {
            return Ok(Inserted::New(record));
        }
        // By the same call at another front end, or by ourselves, in a try whose answer was lost.
        let Some(Stored { record: theirs, .. }) = self.look_up::<JobRecord>(&Key::Job(id.clone())).await? else {
            return Err(self.failed("a job was removed while it was accepted", &id));
        };
        let ours = theirs.sequence == sequence && theirs.created == record.created;
        if ours {
            return Ok(Inserted::New(theirs));
        }
        match theirs.key.is_some() && theirs.key == record.key {
            true => Ok(Inserted::Again(theirs)),
            false => Err(self.failed("another job has this id", &id)),
        }
    }

    /// Makes a record, trying again while there is time. False when there is one of that name.
    async fn make_surely(&self, entry: &Entry, id: &JobId) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            match self.make(entry).await {
                Ok(made) => return Ok(made.is_some()),
                Err(error) => {
                    tries += 1;
                    if tries == TRIES {
                        return Err(error);
                    }
                    tracing::warn!(%id, %error, "cannot write a record yet; trying again");
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        }
    }

    /// The record of a batch, with all that it names stored.
    async fn batch_record(&self, batch: &NewBatch, reserved: &Reserved) -> Result<BatchRecord, StoreError> {
        let no_id = |error| self.failed("no randomness for an id", error);
        let list = SubmittedRow::of_rows(&batch.rows, JobId::random).map_err(no_id)?;
        let document = match batch.document {
            Some(_) => Some(JobId::random().map_err(no_id)?),
            None => None,
        };
        let stored = async |bytes| {
            let stored = bodies::store(&self.0.results, bytes).await;
            stored.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))
        };
        let list = stored(RowList::write(&list)).await?;
        let template = stored(batch.template.body.clone()).await?;
        let (id, key, now) = (reserved.id.clone().into(), reserved.key.clone(), self.now());
        Ok(BatchRecord::new(batch, BatchSeed { id, key, template, list, document, now }))
    }

    /// Sends the message of a job or a row anew, and notes it. False when it needs none any more, or there is no room.
    pub(super) async fn send_anew(&self, found: &Stored<JobRecord>) -> Result<bool, StoreError> {
        let record = &found.record;
        if record.status.is_end() {
            return Ok(false);
        }
        let batch = record.row.as_ref().and_then(|row| row.batch());
        let message = WorkMessage {
            id: record.id.clone(),
            digest: record.body.as_ref().map(|body| body.hash.to_string()).unwrap_or_default(),
            format: record.extension.clone(),
            batch: batch.as_ref().map(|it| it.to_string()),
            traceparent: record.traceparent.clone(),
        };
        let subject = match &batch {
            Some(batch) => self.0.layout.rows_subject(batch),
            None => self.0.layout.work_subject(&record.owner),
        };
        // Front ends that find the same at the same time send one.
        let name = format!("{}-{}", record.id, found.revision);
        let Sent::Sequence(sequence) = self.send(subject, &message, &name).await? else { return Ok(false) };
        let mut changed = record.clone();
        changed.sequence = sequence;
        Ok(self.replace(&Entry::Job(changed), found.revision).await?.is_some())
    }

    /// Remembers which results are to be removed, and from when on.
    pub(super) async fn throw_away(&self, trash: &Trash) -> Result<(), StoreError> {
        if trash.is_empty() {
            return Ok(());
        }
        self.connected()?;
        let noting = trash.iter().map(|(file, from)| async move {
            let noted = self.0.layout.trash.put(file, from.micros().to_string().into()).await;
            noted.map(drop).map_err(|error| self.failed("cannot note what to remove", with_causes(&error)))
        });
        stream::iter(noting.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect().await
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
    async fn purge_messages(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.connected()?;
        let purged = self.0.layout.rows.purge().filter(self.0.layout.rows_subject(batch)).await;
        purged.map(drop).map_err(|error| self.failed("cannot remove messages of a batch", with_causes(&error)))
    }
}
