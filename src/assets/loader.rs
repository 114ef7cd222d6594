//! From requests to decoded assets: all at once, each URL once, none able to hold up the others.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use url::Url;

use super::cache::{Cache, Contents, Entry, Flights, Key, Landed};
use super::counts::AssetCounts;
use super::decode::{self, Decoded};
use super::error::{Reason, SetupError};
use super::fetch::{Fetched, Fetcher, Freshness};
use super::pins::{ContentHash, Pins};
use super::{Asset, AssetKind, AssetRequests, AssetSet, data_url};
use crate::config::AssetLimits;
use crate::pool::Pool;

/// How long each asset may take, all tries and decoding together, from when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetTimeouts {
    /// `assetLoadTimeout`.
    pub image: Duration,
    /// `fontLoadTimeout`.
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

/// Loads assets for every request of the service. Share one: it owns the connections and the cache.
#[derive(Debug)]
pub struct Loader {
    fetcher: Fetcher,
    cache: Cache,
    flights: Flights,
    limits: Arc<AssetLimits>,
    pool: Arc<Pool>,
}

impl Loader {
    /// Fails on a wrong `TENTER_ALLOW_ADDRESSES`. Decoding runs on `pool`.
    pub fn new(limits: &AssetLimits, pool: Arc<Pool>) -> Result<Self, SetupError> {
        Ok(Self {
            fetcher: Fetcher::new(limits)?,
            cache: Cache::new(limits.cache_bytes),
            flights: Flights::default(),
            limits: Arc::new(limits.clone()),
            pool,
        })
    }

    /// Loads every URL in `requests` once, at most `TENTER_ASSET_PARALLEL` at a time. Never fails as a whole: each failure is
    /// in the set. Dropping the future gives up what is under way; whoever else waits for the same starts it anew.
    /// `pins`: of the batch that this is a row of.
    pub async fn load(&self, requests: &AssetRequests, timeouts: &AssetTimeouts, pins: Option<&Pins>) -> AssetSet {
        let mut outcomes = HashMap::new();
        let mut wanted = Vec::new();
        for request in requests.iter() {
            let id = (request.kind, request.url.clone());
            if outcomes.insert(id.clone(), Err(Reason::Internal("not loaded".to_owned()))).is_none() {
                wanted.push(id);
            }
        }
        let loads = wanted.into_iter().map(|(kind, url)| async move {
            let outcome = within(timeouts.of(kind), self.load_one(kind, &url, pins)).await;
            ((kind, url), outcome)
        });
        // Decoding counts as part of a load, so that at most this many undecoded files are in memory.
        let mut loads = futures_util::stream::iter(loads).buffer_unordered(self.limits.parallel.max(1));
        while let Some((id, outcome)) = loads.next().await {
            if let Err(reason) = &outcome {
                self.counts().count_failure(reason);
            }
            outcomes.insert(id, outcome);
        }
        AssetSet::new(requests, &outcomes)
    }

    async fn load_one(&self, kind: AssetKind, url: &Arc<str>, pins: Option<&Pins>) -> Landed {
        if data_url::is_data_url(url) {
            let key = {
                let url = url.clone();
                self.on_pool(move || Ok(Key::of(kind, &url))).await?
            };
            return self.load_data_url(key, kind, url.clone()).await;
        }
        let mut url = self.fetcher.parse(url)?;
        url.set_fragment(None);
        let key = Key::of(kind, url.as_str());
        let load = self.flights.share(key, self.load_http(key, kind, &url));
        match pins.map(|pins| (pins, pins.keeper())) {
            Some((pins, Some(keeper))) => pins.hold(key, kind, &url, self.load_kept(keeper, kind, &url)).await,
            Some((pins, None)) => pins.hold(key, kind, &url, load).await,
            None => load.await,
        }
    }

    async fn load_data_url(&self, key: Key, kind: AssetKind, url: Arc<str>) -> Landed {
        let limits = self.limits.clone();
        let work = move || decoded(kind, &data_url::decode(&url, limits.bytes)?, &limits);
        self.lasting(key, self.on_pool(work)).await
    }

