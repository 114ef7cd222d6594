//! The time of the cluster: the timestamp that the servers give to a new entry of a bucket.
//!
//! The error is half of the round trip, some milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::kv::Store;
use tokio::task::AbortHandle;

use super::error::NatsError;
use crate::jobs::timestamp::{Clock, Timestamp, system_clock};

/// Interval between measurements. Clocks of machines drift by some milliseconds an hour, and jump when they are set.
const MEASURE_INTERVAL: Duration = Duration::from_secs(30);

/// The clock of the servers; measured until this is dropped.
pub(super) struct ServerClock {
    /// How far the servers' clock is ahead of this machine's, in µs.
    offset: Arc<AtomicI64>,
    measuring: AbortHandle,
}

impl Drop for ServerClock {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

impl ServerClock {
    /// Measures once, and then every [`MEASURE_INTERVAL`].
    pub(super) async fn start(store: &Store) -> Result<Self, NatsError> {
        let key = uuid::Uuid::new_v4().simple().to_string();
        let offset = Arc::new(AtomicI64::new(measure(store, &key).await?));
        let (store, latest) = (store.clone(), offset.clone());
        let measuring = tokio::spawn(async move {
            loop {
                tokio::time::sleep(MEASURE_INTERVAL).await;
                match measure(&store, &key).await {
                    Ok(offset) => latest.store(offset, Ordering::Relaxed),
                    // The last offset is still about right.
                    Err(error) => tracing::debug!(%error, "cannot read the time of the servers"),
                }
            }
        });
        Ok(Self { offset, measuring: measuring.abort_handle() })
    }

    pub(super) fn as_clock(&self) -> Clock {
        let offset = self.offset.clone();
        Arc::new(move || shifted(SystemTime::now(), offset.load(Ordering::Relaxed)))
    }
}

fn shifted(time: SystemTime, micros: i64) -> SystemTime {
    let by = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { time.checked_sub(by) } else { time.checked_add(by) }.unwrap_or(time)
}

async fn measure(store: &Store, key: &str) -> Result<i64, NatsError> {
    let ours = system_clock();
    let before = Timestamp::now(&ours).micros();
    store.put(key, "".into()).await.map_err(NatsError::request)?;
    let after = Timestamp::now(&ours).micros();
    let entry = store.entry(key).await.map_err(NatsError::request)?;
    let created = entry.ok_or(NatsError::Unexpected("the new entry is missing"))?.created;
    let theirs = i64::try_from(created.unix_timestamp_nanos() / 1000).map_err(NatsError::request)?;
    Ok(theirs - (before + after) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shifted_both_ways() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
        assert_eq!(shifted(time, 1_500_000), SystemTime::UNIX_EPOCH + Duration::from_millis(11_500));
        assert_eq!(shifted(time, -1_500_000), SystemTime::UNIX_EPOCH + Duration::from_millis(8_500));
    }
}
