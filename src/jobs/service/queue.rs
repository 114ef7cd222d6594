//! Handing jobs out, and taking their outcome.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::{Change, Durability, Service};
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::{Claim, Due, Release, Stored};
use crate::jobs::life::document::{DocumentEnd, ROW, RowEnds};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::store::{HandBack, Next, Outcome, Report, StoreError, TakeFilter, Taken, Ticket, Work};
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// Rest before a job is tried again whose worker died, times the attempts up to then.
pub(crate) const AFTER_DEATH: Duration = Duration::from_secs(1);
/// Before a job is tried again whose body cannot be read: the time it has been around, within these.
const READ_AGAIN: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// Longest time after which a document is offered again to a worker that could not begin one.
pub(crate) const DOCUMENTS_AGAIN: Duration = Duration::from_secs(5);
/// Records looked at in one go that turn out to be nothing to do.
const MOST_LOOKS: usize = 64;

/// What this process works on: the attempt, where its record stands, its claim.
#[derive(Default)]
pub(super) struct InFlightJobs(Mutex<HashMap<JobId, (u32, Key, Claim)>>);

impl InFlightJobs {
    fn begin(&self, ticket: &Ticket, key: Key, claim: Claim) {
        self.lock().insert(ticket.id.clone(), (ticket.attempt, key, claim));
    }

    fn has(&self, ticket: &Ticket) -> bool {
        self.lock().get(&ticket.id).is_some_and(|(attempt, ..)| *attempt == ticket.attempt)
    }

    /// The key of what was handed out.
    fn key(&self, ticket: &Ticket) -> Key {
        self.lock().get(&ticket.id).map_or_else(|| Key::Job(ticket.id.clone()), |(_, key, _)| key.clone())
    }

