//! Messages for this process: pulled one by one as there is room, each with a lease until it is acknowledged.
//!
//! A task for each message extends its lease every third of TENTER_NATS_ACK_WAIT, after which the server would deliver
//! the message to another process. Rendering takes any time, on other threads.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::message::{Acker, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::connect::ANSWER_TIMEOUT;
use super::error::NatsError;
use crate::jobs::timestamp::Timestamp;

/// Time for which one request for the next message waits on the server. A restarted server has lost the request.
const PULL_TIMEOUT: Duration = Duration::from_secs(5);
/// Delay before the next request after a failed one.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// A pull consumer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Puller(Arc<PullerState>);

struct PullerState {
    consumer: Consumer<pull::Config>,
    ack_wait: Duration,
    /// Messages that were received and not handed out.
    buffer: Mutex<VecDeque<InFlightMessage>>,
    /// Whether a request for a message waits on the server.
    waiting: AtomicBool,
    stopped: AtomicBool,
    arrived: Notify,
}

/// A message under a lease. Dropped without an acknowledgement, it is delivered again when the lease expires.
pub(super) struct InFlightMessage {
    acker: Arc<Acker>,
    heartbeat: AbortHandle,
    pub(super) payload: Bytes,
    /// Sequence number in its stream.
    pub(super) sequence: u64,
    /// Time at which the server stored it.
    pub(super) published: Timestamp,
}

impl Drop for InFlightMessage {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

impl InFlightMessage {
    fn new(message: Message, ack_wait: Duration) -> Result<Self, NatsError> {
        let (sequence, published) = {
            let info = message.info().map_err(NatsError::request)?;
            (info.stream_sequence, info.published.unix_timestamp_nanos() / 1000)
        };
        let (message, acker) = message.split();
        let acker = Arc::new(acker);
        let sender = acker.clone();
        let heartbeat = tokio::spawn(async move {
            loop {
                tokio::time::sleep(ack_wait / 3).await;
                if let Err(error) = sender.ack_with(AckKind::Progress).await {
                    tracing::debug!(%error, "cannot extend the lease of a message");
                }
            }
        });
        Ok(Self {
            acker,
            heartbeat: heartbeat.abort_handle(),
            payload: message.payload,
            sequence,
            published: Timestamp::from_micros(i64::try_from(published).unwrap_or(i64::MAX)),
        })
    }

    /// Removes it from the stream. If the acknowledgement is lost, it is delivered again and its record shows that it
    /// is obsolete.
    pub(super) async fn ack(self) {
        self.answer(AckKind::Ack).await;
    }

    /// Has it delivered again after `delay`.
    pub(super) async fn nak(self, delay: Duration) {
        self.answer(AckKind::Nak(Some(delay))).await;
    }

    async fn answer(self, kind: AckKind) {
        if let Err(error) = self.acker.ack_with(kind).await {
            tracing::debug!(%error, "cannot acknowledge a message; it is delivered again");
        }
    }
}

impl Puller {
    pub(super) fn new(consumer: Consumer<pull::Config>, ack_wait: Duration) -> Self {
        Self(Arc::new(PullerState {
            consumer,
            ack_wait,
            buffer: Mutex::default(),
            waiting: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            arrived: Notify::new(),
        }))
    }

    /// At most `count` messages, without waiting for new ones.
    pub(super) async fn fetch(&self, count: usize) -> Result<Vec<InFlightMessage>, NatsError> {
        let mut messages: Vec<_> = {
            let mut buffer = self.0.buffer.lock();
            let available = buffer.len().min(count);
            buffer.drain(..available).collect()
        };
        if messages.is_empty() && count > 0 {
            let batch = self.0.consumer.fetch().max_messages(count).messages().await;
            let mut batch = batch.map_err(NatsError::request)?;
            // The server ends the batch at once, unless the connection is lost.
            while let Ok(Some(message)) = tokio::time::timeout(ANSWER_TIMEOUT, batch.next()).await {
                messages.push(InFlightMessage::new(message.map_err(NatsError::request)?, self.0.ack_wait)?);
            }
        }
        Ok(messages)
    }

    /// Puts a message in front of the buffer of [`Puller::fetch`].
    pub(super) fn requeue(&self, message: InFlightMessage) {
        self.0.buffer.lock().push_front(message);
    }

    /// Resolves when a message is in the buffer, or the request for one has ended. Cancel safe: the request goes on,
    /// and its message is buffered.
    pub(super) async fn arrival(&self) {
        if !self.0.buffer.lock().is_empty() {
            return;
        }
        if !self.0.stopped.load(Ordering::SeqCst) && !self.0.waiting.swap(true, Ordering::SeqCst) {
            tokio::spawn(pull_one(self.0.clone()));
        }
        self.0.arrived.notified().await;
    }

    /// Returns buffered messages to the server, and those that still arrive.
    pub(super) async fn shut_down(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
        let buffered: Vec<_> = self.0.buffer.lock().drain(..).collect();
        for message in buffered {
            message.nak(Duration::ZERO).await;
        }
    }
}

async fn pull_one(puller: Arc<PullerState>) {
    match puller.consumer.batch().max_messages(1).expires(PULL_TIMEOUT).messages().await {
        Ok(mut batch) => {
            while let Some(message) = batch.next().await {
                let message = message.map_err(NatsError::request);
                match message.and_then(|it| InFlightMessage::new(it, puller.ack_wait)) {
                    Ok(message) if puller.stopped.load(Ordering::SeqCst) => message.nak(Duration::ZERO).await,
                    Ok(message) => puller.buffer.lock().push_back(message),
                    Err(error) => {
                        tracing::debug!(%error, "cannot wait for messages");
                        tokio::time::sleep(RETRY_DELAY).await;
                        break;
                    }
                }
            }
        }
        Err(error) => {
            tracing::debug!(%error, "cannot wait for messages");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
    puller.waiting.store(false, Ordering::SeqCst);
    puller.arrived.notify_one();
}
