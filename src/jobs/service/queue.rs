//! The calls of workers: take a job under a lease, report progress, finish or hand back.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::{Change, Durability, Service};
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::{Claim, Due, Release, Stored};
use crate::jobs::life::document::{DocumentEnd, ROW, RowEnds};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::{CRASH_DELAY, JobRecord};
use crate::jobs::store::{
    AttemptId, AttemptReport, FetchFilter, Fetched, FetchedJob, Outcome, Requeue, StoreError, Work,
};
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// Bounds of the delay after a failed read of a body; between them it is the age of the job.
const READ_DELAY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// Time after which a document is offered again to a worker that could not begin one.
pub(crate) const DOCUMENTS_AGAIN: Duration = Duration::from_secs(5);
/// Entries that one call skips because there is nothing to do for them.
const MAX_SKIPPED: usize = 64;

/// Jobs in progress in this process: attempt, key of the record, claim.
#[derive(Default)]
pub(super) struct InFlightJobs(Mutex<HashMap<JobId, (u32, Key, Claim)>>);

impl InFlightJobs {
    fn begin(&self, attempt_id: &AttemptId, key: Key, claim: Claim) {
        self.lock().insert(attempt_id.job.clone(), (attempt_id.number, key, claim));
    }

    fn contains(&self, attempt_id: &AttemptId) -> bool {
        self.lock().get(&attempt_id.job).is_some_and(|(attempt, ..)| *attempt == attempt_id.number)
    }

    /// The key of the record that the ticket was issued for.
    fn key(&self, attempt_id: &AttemptId) -> Key {
        self.lock().get(&attempt_id.job).map_or_else(|| Key::Job(attempt_id.job.clone()), |(_, key, _)| key.clone())
    }

