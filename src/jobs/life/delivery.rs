//! What a receiver is to be told, as the record has it that it is about. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::jobs::names::{COMPLETED, DONE, ERROR, ITEM_DONE, ITEM_ERROR, PROGRESS, receiver};
use crate::jobs::store::{Delivery, DeliveryAttempt, DeliveryRecord, NextAction};
use crate::jobs::timestamp::Timestamp;

/// One thing that a receiver is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct StoredDelivery {
    pub(in crate::jobs) id: String,
    pub(in crate::jobs) event: Event,
    url: String,
    body: String,
    pub(in crate::jobs) status: DeliveryStatus,
    pub(in crate::jobs) attempts: u32,
    created: i64,
    pub(in crate::jobs) next: i64,
    pub(in crate::jobs) leased_until: i64,
    last: Option<i64>,
    answer: Option<u16>,
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::jobs) enum DeliveryStatus {
    Pending,
    Delivered,
    Failed,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::jobs) enum Event {
    Progress,
    Done,
    Error,
    ItemDone,
    ItemError,
    Completed,
}

impl StoredDelivery {
    /// To be sent now.
    pub(in crate::jobs) fn new(event: Event, url: String, body: String, now: Timestamp) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            event,
            url,
            body,
            status: DeliveryStatus::Pending,
            attempts: 0,
            created: now.micros(),
            next: now.micros(),
            leased_until: 0,
            last: None,
            answer: None,
            error: String::new(),
        }
    }

    /// Whether it is still to be told.
    pub(in crate::jobs) fn is_pending(&self) -> bool {
        self.status == DeliveryStatus::Pending
    }

    pub(in crate::jobs) fn receiver(&self) -> String {
        receiver(&self.url)
    }

    fn delivery(&self, of: &Key) -> Delivery {
        Delivery {
            of: of.clone(),
            id: self.id.clone(),
            event: self.event.as_str(),
            url: self.url.clone(),
            body: self.body.clone(),
            attempts: self.attempts,
        }
    }

    pub(in crate::jobs) fn tried(&mut self, tried: &DeliveryAttempt, now: Timestamp) {
        self.attempts += 1;
        self.last = Some(now.micros());
        self.answer = tried.answer;
        self.error = tried.error.clone();
        self.leased_until = 0;
        match tried.then {
            NextAction::Delivered => self.status = DeliveryStatus::Delivered,
            NextAction::Failed => self.status = DeliveryStatus::Failed,
            // One that was superseded meanwhile is not tried again.
            NextAction::Again(after) => self.next = now.plus(after).micros(),
        }
    }

    pub(in crate::jobs) fn again(&mut self, now: Timestamp) {
        self.status = DeliveryStatus::Pending;
        self.attempts = 0;
        self.next = now.micros();
    }

    pub(in crate::jobs) fn record(&self) -> DeliveryRecord {
        DeliveryRecord {
            id: self.id.clone(),
            event: self.event.as_str(),
            status: self.status.as_str(),
            attempts: self.attempts,
            created_at: Timestamp::from_micros(self.created),
            next_at: (self.status == DeliveryStatus::Pending).then(|| Timestamp::from_micros(self.next)),
            last_at: self.last.map(Timestamp::from_micros),
            answer: self.answer,
            error: self.error.clone(),
        }
    }
}

/// What may be done about a delivery now.
#[derive(Debug)]
pub(in crate::jobs) enum NextTry {
    /// The call is to be made; it is noted as under way.
    Now(Box<Delivery>),
    /// It waits for so long, or for another delivery of its record: then the time may be zero.
    Later(Duration),
    /// Nothing any more.
    Never,
}

/// What may be done about delivery `id` of the record under `of`: one at a time, and in their order, so that a receiver never hears
/// of the end before the beginning, nor of a failure after the retry that mended it.
pub(in crate::jobs) fn lease(
    of: &Key,
    deliveries: &mut [StoredDelivery],
    id: &str,
    time: Duration,
    now: Timestamp,
) -> NextTry {
    let is_under_way = leased_until(deliveries) > now.micros();
    let Some(found) = deliveries.iter_mut().find(|it| it.is_pending()) else { return NextTry::Never };
    if found.id != id {
        let waits = deliveries.iter().any(|it| it.id == id && it.is_pending());
        return if waits { NextTry::Later(Duration::ZERO) } else { NextTry::Never };
    }
    let wait = Timestamp::from_micros(found.next).since(now);
    if is_under_way || wait > Duration::ZERO {
        return NextTry::Later(wait);
    }
    found.leased_until = now.plus(time).micros();
    NextTry::Now(Box::new(found.delivery(of)))
}

/// Until when a call is under way, in µs; 0 when none was.
pub(in crate::jobs) fn leased_until(deliveries: &[StoredDelivery]) -> i64 {
    deliveries.iter().map(|it| it.leased_until).max().unwrap_or(0)
}

/// When the first that waits may be told, in µs; `None` when none waits.
pub(in crate::jobs) fn next_due(deliveries: &[StoredDelivery]) -> Option<i64> {
    let first = deliveries.iter().find(|it| it.is_pending())?;
    Some(first.next.max(leased_until(deliveries)))
}

/// The latest of them, as many as a record has room for with one more.
pub(in crate::jobs) fn make_room(deliveries: &mut Vec<StoredDelivery>, most: usize) {
    let excess = (deliveries.len() + 1).saturating_sub(most);
    deliveries.drain(..excess);
}

impl Event {
    pub(in crate::jobs) fn as_str(self) -> &'static str {
        match self {
            Self::Progress => PROGRESS,
            Self::Done => DONE,
            Self::Error => ERROR,
            Self::ItemDone => ITEM_DONE,
            Self::ItemError => ITEM_ERROR,
            Self::Completed => COMPLETED,
        }
    }
}

impl DeliveryStatus {
    pub(in crate::jobs) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}
