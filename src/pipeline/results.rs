//! Finished files, kept to answer repeats without painting (`TENTER_RESULT_CACHE_BYTES`).
//!
//! One entry is all that one request got: its files and its warnings. The classic call and jobs ask for one picture or one
//! document at a time, so single pages would be found no more often, and warnings belong to requests. A question is what
//! [`super::fingerprint`] makes of a request whose files are in hand: assets are looked at each time, as fresh as their
//! servers want them, so that an answer is never older than they are.

use std::sync::Arc;

use super::render::Rendered;
use crate::kept::Shared;

/// One answer may be as large as all that is kept.
const LARGEST_SHARE: usize = 1;
/// Counted for each entry besides its files: key, list nodes.
const ENTRY_BYTES: usize = 512;
/// Counted for each warning besides its message: path, element, places in lists.
const WARNING_BYTES: usize = 256;

/// The key: SHA-256 of what was asked for.
pub(super) type Question = [u8; 32];

/// Bounded in bytes.
pub(super) struct ResultCache {
    is_on: bool,
    kept: Shared<Question, Arc<Rendered>>,
}

impl ResultCache {
    /// `bound`: in bytes; 0 keeps nothing and looks for nothing.
    pub(super) fn new(bound: usize) -> Self {
        Self { is_on: bound > 0, kept: Shared::new(bound, LARGEST_SHARE) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Now the most recently used.
    pub(super) fn get(&self, question: &Question) -> Option<Arc<Rendered>> {
        self.kept.get(question)
    }

    /// Replaces what is there.
    pub(super) fn put(&self, question: Question, answer: Arc<Rendered>) {
        let bytes = cost(&answer);
        self.kept.put(question, answer, bytes);
    }

    /// Held at this moment, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.kept.bytes()
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
            assert!(cache.bytes() <= 3000);
        }
        assert_eq!(cache.bytes(), 700);
        assert!(ResultCache::new(1).is_on() && !ResultCache::new(0).is_on());
    }
}
