//! What receivers are told: on record with the job, with a message each that comes again until it is delivered or given up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use super::Nats;
use super::jobs::PARALLEL;
use super::pull::Held;
use super::records::{Change, Found, StoredRecord};
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::delivery::DeliveryStatus;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
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
    /// Where the record stands.
    job: String,
    delivery: String,
}

/// What this process is sending, by the delivery's id.
#[derive(Default)]
pub(super) struct Sending(Mutex<HashMap<String, Call>>);

struct Call {
    key: Key,
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
                let (key, verdict) = match self.judge_hook(&held, room, lease).await {
                    Ok(judged) => judged,
                    Err(error) => {
                        tracing::warn!(%error, "cannot look up a webhook; it comes again");
                        continue;
                    }
                };
                match (key, verdict) {
                    (Some(key), Verdict::Send(found)) => {
                        let (delivery, receiver) = *found;
                        self.0.sending.begin(&delivery.id, Call { key, receiver, held });
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
            let Some(Call { key, held, .. }) = self.0.sending.end(id) else { return Ok(()) };
            let waits = match &key {
                Key::Batch(_) => self.note_try::<BatchRecord>(&key, id, &tried).await?,
                _ => self.note_try::<JobRecord>(&key, id, &tried).await?,
            };
            match (waits, tried.then) {
                (true, Then::Again(after)) => held.later(after).await,
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
            match self.own(owner, job).await? {
                Some(_) => self.begin_again::<JobRecord>(&Key::Job(job.clone()), id).await,
                None => Ok(None),
            }
        })
    }

    fn batch_deliveries<'a>(
        &'a self,
        owner: &'a Owner,
        batch: &'a BatchId,
        which: DeliveryQuery,
    ) -> Answer<'a, Option<DeliveryListing>> {
        Box::pin(async move {
            let Some(Found { record: head, .. }) = self.own_batch_seen(owner, batch).await? else { return Ok(None) };
            let of_end = head.deliveries.iter().map(|hook| BatchDelivery { row: None, delivery: hook.record() });
            let mut all: Vec<_> = of_end.collect();
            for row in self.told_of_rows(&head, batch).await? {
                let number = row.row.as_ref().map(|it| it.number);
                all.extend(row.deliveries.iter().map(|it| BatchDelivery { row: number, delivery: it.record() }));
            }
            all.retain(|it| which.status.is_none_or(|status| it.delivery.status == status));
            all.sort_by_key(|it| it.delivery.created_at);
            let total = all.len() as u64;
            let skipped = all.into_iter().skip(usize::try_from(which.offset).unwrap_or(usize::MAX));
            let deliveries = skipped.take(usize::try_from(which.limit).unwrap_or(usize::MAX)).collect();
            Ok(Some(DeliveryListing { deliveries, total }))
        })
    }

    fn retry_of_batch<'a>(
        &'a self,
        owner: &'a Owner,
        batch: &'a BatchId,
        id: &'a str,
    ) -> Answer<'a, Option<BatchDelivery>> {
        Box::pin(async move {
            let Some(Found { record: head, .. }) = self.own_batch_seen(owner, batch).await? else { return Ok(None) };
            if head.deliveries.iter().any(|it| it.id == id) {
                let begun = self.begin_again::<BatchRecord>(&Key::Batch(batch.clone()), id).await?;
                return Ok(begun.map(|delivery| BatchDelivery { row: None, delivery }));
            }
            let rows = self.told_of_rows(&head, batch).await?;
            let row = rows.iter().find(|row| row.deliveries.iter().any(|it| it.id == id));
            let Some((Some(key), Some(part))) = row.map(|row| (row.key(), &row.row)) else { return Ok(None) };
            let begun = self.begin_again::<JobRecord>(&key, id).await?;
            Ok(begun.map(|delivery| BatchDelivery { row: Some(part.number), delivery }))
        })
    }
}

