//! What is kept of a batch as a whole, and what may happen to it. Pure, as `record` is.
//!
//! Counts of rows are not in it while rows change: hundreds of them end in a second, on any machine, and one record cannot be
//! changed as often. Front ends count what they see (`index`); with the end of the last row the counts stand here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bodies::{BodyRef, hex};
use super::hook::{Event, Hook, HookStatus};
use crate::jobs::batch::{Batch, BatchId, RowCounts};
use crate::jobs::job::Status;
use crate::jobs::moment::Moment;
use crate::jobs::store::NewBatch;

/// Over which the rate of a batch is measured.
pub(super) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Deliveries of one batch that are remembered: one for each time that it completed.
const MOST_DELIVERIES: usize = 50;

/// A batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) owner: String,
    pub(super) rows: u64,
    format: String,
    pub(super) extension: String,
    design_sha256: String,
    pub(super) link_base: String,
    pub(super) webhook: Option<String>,
    pub(super) webhook_items: bool,
    pub(super) created: i64,
    /// When it was accepted, or, once complete, tried again: what began before does not count for how far it is.
    pub(super) since: i64,
    /// When failed rows were last made to wait again.
    pub(super) retried: i64,
    /// From here on: as it was when the last row ended.
    pub(super) completed: Option<i64>,
    started: Option<i64>,
    pub(super) expires: Option<i64>,
    done: u64,
    failed: u64,
    /// Failed rows are being made to wait again.
    pub(super) retrying: bool,
    /// Removed by its owner; what belongs to it is being cleared away.
    pub(super) gone: bool,
    /// Where its idempotency key stands.
    pub(super) key: Option<String>,
    /// Design and options.
    pub(super) template: BodyRef,
    /// Rows as sent ([`super::list`]).
    pub(super) list: BodyRef,
    pub(super) deliveries: Vec<Hook>,
}

/// What rows of a batch are like, as a front end has seen them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Being rendered.
    pub(super) progress: u64,
    pub(super) done: u64,
    pub(super) error: u64,
    /// When the first was begun, of those begun since the batch was accepted or tried again.
    pub(super) started: Option<i64>,
    /// How many ended within [`RATE_WINDOW`], or since the first was begun.
    pub(super) lately: u64,
}

/// What a batch starts with besides what was sent.
pub(super) struct BatchBirth {
    pub(super) id: BatchId,
    pub(super) key: Option<String>,
    pub(super) template: BodyRef,
    pub(super) list: BodyRef,
    pub(super) now: Moment,
}

impl Head {
    pub(super) fn new(batch: &NewBatch, birth: BatchBirth) -> Self {
        let BatchBirth { id, key, template, list, now } = birth;
        Self {
            id: id.to_string(),
            owner: batch.owner.to_string(),
            rows: batch.rows.len() as u64,
            format: batch.format.to_owned(),
            extension: batch.extension.to_owned(),
            design_sha256: hex(&batch.template.design_sha256),
            link_base: batch.link_base.clone(),
            webhook: batch.webhook.clone(),
            webhook_items: batch.webhook_items,
            created: now.micros(),
            since: now.micros(),
            retried: now.micros(),
            completed: None,
            started: None,
            expires: None,
            done: 0,
            failed: 0,
            retrying: false,
            gone: false,
            key,
            template,
            list,
            deliveries: Vec::new(),
        }
    }

    pub(super) fn has_expired(&self, now: Moment) -> bool {
        self.gone || self.expires.is_some_and(|it| it <= now.micros())
    }

    /// SHA-256 of the design; `None` when the record makes no sense.
    pub(super) fn design_sha256(&self) -> Option<[u8; 32]> {
        super::bodies::from_hex(&self.design_sha256)
    }

    /// As callers see it; `None` when the record makes no sense.
    pub(super) fn batch(&self, tally: &Tally, now: Moment) -> Option<Batch> {
        let moment = Moment::from_micros;
        let (done, error, progress, started) = match self.completed {
            Some(_) => (self.done, self.failed, 0, self.started),
            None => (tally.done, tally.error, tally.progress, tally.started),
        };
        let counts = RowCounts { scheduled: self.rows.saturating_sub(done + error + progress), progress, done, error };
        let status = match (started, self.completed) {
            (_, Some(_)) => Status::Done,
            (Some(_), None) => Status::Progress,
            (None, None) => Status::Scheduled,
        };
        let window = started.map(|it| now.since(moment(it)).min(RATE_WINDOW).as_secs_f64());
        let rate = window.filter(|it| *it > 0.0 && tally.lately > 0 && self.completed.is_none());
        let rate = rate.map(|seconds| tally.lately as f64 / seconds);
        Some(Batch {
            id: BatchId::parse(&self.id)?,
            status,
            rows: self.rows,
            counts,
            rate,
            time_left: rate.map(|rate| counts.unfinished() as f64 / rate),
            format: self.format.clone(),
            design_sha256: self.design_sha256.clone(),
            created_at: moment(self.created),
            started_at: started.map(moment),
            completed_at: self.completed.map(moment),
            expires_at: self.expires.map(moment),
        })
    }

