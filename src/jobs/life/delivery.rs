//! What a receiver is to be told, as the record has it that it is about. Pure.

use serde::{Deserialize, Serialize};

use crate::jobs::moment::Moment;
use crate::jobs::names::{COMPLETED, DONE, ERROR, ITEM_DONE, ITEM_ERROR, PROGRESS, receiver};
use crate::jobs::store::{Delivery, DeliveryRecord, Then, Tried};

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
    pub(in crate::jobs) fn new(event: Event, url: String, body: String, now: Moment) -> Self {
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

    pub(in crate::jobs) fn receiver(&self) -> String {
        receiver(&self.url)
    }

    pub(in crate::jobs) fn delivery(&self) -> Delivery {
        Delivery {
            id: self.id.clone(),
            event: self.event.as_str(),
            url: self.url.clone(),
            body: self.body.clone(),
            attempts: self.attempts,
        }
    }

    pub(in crate::jobs) fn tried(&mut self, tried: &Tried, now: Moment) {
        self.attempts += 1;
        self.last = Some(now.micros());
        self.answer = tried.answer;
        self.error = tried.error.clone();
        self.leased_until = 0;
        match tried.then {
            Then::Delivered => self.status = DeliveryStatus::Delivered,
            Then::Failed => self.status = DeliveryStatus::Failed,
            // One that was superseded meanwhile is not tried again.
            Then::Again(after) => self.next = now.plus(after).micros(),
        }
    }

    pub(in crate::jobs) fn again(&mut self, now: Moment) {
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
            created_at: Moment::from_micros(self.created),
            next_at: (self.status == DeliveryStatus::Pending).then(|| Moment::from_micros(self.next)),
            last_at: self.last.map(Moment::from_micros),
            answer: self.answer,
            error: self.error.clone(),
        }
    }
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