    /// An asset whose contents never change under `key`: from the cache, else from `load`.
    pub(super) async fn lasting(&self, key: Key, load: impl Future<Output = Landed>) -> Landed {
        let load = async {
            if let Some(entry) = self.cache.get(&key) {
                self.counts().cache_hits.inc();
                return Ok(entry.contents);
            }
            self.counts().cache_misses.inc();
            let contents = load.await?;
            self.cache.put(key, Entry { contents: contents.clone(), fetched: None });
            Ok(contents)
        };
        self.flights.share(key, load).await
    }

    async fn load_http(&self, key: Key, kind: AssetKind, url: &Url) -> Landed {
        let kept = self.cache.get(&key);
        if let Some(entry) = kept.as_ref().filter(|entry| entry.is_fresh(Instant::now())) {
            self.counts().cache_hits.inc();
            return Ok(entry.contents.clone());
        }
        self.counts().cache_misses.inc();
        let known = kept.as_ref().and_then(|entry| entry.fetched.as_ref()).map(|(_, freshness)| freshness);
        let (contents, freshness) = match (self.fetcher.get(url, known).await?, &kept) {
            (Fetched::NotModified(freshness), Some(entry)) => (entry.contents.clone(), freshness),
            (Fetched::NotModified(_), None) => return Err(Reason::Status(304)),
            (Fetched::Body(body, freshness), _) => (self.decode(kind, body.into()).await?, freshness),
        };
        self.keep(key, contents.clone(), freshness);
        Ok(contents)
    }

    fn keep(&self, key: Key, contents: Contents, freshness: Freshness) {
        let useful = !freshness.fresh_for.is_zero() || !freshness.validators.is_empty();
        if freshness.keep && useful {
            self.cache.put(key, Entry { contents, fetched: Some((Instant::now(), freshness)) });
        } else {
            self.cache.remove(&key);
        }
    }

    /// What loading did since the start.
    pub fn counts(&self) -> &AssetCounts {
        self.fetcher.counts()
    }

    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    pub(super) fn limits(&self) -> &AssetLimits {
        &self.limits
    }

    pub(super) async fn decode(&self, kind: AssetKind, body: Bytes) -> Landed {
        let limits = self.limits.clone();
        self.on_pool(move || decoded(kind, &body, &limits)).await
    }

    async fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Reason> + Send + 'static,
    ) -> Result<T, Reason> {
        self.pool.run(work).await.unwrap_or_else(|error| Err(Reason::Internal(error.to_string())))
    }
}

/// `load`, given up after `limit` (and the name of the option that says so).
pub(super) async fn within<T>(
    (after, setting): (Duration, &'static str),
    load: impl Future<Output = Result<T, Reason>>,
) -> Result<T, Reason> {
    tokio::time::timeout(after, load).await.unwrap_or(Err(Reason::Timeout { after, setting }))
}

fn decoded(kind: AssetKind, body: &[u8], limits: &AssetLimits) -> Landed {
    let hash = ContentHash::of(body);
    let unreadable = |error| Reason::Unreadable(Arc::new(error));
    let (asset, bytes) = match kind {
        AssetKind::Font => {
            let font = decode::unpack_font(body, limits).map_err(unreadable)?;
            let bytes = font.len();
            (Asset::Font(font), bytes)
        }
        AssetKind::Image => match decode::decode(body, limits).map_err(unreadable)? {
            Decoded::Picture(picture) => {
                let bytes = picture.pixels.len() + picture.jpeg.as_ref().map_or(0, |file| file.bytes.len());
                (Asset::Picture(Arc::new(picture)), bytes)
            }
            Decoded::Svg(svg) => {
                let bytes = svg.cost();
                (Asset::Svg(Arc::new(svg)), bytes)
            }
        },
    };
    Ok(Contents { asset, bytes, hash })
}

#[cfg(test)]
mod tests;
