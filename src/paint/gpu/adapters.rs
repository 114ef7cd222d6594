//! Adapters that the graphics drivers of this machine offer, and the choice of those that paint.

use std::fmt;
use std::sync::OnceLock;

use crate::config::GpuSettings;

/// Names of the GPUs in reports, metrics and `x-tenter-rasterizer`, in the order in which the adapters were selection.
pub(super) const NAMES: [&str; 16] = [
    "gpu0", "gpu1", "gpu2", "gpu3", "gpu4", "gpu5", "gpu6", "gpu7", "gpu8", "gpu9", "gpu10", "gpu11", "gpu12", "gpu13",
    "gpu14", "gpu15",
];
/// Smallest maximum texture side, in px, that an adapter must support: vello's image atlas is that large.
const MIN_TEXTURE_SIDE: u32 = 8192;
/// Smallest storage buffer binding, in bytes, that an adapter must support: vello's largest buffer of constant size.
const MIN_STORAGE_BINDING: u64 = 128 << 20;

/// One graphics adapter, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Index in the driver's list, from 0.
    pub index: usize,
    /// Name of the device, such as `NVIDIA H100`.
    pub name: String,
    /// Graphics API through which it is reached, such as `Vulkan`.
    pub backend: String,
    /// Driver name and version; empty when the driver does not report them.
    pub driver: String,
    /// PCI bus id, such as `0000:3b:00.0`; empty when the driver does not report it.
    pub pci_bus_id: String,
    /// True for software adapters such as lavapipe, which compute on the CPU.
    pub software: bool,
    /// Maximum side of a texture, in px.
    pub max_texture_side: u32,
    /// Maximum size of a buffer that a shader can access, in bytes.
    pub max_storage_binding: u64,
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, name, backend, driver, .. } = self;
        write!(f, "{name} (adapter {index}, {backend}, {driver}")?;
        if !self.pci_bus_id.is_empty() {
            write!(f, ", {}", self.pci_bus_id)?;
        }
        if self.software {
            write!(f, ", in software")?;
        }
        write!(
            f,
            "; textures up to {} px, buffers up to {} MiB)",
            self.max_texture_side,
            self.max_storage_binding >> 20
        )
    }
}

impl Adapter {
    pub(super) fn describe(index: usize, adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        Self {
            index,
            name: info.name,
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            pci_bus_id: info.device_pci_bus_id,
            software: info.device_type == wgpu::DeviceType::Cpu,
            max_texture_side: limits.max_texture_dimension_2d,
            max_storage_binding: limits.max_storage_buffer_binding_size,
        }
    }

    /// True when one entry of `TENTER_GPU_ADAPTERS` selects this adapter: its index, a part of its name (letter case is
    /// ignored), or its PCI bus id.
    fn matches(&self, selector: &str) -> bool {
        match selector.parse::<usize>() {
            Ok(index) => self.index == index,
            Err(_) => {
                let contains = |text: &str| text.to_ascii_lowercase().contains(&selector.to_ascii_lowercase());
                contains(&self.name) || (!self.pci_bus_id.is_empty() && self.pci_bus_id.eq_ignore_ascii_case(selector))
            }
        }
    }

    /// The reason why vello cannot run on this adapter; `None` when it can.
    fn unsupported_reason(&self) -> Option<String> {
        if self.max_texture_side < MIN_TEXTURE_SIDE {
            let found = self.max_texture_side;
            return Some(format!("its textures are limited to {found} px a side; vello needs {MIN_TEXTURE_SIDE} px"));
        }
        (self.max_storage_binding < MIN_STORAGE_BINDING).then(|| {
            let found = self.max_storage_binding >> 20;
            format!("its buffers are limited to {found} MiB; vello needs {} MiB", MIN_STORAGE_BINDING >> 20)
        })
    }
}

/// Result of [`select_adapters`]: the adapters that paint, and a reason for each of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterSelection {
    /// Adapters to use, in order; the first is `gpu0`.
    pub used: Vec<Adapter>,
    /// One message for each adapter that is not used, and for each entry of `TENTER_GPU_ADAPTERS` that matches none.
    pub refused: Vec<String>,
}

