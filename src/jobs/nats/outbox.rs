//! What receivers are told: on record with the job, with a message each that comes again until it is delivered or given up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Nats;
use super::batches::refused;
use super::pull::Held;
use super::record::{HookStatus, Record};
use super::records::{Change, Found};
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::moment::Moment;
use crate::jobs::store::{
    Answer, BatchDelivery, Delivery, DeliveryListing, DeliveryQuery, DeliveryRecord, Outbox, Owner, Room, StoreError,
    Then, Tried,
};
use crate::report::with_causes;

/// Before a delivery is looked at again that waits for another one: of its job, or to its receiver.
const SOON: Duration = Duration::from_millis(300);
/// Messages looked at in one go.
const MOST_LOOKS: usize = 32;

/// What stands in the stream of webhooks.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    job: String,
    delivery: String,
}

/// What this process is sending, by the delivery's id.
#[derive(Default)]
pub(super) struct Sending(Mutex<HashMap<String, Call>>);

struct Call {
    job: JobId,
    receiver: String,
    held: Held,
}

impl Sending {
    fn to(&self, receiver: &str) -> usize {
        self.lock().values().filter(|call| call.receiver == receiver).count()
    }

    fn begin(&self, id: &str, call: Call) {
        self.lock().insert(id.to_owned(), call);
    }

    fn end(&self, id: &str) -> Option<Call> {
        self.lock().remove(id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Call>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Verdict {
    Send(Box<(Delivery, String)>),
    Done,
    Later(Duration),
}

impl Outbox for Nats {
    fn due(&self, room: Room, lease: Duration) -> Answer<'_, (Vec<Delivery>, Option<Moment>)> {
        Box::pin(async move {
            self.connected()?;
            let count = room.of_all.min(MOST_LOOKS);
            let pulled = self.0.hooks.now(count).await;
            let pulled = pulled.map_err(|error| self.failed("cannot fetch webhooks to send", error))?;
            let more = pulled.len() == count;
            let mut due = Vec::new();
            for held in pulled {
                // A failure leaves its message to come again.
                let (job, verdict) = match self.judge_hook(&held, room, lease).await {
                    Ok(judged) => judged,
                    Err(error) => {
                        tracing::warn!(%error, "cannot look up a webhook; it comes again");
                        continue;
                    }
                };
                match (job, verdict) {
                    (Some(job), Verdict::Send(found)) => {
                        let (delivery, receiver) = *found;
                        self.0.sending.begin(&delivery.id, Call { job, receiver, held });
                        due.push(delivery);
                    }
                    (_, Verdict::Later(after)) => held.later(after).await,
                    _ => held.done().await,
                }
            }
            Ok((due, more.then(|| self.now())))
        })
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.hooks.arrival())
    }

    fn tried<'a>(&'a self, id: &'a str, tried: Tried) -> Answer<'a, ()> {
        Box::pin(async move {
            let Some(Call { job, held, .. }) = self.0.sending.end(id) else { return Ok(()) };
            let now = self.now();
            let changed = self
                .change(&job, |record| match record.deliveries.iter_mut().find(|it| it.id == id) {
                    Some(hook) => {
                        hook.tried(&tried, now);
                        Change::Write(hook.status == HookStatus::Pending)
                    }
                    None => Change::Leave(false),
                })
                .await?;
            match (changed, tried.then) {
                (Some((_, true)), Then::Again(after)) => held.later(after).await,
                _ => held.done().await,
            }
            Ok(())
        })
    }

    fn deliveries<'a>(&'a self, owner: &'a Owner, job: &'a JobId) -> Answer<'a, Option<Vec<DeliveryRecord>>> {
        Box::pin(async move {
            let found = self.own(owner, job).await?;
            Ok(found.map(|it| it.record.deliveries.iter().map(|hook| hook.record()).collect()))
        })
    }

    fn retry<'a>(&'a self, owner: &'a Owner, job: &'a JobId, id: &'a str) -> Answer<'a, Option<DeliveryRecord>> {
        Box::pin(async move {
            let now = self.now();
            let changed = self
                .change_own(owner, job, |record| match record.deliveries.iter_mut().find(|it| it.id == id) {
                    Some(hook) => {
                        hook.again(now);
                        Change::Write(Some(hook.record()))
                    }
                    None => Change::Leave(None),
                })
                .await?;
            let Some((record, begun)) = changed else { return Ok(None) };
            let name = format!("{id}-{}", now.micros());
            let posted = self.post_hook(&record, id, &name).await;
            posted.map_err(|error| self.failed("cannot send a webhook anew", with_causes(&error)))?;
            Ok(Some(begun))
        })
    }

    fn batch_deliveries<'a>(
        &'a self,
        _: &'a Owner,
        _: &'a BatchId,
        _: DeliveryQuery,
    ) -> Answer<'a, Option<DeliveryListing>> {
        refused()
    }

    fn retry_of_batch<'a>(&'a self, _: &'a Owner, _: &'a BatchId, _: &'a str) -> Answer<'a, Option<BatchDelivery>> {
        refused()
    }
}

impl Nats {
    /// What to do about a message; when that is to send, the call is on record as under way.
    async fn judge_hook(
        &self,
        held: &Held,
        room: Room,
        lease: Duration,
    ) -> Result<(Option<JobId>, Verdict), StoreError> {
        let note: Option<Note> = serde_json::from_slice(&held.payload).ok();
        let named = note.and_then(|note| Some((JobId::parse(&note.job)?, note.delivery)));
        let Some((job, delivery)) = named else { return Ok((None, Verdict::Done)) };
        loop {
            let Some(Found { mut record, revision }) = self.find(&job).await? else {
                return Ok((None, Verdict::Done));
            };
            let now = self.now();
            // One at a time of each job, so that its receiver never hears of the end before the beginning.
            let busy = record.deliveries.iter().any(|it| it.leased_until > now.micros());
            let hook = record.deliveries.iter_mut().find(|it| it.id == delivery && it.status == HookStatus::Pending);
            let Some(hook) = hook else { return Ok((None, Verdict::Done)) };
            let wait = Moment::from_micros(hook.next).since(now);
            let receiver = hook.receiver();
            if busy || self.0.sending.to(&receiver) >= room.of_receiver {
                return Ok((None, Verdict::Later(SOON.max(wait))));
            }
            if wait > Duration::ZERO {
                return Ok((None, Verdict::Later(wait)));
            }
            hook.leased_until = now.plus(lease).micros();
            let found = Verdict::Send(Box::new((hook.delivery(), receiver)));
            if self.replace(&record, revision).await? {
                return Ok((Some(job), found));
            }
        }
    }

    /// Sends word of a delivery. `name`: two of the same within two minutes are one.
    pub(super) async fn post_hook(&self, record: &Record, delivery: &str, name: &str) -> Result<(), PublishError> {
        let note = Note { job: record.id.clone(), delivery: delivery.to_owned() };
        let text = serde_json::to_vec(&note).unwrap_or_default();
        let message = PublishMessage::build().payload(text.into()).message_id(name);
        self.0.context.send_publish(self.0.layout.hooks_subject(), message).await?.await.map(drop)
    }
}
