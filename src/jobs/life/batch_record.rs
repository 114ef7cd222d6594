//! What is kept of a batch as a whole, and what may happen to it. Pure, as `record` is.
//!
//! Counts of rows are not in it while rows change: hundreds of them end in a second, on any machine, and one record cannot be
//! changed as often. Front ends count what they see (`index`); with the end of the last row the counts stand here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blob::{BlobRef, hex};
use super::delivery::{Event, StoredDelivery, make_room};
use super::document::FinishedDocument;
use super::key::Key;
use super::row_list::SentRow;
use crate::jobs::batch::{Batch, BatchId, RowCounts};
use crate::jobs::job::{JobId, Status};
use crate::jobs::store::NewBatch;
use crate::jobs::timestamp::Timestamp;

/// Over which the rate of a batch is measured.
pub(in crate::jobs) const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Deliveries of one batch that are remembered: one for each time that it completed.
const MOST_DELIVERIES: usize = 50;

/// A batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct BatchRecord {
    pub(in crate::jobs) id: String,
    pub(in crate::jobs) owner: String,
    pub(in crate::jobs) rows: u64,
    format: String,
    pub(in crate::jobs) extension: String,
    design_sha256: String,
    pub(in crate::jobs) link_base: String,
    pub(in crate::jobs) webhook: Option<String>,
    pub(in crate::jobs) webhook_items: bool,
    pub(in crate::jobs) created: i64,
    /// When it was accepted, or, once complete, tried again: what began before does not count for how far it is.
    pub(in crate::jobs) since: i64,
    /// When failed rows were last made to wait again.
    pub(in crate::jobs) retried: i64,
    /// From here on: as it was when the last row ended.
    pub(in crate::jobs) completed: Option<i64>,
    started: Option<i64>,
    pub(in crate::jobs) expires: Option<i64>,
    done: u64,
    failed: u64,
    /// Rows that cannot be read: they have ended in `error` from the beginning.
    pub(in crate::jobs) bad: u64,
    /// All rows become one document.
    pub(in crate::jobs) document: Option<PlannedDocument>,
    /// That, as it was when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<FinishedDocument>,
    /// Failed rows are being made to wait again.
    pub(in crate::jobs) retrying: bool,
    /// Removed by its owner; what belongs to it is being cleared away.
    pub(in crate::jobs) gone: bool,
    /// Where its idempotency key stands.
    pub(in crate::jobs) key: Option<String>,
    /// Design and options.
    pub(in crate::jobs) template: BlobRef,
    /// Rows as sent ([`super::list`]).
    pub(in crate::jobs) list: BlobRef,
    pub(in crate::jobs) deliveries: Vec<StoredDelivery>,
}

/// What rows of a batch are like, as a front end has seen them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::jobs) struct Tally {
    /// Being rendered.
    pub(in crate::jobs) progress: u64,
    pub(in crate::jobs) done: u64,
    pub(in crate::jobs) error: u64,
    /// When the first was begun, of those begun since the batch was accepted or tried again.
    pub(in crate::jobs) started: Option<i64>,
    /// Rows that ended in a second, over [`RATE_WINDOW`], or since the first was begun. Of a document: that went into it.
    pub(in crate::jobs) rate: Option<f64>,
    /// Rows that will still end, or go into the document.
    pub(in crate::jobs) left: f64,
}

/// What decides how the rows of a batch are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) struct BatchShape {
    pub(in crate::jobs) rows: u64,
    /// Rows that cannot be read.
    pub(in crate::jobs) bad: u64,
    /// All rows become one document, which is the only one with a record.
    pub(in crate::jobs) is_document: bool,
    /// As [`BatchRecord::since`].
    pub(in crate::jobs) since: i64,
}

/// The records of a batch's rows, counted. Where there is a document, the only one is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::jobs) struct RowStats {
    pub(in crate::jobs) progress: u64,
    pub(in crate::jobs) done: u64,
    pub(in crate::jobs) error: u64,
    /// When the first was begun, of those begun since the batch was accepted or tried again, in µs.
    pub(in crate::jobs) started: Option<i64>,
    pub(in crate::jobs) document: Option<DocumentState>,
}

/// How far a document is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::jobs) struct DocumentState {
    pub(in crate::jobs) status: Status,
    /// Of its rows, in percent, while it is made.
    pub(in crate::jobs) percent: f64,
    pub(in crate::jobs) started: Option<i64>,
    /// Once it has ended, how many rows are in it.
    pub(in crate::jobs) rows: Option<u64>,
}

impl RowStats {
    /// Rows that are under way, done, and failed.
    pub(in crate::jobs) fn counts(&self, shape: &BatchShape) -> (u64, u64, u64) {
        if !shape.is_document {
            return (self.progress, self.done, self.error);
        }
        match self.document.map(|it| (it.status, it.rows)) {
            None | Some((Status::Scheduled, _)) => (0, 0, shape.bad),
            Some((Status::Progress, _)) => (shape.rows.saturating_sub(shape.bad), 0, shape.bad),
            Some((Status::Done | Status::Error, rows)) => {
                let done = rows.unwrap_or(0);
                (0, done, shape.rows.saturating_sub(done))
            }
        }
    }

