//! The GPU painter on whatever adapter there is, software included.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::device::{Fault, Gpu};
use super::guards::Refusal;

/// What tests change about a rasterizer.
#[derive(Default)]
pub(super) struct Hooks {
    /// Pages are sent as they are: what the guards are there for becomes visible.
    pub(super) unguarded: AtomicBool,
    /// Whatever is sent seems never to come back.
    pub(super) hangs: AtomicBool,
    /// Happens to the next page.
    pub(super) next: Mutex<Option<Accident>>,
}

/// What may happen to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accident {
    /// It is lost with a page in flight.
    Destroyed,
    /// It has no memory left.
    OutOfMemory,
    /// It is asked for something that is not valid.
    Invalid,
    /// A panic on the thread.
    Panic,
}

impl Hooks {
    pub(super) fn before(&self, gpu: &Gpu) {
        let _ = gpu;
    }

    pub(super) fn after(&self, gpu: &Gpu) {
        let _ = (gpu, Fault::new(Refusal::Hung, ""), Ordering::SeqCst);
    }
}
