//! The loader: turns requests into decoded assets, concurrently and each URL once.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use url::Url;

use super::asset::{Asset, AssetSet, LoadResult, LoadedAsset};
use super::cache::{AssetCache, AssetKey, CacheEntry};
use super::counts::AssetCounts;
use super::error::{Reason, SetupError};
use super::fetch::Fetcher;
use super::file_source::{Fetched, FileSource};
use super::freshness::Freshness;
use super::image_file::{self, ImageFile};
use super::in_flight::InFlight;
use super::memory::{PictureMemory, RequestMemory};
use super::request::{AssetKind, AssetRequests};
use super::snapshot::AssetSnapshot;
use super::snapshot_store::SnapshotStore;
use super::{data_url, decode};
use crate::config::AssetLimits;
use crate::hash::ContentHash;
use crate::pool::Pool;

/// How often a load that was shared with another request and failed because of that request is started again.
const SHARED_RETRIES: u32 = 3;
/// Time for which a picture waits until memory is free, and the interval at which it tries.
const EXHAUSTION_WAIT: Duration = Duration::from_secs(2);
const EXHAUSTION_RETRY: Duration = Duration::from_millis(100);

/// Time limits for each asset, from the start of its load, for all attempts and decoding together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTimeouts {
    /// Limit for images (`assetLoadTimeout`).
    pub image: Duration,
    /// Limit for fonts (`fontLoadTimeout`).
    pub font: Duration,
}

impl AssetTimeouts {
    fn of(&self, kind: AssetKind) -> (Duration, &'static str) {
        match kind {
            AssetKind::Image => (self.image, "assetLoadTimeout"),
            AssetKind::Font => (self.font, "fontLoadTimeout"),
        }
    }
}

/// Loads the assets of all renders. It owns the connections and the cache, so a process should share one.
#[derive(Debug)]
pub struct Loader {
    fetcher: Fetcher,
    cache: AssetCache,
    in_flight: InFlight<AssetKey, LoadResult>,
    limits: Arc<AssetLimits>,
    pool: Arc<Pool>,
}

impl Loader {
    /// Creates a loader that decodes on `pool`.
    ///
    /// # Errors
    /// When the HTTP client cannot be created.
    pub fn new(limits: &AssetLimits, pool: Arc<Pool>) -> Result<Self, SetupError> {
        Ok(Self::with_fetcher(Fetcher::new(limits)?, limits, pool))
    }

    /// Creates a loader that decodes on `pool` and has `source` fetch files.
    pub fn with_source(limits: &AssetLimits, pool: Arc<Pool>, source: Arc<dyn FileSource>) -> Self {
        Self::with_fetcher(Fetcher::with_source(limits, source), limits, pool)
    }

    fn with_fetcher(fetcher: Fetcher, limits: &AssetLimits, pool: Arc<Pool>) -> Self {
        Self {
            fetcher,
            cache: AssetCache::new(limits.cache_bytes),
            in_flight: InFlight::default(),
            limits: Arc::new(limits.clone()),
            pool,
        }
    }

    /// Loads every URL in `requests` once, at most `TENTER_ASSET_PARALLEL` at a time. Failures are part of the result.
    ///
    /// `snapshot`: that of the batch, when the design is rendered for a row of one. Dropping the future cancels its
    /// loads; another render that waits for one of them starts it again.
    pub async fn load(
        &self,
        requests: &AssetRequests,
        timeouts: &AssetTimeouts,
        snapshot: Option<&AssetSnapshot>,
    ) -> AssetSet {
        let memory = RequestMemory::new(&self.limits, self.pool.threads());
        let mut seen = HashSet::new();
        let assets = requests.iter().map(|request| (request.kind, request.url.clone()));
        let assets: Vec<_> = assets.filter(|asset| seen.insert(asset.clone())).collect();
        let request = &memory;
        let loads = assets.into_iter().map(|(kind, url)| async move {
            let result = with_timeout(timeouts.of(kind), self.load_counted(kind, &url, snapshot, request)).await;
            ((kind, url), result)
        });
        // A load includes decoding, so that at most this many undecoded files are in memory.
        let mut loads = futures_util::stream::iter(loads).buffer_unordered(self.limits.parallel.max(1));
        let mut results = HashMap::new();
        while let Some((asset, result)) = loads.next().await {
            if let Err(reason) = &result {
                self.counts().count_failure(reason);
            }
            results.insert(asset, result);
        }
        drop(loads);
        AssetSet::new(requests, &results, memory)
    }