    /// Rows that have not ended.
    pub(in crate::jobs) fn unfinished(&self, shape: &BatchShape) -> u64 {
        let (_, done, error) = self.counts(shape);
        shape.rows.saturating_sub(done + error)
    }

    /// What the batch tells of its rows. `ended_after`: how many rows ended after a moment in µs.
    ///
    /// # Errors
    /// Those of `ended_after`.
    pub(in crate::jobs) fn tally<E>(
        &self,
        shape: &BatchShape,
        now: Timestamp,
        ended_after: impl FnOnce(i64) -> Result<u64, E>,
    ) -> Result<Tally, E> {
        let (progress, done, error) = self.counts(shape);
        let seconds = |from: i64| now.since(Timestamp::from_micros(from)).as_secs_f64();
        let (ended, over, left) = match self.document.filter(|_| shape.is_document) {
            Some(document) if document.status == Status::Progress => {
                let all = shape.rows as f64;
                let ended = all * document.percent / 100.0;
                (ended, document.started.map(seconds), all - ended)
            }
            // Nothing is known of rows whose document waits or has ended.
            _ if shape.is_document => (0.0, None, 0.0),
            _ => match self.started {
                Some(started) => {
                    let from = started.max(now.micros() - RATE_WINDOW.as_micros() as i64);
                    (ended_after(from)? as f64, Some(seconds(from)), self.unfinished(shape) as f64)
                }
                None => (0.0, None, 0.0),
            },
        };
        let rate = over.filter(|it| *it > 0.0).map(|seconds| ended / seconds).filter(|it| *it > 0.0);
        Ok(Tally { progress, done, error, started: self.started, rate, left })
    }
}

/// A document that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct PlannedDocument {
    pub(in crate::jobs) id: String,
    pub(in crate::jobs) name: String,
}

impl PlannedDocument {
    /// As the row number 0 of its batch.
    pub(in crate::jobs) fn as_row(&self) -> SentRow {
        SentRow { id: self.id.clone(), name: self.name.clone(), values: None, bad: None }
    }
}

/// What a batch starts with besides what was sent.
pub(in crate::jobs) struct BatchSeed {
    pub(in crate::jobs) id: BatchId,
    pub(in crate::jobs) key: Option<String>,
    pub(in crate::jobs) template: BlobRef,
    pub(in crate::jobs) list: BlobRef,
    /// The id of the document, if there is to be one.
    pub(in crate::jobs) document: Option<JobId>,
    pub(in crate::jobs) now: Timestamp,
}

