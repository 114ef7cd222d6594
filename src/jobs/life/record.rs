//! The record of a job or of a row of a batch, and its transitions: scheduled, in progress, done or failed.
//!
//! Attempts are at-least-once: a worker that lost its lease may still finish, and the first result counts. Deliveries
//! are an outbox: a transition and the webhook about it are one write.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::delivery::{DeliveryStatus, Event, StoredDelivery, evict_oldest};
use super::document::DocumentEnd;
use super::key::Key;
use super::row::RowPart;
use super::text_limits::truncate_text;
use crate::jobs::batch::{Item, ItemEvent};
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::store::{AttemptId, AttemptReport, NewJob, Outcome, Requeue};
use crate::jobs::timestamp::Timestamp;
use crate::report::counted;

/// Delay of the next attempt after a worker died, times the attempts so far.
pub(crate) const CRASH_DELAY: Duration = Duration::from_secs(1);

/// Largest log of a job, in bytes. Each delivery has a copy, and a record must stay far below NATS's largest message (1
/// MB).
const LOG_BYTES: usize = 24 << 10;
/// Number of deliveries that the record of a job keeps; older ones have been superseded.
const MOST_DELIVERIES: usize = 12;

/// A job, a row of a batch, or the document of all rows. Times are in µs since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) status: Status,
    pub(crate) output: Option<String>,
    #[serde(default)]
    pub(crate) fingerprint: Option<String>,
    pub(crate) error: String,
    pub(crate) created: i64,
    pub(crate) started: Option<i64>,
    pub(crate) completed: Option<i64>,
    pub(crate) updated: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) progress: f64,
    logs: String,
    /// First part of the names of its result files; [`JobRecord::file_of`] appends the attempt and the extension.
    pub(crate) stem: String,
    pub(crate) extension: String,
    /// Name of the result file, once the job is done.
    pub(crate) file: Option<String>,
    pub(crate) link_base: String,
    pub(crate) webhook: Option<String>,
    /// Number of attempts begun, written before the work begins. A hand-back may subtract its attempt.
    pub(crate) attempts: u32,
    /// Whether attempts never overlap, so that all store their result under one name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) one_file: bool,
    /// Highest value that `attempts` has had: as many file names may be in use.
    pub(crate) begun: u32,
    /// Name of the process that works on it.
    pub(crate) holder: Option<String>,
    /// Time before which it is not begun.
    pub(crate) due: i64,
    /// Key of its entry among the idempotency keys, in a ledger that stores these apart.
    pub(crate) key: Option<String>,
    /// The submitted body, until the job ends.
    pub(crate) body: Option<BlobRef>,
    /// Sequence number of its message in the work queue; 0 without one. Any other message about it is obsolete.
    pub(crate) sequence: u64,
    #[serde(default)]
    pub(crate) traceparent: Option<String>,
    /// Attempts begun before the latest retry, so that their tickets are never valid again.
    #[serde(default)]
    pub(crate) earlier: u32,
    /// Fields of a row; `None` for a single job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<RowPart>,
    /// Outbox of webhooks, oldest first.
    pub(crate) deliveries: Vec<StoredDelivery>,
}

/// Initial values of a record besides the submitted ones.
pub(crate) struct JobSeed<'a> {
    pub(crate) id: &'a JobId,
    pub(crate) stem: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Option<BlobRef>,
    pub(crate) sequence: u64,
    pub(crate) one_file: bool,
    pub(crate) now: Timestamp,
}

impl<'a> JobSeed<'a> {
    /// Without a body and a message, and with attempts that may overlap.
    pub(crate) fn new(id: &'a JobId, stem: String, now: Timestamp) -> Self {
        Self { id, stem, key: None, body: None, sequence: 0, one_file: false, now }
    }
}

impl JobRecord {
    pub(crate) fn new(job: &NewJob, seed: JobSeed<'_>) -> Self {
        let JobSeed { id, stem, key, body, sequence, one_file, now } = seed;
        Self {
            id: id.to_string(),
            owner: job.owner.to_string(),
            status: Status::Scheduled,
            output: None,
            fingerprint: None,
            error: String::new(),
            created: now.micros(),
            started: None,
            completed: None,
            updated: None,
            expires: None,
            progress: 0.0,
            logs: String::new(),
            stem,
            extension: job.extension.to_owned(),
            file: None,
            link_base: job.link_base.clone(),
            webhook: job.webhook.clone(),
            attempts: 0,
            begun: 0,
            one_file,
            earlier: 0,
            holder: None,
            due: now.micros(),
            key,
            body,
            sequence,
            traceparent: job.traceparent.clone(),
            row: None,
            deliveries: Vec::new(),
        }
    }

