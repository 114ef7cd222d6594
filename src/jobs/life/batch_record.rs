//! The record of a batch as a whole, its transitions, and how its rows are counted.
//!
//! The record has no counts of rows until the last row has ended: hundreds of rows end per second on several machines,
//! and one record cannot be replaced as often. Until then ledgers count: in a table, or in the index of a front end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::delivery::{Event, StoredDelivery, evict_oldest};
use super::document::{DocumentState, FinishedDocument};
use super::key::Key;
use super::row_list::SubmittedRow;
use crate::hash::ContentHash;
use crate::jobs::batch::{Batch, BatchId, RowCounts};
use crate::jobs::job::{JobId, Status};
use crate::jobs::store::NewBatch;
use crate::jobs::timestamp::Timestamp;

/// Longest time over which the rate of a batch is measured.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Number of deliveries that the record of a batch keeps: one for each time that the batch completed.
const MOST_DELIVERIES: usize = 50;

/// A batch as a whole. Times are in µs since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) rows: u64,
    format: String,
    pub(crate) extension: String,
    design_sha256: ContentHash,
    pub(crate) link_base: String,
    pub(crate) webhook: Option<String>,
    pub(crate) webhook_items: bool,
    pub(crate) created: i64,
    /// When it was accepted or, after it completed, retried. Rows begun earlier do not count for its progress.
    pub(crate) since: i64,
    /// When failed rows were last scheduled again.
    pub(crate) retried: i64,
    /// When the last row ended. This and the counts below are set together.
    pub(crate) completed: Option<i64>,
    started: Option<i64>,
    pub(crate) expires: Option<i64>,
    done: u64,
    failed: u64,
    /// Number of rows whose values could not be read; these have status `error` from the beginning.
    #[serde(rename = "bad")]
    pub(crate) unreadable: u64,
    /// The document of all rows, if there is to be one.
    pub(crate) document: Option<PlannedDocument>,
    #[serde(rename = "made", default, skip_serializing_if = "Option::is_none")]
    finished_document: Option<FinishedDocument>,
    /// Whether failed rows are being scheduled again.
    pub(crate) retrying: bool,
    /// Whether its owner has removed it. Its rows and files are deleted later.
    #[serde(rename = "gone")]
    pub(crate) is_removed: bool,
    /// Key of its entry among the idempotency keys, in a ledger that stores these apart.
    pub(crate) key: Option<String>,
    /// The design and the common options.
    pub(crate) template: BlobRef,
    /// The rows as submitted ([`super::row_list`]).
    pub(crate) list: BlobRef,
    /// Outbox of webhooks, oldest first.
    pub(crate) deliveries: Vec<StoredDelivery>,
}

/// Progress of a batch that has not completed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct BatchProgress {
    /// Number of rows in progress.
    pub(crate) progress: u64,
    pub(crate) done: u64,
    pub(crate) error: u64,
    /// When the first row was begun since [`BatchRecord::since`].
    pub(crate) started: Option<i64>,
    /// Rows that ended per second, over [`RATE_WINDOW`] or since the first was begun. For a document: rows added to it.
    pub(crate) rate: Option<f64>,
    /// Number of rows that have not ended, or are not in the document yet.
    pub(crate) rows_left: f64,
}

/// The properties of a batch by which its rows are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchShape {
    pub(crate) rows: u64,
    pub(crate) unreadable: u64,
    /// Whether all rows become one document, whose record is then the only one.
    pub(crate) is_document: bool,
    /// See [`BatchRecord::since`], in µs.
    pub(crate) since: i64,
}

/// Numbers of the records of rows by status. A batch that becomes a document has the document's record only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowStats {
    pub(crate) progress: u64,
    pub(crate) done: u64,
    pub(crate) error: u64,
    /// When the first row was begun since [`BatchRecord::since`].
    pub(crate) started: Option<i64>,
    pub(crate) document: Option<DocumentState>,
}

impl RowStats {
    /// Numbers of rows in progress, done and failed.
    pub(crate) fn counts(&self, shape: &BatchShape) -> (u64, u64, u64) {
        if !shape.is_document {
            return (self.progress, self.done, self.error);
        }
        match self.document.map(|it| (it.status, it.rows)) {
            None | Some((Status::Scheduled, _)) => (0, 0, shape.unreadable),
            Some((Status::Progress, _)) => (shape.rows.saturating_sub(shape.unreadable), 0, shape.unreadable),
            Some((Status::Done | Status::Error, rows)) => {
                let done = rows.unwrap_or(0);
                (0, done, shape.rows.saturating_sub(done))
            }
        }
    }

    /// Number of rows that have not ended.
    pub(crate) fn unfinished(&self, shape: &BatchShape) -> u64 {
        let (_, done, error) = self.counts(shape);
        shape.rows.saturating_sub(done + error)
    }

