//! Messages about work and webhooks: received, compared with their records, acknowledged.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::claims::ClaimedMessage;
use super::ledger::NatsLedger;
use super::message::{UNRECORDED, WebhookMessage, WorkMessage};
use super::pull::{InFlightMessage, Puller};
use crate::jobs::batch::BatchId;
use crate::jobs::ledger::{Claim, Dispatch, Due, DueDelivery, EndSignals, OpenBatch, Release, Stored};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::store::{DeliveryCapacity, FetchFilter, StoreError, StoreFuture};
use crate::jobs::timestamp::Timestamp;

/// Reads of a record that may be written a moment after its message.
const LOOKUPS: u32 = 20;
const LOOKUP_INTERVAL: Duration = Duration::from_millis(5);
/// Delay of a message whose record is not written yet.
const UNRECORDED_DELAY: Duration = Duration::from_millis(500);
/// Delay of a webhook whose receiver has the most calls at the same time.
const BUSY_DELAY: Duration = Duration::from_millis(300);
/// Obsolete messages that one call skips.
const MAX_SKIPPED: usize = 64;
/// Webhooks fetched by one request.
const MAX_WEBHOOKS: usize = 32;

/// What the record says about a message.
enum MessageState {
    Record(Box<Stored<JobRecord>>),
    /// The message is obsolete.
    Obsolete,
    Later(Duration),
}

impl Dispatch for NatsLedger {
    // Messages come in the order of their stream, so that the caller releases what it cannot begin.
    fn next_due(&self, _: FetchFilter) -> StoreFuture<'_, Due> {
        Box::pin(async move {
            for _ in 0..MAX_SKIPPED {
                self.cluster.connected()?;
                let Some((source, message)) = self.next_message().await? else { return Ok(Due::Nothing(None)) };
                let read: Result<WorkMessage, _> = serde_json::from_slice(&message.payload);
                let Some(key) = read.ok().and_then(|it| it.key()) else {
                    let sequence = message.sequence;
                    tracing::error!(sequence, "a message in the queue has no valid ids; it is deleted");
                    message.ack().await;
                    continue;
                };
                match self.message_state(&key, &message).await {
                    Ok(MessageState::Record(stored)) => {
                        let claimed = ClaimedMessage { message, source: source.clone(), receiver: None };
                        return Ok(Due::Record(stored, self.claims.insert(claimed)));
                    }
                    Ok(MessageState::Obsolete) => message.ack().await,
                    Ok(MessageState::Later(after)) => message.nak(after).await,
                    Err(error) => {
                        source.requeue(message);
                        return Err(error);
                    }
                }
            }
            Ok(Due::Nothing(Some(self.cluster.now())))
        })
    }

    fn work_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tokio::select! {
                () = self.work.arrival() => {}
                () = self.rows.arrival() => {}
            }
        })
    }

    fn deliveries_due(&self, room: DeliveryCapacity) -> StoreFuture<'_, (Vec<DueDelivery>, Option<Timestamp>)> {
        Box::pin(async move {
            self.cluster.connected()?;
            let count = room.total.min(MAX_WEBHOOKS);
            let pulled = self.hooks.fetch(count).await;
            let pulled = pulled.map_err(|error| self.cluster.failed("cannot fetch webhooks to send", error))?;
            let more = pulled.len() == count;
            let mut due = Vec::new();
            for message in pulled {
                // After a failure the message is dropped and delivered again.
                match self.delivery_of(&message).await {
                    Ok(Some((stored, id, receiver))) => {
                        if self.claims.calls_to(&receiver) >= room.per_receiver {
                            message.nak(BUSY_DELAY).await;
                            continue;
                        }
                        let claimed = ClaimedMessage { message, source: self.hooks.clone(), receiver: Some(receiver) };
                        due.push(DueDelivery { stored, id, claim: self.claims.insert(claimed) });
                    }
                    Ok(None) => message.ack().await,
                    Err(error) => tracing::warn!(%error, "cannot look up a webhook; it is delivered again"),
                }
            }
            Ok((due, more.then(|| self.cluster.now())))
        })
    }

    fn delivery_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.hooks.arrival())
    }

    fn release(&self, claim: Claim, release: Release) -> BoxFuture<'_, ()> {
        Box::pin(self.claims.release(claim, release))
    }

    fn publish_webhook<'a>(&'a self, key: &'a Key, delivery: &'a str, id: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(self.cluster.publish_webhook(key, delivery, id))
    }

    fn end_signals(&self) -> &EndSignals {
        self.cluster.index.end_signals()
    }

    fn open_batches(&self) -> StoreFuture<'_, Vec<OpenBatch>> {
        Box::pin(async move {
            if !self.cluster.index.is_complete()
                || self.cluster.connected().is_err()
                || !self.feeder.holds_lease(&self.cluster).await?
            {
                return Ok(Vec::new());
            }
            Ok(self.cluster.index.open_batches())
        })
    }

    fn batches_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.cluster.index.batches_changed())
    }

    fn enqueue_rows<'a>(&'a self, batch: &'a BatchId) -> StoreFuture<'a, ()> {
        Box::pin(self.feeder.enqueue_rows(&self.cluster, batch))
    }

    fn reachable(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(self.cluster.connected()))
    }

    fn maintain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.cluster.reconcile())
    }

    fn shut_down(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.work.shut_down().await;
            self.rows.shut_down().await;
            self.feeder.release_lease(&self.cluster).await;
            // Acknowledgements are buffered by the client.
            if self.cluster.connected().is_ok()
                && let Err(error) = self.cluster.client.flush().await
            {
                tracing::debug!(%error, "cannot send the last acknowledgements");
            }
        })
    }
}

