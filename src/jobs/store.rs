//! What callers, workers and senders of webhooks hand to the service, and what they get back.

mod batches;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::batch::BatchId;
use super::job::{Job, JobId};
use super::life::key::Key;
use super::timestamp::Timestamp;
use crate::report::{Problem, Warning};

pub use self::batches::{
    AcceptedBatch, FailedRow, ItemQuery, NewBatch, NewRow, Pin, RowEnd, RowPages, StoredItems, StoredRow, Template,
};

/// Whose job it is: the name of the key it came with; empty when calls need no key. Nobody sees another's jobs.
pub type Owner = Arc<str>;

/// What a store answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// The store cannot do its work. Nothing was half done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space left.
    #[error("{place}: the disk is full ({reason}); free space for TENTER_DATA_DIR")]
    Full {
        /// Which file or server.
        place: String,
        /// Its words.
        reason: String,
    },
    /// May not be written.
    #[error("{place}: cannot be written ({reason}); TENTER_DATA_DIR must name a folder that this user may write")]
    ReadOnly {
        /// Which file or server.
        place: String,
        /// Its words.
        reason: String,
    },
    /// Its contents make no sense.
    #[error(
        "{place}: is damaged ({reason}); restore it from a backup, or move it away to begin with an empty store (jobs in it \
         are lost)"
    )]
    Damaged {
        /// Which file or server.
        place: String,
        /// Its words.
        reason: String,
    },
    /// It is not made for that, and another try does no better.
    #[error("{place}: {reason}")]
    Unsupported {
        /// Which file or server.
        place: String,
        /// What to use instead.
        reason: String,
    },
    /// Anything else.
    #[error("{place}: {reason}")]
    Failed {
        /// Which file or server.
        place: String,
        /// Its words.
        reason: String,
    },
}

/// A job that is not yet one.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Whose.
    pub owner: Owner,
    /// As sent.
    pub body: Bytes,
    /// Ending of its result's name.
    pub extension: &'static str,
    /// Who is told.
    pub webhook: Option<String>,
    /// What the link to its result starts with, when results are in a folder.
    pub link_base: String,
    /// To recognise the same call when it comes again.
    pub idempotency: Option<Idempotency>,
    /// Of the request's span (W3C Trace Context), when spans are collected. A store on one machine need not keep it.
    pub traceparent: Option<String>,
}

/// `Idempotency-Key` and what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// As sent, at most 255 characters. Counts for one owner.
    pub key: String,
    /// SHA-256 of the body.
    pub digest: [u8; 32],
}

/// What became of a [`NewJob`].
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is a job now, and survives whatever happens to this process.
    New(Job),
    /// It was one already: the same key with the same body.
    Again(Job),
    /// The key came before, with another body.
    OtherBody,
    /// As many jobs are unfinished as may be.
    QueueFull,
    /// As many jobs of this owner are unfinished as may be.
    OwnerFull,
}

/// The right to work on a job, until it is given back or another attempt began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which.
    pub id: JobId,
    /// From 1.
    pub attempt: u32,
}

/// A job to work on. Its attempt is on record before anybody gets to see this.
#[derive(Clone, Debug)]
pub struct Taken {
    /// To report with.
    pub ticket: Ticket,
    /// What to render.
    pub work: Work,
    /// Name of its result. Where attempts may overlap, each has its own, so that none writes over or removes another's;
    /// where they cannot, it is always the same. The store knows all of them, so that none leaves a file behind.
    pub file: String,
    /// What links start with.
    pub link_base: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Of the request that it came with.
    pub traceparent: Option<String>,
}

/// Which of the due jobs a worker can begin now. The others keep their status and their count of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeFilter {
    /// Whether nothing else runs in this process. Only then is a job handed out during which a process died before.
    pub alone: bool,
    /// Whether documents of all rows of a batch may be handed out.
    pub documents: bool,
}

impl TakeFilter {
    /// Hands out every job that is due.
    pub const ALL: Self = Self { alone: true, documents: true };
}

/// What there is to do.
#[derive(Debug)]
pub enum Next {
    /// This.
    Job(Box<Taken>),
    /// A job during which the process died before: ask again when nothing else runs, so that it takes nobody along.
    Alone,
    /// Nothing before then, unless something comes in.
    Nothing(Option<Timestamp>),
}

