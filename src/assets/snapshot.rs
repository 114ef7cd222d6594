//! The asset snapshot of a batch: every row gets the same contents for the same URL.
//!
//! In: decoded assets in memory up to a bound, hashes beyond it, and the entries of an earlier run of the batch.
//! Not in: fetching, the cache of all renders, where the hashes are stored.
//!
//! The snapshot excludes `data:` URLs, which are their own contents, and files of the font service, which never change.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use url::Url;

use super::asset::{LoadResult, LoadedAsset};
use super::cache::AssetKey;
use super::error::{ChangedFile, Reason};
use super::request::AssetKind;
use super::snapshot_store::SnapshotStore;
use crate::hash::ContentHash;

/// One entry of a snapshot, which identifies the contents of a URL after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotEntry {
    /// Kind of the asset.
    pub kind: AssetKind,
    /// Absolute URL without fragment.
    pub url: String,
    /// Hash of the file.
    pub sha256: ContentHash,
}

/// The assets of one batch, shared by all sessions that render its rows.
///
/// The first row that needs a URL fetches it; every later row gets the same contents. They stay in memory while all
/// together are within the bound. Assets beyond the bound are fetched again or found in the cache, and it is an error
/// when their hash has changed. Failed loads are not recorded, so that the next row tries again.
#[derive(Debug)]
pub struct AssetSnapshot {
    max_bytes: usize,
    store: Option<Arc<dyn SnapshotStore>>,
    state: Mutex<SnapshotState>,
}

#[derive(Debug, Default)]
struct SnapshotState {
    slots: HashMap<AssetKey, Arc<Slot>>,
    /// Bytes of decoded assets in memory.
    bytes: usize,
    /// Entries since the last call of [`AssetSnapshot::drain_new`].
    new: Vec<SnapshotEntry>,
}

/// The slot of one URL. It is locked while the URL is fetched, so that concurrent rows wait for the first.
type Slot = tokio::sync::Mutex<SlotState>;

#[derive(Debug)]
enum SlotState {
    Empty,
    Hashed(ContentHash),
    InMemory(LoadedAsset),
}

impl AssetSnapshot {
    /// Creates a snapshot that knows the entries of earlier runs, as [`Self::drain_new`] returned them.
    ///
    /// `max_bytes`: maximum bytes of decoded assets in memory (`TENTER_PIN_BYTES`).
    pub fn new(max_bytes: usize, entries: impl IntoIterator<Item = SnapshotEntry>) -> Self {
        let slot = |SnapshotEntry { kind, url, sha256 }| {
            (AssetKey::of(kind, &url), Arc::new(Slot::new(SlotState::Hashed(sha256))))
        };
        let slots = entries.into_iter().map(slot).collect();
        Self { max_bytes, store: None, state: Mutex::new(SnapshotState { slots, ..SnapshotState::default() }) }
    }

    /// Creates a snapshot whose files are in `store`. Assets beyond the bound are read from there instead of fetched.
    pub fn with_store(max_bytes: usize, store: Arc<dyn SnapshotStore>) -> Self {
        Self { store: Some(store), ..Self::new(max_bytes, []) }
    }

    pub(super) fn store(&self) -> Option<&dyn SnapshotStore> {
        self.store.as_deref()
    }

    /// Returns the entries that were added since the last call, or since the start.
    pub fn drain_new(&self) -> Vec<SnapshotEntry> {
        std::mem::take(&mut self.state.lock().new)
    }

