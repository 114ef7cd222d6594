//! Messages for this process, fetched one by one as there is room, and held until they are done with.
//!
//! A message that is held is spoken for every third of the time after which the server would give it to somebody else, by a task
//! of its own: painting takes as long as it takes, on other threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::message::{Acker, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::ANSWER;
use crate::jobs::timestamp::Timestamp;

/// How long one request for the next message waits on the server. A server that is started anew knows nothing of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two such requests when they fail.
const REST: Duration = Duration::from_millis(500);

/// Where messages come from. Cheap to clone.
#[derive(Clone)]
pub(super) struct Puller(Arc<PullerState>);

struct PullerState {
    consumer: Consumer<pull::Config>,
    ack_wait: Duration,
    /// Fetched, and not asked for yet.
    stash: Mutex<VecDeque<InFlightMessage>>,
    waiting: AtomicBool,
    left: AtomicBool,
    arrived: Notify,
}

/// A message that is ours until it is answered. Dropped without an answer, it comes again after a while.
pub(super) struct InFlightMessage {
    acker: Arc<Acker>,
    speaking: AbortHandle,
    pub(super) payload: Bytes,
    /// In its stream.
    pub(super) sequence: u64,
    /// When the server got it.
    pub(super) published: Timestamp,
}

impl Drop for InFlightMessage {
    fn drop(&mut self) {
        self.speaking.abort();
    }
}

impl InFlightMessage {
    fn new(message: Message, ack_wait: Duration) -> Result<Self, String> {
        let (sequence, published) = {
            let info = message.info().map_err(|error| error.to_string())?;
            (info.stream_sequence, info.published.unix_timestamp_nanos() / 1000)
        };
        let (message, acker) = message.split();
        let acker = Arc::new(acker);
        let speaker = acker.clone();
        let speaking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ack_wait / 3).await;
                if let Err(error) = speaker.ack_with(AckKind::Progress).await {
                    tracing::debug!(%error, "cannot say that a message is being worked on");
                }
            }
        });
        Ok(Self {
            acker,
            speaking: speaking.abort_handle(),
            payload: message.payload,
            sequence,
            published: Timestamp::from_micros(i64::try_from(published).unwrap_or(i64::MAX)),
        })
    }

    /// Done with: it goes. Should the word be lost, it comes again, and whoever looks it up finds nothing to do.
    pub(super) async fn done(self) {
        self.answer(AckKind::Ack).await;
    }

    /// To come again after this time.
    pub(super) async fn later(self, after: Duration) {
        self.answer(AckKind::Nak(Some(after))).await;
    }

    async fn answer(self, kind: AckKind) {
        if let Err(error) = self.acker.ack_with(kind).await {
            tracing::debug!(%error, "cannot answer a message; it comes again");
        }
    }
}

impl Puller {
    pub(super) fn new(consumer: Consumer<pull::Config>, ack_wait: Duration) -> Self {
        Self(Arc::new(PullerState {
            consumer,
            ack_wait,
            stash: Mutex::default(),
            waiting: AtomicBool::new(false),
            left: AtomicBool::new(false),
            arrived: Notify::new(),
        }))
    }

    pub(super) fn consumer(&self) -> &Consumer<pull::Config> {
        &self.0.consumer
    }

    /// At most `count`, of what is there now.
    pub(super) async fn now(&self, count: usize) -> Result<Vec<InFlightMessage>, String> {
        let mut held: Vec<_> = {
            let mut stash = self.0.stash();
            let from_stash = stash.len().min(count);
            stash.drain(..from_stash).collect()
        };
        if held.is_empty() && count > 0 {
            let batch = self.0.consumer.fetch().max_messages(count).messages().await;
            let mut batch = batch.map_err(|error| error.to_string())?;
            // The server ends the batch at once; one that went away does not.
            while let Ok(Some(message)) = tokio::time::timeout(ANSWER, batch.next()).await {
                held.push(InFlightMessage::new(message.map_err(|error| error.to_string())?, self.0.ack_wait)?);
            }
        }
        Ok(held)
    }

    /// To be had again by the next [`Puller::now`], before all others.
    pub(super) fn put_back(&self, held: InFlightMessage) {
        self.0.stash().push_front(held);
    }

    /// Resolves when one has come. The request for it stays when this is dropped, and what it brings is kept.
    pub(super) async fn arrival(&self) {
        if !self.0.stash().is_empty() {
            return;
        }
        if !self.0.left.load(Ordering::SeqCst) && !self.0.waiting.swap(true, Ordering::SeqCst) {
            tokio::spawn(wait(self.0.clone()));
        }
        self.0.arrived.notified().await;
    }

    /// Gives back at once what was fetched and not asked for, and what may still come.
    pub(super) async fn leave(&self) {
        self.0.left.store(true, Ordering::SeqCst);
        let all: Vec<_> = self.0.stash().drain(..).collect();
        for held in all {
            held.later(Duration::ZERO).await;
        }
    }
}

impl PullerState {
    fn stash(&self) -> std::sync::MutexGuard<'_, VecDeque<InFlightMessage>> {
        self.stash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request for one message.
async fn wait(pulling: Arc<PullerState>) {
    match pulling.consumer.batch().max_messages(1).expires(PATIENCE).messages().await {
        Ok(mut batch) => {
            while let Some(message) = batch.next().await {
                let held = message
                    .map_err(|error| error.to_string())
                    .and_then(|it| InFlightMessage::new(it, pulling.ack_wait));
                match held {
                    Ok(held) if pulling.left.load(Ordering::SeqCst) => held.later(Duration::ZERO).await,
                    Ok(held) => pulling.stash().push_back(held),
                    Err(error) => {
                        tracing::debug!(error, "cannot wait for messages");
                        tokio::time::sleep(REST).await;
                        break;
                    }
                }
            }
        }
        Err(error) => {
            tracing::debug!(%error, "cannot wait for messages");
            tokio::time::sleep(REST).await;
        }
    }
    pulling.waiting.store(false, Ordering::SeqCst);
    pulling.arrived.notify_one();
}
