//! Cache with a limit in bytes that evicts the least recently used entries first.
//!
//! In: the list of entries, the sum of their sizes, and eviction. Not in: the cached values, their keys, and how long
//! they are valid. Imports nothing of the crate.

use std::hash::Hash;

use lru::LruCache;
use parking_lot::Mutex;

/// A cache for one thread. Each entry has a size in bytes, which the caller states.
#[derive(Debug)]
pub struct ByteBoundedLru<K: Hash + Eq, V> {
    entries: LruCache<K, (V, usize)>,
    bytes: usize,
    max_bytes: usize,
    max_entry_bytes: usize,
}

impl<K: Hash + Eq, V> ByteBoundedLru<K, V> {
    /// Creates a cache for at most `max_bytes`; 0 caches nothing. One entry may take `1 / share` of that, so that a
    /// large one does not evict everything else. `share`: at least 1; 0 counts as 1.
    pub fn new(max_bytes: usize, share: usize) -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0, max_bytes, max_entry_bytes: max_bytes / share.max(1) }
    }

    /// Whether an entry of this size would be cached.
    pub fn accepts(&self, bytes: usize) -> bool {
        bytes <= self.max_entry_bytes && bytes > 0
    }

    /// Looks an entry up and marks it as most recently used.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Stores `value` in place of an older one, if [`Self::accepts`] allows its size; otherwise removes the older one.
    /// Evicts other entries first, so that the limit holds at every moment.
    ///
    /// `bytes`: the size of the entry, at least 1; entries of size 0 are not stored, as their number would be
    /// unlimited.
    pub fn put(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if !self.accepts(bytes) {
            return;
        }
        while self.bytes > self.max_bytes - bytes {
            let Some((_, (_, oldest))) = self.entries.pop_lru() else { break };
            self.bytes -= oldest;
        }
        self.bytes += bytes;
        self.entries.put(key, (value, bytes));
    }

    /// Removes an entry, if there is one.
    pub fn remove(&mut self, key: &K) {
        if let Some((_, bytes)) = self.entries.pop(key) {
            self.bytes -= bytes;
        }
    }

    /// Size of all entries in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of entries that are cached.
    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

/// A [`ByteBoundedLru`] shared by all threads. Values must be cheap to clone, such as an `Arc`.
#[derive(Debug)]
pub struct SharedLru<K: Hash + Eq, V>(Mutex<ByteBoundedLru<K, V>>);

impl<K: Hash + Eq, V: Clone> SharedLru<K, V> {
    /// Creates a cache with the limits that [`ByteBoundedLru::new`] describes.
    pub fn new(max_bytes: usize, share: usize) -> Self {
        Self(Mutex::new(ByteBoundedLru::new(max_bytes, share)))
    }

    /// Whether an entry of this size would be cached.
    pub fn accepts(&self, bytes: usize) -> bool {
        self.0.lock().accepts(bytes)
    }

    /// Looks an entry up and marks it as most recently used.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.lock().get(key).cloned()
    }

    /// Stores an entry as [`ByteBoundedLru::put`] does.
    pub fn put(&self, key: K, value: V, bytes: usize) {
        self.0.lock().put(key, value, bytes);
    }

    /// Removes an entry, if there is one.
    pub fn remove(&self, key: &K) {
        self.0.lock().remove(key);
    }

    /// Size of all entries in bytes.
    pub fn bytes(&self) -> usize {
        self.0.lock().bytes()
    }

    /// Number of entries that are cached.
    pub fn count(&self) -> usize {
        self.0.lock().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(cache: &mut ByteBoundedLru<&'static str, u8>) -> Vec<&'static str> {
        let mut names: Vec<_> = cache.entries.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn least_recently_used_goes_first() {
        let mut cache = ByteBoundedLru::new(3000, 1);
        ["a", "b", "c"].into_iter().for_each(|name| cache.put(name, 1, 1000));
        assert_eq!(cache.get(&"a"), Some(&1));
        cache.put("d", 2, 1000);
        assert_eq!((names(&mut cache), cache.bytes()), (vec!["a", "c", "d"], 3000));
    }

    #[test]
    fn limit_holds_for_any_sequence_of_entries() {
        let mut cache = ByteBoundedLru::new(3000, 1);
        for (name, bytes) in [("a", 1500), ("b", 1500), ("a", 3000), ("c", 600), ("d", 3001), ("c", 700)] {
            cache.put(name, 0, bytes);
            assert!(cache.bytes() <= 3000);
            assert_eq!(cache.bytes(), cache.entries.iter().map(|(_, (_, bytes))| bytes).sum::<usize>());
        }
        assert_eq!(names(&mut cache), ["c"]);
        cache.remove(&"c");
        assert_eq!((cache.bytes(), cache.count()), (0, 0));
    }

    #[test]
    fn one_entry_takes_at_most_its_share() {
        let mut cache = ByteBoundedLru::new(4000, 4);
        cache.put("a", 0, 1000);
        cache.put("b", 0, 1001);
        assert_eq!(names(&mut cache), ["a"]);
        cache.put("a", 1, 1001);
        assert_eq!(cache.get(&"a"), None, "an entry that is too large removes the older one");
    }

    #[test]
    fn nothing_is_cached_without_capacity_or_size() {
        let (mut none, mut some) = (ByteBoundedLru::new(0, 4), ByteBoundedLru::new(10, 1));
        none.put("a", 0, 1);
        some.put("a", 0, 0);
        assert_eq!((none.count(), some.count()), (0, 0));
    }
}