impl BatchRecord {
    pub(in crate::jobs) fn new(batch: &NewBatch, seed: BatchSeed) -> Self {
        let BatchSeed { id, key, template, list, document, now } = seed;
        let wanted = batch.document.clone().zip(document);
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
            bad: batch.rows.iter().filter(|row| row.values.is_err()).count() as u64,
            document: wanted.map(|(name, id)| PlannedDocument { id: id.to_string(), name }),
            made: None,
            retrying: false,
            gone: false,
            key,
            template,
            list,
            deliveries: Vec::new(),
        }
    }

    /// Where it stands; `None` when the record makes no sense.
    pub(in crate::jobs) fn key(&self) -> Option<Key> {
        BatchId::parse(&self.id).map(Key::Batch)
    }

    /// Whether its rows are worked off: it has neither completed nor been removed.
    pub(in crate::jobs) fn is_open(&self) -> bool {
        self.completed.is_none() && !self.gone
    }

    /// What decides how its rows are counted.
    pub(in crate::jobs) fn shape(&self) -> BatchShape {
        BatchShape { rows: self.rows, bad: self.bad, is_document: self.document.is_some(), since: self.since }
    }

    /// Its owner wants it no more; nobody is told of it any more.
    pub(in crate::jobs) fn remove(&mut self) {
        self.gone = true;
        self.deliveries.clear();
    }

    pub(in crate::jobs) fn has_expired(&self, now: Timestamp) -> bool {
        self.gone || self.expires.is_some_and(|it| it <= now.micros())
    }

    /// SHA-256 of the design; `None` when the record makes no sense.
    pub(in crate::jobs) fn design_sha256(&self) -> Option<[u8; 32]> {
        super::blob::from_hex(&self.design_sha256)
    }

    /// As callers see it; `None` when the record makes no sense.
    pub(in crate::jobs) fn batch(&self, tally: &Tally) -> Option<Batch> {
        let timestamp = Timestamp::from_micros;
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
        let rate = tally.rate.filter(|it| *it > 0.0 && self.completed.is_none());
        Some(Batch {
            id: BatchId::parse(&self.id)?,
            status,
            rows: self.rows,
            counts,
            rate,
            time_left: rate.map(|rate| tally.left / rate),
            format: self.format.clone(),
            document: self.made.as_ref().map(|made| made.document(&self.link_base)),
            design_sha256: self.design_sha256.clone(),
            created_at: timestamp(self.created),
            started_at: started.map(timestamp),
            completed_at: self.completed.map(timestamp),
            expires_at: self.expires.map(timestamp),
        })
    }

    /// Its last row has ended: its expiry begins, its receiver is to be told. `made`: its document. False when it had completed
    /// before, or is not as it was when its rows were counted.
    pub(in crate::jobs) fn complete(
        &mut self,
        tally: &Tally,
        made: Option<FinishedDocument>,
        lifetime: Duration,
        now: Timestamp,
    ) -> bool {
        let over = !self.retrying && !self.gone && self.completed.is_none() && tally.done + tally.error == self.rows;
        if !over {
            return false;
        }
        (self.completed, self.expires) = (Some(now.micros()), Some(now.plus(lifetime).micros()));
        (self.done, self.failed, self.started, self.made) = (tally.done, tally.error, tally.started, made);
        if let Some(url) = self.webhook.clone() {
            let told = self.batch(tally).map(|batch| serde_json::to_string(&batch));
            let body = told.and_then(Result::ok).expect("a record is a batch, and a batch is JSON");
            make_room(&mut self.deliveries, MOST_DELIVERIES);
            self.deliveries.push(StoredDelivery::new(Event::Completed, url, body, now));
        }
        true
    }

    /// Failed rows are going to wait again. False when that is under way.
    pub(in crate::jobs) fn begin_retry(&mut self, now: Timestamp) -> bool {
        if self.retrying {
            return false;
        }
        self.retrying = true;
        self.retried = now.micros();
        if self.completed.is_some() {
            self.since = now.micros();
        }
        (self.completed, self.expires, self.made) = (None, None, None);
        true
    }

    /// What waits to be told.
    #[cfg(any(test, feature = "cluster"))]
    pub(in crate::jobs) fn pending(&self) -> impl Iterator<Item = &StoredDelivery> {
        self.deliveries.iter().filter(|it| it.is_pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::life::samples::{at, body};
    use crate::jobs::store::Template;

    fn head() -> BatchRecord {
        let batch = NewBatch {
            template: Template { body: bytes::Bytes::new(), design_sha256: [7; 32] },
            webhook: Some("http://hook.test/".into()),
            ..NewBatch::sample(Vec::new())
        };
        let id = BatchId::parse("fp1f2rtva").expect("an id");
        let seed = BatchSeed { id, key: None, template: body(), list: body(), document: None, now: at(0) };
        BatchRecord { rows: 10, ..BatchRecord::new(&batch, seed) }
    }

    #[test]
    fn batch_tells_how_far_it_is() {
        let head = head();
        assert_eq!(head.design_sha256(), Some([7; 32]));
        let waiting = head.batch(&Tally::default()).expect("a batch");
        assert_eq!((waiting.status, waiting.counts.scheduled, waiting.rate), (Status::Scheduled, 10, None));
        let started = Some(at(10).micros());
        let tally = Tally { progress: 2, done: 3, error: 1, started, rate: Some(2.0), left: 6.0 };
        let half = head.batch(&tally).expect("a batch");
        assert_eq!((half.status, half.counts.scheduled, half.counts.unfinished()), (Status::Progress, 4, 6));
        assert_eq!((half.rate, half.time_left), (Some(2.0), Some(3.0)));
    }

    #[test]
    fn batch_completes_once_and_again_after_a_retry() {
        let mut head = head();
        let all = Tally { done: 9, error: 1, started: Some(at(1).micros()), ..Tally::default() };
        assert!(!head.complete(&Tally { done: 8, ..all }, None, Duration::from_secs(60), at(2)), "a row is missing");
        assert!(head.complete(&all, None, Duration::from_secs(60), at(2)));
        assert!(!head.complete(&all, None, Duration::from_secs(60), at(3)), "once");
        assert!(!head.has_expired(at(61)) && head.has_expired(at(62)));
        let told = head.batch(&Tally::default()).expect("a batch");
        assert_eq!((told.status, told.counts.done, told.counts.error, told.rate), (Status::Done, 9, 1, None));

        assert!(head.begin_retry(at(5)) && !head.begin_retry(at(5)), "one at a time");
        assert!(!head.complete(&all, None, Duration::from_secs(60), at(6)), "rows are being made to wait");
        head.retrying = false;
        let again = head.batch(&Tally { done: 9, ..Tally::default() }).expect("a batch");
        assert_eq!((again.status, again.counts.scheduled, again.expires_at), (Status::Scheduled, 1, None));
        assert!(head.complete(&all, None, Duration::from_secs(60), at(7)));
        let events: Vec<_> = head.pending().map(|it| it.event.as_str()).collect();
        assert_eq!(events, ["batch.completed", "batch.completed"]);
    }
}
