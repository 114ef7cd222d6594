//! One job as the key-value bucket keeps it, and what may happen to it. Pure: each change is made to a copy, which then replaces
//! the record if nobody else was faster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bodies::BodyRef;
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::moment::Moment;
use crate::jobs::names::{DONE, ERROR, PROGRESS, receiver};
use crate::jobs::store::{Delivery, DeliveryRecord, HandBack, NewJob, Outcome, Then, Ticket, Tried};

/// Longest log of a job, in bytes: a record has to stay far below NATS's largest message (1 MB), several deliveries included.
const LOG_BYTES: usize = 24 << 10;
/// Deliveries of one job that are remembered; older ones were superseded long ago.
const MOST_DELIVERIES: usize = 12;

/// What is kept about a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) status: Status,
    output: Option<String>,
    #[serde(default)]
    fingerprint: Option<String>,
    error: String,
    pub(super) created: i64,
    started: Option<i64>,
    completed: Option<i64>,
    updated: Option<i64>,
    pub(super) expires: Option<i64>,
    progress: f64,
    logs: String,
    /// What the names of its results start with, and end with.
    stem: String,
    extension: String,
    /// The result, once done.
    pub(super) file: Option<String>,
    pub(super) link_base: String,
    webhook: Option<String>,
    /// How often it was begun; written before work begins.
    pub(super) attempts: u32,
    /// The highest that `attempts` ever was: so many names of results may be in use.
    begun: u32,
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
    pub(super) deliveries: Vec<Hook>,
}

/// One thing that a receiver is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) id: String,
    event: Event,
    url: String,
    body: String,
    pub(super) status: HookStatus,
    attempts: u32,
    created: i64,
    pub(super) next: i64,
    pub(super) leased_until: i64,
    last: Option<i64>,
    answer: Option<u16>,
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum HookStatus {
    Pending,
    Delivered,
    Failed,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Progress,
    Done,
    Error,
}

