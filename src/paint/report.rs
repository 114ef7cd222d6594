//! What a rasterizer tells metrics and readiness: counts since the start, and what it runs on.

/// A snapshot. Empty for a rasterizer that has nothing to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each GPU in use, `gpu0` first.
    pub gpus: Vec<GpuReport>,
    /// Adapters that are there and not used, each with the reason in words.
    pub refused: Vec<String>,
    /// Pages by what painted them (`cpu`, `gpu0`, …).
    pub pages: Vec<(&'static str, u64)>,
    /// Pages that the CPU painted in place of a GPU, by reason (`tenter_gpu_fallback_total{reason}`).
    pub fallbacks: Vec<(&'static str, u64)>,
    /// Pages that were painted twice, to compare (`TENTER_GPU_CHECK`).
    pub checked: u64,
    /// Those of them that differed too much; the CPU's picture was the answer.
    pub differing: u64,
}

/// One GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuReport {
    /// `gpu0`, as in [`super::Painted::by`].
    pub name: &'static str,
    /// As its driver calls it.
    pub adapter: String,
    /// Driver and version; may be empty.
    pub driver: String,
    /// `0000:3b:00.0`; empty where the driver does not tell.
    pub pci_bus_id: String,
    /// The adapter computes on the CPU.
    pub software: bool,
    /// Longest side of a texture, in px.
    pub max_texture_side: u32,
    /// False while it is being rebuilt after a fault.
    pub up: bool,
    /// Jobs that wait for it.
    pub queued: usize,
    /// How often it was rebuilt since the start.
    pub rebuilds: u64,
    /// The latest fault, in words; empty when there was none.
    pub latest_fault: String,
}
