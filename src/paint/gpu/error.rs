//! Errors of opening GPUs.

use super::fault::Fault;

/// No GPU can be used: none was selected, or none could be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no GPU can be used{}", details(.refused))]
pub struct NoUsableGpu {
    /// One message for each adapter that is not used, with the reason.
    pub refused: Vec<String>,
}

fn details(refused: &[String]) -> String {
    if refused.is_empty() { String::new() } else { format!(": {}", refused.join("; ")) }
}

/// The device of an adapter could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum GpuOpenError {
    #[error("its thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
    #[error("its thread stopped while the device was opened")]
    ThreadStopped,
    #[error("the driver's library panicked")]
    DriverPanicked,
    #[error("the driver no longer lists the adapter")]
    AdapterGone,
    #[error("no device was opened: {0}")]
    Device(#[from] wgpu::RequestDeviceError),
    #[error("vello's shaders failed: {0}")]
    Shaders(#[source] vello::Error),
    #[error("the first scene failed: {0}")]
    FirstScene(#[source] Fault),
}
