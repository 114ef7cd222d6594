//! The asset snapshot of a batch: every row gets the same contents for the same URL.
//!
//! In: decoded assets in memory up to a bound. Not in: fetching, the cache of all renders, where the files or their
//! hashes are stored ([`SnapshotStore`]).
//!
//! The snapshot excludes `data:` URLs, which are their own contents, and files of the font service, which never change.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::asset::{LoadResult, LoadedAsset};
use super::cache::AssetKey;
use super::snapshot_store::SnapshotStore;

/// The assets of one batch, shared by all sessions that render its rows.
///
/// The first row that needs a URL fetches it; every later row gets the same contents. They stay in memory while all
/// together are within the bound; those beyond it are read from the store. Failed loads are not kept, so that the next
/// row tries again.
#[derive(Debug)]
pub struct AssetSnapshot {
    max_bytes: usize,
    store: Arc<dyn SnapshotStore>,
    slots: Mutex<HashMap<AssetKey, Arc<Slot>>>,
    /// Bytes of decoded assets in memory.
    bytes: AtomicUsize,
}

/// The slot of one URL. It is locked while the URL is loaded, so that concurrent rows wait for the first.
type Slot = tokio::sync::Mutex<Option<LoadedAsset>>;

impl AssetSnapshot {
    /// Creates a snapshot whose files are in `store`. `max_bytes`: maximum bytes of decoded assets in memory
    /// (`TENTER_PIN_BYTES`).
    pub fn new(max_bytes: usize, store: Arc<dyn SnapshotStore>) -> Self {
        Self { max_bytes, store, slots: Mutex::default(), bytes: AtomicUsize::new(0) }
    }

    pub(super) fn store(&self) -> &dyn SnapshotStore {
        &*self.store
    }

    /// Returns the asset of `key`; `load` loads it through the store when it is not in memory.
    pub(super) async fn get_or_load(&self, key: AssetKey, load: impl Future<Output = LoadResult>) -> LoadResult {
        let slot = self.slots.lock().entry(key).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(loaded) = &*slot {
            return Ok(loaded.clone());
        }
        let loaded = load.await?;
        // Two slots that are filled at the same time may both find room for one: the bound is for capacity planning.
        let bytes = self.bytes.load(Ordering::Relaxed).saturating_add(loaded.bytes);
        if bytes <= self.max_bytes {
            self.bytes.fetch_add(loaded.bytes, Ordering::Relaxed);
            *slot = Some(loaded.clone());
        }
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests {
    use peniko::Blob;

    use super::*;
    use crate::assets::asset::Asset;
    use crate::assets::error::Reason;
    use crate::assets::request::AssetKind;
    use crate::assets::snapshot_record::SnapshotRecord;
    use crate::hash::ContentHash;

    fn snapshot(max_bytes: usize) -> AssetSnapshot {
        AssetSnapshot::new(max_bytes, Arc::new(SnapshotRecord::default()))
    }

    fn loaded(text: &str, bytes: usize) -> LoadedAsset {
        let asset = Asset::Font(Blob::from(text.as_bytes().to_vec()));
        LoadedAsset { asset, bytes, hash: ContentHash::of(text.as_bytes()) }
    }

    async fn get(snapshot: &AssetSnapshot, name: &str, answer: LoadResult) -> Result<ContentHash, String> {
        let result = snapshot.get_or_load(AssetKey::of(AssetKind::Image, name), async { answer }).await;
        result.map(|it| it.hash).map_err(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn snapshot_returns_the_first_contents() {
        let snapshot = snapshot(100);
        let first = loaded("first", 100);
        assert!(get(&snapshot, "a", Err(Reason::Status(503))).await.is_err(), "a failure is not kept");
        assert_eq!(get(&snapshot, "a", Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(get(&snapshot, "a", Ok(loaded("second", 1))).await, Ok(first.hash));
        assert_eq!(get(&snapshot, "a", Err(Reason::Status(404))).await, Ok(first.hash), "it is not fetched again");
    }

    #[tokio::test]
    async fn snapshot_beyond_the_bound_asks_its_store() {
        let snapshot = snapshot(99);
        let (first, second) = (loaded("first", 100), loaded("second", 99));
        assert_eq!(get(&snapshot, "a", Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(get(&snapshot, "a", Ok(second.clone())).await, Ok(second.hash), "there is room for this one");
        assert_eq!(get(&snapshot, "a", Ok(first.clone())).await, Ok(second.hash));
    }

    #[tokio::test]
    async fn snapshot_makes_concurrent_rows_wait_for_the_first() {
        let snapshot = snapshot(100);
        let key = AssetKey::of(AssetKind::Image, "a");
        let (answer, asked) = tokio::sync::oneshot::channel();
        let first = snapshot.get_or_load(key, async { Ok(asked.await.expect("answered below")) });
        let second = snapshot.get_or_load(key, async { panic!("the first has it") });
        let (mut first, mut second) = (Box::pin(first), Box::pin(second));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        answer.send(loaded("first", 1)).expect("awaited");
        assert_eq!(first.await.expect("first").hash, second.await.expect("the same").hash);
    }
}
