//! One batch, and one row of it, as their caller sees them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::job::{JobId, Status};
use super::timestamp::Timestamp;
use crate::report::{Problem, Warning};

/// Nine letters and digits, as a job's. Unique among the batches of its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(JobId);

impl From<JobId> for BatchId {
    fn from(id: JobId) -> Self {
        Self(id)
    }
}

impl BatchId {
    /// Another one. Whoever stores it makes sure that it is new.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        JobId::random().map(Self)
    }

    /// `None` for what is no id of ours.
    pub fn parse(text: &str) -> Option<Self> {
        JobId::parse(text).map(Self)
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for BatchId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How many rows are in which state; together, all rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RowCounts {
    /// Wait for a worker.
    pub scheduled: u64,
    /// Are being rendered.
    pub progress: u64,
    /// Have a file.
    pub done: u64,
    /// Have none; each says why.
    pub error: u64,
}

impl RowCounts {
    /// Rows that will still change.
    pub fn unfinished(self) -> u64 {
        self.scheduled + self.progress
    }
}

/// The batch object: what calls answer and `batch.completed` carries.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Batch {
    /// By which it is asked for.
    #[schema(value_type = String)]
    pub id: BatchId,
    /// `scheduled` before its first row is begun, `progress` until its last one has ended, then `done`: a row that fails does not
    /// make its batch fail. A retry leads back to `scheduled`.
    #[schema(value_type = BatchStatus)]
    pub status: Status,
    /// How many rows it has.
    pub rows: u64,
    /// In which state they are.
    pub counts: RowCounts,
    /// Rows that ended in a second, over the last minute; null while nothing is known, and once it is done. Of a document: rows
    /// that went into it since it was begun.
    pub rate: Option<f64>,
    /// Seconds until the last row ends, at that rate; null without one.
    pub time_left: Option<f64>,
    /// Of its files: `png`, `jpeg`, `webp`, `pdf`.
    pub format: String,
    /// The one document of all rows, once done; null before, and where each row becomes a file of its own.
    #[schema(required)]
    pub document: Option<Document>,
    /// SHA-256 of the design that every row is made of.
    pub design_sha256: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its first row was begun, since it was accepted or tried again.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub started_at: Option<Timestamp>,
    /// When its last row ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub completed_at: Option<Timestamp>,
    /// When it is forgotten, with its files; null while it has rows that have not ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Timestamp>,
}

/// One file of the rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Document {
    /// Its name in the archive, with an ending.
    pub name: String,
    /// A link to it.
    pub url: String,
    /// How long it is.
    pub bytes: u64,
    /// Of its bytes, in hex.
    pub sha256: String,
    /// How many it has, of all rows together.
    pub pages: u64,
    /// What it was made of and by what, in hex: the same says that the bytes are, when the CPU painted them.
    pub fingerprint: String,
    /// Its name among the results.
    #[serde(skip)]
    pub file: String,
    /// What its link starts with, when results are in a folder.
    #[serde(skip)]
    pub link_base: String,
}

/// Where a batch is in its life.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum BatchStatus {
    Scheduled,
    Progress,
    Done,
}

/// Some of an owner's batches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchListing {
    /// Newest first.
    pub batches: Vec<Batch>,
    /// How many there are in all.
    pub total: u64,
}

/// One row of a batch: an entry of its items, a line of its manifest, and what `item.done` and `item.error` carry.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Item {
    /// Its place among the rows, from 1.
    pub row: u64,
    /// Unique, also among jobs.
    #[serde(serialize_with = "super::job::as_text")]
    #[schema(value_type = String)]
    pub id: JobId,
    /// Its file's name in the archive, with an ending; unique in its batch, but where all rows are in one document.
    pub name: String,
    /// Where it is.
    pub status: Status,
    /// A link to its file, once done.
    pub url: Option<String>,
    /// Of its file.
    pub bytes: Option<u64>,
    /// Of its file, in hex.
    pub sha256: Option<String>,
    /// What its file was made of, SHA-256 in hex: the same one painted by the CPU means the same bytes.
    pub fingerprint: Option<String>,
    /// Where its pages begin, from 1, in the document of all rows; null where it has a file of its own.
    #[schema(required)]
    pub first_page: Option<u64>,
    /// How many pages of that document are its own.
    #[schema(required)]
    pub page_count: Option<u64>,
    /// What was drawn otherwise than written.
    pub warnings: Vec<Warning>,
    /// ms by stage, of the last attempt.
    pub timings: BTreeMap<String, f64>,
    /// Why there is no file: the first problem in full; empty when there is none to tell.
    pub error: String,
    /// All problems with their places.
    pub problems: Vec<Problem>,
}

/// What receivers of items get: the item, and whose it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct ItemEvent {
    pub(super) batch: BatchId,
    #[serde(flatten)]
    pub(super) item: Item,
}

/// Some rows of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ItemListing {
    /// In the order of rows.
    pub items: Vec<Item>,
    /// How many there are in all, of the status asked for.
    pub total: u64,
}
