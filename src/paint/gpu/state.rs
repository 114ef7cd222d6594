//! State of one GPU that its thread publishes for other threads: whether it is up, its queue and its faults.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::adapters::Adapter;
use super::fault::Fault;
use crate::paint::report::GpuReport;

/// State of one GPU that its thread publishes for other threads.
pub(super) struct GpuState {
    pub(super) name: &'static str,
    pub(super) adapter: Adapter,
    pub(super) up: AtomicBool,
    pub(super) queued: AtomicUsize,
    rebuilds: AtomicU64,
    latest_fault: Mutex<String>,
}

impl GpuState {
    /// The state of a GPU that is not open yet.
    pub(super) fn new(name: &'static str, adapter: Adapter) -> Self {
        Self {
            name,
            adapter,
            up: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            rebuilds: AtomicU64::new(0),
            latest_fault: Mutex::default(),
        }
    }

    pub(super) fn report(&self) -> GpuReport {
        GpuReport {
            name: self.name.into(),
            adapter: self.adapter.name.clone(),
            driver: self.adapter.driver.clone(),
            pci_bus_id: self.adapter.pci_bus_id.clone(),
            software: self.adapter.software,
            max_texture_side: self.adapter.max_texture_side,
            up: self.up.load(Ordering::SeqCst),
            queued: self.queued.load(Ordering::SeqCst),
            rebuilds: self.rebuilds.load(Ordering::Relaxed),
            latest_fault: self.latest_fault.lock().clone(),
        }
    }

    pub(super) fn mark_up(&self) {
        self.up.store(true, Ordering::SeqCst);
    }

    pub(super) fn mark_down(&self, fault: &Fault) {
        self.up.store(false, Ordering::SeqCst);
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
        let message = format!("{}: {}", fault.kind.label(), fault.message);
        *self.latest_fault.lock() = message;
    }

    pub(super) fn count_dequeued(&self) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
    }
}
