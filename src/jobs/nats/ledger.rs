//! The ledger: records in buckets on the servers, listed and counted from the index.
//!
//! A batch is submitted as one record and one blob with its rows. Rows get their records and messages a few at a time
//! ([`super::row_feeder`]), so that a batch of ten thousand rows delays no other submission.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::bodies;
use super::claims::Claims;
use super::cluster::{ClusterConnection, PARALLEL};
use super::idempotency::{ExistingKey, Reservation};
use super::message::WorkMessage;
use super::publish::Published;
use super::pull::Puller;
use super::row_feeder::RowFeeder;
use super::templates::TemplateIndex;
use crate::config::Settings;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::{Inserted, Ledger, ListKind, ListedRow, Removal, RowSet, Stored, Swap};
use crate::jobs::life::batch_record::{BatchProgress, BatchRecord, BatchSeed};
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::{JobLimits, Refusal};
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::life::row_list::{RowList, SubmittedRow};
use crate::jobs::results::Results;
use crate::jobs::store::{Counts, ItemQuery, NewBatch, NewJob, Owner, StoreError, StoreFuture};
use crate::jobs::timestamp::{Clock, Timestamp};
use crate::report::with_causes;

/// Retries of the write of a record whose message is published. Each takes its timeout while servers are away; together
/// they stay below [`super::message::UNRECORDED`].
const WRITE_RETRIES: ConstantBuilder = ConstantBuilder::new().with_delay(Duration::from_secs(1)).with_max_times(2);
/// Longest wait for the index, which is some milliseconds behind the records unless its watch has just begun.
const INDEX_TIMEOUT: Duration = Duration::from_secs(4);

/// The ledger of a cluster.
pub(crate) struct NatsLedger {
    pub(super) cluster: ClusterConnection,
    /// Jobs for this process.
    pub(super) work: Puller,
    /// Rows for this process.
    pub(super) rows: Puller,
    /// Webhooks for this process.
    pub(super) hooks: Puller,
    pub(super) claims: Claims,
    pub(super) feeder: RowFeeder,
    pub(super) templates: TemplateIndex,
}

impl Ledger for NatsLedger {
    fn clock(&self) -> Clock {
        self.cluster.clock.as_clock()
    }

    fn insert_job<'a>(&'a self, job: &'a NewJob) -> StoreFuture<'a, Inserted<JobRecord>> {
        Box::pin(async move {
            self.cluster.connected()?;
            let reserved = match &job.idempotency {
                Some(call) => match self.cluster.reserve::<JobRecord>("", &job.owner, call).await? {
                    Ok(reserved) => reserved,
                    Err(ExistingKey::Same(before)) => return Ok(Inserted::Existing(before)),
                    Err(ExistingKey::Other) => return Ok(Inserted::KeyReused),
                },
                None => self.cluster.new_reservation(None)?,
            };
            if self.exceeds_owner_limit(&job.owner) {
                self.cluster.cancel_reservation(reserved).await?;
                return Ok(Inserted::Refused(Refusal::Owner));
            }
            let body = bodies::store(&self.cluster.results, job.body.clone()).await;
            let body =
                body.map_err(|error| self.cluster.failed("cannot store what was sent (TENTER_RESULTS)", error))?;
            let message = WorkMessage::of_job(&reserved.id, body.hash, job.extension, job.traceparent.clone());
            let subject = self.cluster.layout.work_subject(&job.owner);
            let refusal = match self.cluster.publish(subject, &message, reserved.id.as_str()).await? {
                Published::Sequence(sequence) => return self.create_job(job, reserved, body, sequence).await,
                Published::QueueFull => Refusal::Queue,
                Published::OwnerFull => Refusal::Owner,
            };
            self.cluster.cancel_reservation(reserved).await?;
            Ok(Inserted::Refused(refusal))
        })
    }

