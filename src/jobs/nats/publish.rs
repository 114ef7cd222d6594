//! Publishing messages about jobs, rows and webhooks. Message ids make a repeated publication within two minutes
//! harmless.

use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;

use super::cluster::ClusterConnection;
use super::error::NatsError;
use super::message::{WebhookMessage, WorkMessage};
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::store::StoreError;

/// Parts of the servers' errors about a full stream: of all messages, and of those of one subject.
const FULL: &str = "maximum messages exceeded";
const OWNER_FULL: &str = "maximum messages per subject exceeded";

/// Answer of the server to a work message.
pub(super) enum Published {
    /// Its sequence number in the stream.
    Sequence(u64),
    QueueFull,
    OwnerFull,
}

impl ClusterConnection {
    /// Publishes a work message to `subject`. Of two messages with the same `id` within two minutes, the second is
    /// dropped.
    pub(super) async fn publish(
        &self,
        subject: String,
        message: &WorkMessage,
        id: &str,
    ) -> Result<Published, StoreError> {
        self.connected()?;
        let error = match self.publish_json(subject, message, id).await? {
            Ok(ack) => return Ok(Published::Sequence(ack.sequence)),
            Err(error) => error,
        };
        // The server has one code for both limits (10077, "store failed"); only its text distinguishes them.
        match error.to_string() {
            text if text.contains(OWNER_FULL) => Ok(Published::OwnerFull),
            text if text.contains(FULL) => Ok(Published::QueueFull),
            text => Err(self.failed("cannot put a job into the queue", text)),
        }
    }

    /// Publishes a new message for a job or row and writes its sequence number into the record. False when the job has
    /// ended, another process was faster, or the queue is full.
    pub(super) async fn republish(&self, found: &Stored<JobRecord>) -> Result<bool, StoreError> {
        let record = &found.record;
        if record.status.is_end() {
            return Ok(false);
        }
        let subject = match record.row.as_ref().and_then(|row| row.batch()) {
            Some(batch) => self.layout.rows_subject(&batch),
            None => self.layout.work_subject(&record.owner),
        };
        // Front ends that republish at the same time use the same id.
        let id = format!("{}-{}", record.id, found.revision);
        let published = self.publish(subject, &WorkMessage::of_record(record), &id).await?;
        let Published::Sequence(sequence) = published else { return Ok(false) };
        let mut changed = record.clone();
        changed.sequence = sequence;
        Ok(self.replace(&Entry::Job(changed), found.revision).await?.is_some())
    }

    /// Publishes a message about a delivery in the outbox of the record under `key`.
    pub(super) async fn publish_webhook(&self, key: &Key, delivery: &str, id: &str) -> Result<(), StoreError> {
        let message = WebhookMessage { job: key.to_string(), delivery: delivery.to_owned() };
        let published = self.publish_json(self.layout.hooks_subject(), &message, id).await?;
        published.map(drop).map_err(|reason| self.failed("cannot put a webhook into the queue", reason))
    }

    /// Publishes messages about all pending deliveries of a record. Failures are logged and repaired later
    /// (`reconcile`).
    pub(super) async fn publish_pending_webhooks(&self, record: &Entry) {
        let Some(key) = record.key() else { return };
        for delivery in record.deliveries().iter().filter(|it| it.is_pending()) {
            if let Err(error) = self.publish_webhook(&key, &delivery.id, &delivery.id).await {
                tracing::warn!(%key, %error, "a webhook is not queued yet; it is found later");
            }
        }
    }

    /// The inner error is the server's answer or the lack of one.
    async fn publish_json(
        &self,
        subject: String,
        message: &impl serde::Serialize,
        id: &str,
    ) -> Result<Result<PublishAck, NatsError>, StoreError> {
        let text = serde_json::to_vec(message).map_err(|error| self.failed("cannot write a message", error))?;
        let message = PublishMessage::build().payload(text.into()).message_id(id);
        let answer = match self.context.send_publish(subject, message).await {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        Ok(answer.map_err(NatsError::request))
    }
}