    /// Returns the contents of `url`; `load` fetches them when they are not in memory.
    pub(super) async fn get_or_fetch(
        &self,
        key: AssetKey,
        kind: AssetKind,
        url: &Url,
        load: impl Future<Output = LoadResult>,
    ) -> LoadResult {
        let slot = self.state.lock().slots.entry(key).or_insert_with(|| Arc::new(Slot::new(SlotState::Empty))).clone();
        let mut slot = slot.lock().await;
        let expected = match &*slot {
            SlotState::InMemory(loaded) => return Ok(loaded.clone()),
            SlotState::Hashed(hash) => Some(*hash),
            SlotState::Empty => None,
        };
        let loaded = load.await?;
        let found = loaded.hash;
        if let Some(expected) = expected.filter(|it| *it != found) {
            return Err(Reason::Changed(Box::new(ChangedFile { expected, found })));
        }
        let mut state = self.state.lock();
        if expected.is_none() && self.store.is_none() {
            state.new.push(SnapshotEntry { kind, url: url.to_string(), sha256: found });
        }
        let bytes = state.bytes.saturating_add(loaded.bytes);
        *slot = if bytes <= self.max_bytes {
            state.bytes = bytes;
            SlotState::InMemory(loaded.clone())
        } else {
            SlotState::Hashed(found)
        };
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests {
    use peniko::Blob;

    use super::*;
    use crate::assets::asset::Asset;

    const URL: &str = "https://example.com/a.png";

    fn loaded(text: &str, bytes: usize) -> LoadedAsset {
        let asset = Asset::Font(Blob::from(text.as_bytes().to_vec()));
        LoadedAsset { asset, bytes, hash: ContentHash::of(text.as_bytes()) }
    }

    async fn get(snapshot: &AssetSnapshot, url: &str, answer: LoadResult) -> Result<ContentHash, String> {
        let (kind, url) = (AssetKind::Image, Url::parse(url).expect("a URL"));
        let key = AssetKey::of(kind, url.as_str());
        let result = snapshot.get_or_fetch(key, kind, &url, async { answer }).await;
        result.map(|it| it.hash).map_err(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn snapshot_returns_the_first_contents() {
        let snapshot = AssetSnapshot::new(100, []);
        let first = loaded("first", 100);
        assert!(get(&snapshot, URL, Err(Reason::Status(503))).await.is_err(), "a failure is not recorded");
        assert_eq!(get(&snapshot, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(get(&snapshot, URL, Ok(loaded("second", 1))).await, Ok(first.hash));
        assert_eq!(get(&snapshot, URL, Err(Reason::Status(404))).await, Ok(first.hash), "it is not fetched again");
        let new = snapshot.drain_new();
        assert_eq!(new, [SnapshotEntry { kind: AssetKind::Image, url: URL.into(), sha256: first.hash }]);
        assert_eq!(snapshot.drain_new(), []);
    }

    #[tokio::test]
    async fn snapshot_beyond_the_bound_stores_hashes() {
        let snapshot = AssetSnapshot::new(99, []);
        let (first, second) = (loaded("first", 100), loaded("second", 100));
        assert_eq!(get(&snapshot, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(get(&snapshot, URL, Ok(first.clone())).await, Ok(first.hash));
        let changed = get(&snapshot, URL, Ok(second.clone())).await.expect_err("changed");
        assert!(
            changed.contains(&format!("SHA-256 was {}", first.hash)) && changed.contains("TENTER_PIN_BYTES"),
            "{changed}"
        );
        assert_eq!(get(&snapshot, "https://example.com/b.png", Ok(second.clone())).await, Ok(second.hash));
        assert_eq!(snapshot.drain_new().len(), 2);
    }

    #[tokio::test]
    async fn snapshot_checks_entries_of_earlier_runs() {
        let first = loaded("first", 10);
        let earlier = SnapshotEntry { kind: AssetKind::Image, url: URL.into(), sha256: first.hash };
        let snapshot = AssetSnapshot::new(100, [earlier]);
        assert!(get(&snapshot, URL, Ok(loaded("second", 10))).await.is_err());
        assert_eq!(get(&snapshot, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(snapshot.drain_new(), [], "the entry is not new");
    }

    #[tokio::test]
    async fn snapshot_makes_concurrent_rows_wait_for_the_first() {
        let snapshot = AssetSnapshot::new(100, []);
        let (kind, url) = (AssetKind::Image, Url::parse(URL).expect("a URL"));
        let key = AssetKey::of(kind, URL);
        let (answer, asked) = tokio::sync::oneshot::channel();
        let first = snapshot.get_or_fetch(key, kind, &url, async { Ok(asked.await.expect("answered below")) });
        let second = snapshot.get_or_fetch(key, kind, &url, async { panic!("the first has it") });
        let (mut first, mut second) = (Box::pin(first), Box::pin(second));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        answer.send(loaded("first", 1)).expect("awaited");
        assert_eq!(first.await.expect("first").hash, second.await.expect("the same").hash);
    }
}
