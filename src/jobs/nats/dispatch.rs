//! Work and webhooks as messages: fetched, held against the record they are about, answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Nats;
use super::pull::{InFlightMessage, Puller};
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::{Claim, Dispatch, Due, DueDelivery, EndSignals, OpenBatch, Release, Stored};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::store::{Answer, DeliveryCapacity, StoreError, TakeFilter};
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// How long a message without a record is somebody's who may still write one: a front end gives up far earlier.
pub(super) const UNRECORDED: Duration = Duration::from_secs(60);
/// Looks for a record that comes a moment after its message, and between them.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// Before a message is looked at again for which there is nothing to do yet.
const SOON: Duration = Duration::from_millis(500);
/// Before a webhook is looked at again whose receiver has as many calls as it may.
const BUSY: Duration = Duration::from_millis(300);
/// Messages looked at in one go that turn out to be nothing to do, and webhooks fetched in one go.
const MOST_LOOKS: usize = 64;
const MOST_WEBHOOKS: usize = 32;

/// What stands in the streams of work: enough to find the rest, and for somebody who reads along.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WorkMessage {
    /// The job's id.
    pub(super) id: String,
    /// SHA-256 of what was sent.
    pub(super) digest: String,
    /// Ending of its result's name.
    pub(super) format: String,
    /// Of a row, its batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) batch: Option<String>,
    /// W3C Trace Context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) traceparent: Option<String>,
}

impl WorkMessage {
    pub(super) fn of_row(batch: &BatchId, id: &JobId, hash: ContentHash, format: &str) -> Self {
        let batch = Some(batch.to_string());
        Self { id: id.to_string(), digest: hash.to_string(), format: format.to_owned(), batch, traceparent: None }
    }

    /// The record that it is about; `None` when this is no message of ours.
    pub(super) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.batch {
            Some(batch) => Some(Key::Row(BatchId::parse(batch)?, id)),
            None => Some(Key::Job(id)),
        }
    }
}

/// What stands in the stream of webhooks.
#[derive(Debug, Serialize, Deserialize)]
struct WebhookMessage {
    /// The record that has the delivery.
    job: String,
    delivery: String,
}

/// Messages that this process answers when it is done with what they are about.
#[derive(Default)]
pub(super) struct Claims {
    latest: AtomicU64,
    held: Mutex<HashMap<Claim, Claimed>>,
}

struct Claimed {
    message: InFlightMessage,
    source: Puller,
    /// Of a webhook, who is called.
    receiver: Option<String>,
}

impl Claims {
    fn hold(&self, claimed: Claimed) -> Claim {
        let claim = Claim(self.latest.fetch_add(1, Ordering::Relaxed) + 1);
        self.lock().insert(claim, claimed);
        claim
    }

    fn take(&self, claim: Claim) -> Option<Claimed> {
        self.lock().remove(&claim)
    }