    fn end(&self, attempt_id: &AttemptId) -> Option<Claim> {
        let mut all = self.lock();
        match all.get(&attempt_id.job) {
            Some((attempt, ..)) if *attempt == attempt_id.number => {
                all.remove(&attempt_id.job).map(|(.., claim)| claim)
            }
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, (u32, Key, Claim)>> {
        self.0.lock()
    }
}

/// What to do about an entry of the queue.
enum DueAction {
    Take(Box<FetchedJob>),
    /// It may be begun when nothing else runs.
    Alone,
    Release(Release),
}

/// The record has changed since it was read, so that the entry is read again.
const CHANGED: DueAction = DueAction::Release(Release::Requeue);

impl Service {
    /// Fetches the next job in the order of `jobs::life::order`. The attempt is written before this returns. A
    /// job that `filter` excludes is not taken and its record is not written.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn fetch(&self, filter: FetchFilter) -> Result<Fetched, StoreError> {
        let _one_at_a_time = self.taking.lock().await;
        for _ in 0..MAX_SKIPPED {
            let (due, claim) = match self.ledger.next_due(filter).await? {
                Due::Record(due, claim) => (*due, claim),
                Due::Nothing(at) => return Ok(Fetched::Empty(at)),
            };
            let Some(key) = due.record.key() else {
                tracing::error!(id = due.record.id, "a record in the queue has invalid ids");
                self.ledger.release(claim, Release::Ack).await;
                continue;
            };
            match self.decide(due, filter).await {
                Ok(DueAction::Take(fetched)) => {
                    self.in_flight.begin(&fetched.attempt_id, key, claim);
                    return Ok(Fetched::Job(fetched));
                }
                Ok(DueAction::Alone) => {
                    self.ledger.release(claim, Release::Requeue).await;
                    return Ok(Fetched::RunAlone);
                }
                Ok(DueAction::Release(how)) => self.ledger.release(claim, how).await,
                Err(error) => {
                    // The attempt may be written; the next call finds it as an attempt of this process.
                    self.ledger.release(claim, Release::Requeue).await;
                    return Err(error);
                }
            }
        }
        Ok(Fetched::Empty(Some(self.now())))
    }

    /// Resolves when there may be new work.
    pub async fn work_ready(&self) {
        self.ledger.work_ready().await;
    }

    /// Decides about an entry. For [`DueAction::Take`] the attempt is written.
    async fn decide(&self, due: Stored<JobRecord>, filter: FetchFilter) -> Result<DueAction, StoreError> {
        let Stored { mut record, revision } = due;
        let now = self.now();
        if record.status.is_end() {
            return Ok(DueAction::Release(Release::Ack));
        }
        if record.status == Status::Progress {
            if record.holder.as_deref() != Some(&self.holder) {
                return self.worker_lost(record, revision, now).await;
            }
            if self.in_flight.contains(&record.attempt_id()) {
                return Ok(DueAction::Release(Release::Abandon));
            }
            // The attempt was written, but the answer of the write was lost.
            return self.resume(&record).await;
        }
        let delay = Timestamp::from_micros(record.due).since(now);
        if delay > Duration::ZERO {
            return Ok(DueAction::Release(Release::Nak(delay)));
        }
        if record.is_document() && !filter.documents {
            return Ok(DueAction::Release(Release::Nak(DOCUMENTS_AGAIN)));
        }
        if record.attempts > 0 && !filter.alone {
            return Ok(DueAction::Alone);
        }
        let input = match self.input(&record).await {
            Ok(Some(input)) => input,
            // Its batch was removed meanwhile.
            Ok(None) => return Ok(DueAction::Release(Release::Ack)),
            Err(error) => return self.input_failed(record, revision, &error, now).await,
        };
        let attempt_id = record.begin(&self.holder, now);
        let Some(begun) = self.swap(record, revision, Vec::new(), Durability::Process).await? else {
            return Ok(CHANGED);
        };
        self.publish_webhooks(&Entry::Job(begun.record.clone())).await;
        Ok(DueAction::Take(Box::new(fetched(&begun.record, attempt_id, input))))
    }

    /// The lease of a worker has expired: schedules the job again or fails it.
    async fn worker_lost(&self, mut record: JobRecord, revision: u64, now: Timestamp) -> Result<DueAction, StoreError> {
        let (attempts, holder) = (record.attempts, record.holder.clone());
        record.worker_lost(self.limits.attempts, CRASH_DELAY, self.limits.lifetime, now);
        let trash = if record.status.is_end() { record.trash_at_end(now) } else { Vec::new() };
        let Some(Stored { record, .. }) = self.swap(record, revision, trash, Durability::Disk).await? else {
            return Ok(CHANGED);
        };
        let id = &record.id;
        if record.status.is_end() {
            tracing::error!(%id, attempts, "a job failed: its workers died too often");
            self.after_end(record).await;
            return Ok(DueAction::Release(Release::Ack));
        }
        tracing::warn!(%id, attempts, holder, "the lease of a job has expired; another worker will try");
        Ok(DueAction::Release(Release::Nak(CRASH_DELAY * attempts)))
    }

    async fn resume(&self, record: &JobRecord) -> Result<DueAction, StoreError> {
        match self.input(record).await {
            Ok(Some(input)) => Ok(DueAction::Take(Box::new(fetched(record, record.attempt_id(), input)))),
            Ok(None) => Ok(DueAction::Release(Release::Ack)),
            Err(error) => {
                tracing::warn!(id = record.id, %error, "cannot read the body of a job");
                let note = "what was sent could not be read; the job is tried again".to_owned();
                let why = Requeue { after: *READ_DELAY.start(), counts: false, note };
                self.requeue(&record.attempt_id(), why).await?;
                Ok(DueAction::Release(Release::Nak(*READ_DELAY.start())))
            }
        }
    }

    /// The body of a job or the values of a row; empty for a document. `None` when the batch was removed.
    async fn input(&self, record: &JobRecord) -> Result<Option<Bytes>, StoreError> {
        let row = match (&record.body, &record.row, record.key()) {
            (Some(body), _, Some(key)) => return self.ledger.blob(&key, body).await.map(Some),
            (None, Some(row), Some(_)) if row.number == ROW => return Ok(Some(Bytes::new())),
            (None, Some(row), Some(_)) => row,
            _ => return Err(missing_input(&record.id)),
        };
        let Some(id) = row.batch() else { return Err(missing_input(&record.id)) };
        let Some(batch) = self.load_batch(&id).await?.filter(|it| !it.record.is_removed) else { return Ok(None) };
        let values = self.row_list(&batch.record).await?.row(row.number).and_then(|it| it.values);
        values.map(|values| Some(values.into())).ok_or_else(|| missing_input(&record.id))
    }

    /// A body could not be read: delays the job, or fails it when the body is lost or TENTER_RESULT_PATIENCE is over.
    async fn input_failed(
        &self,
        mut record: JobRecord,
        revision: u64,
        error: &StoreError,
        now: Timestamp,
    ) -> Result<DueAction, StoreError> {
        let age = now.since(Timestamp::from_micros(record.created));
        let longest = self.limits.retry_duration;
        let is_lost = matches!(error, StoreError::Damaged { .. });
        if !is_lost && age < longest {
            let after = age.clamp(*READ_DELAY.start(), *READ_DELAY.end());
            let again_s = after.as_secs();
            tracing::warn!(id = record.id, %error, again_s, "cannot read the body of a job; trying again later");
            record.postpone(after, now);
            let noted = self.swap(record, revision, Vec::new(), Durability::Process).await?;
            return Ok(noted.map_or(CHANGED, |_| DueAction::Release(Release::Nak(after))));
        }
        let reason = if is_lost {
            format!("what was sent is lost; the service's log has more under the job {}", record.id)
        } else {
            let hours = longest.as_secs_f64() / 3600.0;
            format!("what was sent could not be read from the bucket for {hours:.1} h (TENTER_RESULT_PATIENCE)")
        };
        tracing::error!(id = record.id, %error, "job failed: its body cannot be read");
        record.give_up(reason, self.limits.lifetime, now);
        let trash = record.trash_at_end(now);
        let Some(ended) = self.swap(record, revision, trash, Durability::Disk).await? else { return Ok(CHANGED) };
        self.after_end(ended.record).await;
        Ok(DueAction::Release(Release::Ack))
    }

    /// Sets the progress of a job in percent.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn progress(&self, attempt_id: &AttemptId, percent: f64) -> Result<(), StoreError> {
        let now = self.now();
        self.change(&self.in_flight.key(attempt_id), Durability::Process, |record: &mut JobRecord| {
            match record.set_progress(attempt_id, percent, now) {
                true => Change::write(()),
                false => Change::Keep(()),
            }
        })
        .await
        .map(drop)
    }

