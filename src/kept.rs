//! What was made before, kept for the next time: bounded in bytes, least recently used first out.
//!
//! In: the list, the sum, and the rule of what has to go. Not in: what is kept, under which name, or how long it is good.
//! Imports nothing of ours.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// For one user.
#[derive(Debug)]
pub struct Kept<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    bytes: usize,
    most: usize,
    largest: usize,
}

impl<K: Hash + Eq, V> Kept<K, V> {
    /// At most `most` bytes; 0 keeps nothing. One entry may take `1 / share` of that, so that a large one does not push
    /// everything else out. `share`: at least 1; 0 counts as 1.
    pub fn new(most: usize, share: usize) -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0, most, largest: most / share.max(1) }
    }

    /// True when an entry of so many bytes would be kept.
    pub fn takes(&self, bytes: usize) -> bool {
        bytes <= self.largest && bytes > 0
    }

    /// Now the most recently used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Keeps `value` instead of what was there, if [`Self::takes`] says so; else nothing is there afterwards. Others go first,
    /// so that the bound holds at every moment.
    ///
    /// `bytes`: what it occupies, at least 1: what costs nothing could be kept without end.
    pub fn put(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if !self.takes(bytes) {
            return;
        }
        while self.bytes > self.most - bytes {
            let Some((_, (_, oldest))) = self.entries.pop_lru() else { break };
            self.bytes -= oldest;
        }
        self.bytes += bytes;
        self.entries.put(key, (value, bytes));
    }

    /// Forgets it, if it is there.
    pub fn remove(&mut self, key: &K) {
        if let Some((_, bytes)) = self.entries.pop(key) {
            self.bytes -= bytes;
        }
    }

    /// Of all entries together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

/// For all threads. Values are cheap to clone: what is large stands behind an `Arc`.
#[derive(Debug)]
pub struct Shared<K: Hash + Eq, V>(Mutex<Kept<K, V>>);

impl<K: Hash + Eq, V: Clone> Shared<K, V> {
    /// As [`Kept::new`].
    pub fn new(most: usize, share: usize) -> Self {
        Self(Mutex::new(Kept::new(most, share)))
    }

    /// As [`Kept::takes`].
    pub fn takes(&self, bytes: usize) -> bool {
        self.lock().takes(bytes)
    }

    /// As [`Kept::get`].
    pub fn get(&self, key: &K) -> Option<V> {
        self.lock().get(key).cloned()
    }

    /// As [`Kept::put`].
    pub fn put(&self, key: K, value: V, bytes: usize) {
        self.lock().put(key, value, bytes);
    }

    /// As [`Kept::remove`].
    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    /// As [`Kept::bytes`].
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// As [`Kept::count`].
    pub fn count(&self) -> usize {
        self.lock().count()
    }

    /// Every step leaves the list and the sum in agreement, so a poisoned lock guards nothing broken.
    fn lock(&self) -> MutexGuard<'_, Kept<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kept: &mut Kept<&'static str, u8>) -> Vec<&'static str> {
        let mut names: Vec<_> = kept.entries.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn least_recently_used_goes_first() {
        let mut kept = Kept::new(3000, 1);
        ["a", "b", "c"].into_iter().for_each(|name| kept.put(name, 1, 1000));
        assert_eq!(kept.get(&"a"), Some(&1));
        kept.put("d", 2, 1000);
        assert_eq!((names(&mut kept), kept.bytes()), (vec!["a", "c", "d"], 3000));
    }

    #[test]
    fn bound_holds_whatever_comes() {
        let mut kept = Kept::new(3000, 1);
        for (name, bytes) in [("a", 1500), ("b", 1500), ("a", 3000), ("c", 600), ("d", 3001), ("c", 700)] {
            kept.put(name, 0, bytes);
            assert!(kept.bytes() <= 3000);
            assert_eq!(kept.bytes(), kept.entries.iter().map(|(_, (_, bytes))| bytes).sum::<usize>());
        }
        assert_eq!(names(&mut kept), ["c"]);
        kept.remove(&"c");
        assert_eq!((kept.bytes(), kept.count()), (0, 0));
    }

    #[test]
    fn one_entry_takes_its_share_at_most() {
        let mut kept = Kept::new(4000, 4);
        kept.put("a", 0, 1000);
        kept.put("b", 0, 1001);
        assert_eq!(names(&mut kept), ["a"]);
        kept.put("a", 1, 1001);
        assert_eq!(kept.get(&"a"), None, "the old one is not what was put there last");
    }

    #[test]
    fn nothing_is_kept_in_no_room_or_for_nothing() {
        let (mut none, mut some) = (Kept::new(0, 4), Kept::new(10, 1));
        none.put("a", 0, 1);
        some.put("a", 0, 0);
        assert_eq!((none.count(), some.count()), (0, 0));
    }
}
