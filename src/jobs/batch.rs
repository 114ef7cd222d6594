//! A batch and its rows as API callers see them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::job::{JobId, Status};
use super::timestamp::Timestamp;
use crate::report::{Problem, Warning};

/// Id of a batch: nine letters and digits, like a job id, and unique among the batches of its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct BatchId(JobId);

impl From<JobId> for BatchId {
    fn from(id: JobId) -> Self {
        Self(id)
    }
}

impl BatchId {
    /// A random id. The store checks that it is not in use.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        JobId::random().map(Self)
    }

    /// Reads an id; `None` when `text` does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        JobId::parse(text).map(Self)
    }

    /// The id as nine ASCII characters.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of rows per status; the sum is the number of all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowCounts {
    /// Rows that wait for a worker.
    pub scheduled: u64,
    /// Rows that are being rendered.
    pub progress: u64,
    /// Rows that have a file.
    pub done: u64,
    /// Rows that failed and have no file.
    pub error: u64,
}

impl RowCounts {
    /// Number of rows that have not ended.
    pub fn unfinished(self) -> u64 {
        self.scheduled + self.progress
    }
}

/// A batch, as in responses and in the webhook `batch.completed`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Batch {
    /// Id of the batch, as in its URLs.
    #[schema(value_type = String)]
    pub id: BatchId,
    /// `scheduled` until the first row is begun, `progress` until the last row has ended, then `done`, even if rows
    /// failed. A retry sets it back to `scheduled`.
    #[schema(value_type = BatchStatus)]
    pub status: Status,
    /// Number of rows of the batch.
    pub rows: u64,
    /// Number of rows per status.
    pub counts: RowCounts,
    /// Rows that ended per second, over the last minute; null before the first row ends and once the batch is done. For
    /// one document of all rows: rows added per second since it was begun.
    pub rate: Option<f64>,
    /// Estimated seconds until the last row ends; null without a `rate`.
    pub time_left: Option<f64>,
    /// Format of the files: `png`, `jpeg`, `webp`, `pdf`.
    pub format: String,
    /// The document of all rows; null until it is done, and for batches where each row becomes a file.
    #[schema(required)]
    pub document: Option<Document>,
    /// SHA-256 of the design that all rows share, in hex.
    pub design_sha256: String,
    /// Time at which the batch was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Time at which the first row was begun, since the batch was accepted or retried.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub started_at: Option<Timestamp>,
    /// Time at which the last row ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub completed_at: Option<Timestamp>,
    /// Time at which the batch and its files are deleted; null while rows are unfinished.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
}

/// The one document of all rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Document {
    /// File name in the archive, with its extension.
    pub name: String,
    /// Link to the document's file.
    pub url: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Number of pages, of all rows together.
    pub pages: u64,
    /// Hash of everything that the file depends on, SHA-256 in hex: files painted by the CPU with equal fingerprints
    /// are equal.
    pub fingerprint: String,
    /// File name among the results.
    #[serde(skip)]
    pub file: String,
    /// Base of the link, `http://host:port`, when results are in a folder.
    #[serde(skip)]
    pub link_base: String,
}

/// Status of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum BatchStatus {
    Scheduled,
    Progress,
    Done,
}

/// A page of an owner's batches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchListing {
    /// The batches, newest first.
    pub batches: Vec<Batch>,
    /// Number of all batches of the owner.
    pub total: u64,
}

/// A row of a batch, as in lists of items and in the webhooks `item.done` and `item.error`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Item {
    /// Number of the row, from 1.
    pub row: u64,
    /// Id of the row, unique among all jobs and rows.
    #[schema(value_type = String)]
    pub id: JobId,
    /// File name in the archive, with its extension. It is unique in the batch, except that all rows of one document
    /// have the document's name.
    pub name: String,
    /// Status of the row.
    pub status: Status,
    /// Link to the row's file, once it is done.
    pub url: Option<String>,
    /// Length of the file in bytes.
    pub bytes: Option<u64>,
    /// SHA-256 of the file, in hex.
    pub sha256: Option<String>,
    /// Hash of everything that the file depends on, SHA-256 in hex: files painted by the CPU with equal fingerprints
    /// are equal.
    pub fingerprint: Option<String>,
    /// Number of the row's first page in the document of all rows, from 1; null for batches where each row becomes a
    /// file.
    #[schema(required)]
    pub first_page: Option<u64>,
    /// Number of the row's pages in that document.
    #[schema(required)]
    pub page_count: Option<u64>,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
    /// Duration of each stage of the last attempt, in ms.
    pub timings: BTreeMap<String, f64>,
    /// Why the row failed: its first problem in full; empty when it did not fail.
    pub error: String,
    /// All problems with their JSON paths.
    pub problems: Vec<Problem>,
}

impl Item {
    /// A row that no worker has begun.
    pub(super) fn scheduled(row: u64, id: JobId, name: String) -> Self {
        Self {
            row,
            id,
            name,
            status: Status::Scheduled,
            url: None,
            bytes: None,
            sha256: None,
            fingerprint: None,
            first_page: None,
            page_count: None,
            warnings: Vec::new(),
            timings: BTreeMap::new(),
            error: String::new(),
            problems: Vec::new(),
        }
    }
}

/// Body of the webhooks `item.done` and `item.error`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ItemEvent {
    pub(super) batch: BatchId,
    #[serde(flatten)]
    pub(super) item: Item,
}

/// A page of the rows of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ItemListing {
    /// The rows in order.
    pub items: Vec<Item>,
    /// Number of all rows that match the query.
    pub total: u64,
}
