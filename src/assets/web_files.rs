//! Files from the network and the disk cache, for processes that may reach neither.
//!
//! Several render processes ask the same [`WebFiles`], so that each file crosses the network once while it is fresh,
//! also when several of them ask for it at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use super::counts::AssetCounts;
use super::error::{Reason, SetupError};
use super::fetch::Fetcher;
use super::file_source::{Fetched, FileSource, StoredFile};
use super::freshness::{Freshness, Validators};
use super::google::DiskCache;
use super::in_flight::InFlight;
use crate::cache::SharedLru;
use crate::config::{AssetLimits, FontSettings};
use crate::hash::ContentHash;

/// A file may take at most the cache's bytes divided by this.
const MAX_ENTRY_DIVISOR: usize = 2;
/// Overhead of an entry in bytes: key, validators, list nodes.
const ENTRY_OVERHEAD_BYTES: usize = 512;

/// The guarded HTTP client with a cache of undecoded files, and the disk cache of the font service.
#[derive(Debug)]
pub struct WebFiles {
    fetcher: Fetcher,
    cache: SharedLru<ContentHash, Arc<CachedFile>>,
    in_flight: InFlight<RequestKey, Result<Fetched, Reason>>,
    disk: DiskCache,
}

/// Hash of the URL, and the version that the asking process has.
type RequestKey = (ContentHash, Option<Validators>);

#[derive(Debug)]
struct CachedFile {
    bytes: Bytes,
    fetched: Instant,
    freshness: Freshness,
}

impl CachedFile {
    /// The remaining freshness; zero when the file has to be revalidated.
    fn freshness_now(&self) -> Freshness {
        let fresh_for = self.freshness.fresh_for.saturating_sub(self.fetched.elapsed());
        Freshness { fresh_for, ..self.freshness.clone() }
    }
}

impl WebFiles {
    /// Creates a source that caches up to `cache_bytes` of undecoded files in memory.
    ///
    /// # Errors
    /// When the HTTP client cannot be created.
    pub fn new(limits: &AssetLimits, fonts: &FontSettings, cache_bytes: usize) -> Result<Self, SetupError> {
        Ok(Self {
            fetcher: Fetcher::new(limits)?,
            cache: SharedLru::new(cache_bytes, MAX_ENTRY_DIVISOR),
            in_flight: InFlight::default(),
            disk: DiskCache::open(fonts.cache_directory.clone()),
        })
    }

    /// Counts of fetches since the start. Loads and failures are counted where files are decoded.
    pub fn counts(&self) -> &AssetCounts {
        self.fetcher.counts()
    }

    async fn fetch_shared(&self, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        // The URL comes from another process, so it is checked here whatever that process has checked.
        let url = &self.fetcher.parse(url.as_str())?;
        let key = ContentHash::of(url.as_str().as_bytes());
        let version = known.map(|known| known.validators.clone());
        self.in_flight.share((key, version), self.fetch_cached(key, url, known)).await
    }

    async fn fetch_cached(&self, key: ContentHash, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let cached = self.cache.get(&key);
        if let Some(file) = &cached {
            let freshness = file.freshness_now();
            if freshness.fresh_for > Duration::ZERO {
                return Ok(file.answer(freshness, known));
            }
        }
        let validators = cached.as_ref().map(|file| &file.freshness).or(known);
        match self.fetcher.get(url, validators).await? {
            Fetched::Body(bytes, freshness) => {
                self.put(key, bytes.clone(), &freshness);
                Ok(Fetched::Body(bytes, freshness))
            }
            Fetched::NotModified(freshness) => match cached {
                Some(file) => {
                    self.put(key, file.bytes.clone(), &freshness);
                    Ok(file.answer(freshness, known))
                }
                None => Ok(Fetched::NotModified(freshness)),
            },
        }
    }

