//! What a worker fetches from the queue, and what it reports.

use std::time::Duration;

use bytes::Bytes;

use super::submission::RowError;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::timestamp::Timestamp;
use crate::report::{Problem, Warning};

/// Identifies one attempt at a job. A worker reports with it, and reports of outdated attempts are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptId {
    /// Id of the job, row or document.
    pub job: JobId,
    /// Number of the attempt, from 1. It keeps counting across retries.
    pub number: u32,
}

/// A job to work on. Its attempt is recorded before a worker receives this.
#[derive(Clone, Debug)]
pub struct FetchedJob {
    /// The attempt that this begins.
    pub attempt_id: AttemptId,
    /// The input of the job.
    pub work: Work,
    /// File name of the result. Where attempts may overlap, each has a name of its own, so that none overwrites or
    /// removes the file of another; otherwise it is the same for all. The store records all names, so that no file is
    /// left behind.
    pub file: String,
    /// Base of the link to the result, `http://host:port`.
    pub link_base: String,
    /// Time at which the job was accepted, or a failed row was last scheduled again.
    pub created_at: Timestamp,
    /// `traceparent` (W3C Trace Context) of the request that created the job.
    pub traceparent: Option<String>,
}

/// Which of the jobs that are due a worker can begin now. The others stay in the queue unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFilter {
    /// Whether no other job runs in this process. Only then are jobs returned that were being rendered when a process
    /// died.
    pub alone: bool,
    /// Whether the worker can begin a document of all rows of a batch.
    pub documents: bool,
}

impl FetchFilter {
    /// Matches every job that is due.
    pub const ALL: Self = Self { alone: true, documents: true };
}

/// Answer to a worker that asks for a job.
#[derive(Debug)]
pub enum Fetched {
    /// A job for this worker.
    Job(Box<FetchedJob>),
    /// The next job was being rendered when a process died. It must be fetched when no other job runs in this process,
    /// so that it cannot take others down with it.
    RunAlone,
    /// No job is due. The time is when the next one will be, if known; a new job may come before.
    Empty(Option<Timestamp>),
}

/// The input of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A single job, with its request body.
    Job(Bytes),
    /// One row of a batch.
    Row {
        /// The batch whose template the row fills in.
        batch: BatchId,
        /// Number of the row, from 1.
        row: u64,
        /// Values of the row, as in [`super::NewRow::values`].
        values: Bytes,
    },
    /// The document of all rows of a batch; [`crate::jobs::Service::row_values`] returns the rows.
    Document {
        /// The batch whose template the rows fill in.
        batch: BatchId,
        /// Number of rows, including those that cannot be read.
        rows: u64,
    },
}

/// Final outcome of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The job has a result.
    Done(StoredFile),
    /// The job failed with this message.
    Error(String),
}

/// A result that has been stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Link to the file.
    pub link: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Hash of the file.
    pub hash: ContentHash,
    /// Fingerprint of the render ([`crate::pipeline::Fingerprint`]), in hex.
    pub fingerprint: String,
}

/// Details of the last attempt besides its outcome. A store keeps `logs` of jobs, and the other members of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptReport {
    /// Lines for the job's log.
    pub logs: String,
    /// Deviations of the output from the design. The worker limits their number.
    pub warnings: Vec<Warning>,
    /// Stages and their durations in ms.
    pub timings: Vec<(&'static str, f64)>,
    /// Problems with their JSON paths; empty for [`Outcome::Done`].
    pub problems: Vec<Problem>,
    /// Outcome of each row of a document, in order, without the rows that cannot be read. Empty for other jobs, and
    /// when the document failed before its first row.
    pub rows: Vec<RowOutcome>,
}

/// Returns a job to the queue without an outcome.
#[derive(Clone, Debug)]
pub struct Requeue {
    /// Time before the next attempt.
    pub after: Duration,
    /// Whether the attempt counts towards the limit of attempts.
    pub counts: bool,
    /// Line for the job's log.
    pub note: String,
}

/// The values of one row of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInput {
    /// Number of the row, from 1.
    pub row: u64,
    /// Values of the row, as in [`super::NewRow::values`].
    pub values: Result<Bytes, RowError>,
}

/// The outcome of one row of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct RowOutcome {
    /// Number of the row, from 1.
    pub row: u64,
    /// The row's pages, or why it has none.
    pub result: Result<RowPages, RowError>,
}

/// The pages of one row in its document.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPages {
    /// Number of the row's first page in the document, from 1.
    pub first_page: u64,
    /// Number of pages, at least one.
    pub page_count: u64,
    /// Deviations of the pages from the design. The worker limits their number.
    pub warnings: Vec<Warning>,
    /// Stages and their durations in ms.
    pub timings: Vec<(&'static str, f64)>,
}

/// An asset of a batch: every row uses the bytes that were first fetched for a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedAsset {
    /// Kind and URL of the asset, such as `image https://…`; at most some KiB.
    pub key: String,
    /// Hash of the asset, under which its bytes are stored among the results.
    pub hash: ContentHash,
}