    /// The progress of the batch. `ended_after`: number of rows that ended after a time in µs since 1970.
    ///
    /// # Errors
    /// Those of `ended_after`.
    pub(crate) fn progress<E>(
        &self,
        shape: &BatchShape,
        now: Timestamp,
        ended_after: impl FnOnce(i64) -> Result<u64, E>,
    ) -> Result<BatchProgress, E> {
        let (progress, done, error) = self.counts(shape);
        let seconds_since = |from: i64| now.since(Timestamp::from_micros(from)).as_secs_f64();
        let (ended, seconds, rows_left) = match self.document.filter(|_| shape.is_document) {
            Some(document) if document.status == Status::Progress => {
                let all = shape.rows as f64;
                let ended = all * document.percent / 100.0;
                (ended, document.started.map(seconds_since), all - ended)
            }
            // Rows have no progress of their own while the document is scheduled or after it has ended.
            _ if shape.is_document => (0.0, None, 0.0),
            _ => match self.started {
                Some(started) => {
                    let from = started.max(now.micros() - RATE_WINDOW.as_micros() as i64);
                    (ended_after(from)? as f64, Some(seconds_since(from)), self.unfinished(shape) as f64)
                }
                None => (0.0, None, 0.0),
            },
        };
        let rate = seconds.filter(|it| *it > 0.0).map(|seconds| ended / seconds).filter(|it| *it > 0.0);
        Ok(BatchProgress { progress, done, error, started: self.started, rate, rows_left })
    }
}

/// Id and file name of the document that all rows of a batch become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedDocument {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl PlannedDocument {
    /// The document as row [`super::document::ROW`] of its batch.
    pub(crate) fn as_row(&self) -> SubmittedRow {
        SubmittedRow { id: self.id.clone(), name: self.name.clone(), values: None, error: None }
    }
}

/// Initial values of a batch besides the submitted ones.
pub(crate) struct BatchSeed {
    pub(crate) id: BatchId,
    pub(crate) key: Option<String>,
    pub(crate) template: BlobRef,
    pub(crate) list: BlobRef,
    /// Id of the document, if there is to be one.
    pub(crate) document: Option<JobId>,
    pub(crate) now: Timestamp,
}

impl BatchRecord {
    pub(crate) fn new(batch: &NewBatch, seed: BatchSeed) -> Self {
        let BatchSeed { id, key, template, list, document, now } = seed;
        let planned = batch.document.clone().zip(document);
        Self {
            id: id.to_string(),
            owner: batch.owner.to_string(),
            rows: batch.rows.len() as u64,
            format: batch.format.to_owned(),
            extension: batch.extension.to_owned(),
            design_sha256: batch.template.design_hash,
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
            unreadable: batch.rows.iter().filter(|row| row.values.is_err()).count() as u64,
            document: planned.map(|(name, id)| PlannedDocument { id: id.to_string(), name }),
            finished_document: None,
            retrying: false,
            is_removed: false,
            key,
            template,
            list,
            deliveries: Vec::new(),
        }
    }

    /// The key of the record; `None` when its id is invalid.
    pub(crate) fn key(&self) -> Option<Key> {
        BatchId::parse(&self.id).map(Key::Batch)
    }

    /// Whether it has neither completed nor been removed.
    pub(crate) fn is_open(&self) -> bool {
        self.completed.is_none() && !self.is_removed
    }

    /// The properties by which its rows are counted.
    pub(crate) fn shape(&self) -> BatchShape {
        BatchShape {
            rows: self.rows,
            unreadable: self.unreadable,
            is_document: self.document.is_some(),
            since: self.since,
        }
    }

