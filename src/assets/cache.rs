//! The cache of decoded assets.
//!
//! In: an LRU cache bounded in bytes, keyed by a hash of kind and URL. Not in: fetching, decoding, rules of HTTP
//! freshness (an entry stores the result of `fetch`).

use std::time::Instant;

use sha2::{Digest, Sha256};

use super::asset::LoadedAsset;
use super::freshness::Freshness;
use super::request::AssetKind;
use crate::cache::SharedLru;
use crate::hash::ContentHash;

/// An asset may take at most the cache's bytes divided by this.
const MAX_ENTRY_DIVISOR: usize = 1;
/// Overhead of an entry in bytes: key, validators, list nodes.
const ENTRY_OVERHEAD_BYTES: usize = 512;

/// Cache key: SHA-256 of the kind and the URL. Equal `data:` URLs have equal contents and share an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AssetKey(ContentHash);

impl AssetKey {
    /// The key of `url`, decoded as `kind`. It takes about 1 ms per MB, so it should run on the pool for `data:` URLs.
    pub(super) fn of(kind: AssetKind, url: &str) -> Self {
        let tag: &[u8] = match kind {
            AssetKind::Image => b"image ",
            AssetKind::Font => b"font ",
        };
        Self(Sha256::new().chain_update(tag).chain_update(url).into())
    }
}

/// A cached asset with its freshness.
#[derive(Clone, Debug)]
pub(super) struct CacheEntry {
    pub(super) loaded: LoadedAsset,
    /// Time of the response and its freshness; `None` for assets that never change.
    pub(super) fetched: Option<(Instant, Freshness)>,
}

impl CacheEntry {
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.fetched.as_ref().is_none_or(|(at, freshness)| now.duration_since(*at) < freshness.fresh_for)
    }
}

/// LRU cache of decoded assets, bounded in bytes.
#[derive(Debug)]
pub(super) struct AssetCache(SharedLru<AssetKey, CacheEntry>);

impl AssetCache {
    /// Creates a cache of at most `max_bytes` (`TENTER_ASSET_CACHE_BYTES`); 0 disables it.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(SharedLru::new(max_bytes, MAX_ENTRY_DIVISOR))
    }

    /// Returns the entry of `key`, fresh or not, and marks it as the most recently used.
    pub(super) fn get(&self, key: &AssetKey) -> Option<CacheEntry> {
        self.0.get(key)
    }

    /// Inserts or replaces the entry of `key`.
    pub(super) fn put(&self, key: AssetKey, entry: CacheEntry) {
        let bytes = cost(&entry);
        self.0.put(key, entry, bytes);
    }

    /// Removes the entry of `key`, if any.
    pub(super) fn remove(&self, key: &AssetKey) {
        self.0.remove(key);
    }
}

fn cost(entry: &CacheEntry) -> usize {
    entry.loaded.bytes.saturating_add(ENTRY_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use peniko::Blob;

    use super::*;
    use crate::assets::asset::Asset;
    use crate::assets::freshness::Validators;

    fn key(name: &str) -> AssetKey {
        AssetKey::of(AssetKind::Font, name)
    }

    fn font(bytes: usize) -> LoadedAsset {
        LoadedAsset { asset: Asset::Font(Blob::from(vec![0u8])), bytes, hash: ContentHash::of(&[0]) }
    }

    fn entry(bytes: usize) -> CacheEntry {
        CacheEntry { loaded: font(bytes - ENTRY_OVERHEAD_BYTES), fetched: None }
    }

    fn contains(cache: &AssetCache, names: &[&str]) -> Vec<bool> {
        names.iter().map(|name| cache.get(&key(name)).is_some()).collect()
    }

    #[test]
    fn cache_evicts_the_least_recently_used() {
        let cache = AssetCache::new(3000);
        for name in ["a", "b", "c"] {
            cache.put(key(name), entry(1000));
        }
        assert!(cache.get(&key("a")).is_some());
        cache.put(key("d"), entry(1000));
        assert_eq!(contains(&cache, &["a", "b", "c", "d"]), [true, false, true, true]);
        assert_eq!(cache.0.bytes(), 3000);
    }

    #[test]
    fn cache_never_exceeds_its_bound() {
        let cache = AssetCache::new(3000);
        for (name, bytes) in [("a", 1500), ("b", 1500), ("a", 3000), ("c", 600), ("d", 3001), ("c", 700)] {
            cache.put(key(name), entry(bytes));
            assert!(cache.0.bytes() <= 3000);
        }
        assert_eq!(contains(&cache, &["a", "b", "c", "d"]), [false, false, true, false]);
        cache.remove(&key("c"));
        assert_eq!(cache.0.bytes(), 0);
        let none = AssetCache::new(0);
        none.put(key("a"), entry(ENTRY_OVERHEAD_BYTES));
        assert!(none.get(&key("a")).is_none());
    }

    #[test]
    fn cache_key_depends_on_the_kind() {
        assert_ne!(AssetKey::of(AssetKind::Font, "https://x/a"), AssetKey::of(AssetKind::Image, "https://x/a"));
        assert_eq!(key("https://x/a"), key("https://x/a"));
    }

    #[test]
    fn cache_freshness_ends() {
        let came = Instant::now();
        let freshness =
            Freshness { storable: true, fresh_for: Duration::from_secs(10), validators: Validators::default() };
        let entry = CacheEntry { fetched: Some((came, freshness)), ..entry(1000) };
        assert!(entry.is_fresh(came + Duration::from_secs(9)));
        assert!(!entry.is_fresh(came + Duration::from_secs(10)));
        assert!(self::entry(1000).is_fresh(came + Duration::from_secs(1_000_000)));
    }
}
