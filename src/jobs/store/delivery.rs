//! Webhook deliveries: what the sender receives and reports, and what owners list.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::jobs::life::key::Key;
use crate::jobs::timestamp::Timestamp;

/// Number of webhooks that the sender can start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryCapacity {
    /// Webhooks that can start now, to all receivers.
    pub total: usize,
    /// Maximum number of simultaneous webhooks to one receiver (host and port), including those in progress.
    pub per_receiver: usize,
}

/// A webhook to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Key of the record that contains the delivery.
    pub(in crate::jobs) record: Key,
    /// Id of the delivery, the same for every attempt.
    pub id: String,
    /// `job.progress`, `job.done`, `job.error`, `item.done`, `item.error`, `batch.completed`.
    pub event: &'static str,
    /// URL of the receiver.
    pub url: String,
    /// JSON body: the job or batch as it was at the event, or the item with the id of its batch as `batch`.
    pub body: String,
    /// Number of attempts before this one.
    pub attempts: u32,
}

/// Result of one attempt to send a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Status code of the receiver's answer, if there was one.
    pub answer: Option<u16>,
    /// Why the attempt failed; empty when it succeeded.
    pub error: String,
    /// What follows the attempt.
    pub next: NextAction,
}

/// What follows an attempt to send a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextAction {
    /// The webhook is delivered.
    Delivered,
    /// Another attempt follows after this time.
    RetryAfter(Duration),
    /// The webhook has failed and no attempt follows.
    Failed,
}

/// A webhook delivery as shown to the owner of its job or batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryRecord {
    /// Id of the delivery, the same for every attempt.
    pub id: String,
    /// `job.progress`, `job.done`, `job.error`; `item.done`, `item.error`, `batch.completed`.
    pub event: &'static str,
    /// `pending`, `delivered`, `failed`, or `superseded`: a later event of the job replaced this one before it was
    /// sent.
    pub status: &'static str,
    /// Number of attempts so far.
    pub attempts: u32,
    /// Time of the event.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Time of the next attempt, if one follows.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// Time of the last attempt.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    /// Status code of the receiver's last answer.
    pub answer: Option<u16>,
    /// Why the last attempt failed; empty when it succeeded.
    pub error: String,
}

impl DeliveryRecord {
    /// All values of `status`.
    pub const STATUSES: [&'static str; 4] = ["pending", "delivered", "failed", "superseded"];
}

/// A webhook delivery of a batch: of its end, or of one of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchDelivery {
    /// Number of the row, from 1; null for the end of the batch.
    pub row: Option<u64>,
    /// State of the delivery, as members of this object.
    #[serde(flatten)]
    pub delivery: DeliveryRecord,
}

/// Selects deliveries of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Only deliveries with this status, one of [`DeliveryRecord::STATUSES`]; `None` for all.
    pub status: Option<&'static str>,
    /// Number of matching deliveries to skip.
    pub offset: u64,
    /// Maximum number of deliveries.
    pub limit: u64,
}

/// A page of the deliveries of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryListing {
    /// The deliveries, oldest first.
    pub deliveries: Vec<BatchDelivery>,
    /// Number of all deliveries that match the query.
    pub total: u64,
}
