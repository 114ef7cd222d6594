//! Renders that outlive their request: single jobs and batches in a durable queue.
//!
//! In: jobs and batches, the rules for their states (`life`), their steps (`service`), the stores that keep them
//! (`ledger`, implemented by `sqlite` and `nats`); workers, finished files and their links, webhooks. Not in: HTTP
//! (`server`), rendering (`renderers`). Imports: `pipeline`, `options`, `output` (the list of formats), `assets` (HTTP
//! clients, asset snapshots), `rows`, `error`, `hash`, `calls`, `renderers`.
//!
//! A job is stored before its submission is answered. From then on until it ends it is either in the queue or with a
//! worker, whose attempt is recorded before it begins. The names of its results are recorded too, so that files of
//! removed jobs are found and removed after any crash.

mod batch;
mod batch_assets;
mod batch_request;
mod batches;
mod facade;
mod folder;
mod job;
mod ledger;
mod life;
mod names;
#[cfg(feature = "cluster")]
mod nats;
mod results;
mod service;
mod sqlite;
mod storage_error;
mod store;
mod template;
mod template_records;
mod timestamp;
mod trace;
mod webhook;
mod worker;

pub use self::batch::{Batch, BatchId, BatchListing, Document, Item, ItemListing, RowCounts};
pub use self::batches::{BatchCall, BatchSubmission};
pub use self::facade::{JobError, Jobs, OpenError, Submission};
pub use self::folder::DataFolder;
pub use self::job::{Job, JobId, Listing, Status};
pub use self::results::{Area, ResultError, Results};
pub use self::service::{Service, StoreLimits};
pub use self::store::{
    AttemptId, AttemptReport, BatchDelivery, BatchSubmitOutcome, Counts, Delivery, DeliveryAttempt, DeliveryCapacity,
    DeliveryListing, DeliveryQuery, DeliveryRecord, FetchFilter, Fetched, FetchedJob, Idempotency, ItemPage, ItemQuery,
    NewBatch, NewJob, NewRow, NextAction, Outcome, Owner, PinnedAsset, Requeue, RowError, RowInput, RowOutcome,
    RowPages, StoreError, StoreFuture, StoredFile, SubmitOutcome, Template, TemplateEntry, Work,
};
pub use self::template_records::TemplateRecords;
pub use self::timestamp::{Clock, Timestamp, system_clock};
