//! Loads in flight, shared by everyone who needs the same file at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

/// Loads in flight by key. The first request runs the load; when it is dropped, the next waiting one starts it again.
#[derive(Debug)]
pub(super) struct InFlight<K, T>(Mutex<HashMap<K, Weak<OnceCell<T>>>>);

impl<K, T> Default for InFlight<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, T: Clone> InFlight<K, T> {
    /// Returns the result of the load in flight for `key`; if there is none, runs `load`.
    pub(super) async fn share(&self, key: K, load: impl Future<Output = T>) -> T {
        let cell = self.join(key);
        cell.get_or_init(|| load).await.clone()
    }

    fn join(&self, key: K) -> Arc<OnceCell<T>> {
        let mut loads = self.0.lock();
        loads.retain(|_, cell| cell.strong_count() > 0);
        if let Some(cell) = loads.get(&key).and_then(Weak::upgrade) {
            return cell;
        }
        let cell = Arc::new(OnceCell::new());
        loads.insert(key, Arc::downgrade(&cell));
        cell
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn concurrent_requests_share_one_load() {
        let in_flight = InFlight::default();
        let loads = AtomicU32::new(0);
        let load = || async {
            tokio::task::yield_now().await;
            loads.fetch_add(1, Ordering::SeqCst)
        };
        let results =
            tokio::join!(in_flight.share("a", load()), in_flight.share("a", load()), in_flight.share("b", load()));
        assert_eq!(results.0, results.1);
        assert_eq!(loads.load(Ordering::SeqCst), 2);
        assert_eq!(in_flight.share("a", async { 9 }).await, 9, "a finished load is not shared");
    }

    #[tokio::test]
    async fn shared_load_survives_the_drop_of_the_first_request() {
        let in_flight = InFlight::default();
        let mut first = Box::pin(in_flight.share("a", std::future::pending()));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(in_flight.share("a", async { 1 }));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await, 1);
    }
}
