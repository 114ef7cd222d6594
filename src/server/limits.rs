//! How much one key may ask for: how often, and how much at once.
//!
//! Kept in memory: a restart forgives. Without keys all callers count as one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::problem::Refusal;
use crate::config::{KeyLimits, ServerSettings};

/// `TENTER_KEY_RATE`.
pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// How many more may come at once.
pub(super) const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until as many may come again as the limit says.
pub(super) const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// What all keys have left.
pub(super) struct Limits {
    limits: KeyLimits,
    callers: HashMap<String, Caller>,
}

struct Caller {
    bucket: Mutex<Bucket>,
    places: Arc<Semaphore>,
}

/// Refilled steadily, a limit's worth a minute, up to the limit.
struct Bucket {
    left: f64,
    at: Instant,
}

/// What a caller has left, for the headers of its answer. Empty without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quota(Option<Left>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    limit: u32,
    remaining: u64,
    reset: u64,
}

impl Quota {
    /// As the headers that most clients know (draft-ietf-httpapi-ratelimit-headers, version 3).
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Some(Left { limit, remaining, reset }) = self.0 else { return };
        headers.insert(LIMIT, HeaderValue::from(limit));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

/// A render call's place among those of its key. Dropping it gives it back.
pub(super) struct Place(#[expect(dead_code, reason = "held, not used")] Option<OwnedSemaphorePermit>);

const MINUTE: f64 = 60.0;

impl Limits {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        let limits = settings.key_limits;
        let caller = || Caller {
            bucket: Mutex::new(Bucket { left: f64::from(limits.rate), at: Instant::now() }),
            places: Arc::new(Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS))),
        };
        let names = settings.keys.iter().map(|key| key.name.clone()).chain([String::new()]);
        Self { limits, callers: names.map(|name| (name, caller())).collect() }
    }

    /// Counts a render call and gives it a place; `caller` as the key ring names it.
    pub(super) fn enter(&self, caller: Option<&str>, quota: &mut Quota) -> Result<Place, Refusal> {
        self.count(caller, quota)?;
        let limit = self.limits.concurrency;
        let Some(caller) = self.caller(caller).filter(|_| limit > 0) else { return Ok(Place(None)) };
        match caller.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Place(Some(place))),
            Err(_) => Err(Refusal::TooManyAtOnce { limit }),
        }
    }

    /// Counts a render call or a job.
    pub(super) fn count(&self, caller: Option<&str>, quota: &mut Quota) -> Result<(), Refusal> {
        let limit = self.limits.rate;
        let Some(caller) = self.caller(caller).filter(|_| limit > 0) else { return Ok(()) };
        let mut bucket = caller.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, full) = (Instant::now(), f64::from(limit));
        bucket.left = (bucket.left + (now - bucket.at).as_secs_f64() * full / MINUTE).min(full);
        bucket.at = now;
        let enough = bucket.left >= 1.0;
        if enough {
            bucket.left -= 1.0;
        }
        let seconds_to = |level: f64| Duration::from_secs_f64((level - bucket.left).max(0.0) * MINUTE / full);
        let whole = |time: Duration| time.as_millis().div_ceil(1000) as u64;
        *quota = Quota(Some(Left { limit, remaining: bucket.left as u64, reset: whole(seconds_to(full)) }));
        if enough { Ok(()) } else { Err(Refusal::TooOften { limit, retry_after: whole(seconds_to(1.0)).max(1) }) }
    }

    fn caller(&self, name: Option<&str>) -> Option<&Caller> {
        self.callers.get(name.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(rate: u32, concurrency: usize) -> Limits {
        let key_limits = KeyLimits { rate, concurrency, ..KeyLimits::default() };
        Limits::new(&ServerSettings { key_limits, ..ServerSettings::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn rate_refills_steadily_and_tells_what_is_left() {
        let limits = limits(6, 0);
        let mut quota = Quota::default();
        for remaining in (0..6).rev() {
            limits.count(None, &mut quota).expect("enough");
            assert_eq!(quota.0.map(|it| it.remaining), Some(remaining));
        }
        assert_eq!(quota.0, Some(Left { limit: 6, remaining: 0, reset: 60 }));
        let refused = limits.count(None, &mut quota).expect_err("none left");
        assert!(matches!(refused, Refusal::TooOften { limit: 6, retry_after: 10 }), "{refused:?}");
        tokio::time::advance(Duration::from_secs(10)).await;
        limits.count(None, &mut quota).expect("one more");
        assert!(limits.count(None, &mut quota).is_err());
    }

    #[tokio::test]
    async fn places_come_back() {
        let limits = limits(0, 1);
        let mut quota = Quota::default();
        let place = limits.enter(None, &mut quota).expect("a place");
        assert!(matches!(limits.enter(None, &mut quota), Err(Refusal::TooManyAtOnce { limit: 1 })));
        drop(place);
        assert!(limits.enter(None, &mut quota).is_ok());
        assert_eq!(quota, Quota::default(), "no rate, no headers");
    }
}
