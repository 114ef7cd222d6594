//! What callers submit: new jobs and batches, and whether the store accepted them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;
use crate::jobs::batch::Batch;
use crate::jobs::job::Job;
use crate::report::Problem;

/// Name of the API key that created a job or batch; empty when the service runs without keys. An owner sees only its
/// own jobs and batches.
pub type Owner = Arc<str>;

/// A job to be accepted.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Name of the API key that the job was submitted with.
    pub owner: Owner,
    /// The request body, unchanged.
    pub body: Bytes,
    /// Extension of the result's file name, without a dot.
    pub extension: &'static str,
    /// URL that receives the job's webhooks.
    pub webhook: Option<String>,
    /// Base of the link to the result, `http://host:port`, when results are in a folder.
    pub link_base: String,
    /// Key and hash by which a repeated call is recognised.
    pub idempotency: Option<Idempotency>,
    /// `traceparent` (W3C Trace Context) of the request's span, when spans are exported. A store on one machine need
    /// not keep it.
    pub traceparent: Option<String>,
}

impl NewJob {
    /// A job without webhook, idempotency key and trace.
    pub fn new(owner: &str, body: Bytes, extension: &'static str, link_base: &str) -> Self {
        Self {
            owner: owner.into(),
            body,
            extension,
            webhook: None,
            link_base: link_base.to_owned(),
            idempotency: None,
            traceparent: None,
        }
    }
}

/// An `Idempotency-Key` and the hash of the call that it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Value of the header, at most 255 characters. Keys of different owners are independent.
    pub key: String,
    /// Hash of the call.
    pub hash: ContentHash,
}

/// Result of submitting a [`NewJob`].
#[derive(Clone, Debug)]
pub enum SubmitOutcome {
    /// The job is stored durably.
    New(Job),
    /// An earlier call with the same idempotency key and body created this job.
    Replayed(Job),
    /// The idempotency key was used before with another body.
    KeyReused,
    /// The limit of unfinished jobs of all owners is reached (TENTER_JOB_QUEUE).
    QueueFull,
    /// The owner has reached its limit of unfinished jobs (TENTER_KEY_JOBS).
    OwnerFull,
}

/// A batch to be accepted: one design and many rows.
///
/// Each row is a job for the queue, with attempts and a file of its own, that the calls about jobs do not list. The
/// template, which all rows share, is stored once, and so is every asset that a row uses.
///
/// With `document`, all rows go into one document instead. Then the document is the only job, and its rows end with it.
#[derive(Clone, Debug)]
pub struct NewBatch {
    /// Name of the API key that the batch was submitted with.
    pub owner: Owner,
    /// Design and options that all rows share.
    pub template: Template,
    /// The rows in order, at least one.
    pub rows: Vec<NewRow>,
    /// File name of the document of all rows, with its extension. `None`: each row becomes a file.
    pub document: Option<String>,
    /// Name of the files' format, such as `png`.
    pub format: &'static str,
    /// Extension of the files' names, without a dot.
    pub extension: &'static str,
    /// URL that receives a webhook when the last row has ended.
    pub webhook: Option<String>,
    /// Whether `webhook` also receives the end of each row.
    pub webhook_items: bool,
    /// Base of links to results, `http://host:port`, when results are in a folder.
    pub link_base: String,
    /// Key and hash by which a repeated call is recognised. Keys of batches and of jobs are independent.
    pub idempotency: Option<Idempotency>,
}

#[cfg(test)]
impl NewBatch {
    /// A batch of `rows` that become PNGs, without a webhook.
    pub(in crate::jobs) fn sample(rows: Vec<NewRow>) -> Self {
        Self {
            owner: "shop".into(),
            template: Template {
                body: Bytes::from_static(b"{\"design\":{}}"),
                design_hash: ContentHash::from_bytes([3; 32]),
            },
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

/// A record of a template as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateEntry {
    /// JSON, as it was written.
    pub record: Arc<str>,
    /// Version of the record, which every write changes. The next write must name it.
    pub revision: u64,
}

/// The part of a batch that all rows share. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// JSON: `{"design": …}` with flat options beside it, like the body of a job.
    pub body: Bytes,
    /// Hash of the design alone.
    pub design_hash: ContentHash,
}

/// A row of a batch to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRow {
    /// Name of the row's file in the archive, with its extension. It is safe as a file name and unique in the batch,
    /// except that all rows of one document have the document's name.
    pub name: String,
    /// JSON with the row's variables and options ([`crate::rows::Row::to_json`]), or why the row cannot be read.
    pub values: Result<Bytes, RowError>,
}

/// Why a row failed. A row that cannot be read has failed when its batch is accepted, and a retry does not include it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowError {
    /// The first problem, as a sentence.
    pub error: String,
    /// All problems with their JSON paths.
    pub problems: Vec<Problem>,
}

/// Result of submitting a [`NewBatch`].
#[derive(Clone, Debug)]
pub enum BatchSubmitOutcome {
    /// The batch is stored durably with all its rows.
    New(Batch),
    /// An earlier call with the same idempotency key and hash created this batch.
    Replayed(Batch),
    /// The idempotency key was used before with another call.
    KeyReused,
    /// The batch would exceed the limit of unfinished rows of all owners (TENTER_BATCH_QUEUE).
    QueueFull,
    /// The batch would exceed the owner's limit of unfinished rows (TENTER_KEY_ROWS).
    RowsFull,
    /// The owner has reached its limit of unfinished jobs and batches (TENTER_KEY_JOBS); a batch counts as one.
    OwnerFull,
}