impl NatsLedger {
    /// The next message and its source: single jobs before rows.
    async fn next_message(&self) -> Result<Option<(&Puller, InFlightMessage)>, StoreError> {
        for source in [&self.work, &self.rows] {
            let pulled = source.fetch(1).await.map_err(|error| self.cluster.failed("cannot fetch a job", error))?;
            if let Some(message) = pulled.into_iter().next() {
                return Ok(Some((source, message)));
            }
        }
        Ok(None)
    }

    /// Compares a message with the record under `key`, which has the sequence number of its current message.
    async fn message_state(&self, key: &Key, message: &InFlightMessage) -> Result<MessageState, StoreError> {
        let found = self.load_with_retries(key).await?;
        let is_old = self.cluster.now().since(message.published) > UNRECORDED;
        Ok(match found {
            Some(found) if found.record.status.is_end() || found.record.sequence > message.sequence => {
                MessageState::Obsolete
            }
            Some(found) if found.record.sequence == message.sequence => MessageState::Record(Box::new(found)),
            // Published again and not in the record yet; or its front end gave up.
            Some(_) | None if is_old => MessageState::Obsolete,
            Some(_) | None => MessageState::Later(UNRECORDED_DELAY),
        })
    }

    /// Loads a record that is written after its message is published, and as a rule before the message is received.
    async fn load_with_retries(&self, key: &Key) -> Result<Option<Stored<JobRecord>>, StoreError> {
        for _ in 0..LOOKUPS {
            if let Some(found) = self.cluster.load(key).await? {
                return Ok(Some(found));
            }
            tokio::time::sleep(LOOKUP_INTERVAL).await;
        }
        Ok(None)
    }

    /// The record of a webhook, the id of the delivery, and its receiver. `None` when the delivery is not pending any
    /// more.
    async fn delivery_of(&self, message: &InFlightMessage) -> Result<Option<(Stored, String, String)>, StoreError> {
        let read: Option<WebhookMessage> = serde_json::from_slice(&message.payload).ok();
        let Some((key, id)) = read.and_then(|it| Some((Key::parse(&it.job)?, it.delivery))) else { return Ok(None) };
        let Some(stored) = self.cluster.load::<Entry>(&key).await? else { return Ok(None) };
        let pending = stored.record.deliveries().iter().find(|it| it.id == id && it.is_pending());
        let receiver = pending.map(|it| it.receiver());
        Ok(receiver.map(|receiver| (stored, id, receiver)))
    }
}
