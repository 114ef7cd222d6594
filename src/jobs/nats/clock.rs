//! What time it is for a whole cluster: what the servers write beside a value that was just put there.
//!
//! Half of the way there and back is the error, some milliseconds, and the same for all who ask the same servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::kv::Store;
use tokio::task::AbortHandle;

use crate::jobs::timestamp::{Clock, Timestamp, system_clock};

/// Between two looks: clocks of machines part by some ms an hour, and jump when somebody sets them.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);

/// Dropping it ends the looking.
pub(super) struct ServerClock {
    /// What the servers' clock is ahead of ours, in µs.
    ahead: Arc<AtomicI64>,
    looking: AbortHandle,
}

impl Drop for ServerClock {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl ServerClock {
    /// Looks once, and then now and again.
    pub(super) async fn start(store: &Store) -> Result<Self, String> {
        let key = uuid::Uuid::new_v4().simple().to_string();
        let ahead = Arc::new(AtomicI64::new(look(store, &key).await?));
        let (store, latest) = (store.clone(), ahead.clone());
        let looking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BETWEEN_LOOKS).await;
                match look(&store, &key).await {
                    Ok(ahead) => latest.store(ahead, Ordering::Relaxed),
                    // What was seen last is still about right.
                    Err(error) => tracing::debug!(error, "cannot ask the servers what time it is"),
                }
            }
        });
        Ok(Self { ahead, looking: looking.abort_handle() })
    }

    pub(super) fn as_clock(&self) -> Clock {
        let ahead = self.ahead.clone();
        Arc::new(move || shifted(SystemTime::now(), ahead.load(Ordering::Relaxed)))
    }
}

fn shifted(time: SystemTime, micros: i64) -> SystemTime {
    let by = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { time.checked_sub(by) } else { time.checked_add(by) }.unwrap_or(time)
}

async fn look(store: &Store, key: &str) -> Result<i64, String> {
    let ours = system_clock();
    let before = Timestamp::now(&ours).micros();
    store.put(key, "".into()).await.map_err(|error| error.to_string())?;
    let after = Timestamp::now(&ours).micros();
    let entry = store.entry(key).await.map_err(|error| error.to_string())?;
    let created = entry.ok_or("what was just put there is not there")?.created;
    let theirs = i64::try_from(created.unix_timestamp_nanos() / 1000).map_err(|error| error.to_string())?;
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
