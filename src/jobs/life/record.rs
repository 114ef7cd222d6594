//! One job, or one row of a batch, as the key-value bucket keeps it, and what may happen to it. Pure: each change is made to a copy, which then replaces
//! the record if nobody else was faster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::delivery::{DeliveryStatus, Event, StoredDelivery, make_room};
use super::document::DocumentEnd;
use super::key::Key;
use super::row::RowPart;
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::store::{HandBack, NewJob, Outcome, Report, Ticket};
use crate::jobs::timestamp::Timestamp;
use crate::report::counted;

/// Longest log of a job, in bytes: a record has to stay far below NATS's largest message (1 MB), several deliveries included.
const LOG_BYTES: usize = 24 << 10;
/// Deliveries of one job that are remembered; older ones were superseded long ago.
const MOST_DELIVERIES: usize = 12;

/// What is kept about a job or a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct JobRecord {
    pub(in crate::jobs) id: String,
    pub(in crate::jobs) owner: String,
    pub(in crate::jobs) status: Status,
    pub(in crate::jobs) output: Option<String>,
    #[serde(default)]
    pub(in crate::jobs) fingerprint: Option<String>,
    pub(in crate::jobs) error: String,
    pub(in crate::jobs) created: i64,
    pub(in crate::jobs) started: Option<i64>,
    pub(in crate::jobs) completed: Option<i64>,
    pub(in crate::jobs) updated: Option<i64>,
    pub(in crate::jobs) expires: Option<i64>,
    pub(in crate::jobs) progress: f64,
    logs: String,
    /// What the names of its results start with, and end with.
    pub(in crate::jobs) stem: String,
    pub(in crate::jobs) extension: String,
    /// The result, once done.
    pub(in crate::jobs) file: Option<String>,
    pub(in crate::jobs) link_base: String,
    pub(in crate::jobs) webhook: Option<String>,
    /// How often it was begun; written before work begins.
    pub(in crate::jobs) attempts: u32,
    /// Attempts never overlap, and all store their result under one name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::jobs) one_file: bool,
    /// The highest that `attempts` ever was: so many names of results may be in use.
    pub(in crate::jobs) begun: u32,
    /// Which process works on it.
    pub(in crate::jobs) holder: Option<String>,
    /// Not to be begun before.
    pub(in crate::jobs) due: i64,
    /// Where its idempotency key stands.
    pub(in crate::jobs) key: Option<String>,
    /// Until it ends.
    pub(in crate::jobs) body: Option<BlobRef>,
    /// Of its message in the stream of work. Other messages about it are leftovers.
    pub(in crate::jobs) sequence: u64,
    #[serde(default)]
    pub(in crate::jobs) traceparent: Option<String>,
    /// Attempts before the latest retry: a worker that was cut off since then is not taken for one of now.
    #[serde(default)]
    pub(in crate::jobs) earlier: u32,
    /// What only a row of a batch has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) row: Option<RowPart>,
    pub(in crate::jobs) deliveries: Vec<StoredDelivery>,
}

/// What every record starts with besides what was sent.
pub(in crate::jobs) struct JobSeed<'a> {
    pub(in crate::jobs) id: &'a JobId,
    pub(in crate::jobs) stem: String,
    pub(in crate::jobs) key: Option<String>,
    pub(in crate::jobs) body: Option<BlobRef>,
    pub(in crate::jobs) sequence: u64,
    pub(in crate::jobs) one_file: bool,
    pub(in crate::jobs) now: Timestamp,
}

impl<'a> JobSeed<'a> {
    /// Of something that has neither a body nor a message yet, whose attempts may overlap.
    pub(in crate::jobs) fn new(id: &'a JobId, stem: String, now: Timestamp) -> Self {
        Self { id, stem, key: None, body: None, sequence: 0, one_file: false, now }
    }
}

impl JobRecord {
    pub(in crate::jobs) fn new(job: &NewJob, seed: JobSeed<'_>) -> Self {
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

    /// Where it stands; `None` when it makes no sense.
    pub(in crate::jobs) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.row {
            Some(row) => Some(Key::Row(row.batch()?, id)),
            None => Some(Key::Job(id)),
        }
    }

