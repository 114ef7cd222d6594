//! One job, or one row of a batch, as the key-value bucket keeps it, and what may happen to it. Pure: each change is made to a copy, which then replaces
//! the record if nobody else was faster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bodies::BodyRef;
use super::hook::{Event, Hook, HookStatus};
use super::key::Key;
use super::row::RowPart;
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::moment::Moment;
use crate::jobs::store::{HandBack, NewJob, Outcome, Report, Ticket};
use crate::report::counted;

/// Longest log of a job, in bytes: a record has to stay far below NATS's largest message (1 MB), several deliveries included.
const LOG_BYTES: usize = 24 << 10;
/// Deliveries of one job that are remembered; older ones were superseded long ago.
const MOST_DELIVERIES: usize = 12;

/// What is kept about a job or a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) status: Status,
    pub(super) output: Option<String>,
    #[serde(default)]
    pub(super) fingerprint: Option<String>,
    pub(super) error: String,
    pub(super) created: i64,
    pub(super) started: Option<i64>,
    pub(super) completed: Option<i64>,
    pub(super) updated: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) progress: f64,
    logs: String,
    /// What the names of its results start with, and end with.
    pub(super) stem: String,
    pub(super) extension: String,
    /// The result, once done.
    pub(super) file: Option<String>,
    pub(super) link_base: String,
    pub(super) webhook: Option<String>,
    /// How often it was begun; written before work begins.
    pub(super) attempts: u32,
    /// The highest that `attempts` ever was: so many names of results may be in use.
    pub(super) begun: u32,
    /// Which process works on it.
    pub(super) holder: Option<String>,
    /// Not to be begun before.
    pub(super) due: i64,
    /// Where its idempotency key stands.
    pub(super) key: Option<String>,
    /// Until it ends.
    pub(super) body: Option<BodyRef>,
    /// Of its message in the stream of work. Other messages about it are leftovers.
    pub(super) sequence: u64,
    #[serde(default)]
    pub(super) traceparent: Option<String>,
    /// Attempts before the latest retry: a worker that was cut off since then is not taken for one of now.
    #[serde(default)]
    pub(super) earlier: u32,
    /// What only a row of a batch has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<RowPart>,
    pub(super) deliveries: Vec<Hook>,
}

/// What every record starts with besides what was sent.
pub(super) struct Birth<'a> {
    pub(super) id: &'a JobId,
    pub(super) stem: String,
    pub(super) key: Option<String>,
    pub(super) body: Option<BodyRef>,
    pub(super) sequence: u64,
    pub(super) now: Moment,
}

impl Record {
    pub(super) fn new(job: &NewJob, birth: Birth<'_>) -> Self {
        let Birth { id, stem, key, body, sequence, now } = birth;
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
    pub(super) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.row {
            Some(row) => Some(Key::Row(row.batch()?, id)),
            None => Some(Key::Job(id)),
        }
    }

    /// As callers see a job; `None` when the record makes no sense.
    pub(super) fn job(&self) -> Option<Job> {
        let moment = Moment::from_micros;
        Some(Job {
            id: JobId::parse(&self.id)?,
            status: self.status,
            output: self.output.clone(),
            fingerprint: self.fingerprint.clone(),
            error: self.error.clone(),
            created_at: moment(self.created),
            started_at: self.started.map(moment),
            completed_at: self.completed.map(moment),
            updated_at: self.updated.map(moment),
            progress: self.progress,
            logs: self.logs.clone(),
        })
    }

    /// When it was last changed.
    pub(super) fn touched(&self) -> i64 {
        self.updated.unwrap_or(self.created).max(self.due)
    }

    pub(super) fn has_expired(&self, now: Moment) -> bool {
        self.expires.is_some_and(|it| it <= now.micros())
    }

    /// Name of what `attempt` stores.
    pub(super) fn file_of(&self, attempt: u32) -> String {
        format!("{}-{attempt}.{}", self.stem, self.extension)
    }

    /// Names of what attempts may have left besides the result; all of them when the job is to go.
    pub(super) fn leftovers(&self, with_result: bool) -> Vec<String> {
        let all = (1..=self.begun).map(|attempt| self.file_of(self.earlier + attempt));
        all.filter(|name| with_result || self.file.as_ref() != Some(name)).collect()
    }

    /// The next attempt, on record before it begins.
    pub(super) fn begin(&mut self, holder: &str, now: Moment) -> Ticket {
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
    pub(super) fn ticket(&self) -> Ticket {
        let id = JobId::parse(&self.id).expect("a record is made for an id, and found by it");
        Ticket { id, attempt: self.earlier + self.attempts }
    }

    fn is_under_way(&self, ticket: &Ticket) -> bool {
        self.status == Status::Progress && self.ticket() == *ticket
    }

    /// The worker of the latest attempt is silent: another attempt after a rest, or, after too many, the end.
    pub(super) fn lost(&mut self, limit: u32, rest: Duration, lifetime: Duration, now: Moment) {
        let attempts = self.attempts;
        if attempts >= limit {
            let times = counted(attempts.into(), "time");
            let error = format!("given up: its worker died {times} while it rendered this (TENTER_JOB_ATTEMPTS)");
            self.log(now, &error);
            return self.end(Outcome::Error(error), None, &Report::default(), lifetime, now);
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
    /// retry, since what that stored is in the trash.
    pub(super) fn finish(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        report: &Report,
        lifetime: Duration,
        now: Moment,
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
        self.end(outcome, Some(ticket.attempt), report, lifetime, now);
        true
    }

    fn end(&mut self, outcome: Outcome, attempt: Option<u32>, report: &Report, lifetime: Duration, now: Moment) {
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
    pub(super) fn give_up(&mut self, error: String, lifetime: Duration, now: Moment) {
        self.log(now, &error);
        self.end(Outcome::Error(error), None, &Report::default(), lifetime, now);
    }

    /// False when the attempt is not the current one.
    pub(super) fn hand_back(&mut self, ticket: &Ticket, why: &HandBack, now: Moment) -> bool {
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
    pub(super) fn set_progress(&mut self, ticket: &Ticket, percent: f64, now: Moment) -> bool {
        let current = self.is_under_way(ticket);
        if current {
            self.progress = percent;
            self.updated = Some(now.micros());
        }
        current
    }

    fn log(&mut self, now: Moment, text: &str) {
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

    /// Puts the job as it is now into the outbox, when it has a receiver. What the receiver was to be told earlier and has not
    /// been is no longer of interest.
    pub(super) fn announce(&mut self, now: Moment) {
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
        for hook in self.deliveries.iter_mut().filter(|it| it.status == HookStatus::Pending) {
            hook.status = HookStatus::Superseded;
        }
        let excess = (self.deliveries.len() + 1).saturating_sub(MOST_DELIVERIES);
        self.deliveries.drain(..excess);
        self.deliveries.push(Hook::new(event, url, body, now));
    }

    /// What waits to be told: at most one at a time.
    pub(super) fn pending(&self) -> Option<&Hook> {
        self.deliveries.iter().find(|it| it.status == HookStatus::Pending)
    }
}

/// At most `limit` bytes of `text`.
pub(super) fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
