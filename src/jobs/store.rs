//! What a store of jobs must do, whoever keeps it: four traits, one for each who asks.
//!
//! All times are the store's own, so that front ends with different clocks agree. Everything returns a future: the embedded
//! store works on a blocking thread, one in a cluster talks to a server.

mod batches;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::batch::BatchId;
use super::job::{Job, JobId, Listing};
use super::moment::Moment;
use crate::report::{Problem, Warning};

pub use self::batches::{
    AcceptedBatch, BadRow, BatchStore, ItemQuery, NewBatch, NewRow, Pin, RowEnd, RowPages, StoredItems, StoredRow,
    Template,
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
    pub created_at: Moment,
    /// Of the request that it came with.
    pub traceparent: Option<String>,
}

/// What there is to do.
#[derive(Debug)]
pub enum Next {
    /// This.
    Job(Box<Taken>),
    /// A job during which the process died before: ask again when nothing else runs, so that it takes nobody along.
    Alone,
    /// Nothing before then, unless something comes in.
    Nothing(Option<Moment>),
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
    /// All rows of a batch into one document, from the first: [`BatchStore::row_values`] has them.
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

/// Accepting jobs and telling about them: for the server.
pub trait JobStore: Send + Sync {
    /// Makes it a job. Durable when this returns.
    fn accept(&self, job: NewJob) -> Answer<'_, Accepted>;
    /// One of `owner`'s jobs, unless it has expired.
    fn get<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, Option<Job>>;
    /// `limit` of `owner`'s jobs after the newest `offset`.
    fn list<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, Listing>;
    /// Forgets a job, finished or not. The name of its result, which may exist, is kept for [`JobStore::trash`].
    fn remove<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, bool>;
    /// Resolves once the job has ended or is gone.
    fn ended<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, ()>;
    /// When the result called `file` expires; `None` when it is no result of a finished job, or of a row that is done. Such a
    /// row lives as long as its batch; before that has completed, it expires when it would if it completed now.
    fn expiry<'a>(&'a self, id: &'a JobId, file: &'a str) -> Answer<'a, Option<Moment>>;
    /// Forgets jobs and batches that have expired; how many.
    fn expire(&self) -> Answer<'_, u64>;
    /// Names of results whose jobs or batches are gone, at most `limit`.
    fn trash(&self, limit: u64) -> Answer<'_, Vec<String>>;
    /// That result is gone too.
    fn removed<'a>(&'a self, file: &'a str) -> Answer<'a, ()>;
    /// For gauges.
    fn counts(&self) -> Answer<'_, Counts>;
    /// Whether it could take a job now, as far as is known without asking.
    fn reachable(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// What the store has to do all the time for jobs to be accepted and told about; until dropped.
    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Handing jobs out, and rows of batches ([`BatchStore`] says in which order), and taking their outcome: for workers.
pub trait Queue: Send + Sync {
    /// The next job: of the owner with the fewest under way, the oldest that is due. `alone`: nothing else runs.
    fn take(&self, alone: bool) -> Answer<'_, Next>;
    /// Resolves when there may be something to take that was not there before.
    fn ready(&self) -> BoxFuture<'_, ()>;
    /// How far it is, 0 to 100.
    fn progress<'a>(&'a self, ticket: &'a Ticket, percent: f64) -> Answer<'a, ()>;
    /// It ended. False when the job is no longer ours: removed, or taken by another attempt. With a document end its rows, in
    /// the same step: as `report.rows` says; and those that have no file, because it says nothing of them or the document
    /// failed, for the reason of the outcome.
    fn finish<'a>(&'a self, ticket: &'a Ticket, outcome: Outcome, report: Report) -> Answer<'a, bool>;
    /// It did not end; somebody should try again.
    fn hand_back<'a>(&'a self, ticket: &'a Ticket, why: HandBack) -> Answer<'a, ()>;
    /// Nothing more will be taken: what was fetched ahead goes back at once.
    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What receivers are told, kept until they have it: for the one who sends.
pub trait Outbox: Send + Sync {
    /// Deliveries that are due, as far as there is room, and when others will be. They come again after `lease` unless told
    /// about.
    fn due(&self, room: Room, lease: Duration) -> Answer<'_, (Vec<Delivery>, Option<Moment>)>;
    /// Resolves when there may be something due that was not there before.
    fn ready(&self) -> BoxFuture<'_, ()>;
    /// What a try came to.
    fn tried<'a>(&'a self, id: &'a str, tried: Tried) -> Answer<'a, ()>;
    /// Those of one of `owner`'s jobs, oldest first; `None` when there is no such job.
    fn deliveries<'a>(&'a self, owner: &'a Owner, job: &'a JobId) -> Answer<'a, Option<Vec<DeliveryRecord>>>;
    /// Begins one again, whatever became of it; `None` when there is no such delivery.
    fn retry<'a>(&'a self, owner: &'a Owner, job: &'a JobId, id: &'a str) -> Answer<'a, Option<DeliveryRecord>>;
    /// Those of one of `owner`'s batches and of its rows, oldest first; `None` when there is no such batch.
    fn batch_deliveries<'a>(
        &'a self,
        owner: &'a Owner,
        batch: &'a BatchId,
        which: DeliveryQuery,
    ) -> Answer<'a, Option<DeliveryListing>>;
    /// Begins one of those again, whatever became of it; `None` when there is no such delivery.
    fn retry_of_batch<'a>(
        &'a self,
        owner: &'a Owner,
        batch: &'a BatchId,
        id: &'a str,
    ) -> Answer<'a, Option<BatchDelivery>>;
}

/// For how many calls there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// In all, now.
    pub of_all: usize,
    /// To one receiver (host and port), those under way included.
    pub of_receiver: usize,
}

/// One call to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
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
pub struct Tried {
    /// The receiver's status, if it had one.
    pub answer: Option<u16>,
    /// Why it was not delivered; empty when it was.
    pub error: String,
    /// What now.
    pub then: Then,
}

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
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
    pub created_at: Moment,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Moment>,
    /// When it was tried last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Moment>,
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