    /// Marks it as removed. Webhooks that are pending are dropped.
    pub(crate) fn remove(&mut self) {
        self.is_removed = true;
        self.deliveries.clear();
    }

    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.is_removed || self.expires.is_some_and(|it| it <= now.micros())
    }

    pub(crate) fn design_hash(&self) -> ContentHash {
        self.design_sha256
    }

    /// The batch as callers see it; `None` when its id is invalid. `rows` counts until the batch has completed.
    pub(crate) fn to_batch(&self, rows: &BatchProgress) -> Option<Batch> {
        let timestamp = Timestamp::from_micros;
        let (done, error, progress, started) = match self.completed {
            Some(_) => (self.done, self.failed, 0, self.started),
            None => (rows.done, rows.error, rows.progress, rows.started),
        };
        let counts = RowCounts { scheduled: self.rows.saturating_sub(done + error + progress), progress, done, error };
        let status = match (started, self.completed) {
            (_, Some(_)) => Status::Done,
            (Some(_), None) => Status::Progress,
            (None, None) => Status::Scheduled,
        };
        let rate = rows.rate.filter(|it| *it > 0.0 && self.completed.is_none());
        Some(Batch {
            id: BatchId::parse(&self.id)?,
            status,
            rows: self.rows,
            counts,
            rate,
            time_left: rate.map(|rate| rows.rows_left / rate),
            format: self.format.clone(),
            document: self.finished_document.as_ref().map(|it| it.to_document(&self.link_base)),
            design_sha256: self.design_sha256.to_string(),
            created_at: timestamp(self.created),
            started_at: started.map(timestamp),
            completed_at: self.completed.map(timestamp),
            expires_at: self.expires.map(timestamp),
        })
    }

    /// Completes the batch after its last row has ended: sets its counts and its expiry, and puts a webhook into its
    /// outbox. False when it has completed before, or `rows` were counted before a retry.
    pub(crate) fn complete(
        &mut self,
        rows: &BatchProgress,
        document: Option<FinishedDocument>,
        lifetime: Duration,
        now: Timestamp,
    ) -> bool {
        let have_ended = rows.done + rows.error == self.rows;
        if self.retrying || !self.is_open() || !have_ended {
            return false;
        }
        (self.completed, self.expires) = (Some(now.micros()), Some(now.plus(lifetime).micros()));
        (self.done, self.failed, self.started, self.finished_document) =
            (rows.done, rows.error, rows.started, document);
        if let Some(url) = self.webhook.clone() {
            let body = self.to_batch(rows).map(|batch| serde_json::to_string(&batch));
            let body = body.and_then(Result::ok).expect("a record is a batch, and a batch is JSON");
            evict_oldest(&mut self.deliveries, MOST_DELIVERIES);
            self.deliveries.push(StoredDelivery::new(Event::Completed, url, body, now));
        }
        true
    }

    /// Notes that failed rows are about to be scheduled again. False when another retry has not finished.
    pub(crate) fn begin_retry(&mut self, now: Timestamp) -> bool {
        if self.retrying {
            return false;
        }
        self.retrying = true;
        self.retried = now.micros();
        if self.completed.is_some() {
            self.since = now.micros();
        }
        (self.completed, self.expires, self.finished_document) = (None, None, None);
        true
    }

    /// Webhooks that are to be delivered, oldest first.
    #[cfg(any(test, feature = "cluster"))]
    pub(crate) fn pending_deliveries(&self) -> impl Iterator<Item = &StoredDelivery> {
        self.deliveries.iter().filter(|it| it.is_pending())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::life::samples::{at, body};
    use crate::jobs::store::Template;

    fn record() -> BatchRecord {
        let batch = NewBatch {
            template: Template { body: bytes::Bytes::new(), design_hash: ContentHash::from_bytes([7; 32]) },
            webhook: Some("http://hook.test/".into()),
            ..NewBatch::sample(Vec::new())
        };
        let id = BatchId::parse("fp1f2rtva").expect("an id");
        let seed = BatchSeed { id, key: None, template: body(), list: body(), document: None, now: at(0) };
        BatchRecord { rows: 10, ..BatchRecord::new(&batch, seed) }
    }

    #[test]
    fn batch_shows_its_progress() {
        let record = record();
        assert_eq!(record.design_hash(), ContentHash::from_bytes([7; 32]));
        let waiting = record.to_batch(&BatchProgress::default()).expect("a batch");
        assert_eq!((waiting.status, waiting.counts.scheduled, waiting.rate), (Status::Scheduled, 10, None));
        let started = Some(at(10).micros());
        let progress = BatchProgress { progress: 2, done: 3, error: 1, started, rate: Some(2.0), rows_left: 6.0 };
        let half = record.to_batch(&progress).expect("a batch");
        assert_eq!((half.status, half.counts.scheduled, half.counts.unfinished()), (Status::Progress, 4, 6));
        assert_eq!((half.rate, half.time_left), (Some(2.0), Some(3.0)));
    }

    #[test]
    fn batch_completes_once_and_again_after_a_retry() {
        let mut record = record();
        let all = BatchProgress { done: 9, error: 1, started: Some(at(1).micros()), ..BatchProgress::default() };
        assert!(
            !record.complete(&BatchProgress { done: 8, ..all }, None, Duration::from_secs(60), at(2)),
            "a row is missing"
        );
        assert!(record.complete(&all, None, Duration::from_secs(60), at(2)));
        assert!(!record.complete(&all, None, Duration::from_secs(60), at(3)), "once");
        assert!(!record.has_expired(at(61)) && record.has_expired(at(62)));
        let received = record.to_batch(&BatchProgress::default()).expect("a batch");
        assert_eq!(
            (received.status, received.counts.done, received.counts.error, received.rate),
            (Status::Done, 9, 1, None)
        );

        assert!(record.begin_retry(at(5)) && !record.begin_retry(at(5)), "one at a time");
        assert!(!record.complete(&all, None, Duration::from_secs(60), at(6)), "rows are being scheduled");
        record.retrying = false;
        let again = record.to_batch(&BatchProgress { done: 9, ..BatchProgress::default() }).expect("a batch");
        assert_eq!((again.status, again.counts.scheduled, again.expires_at), (Status::Scheduled, 1, None));
        assert!(record.complete(&all, None, Duration::from_secs(60), at(7)));
        let events: Vec<_> = record.pending_deliveries().map(|it| it.event.as_str()).collect();
        assert_eq!(events, ["batch.completed", "batch.completed"]);
    }
}
