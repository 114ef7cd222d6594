//! Decoded assets kept between requests, and loads shared between requests that want the same at the same time.
//!
//! In: a list bounded in bytes, keyed by a hash of what was asked for; flights. Not in: fetching, decoding, HTTP freshness
//! (an entry only holds what `fetch` said about it).

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::error::Reason;
use super::fetch::Freshness;
use super::{Asset, AssetKind, ContentHash};
use crate::kept::Shared;

/// One asset may be as large as all that is kept.
const LARGEST_SHARE: usize = 1;
/// Counted for each entry besides its contents: key, validators, list nodes.
const ENTRY_BYTES: usize = 512;

/// SHA-256 of what was asked for and as what. A `data:` URL is its own contents, so equal contents share an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// Of `url`, decoded as `kind`. Slow for long `data:` URLs (about 1 ms a MB): call it on the pool.
    pub(super) fn of(kind: AssetKind, url: &str) -> Self {
        let tag: &[u8] = match kind {
            AssetKind::Image => b"image ",
            AssetKind::Font => b"font ",
        };
        Self(Sha256::new().chain_update(tag).chain_update(url).finalize().into())
    }
}

/// A decoded asset.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) asset: Asset,
    /// Bytes it occupies.
    pub(super) bytes: usize,
    /// Of the file it was decoded from.
    pub(super) hash: ContentHash,
}

/// A decoded asset and how long it may be used.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) contents: Contents,
    /// When it came and what the server said then. `None`: fresh for ever, the key is the contents.
    pub(super) fetched: Option<(Instant, Freshness)>,
}

impl Entry {
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.fetched.as_ref().is_none_or(|(at, freshness)| now.duration_since(*at) < freshness.fresh_for)
    }
}

/// Bounded in bytes.
#[derive(Debug)]
pub(super) struct Cache(Shared<Key, Entry>);

impl Cache {
    /// `bound`: `TENTER_ASSET_CACHE_BYTES`; 0 keeps nothing.
    pub(super) fn new(bound: usize) -> Self {
        Self(Shared::new(bound, LARGEST_SHARE))
    }

    /// Fresh or not, and now the most recently used.
    pub(super) fn get(&self, key: &Key) -> Option<Entry> {
        self.0.get(key)
    }

    /// Replaces what is there.
    pub(super) fn put(&self, key: Key, entry: Entry) {
        let bytes = cost(&entry);
        self.0.put(key, entry, bytes);
    }

    /// Forgets it, if it is there.
    pub(super) fn remove(&self, key: &Key) {
        self.0.remove(key);
    }
}

fn cost(entry: &Entry) -> usize {
    entry.contents.bytes.saturating_add(ENTRY_BYTES)
}

/// What a load came to, for all who waited for it.
pub(super) type Landed = Result<Contents, Reason>;

/// Loads under way. Whoever asks first does the work; when that request is dropped, the next in line starts it anew.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Weak<OnceCell<Landed>>>>);

impl Flights {
    /// The outcome of the flight under way for `key`, or else of `load`.
    pub(super) async fn share(&self, key: Key, load: impl Future<Output = Landed>) -> Landed {
        let flight = self.join(key);
        flight.get_or_init(|| load).await.clone()
    }

    fn join(&self, key: Key) -> Arc<OnceCell<Landed>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::new(OnceCell::new());
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use peniko::Blob;

    use super::*;
    use crate::assets::fetch::Validators;

    fn key(name: &str) -> Key {
        Key::of(AssetKind::Font, name)
    }

    fn font(bytes: usize) -> Contents {
        Contents { asset: Asset::Font(Blob::from(vec![0u8])), bytes, hash: ContentHash::of(&[0]) }
    }

    fn entry(bytes: usize) -> Entry {
        Entry { contents: font(bytes - ENTRY_BYTES), fetched: None }
    }

    fn kept(cache: &Cache, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| cache.get(&key(name)).is_some()).collect()
    }

    #[test]
    fn cache_evicts_the_least_recently_used() {
        let cache = Cache::new(3000);
        for name in ["a", "b", "c"] {
            cache.put(key(name), entry(1000));
        }
        assert!(cache.get(&key("a")).is_some());
        cache.put(key("d"), entry(1000));
        assert_eq!(kept(&cache, &["a", "b", "c", "d"]), [true, false, true, true]);
        assert_eq!(cache.0.bytes(), 3000);
    }

    #[test]
    fn cache_never_passes_its_bound() {
        let cache = Cache::new(3000);
        for (name, bytes) in [("a", 1500), ("b", 1500), ("a", 3000), ("c", 600), ("d", 3001), ("c", 700)] {
            cache.put(key(name), entry(bytes));
            assert!(cache.0.bytes() <= 3000);
        }
        assert_eq!(kept(&cache, &["a", "b", "c", "d"]), [false, false, true, false]);
        cache.remove(&key("c"));
        assert_eq!(cache.0.bytes(), 0);
        let none = Cache::new(0);
        none.put(key("a"), entry(ENTRY_BYTES));
        assert!(none.get(&key("a")).is_none());
    }

    #[test]
    fn cache_key_tells_kinds_apart() {
        assert_ne!(Key::of(AssetKind::Font, "https://x/a"), Key::of(AssetKind::Image, "https://x/a"));
        assert_eq!(key("https://x/a"), key("https://x/a"));
    }

    #[test]
    fn cache_freshness_ends() {
        let came = Instant::now();
        let freshness = Freshness { keep: true, fresh_for: Duration::from_secs(10), validators: Validators::default() };
        let entry = Entry { fetched: Some((came, freshness)), ..entry(1000) };
        assert!(entry.is_fresh(came + Duration::from_secs(9)));
        assert!(!entry.is_fresh(came + Duration::from_secs(10)));
        assert!(self::entry(1000).is_fresh(came + Duration::from_secs(1_000_000)));
    }

    #[tokio::test]
    async fn flights_share_one_load() {
        let flights = Flights::default();
        let loads = AtomicU32::new(0);
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(Reason::Status(404))
        };
        let (a, b, other) = tokio::join!(
            flights.share(key("a"), load()),
            flights.share(key("a"), load()),
            flights.share(key("b"), load())
        );
        assert_eq!(loads.load(Ordering::SeqCst), 2);
        for landed in [a, b, other] {
            assert!(matches!(landed, Err(Reason::Status(404))));
        }
        assert!(flights.share(key("a"), async { Ok(font(1)) }).await.is_ok(), "a landed flight is not joined");
    }

    #[tokio::test]
    async fn flights_survive_the_first_being_dropped() {
        let flights = Flights::default();
        let mut first = Box::pin(flights.share(key("a"), std::future::pending()));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let mut second = Box::pin(flights.share(key("a"), async { Ok(font(1)) }));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(second.await.is_ok());
    }
}
