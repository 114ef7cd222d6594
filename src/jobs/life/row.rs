//! What the record of a row of a batch has besides what a job's has. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::batch_record::BatchRecord;
use super::blob::BlobRef;
use super::document::{self, DocumentEnd};
use super::record::{JobRecord, JobSeed, bounded};
use super::row_list::SentRow;
use crate::jobs::batch::{BatchId, Item, ItemEvent};
use crate::jobs::job::{JobId, Status};
use crate::jobs::store::{FailedRow, NewJob, Outcome, Report};
use crate::jobs::timestamp::Timestamp;
use crate::report::{Problem, Warning};

/// Warnings and problems of one row, in bytes: a record, and what a receiver is told of it, stay far below NATS's largest
/// message (1 MB).
const NOTES_BYTES: usize = 64 << 10;

/// Of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct RowPart {
    batch: String,
    /// 0 for the document of all rows ([`super::document`]).
    pub(in crate::jobs) number: u64,
    pub(in crate::jobs) name: String,
    /// Its values could not be read: it has ended from the beginning, and no retry begins it again.
    bad: bool,
    pub(in crate::jobs) bytes: Option<u64>,
    pub(in crate::jobs) sha256: Option<String>,
    warnings: Vec<Warning>,
    timings: BTreeMap<String, f64>,
    problems: Vec<Problem>,
    /// How many rows the batch has; of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) of: Option<u64>,
    /// How a document ended for its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::jobs) ended: Option<DocumentEnd>,
}

impl RowPart {
    pub(in crate::jobs) fn batch(&self) -> Option<BatchId> {
        BatchId::parse(&self.batch)
    }

    /// What became of it.
    pub(in crate::jobs) fn end(&mut self, outcome: &Outcome, report: &Report) {
        (self.bytes, self.sha256) = match outcome {
            Outcome::Done(file) => (Some(file.bytes), Some(super::blob::hex(&file.sha256))),
            Outcome::Error(_) => (None, None),
        };
        self.timings = timings_of(&report.timings);
        self.warnings = fitting_warnings(report.warnings.clone());
        self.problems = fitting_problems(report.problems.clone());
    }
}

/// Stages and their ms, to the µs: what is below is noise, and takes room in ten thousand lines.
pub(in crate::jobs) fn timings_of(timings: &[(&'static str, f64)]) -> BTreeMap<String, f64> {
    let to_micros = |ms: f64| (ms * 1000.0).round() / 1000.0;
    timings.iter().map(|(stage, ms)| ((*stage).to_owned(), to_micros(*ms))).collect()
}

pub(in crate::jobs) fn fitting_warnings(warnings: Vec<Warning>) -> Vec<Warning> {
    fitting(warnings, |it| it.message.len() + it.path.as_str().len())
}

pub(in crate::jobs) fn fitting_problems(problems: Vec<Problem>) -> Vec<Problem> {
    fitting(problems, |it| it.message.len() + it.path.as_str().len())
}

/// The first of them, as many as a record has room for.
fn fitting<T>(mut all: Vec<T>, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut sum = 0;
    let fit = all.iter().take_while(|it| {
        sum += length(it);
        sum <= NOTES_BYTES
    });
    let fit = fit.count();
    all.truncate(fit);
    all
}

impl JobRecord {
    /// Of row `number`, as it was sent: one that can be read waits, another has ended. `seed.body`: its values.
    pub(in crate::jobs) fn of_row(head: &BatchRecord, number: u64, row: SentRow, seed: JobSeed<'_>) -> Self {
        let SentRow { name, bad, .. } = row;
        let now = seed.now;
        let job = NewJob {
            owner: head.owner.as_str().into(),
            body: bytes::Bytes::new(),
            extension: "",
            webhook: head.webhook.clone().filter(|_| head.webhook_items),
            link_base: head.link_base.clone(),
            idempotency: None,
            traceparent: None,
        };
        let part = RowPart {
            batch: head.id.clone(),
            number,
            name,
            bad: bad.is_some(),
            bytes: None,
            sha256: None,
            warnings: Vec::new(),
            timings: BTreeMap::new(),
            problems: Vec::new(),
            of: (number == document::ROW).then_some(head.rows),
            ended: None,
        };
        let mut record = Self::new(&job, seed);
        (record.row, record.extension) = (Some(part), head.extension.clone());
        if let Some(FailedRow { error, problems }) = bad {
            record.status = Status::Error;
            record.error = bounded(error, NOTES_BYTES);
            record.completed = Some(now.micros());
            if let Some(row) = &mut record.row {
                row.problems = fitting_problems(problems);
            }
            record.announce(now);
        }
        record
    }

    /// As callers see a row, without its link; `None` when it is none.
    pub(in crate::jobs) fn item(&self) -> Option<Item> {
        let row = self.row.clone()?;
        Some(Item {
            row: row.number,
            id: JobId::parse(&self.id)?,
            name: row.name,
            status: self.status,
            url: None,
            bytes: row.bytes,
            sha256: row.sha256,
            fingerprint: self.fingerprint.clone(),
            first_page: None,
            page_count: None,
            warnings: row.warnings,
            timings: row.timings,
            error: self.error.clone(),
            problems: row.problems,
        })
    }

    /// What receivers of items get.
    pub(in crate::jobs) fn told(&self) -> Option<ItemEvent> {
        let batch = self.row.as_ref()?.batch()?;
        Some(ItemEvent { batch, item: Item { url: self.output.clone(), ..self.item()? } })
    }

    /// Whether a retry that began at `since` begins this row again, or the document, some rows of which failed.
    pub(in crate::jobs) fn is_to_retry(&self, since: i64) -> bool {
        let Some(row) = &self.row else { return false };
        let failed = match (self.status, &row.ended) {
            (Status::Error, _) => !row.bad,
            (Status::Done, Some(ended)) => ended.failed > 0,
            _ => false,
        };
        failed && self.completed.is_some_and(|it| it <= since)
    }

    /// A failed row waits again, with no attempt counted and without a message. `stem`: new, because what has the old names may
    /// be in the trash.
    pub(in crate::jobs) fn retry(&mut self, stem: String, values: Option<BlobRef>, now: Timestamp) {
        self.status = Status::Scheduled;
        self.error.clear();
        self.completed = None;
        self.updated = Some(now.micros());
        self.due = now.micros();
        // Its patience with a bucket that is away, and its attempts, begin anew; the numbers of attempts do not.
        self.created = now.micros();
        self.earlier += self.begun;
        (self.attempts, self.begun) = (0, 0);
        (self.stem, self.body, self.sequence) = (stem, values, 0);
        (self.output, self.fingerprint, self.file, self.progress) = (None, None, None, 0.0);
        if let Some(row) = &mut self.row {
            (row.warnings, row.timings, row.problems) = (Vec::new(), BTreeMap::new(), Vec::new());
            (row.bytes, row.sha256, row.ended) = (None, None, None);
        }
    }
}
