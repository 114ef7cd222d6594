//! What this machine's graphics drivers offer, and which of it is used.

use std::fmt;
use std::sync::OnceLock;

use crate::config::GpuSettings;

/// Textures must be able to hold vello's atlas of pictures.
const LEAST_TEXTURE_SIDE: u32 = 8192;
/// vello's largest buffer of constant size.
const LEAST_STORAGE_BINDING: u64 = 128 << 20;

/// One device, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its place in the driver's list, from 0.
    pub index: usize,
    /// `NVIDIA H100`.
    pub name: String,
    /// `Vulkan`.
    pub backend: String,
    /// Driver and version; may be empty.
    pub driver: String,
    /// `0000:3b:00.0`; empty where the driver does not tell.
    pub pci_bus_id: String,
    /// Pixels are computed by the CPU after all (lavapipe and the like).
    pub software: bool,
    /// Longest side of a texture, in px.
    pub max_texture_side: u32,
    /// Largest buffer that a shader can see, in bytes.
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

    /// By index, part of the name, or PCI bus id.
    fn is_called(&self, word: &str) -> bool {
        match word.parse::<usize>() {
            Ok(index) => self.index == index,
            Err(_) => {
                let holds = |text: &str| text.to_ascii_lowercase().contains(&word.to_ascii_lowercase());
                holds(&self.name) || (!self.pci_bus_id.is_empty() && self.pci_bus_id.eq_ignore_ascii_case(word))
            }
        }
    }

    /// Why it cannot paint.
    fn shortcoming(&self) -> Option<String> {
        if self.max_texture_side < LEAST_TEXTURE_SIDE {
            let found = self.max_texture_side;
            return Some(format!("its textures reach {found} px a side; {LEAST_TEXTURE_SIDE} are needed"));
        }
        (self.max_storage_binding < LEAST_STORAGE_BINDING).then(|| {
            let found = self.max_storage_binding >> 20;
            format!("its buffers reach {found} MiB; {} are needed", LEAST_STORAGE_BINDING >> 20)
        })
    }
}

/// Which adapters paint, and why others do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The first is `gpu0`.
    pub used: Vec<Adapter>,
    /// In words, each with its adapter or the word of the setting that named none.
    pub refused: Vec<String>,
}

/// What `settings` make of `found`. Adapters in software count only where a GPU is asked for (`TENTER_RASTERIZER` = gpu).
pub fn choose(found: &[Adapter], settings: &GpuSettings, gpu_is_asked_for: bool) -> Chosen {
    let mut chosen = Chosen::default();
    for word in settings.adapters.iter().filter(|word| !found.iter().any(|it| it.is_called(word))) {
        chosen.refused.push(format!("{word}: no adapter is called so (TENTER_GPU_ADAPTERS)"));
    }
    // In the order of the setting, else of the driver.
    let place = |it: &Adapter| settings.adapters.iter().position(|word| it.is_called(word));
    let mut ordered: Vec<_> = found.iter().map(|it| (place(it), it)).collect();
    ordered.sort_by_key(|(place, it)| (*place, it.index));
    for (place, adapter) in ordered {
        let refusal = if !settings.adapters.is_empty() && place.is_none() {
            Some("not named in TENTER_GPU_ADAPTERS".to_owned())
        } else if adapter.software && !gpu_is_asked_for {
            Some("it computes on the CPU, and slower than the CPU painter".to_owned())
        } else if adapter.software && !settings.allow_software {
            Some("it computes on the CPU; for tests, set TENTER_GPU_ALLOW_SOFTWARE=1".to_owned())
        } else {
            adapter.shortcoming()
        };
        match refusal {
            Some(why) => chosen.refused.push(format!("{adapter}: {why}")),
            None if chosen.used.len() == super::NAMES.len() => {
                chosen.refused.push(format!("{adapter}: {} GPUs are in use already", super::NAMES.len()));
            }
            None => chosen.used.push(adapter.clone()),
        }
    }
    chosen
}

/// Every device that a driver offers; none when there is no Vulkan loader. Looked for once; takes up to a second.
pub fn adapters() -> &'static [Adapter] {
    static FOUND: OnceLock<Vec<Adapter>> = OnceLock::new();
    FOUND.get_or_init(|| enumerate().iter().enumerate().map(|(index, it)| Adapter::describe(index, it)).collect())
}

/// The same, as wgpu has them.
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

    fn used(words: &[&str], allow_software: bool, asked: bool) -> Vec<usize> {
        let adapters = AdapterChoice::from(words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        let settings = GpuSettings { adapters, allow_software, ..GpuSettings::default() };
        choose(&machine(), &settings, asked).used.iter().map(|it| it.index).collect()
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
        let refused = choose(&machine(), &GpuSettings::default(), true).refused;
        assert!(refused.iter().any(|it| it.contains("TENTER_GPU_ALLOW_SOFTWARE=1")), "{refused:?}");
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
        let chosen = choose(&[small], &GpuSettings::default(), false);
        assert!(chosen.used.is_empty() && chosen.refused[0].contains("4096 px"), "{chosen:?}");
    }
}