    /// Its last row has ended: its expiry begins, its receiver is to be told. False when it had completed before, or is not
    /// as it was when its rows were counted.
    pub(super) fn complete(&mut self, tally: &Tally, lifetime: Duration, now: Moment) -> bool {
        let over = !self.retrying && !self.gone && self.completed.is_none() && tally.done + tally.error == self.rows;
        if !over {
            return false;
        }
        (self.completed, self.expires) = (Some(now.micros()), Some(now.plus(lifetime).micros()));
        (self.done, self.failed, self.started) = (tally.done, tally.error, tally.started);
        if let Some(url) = self.webhook.clone() {
            let told = self.batch(tally, now).map(|batch| serde_json::to_string(&batch));
            let body = told.and_then(Result::ok).expect("a record is a batch, and a batch is JSON");
            let excess = (self.deliveries.len() + 1).saturating_sub(MOST_DELIVERIES);
            self.deliveries.drain(..excess);
            self.deliveries.push(Hook::new(Event::Completed, url, body, now));
        }
        true
    }

    /// Failed rows are going to wait again. False when that is under way.
    pub(super) fn begin_retry(&mut self, now: Moment) -> bool {
        if self.retrying {
            return false;
        }
        self.retrying = true;
        self.retried = now.micros();
        if self.completed.is_some() {
            self.since = now.micros();
        }
        (self.completed, self.expires) = (None, None);
        true
    }

    /// What waits to be told.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Hook> {
        self.deliveries.iter().filter(|it| it.status == HookStatus::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::store::Template;

    fn at(seconds: u64) -> Moment {
        Moment::from_micros(1_800_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn head() -> Head {
        let batch = NewBatch {
            owner: "shop".into(),
            template: Template { body: bytes::Bytes::new(), design_sha256: [7; 32] },
            rows: Vec::new(),
            format: "jpeg",
            extension: "jpg",
            webhook: Some("http://hook.test/".into()),
            webhook_items: false,
            link_base: "http://here".into(),
            idempotency: None,
        };
        let id = BatchId::parse("fp1f2rtva").expect("an id");
        let body: BodyRef = serde_json::from_value(serde_json::json!({"digest": "d", "pieces": [], "text": {"i": ""}}))
            .expect("a body");
        let birth = BatchBirth { id, key: None, template: body.clone(), list: body, now: at(0) };
        Head { rows: 10, ..Head::new(&batch, birth) }
    }

    #[test]
    fn batch_tells_how_far_it_is() {
        let head = head();
        assert_eq!(head.design_sha256(), Some([7; 32]));
        let waiting = head.batch(&Tally::default(), at(1)).expect("a batch");
        assert_eq!((waiting.status, waiting.counts.scheduled, waiting.rate), (Status::Scheduled, 10, None));
        let tally = Tally { progress: 2, done: 3, error: 1, started: Some(at(10).micros()), lately: 4 };
        let half = head.batch(&tally, at(12)).expect("a batch");
        assert_eq!((half.status, half.counts.scheduled, half.counts.unfinished()), (Status::Progress, 4, 6));
        assert_eq!((half.rate, half.time_left), (Some(2.0), Some(3.0)));
    }

    #[test]
    fn batch_completes_once_and_again_after_a_retry() {
        let mut head = head();
        let all = Tally { done: 9, error: 1, started: Some(at(1).micros()), lately: 10, progress: 0 };
        assert!(!head.complete(&Tally { done: 8, ..all }, Duration::from_secs(60), at(2)), "a row is missing");
        assert!(head.complete(&all, Duration::from_secs(60), at(2)));
        assert!(!head.complete(&all, Duration::from_secs(60), at(3)), "once");
        assert!(!head.has_expired(at(61)) && head.has_expired(at(62)));
        let told = head.batch(&Tally::default(), at(4)).expect("a batch");
        assert_eq!((told.status, told.counts.done, told.counts.error, told.rate), (Status::Done, 9, 1, None));

        assert!(head.begin_retry(at(5)) && !head.begin_retry(at(5)), "one at a time");
        assert!(!head.complete(&all, Duration::from_secs(60), at(6)), "rows are being made to wait");
        head.retrying = false;
        let again = head.batch(&Tally { done: 9, ..Tally::default() }, at(6)).expect("a batch");
        assert_eq!((again.status, again.counts.scheduled, again.expires_at), (Status::Scheduled, 1, None));
        assert!(head.complete(&all, Duration::from_secs(60), at(7)));
        let events: Vec<_> = head.pending().map(|it| it.event.as_str()).collect();
        assert_eq!(events, ["batch.completed", "batch.completed"]);
    }
}
