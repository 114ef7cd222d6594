//! The one document of all rows of a batch. It is row number 0 of its batch and the only row with a record and a
//! message. How the other rows ended is stored as one blob when the document ends.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::blob::BlobRef;
use super::text_limits::{timings_of, truncate_problems, truncate_warnings};
use crate::hash::ContentHash;
use crate::jobs::batch::Document;
use crate::jobs::job::Status;
use crate::jobs::store::{RowError, RowOutcome, RowPages};
use crate::report::Warning;

/// Number of the document among the rows of its batch, which begin at 1.
pub(crate) const ROW: u64 = 0;

/// Which rows are in a document that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DocumentEnd {
    /// Number of rows with pages in the document.
    pub(crate) done: u64,
    /// Number of rows that could be read and are not in the document.
    #[serde(default)]
    pub(crate) failed: u64,
    pub(super) pages: u64,
    /// [`RowEnds`] of the rows that could be read.
    pub(crate) ends: BlobRef,
}

/// Progress of a document, as its record has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DocumentState {
    pub(crate) status: Status,
    /// Rows rendered so far, in percent of all rows.
    pub(crate) percent: f64,
    /// Start of the last attempt, in µs since 1970.
    pub(crate) started: Option<i64>,
    /// Number of rows in the document, once it has ended.
    pub(crate) rows: Option<u64>,
}

/// A finished document, as the record of its batch has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FinishedDocument {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) bytes: u64,
    pub(super) sha256: ContentHash,
    pub(super) pages: u64,
    pub(super) fingerprint: String,
    pub(super) file: String,
}

impl FinishedDocument {
    pub(super) fn to_document(&self, link_base: &str) -> Document {
        let Self { name, url, bytes, sha256, pages, fingerprint, file } = self.clone();
        let link_base = link_base.to_owned();
        Document { name, url, bytes, sha256: sha256.to_string(), pages, fingerprint, file, link_base }
    }
}

/// How one row of a document ended: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RowEndLine {
    row: u64,
    #[serde(rename = "bad", default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RowError>,
    #[serde(default)]
    pub(super) first_page: u64,
    #[serde(default)]
    pub(super) page_count: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) timings: BTreeMap<String, f64>,
}

/// How the rows of a document ended, without those that could not be read.
pub(crate) struct RowEnds {
    pub(super) rows: BTreeMap<u64, RowEndLine>,
    size: usize,
}

impl RowEnds {
    /// Lines of JSON, one for each row.
    pub(crate) fn write(rows: &[RowOutcome]) -> Bytes {
        let mut text = Vec::new();
        for RowOutcome { row, result } in rows {
            let empty = RowEndLine {
                row: *row,
                error: None,
                first_page: 0,
                page_count: 0,
                warnings: Vec::new(),
                timings: BTreeMap::new(),
            };
            let line = match result {
                Ok(RowPages { first_page, page_count, warnings, timings }) => RowEndLine {
                    first_page: *first_page,
                    page_count: *page_count,
                    warnings: truncate_warnings(warnings),
                    timings: timings_of(timings),
                    ..empty
                },
                Err(RowError { error, problems }) => {
                    let error = RowError { error: error.clone(), problems: truncate_problems(problems) };
                    RowEndLine { error: Some(error), ..empty }
                }
            };
            text.extend(serde_json::to_vec(&line).expect("texts and numbers are JSON"));
            text.push(b'\n');
        }
        text.into()
    }

    /// Reads what [`RowEnds::write`] wrote; `None` when `text` is anything else.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let rows = lines.map(|line| serde_json::from_slice::<RowEndLine>(line).map(|row| (row.row, row)));
        Some(Self { rows: rows.collect::<Result<_, _>>().ok()?, size: text.len() })
    }

    /// Estimated size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size * 2
    }
}

impl DocumentEnd {
    /// `is_done`: whether the document was made; otherwise none of the rows is in it.
    pub(crate) fn new(rows: &[RowOutcome], is_done: bool, ends: BlobRef) -> Self {
        let pages = || rows.iter().filter(|_| is_done).filter_map(|it| it.result.as_ref().ok());
        let done = pages().count() as u64;
        Self { done, failed: rows.len() as u64 - done, pages: pages().map(|it| it.page_count).sum(), ends }
    }
}
