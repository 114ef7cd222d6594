//! Types that callers, workers and the webhook sender exchange with [`super::Service`].

pub(super) mod attempt;
pub(super) mod delivery;
pub(super) mod error;
pub(super) mod listing;
pub(super) mod submission;

pub use self::attempt::{
    AttemptId, AttemptReport, FetchFilter, Fetched, FetchedJob, Outcome, PinnedAsset, Requeue, RowInput, RowOutcome,
    RowPages, StoredFile, Work,
};
pub use self::delivery::{
    BatchDelivery, Delivery, DeliveryAttempt, DeliveryCapacity, DeliveryListing, DeliveryQuery, DeliveryRecord,
    NextAction,
};
pub use self::error::{StoreError, StoreFuture};
pub use self::listing::{Counts, ItemPage, ItemQuery};
pub use self::submission::{
    BatchSubmitOutcome, Idempotency, NewBatch, NewJob, NewRow, Owner, RowError, SubmitOutcome, Template, TemplateEntry,
};
