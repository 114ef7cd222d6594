//! What a store of batches must do, whoever keeps it.
//!
//! A batch is one design and many rows. Each row is an item: a job of its own for the queue, with a ticket, attempts and a
//! file, that [`super::JobStore`] does not know. What is the same for all rows, the template, is kept once, and so is every
//! asset that a row was made of (pins).
//!
//! Or all rows go into one document. That is then the one job for the queue, with ticket, attempts and file; its rows are
//! items without either, which end together with it.

use bytes::Bytes;

use super::{Answer, Idempotency, Owner};
use crate::jobs::batch::{Batch, BatchId, BatchListing, ItemListing};
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
    pub values: Result<Bytes, BadRow>,
}

/// What is wrong with a row. One that cannot be read is an item that has ended in `error` from the beginning, which no retry
/// begins again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadRow {
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
    pub values: Result<Bytes, BadRow>,
}

/// What became of one row of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct RowEnd {
    /// From 1.
    pub row: u64,
    /// Its pages, or why there are none.
    pub end: Result<RowPages, BadRow>,
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

/// Accepting batches and telling about them, for the server; what their rows share, for workers.
///
/// What a batch costs the others. The queue hands out work of the owner with the fewest under way; of that owner's, single jobs
/// before rows, and rows of its batches in turn (of the batch that has waited longest since one of its rows was begun, the
/// lowest row that is due). So a batch of any size never holds up another owner nor a single picture for longer than the
/// row that is being rendered. A document is to the queue one such row.
///
/// Of a batch that becomes one document, rows are `scheduled` until it is begun, `progress` while it is made, and end with it
/// ([`super::Queue::finish`]). A batch none of whose rows can be read has none to make.
///
/// When the last row ends, in the same step: `completed_at` and `expires_at` are set, and `batch.completed` is in the
/// outbox. So it is told once for each time that a batch completes: once, and once more after each retry.
///
/// Expired batches are forgotten by [`super::JobStore::expire`], files of theirs are told by [`super::JobStore::trash`] like
/// those of jobs (`<item id>-<random>.<extension>`), their pins as `<batch id>.pins`: all that is in that batch's folder.
pub trait BatchStore: Send + Sync {
    /// Makes it a batch, with all of its rows or not at all. Durable when this returns.
    fn accept_batch(&self, batch: NewBatch) -> Answer<'_, AcceptedBatch>;
    /// One of `owner`'s batches, unless it has expired.
    fn batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<Batch>>;
    /// `limit` of `owner`'s batches after the newest `offset`.
    fn batches<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, BatchListing>;
    /// Rows of one of `owner`'s batches, without their links, which are made when they are read. `None` when there is no such
    /// batch.
    fn items<'a>(&'a self, owner: &'a Owner, id: &'a BatchId, which: ItemQuery) -> Answer<'a, Option<StoredItems>>;
    /// Rows that ended in `error` wait again, with no attempt counted; how many. Those whose values could not be read stay as
    /// they are. Where such rows are of a document, it is made anew, under another name, and all of its rows wait with them:
    /// what it was goes into the trash. `None` when there is no such batch.
    fn retry_rows<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<u64>>;
    /// Forgets a batch with its rows, finished or not; rows under way are then nobody's. Names of files are kept for
    /// [`super::JobStore::trash`].
    fn remove_batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, bool>;
    /// For a worker that has one of its rows; `None` when the batch is gone.
    fn template<'a>(&'a self, id: &'a BatchId) -> Answer<'a, Option<Template>>;
    /// Rows of a batch with a number above `after_row` (0: all), at most `limit`, in order: for a worker that makes a document
    /// of them. `None` when the batch is gone.
    fn row_values<'a>(&'a self, id: &'a BatchId, after_row: u64, limit: u64) -> Answer<'a, Option<Vec<StoredRow>>>;
    /// The digest under which `key` is pinned for this batch.
    fn pinned<'a>(&'a self, id: &'a BatchId, key: &'a str) -> Answer<'a, Option<[u8; 32]>>;
    /// Pins, unless the key has a pin already; what stands then, for everybody. The bytes are stored before this is called.
    /// `None` when the batch is gone.
    fn pin<'a>(&'a self, id: &'a BatchId, pin: Pin) -> Answer<'a, Option<[u8; 32]>>;
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
