//! Webhooks in the outbox of a record: delivered at least once, one at a time and in order, each attempt under a lease.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::Key;
use crate::assets::{PostResponse, Reason};
use crate::jobs::names::{COMPLETED, DONE, ERROR, ITEM_DONE, ITEM_ERROR, PROGRESS, receiver};
use crate::jobs::store::{Delivery, DeliveryAttempt, DeliveryRecord, NextAction};
use crate::jobs::timestamp::Timestamp;

/// Longest delay that a receiver may ask for with `retry-after`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A webhook and the state of its delivery. Times are in µs since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredDelivery {
    pub(crate) id: String,
    pub(crate) event: Event,
    url: String,
    body: String,
    pub(crate) status: DeliveryStatus,
    pub(crate) attempts: u32,
    created: i64,
    /// When the next attempt is due.
    pub(crate) next: i64,
    /// End of the lease of the attempt in progress; 0 without one.
    pub(crate) leased_until: i64,
    /// Time of the last attempt.
    last: Option<i64>,
    /// HTTP status of the last answer.
    answer: Option<u16>,
    /// Why the last attempt failed; empty if it did not.
    error: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryStatus {
    Pending,
    Delivered,
    Failed,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Event {
    Progress,
    Done,
    Error,
    ItemDone,
    ItemError,
    Completed,
}

impl StoredDelivery {
    /// A pending delivery that is due at once.
    pub(crate) fn new(event: Event, url: String, body: String, now: Timestamp) -> Self {
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

    pub(crate) fn is_pending(&self) -> bool {
        self.status == DeliveryStatus::Pending
    }

    pub(crate) fn receiver(&self) -> String {
        receiver(&self.url)
    }

    fn delivery(&self, of: &Key) -> Delivery {
        Delivery {
            record: of.clone(),
            id: self.id.clone(),
            event: self.event.as_str(),
            url: self.url.clone(),
            body: self.body.clone(),
            attempts: self.attempts,
        }
    }

    /// Notes the outcome of an attempt and ends its lease.
    pub(crate) fn add_attempt(&mut self, attempt: &DeliveryAttempt, now: Timestamp) {
        self.attempts += 1;
        self.last = Some(now.micros());
        self.answer = attempt.answer;
        self.error = attempt.error.clone();
        self.leased_until = 0;
        match attempt.next {
            NextAction::Delivered => self.status = DeliveryStatus::Delivered,
            NextAction::Failed => self.status = DeliveryStatus::Failed,
            // The status stays: a delivery that was superseded meanwhile is not retried.
            NextAction::RetryAfter(after) => self.next = now.plus(after).micros(),
        }
    }

    /// Makes it pending again with no attempts, whatever its status was.
    pub(crate) fn restart(&mut self, now: Timestamp) {
        self.status = DeliveryStatus::Pending;
        self.attempts = 0;
        self.next = now.micros();
    }

    pub(crate) fn to_record(&self) -> DeliveryRecord {
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

/// Answer to a request for the lease of a delivery.
#[derive(Debug)]
pub(crate) enum Lease {
    /// The lease is in the record; the call may be made once the record is written.
    Granted(Box<Delivery>),
    /// It is due after this time, or after another delivery of its record; the time may then be zero.
    Later(Duration),
    /// It is no longer pending.
    Obsolete,
}

/// Leases delivery `id` of the record under `of` for `time`. Deliveries of a record are made one at a time and in
/// order: a receiver never gets the end before the beginning, nor a failure after the end of a retry.
pub(crate) fn lease(of: &Key, deliveries: &mut [StoredDelivery], id: &str, time: Duration, now: Timestamp) -> Lease {
    let is_leased = leased_until(deliveries) > now.micros();
    let Some(found) = deliveries.iter_mut().find(|it| it.is_pending()) else { return Lease::Obsolete };
    if found.id != id {
        let is_pending = deliveries.iter().any(|it| it.id == id && it.is_pending());
        return if is_pending { Lease::Later(Duration::ZERO) } else { Lease::Obsolete };
    }
    let wait = Timestamp::from_micros(found.next).since(now);
    if is_leased || wait > Duration::ZERO {
        return Lease::Later(wait);
    }
    found.leased_until = now.plus(time).micros();
    Lease::Granted(Box::new(found.delivery(of)))
}

/// End of the latest lease, in µs since 1970; 0 without one.
pub(crate) fn leased_until(deliveries: &[StoredDelivery]) -> i64 {
    deliveries.iter().map(|it| it.leased_until).max().unwrap_or(0)
}

/// When the first pending delivery is due, in µs since 1970; `None` when none is pending.
pub(crate) fn next_due(deliveries: &[StoredDelivery]) -> Option<i64> {
    let first = deliveries.iter().find(|it| it.is_pending())?;
    Some(first.next.max(leased_until(deliveries)))
}

/// Decides what follows a response or a failed request. `attempts`: number of earlier attempts; `retries`: delays
/// between attempts.
pub(crate) fn evaluate(response: Result<PostResponse, Reason>, attempts: u32, retries: &[Duration]) -> DeliveryAttempt {
    match response {
        Ok(PostResponse { status: status @ 200..300, .. }) => {
            DeliveryAttempt { answer: Some(status), error: String::new(), next: NextAction::Delivered }
        }
        Ok(PostResponse { status, retry_after }) => {
            let error = format!("the receiver answered {status}; 2xx is needed");
            if status == 429 || status >= 500 {
                temporary_failure(Some(status), error, attempts, retries, retry_after)
            } else {
                DeliveryAttempt { answer: Some(status), error, next: NextAction::Failed }
            }
        }
        Err(reason @ (Reason::Network(_) | Reason::Timeout { .. })) => {
            temporary_failure(None, reason.to_string(), attempts, retries, None)
        }
        Err(reason) => DeliveryAttempt { answer: None, error: reason.to_string(), next: NextAction::Failed },
    }
}

/// A failure after which another attempt follows, unless `retries` has no more delays.
pub(crate) fn temporary_failure(
    answer: Option<u16>,
    error: String,
    attempts: u32,
    retries: &[Duration],
    retry_after: Option<Duration>,
) -> DeliveryAttempt {
    let next = match retries.get(attempts as usize) {
        Some(delay) => NextAction::RetryAfter((*delay).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))),
        None => NextAction::Failed,
    };
    DeliveryAttempt { answer, error, next }
}

/// Drops the oldest deliveries so that with one more there are at most `most`.
pub(super) fn evict_oldest(deliveries: &mut Vec<StoredDelivery>, most: usize) {
    let excess = (deliveries.len() + 1).saturating_sub(most);
    deliveries.drain(..excess);
}

impl Event {
    pub(crate) fn as_str(self) -> &'static str {
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
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::NetworkError;

    #[test]
    fn status_code_decides_whether_another_attempt_follows() {
        let retries = [1, 5].map(Duration::from_secs);
        let next = |response, attempts| evaluate(response, attempts, &retries).next;
        let status = |status| Ok(PostResponse { status, retry_after: None });
        assert_eq!(next(status(204), 0), NextAction::Delivered);
        for temporary in [429, 500, 503] {
            assert_eq!(next(status(temporary), 0), NextAction::RetryAfter(retries[0]), "{temporary}");
            assert_eq!(next(status(temporary), 1), NextAction::RetryAfter(retries[1]), "{temporary}");
            assert_eq!(next(status(temporary), 2), NextAction::Failed, "{temporary}: no delays are left");
        }
        for permanent in [301, 307, 400, 404, 410] {
            assert_eq!(next(status(permanent), 0), NextAction::Failed, "{permanent}");
        }
        let asked = Ok(PostResponse { status: 503, retry_after: Some(Duration::from_secs(60)) });
        assert_eq!(next(asked, 0), NextAction::RetryAfter(Duration::from_secs(60)));
        assert_eq!(next(Err(Reason::Network(NetworkError::Connect)), 0), NextAction::RetryAfter(retries[0]));
    }
}