/// What every record starts with besides what was sent.
pub(super) struct Birth<'a> {
    pub(super) id: &'a JobId,
    pub(super) stem: String,
    pub(super) key: Option<String>,
    pub(super) body: BodyRef,
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
            holder: None,
            due: now.micros(),
            key,
            body: Some(body),
            sequence,
            traceparent: job.traceparent.clone(),
            deliveries: Vec::new(),
        }
    }

    /// As callers see it; `None` when the record makes no sense.
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
        let all = (1..=self.begun).map(|attempt| self.file_of(attempt));
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
        Ticket { id, attempt: self.attempts }
    }

    /// The worker of the latest attempt is silent: another attempt after a rest, or, after too many, the end.
    pub(super) fn lost(&mut self, limit: u32, rest: Duration, lifetime: Duration, now: Moment) {
        let attempts = self.attempts;
        if attempts >= limit {
            let error =
                format!("given up: its worker died {attempts} times while it rendered this (TENTER_JOB_ATTEMPTS)");
            self.log(now, &error);
            return self.end(Outcome::Error(error), None, "", lifetime, now);
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
    /// error counts from the latest attempt only: a machine that is cut off fails at everything.
    pub(super) fn finish(
        &mut self,
        ticket: &Ticket,
        outcome: Outcome,
        logs: &str,
        lifetime: Duration,
        now: Moment,
    ) -> bool {
        let mine = self.file_of(ticket.attempt);
        let current = self.status == Status::Progress && self.attempts == ticket.attempt;
        match (&outcome, self.status.is_end()) {
            (_, true) => {
                // Our own words, whose answer was lost, or somebody else's.
                return match outcome {
                    Outcome::Done(_) => self.file.as_ref() == Some(&mine),
                    Outcome::Error(error) => self.error == error && self.attempts == ticket.attempt,
                };
            }
            (Outcome::Error(_), false) if !current => return false,
            _ => {}
        }
        self.end(outcome, Some(ticket.attempt), logs, lifetime, now);
        true
    }

    fn end(&mut self, outcome: Outcome, attempt: Option<u32>, logs: &str, lifetime: Duration, now: Moment) {
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
        self.add_log(logs);
        self.holder = None;
        self.body = None;
        self.completed = Some(now.micros());
        self.updated = Some(now.micros());
        self.expires = Some(now.plus(lifetime).micros());
        self.announce(now);
    }

    /// Ends a job that no attempt is under way for.
    pub(super) fn give_up(&mut self, error: String, lifetime: Duration, now: Moment) {
        self.log(now, &error);
        self.end(Outcome::Error(error), None, "", lifetime, now);
    }

    /// False when the attempt is not the current one.
    pub(super) fn hand_back(&mut self, ticket: &Ticket, why: &HandBack, now: Moment) -> bool {
        if self.status != Status::Progress || self.attempts != ticket.attempt {
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
        let current = self.status == Status::Progress && self.attempts == ticket.attempt;
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
        if self.logs.ends_with(CUT) {
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
    fn announce(&mut self, now: Moment) {
        let Some(url) = self.webhook.clone() else { return };
        let event = match self.status {
            Status::Scheduled => return,
            Status::Progress => Event::Progress,
            Status::Done => Event::Done,
            Status::Error => Event::Error,
        };
        for hook in self.deliveries.iter_mut().filter(|it| it.status == HookStatus::Pending) {
            hook.status = HookStatus::Superseded;
        }
        let excess = (self.deliveries.len() + 1).saturating_sub(MOST_DELIVERIES);
        self.deliveries.drain(..excess);
        let job = self.job().map(|job| serde_json::to_string(&job));
        let body = job.and_then(Result::ok).expect("a record is a job, and a job is JSON");
        self.deliveries.push(Hook {
            id: uuid::Uuid::new_v4().to_string(),
            event,
            url,
            body,
            status: HookStatus::Pending,
            attempts: 0,
            created: now.micros(),
            next: now.micros(),
            leased_until: 0,
            last: None,
            answer: None,
            error: String::new(),
        });
    }

    /// What waits to be told: at most one at a time.
    pub(super) fn pending(&self) -> Option<&Hook> {
        self.deliveries.iter().find(|it| it.status == HookStatus::Pending)
    }
}

impl Hook {
    pub(super) fn receiver(&self) -> String {
        receiver(&self.url)
    }

    pub(super) fn delivery(&self) -> Delivery {
        Delivery {
            id: self.id.clone(),
            event: self.event.as_str(),
            url: self.url.clone(),
            body: self.body.clone(),
            attempts: self.attempts,
        }
    }

    pub(super) fn tried(&mut self, tried: &Tried, now: Moment) {
        self.attempts += 1;
        self.last = Some(now.micros());
        self.answer = tried.answer;
        self.error = tried.error.clone();
        self.leased_until = 0;
        match tried.then {
            Then::Delivered => self.status = HookStatus::Delivered,
            Then::Failed => self.status = HookStatus::Failed,
            // One that was superseded meanwhile is not tried again.
            Then::Again(after) => self.next = now.plus(after).micros(),
        }
    }

    pub(super) fn again(&mut self, now: Moment) {
        self.status = HookStatus::Pending;
        self.attempts = 0;
        self.next = now.micros();
    }

    pub(super) fn record(&self) -> DeliveryRecord {
        DeliveryRecord {
            id: self.id.clone(),
            event: self.event.as_str(),
            status: self.status.as_str(),
            attempts: self.attempts,
            created_at: Moment::from_micros(self.created),
            next_at: (self.status == HookStatus::Pending).then(|| Moment::from_micros(self.next)),
            last_at: self.last.map(Moment::from_micros),
            answer: self.answer,
            error: self.error.clone(),
        }
    }
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::Progress => PROGRESS,
            Self::Done => DONE,
            Self::Error => ERROR,
        }
    }
}

impl HookStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

/// At most `limit` bytes of `text`.
fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
