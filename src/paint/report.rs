//! Report of a rasterizer for metrics and readiness: counts since the start, and the state of its devices.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A snapshot of the counts and devices of a rasterizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// One entry for each GPU in use, `gpu0` first.
    pub gpus: Vec<GpuReport>,
    /// One message for each adapter that is not used, with the reason.
    pub refused: Vec<String>,
    /// Number of pages by painter (`cpu`, `gpu0`, …).
    pub pages: Vec<(Cow<'static, str>, u64)>,
    /// Number of pages that the CPU painted instead of a GPU, by reason (`tenter_gpu_fallback_total{reason}`).
    pub fallbacks: Vec<(Cow<'static, str>, u64)>,
    /// Number of GPU pages that were compared with the CPU's picture (`TENTER_GPU_CHECK`).
    pub checked: u64,
    /// Number of compared pages that differed too much, for which the CPU's picture was returned.
    pub differing: u64,
}

impl Report {
    /// Adds the report of another process of the same service: counts are summed, devices listed once.
    pub fn add(&mut self, other: &Report) {
        let Self { gpus, refused, pages, fallbacks, checked, differing } = self;
        for gpu in &other.gpus {
            if !gpus.iter().any(|it| it.pci_bus_id == gpu.pci_bus_id && it.adapter == gpu.adapter) {
                gpus.push(gpu.clone());
            }
        }
        for reason in &other.refused {
            if !refused.contains(reason) {
                refused.push(reason.clone());
            }
        }
        for (sums, counts) in [(pages, &other.pages), (fallbacks, &other.fallbacks)] {
            for (name, count) in counts {
                match sums.iter_mut().find(|(it, _)| it == name) {
                    Some((_, sum)) => *sum += count,
                    None => sums.push((name.clone(), *count)),
                }
            }
        }
        *checked += other.checked;
        *differing += other.differing;
    }
}

/// State of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuReport {
    /// Name such as `gpu0`, as in [`super::Painted::by`].
    pub name: Cow<'static, str>,
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