impl Nats {
    /// Rows of a batch whose receiver is told of each.
    async fn told_of_rows(&self, head: &BatchRecord, batch: &BatchId) -> Result<Vec<JobRecord>, StoreError> {
        if !head.webhook_items {
            return Ok(Vec::new());
        }
        let rows = self.0.index.recorded_rows(batch).into_iter();
        let reading = rows.map(|id| async move { self.find(&Key::Row(batch.clone(), id)).await });
        let found: Vec<Option<Found>> =
            stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        Ok(found.into_iter().flatten().map(|it| it.record).collect())
    }

    /// A delivery of what stands there, whatever became of it.
    async fn begin_again<R: StoredRecord>(&self, key: &Key, id: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        let now = self.now();
        let changed = self.change(key, |record: &mut R| match record.deliveries().iter_mut().find(|it| it.id == id) {
            Some(hook) => {
                hook.again(now);
                Change::Write(Some(hook.record()))
            }
            None => Change::Leave(None),
        });
        let Some((_, Some(begun))) = changed.await? else { return Ok(None) };
        let posted = self.post_hook(key, id, &format!("{id}-{}", now.micros())).await;
        posted.map_err(|error| self.failed("cannot send a webhook anew", with_causes(&error)))?;
        Ok(Some(begun))
    }

    /// What to do about a message; when that is to send, the call is on record as under way.
    async fn judge_hook(&self, held: &Held, room: Room, lease: Duration) -> Result<(Option<Key>, Verdict), StoreError> {
        let note: Option<Note> = serde_json::from_slice(&held.payload).ok();
        let named = note.and_then(|note| Some((Key::parse(&note.job)?, note.delivery)));
        match named {
            Some((key @ Key::Batch(_), delivery)) => {
                self.judge_hook_of::<BatchRecord>(key, &delivery, room, lease).await
            }
            Some((key, delivery)) => self.judge_hook_of::<JobRecord>(key, &delivery, room, lease).await,
            None => Ok((None, Verdict::Done)),
        }
    }

    async fn judge_hook_of<R: StoredRecord>(
        &self,
        key: Key,
        delivery: &str,
        room: Room,
        lease: Duration,
    ) -> Result<(Option<Key>, Verdict), StoreError> {
        loop {
            let Some(Found { mut record, revision }) = self.look_up::<R>(&key).await? else {
                return Ok((None, Verdict::Done));
            };
            let now = self.now();
            // One at a time of each job, so that its receiver never hears of the end before the beginning.
            let busy = record.deliveries().iter().any(|it| it.leased_until > now.micros());
            // And in their order.
            let mut waiting = record.deliveries().iter().filter(|it| it.status == DeliveryStatus::Pending);
            let busy = busy || waiting.next().is_some_and(|it| it.id != delivery);
            let hook =
                record.deliveries().iter_mut().find(|it| it.id == delivery && it.status == DeliveryStatus::Pending);
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
            if self.replace(&record, revision).await?.is_some() {
                return Ok((Some(key), found));
            }
        }
    }

    /// Whether it is tried again.
    async fn note_try<R: StoredRecord>(&self, key: &Key, id: &str, tried: &Tried) -> Result<bool, StoreError> {
        let now = self.now();
        let changed = self.change(key, |record: &mut R| match record.deliveries().iter_mut().find(|it| it.id == id) {
            Some(hook) => {
                hook.tried(tried, now);
                Change::Write(hook.status == DeliveryStatus::Pending)
            }
            None => Change::Leave(false),
        });
        Ok(changed.await?.is_some_and(|(_, waits)| waits))
    }

    /// Sends word of a delivery of the record that stands there. `name`: two of the same within two minutes are one.
    pub(super) async fn post_hook(&self, place: &Key, delivery: &str, name: &str) -> Result<(), PublishError> {
        let note = Note { job: place.to_string(), delivery: delivery.to_owned() };
        let text = serde_json::to_vec(&note).unwrap_or_default();
        let message = PublishMessage::build().payload(text.into()).message_id(name);
        self.0.context.send_publish(self.0.layout.hooks_subject(), message).await?.await.map(drop)
    }
}
