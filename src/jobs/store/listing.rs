//! What owners and operators list: rows of a batch, and the number of jobs.

use crate::jobs::batch::ItemListing;
use crate::jobs::job::Status;

/// Selects rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemQuery {
    /// Only rows with this status; `None` for all rows.
    pub status: Option<Status>,
    /// Only rows with a larger number; 0 for all rows. A reader of consecutive pages passes the last row that it has,
    /// so that it neither misses nor repeats rows that change their status.
    pub after_row: u64,
    /// Number of matching rows to skip.
    pub offset: u64,
    /// Maximum number of rows.
    pub limit: u64,
}

/// A page of rows of a batch, with the names of their files.
#[derive(Clone, Debug)]
pub struct ItemPage {
    /// The rows. [`super::super::Service`] leaves `url` empty in all of them.
    pub listing: ItemListing,
    /// File name of each row's result; the file exists when the row is done. Rows of a document all have the document's
    /// file.
    pub files: Vec<String>,
    /// Base of links, `http://host:port`, when results are in a folder.
    pub link_base: String,
}

/// Number of jobs per state, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that wait for a worker. Rows of batches are not included here and in `progress`.
    pub scheduled: u64,
    /// Jobs that are being rendered.
    pub progress: u64,
    /// Webhooks that are not yet delivered.
    pub deliveries: u64,
    /// Rows of batches that wait for a worker.
    pub rows_scheduled: u64,
    /// Rows of batches that are being rendered.
    pub rows_progress: u64,
}
