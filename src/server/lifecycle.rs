//! State of the service for readiness checks: starting, ready or stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// State of the service: starting, ready or stopping. Cheap to clone; clones share the state.
#[derive(Clone, Default)]
pub struct Health(Arc<AtomicU8>);

pub(super) const STARTING: u8 = 0;
pub(super) const READY: u8 = 1;
pub(super) const STOPPING: u8 = 2;

impl Health {
    /// Marks the service as ready: fonts are loaded and a page was rendered. Has no effect while it is stopping.
    pub fn set_ready(&self) {
        // A stop that came first stays.
        let _ = self.0.compare_exchange(STARTING, READY, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Marks the service as stopping: load balancers should send no new requests.
    pub fn set_stopping(&self) {
        self.0.store(STOPPING, Ordering::SeqCst);
    }

    /// One of [`STARTING`], [`READY`] and [`STOPPING`].
    pub(super) fn state(&self) -> u8 {
        self.0.load(Ordering::SeqCst)
    }
}
