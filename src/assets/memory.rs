//! Limits of the memory for decoded pictures: of one request, and of all requests of the process.
//!
//! The size of a picture is counted when its header is known, before its pixels are allocated. For the process it
//! counts until the pixels are freed, wherever they are held by then: in the cache, in a scene, in a batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use peniko::Blob;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::AssetLimits;
use crate::scene::DecodedImage;

/// Bytes of all decoded pictures that this process holds.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Reason why a picture is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The pictures of the request together are too large.
    #[error(
        "with this picture, the pictures of the request take {found} bytes when decoded; the limit is {limit} \
         (TENTER_REQUEST_DECODED_BYTES): use smaller or fewer pictures"
    )]
    Request {
        /// Bytes of this picture and of those before it.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The pictures of all requests together take as much memory as they may.
    #[error("the decoded pictures of all requests together take {limit} bytes, the limit (TENTER_DECODED_BYTES)")]
    Process {
        /// The limit in bytes.
        limit: usize,
    },
}

impl MemoryError {
    /// True when the picture was not tried because memory is used up, so that another attempt may succeed.
    pub fn is_exhaustion(&self) -> bool {
        matches!(self, Self::Process { .. })
    }
}

/// The decoded pictures of one request. It is shared by the loads of the request.
#[derive(Debug)]
pub struct RequestMemory {
    limit: usize,
    used: Mutex<usize>,
    /// One permit for each picture that may be decoded at the same time.
    decodes: Semaphore,
}

impl RequestMemory {
    /// `threads`: number of threads of the pool, of which the request leaves one to others.
    pub(super) fn new(limits: &AssetLimits, threads: usize) -> Arc<Self> {
        let decodes = Semaphore::new(threads.saturating_sub(1).max(1));
        Arc::new(Self { limit: limits.request_decoded_bytes, used: Mutex::new(0), decodes })
    }

    fn reserve(&self, bytes: usize) -> Result<(), MemoryError> {
        let mut used = self.used.lock();
        let found = used.saturating_add(bytes);
        if found > self.limit {
            return Err(MemoryError::Request { found, limit: self.limit });
        }
        *used = found;
        Ok(())
    }
}

/// Counts one picture, from the moment at which its size is known.
#[derive(Debug, Default)]
pub struct PictureMemory {
    request: Option<Arc<RequestMemory>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Bytes counted for the request.
    counted: usize,
    /// Bytes counted for the process, until the pixels have their own lease.
    lease: Lease,
    refused: bool,
}

impl PictureMemory {
    /// A picture of a request.
    pub(super) fn of(request: &Arc<RequestMemory>) -> Self {
        Self { request: Some(request.clone()), state: Mutex::default() }
    }

    /// Waits until another picture of the request may be decoded.
    pub(super) async fn decode_permit(&self) -> Option<SemaphorePermit<'_>> {
        self.request.as_ref()?.decodes.acquire().await.ok()
    }

    /// Counts a picture of `bytes`, of which a decoder needs `working` at the same time. Repeated calls for the same
    /// picture count once.
    pub(super) fn reserve(&self, bytes: usize, working: usize, limits: &AssetLimits) -> Result<(), MemoryError> {
        self.count(bytes)?;
        let mut state = self.state.lock();
        let more = working.saturating_sub(state.lease.0);
        let limit = limits.decoded_bytes.saturating_add(limits.cache_bytes);
        let reserved = HELD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|held| *held <= limit)
        });
        if reserved.is_err() {
            return Err(MemoryError::Process { limit: limits.decoded_bytes });
        }
        state.lease.0 += more;
        Ok(())
    }

    /// Counts a decoded picture of `bytes` for the request, unless it is counted already.
    pub(super) fn count(&self, bytes: usize) -> Result<(), MemoryError> {
        let Some(request) = &self.request else { return Ok(()) };
        let mut state = self.state.lock();
        if let Err(error) = request.reserve(bytes.saturating_sub(state.counted)) {
            state.refused = true;
            return Err(error);
        }
        state.counted = state.counted.max(bytes);
        Ok(())
    }

    /// True when [`Self::count`] has refused the picture.
    pub(super) fn was_refused(&self) -> bool {
        self.state.lock().refused
    }

    /// Moves the count for the process into the pixels of `picture`, where it ends when they are freed.
    pub(super) fn attach_to(&self, picture: &mut DecodedImage) {
        let mut lease = std::mem::take(&mut self.state.lock().lease);
        lease.shrink_to(picture.pixels.len());
        picture.pixels = Blob::new(Arc::new(CountedPixels { pixels: picture.pixels.clone(), _lease: lease }));
    }
}

/// Bytes that are counted for the process until this is dropped.
#[derive(Debug, Default)]
struct Lease(usize);

impl Lease {
    fn shrink_to(&mut self, bytes: usize) {
        let excess = self.0.saturating_sub(bytes);
        self.0 -= excess;
        HELD.fetch_sub(excess, Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

struct CountedPixels {
    pixels: Blob<u8>,
    _lease: Lease,
}

impl AsRef<[u8]> for CountedPixels {
    fn as_ref(&self) -> &[u8] {
        self.pixels.data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_counts_each_picture_once() {
        let limits = AssetLimits { request_decoded_bytes: 100, ..AssetLimits::default() };
        let request = RequestMemory::new(&limits, 4);
        let (first, second) = (PictureMemory::of(&request), PictureMemory::of(&request));
        assert_eq!(first.reserve(60, 120, &limits), Ok(()));
        assert_eq!(first.reserve(60, 120, &limits), Ok(()), "the same picture");
        assert_eq!(second.count(41), Err(MemoryError::Request { found: 101, limit: 100 }));
        assert!(second.was_refused() && !first.was_refused());
        assert_eq!(second.count(40), Ok(()));
    }

    #[test]
    fn pixels_count_until_they_are_freed() {
        // Other tests of this process decode small pictures meanwhile.
        const LARGE: usize = 1 << 40;
        let limits = AssetLimits { decoded_bytes: LARGE + LARGE / 2, cache_bytes: 0, ..AssetLimits::default() };
        let memory = PictureMemory::default();
        assert_eq!(memory.reserve(4, LARGE, &limits), Ok(()));
        let other = PictureMemory::default();
        let refused = MemoryError::Process { limit: limits.decoded_bytes };
        assert_eq!(other.reserve(4, LARGE, &limits), Err(refused));
        let mut picture = DecodedImage::new(1, 1, vec![1, 2, 3, 4]).expect("one pixel");
        memory.attach_to(&mut picture);
        assert_eq!(picture.pixels.data(), [1, 2, 3, 4]);
        assert_eq!(other.reserve(4, LARGE, &limits), Ok(()), "the working memory is free");
    }
}