    fn end(&self, ticket: &Ticket) -> Option<Claim> {
        let mut all = self.lock();
        match all.get(&ticket.id) {
            Some((attempt, ..)) if *attempt == ticket.attempt => all.remove(&ticket.id).map(|(.., claim)| claim),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, (u32, Key, Claim)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a record that may be due is worth now.
enum DueAction {
    Take(Box<Taken>),
    /// It is to be asked for again when nothing else runs.
    Alone,
    Release(Release),
}

/// It has changed since it was read: it is looked at again.
const CHANGED: DueAction = DueAction::Release(Release::Next);

impl Service {
    /// The next job: of the owner with the fewest under way, the oldest that is due. Its attempt is on record before this returns.
    /// What `filter` excludes is not handed out and its record is not written.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn take(&self, filter: TakeFilter) -> Result<Next, StoreError> {
        let _one_at_a_time = self.taking.lock().await;
        for _ in 0..MOST_LOOKS {
            let (due, claim) = match self.ledger.next_due(filter).await? {
                Due::Record(due, claim) => (*due, claim),
                Due::Nothing(at) => return Ok(Next::Nothing(at)),
            };
            let Some(key) = due.record.key() else {
                tracing::error!(id = due.record.id, "a record in the queue makes no sense");
                self.ledger.release(claim, Release::Done).await;
                continue;
            };
            match self.judge(due, filter).await {
                Ok(DueAction::Take(taken)) => {
                    self.under_way.begin(&taken.ticket, key, claim);
                    return Ok(Next::Job(taken));
                }
                Ok(DueAction::Alone) => {
                    self.ledger.release(claim, Release::Next).await;
                    return Ok(Next::Alone);
                }
                Ok(DueAction::Release(how)) => self.ledger.release(claim, how).await,
                Err(error) => {
                    // Perhaps the attempt is on record as ours: whoever looks again is told.
                    self.ledger.release(claim, Release::Next).await;
                    return Err(error);
                }
            }
        }
        Ok(Next::Nothing(Some(self.now())))
    }

    /// Resolves when there may be something to take that was not there before.
    pub async fn ready(&self) {
        self.ledger.work_ready().await;
    }

    /// What to do about a record; when that is to work, the attempt is on record.
    async fn judge(&self, due: Stored<JobRecord>, filter: TakeFilter) -> Result<DueAction, StoreError> {
        let Stored { mut record, revision } = due;
        let now = self.now();
        if record.status.is_end() {
            return Ok(DueAction::Release(Release::Done));
        }
        if record.status == Status::Progress {
            if record.holder.as_deref() != Some(&self.holder) {
                return self.worker_lost(record, revision, now).await;
            }
            if self.under_way.has(&record.ticket()) {
                return Ok(DueAction::Release(Release::Silent));
            }
            // We began, and were not told that it was noted.
            return self.hand_out(&record).await;
        }
        let rest = Timestamp::from_micros(record.due).since(now);
        if rest > Duration::ZERO {
            return Ok(DueAction::Release(Release::Later(rest)));
        }
        if record.is_document() && !filter.documents {
            return Ok(DueAction::Release(Release::Later(DOCUMENTS_AGAIN)));
        }
        if record.attempts > 0 && !filter.alone {
            return Ok(DueAction::Alone);
        }
        let input = match self.input(&record).await {
            Ok(Some(input)) => input,
            // Of a batch that was removed at this moment.
            Ok(None) => return Ok(DueAction::Release(Release::Done)),
            Err(error) => return self.no_input(record, revision, &error, now).await,
        };
        let ticket = record.begin(&self.holder, now);
        let Some(begun) = self.swap(record, revision, Vec::new(), Durability::Process).await? else {
            return Ok(CHANGED);
        };
        self.announce(&Entry::Job(begun.record.clone())).await;
        Ok(DueAction::Take(Box::new(taken(&begun.record, ticket, input))))
    }

    /// Its worker said nothing for so long that it came to us.
    async fn worker_lost(&self, mut record: JobRecord, revision: u64, now: Timestamp) -> Result<DueAction, StoreError> {
        let (attempts, holder) = (record.attempts, record.holder.clone());
        record.worker_lost(self.limits.attempts, AFTER_DEATH, self.limits.lifetime, now);
        let trash = if record.status.is_end() { record.trash_at_end(now) } else { Vec::new() };
        let Some(Stored { record, .. }) = self.swap(record, revision, trash, Durability::Disk).await? else {
            return Ok(CHANGED);
        };
        let id = &record.id;
        if record.status.is_end() {
            tracing::error!(%id, attempts, "a job whose workers died too often is given up");
            self.has_ended(record).await;
            return Ok(DueAction::Release(Release::Done));
        }
        tracing::warn!(%id, attempts, holder, "the worker of a job is silent; another will try");
        Ok(DueAction::Release(Release::Later(AFTER_DEATH * attempts)))
    }

    async fn hand_out(&self, record: &JobRecord) -> Result<DueAction, StoreError> {
        match self.input(record).await {
            Ok(Some(input)) => Ok(DueAction::Take(Box::new(taken(record, record.ticket(), input)))),
            Ok(None) => Ok(DueAction::Release(Release::Done)),
            Err(error) => {
                tracing::warn!(id = record.id, %error, "cannot read what a job was sent");
                let note = "what was sent could not be read; the job is tried again".to_owned();
                let why = HandBack { after: *READ_AGAIN.start(), counts: false, note };
                self.hand_back(&record.ticket(), why).await?;
                Ok(DueAction::Release(Release::Later(*READ_AGAIN.start())))
            }
        }
    }

    /// What a worker gets: the body of a job, the values of a row, nothing of a document. `None` when its batch is gone.
    async fn input(&self, record: &JobRecord) -> Result<Option<Bytes>, StoreError> {
        let row = match (&record.body, &record.row, record.key()) {
            (Some(body), _, Some(key)) => return self.ledger.blob(&key, body).await.map(Some),
            (None, Some(row), Some(_)) if row.number == ROW => return Ok(Some(Bytes::new())),
            (None, Some(row), Some(_)) => row,
            _ => return Err(lost_input(&record.id)),
        };
        let Some(id) = row.batch() else { return Err(lost_input(&record.id)) };
        let Some(batch) = self.load_batch(&id).await?.filter(|it| !it.record.is_removed) else { return Ok(None) };
        let values = self.row_list(&batch.record).await?.row(row.number).and_then(|it| it.values);
        values.map(|values| Some(values.into())).ok_or_else(|| lost_input(&record.id))
    }

    /// Where bodies lie is away: somebody mends that, and the job waits, within reason.
    async fn no_input(
        &self,
        mut record: JobRecord,
        revision: u64,
        error: &StoreError,
        now: Timestamp,
    ) -> Result<DueAction, StoreError> {
        let age = now.since(Timestamp::from_micros(record.created));
        let patience = self.limits.retry_duration;
        let is_lost = matches!(error, StoreError::Damaged { .. });
        if !is_lost && age < patience {
            let after = age.clamp(*READ_AGAIN.start(), *READ_AGAIN.end());
            let again_s = after.as_secs();
            tracing::warn!(id = record.id, %error, again_s, "cannot read what a job was sent; trying again later");
            record.postpone(after, now);
            let noted = self.swap(record, revision, Vec::new(), Durability::Process).await?;
            return Ok(noted.map_or(CHANGED, |_| DueAction::Release(Release::Later(after))));
        }
        let reason = if is_lost {
            format!("what was sent is lost; the service's log has more under the job {}", record.id)
        } else {
            let hours = patience.as_secs_f64() / 3600.0;
            format!("what was sent could not be read from the bucket for {hours:.1} h (TENTER_RESULT_PATIENCE)")
        };
        tracing::error!(id = record.id, %error, "job given up: what was sent cannot be read");
        record.give_up(reason, self.limits.lifetime, now);
        let trash = record.trash_at_end(now);
        let Some(ended) = self.swap(record, revision, trash, Durability::Disk).await? else { return Ok(CHANGED) };
        self.has_ended(ended.record).await;
        Ok(DueAction::Release(Release::Done))
    }

    /// How far a job is, 0 to 100.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn progress(&self, ticket: &Ticket, percent: f64) -> Result<(), StoreError> {
        let now = self.now();
        self.change(&self.under_way.key(ticket), Durability::Process, |record: &mut JobRecord| {
            match record.set_progress(ticket, percent, now) {
                true => Change::write(()),
                false => Change::Leave(()),
            }
        })
        .await
        .map(drop)
    }

    /// An attempt ended. False when the job has another end, or none because it goes on without this attempt. With a document end
    /// its rows, in the same step: as `report.rows` says; and those that have no file, because it says nothing of them or the
    /// document failed, for the reason of the outcome.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn finish(&self, ticket: &Ticket, outcome: Outcome, report: Report) -> Result<bool, StoreError> {
        let (now, lifetime, key) = (self.now(), self.limits.lifetime, self.under_way.key(ticket));
        // What became of rows is there before anybody may ask for it.
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
                match record.finish(ticket, outcome.clone(), &report, rows.as_ref(), lifetime, now) {
                    true if !had_ended => Change::Write(true, record.trash_at_end(now)),
                    answer => Change::Leave(answer),
                }
            })
            .await?;
        let claim = self.under_way.end(ticket);
        // While the job goes on without us, the claim is another's: an answer of ours would count as theirs.
        let is_over = changed.as_ref().is_none_or(|(found, _)| found.record.status.is_end());
        let Some((Stored { record, .. }, finished)) = changed else {
            self.release_if(claim, is_over).await;
            return Ok(false);
        };
        if finished {
            self.has_ended(record).await;
        }
        self.release_if(claim, is_over).await;
        Ok(finished)
    }

    async fn release_if(&self, claim: Option<Claim>, is_over: bool) {
        if let Some(claim) = claim {
            self.ledger.release(claim, if is_over { Release::Done } else { Release::Silent }).await;
        }
    }

    /// An attempt did not end; somebody should try again.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn hand_back(&self, ticket: &Ticket, why: HandBack) -> Result<(), StoreError> {
        let now = self.now();
        let changed = self
            .change(&self.under_way.key(ticket), Durability::Process, |record: &mut JobRecord| {
                match record.hand_back(ticket, &why, now) {
                    true => Change::write(true),
                    false => Change::Leave(false),
                }
            })
            .await?;
        if let Some(claim) = self.under_way.end(ticket) {
            let how = match changed {
                Some((_, true)) => Release::Later(why.after),
                Some((_, false)) => Release::Silent,
                None => Release::Done,
            };
            self.ledger.release(claim, how).await;
        }
        Ok(())
    }

    /// Nothing more will be taken: what was fetched ahead goes back at once.
    pub async fn leave(&self) {
        self.ledger.leave().await;
    }

    /// What follows the end of a job that is on record; whatever is not done here is found and done later.
    async fn has_ended(&self, record: JobRecord) {
        let batch = record.row.as_ref().and_then(|row| row.batch());
        self.announce(&Entry::Job(record)).await;
        if let Some(batch) = batch
            && let Err(error) = self.complete(&batch).await
        {
            tracing::warn!(%batch, %error, "cannot complete a batch yet; trying again");
        }
    }

    /// Has those who send hear of what waits to be told; the deliveries themselves are on record.
    pub(super) async fn announce(&self, entry: &Entry) {
        let Some(key) = entry.key() else { return };
        for delivery in entry.deliveries().iter().filter(|it| it.is_pending()) {
            if let Err(error) = self.ledger.announce(&key, &delivery.id, &delivery.id).await {
                tracing::warn!(%key, error = with_causes(&error), "a webhook is not sent yet; it is found later");
            }
        }
    }
}

fn lost_input(id: &str) -> StoreError {
    StoreError::Damaged { place: format!("the record {id}"), reason: "what was sent is missing".into() }
}

fn taken(record: &JobRecord, ticket: Ticket, input: Bytes) -> Taken {
    let row = record.row.as_ref().and_then(|row| Some((row.batch()?, row)));
    Taken {
        file: record.file_of(ticket.attempt),
        ticket,
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
