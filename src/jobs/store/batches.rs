//! Batches, as callers hand them to the service and workers get them.
//!
//! A batch is one design and many rows. Each row is an item: a job of its own for the queue, with a ticket, attempts and a
//! file, that callers do not see among their jobs. What is the same for all rows, the template, is kept once, and so is every
//! asset that a row was made of (pins).
//!
//! Or all rows go into one document. That is then the one job for the queue, with ticket, attempts and file; its rows are
//! items without either, which end together with it.

use bytes::Bytes;

use super::{Idempotency, Owner};
use crate::jobs::batch::{Batch, ItemListing};
use crate::jobs::job::Status;
use crate::report::{Problem, Warning};

/// A batch that is not yet one.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Whose.
    pub owner: Owner,
    /// What all rows have in common.
    pub template: Template,
    /// At least one, in order; row 1 is the first.
    pub rows: Vec<NewRow>,
    /// What the one document of all rows is called, with an ending. `None`: each row becomes a file of its own.
    pub document: Option<String>,
    /// Name of the files' format: `png`, …
    pub format: &'static str,
    /// Ending of the files' names.
    pub extension: &'static str,
    /// Who is told when the last row has ended.
    pub webhook: Option<String>,
    /// Whether that receiver is also told of each row that ends.
    pub webhook_items: bool,
    /// What links to results start with, when results are in a folder.
    pub link_base: String,
    /// To recognise the same call when it comes again. Its keys are not those of jobs.
    pub idempotency: Option<Idempotency>,
}

#[cfg(test)]
impl NewBatch {
    /// Of `rows` that become PNGs; nobody is told.
    pub(in crate::jobs) fn sample(rows: Vec<NewRow>) -> Self {
        Self {
            owner: "shop".into(),
            template: Template { body: Bytes::from_static(b"{\"design\":{}}"), design_sha256: [3; 32] },
            rows,
            document: None,
            format: "png",
            extension: "png",
            webhook: None,
            webhook_items: false,
            link_base: "http://here".into(),
            idempotency: None,
        }
    }
}

/// What the rows of a batch have in common. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// JSON: `{"design": …}` and flat options beside it, as the body of a job.
    pub body: Bytes,
    /// SHA-256 of the design alone.
    pub design_sha256: [u8; 32],
}

/// One row that is not yet an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Its file's name in the archive, with an ending; unique in its batch, safe as the name of a file. Where all rows go into
    /// one document, that one's.
    pub name: String,
    /// What it fills in, as JSON.
    pub values: Result<Bytes, FailedRow>,
}

/// What is wrong with a row. One that cannot be read is an item that has ended in `error` from the beginning, which no retry
/// begins again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FailedRow {
    /// In one sentence.
    pub error: String,
    /// What is wrong, each with its place.
    pub problems: Vec<Problem>,
}

/// What became of a [`NewBatch`].
#[derive(Clone, Debug)]
pub enum AcceptedBatch {
    /// It is a batch now, with all its rows, and survives whatever happens to this process.
    New(Batch),
    /// It was one already: the same key with the same digest.
    Again(Batch),
    /// The key came before, with another digest.
    OtherBody,
    /// Its rows and those that are unfinished are more than may be (`TENTER_BATCH_QUEUE`).
    QueueFull,
    /// Its rows and those of this owner that are unfinished are more than may be (`TENTER_KEY_ROWS`).
    RowsFull,
    /// As many jobs and batches of this owner are unfinished as may be (`TENTER_KEY_JOBS`); a batch counts as one.
    OwnerFull,
}

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemQuery {
    /// Only those. `None`: all.
    pub status: Option<Status>,
    /// Rows with a number above this; 0 for all. Pages that are read one after the other go on from the last row they had, so
    /// that none is left out or told twice while rows change their status.
    pub after_row: u64,
    /// Of these, so many are left out.
    pub offset: u64,
    /// At most so many.
    pub limit: u64,
}

/// An asset as the rows of a batch use it: the first bytes that a URL had, for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What it was fetched for and from, in the words of `assets`: at most some KiB.
    pub key: String,
    /// SHA-256 of its bytes, which are among the results, in the batch's own folder ([`crate::jobs::Results::get_pin`]).
    pub sha256: [u8; 32],
}

/// A row as a document takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// From 1.
    pub row: u64,
    /// As [`NewRow`] had them; an error when that could not be read.
    pub values: Result<Bytes, FailedRow>,
}

/// What became of one row of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEnd {
    /// From 1.
    pub row: u64,
    /// Its pages, or why there are none.
    pub end: Result<RowPages, FailedRow>,
}

/// The pages of one row in its document.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPages {
    /// Where they begin, from 1.
    pub first_page: u64,
    /// How many there are; at least one.
    pub page_count: u64,
    /// What was drawn otherwise than written; bounded by whoever made the list.
    pub warnings: Vec<Warning>,
    /// Stages and their ms.
    pub timings: Vec<(&'static str, f64)>,
}

/// Rows as the store has them.
#[derive(Clone, Debug)]
pub struct StoredItems {
    /// `url` is absent in all of them.
    pub listing: ItemListing,
    /// Of each item in `listing`, the name of its result: there is such a file when the item is done. Rows of a document all
    /// have that one's.
    pub files: Vec<String>,
    /// What links start with.
    pub link_base: String,
}