    fn insert_batch<'a>(&'a self, batch: &'a NewBatch) -> StoreFuture<'a, Inserted<BatchRecord>> {
        Box::pin(async move {
            self.cluster.connected()?;
            self.index_complete().await?;
            let reserved = match &batch.idempotency {
                Some(call) => match self.cluster.reserve::<BatchRecord>("batch\0", &batch.owner, call).await? {
                    Ok(reserved) => reserved,
                    Err(ExistingKey::Same(before)) => return Ok(Inserted::Existing(before)),
                    Err(ExistingKey::Other) => return Ok(Inserted::KeyReused),
                },
                None => self.cluster.new_reservation(None)?,
            };
            // From the index: two calls at two front ends at the same time may both be accepted.
            let unfinished = self.cluster.index.unfinished_of(&batch.owner);
            if let Some(refusal) = self.cluster.limits.refuse_batch(batch.rows.len() as u64, unfinished) {
                self.cluster.cancel_reservation(reserved).await?;
                return Ok(Inserted::Refused(refusal));
            }
            let record = self.batch_record(batch, &reserved).await?;
            if self.create_with_retries(&Entry::Batch(record.clone()), &reserved.id).await? {
                return Ok(Inserted::Created(record));
            }
            // Created by the same call at another front end, or by an earlier try whose answer was lost.
            match self.cluster.load::<BatchRecord>(&Key::Batch(reserved.id.clone().into())).await? {
                Some(Stored { record: theirs, .. }) if theirs.list == record.list => Ok(Inserted::Created(theirs)),
                Some(Stored { record: theirs, .. }) if theirs.key.is_some() && theirs.key == record.key => {
                    Ok(Inserted::Existing(theirs))
                }
                _ => Err(self.cluster.failed("another batch has this id", &reserved.id)),
            }
        })
    }