    /// Calls to this receiver that this process is making.
    fn calls_to(&self, receiver: &str) -> usize {
        self.lock().values().filter(|it| it.receiver.as_deref() == Some(receiver)).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Claim, Claimed>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message is worth now.
enum MessageState {
    Record(Box<Stored<JobRecord>>),
    /// Nothing will ever be to do for it.
    Nothing,
    Later(Duration),
}

impl Dispatch for Nats {
    // Messages come in the order of their stream, so that the caller releases what it cannot begin.
    fn next_due(&self, _: TakeFilter) -> Answer<'_, Due> {
        Box::pin(async move {
            for _ in 0..MOST_LOOKS {
                self.connected()?;
                let Some((source, message)) = self.fetch().await? else { return Ok(Due::Nothing(None)) };
                let read: Result<WorkMessage, _> = serde_json::from_slice(&message.payload);
                let Some(key) = read.ok().and_then(|it| it.key()) else {
                    let sequence = message.sequence;
                    tracing::error!(sequence, "a message in the queue is none of ours; it is removed");
                    message.done().await;
                    continue;
                };
                match self.message_state(&key, &message).await {
                    Ok(MessageState::Record(stored)) => {
                        let claimed = Claimed { message, source: source.clone(), receiver: None };
                        return Ok(Due::Record(stored, self.0.claims.hold(claimed)));
                    }
                    Ok(MessageState::Nothing) => message.done().await,
                    Ok(MessageState::Later(after)) => message.later(after).await,
                    Err(error) => {
                        source.put_back(message);
                        return Err(error);
                    }
                }
            }
            Ok(Due::Nothing(Some(self.now())))
        })
    }

    fn work_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tokio::select! {
                () = self.0.work.arrival() => {}
                () = self.0.rows.arrival() => {}
            }
        })
    }

    fn deliveries_due(&self, room: DeliveryCapacity) -> Answer<'_, (Vec<DueDelivery>, Option<Timestamp>)> {
        Box::pin(async move {
            self.connected()?;
            let count = room.of_all.min(MOST_WEBHOOKS);
            let pulled = self.0.hooks.now(count).await;
            let pulled = pulled.map_err(|error| self.failed("cannot fetch webhooks to send", error))?;
            let more = pulled.len() == count;
            let mut due = Vec::new();
            for message in pulled {
                // A failure leaves its message to come again.
                match self.delivery_of(&message).await {
                    Ok(Some((stored, id, receiver))) => {
                        if self.0.claims.calls_to(&receiver) >= room.of_receiver {
                            message.later(BUSY).await;
                            continue;
                        }
                        let claimed = Claimed { message, source: self.0.hooks.clone(), receiver: Some(receiver) };
                        due.push(DueDelivery { stored, id, claim: self.0.claims.hold(claimed) });
                    }
                    Ok(None) => message.done().await,
                    Err(error) => tracing::warn!(%error, "cannot look up a webhook; it comes again"),
                }
            }
            Ok((due, more.then(|| self.now())))
        })
    }

    fn delivery_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.hooks.arrival())
    }

    fn release(&self, claim: Claim, how: Release) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(Claimed { message, source, .. }) = self.0.claims.take(claim) else { return };
            match how {
                Release::Done => message.done().await,
                Release::Later(after) => message.later(after).await,
                Release::Next => source.put_back(message),
                Release::Silent => drop(message),
            }
        })
    }

    fn announce<'a>(&'a self, key: &'a Key, delivery: &'a str, name: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let message = WebhookMessage { job: key.to_string(), delivery: delivery.to_owned() };
            let text = serde_json::to_vec(&message).map_err(|error| self.failed("cannot write a message", error))?;
            let message = PublishMessage::build().payload(text.into()).message_id(name);
            let sending = self.0.context.send_publish(self.0.layout.hooks_subject(), message).await;
            let sent = match sending {
                Ok(answer) => answer.await,
                Err(error) => Err(error),
            };
            sent.map(drop).map_err(|error| self.failed("cannot send word of a webhook", with_causes(&error)))
        })
    }

    fn ends(&self) -> &EndSignals {
        self.0.index.ends()
    }

    fn open_batches(&self) -> Answer<'_, Vec<OpenBatch>> {
        Box::pin(async move {
            if !self.0.index.is_complete() || self.connected().is_err() || !self.holds_lease().await? {
                return Ok(Vec::new());
            }
            Ok(self.0.index.open_batches())
        })
    }

    fn batches_changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.index.batches_changed())
    }

    fn feed<'a>(&'a self, batch: &'a BatchId) -> Answer<'a, ()> {
        Box::pin(self.feed_batch(batch))
    }

    fn reachable(&self) -> Result<(), StoreError> {
        self.connected()
    }

    fn maintain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.reconcile())
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.work.leave().await;
            self.0.rows.leave().await;
            self.give_back_lease().await;
            // Words that are on their way have to leave before the process does.
            if self.connected().is_ok()
                && let Err(error) = self.0.client.flush().await
            {
                tracing::debug!(%error, "cannot say good-bye");
            }
        })
    }
}

impl Nats {
    /// The next message, and where it is from: single jobs before rows.
    async fn fetch(&self) -> Result<Option<(&Puller, InFlightMessage)>, StoreError> {
        for source in [&self.0.work, &self.0.rows] {
            let pulled = source.now(1).await.map_err(|error| self.failed("cannot fetch a job", error))?;
            if let Some(message) = pulled.into_iter().next() {
                return Ok(Some((source, message)));
            }
        }
        Ok(None)
    }

    /// Whether a message is the one that its record knows of.
    async fn message_state(&self, key: &Key, message: &InFlightMessage) -> Result<MessageState, StoreError> {
        let found = self.find_soon(key).await?;
        let is_old = self.now().since(message.published) > UNRECORDED;
        Ok(match found {
            Some(found) if found.record.status.is_end() || found.record.sequence > message.sequence => {
                MessageState::Nothing
            }
            Some(found) if found.record.sequence == message.sequence => MessageState::Record(Box::new(found)),
            // Sent to replace one that was lost, and not yet on record as such; or of somebody who gave up.
            Some(_) | None if is_old => MessageState::Nothing,
            Some(_) | None => MessageState::Later(SOON),
        })
    }

    /// The record comes after its message, as a rule before the message is here.
    async fn find_soon(&self, key: &Key) -> Result<Option<Stored<JobRecord>>, StoreError> {
        for _ in 0..LOOKS {
            if let Some(found) = self.look_up(key).await? {
                return Ok(Some(found));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(None)
    }

    /// The record that a message about a webhook is about, which of its deliveries, and who is called. `None` when there is nothing
    /// to deliver any more.
    async fn delivery_of(&self, message: &InFlightMessage) -> Result<Option<(Stored, String, String)>, StoreError> {
        let read: Option<WebhookMessage> = serde_json::from_slice(&message.payload).ok();
        let Some((key, id)) = read.and_then(|it| Some((Key::parse(&it.job)?, it.delivery))) else { return Ok(None) };
        let Some(stored) = self.look_up::<Entry>(&key).await? else { return Ok(None) };
        let waiting = stored.record.deliveries().iter().find(|it| it.id == id && it.is_pending());
        let receiver = waiting.map(|it| it.receiver());
        Ok(receiver.map(|receiver| (stored, id, receiver)))
    }
}