/// What a worker is to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A job: its body, as sent.
    Job(Bytes),
    /// A row of a batch.
    Row {
        /// Whose template it fills.
        batch: BatchId,
        /// From 1.
        row: u64,
        /// Its values, as [`NewRow`] had them.
        values: Bytes,
    },
    /// All rows of a batch into one document, from the first: [`super::Service::row_values`] has them.
    Document {
        /// Whose template they fill.
        batch: BatchId,
        /// How many there are, those that cannot be read included.
        rows: u64,
    },
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a result.
    Done(StoredFile),
    /// Without, for this reason.
    Error(String),
}

/// A result that is where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// What its caller follows.
    pub link: String,
    /// How long it is.
    pub bytes: u64,
    /// Of its bytes.
    pub sha256: [u8; 32],
    /// What it was made of and by what, in hex ([`crate::pipeline::Fingerprint`]).
    pub fingerprint: String,
}

/// What there is to say about the last attempt at a job besides how it ended. A store keeps `logs` of jobs, the rest of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// For its log: whole lines.
    pub logs: String,
    /// What was drawn otherwise than written; bounded by whoever made the list.
    pub warnings: Vec<Warning>,
    /// Stages and their ms.
    pub timings: Vec<(&'static str, f64)>,
    /// What was wrong, each with its place; empty when it is done.
    pub problems: Vec<Problem>,
    /// Of a document what became of each row, in order, but for those that could not be read: they have ended before. Empty
    /// for everything else, and when it failed before any row was looked at.
    pub rows: Vec<RowEnd>,
}

/// Why a job is given back.
#[derive(Clone, Debug)]
pub struct HandBack {
    /// Not to be taken again before this time has passed.
    pub after: Duration,
    /// Whether the attempt counts.
    pub counts: bool,
    /// For its log.
    pub note: String,
}

/// How many jobs are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for a worker.
    pub scheduled: u64,
    /// Being rendered.
    pub progress: u64,
    /// Webhooks not delivered yet.
    pub deliveries: u64,
    /// Rows of batches that wait for a worker. Neither these nor the next are among the jobs.
    pub rows_scheduled: u64,
    /// Rows of batches being rendered.
    pub rows_progress: u64,
}

/// For how many calls there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryCapacity {
    /// In all, now.
    pub of_all: usize,
    /// To one receiver (host and port), those under way included.
    pub of_receiver: usize,
}

/// One call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The record that has it.
    pub(in crate::jobs) of: Key,
    /// The same for every try.
    pub id: String,
    /// `job.progress`, `job.done`, `job.error`, `item.done`, `item.error`, `batch.completed`.
    pub event: &'static str,
    /// Where to.
    pub url: String,
    /// The job object as it was then; the batch object; or the item with its batch's id as `batch`.
    pub body: String,
    /// Tries before this one.
    pub attempts: u32,
}

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// The receiver's status, if it had one.
    pub answer: Option<u16>,
    /// Why it was not delivered; empty when it was.
    pub error: String,
    /// What now.
    pub then: NextAction,
}

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// Nothing: delivered.
    Delivered,
    /// Another try after this time.
    Again(Duration),
    /// Nothing: given up.
    Failed,
}

/// A delivery as the owner of its job or batch sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeliveryRecord {
    /// The same for every try.
    pub id: String,
    /// `job.progress`, `job.done`, `job.error`; `item.done`, `item.error`, `batch.completed`.
    pub event: &'static str,
    /// `pending`, `delivered`, `failed`, or `superseded`: the job went on before the receiver could be told.
    pub status: &'static str,
    /// Tries up to now.
    pub attempts: u32,
    /// When the event was.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// When it was tried last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    /// The receiver's last status.
    pub answer: Option<u16>,
    /// Why the last try failed; empty when it did not.
    pub error: String,
}

impl DeliveryRecord {
    /// Every `status` there is.
    pub const STATUSES: [&'static str; 4] = ["pending", "delivered", "failed", "superseded"];
}

/// A delivery of a batch: of its end, or of one of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BatchDelivery {
    /// Of which row, from 1; null when it is of the end.
    pub row: Option<u64>,
    /// What became of it.
    #[serde(flatten)]
    pub delivery: DeliveryRecord,
}

/// Which deliveries of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// One of [`DeliveryRecord::STATUSES`]: only those. `None`: all.
    pub status: Option<&'static str>,
    /// Of these, so many are left out.
    pub offset: u64,
    /// At most so many.
    pub limit: u64,
}

/// Some deliveries of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeliveryListing {
    /// Oldest first.
    pub deliveries: Vec<BatchDelivery>,
    /// How many there are in all, of the status asked for.
    pub total: u64,
}
