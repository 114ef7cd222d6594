//! The part of a record that only a row of a batch has, or the document of all rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::DocumentEnd;
use super::text_limits::{timings_of, truncate_problems, truncate_warnings};
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::store::{AttemptReport, Outcome};
use crate::report::{Problem, Warning};

/// Fields of a row's record besides those of a job's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowPart {
    pub(super) batch: String,
    /// Position among the rows, from 1; [`super::document::ROW`] for the document of all rows.
    pub(crate) number: u64,
    pub(crate) name: String,
    /// Whether its values could not be read. Such a row has status `error` from the beginning and is not retried.
    #[serde(rename = "bad")]
    pub(super) is_unreadable: bool,
    pub(crate) bytes: Option<u64>,
    pub(crate) sha256: Option<ContentHash>,
    pub(super) warnings: Vec<Warning>,
    /// Milliseconds by stage of the render.
    pub(super) timings: BTreeMap<String, f64>,
    pub(super) problems: Vec<Problem>,
    /// In the record of a document: number of rows of the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<u64>,
    /// In the record of a document that has ended: which rows are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<DocumentEnd>,
}

impl RowPart {
    pub(crate) fn batch(&self) -> Option<BatchId> {
        BatchId::parse(&self.batch)
    }

    /// Stores what the last attempt reported.
    pub(super) fn set_result(&mut self, outcome: &Outcome, report: &AttemptReport) {
        (self.bytes, self.sha256) = match outcome {
            Outcome::Done(file) => (Some(file.bytes), Some(file.hash)),
            Outcome::Error(_) => (None, None),
        };
        self.timings = timings_of(&report.timings);
        self.warnings = truncate_warnings(&report.warnings);
        self.problems = truncate_problems(&report.problems);
    }
}