    /// Loads an asset and counts it for its request.
    async fn load_counted(
        &self,
        kind: AssetKind,
        url: &Arc<str>,
        snapshot: Option<&AssetSnapshot>,
        request: &Arc<RequestMemory>,
    ) -> LoadResult {
        let memory = Arc::new(PictureMemory::of(request));
        let mut loaded = self.load_one(kind, url, snapshot, &memory).await;
        for _ in 0..SHARED_RETRIES {
            // A load that was shared failed because of the pictures of another request.
            if !matches!(&loaded, Err(reason) if reason.is_limit_of_request() && !memory.was_refused()) {
                break;
            }
            loaded = self.load_one(kind, url, snapshot, &memory).await;
        }
        let loaded = loaded?;
        if matches!(loaded.asset, Asset::Picture(_)) {
            memory.count(loaded.bytes)?;
        }
        Ok(loaded)
    }

    async fn load_one(
        &self,
        kind: AssetKind,
        url: &Arc<str>,
        snapshot: Option<&AssetSnapshot>,
        memory: &Arc<PictureMemory>,
    ) -> LoadResult {
        if data_url::is_data_url(url) {
            let key = {
                let url = url.clone();
                self.on_pool(move || Ok(AssetKey::of(kind, &url))).await?
            };
            return self.load_data_url(key, kind, url.clone(), memory).await;
        }
        let mut url = self.fetcher.parse(url)?;
        url.set_fragment(None);
        let key = AssetKey::of(kind, url.as_str());
        match snapshot {
            Some(snapshot) => snapshot.get_or_load(key, self.load_stored(snapshot.store(), kind, &url, memory)).await,
            None => self.in_flight.share(key, self.load_http(key, kind, &url, memory)).await,
        }
    }

    async fn load_data_url(
        &self,
        key: AssetKey,
        kind: AssetKind,
        url: Arc<str>,
        memory: &Arc<PictureMemory>,
    ) -> LoadResult {
        let decode = self.decoded(memory, move |limits, memory| {
            decode_asset(kind, &data_url::decode(&url, limits.bytes)?, limits, memory)
        });
        self.load_immutable(key, decode).await
    }

    /// Returns an asset whose contents never change under `key`, from the cache or else from `load`.
    pub(super) async fn load_immutable(&self, key: AssetKey, load: impl Future<Output = LoadResult>) -> LoadResult {
        let load = async {
            if let Some(entry) = self.cache.get(&key) {
                self.counts().cache_hits.inc();
                return Ok(entry.loaded);
            }
            self.counts().cache_misses.inc();
            let loaded = load.await?;
            self.cache.put(key, CacheEntry { loaded: loaded.clone(), fetched: None });
            Ok(loaded)
        };
        self.in_flight.share(key, load).await
    }

    async fn load_http(&self, key: AssetKey, kind: AssetKind, url: &Url, memory: &Arc<PictureMemory>) -> LoadResult {
        let cached = self.cache.get(&key);
        if let Some(entry) = cached.as_ref().filter(|entry| entry.is_fresh(Instant::now())) {
            self.counts().cache_hits.inc();
            return Ok(entry.loaded.clone());
        }
        self.counts().cache_misses.inc();
        let known = cached.as_ref().and_then(|entry| entry.fetched.as_ref()).map(|(_, freshness)| freshness);
        let (loaded, freshness) = match (self.fetcher.get(url, known).await?, &cached) {
            (Fetched::NotModified(freshness), Some(entry)) => (entry.loaded.clone(), freshness),
            (Fetched::NotModified(_), None) => return Err(Reason::Status(304)),
            (Fetched::Body(body, freshness), _) => (self.decode(kind, body, memory).await?, freshness),
        };
        self.store_in_cache(key, loaded.clone(), freshness);
        Ok(loaded)
    }

