//! Messages in the streams, as JSON: what they refer to. The state is in the records.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;

/// Time after which a message without a record is deleted. Front ends write the record far earlier or never.
pub(super) const UNRECORDED: Duration = Duration::from_secs(60);

/// A message in the queue of jobs or of rows. Only the ids are read; the rest is for people who look into the stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WorkMessage {
    /// Id of the job or row.
    pub(super) id: String,
    /// Hash of the submitted body, in hexadecimal digits; empty without a body.
    digest: String,
    /// Extension of the result file.
    format: String,
    /// Id of the batch, in the message of a row.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    batch: Option<String>,
    /// Value of the header `traceparent` (W3C Trace Context) of the call that submitted the work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<String>,
}

impl WorkMessage {
    pub(super) fn of_job(id: &JobId, hash: ContentHash, format: &str, traceparent: Option<String>) -> Self {
        let (id, digest, format) = (id.to_string(), hash.to_string(), format.to_owned());
        Self { id, digest, format, batch: None, traceparent }
    }

    pub(super) fn of_row(batch: &BatchId, id: &JobId, hash: ContentHash, format: &str) -> Self {
        Self { batch: Some(batch.to_string()), ..Self::of_job(id, hash, format, None) }
    }

    /// The message that replaces a lost one.
    pub(super) fn of_record(record: &JobRecord) -> Self {
        Self {
            id: record.id.clone(),
            digest: record.body.as_ref().map(|body| body.hash.to_string()).unwrap_or_default(),
            format: record.extension.clone(),
            batch: record.row.as_ref().and_then(|row| row.batch()).map(|batch| batch.to_string()),
            traceparent: record.traceparent.clone(),
        }
    }

    /// The key of the record that the message refers to; `None` when its ids are invalid.
    pub(super) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.batch {
            Some(batch) => Some(Key::Row(BatchId::parse(batch)?, id)),
            None => Some(Key::Job(id)),
        }
    }
}

/// A message in the stream of webhooks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WebhookMessage {
    /// Key of the record whose outbox has the delivery.
    pub(super) job: String,
    /// Id of the delivery.
    pub(super) delivery: String,
}
