//! The result cache: finished files that answer repeated requests without painting (`TENTER_RESULT_CACHE_BYTES`).
//!
//! One entry holds the files and warnings of one request. Single pages would not be found more often, as the classic
//! call and jobs ask for one picture or one document at a time, and warnings belong to requests. The key comes from
//! [`super::fingerprint`] after the assets were loaded: assets are revalidated for each request according to their
//! servers' cache rules, so that an answer is never older than they are.

use std::sync::Arc;

use super::request::Rendered;
use crate::cache::SharedLru;
use crate::hash::ContentHash;

/// Largest entry, as a divisor of the bound: one answer may fill the whole cache.
const MAX_ENTRY_SHARE: usize = 1;
/// Estimated overhead of an entry besides its files: key, list nodes.
const ENTRY_BYTES: usize = 512;
/// Estimated size of a warning besides its message: path, element, list positions.
const WARNING_BYTES: usize = 256;

/// SHA-256 of everything that an answer depends on.
pub(super) type CacheKey = ContentHash;

/// Answers by [`CacheKey`], bounded in bytes; the least recently used are evicted first.
pub(super) struct ResultCache {
    is_on: bool,
    entries: SharedLru<CacheKey, Arc<Rendered>>,
}

impl ResultCache {
    /// `bound`: in bytes; 0 turns the cache off.
    pub(super) fn new(bound: usize) -> Self {
        Self { is_on: bound > 0, entries: SharedLru::new(bound, MAX_ENTRY_SHARE) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Looks an answer up and marks it as most recently used.
    pub(super) fn get(&self, key: &CacheKey) -> Option<Arc<Rendered>> {
        self.entries.get(key)
    }

    /// Stores an answer; replaces an older one of the same key.
    pub(super) fn put(&self, key: CacheKey, answer: Arc<Rendered>) {
        let bytes = cost(&answer);
        self.entries.put(key, answer, bytes);
    }

    /// Size of all entries in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes()
    }
}

fn cost(answer: &Rendered) -> usize {
    let files: usize = answer.pages.iter().map(|page| page.bytes.len()).sum();
    let warnings: usize = answer.warnings.iter().map(|it| it.message.len().saturating_add(WARNING_BYTES)).sum();
    files.saturating_add(warnings).saturating_add(ENTRY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{CacheUse, Fingerprint, RenderedPage};

    fn key(byte: u8) -> CacheKey {
        ContentHash::from_bytes([byte; 32])
    }

    fn answer(bytes: usize) -> Arc<Rendered> {
        let page = RenderedPage {
            index: 0,
            bytes: vec![0; bytes - ENTRY_BYTES].into(),
            rasterizer: "cpu",
            fingerprint: Fingerprint(key(7)),
        };
        Arc::new(Rendered { pages: vec![page], media_type: "image/png", warnings: Vec::new(), cache: CacheUse::Miss })
    }

    #[test]
    fn results_are_evicted_least_recently_used_first() {
        let cache = ResultCache::new(3000);
        for name in 1..=3 {
            cache.put(key(name), answer(1000));
        }
        assert!(cache.get(&key(1)).is_some());
        cache.put(key(4), answer(1000));
        assert_eq!([1, 2, 3, 4].map(|name| cache.get(&key(name)).is_some()), [true, false, true, true]);
        assert_eq!(cache.bytes(), 3000);
    }

    #[test]
    fn results_never_pass_their_bound() {
        let cache = ResultCache::new(3000);
        for (name, bytes) in [(1, 1500), (2, 1500), (1, 3000), (3, 600), (4, 3001), (3, 700)] {
            cache.put(key(name), answer(bytes));
            assert!(cache.bytes() <= 3000);
        }
        assert_eq!(cache.bytes(), 700);
        assert!(ResultCache::new(1).is_on() && !ResultCache::new(0).is_on());
    }
}
