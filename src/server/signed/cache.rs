//! The pictures of signed URLs in memory. A picture that many requests ask for at the same time is painted once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::call::{PictureCall, with_parameters};
use crate::cache::SharedLru;
use crate::config::PictureSettings;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::renderers::RenderedFile;

/// Overhead of an entry in bytes: key, list nodes.
const ENTRY_BYTES: usize = 512;
/// One picture may take at most the cache's bytes divided by this.
const SHARE: usize = 4;

/// A painted picture with what its answers say.
#[derive(Debug)]
pub(in crate::server) struct Picture {
    pub(super) bytes: Bytes,
    pub(super) media_type: &'static str,
    /// The entity tag, with its quotes.
    pub(super) etag: String,
    pub(super) warnings: usize,
}

impl From<RenderedFile> for Picture {
    fn from(file: RenderedFile) -> Self {
        let etag = format!("\"{}\"", ContentHash::of(&file.bytes));
        Self { media_type: file.format.media_type(), etag, warnings: file.warnings.len(), bytes: file.bytes }
    }
}

/// What decides about a picture: the design, and everything in the URL but its time of expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::server) struct PictureKey(ContentHash);

impl PictureKey {
    pub(super) fn new(design: ContentHash, call: &PictureCall) -> Self {
        Self(ContentHash::of(format!("{design} {}", call.choices()).as_bytes()))
    }
}

/// Counters of pictures since the start.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct PictureCounts {
    /// Answers with a picture that was there, or that another request was having painted.
    pub(in crate::server) hits: Counter,
    /// Pictures that were painted.
    pub(in crate::server) painted: Counter,
}

/// A picture that is painted for the first request, and awaited by the others.
type Pending = Arc<OnceCell<Result<Arc<Picture>, Error>>>;

/// The pictures of signed URLs. Cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct Pictures(Arc<Inner>);

struct Inner {
    done: SharedLru<PictureKey, (Instant, Arc<Picture>)>,
    pending: Mutex<HashMap<PictureKey, Pending>>,
    max_age: Duration,
    counts: PictureCounts,
}

impl Pictures {
    pub(in crate::server) fn new(settings: &PictureSettings) -> Self {
        Self(Arc::new(Inner {
            done: SharedLru::new(settings.cache_bytes, SHARE),
            pending: Mutex::default(),
            max_age: settings.max_age,
            counts: PictureCounts::default(),
        }))
    }

    /// Counters since the start.
    pub(in crate::server) fn counts(&self) -> &PictureCounts {
        &self.0.counts
    }

    /// The picture from memory; else from `paint`, which one of several simultaneous calls runs. True when this call
    /// did not paint. If that call is dropped, another one paints.
    ///
    /// # Errors
    /// That of `paint`, for all calls that waited for it.
    pub(super) async fn get_or_paint(
        &self,
        key: PictureKey,
        paint: impl AsyncFnOnce() -> Result<Picture, Error>,
    ) -> Result<(Arc<Picture>, bool), Error> {
        if let Some((painted, picture)) = self.0.done.get(&key)
            && painted.elapsed() < self.0.max_age
        {
            self.0.counts.hits.inc();
            return Ok((picture, true));
        }
        let pending = self.0.pending.lock().entry(key).or_default().clone();
        let mut is_hit = true;
        let painted = pending.get_or_init(async || {
            is_hit = false;
            let picture = Arc::new(paint().await.map_err(with_parameters)?);
            self.0.counts.painted.inc();
            let bytes = picture.bytes.len() + ENTRY_BYTES;
            self.0.done.put(key, (Instant::now(), picture.clone()), bytes);
            Ok(picture)
        });
        let painted = painted.await.clone();
        // Later calls find the picture in memory, or try again after an error.
        self.forget(key, &pending);
        let picture = painted?;
        if is_hit {
            self.0.counts.hits.inc();
        }
        Ok((picture, is_hit))
    }

    /// Removes what is pending for `key`, unless it is another one by now.
    fn forget(&self, key: PictureKey, pending: &Pending) {
        let mut all = self.0.pending.lock();
        if all.get(&key).is_some_and(|it| Arc::ptr_eq(it, pending)) {
            all.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    fn pictures(environment: &[(&str, &str)]) -> Pictures {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let given = crate::config::Given { environment, ..Default::default() };
        Pictures::new(&crate::config::Settings::load(&given).expect("settings").settings.pictures)
    }

    fn key(number: u8) -> PictureKey {
        PictureKey(ContentHash::from_bytes([number; 32]))
    }

    fn picture() -> Picture {
        Picture { bytes: Bytes::from_static(b"png"), media_type: "image/png", etag: "\"1\"".into(), warnings: 0 }
    }

    #[tokio::test]
    async fn picture_of_many_requests_is_painted_once() {
        let (pictures, painted) = (pictures(&[]), AtomicUsize::new(0));
        let calls = (0..100).map(|_| {
            pictures.get_or_paint(key(1), async || {
                painted.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(picture())
            })
        });
        let answers = join_all(calls).await;
        assert_eq!(painted.load(Ordering::SeqCst), 1);
        assert_eq!(answers.iter().filter(|it| it.as_ref().is_ok_and(|(_, is_hit)| *is_hit)).count(), 99);
        assert!(pictures.get_or_paint(key(1), async || panic!("it is in memory")).await.expect("a picture").1);
        assert_eq!((pictures.counts().painted.get(), pictures.counts().hits.get()), (1, 100));
        assert!(pictures.0.pending.lock().is_empty());
    }

    #[tokio::test]
    async fn picture_is_painted_by_another_request_when_the_first_one_leaves() {
        let pictures = pictures(&[]);
        let first = pictures.get_or_paint(key(1), async || std::future::pending().await);
        assert!(tokio::time::timeout(Duration::from_millis(10), first).await.is_err());
        assert!(!pictures.get_or_paint(key(1), async || Ok(picture())).await.expect("a picture").1);
        assert!(pictures.0.pending.lock().is_empty());
    }

    #[tokio::test]
    async fn picture_that_failed_is_tried_again_by_later_requests_only() {
        let pictures = pictures(&[]);
        let failing = || {
            pictures.get_or_paint(key(1), async || {
                tokio::task::yield_now().await;
                Err(Error::Internal("no".into()))
            })
        };
        assert!(join_all((0..10).map(|_| failing())).await.iter().all(Result::is_err));
        assert!(!pictures.get_or_paint(key(1), async || Ok(picture())).await.expect("a picture").1);
    }

    #[tokio::test]
    async fn picture_is_painted_again_after_its_age() {
        let pictures = pictures(&[("TENTER_URL_MAX_AGE", "0")]);
        for _ in 0..2 {
            assert!(!pictures.get_or_paint(key(1), async || Ok(picture())).await.expect("a picture").1);
        }
    }
}
