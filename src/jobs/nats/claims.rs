//! Messages that this process has received and not acknowledged, by claim.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::pull::{InFlightMessage, Puller};
use crate::jobs::ledger::{Claim, Release};

/// Claims that have been handed out and not released.
#[derive(Default)]
pub(super) struct Claims {
    latest: AtomicU64,
    messages: Mutex<HashMap<Claim, ClaimedMessage>>,
}

/// A message under a claim. Its lease is extended until it is released.
pub(super) struct ClaimedMessage {
    pub(super) message: InFlightMessage,
    /// Where it is put back.
    pub(super) source: Puller,
    /// For a webhook, the host and port that is called.
    pub(super) receiver: Option<String>,
}

impl Claims {
    pub(super) fn insert(&self, message: ClaimedMessage) -> Claim {
        let claim = Claim(self.latest.fetch_add(1, Ordering::Relaxed) + 1);
        self.messages.lock().insert(claim, message);
        claim
    }

    pub(super) async fn release(&self, claim: Claim, release: Release) {
        let Some(ClaimedMessage { message, source, .. }) = self.messages.lock().remove(&claim) else { return };
        match release {
            Release::Ack => message.ack().await,
            Release::Nak(delay) => message.nak(delay).await,
            Release::Requeue => source.requeue(message),
            Release::Abandon => drop(message),
        }
    }

    /// Number of calls to `receiver` that this process is making.
    pub(super) fn calls_to(&self, receiver: &str) -> usize {
        self.messages.lock().values().filter(|it| it.receiver.as_deref() == Some(receiver)).count()
    }
}