    /// The key of the record; `None` when its ids are invalid.
    pub(crate) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.row {
            Some(row) => Some(Key::Row(row.batch()?, id)),
            None => Some(Key::Job(id)),
        }
    }

    /// The job as callers see it; `None` when its id is invalid.
    pub(crate) fn to_job(&self) -> Option<Job> {
        let timestamp = Timestamp::from_micros;
        Some(Job {
            id: JobId::parse(&self.id)?,
            status: self.status,
            output: self.output.clone(),
            fingerprint: self.fingerprint.clone(),
            error: self.error.clone(),
            created_at: timestamp(self.created),
            started_at: self.started.map(timestamp),
            completed_at: self.completed.map(timestamp),
            updated_at: self.updated.map(timestamp),
            progress: self.progress,
            logs: self.logs.clone(),
        })
    }

    /// The row as callers see it, without its link; `None` when this is no row.
    pub(crate) fn to_item(&self) -> Option<Item> {
        let row = self.row.clone()?;
        Some(Item {
            row: row.number,
            id: JobId::parse(&self.id)?,
            name: row.name,
            status: self.status,
            url: None,
            bytes: row.bytes,
            sha256: row.sha256.map(|hash| hash.to_string()),
            fingerprint: self.fingerprint.clone(),
            first_page: None,
            page_count: None,
            warnings: row.warnings,
            timings: row.timings,
            error: self.error.clone(),
            problems: row.problems,
        })
    }

    /// The body of a webhook about a row.
    fn to_item_event(&self) -> Option<ItemEvent> {
        let batch = self.row.as_ref()?.batch()?;
        Some(ItemEvent { batch, item: Item { url: self.output.clone(), ..self.to_item()? } })
    }

    /// The time of the last change, or a later time until which the job waits.
    #[cfg(feature = "cluster")]
    pub(crate) fn last_change(&self) -> i64 {
        self.updated.unwrap_or(self.created).max(self.due)
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|it| it <= now.micros())
    }

    /// Name of the file that `attempt` stores.
    pub(crate) fn file_of(&self, attempt: u32) -> String {
        match self.one_file {
            true => format!("{}.{}", self.stem, self.extension),
            false => format!("{}-{attempt}.{}", self.stem, self.extension),
        }
    }

    /// Names of the files that attempts since the latest retry may have stored, with the result or without it.
    pub(super) fn attempt_files(&self, with_result: bool) -> Vec<String> {
        let begun = if self.one_file { self.begun.min(1) } else { self.begun };
        let all = (1..=begun).map(|attempt| self.file_of(self.earlier + attempt));
        all.filter(|name| with_result || self.file.as_ref() != Some(name)).collect()
    }

    /// Begins the next attempt. The record must be written before the work begins.
    pub(crate) fn begin(&mut self, holder: &str, now: Timestamp) -> AttemptId {
        self.attempts += 1;
        self.begun = self.begun.max(self.attempts);
        self.status = Status::Progress;
        self.holder = Some(holder.to_owned());
        self.started = Some(now.micros());
        self.updated = Some(now.micros());
        self.log(now, &format!("attempt {} began", self.attempts));
        self.push_delivery(now);
        self.attempt_id()
    }

    /// The ticket of the current attempt.
    pub(crate) fn attempt_id(&self) -> AttemptId {
        let id = JobId::parse(&self.id).expect("a record is made for an id, and found by it");
        AttemptId { job: id, number: self.earlier + self.attempts }
    }

    fn is_current(&self, attempt_id: &AttemptId) -> bool {
        self.status == Status::Progress && self.attempt_id() == *attempt_id
    }

    /// The lease of the current attempt has expired: schedules another one after `pause` times the attempts so far, or
    /// fails the job after `limit` attempts.
    pub(crate) fn worker_lost(&mut self, limit: u32, pause: Duration, lifetime: Duration, now: Timestamp) {
        let attempts = self.attempts;
        if attempts >= limit {
            let times = counted(attempts.into(), "time");
            let error = format!("given up: its worker died {times} while it rendered this (TENTER_JOB_ATTEMPTS)");
            return self.give_up(error, lifetime, now);
        }
        self.status = Status::Scheduled;
        self.holder = None;
        self.due = now.plus(pause * attempts).micros();
        self.progress = 0.0;
        self.updated = Some(now.micros());
        self.log(now, &format!("the worker of attempt {attempts} died or was cut off; waiting for another"));
    }

    /// Ends the job with the outcome of an attempt. True when the job has this outcome, also from an earlier call;
    /// false when it has another one or goes on.
    ///
    /// The first result counts, also that of an attempt whose lease has expired. An error counts only from the current
    /// attempt: a machine that is cut off from the network fails at everything. Attempts before a retry do not count,
    /// since their files are in the trash. `rows`: how the rows of a document ended.
    pub(crate) fn finish(
        &mut self,
        attempt_id: &AttemptId,
        outcome: Outcome,
        report: &AttemptReport,
        rows: Option<&DocumentEnd>,
        lifetime: Duration,
        now: Timestamp,
    ) -> bool {
        if attempt_id.number <= self.earlier {
            return false;
        }
        let file = self.file_of(attempt_id.number);
        match (&outcome, self.status.is_end()) {
            (_, true) => {
                // A repeated call whose first answer was lost, or the call of another attempt.
                return match outcome {
                    Outcome::Done(_) => self.file.as_ref() == Some(&file),
                    Outcome::Error(error) => self.error == error && self.attempt_id() == *attempt_id,
                };
            }
            (Outcome::Error(_), false) if !self.is_current(attempt_id) => return false,
            _ => {}
        }
        if let Some(row) = &mut self.row {
            row.ended = rows.cloned();
        }
        self.end(outcome, Some(attempt_id.number), report, lifetime, now);
        true
    }

    fn end(
        &mut self,
        outcome: Outcome,
        attempt: Option<u32>,
        report: &AttemptReport,
        lifetime: Duration,
        now: Timestamp,
    ) {
        if let Some(row) = &mut self.row {
            row.set_result(&outcome, report);
        }
        match outcome {
            Outcome::Done(output) => {
                self.status = Status::Done;
                self.output = Some(output.link);
                self.fingerprint = Some(output.fingerprint);
                self.progress = 100.0;
                self.file = attempt.map(|it| self.file_of(it));
            }
            Outcome::Error(error) => {
                self.status = Status::Error;
                self.error = truncate_text(error, LOG_BYTES);
            }
        }
        self.add_log(&report.logs);
        self.holder = None;
        self.body = None;
        self.completed = Some(now.micros());
        self.updated = Some(now.micros());
        // A row expires with its batch.
        self.expires = self.row.is_none().then(|| now.plus(lifetime).micros());
        self.push_delivery(now);
    }

    /// Fails a job that has no attempt in progress.
    pub(crate) fn give_up(&mut self, error: String, lifetime: Duration, now: Timestamp) {
        self.log(now, &error);
        self.end(Outcome::Error(error), None, &AttemptReport::default(), lifetime, now);
    }

    /// Delays the next attempt by `after`.
    pub(crate) fn postpone(&mut self, after: Duration, now: Timestamp) {
        self.due = now.plus(after).micros();
    }

    /// Schedules the job again without an outcome. False when the attempt is not the current one.
    pub(crate) fn requeue(&mut self, attempt_id: &AttemptId, why: &Requeue, now: Timestamp) -> bool {
        if !self.is_current(attempt_id) {
            return false;
        }
        self.status = Status::Scheduled;
        self.holder = None;
        self.due = now.plus(why.after).micros();
        self.attempts -= u32::from(!why.counts);
        self.progress = 0.0;
        self.updated = Some(now.micros());
        self.log(now, &why.note);
        true
    }

    /// False when the attempt is not the current one.
    pub(crate) fn set_progress(&mut self, attempt_id: &AttemptId, percent: f64, now: Timestamp) -> bool {
        let current = self.is_current(attempt_id);
        if current {
            self.progress = percent;
            self.updated = Some(now.micros());
        }
        current
    }

    fn log(&mut self, now: Timestamp, text: &str) {
        self.add_log(&format!("{now} {text}\n"));
    }

    fn add_log(&mut self, text: &str) {
        const CUT: &str = "… the log is cut here\n";
        // No call returns the log of a row.
        if self.row.is_some() || self.logs.ends_with(CUT) {
            return;
        }
        self.logs.push_str(text);
        if self.logs.len() > LOG_BYTES {
            self.logs = truncate_text(std::mem::take(&mut self.logs), LOG_BYTES - CUT.len());
            self.logs.push_str(CUT);
        }
    }

    /// Puts a webhook about the current state into the outbox, if the job has a receiver. It supersedes pending
    /// webhooks of a job; the receiver of a row gets every end of the row, in order.
    pub(super) fn push_delivery(&mut self, now: Timestamp) {
        let Some(url) = self.webhook.clone() else { return };
        let event = match (self.status, &self.row) {
            (Status::Scheduled, _) | (Status::Progress, Some(_)) => return,
            (Status::Progress, None) => Event::Progress,
            (Status::Done, None) => Event::Done,
            (Status::Error, None) => Event::Error,
            (Status::Done, Some(_)) => Event::ItemDone,
            (Status::Error, Some(_)) => Event::ItemError,
        };
        let body = match &self.row {
            Some(_) => self.to_item_event().map(|event| serde_json::to_string(&event)),
            None => self.to_job().map(|job| serde_json::to_string(&job)),
        };
        let body = body.and_then(Result::ok).expect("a record is a job or an item, and these are JSON");
        if self.row.is_none() {
            for earlier in self.deliveries.iter_mut().filter(|it| it.is_pending()) {
                earlier.status = DeliveryStatus::Superseded;
            }
        }
        evict_oldest(&mut self.deliveries, MOST_DELIVERIES);
        self.deliveries.push(StoredDelivery::new(event, url, body, now));
    }

    /// The next webhook to deliver.
    #[cfg(any(test, feature = "cluster"))]
    pub(crate) fn pending_delivery(&self) -> Option<&StoredDelivery> {
        self.deliveries.iter().find(|it| it.is_pending())
    }
}

#[cfg(test)]
mod tests;
