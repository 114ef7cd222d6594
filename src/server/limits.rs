//! Limits of each API key: calls a minute (`TENTER_KEY_RATE`) and calls at the same time (`TENTER_KEY_CONCURRENCY`).
//!
//! The counts live in memory, so a restart resets them. Without keys all callers share one count.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::api_error::ApiError;
use crate::config::{KeyLimits, ServerSettings};

/// Header with the calls that a key may make in a minute (`TENTER_KEY_RATE`).
pub(super) const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// Header with the number of calls that the key may make right now.
pub(super) const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Header with the seconds until the full number of calls is available again.
pub(super) const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// The limits and the counts of all keys.
pub(super) struct Limits {
    limits: KeyLimits,
    usage: HashMap<String, KeyUsage>,
}

/// Calls of one key that count towards its limits.
struct KeyUsage {
    bucket: Mutex<TokenBucket>,
    /// One permit for each render call that may be in progress.
    permits: Arc<Semaphore>,
}

/// A token bucket, refilled steadily up to the limit.
struct TokenBucket {
    /// Calls that may be made now; below 1 none.
    tokens: f64,
    /// Time at which `tokens` was computed.
    updated: Instant,
}

/// Remaining calls of a key, for the headers of its answer. Empty without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateQuota(Option<Remaining>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remaining {
    limit: u32,
    remaining: u64,
    reset: u64,
}

impl RateQuota {
    /// Adds the `ratelimit-*` headers of draft-ietf-httpapi-ratelimit-headers, version 3, which most clients read.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Some(Remaining { limit, remaining, reset }) = self.0 else { return };
        headers.insert(LIMIT, HeaderValue::from(limit));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(reset));
    }
}

/// A render call in progress, counted against its key until it is dropped.
pub(super) struct CallPermit(#[expect(dead_code, reason = "only its drop matters")] Option<OwnedSemaphorePermit>);

const MINUTE: f64 = 60.0;

impl Limits {
    pub(super) fn new(settings: &ServerSettings) -> Self {
        let limits = settings.key_limits;
        let unused = || KeyUsage {
            bucket: Mutex::new(TokenBucket { tokens: f64::from(limits.rate), updated: Instant::now() }),
            permits: Arc::new(Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS))),
        };
        let names = settings.keys.iter().map(|key| key.name.clone()).chain([String::new()]);
        Self { limits, usage: names.map(|name| (name, unused())).collect() }
    }

    /// Admits a render call and counts it. `caller` is the name of the key. A call that is refused because too many are
    /// in progress is not counted.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] or [`ApiError::TooManyConcurrentCalls`].
    pub(super) fn enter(&self, caller: Option<&str>, quota: &mut RateQuota) -> Result<CallPermit, ApiError> {
        let limit = self.limits.concurrency;
        let permit = match self.usage(caller).filter(|_| limit > 0) {
            Some(usage) => match usage.permits.clone().try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => return Err(ApiError::TooManyConcurrentCalls { limit }),
            },
            None => None,
        };
        self.count(caller, quota)?;
        Ok(CallPermit(permit))
    }

    /// Counts a call that starts a render or a job.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`], with the time to wait.
    pub(super) fn count(&self, caller: Option<&str>, quota: &mut RateQuota) -> Result<(), ApiError> {
        let limit = self.limits.rate;
        let Some(usage) = self.usage(caller).filter(|_| limit > 0) else { return Ok(()) };
        let mut bucket = usage.bucket.lock();
        let (now, full) = (Instant::now(), f64::from(limit));
        bucket.tokens = (bucket.tokens + (now - bucket.updated).as_secs_f64() * full / MINUTE).min(full);
        bucket.updated = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        let seconds_to = |level: f64| Duration::from_secs_f64((level - bucket.tokens).max(0.0) * MINUTE / full);
        let whole = |time: Duration| time.as_millis().div_ceil(1000) as u64;
        *quota = RateQuota(Some(Remaining { limit, remaining: bucket.tokens as u64, reset: whole(seconds_to(full)) }));
        if enough { Ok(()) } else { Err(ApiError::RateLimited { limit, retry_after: whole(seconds_to(1.0)).max(1) }) }
    }

    fn usage(&self, name: Option<&str>) -> Option<&KeyUsage> {
        self.usage.get(name.unwrap_or_default())
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
    async fn rate_refills_steadily_and_reports_what_remains() {
        let limits = limits(6, 0);
        let mut quota = RateQuota::default();
        for remaining in (0..6).rev() {
            limits.count(None, &mut quota).expect("enough");
            assert_eq!(quota.0.map(|it| it.remaining), Some(remaining));
        }
        assert_eq!(quota.0, Some(Remaining { limit: 6, remaining: 0, reset: 60 }));
        let refused = limits.count(None, &mut quota).expect_err("none left");
        assert!(matches!(refused, ApiError::RateLimited { limit: 6, retry_after: 10 }), "{refused:?}");
        tokio::time::advance(Duration::from_secs(10)).await;
        limits.count(None, &mut quota).expect("one more");
        assert!(limits.count(None, &mut quota).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_the_concurrency_do_not_use_up_the_rate() {
        let limits = limits(2, 1);
        let mut quota = RateQuota::default();
        let first = limits.enter(None, &mut quota).expect("a permit");
        for _ in 0..5 {
            assert!(matches!(limits.enter(None, &mut quota), Err(ApiError::TooManyConcurrentCalls { .. })));
        }
        drop(first);
        assert!(limits.enter(None, &mut quota).is_ok(), "one call of the minute is left");
        assert!(matches!(limits.enter(None, &mut quota), Err(ApiError::RateLimited { .. })));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(limits.enter(None, &mut quota).is_ok(), "the refused call kept no permit");
    }

    #[tokio::test]
    async fn permits_are_returned_when_dropped() {
        let limits = limits(0, 1);
        let mut quota = RateQuota::default();
        let permit = limits.enter(None, &mut quota).expect("a permit");
        assert!(matches!(limits.enter(None, &mut quota), Err(ApiError::TooManyConcurrentCalls { limit: 1 })));
        drop(permit);
        assert!(limits.enter(None, &mut quota).is_ok());
        assert_eq!(quota, RateQuota::default(), "no rate, no headers");
    }
}
