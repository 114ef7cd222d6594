//! Finished files, kept to answer repeats without painting (`TENTER_RESULT_CACHE_BYTES`).
//!
//! One entry is all that one request got: its files and its warnings. The classic call and jobs ask for one picture or one
//! document at a time, so single pages would be found no more often, and warnings belong to requests. A question is what
//! [`super::fingerprint`] makes of a request whose files are in hand: assets are looked at each time, as fresh as their
//! servers want them, so that an answer is never older than they are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::render::Rendered;

/// Counted for each entry besides its files: key, list nodes.
const ENTRY_BYTES: usize = 512;
/// Counted for each warning besides its message: path, element, places in lists.
const WARNING_BYTES: usize = 256;

/// The key: SHA-256 of what was asked for.
pub(super) type Question = [u8; 32];

/// Least recently used first out; never holds more than its bound.
pub(super) struct ResultCache {
    bound: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    entries: LruCache<Question, Arc<Rendered>>,
    bytes: usize,
}

impl ResultCache {
    /// `bound`: in bytes; 0 keeps nothing and looks for nothing.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, kept: Mutex::new(Kept { entries: LruCache::unbounded(), bytes: 0 }) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.bound > 0
    }

    /// Now the most recently used.
    pub(super) fn get(&self, question: &Question) -> Option<Arc<Rendered>> {
        self.lock().entries.get(question).cloned()
    }

    /// Replaces what is there. Evicts first, so that the bound holds at every moment; what is larger than the bound is not
    /// kept.
    pub(super) fn put(&self, question: Question, answer: Arc<Rendered>) {
        let cost_of_new = cost(&answer);
        if cost_of_new > self.bound {
            return;
        }
        let kept = &mut *self.lock();
        if let Some(old) = kept.entries.pop(&question) {
            kept.bytes -= cost(&old);
        }
        while kept.bytes > self.bound - cost_of_new {
            let Some((_, old)) = kept.entries.pop_lru() else { break };
            kept.bytes -= cost(&old);
        }
        kept.bytes += cost_of_new;
        kept.entries.put(question, answer);
    }

    /// Held at this moment, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Every step leaves the list and the sum in agreement, so a poisoned lock guards nothing broken.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn answer(bytes: usize) -> Arc<Rendered> {
        let page = RenderedPage {
            index: 0,
            bytes: vec![0; bytes - ENTRY_BYTES].into(),
            rasterizer: "cpu",
            fingerprint: Fingerprint::of_test(),
        };
        Arc::new(Rendered { pages: vec![page], media_type: "image/png", warnings: Vec::new(), cache: CacheUse::Miss })
    }

    #[test]
    fn results_are_evicted_least_recently_used_first() {
        let cache = ResultCache::new(3000);
        for name in 1..=3 {
            cache.put([name; 32], answer(1000));
        }
        assert!(cache.get(&[1; 32]).is_some());
        cache.put([4; 32], answer(1000));
        assert_eq!([1, 2, 3, 4].map(|name| cache.get(&[name; 32]).is_some()), [true, false, true, true]);
        assert_eq!(cache.bytes(), 3000);
    }

    #[test]
    fn results_never_pass_their_bound() {
        let cache = ResultCache::new(3000);
        for (name, bytes) in [(1, 1500), (2, 1500), (1, 3000), (3, 600), (4, 3001), (3, 700)] {
            cache.put([name; 32], answer(bytes));
            let kept = cache.lock();
            assert!(kept.bytes <= 3000);
            assert_eq!(kept.bytes, kept.entries.iter().map(|(_, it)| cost(it)).sum::<usize>());
        }
        assert_eq!(cache.bytes(), 700);
        assert!(ResultCache::new(1).is_on() && !ResultCache::new(0).is_on());
    }
}
