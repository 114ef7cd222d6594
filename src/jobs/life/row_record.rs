//! The record of a row, or of the document of all rows: how it begins, and how a retry resets it.

use std::collections::BTreeMap;

use super::batch_record::BatchRecord;
use super::blob::BlobRef;
use super::document::{DocumentState, FinishedDocument, ROW};
use super::record::{JobRecord, JobSeed};
use super::row::RowPart;
use super::row_list::SubmittedRow;
use super::text_limits::{NOTES_BYTES, truncate_problems, truncate_text};
use crate::jobs::job::Status;
use crate::jobs::store::{NewJob, RowError};
use crate::jobs::timestamp::Timestamp;

impl JobRecord {
    /// The record of row `number`. It is scheduled, or has failed if its values could not be read. `seed.body`: its
    /// values.
    pub(crate) fn of_row(batch: &BatchRecord, number: u64, row: SubmittedRow, seed: JobSeed<'_>) -> Self {
        let SubmittedRow { name, error, .. } = row;
        let now = seed.now;
        let job = NewJob {
            webhook: batch.webhook.clone().filter(|_| batch.webhook_items),
            ..NewJob::new(&batch.owner, bytes::Bytes::new(), "", &batch.link_base)
        };
        let mut part = RowPart {
            batch: batch.id.clone(),
            number,
            name,
            is_unreadable: error.is_some(),
            bytes: None,
            sha256: None,
            warnings: Vec::new(),
            timings: BTreeMap::new(),
            problems: Vec::new(),
            of: (number == ROW).then_some(batch.rows),
            ended: None,
        };
        let mut record = Self::new(&job, seed);
        record.extension = batch.extension.clone();
        let Some(RowError { error, problems }) = error else {
            record.row = Some(part);
            return record;
        };
        part.problems = truncate_problems(&problems);
        record.row = Some(part);
        record.status = Status::Error;
        record.error = truncate_text(error, NOTES_BYTES);
        record.completed = Some(now.micros());
        record.push_delivery(now);
        record
    }

    /// Whether a retry that began at `since` (µs since 1970) resets this row, or this document with rows that failed.
    pub(crate) fn is_to_retry(&self, since: i64) -> bool {
        let Some(row) = &self.row else { return false };
        let failed = match (self.status, &row.ended) {
            (Status::Error, _) => !row.is_unreadable,
            (Status::Done, Some(ended)) => ended.failed > 0,
            _ => false,
        };
        failed && self.completed.is_some_and(|it| it <= since)
    }

    /// Schedules a failed row again, with its attempts at 0 and without a message. `stem` must be new: files with the
    /// old stem may be in the trash.
    pub(crate) fn retry(&mut self, stem: String, values: Option<BlobRef>, now: Timestamp) {
        self.status = Status::Scheduled;
        self.error.clear();
        self.completed = None;
        self.updated = Some(now.micros());
        self.due = now.micros();
        // TENTER_RESULT_PATIENCE and the count of attempts begin again. Numbers of attempts go on, so that no ticket
        // comes twice.
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

    pub(crate) fn is_document(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.number == ROW)
    }

    /// Progress of the document that this record is about.
    pub(crate) fn document_state(&self) -> DocumentState {
        DocumentState {
            status: self.status,
            percent: self.progress,
            started: self.started,
            rows: self.row.as_ref().and_then(|row| row.ended.as_ref()).map(|it| it.done),
        }
    }

    /// The document that this record is about; `None` until it is done.
    pub(crate) fn finished_document(&self) -> Option<FinishedDocument> {
        let row = self.row.as_ref()?;
        Some(FinishedDocument {
            name: row.name.clone(),
            url: self.output.clone()?,
            bytes: row.bytes?,
            sha256: row.sha256?,
            pages: row.ended.as_ref()?.pages,
            fingerprint: self.fingerprint.clone().unwrap_or_default(),
            file: self.file.clone()?,
        })
    }
}