    fn put(&self, key: ContentHash, bytes: Bytes, freshness: &Freshness) {
        if freshness.storable && !freshness.fresh_for.is_zero() {
            let cost = bytes.len().saturating_add(ENTRY_OVERHEAD_BYTES);
            let file = CachedFile { bytes, fetched: Instant::now(), freshness: freshness.clone() };
            self.cache.put(key, Arc::new(file), cost);
        } else {
            self.cache.remove(&key);
        }
    }
}

impl CachedFile {
    /// The answer to a process that knows the version `known`.
    fn answer(&self, freshness: Freshness, known: Option<&Freshness>) -> Fetched {
        let is_same =
            known.is_some_and(|known| !known.validators.is_empty() && known.validators == self.freshness.validators);
        if is_same { Fetched::NotModified(freshness) } else { Fetched::Body(self.bytes.clone(), freshness) }
    }
}

impl FileSource for WebFiles {
    fn fetch<'a>(&'a self, url: &'a Url, known: Option<&'a Freshness>) -> BoxFuture<'a, Result<Fetched, Reason>> {
        Box::pin(self.fetch_shared(url, known))
    }

    fn read_stored<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Option<StoredFile>> {
        Box::pin(self.disk.read(url, limit))
    }

    fn store<'a>(&'a self, url: &'a str, bytes: Bytes) -> BoxFuture<'a, ()> {
        Box::pin(self.disk.write(url, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode, header};
    use axum::response::IntoResponse;
    use axum::routing::get;

    use super::*;
    use crate::assets::testing::{local_limits, serve};

    #[tokio::test]
    async fn files_cross_the_network_once_while_fresh() {
        let requests = Arc::new(AtomicU32::new(0));
        let counter = requests.clone();
        let answer = move |headers: HeaderMap| {
            counter.fetch_add(1, Ordering::SeqCst);
            let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"1\"");
            let caching = [(header::CACHE_CONTROL, "max-age=60"), (header::ETAG, "\"1\"")];
            async move {
                if known {
                    (StatusCode::NOT_MODIFIED, caching).into_response()
                } else {
                    (caching, "body").into_response()
                }
            }
        };
        let base = serve(Router::new().route("/a", get(answer))).await;
        let files = WebFiles::new(&local_limits(), &FontSettings::default(), 1 << 20).expect("files");
        let url = Url::parse(&format!("http://{base}/a")).expect("a URL");
        let Ok(Fetched::Body(first, freshness)) = files.fetch(&url, None).await else { panic!("a body") };
        let Ok(Fetched::Body(second, _)) = files.fetch(&url, None).await else { panic!("a body") };
        assert_eq!((first, second), ("body".into(), "body".into()));
        assert!(matches!(files.fetch(&url, Some(&freshness)).await, Ok(Fetched::NotModified(_))));
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn processes_that_ask_at_the_same_time_share_one_request() {
        let requests = Arc::new(AtomicU32::new(0));
        let counter = requests.clone();
        let answer = async move || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ([(header::CACHE_CONTROL, "no-store")], counter.fetch_add(1, Ordering::SeqCst).to_string())
        };
        let base = serve(Router::new().route("/a", get(answer))).await;
        let files = WebFiles::new(&local_limits(), &FontSettings::default(), 1 << 20).expect("files");
        let url = Url::parse(&format!("http://{base}/a")).expect("a URL");
        let body = async || match files.fetch(&url, None).await {
            Ok(Fetched::Body(body, _)) => body,
            other => panic!("{other:?}"),
        };
        assert_eq!(tokio::join!(body(), body(), body()), ("0".into(), "0".into(), "0".into()));
        assert_eq!(body().await, "1", "a finished request is not shared");
    }

    #[tokio::test]
    async fn closed_addresses_stay_closed_for_other_processes() {
        let files = WebFiles::new(&AssetLimits::default(), &FontSettings::default(), 1 << 20).expect("files");
        let url = Url::parse("http://169.254.169.254/latest/meta-data").expect("a URL");
        let refused = files.fetch(&url, None).await.expect_err("closed").to_string();
        assert!(refused.contains("link-local"), "{refused}");
    }
}
