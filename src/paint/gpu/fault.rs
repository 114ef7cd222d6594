//! Faults of a device, and the slot in which its callbacks record them.

use std::sync::Arc;

use parking_lot::Mutex;

use super::fallback::FallbackReason;

/// A fault of a device, with the driver's message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Fault {
    pub(super) kind: FallbackReason,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(kind: FallbackReason, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Slot in which the callbacks of a device record its first fault.
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    /// Records `fault` unless there is one already, because later faults are mostly consequences of the first.
    pub(super) fn set(&self, fault: Fault) {
        self.0.lock().get_or_insert(fault);
    }

    /// Records `fault` over any earlier one. The loss of a device is reported late and is the cause of earlier faults.
    pub(super) fn replace(&self, fault: Fault) {
        *self.0.lock() = Some(fault);
    }

    pub(super) fn get(&self) -> Option<Fault> {
        self.0.lock().clone()
    }

    /// Fails with the recorded fault, if there is one.
    pub(super) fn check(&self) -> Result<(), Fault> {
        self.get().map_or(Ok(()), Err)
    }

    /// Records an error that wgpu reports outside of the call that caused it.
    pub(super) fn on_error(&self, error: &wgpu::Error) {
        let kind = match error {
            wgpu::Error::OutOfMemory { .. } => FallbackReason::OutOfMemory,
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => FallbackReason::Validation,
        };
        self.set(Fault::new(kind, error.to_string()));
    }
}
