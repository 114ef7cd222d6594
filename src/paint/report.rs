//! Report of a rasterizer for metrics and readiness: counts since the start, and the state of its devices.

/// A snapshot of the counts and devices of a rasterizer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One entry for each GPU in use, `gpu0` first.
    pub gpus: Vec<GpuReport>,
    /// One message for each adapter that is not used, with the reason.
    pub refused: Vec<String>,
    /// Number of pages by painter (`cpu`, `gpu0`, …).
    pub pages: Vec<(&'static str, u64)>,
    /// Number of pages that the CPU painted instead of a GPU, by reason (`tenter_gpu_fallback_total{reason}`).
    pub fallbacks: Vec<(&'static str, u64)>,
    /// Number of GPU pages that were compared with the CPU's picture (`TENTER_GPU_CHECK`).
    pub checked: u64,
    /// Number of compared pages that differed too much, for which the CPU's picture was returned.
    pub differing: u64,
}

/// State of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuReport {
    /// Name such as `gpu0`, as in [`super::Painted::by`].
    pub name: &'static str,
    /// Name of the adapter, as its driver reports it.
    pub adapter: String,
    /// Driver name and version; empty when the driver does not report them.
    pub driver: String,
    /// PCI bus id, such as `0000:3b:00.0`; empty when the driver does not report it.
    pub pci_bus_id: String,
    /// True for software adapters, which compute on the CPU.
    pub software: bool,
    /// Maximum side of a texture, in px.
    pub max_texture_side: u32,
    /// False while the device is being reopened after a fault.
    pub up: bool,
    /// Number of jobs in its queue.
    pub queued: usize,
    /// Number of faults after which the device was reopened, since the start.
    pub rebuilds: u64,
    /// Message of the latest fault; empty when there was none.
    pub latest_fault: String,
}