    fn load<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.cluster.load(key))
    }

    fn swap<'a>(&'a self, Swap { entry, revision, trash, .. }: Swap<'a>) -> StoreFuture<'a, Option<u64>> {
        Box::pin(async move {
            let Some(revision) = self.cluster.replace_with_trash(entry, revision, &trash).await? else {
                return Ok(None);
            };
            if let Entry::Batch(BatchRecord { is_removed: true, id, .. }) = entry
                && let Some(batch) = BatchId::parse(id)
                && let Err(error) = self.purge_messages(&batch).await
            {
                // Who receives a message that stays finds that its batch is removed.
                tracing::debug!(%batch, %error, "messages of a removed batch stay for now");
            }
            Ok(Some(revision))
        })
    }

    fn remove<'a>(&'a self, removal: Removal<'a>) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let Removal { key, stored, trash } = removal;
            // Before the record is deleted, which alone has their names.
            self.cluster.add_to_trash(&trash).await?;
            if let Key::Batch(batch) = key {
                self.purge_messages(batch).await?;
                self.purge_records(batch).await?;
            }
            let Some(Stored { record, revision }) = stored else {
                self.cluster.index.remove(key);
                return Ok(false);
            };
            if let (Some(place), Some(id)) = (record.idempotency_key(), record.id()) {
                self.cluster.delete_key(place, &id).await?;
            }
            if !self.cluster.delete(key, *revision).await? {
                return Ok(false);
            }
            if let Entry::Job(JobRecord { status, sequence, id, .. }) = record
                && !status.is_end()
                && let Err(error) = self.cluster.layout.work.delete_message(*sequence).await
            {
                // Who receives a message that stays finds no job.
                tracing::debug!(%id, %error, "a message stays for now");
            }
            Ok(true)
        })
    }

    fn page<'a>(
        &'a self,
        owner: &'a Owner,
        kind: ListKind,
        offset: u64,
        limit: u64,
    ) -> StoreFuture<'a, (Vec<Entry>, u64)> {
        Box::pin(async move {
            self.index_complete().await?;
            let (keys, total) = self.cluster.index.page(owner, kind, offset, limit, self.cluster.now());
            let reading = keys.iter().map(|key| self.cluster.load::<Entry>(key));
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok((found.into_iter().flatten().map(|it| it.record).collect(), total))
        })
    }

    fn rows<'a>(&'a self, batch: &'a BatchId, which: ItemQuery) -> StoreFuture<'a, (Vec<ListedRow>, u64)> {
        Box::pin(async move {
            let ItemQuery { status, after_row, offset, limit } = which;
            let rows = self.cluster.index.rows(batch, status, after_row);
            let total = rows.len() as u64;
            let skipped = rows.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
            let page: Vec<_> = skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
            let reading = page.into_iter().map(|row| async move {
                let Some(id) = row.id else { return Ok(Some(ListedRow { number: row.number, record: None })) };
                // A row that was removed meanwhile is left out.
                let found = self.cluster.load::<JobRecord>(&Key::Row(batch.clone(), id)).await?;
                Ok::<_, StoreError>(found.map(|it| ListedRow { number: row.number, record: Some(it.record) }))
            });
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok((found.into_iter().flatten().collect(), total))
        })
    }

    fn row_records<'a>(
        &'a self,
        batch: &'a BatchId,
        set: RowSet,
        revision: u64,
    ) -> StoreFuture<'a, Vec<Stored<JobRecord>>> {
        Box::pin(async move {
            self.index_at(revision).await?;
            let ids = match set {
                RowSet::Failed => self.cluster.index.failed_rows(batch),
                RowSet::WithRecord | RowSet::WithDeliveries => self.cluster.index.rows_with_record(batch),
            };
            let keys: Vec<_> = ids.into_iter().map(|id| Key::Row(batch.clone(), id)).collect();
            let reading = keys.iter().map(|key| self.cluster.load::<JobRecord>(key));
            let found: Vec<_> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok(found.into_iter().flatten().collect())
        })
    }

    fn progress<'a>(&'a self, batch: &'a BatchId, revision: u64) -> StoreFuture<'a, BatchProgress> {
        Box::pin(async move {
            self.index_complete().await?;
            self.index_at(revision).await?;
            Ok(self.cluster.index.progress(batch, self.cluster.now()))
        })
    }

    fn all_rows_ended<'a>(&'a self, batch: &'a BatchId) -> StoreFuture<'a, Option<(u64, BatchProgress)>> {
        Box::pin(async move {
            // The index is at the batch's revision or later, and rows that ended are not scheduled without a new
            // revision of it.
            let ended =
                self.cluster.index.all_rows_ended(batch).filter(|revision| self.cluster.index.revision() >= *revision);
            Ok(ended.map(|revision| (revision, self.cluster.index.progress(batch, self.cluster.now()))))
        })
    }

    fn expired(&self, now: Timestamp) -> StoreFuture<'_, Vec<Key>> {
        let expired = if self.cluster.index.is_complete() { self.cluster.index.expired(now) } else { Vec::new() };
        Box::pin(std::future::ready(Ok(expired)))
    }

    fn counts(&self) -> StoreFuture<'_, Counts> {
        Box::pin(async move {
            self.cluster.connected()?;
            let failed = |error: &dyn std::error::Error| self.cluster.failed("cannot count jobs", with_causes(error));
            let layout = &self.cluster.layout;
            let consumers = [&layout.work_consumer, &layout.row_consumer, &layout.webhook_consumer];
            let [workers, rows, hooks] = consumers.map(|it| it.get_info());
            let workers = workers.await.map_err(|error| failed(&error))?;
            let rows = rows.await.map_err(|error| failed(&error))?;
            let hooks = hooks.await.map_err(|error| failed(&error))?;
            // The index of a front end also has rows that are not in the queue yet.
            let (rows_scheduled, rows_progress) = match self.cluster.index.is_complete() {
                true => {
                    let (unfinished, under_way) =
                        (self.cluster.index.unfinished_rows(), self.cluster.index.rows_in_progress());
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

impl NatsLedger {
    /// Connects to the servers that the settings name. `results`: the bucket, where large bodies of jobs are stored.
    ///
    /// # Errors
    /// When no server can be reached within half a minute, refuses the login, or has no JetStream.
    pub(crate) async fn connect(settings: &Settings, limits: JobLimits, results: Results) -> Result<Self, StoreError> {
        let nats = &settings.nats;
        let cluster = ClusterConnection::connect(nats, limits, results).await?;
        let layout = &cluster.layout;
        Ok(Self {
            work: Puller::new(layout.work_consumer.clone(), nats.ack_wait),
            rows: Puller::new(layout.row_consumer.clone(), nats.ack_wait),
            hooks: Puller::new(layout.webhook_consumer.clone(), nats.ack_wait),
            claims: Claims::default(),
            feeder: RowFeeder::default(),
            templates: TemplateIndex::default(),
            cluster,
        })
    }

    /// Resolves when the index has all records that existed when this process was started.
    async fn index_complete(&self) -> Result<(), StoreError> {
        let complete = tokio::time::timeout(INDEX_TIMEOUT, self.cluster.index.wait_until_complete()).await;
        complete.map_err(|_| self.cluster.failed("not all jobs are known yet", "this front end has just been started"))
    }

    /// Resolves when the index has all changes up to `revision`.
    async fn index_at(&self, revision: u64) -> Result<(), StoreError> {
        let watched = tokio::time::timeout(INDEX_TIMEOUT, self.cluster.index.wait_for(revision)).await;
        watched
            .map_err(|_| self.cluster.failed("not all rows are known yet", "the watch of the records is interrupted"))
    }

    /// The server counts messages of jobs and no batches; with open batches the index counts both.
    fn exceeds_owner_limit(&self, owner: &str) -> bool {
        let limit = self.cluster.limits.of_owner;
        limit > 0
            && self.cluster.index.has_open_batches(owner)
            && self.cluster.index.unfinished_of(owner).of_owner >= limit
    }

    /// Writes the record of a job whose message is published. From then on the job is accepted.
    async fn create_job(
        &self,
        job: &NewJob,
        reserved: Reservation,
        body: BlobRef,
        sequence: u64,
    ) -> Result<Inserted<JobRecord>, StoreError> {
        let Reservation { id, stem, key, .. } = reserved;
        let seed = JobSeed { key, body: Some(body), sequence, ..JobSeed::new(&id, stem, self.cluster.now()) };
        let record = JobRecord::new(job, seed);
        // If this fails, the message is deleted by the process that finds no record for it.
        if self.create_with_retries(&Entry::Job(record.clone()), &id).await? {
            return Ok(Inserted::Created(record));
        }
        // Created by the same call at another front end, or by an earlier try whose answer was lost.
        let Some(Stored { record: theirs, .. }) = self.cluster.load::<JobRecord>(&Key::Job(id.clone())).await? else {
            return Err(self.cluster.failed("a job was removed while it was accepted", &id));
        };
        let ours = theirs.sequence == sequence && theirs.created == record.created;
        if ours {
            return Ok(Inserted::Created(theirs));
        }
        match theirs.key.is_some() && theirs.key == record.key {
            true => Ok(Inserted::Existing(theirs)),
            false => Err(self.cluster.failed("another job has this id", &id)),
        }
    }

    /// Creates a record, with retries. False when its key has a record already.
    async fn create_with_retries(&self, entry: &Entry, id: &JobId) -> Result<bool, StoreError> {
        let creating = (|| self.cluster.create(entry)).retry(WRITE_RETRIES);
        let created = creating
            .notify(|error: &StoreError, _| tracing::warn!(%id, %error, "cannot write a record yet; trying again"))
            .await?;
        Ok(created.is_some())
    }

    /// The record of a batch, whose blobs are then stored.
    async fn batch_record(&self, batch: &NewBatch, reserved: &Reservation) -> Result<BatchRecord, StoreError> {
        let no_id = |error| self.cluster.failed("no randomness for an id", error);
        let list = SubmittedRow::of_rows(&batch.rows, JobId::random).map_err(no_id)?;
        let document = match batch.document {
            Some(_) => Some(JobId::random().map_err(no_id)?),
            None => None,
        };
        let stored = async |bytes| {
            let stored = bodies::store(&self.cluster.results, bytes).await;
            stored.map_err(|error| self.cluster.failed("cannot store what was sent (TENTER_RESULTS)", error))
        };
        let list = stored(RowList::write(&list)).await?;
        let template = stored(batch.template.body.clone()).await?;
        let (id, key, now) = (reserved.id.clone().into(), reserved.key.clone(), self.cluster.now());
        Ok(BatchRecord::new(batch, BatchSeed { id, key, template, list, document, now }))
    }

    /// Deletes the records of rows and asset hashes of a batch. The index learns of it from the end of the batch's
    /// record.
    async fn purge_records(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.cluster.connected()?;
        let records = &self.cluster.layout.records;
        for pattern in Key::below(batch) {
            let subject = format!("{}{pattern}", records.prefix);
            let purged = records.stream.purge().filter(subject).await;
            purged.map_err(|error| self.cluster.failed("cannot remove the rows of a batch", with_causes(&error)))?;
        }
        Ok(())
    }

    /// Deletes the messages of a batch's rows, also of those in progress.
    async fn purge_messages(&self, batch: &BatchId) -> Result<(), StoreError> {
        self.cluster.connected()?;
        let purged = self.cluster.layout.rows.purge().filter(self.cluster.layout.rows_subject(batch)).await;
        purged.map(drop).map_err(|error| self.cluster.failed("cannot remove messages of a batch", with_causes(&error)))
    }
}