    /// Ends an attempt with its outcome. False when the job has another outcome, or goes on without this attempt. The
    /// rows of a document end in the same write, as `report.rows` says; all others fail with the error of the document.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn finish(
        &self,
        attempt_id: &AttemptId,
        outcome: Outcome,
        report: AttemptReport,
    ) -> Result<bool, StoreError> {
        let (now, lifetime, key) = (self.now(), self.limits.lifetime, self.in_flight.key(attempt_id));
        // Before the record, which refers to the blob.
        let rows = match &key {
            Key::Row(batch, _) if !report.rows.is_empty() => {
                let ends = self.ledger.put_blob(&Key::Batch(batch.clone()), RowEnds::write(&report.rows)).await?;
                Some(DocumentEnd::new(&report.rows, matches!(outcome, Outcome::Done(_)), ends))
            }
            _ => None,
        };
        let changed = self
            .change(&key, Durability::Disk, |record: &mut JobRecord| {
                let had_ended = record.status.is_end();
                match record.finish(attempt_id, outcome.clone(), &report, rows.as_ref(), lifetime, now) {
                    true if !had_ended => Change::Write(true, record.trash_at_end(now)),
                    answer => Change::Keep(answer),
                }
            })
            .await?;
        let claim = self.in_flight.end(attempt_id);
        // If the job goes on, another worker has the entry, which must not be acknowledged.
        let has_ended = changed.as_ref().is_none_or(|(found, _)| found.record.status.is_end());
        let Some((Stored { record, .. }, finished)) = changed else {
            self.release_after_end(claim, has_ended).await;
            return Ok(false);
        };
        if finished {
            self.after_end(record).await;
        }
        self.release_after_end(claim, has_ended).await;
        Ok(finished)
    }

    async fn release_after_end(&self, claim: Option<Claim>, has_ended: bool) {
        if let Some(claim) = claim {
            self.ledger.release(claim, if has_ended { Release::Ack } else { Release::Abandon }).await;
        }
    }

    /// Gives a job back without an outcome, for another attempt.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn requeue(&self, attempt_id: &AttemptId, why: Requeue) -> Result<(), StoreError> {
        let now = self.now();
        let changed = self
            .change(&self.in_flight.key(attempt_id), Durability::Process, |record: &mut JobRecord| {
                match record.requeue(attempt_id, &why, now) {
                    true => Change::write(true),
                    false => Change::Keep(false),
                }
            })
            .await?;
        if let Some(claim) = self.in_flight.end(attempt_id) {
            let how = match changed {
                Some((_, true)) => Release::Nak(why.after),
                Some((_, false)) => Release::Abandon,
                None => Release::Ack,
            };
            self.ledger.release(claim, how).await;
        }
        Ok(())
    }

    /// Returns work that was fetched in advance, before the process ends.
    pub async fn shut_down(&self) {
        self.ledger.shut_down().await;
    }

    /// Queues the webhook of a job that has ended, and completes its batch. [`Service::maintain`] repeats what fails
    /// here.
    async fn after_end(&self, record: JobRecord) {
        let batch = record.row.as_ref().and_then(|row| row.batch());
        self.publish_webhooks(&Entry::Job(record)).await;
        if let Some(batch) = batch
            && let Err(error) = self.complete(&batch).await
        {
            tracing::warn!(%batch, %error, "cannot complete a batch yet; trying again");
        }
    }

    /// Queues the pending webhooks in the outbox of a record.
    pub(super) async fn publish_webhooks(&self, entry: &Entry) {
        let Some(key) = entry.key() else { return };
        for delivery in entry.deliveries().iter().filter(|it| it.is_pending()) {
            if let Err(error) = self.ledger.publish_webhook(&key, &delivery.id, &delivery.id).await {
                tracing::warn!(%key, error = with_causes(&error), "a webhook is not queued yet; it is found later");
            }
        }
    }
}

fn missing_input(id: &str) -> StoreError {
    StoreError::Damaged { place: format!("the record {id}"), reason: "what was sent is missing".into() }
}

fn fetched(record: &JobRecord, attempt_id: AttemptId, input: Bytes) -> FetchedJob {
    let row = record.row.as_ref().and_then(|row| Some((row.batch()?, row)));
    FetchedJob {
        file: record.file_of(attempt_id.number),
        attempt_id,
        work: match row {
            Some((batch, row)) => match row.of {
                Some(rows) => Work::Document { batch, rows },
                None => Work::Row { batch, row: row.number, values: input },
            },
            None => Work::Job(input),
        },
        link_base: record.link_base.clone(),
        created_at: Timestamp::from_micros(record.created),
        traceparent: record.traceparent.clone(),
    }
}
