//! What the record of a row of a batch has besides what a job's has. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bodies::BodyRef;
use super::head::Head;
use super::list::Listed;
use super::record::{Birth, Record, bounded};
use crate::jobs::batch::{BatchId, Item, ToldItem};
use crate::jobs::job::{JobId, Status};
use crate::jobs::moment::Moment;
use crate::jobs::store::{BadRow, NewJob, Outcome, Report};
use crate::report::{Problem, Warning};

/// Warnings and problems of one row, in bytes: a record, and what a receiver is told of it, stay far below NATS's largest
/// message (1 MB).
const NOTES_BYTES: usize = 64 << 10;

/// Of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowPart {
    batch: String,
    pub(super) number: u64,
    name: String,
    /// Its values could not be read: it has ended from the beginning, and no retry begins it again.
    bad: bool,
    bytes: Option<u64>,
    sha256: Option<String>,
    warnings: Vec<Warning>,
    timings: BTreeMap<String, f64>,
    problems: Vec<Problem>,
}

impl RowPart {
    pub(super) fn batch(&self) -> Option<BatchId> {
        BatchId::parse(&self.batch)
    }

    /// What became of it.
    pub(super) fn end(&mut self, outcome: &Outcome, report: &Report) {
        (self.bytes, self.sha256) = match outcome {
            Outcome::Done(file) => (Some(file.bytes), Some(super::bodies::hex(&file.sha256))),
            Outcome::Error(_) => (None, None),
        };
        // To the µs: what is below is noise, and takes room in ten thousand lines.
        let to_micros = |ms: f64| (ms * 1000.0).round() / 1000.0;
        self.timings = report.timings.iter().map(|(stage, ms)| ((*stage).to_owned(), to_micros(*ms))).collect();
        self.warnings = fitting(report.warnings.clone(), |it| it.message.len() + it.path.as_str().len());
        self.problems = fitting(report.problems.clone(), |it| it.message.len() + it.path.as_str().len());
    }
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

impl Record {
    /// Of row `number`, as it was sent: one that can be read waits, another has ended. `birth.body`: its values.
    pub(super) fn of_row(head: &Head, number: u64, row: Listed, birth: Birth<'_>) -> Self {
        let Listed { name, bad, .. } = row;
        let now = birth.now;
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
        };
        let mut record = Self::new(&job, birth);
        (record.row, record.extension) = (Some(part), head.extension.clone());
        if let Some(BadRow { error, problems }) = bad {
            record.status = Status::Error;
            record.error = bounded(error, NOTES_BYTES);
            record.completed = Some(now.micros());
            if let Some(row) = &mut record.row {
                row.problems = fitting(problems, |it| it.message.len() + it.path.as_str().len());
            }
            record.announce(now);
        }
        record
    }

    /// As callers see a row, without its link; `None` when it is none.
    pub(super) fn item(&self) -> Option<Item> {
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
            warnings: row.warnings,
            timings: row.timings,
            error: self.error.clone(),
            problems: row.problems,
        })
    }

    /// What receivers of items get.
    pub(super) fn told(&self) -> Option<ToldItem> {
        let batch = self.row.as_ref()?.batch()?;
        Some(ToldItem { batch, item: Item { url: self.output.clone(), ..self.item()? } })
    }

    /// Whether a retry that began at `since` begins this row again.
    pub(super) fn is_to_retry(&self, since: i64) -> bool {
        let readable = self.row.as_ref().is_some_and(|row| !row.bad);
        readable && self.status == Status::Error && self.completed.is_some_and(|it| it <= since)
    }

    /// A failed row waits again, with no attempt counted and without a message. `stem`: new, because what has the old names may
    /// be in the trash.
    pub(super) fn retry(&mut self, stem: String, values: BodyRef, now: Moment) {
        self.status = Status::Scheduled;
        self.error.clear();
        self.completed = None;
        self.updated = Some(now.micros());
        self.due = now.micros();
        (self.attempts, self.begun) = (0, 0);
        (self.stem, self.body, self.sequence) = (stem, Some(values), 0);
        if let Some(row) = &mut self.row {
            (row.warnings, row.timings, row.problems) = (Vec::new(), BTreeMap::new(), Vec::new());
        }
    }
}