/// Selects from `found` the adapters that paint, by `settings`.
///
/// `gpu_is_required`: `TENTER_RASTERIZER` is `gpu`. Only then are software adapters considered.
pub fn select_adapters(found: &[Adapter], settings: &GpuSettings, gpu_is_required: bool) -> AdapterSelection {
    let mut selection = AdapterSelection::default();
    for selector in settings.adapters.iter().filter(|selector| !found.iter().any(|it| it.matches(selector))) {
        selection
            .refused
            .push(format!("{selector}: no adapter has this index, name or PCI bus id (TENTER_GPU_ADAPTERS)"));
    }
    // In the order of the setting; without one, in the driver's order.
    let position = |it: &Adapter| settings.adapters.iter().position(|selector| it.matches(selector));
    let mut ordered: Vec<_> = found.iter().map(|it| (position(it), it)).collect();
    ordered.sort_by_key(|(position, it)| (*position, it.index));
    for (position, adapter) in ordered {
        let reason = if !settings.adapters.is_empty() && position.is_none() {
            Some("TENTER_GPU_ADAPTERS does not name it".to_owned())
        } else if adapter.software && !gpu_is_required {
            Some("it is a software adapter, which is slower than the CPU painter".to_owned())
        } else if adapter.software && !settings.allow_software {
            Some("it is a software adapter; to use it in tests, set TENTER_GPU_ALLOW_SOFTWARE=on".to_owned())
        } else {
            adapter.unsupported_reason()
        };
        match reason {
            Some(reason) => selection.refused.push(format!("{adapter}: {reason}")),
            None if selection.used.len() == NAMES.len() => {
                selection.refused.push(format!("{adapter}: {} GPUs are in use already", NAMES.len()));
            }
            None => selection.used.push(adapter.clone()),
        }
    }
    selection
}

/// Every adapter that the Vulkan drivers offer; none when there is no Vulkan loader.
///
/// The first call takes up to a second; later calls return the same list.
pub fn adapters() -> &'static [Adapter] {
    static FOUND: OnceLock<Vec<Adapter>> = OnceLock::new();
    FOUND.get_or_init(|| enumerate().iter().enumerate().map(|(index, it)| Adapter::describe(index, it)).collect())
}

/// The same adapters as wgpu's handles, enumerated by each call.
pub(super) fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    let instance = wgpu::Instance::new(descriptor);
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AdapterChoice;

    fn adapter(index: usize, name: &str, software: bool) -> Adapter {
        Adapter {
            index,
            name: name.into(),
            backend: "Vulkan".into(),
            driver: "driver 1".into(),
            pci_bus_id: format!("0000:0{index}:00.0"),
            software,
            max_texture_side: 16_384,
            max_storage_binding: 1 << 30,
        }
    }

    fn machine() -> Vec<Adapter> {
        vec![adapter(0, "NVIDIA H200", false), adapter(1, "NVIDIA H200", false), adapter(2, "llvmpipe", true)]
    }

    fn used(words: &[&str], allow_software: bool, required: bool) -> Vec<usize> {
        let adapters = AdapterChoice::from(words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let settings = GpuSettings { adapters, allow_software, ..GpuSettings::default() };
        select_adapters(&machine(), &settings, required).used.iter().map(|it| it.index).collect()
    }

    #[test]
    fn adapters_are_listed_or_absent_without_a_panic() {
        assert!(adapters().iter().all(|it| !it.name.is_empty()));
    }

    #[test]
    fn adapters_in_software_need_two_settings() {
        assert_eq!(used(&[], false, false), [0, 1]);
        assert_eq!(used(&[], true, false), [0, 1]);
        assert_eq!(used(&[], false, true), [0, 1]);
        assert_eq!(used(&[], true, true), [0, 1, 2]);
        let refused = select_adapters(&machine(), &GpuSettings::default(), true).refused;
        assert!(refused.iter().any(|it| it.contains("TENTER_GPU_ALLOW_SOFTWARE=on")), "{refused:?}");
    }

    #[test]
    fn adapters_are_chosen_by_index_name_or_bus() {
        assert_eq!(used(&["1"], false, false), [1]);
        assert_eq!(used(&["h200"], false, false), [0, 1]);
        assert_eq!(used(&["0000:01:00.0", "0"], false, false), [1, 0], "in the order of the setting");
        assert_eq!(used(&["llvmpipe"], true, true), [2]);
        assert_eq!(used(&["radeon"], false, false), [0usize; 0]);
    }

    #[test]
    fn adapters_too_small_say_so() {
        let small = Adapter { max_texture_side: 4096, ..adapter(0, "Small", false) };
        let selection = select_adapters(&[small], &GpuSettings::default(), false);
        assert!(selection.used.is_empty() && selection.refused[0].contains("4096 px"), "{selection:?}");
    }
}