    /// Loads `url` from `store`, or fetches and stores it. Files that cannot be decoded are not stored.
    async fn load_stored(
        &self,
        store: &dyn SnapshotStore,
        kind: AssetKind,
        url: &Url,
        memory: &Arc<PictureMemory>,
    ) -> LoadResult {
        if let Some(file) = store.find(kind, url.as_str()).await? {
            return self.decode(kind, file, memory).await;
        }
        let file = self.fetcher.get_body(url).await?;
        let loaded = self.decode(kind, file.clone(), memory).await?;
        match store.put_if_absent(kind, url.as_str(), file).await? {
            None => Ok(loaded),
            Some(stored) => self.decode(kind, stored, memory).await,
        }
    }

    fn store_in_cache(&self, key: AssetKey, loaded: LoadedAsset, freshness: Freshness) {
        let useful = !freshness.fresh_for.is_zero() || !freshness.validators.is_empty();
        if freshness.storable && useful {
            self.cache.put(key, CacheEntry { loaded, fetched: Some((Instant::now(), freshness)) });
        } else {
            self.cache.remove(&key);
        }
    }

    /// Counts of loads since the start.
    pub fn counts(&self) -> &AssetCounts {
        self.fetcher.counts()
    }

    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    pub(super) fn limits(&self) -> &AssetLimits {
        &self.limits
    }

    /// Decodes a file on the pool. `memory`: the count of the picture, if it is one.
    pub(super) async fn decode(&self, kind: AssetKind, body: Bytes, memory: &Arc<PictureMemory>) -> LoadResult {
        self.decoded(memory, move |limits, memory| decode_asset(kind, &body, limits, memory)).await
    }

    /// Runs `decode` on the pool, and again while memory or threads are used up.
    async fn decoded(
        &self,
        memory: &Arc<PictureMemory>,
        decode: impl Fn(&AssetLimits, &PictureMemory) -> LoadResult + Send + Sync + 'static,
    ) -> LoadResult {
        let _permit = memory.decode_permit().await;
        let (decode, begun) = (Arc::new(decode), Instant::now());
        loop {
            let (decode, limits, memory) = (decode.clone(), self.limits.clone(), memory.clone());
            match self.on_pool(move || decode(&limits, &memory)).await {
                Err(reason) if reason.is_exhaustion() && begun.elapsed() < EXHAUSTION_WAIT => {
                    tokio::time::sleep(EXHAUSTION_RETRY).await;
                }
                decoded => return decoded,
            }
        }
    }

    async fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Reason> + Send + 'static,
    ) -> Result<T, Reason> {
        self.pool.run(work).await?
    }
}

/// Runs `load` with a time limit; `setting` is the name of the option that sets it.
pub(super) async fn with_timeout<T>(
    (after, setting): (Duration, &'static str),
    load: impl Future<Output = Result<T, Reason>>,
) -> Result<T, Reason> {
    tokio::time::timeout(after, load).await.unwrap_or(Err(Reason::Timeout { after, setting }))
}

fn decode_asset(kind: AssetKind, body: &[u8], limits: &AssetLimits, memory: &PictureMemory) -> LoadResult {
    let hash = ContentHash::of(body);
    let (asset, bytes) = match kind {
        AssetKind::Font => {
            let font = decode::unpack_font(body, limits)?;
            let bytes = font.len();
            (Asset::Font(font), bytes)
        }
        AssetKind::Image => match image_file::decode(body, limits, memory)? {
            ImageFile::Picture(picture) => {
                let bytes = picture.pixels.len() + picture.jpeg.as_ref().map_or(0, |file| file.bytes.len());
                (Asset::Picture(Arc::new(picture)), bytes)
            }
            ImageFile::Svg(svg) => {
                let bytes = svg.cost();
                (Asset::Svg(Arc::new(svg)), bytes)
            }
        },
    };
    Ok(LoadedAsset { asset, bytes, hash })
}

#[cfg(test)]
mod tests;
