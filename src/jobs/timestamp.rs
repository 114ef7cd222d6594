//! Timestamps of jobs, in µs since 1970 (UTC), and the clock that they come from.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Source of the current time; tests use a fake one.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The clock of the operating system.
pub fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// Number of µs since 1970-01-01T00:00Z. Its text form is that of the API: `2026-11-23T01:02:03.000004+00:00`
/// (http-api.md §3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The current time of `clock`. Times before 1970 become 1970.
    pub fn now(clock: &Clock) -> Self {
        let since = clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The time that is `micros` µs after 1970.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Number of µs since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Number of whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// This time plus `duration`; saturates at the last timestamp.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Duration from `earlier` until this time; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Later years than 9999 cannot be written in this form.
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{}", time.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_is_written_with_microseconds_and_offset() {
        let timestamp = Timestamp::from_micros(1_800_000_000_000_004);
        assert_eq!(timestamp.to_string(), "2027-01-15T08:00:00.000004+00:00");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string().len(), 32);
        assert_eq!(timestamp.plus(Duration::from_secs(1)).since(timestamp), Duration::from_secs(1));
        assert_eq!(timestamp.since(timestamp.plus(Duration::from_secs(1))), Duration::ZERO);
    }
}