    /// As callers see a job; `None` when the record makes no sense.
    pub(in crate::jobs) fn job(&self) -> Option<Job> {
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

    /// When it was last changed.
    #[cfg(feature = "cluster")]
    pub(in crate::jobs) fn touched(&self) -> i64 {
        self.updated.unwrap_or(self.created).max(self.due)
    }

    pub(in crate::jobs) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|it| it <= now.micros())
    }

    /// Name of what `attempt` stores.
    pub(in crate::jobs) fn file_of(&self, attempt: u32) -> String {
        match self.one_file {
            true => format!("{}.{}", self.stem, self.extension),
            false => format!("{}-{attempt}.{}", self.stem, self.extension),
        }
    }

    /// Names of what attempts may have left besides the result; all of them when the job is to go.
    pub(in crate::jobs) fn leftovers(&self, with_result: bool) -> Vec<String> {
        let begun = if self.one_file { self.begun.min(1) } else { self.begun };
        let all = (1..=begun).map(|attempt| self.file_of(self.earlier + attempt));
        all.filter(|name| with_result || self.file.as_ref() != Some(name)).collect()
    }

    /// The next attempt, on record before it begins.
    pub(in crate::jobs) fn begin(&mut self, holder: &str, now: Timestamp) -> Ticket {
        self.attempts += 1;
        self.begun = self.begun.max(self.attempts);
        self.status = Status::Progress;
        self.holder = Some(holder.to_owned());
        self.started = Some(now.micros());
        self.updated = Some(now.micros());
        self.log(now, &format!("attempt {} began", self.attempts));
        self.announce(now);
        self.ticket()
    }

    /// The right to the attempt that is under way.
    pub(in crate::jobs) fn ticket(&self) -> Ticket {
        let id = JobId::parse(&self.id).expect("a record is made for an id, and found by it");
        Ticket { id, attempt: self.earlier + self.attempts }
    }

    fn is_under_way(&self, ticket: &Ticket) -> bool {
        self.status == Status::Progress && self.ticket() == *ticket
    }

    /// The worker of the latest attempt is silent: another attempt after a rest, or, after too many, the end.
    pub(in crate::jobs) fn worker_lost(&mut self, limit: u32, rest: Duration, lifetime: Duration, now: Timestamp) {
        let attempts = self.attempts;
        if attempts >= limit {
            let times = counted(attempts.into(), "time");
            let error = format!("given up: its worker died {times} while it rendered this (TENTER_JOB_ATTEMPTS)");
            return self.give_up(error, lifetime, now);
        }
        self.status = Status::Scheduled;
        self.holder = None;
        self.due = now.plus(rest * attempts).micros();
        self.progress = 0.0;
        self.updated = Some(now.micros());
        self.log(now, &format!("the worker of attempt {attempts} died or was cut off; waiting for another"));
    }

    /// What an attempt came to. True when the job has this attempt's end, false when it has another or none.
    ///
    /// The first result counts, also that of an attempt which was taken for dead: whoever comes later finds the job done. An
    /// error counts from the latest attempt only: a machine that is cut off fails at everything. Nothing counts from before a
    /// retry, since what that stored is in the trash. `rows`: of a document, what became of its rows.
    pub(in crate::jobs) fn finish(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        report: &Report,
        rows: Option<&DocumentEnd>,
        lifetime: Duration,
        now: Timestamp,
    ) -> bool {
        if ticket.attempt <= self.earlier {
            return false;
        }
        let mine = self.file_of(ticket.attempt);
        match (&outcome, self.status.is_end()) {
            (_, true) => {
                // Our own words, whose answer was lost, or somebody else's.
                return match outcome {
                    Outcome::Done(_) => self.file.as_ref() == Some(&mine),
                    Outcome::Error(error) => self.error == error && self.ticket() == *ticket,
                };
            }
            (Outcome::Error(_), false) if !self.is_under_way(ticket) => return false,
            _ => {}
        }
        if let Some(row) = &mut self.row {
            row.ended = rows.cloned();
        }
        self.end(outcome, Some(ticket.attempt), report, lifetime, now);
        true
    }

    fn end(&mut self, outcome: Outcome, attempt: Option<u32>, report: &Report, lifetime: Duration, now: Timestamp) {
        if let Some(row) = &mut self.row {
            row.end(&outcome, report);
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
                self.error = bounded(error, LOG_BYTES);
            }
        }
        self.add_log(&report.logs);
        self.holder = None;
        self.body = None;
        self.completed = Some(now.micros());
        self.updated = Some(now.micros());
        // A row lives as long as its batch.
        self.expires = self.row.is_none().then(|| now.plus(lifetime).micros());
        self.announce(now);
    }

    /// Ends a job that no attempt is under way for.
    pub(in crate::jobs) fn give_up(&mut self, error: String, lifetime: Duration, now: Timestamp) {
        self.log(now, &error);
        self.end(Outcome::Error(error), None, &Report::default(), lifetime, now);
    }

    /// It is not begun before this time has passed.
    pub(in crate::jobs) fn postpone(&mut self, after: Duration, now: Timestamp) {
        self.due = now.plus(after).micros();
    }

    /// False when the attempt is not the current one.
    pub(in crate::jobs) fn hand_back(&mut self, ticket: &Ticket, why: &HandBack, now: Timestamp) -> bool {
        if !self.is_under_way(ticket) {
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
    pub(in crate::jobs) fn set_progress(&mut self, ticket: &Ticket, percent: f64, now: Timestamp) -> bool {
        let current = self.is_under_way(ticket);
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
        // Nobody is shown the log of a row.
        if self.row.is_some() || self.logs.ends_with(CUT) {
            return;
        }
        self.logs.push_str(text);
        if self.logs.len() > LOG_BYTES {
            self.logs = bounded(std::mem::take(&mut self.logs), LOG_BYTES - CUT.len());
            self.logs.push_str(CUT);
        }
    }

    /// Puts the job as it is now into the outbox, when it has a receiver. What the receiver of a job was to be told earlier and has
    /// not been is no longer of interest; that of a row is told of each end, in their order.
    pub(in crate::jobs) fn announce(&mut self, now: Timestamp) {
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
            Some(_) => self.told().map(|told| serde_json::to_string(&told)),
            None => self.job().map(|job| serde_json::to_string(&job)),
        };
        let body = body.and_then(Result::ok).expect("a record is a job or an item, and these are JSON");
        if self.row.is_none() {
            for earlier in self.deliveries.iter_mut().filter(|it| it.is_pending()) {
                earlier.status = DeliveryStatus::Superseded;
            }
        }
        make_room(&mut self.deliveries, MOST_DELIVERIES);
        self.deliveries.push(StoredDelivery::new(event, url, body, now));
    }

    /// What waits to be told: the first of it, and the only one of a job.
    #[cfg(any(test, feature = "cluster"))]
    pub(in crate::jobs) fn pending(&self) -> Option<&StoredDelivery> {
        self.deliveries.iter().find(|it| it.is_pending())
    }
}

/// At most `limit` bytes of `text`.
pub(in crate::jobs) fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
