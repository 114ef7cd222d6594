//! What this machine's graphics drivers offer. The GPU painter will live here.
//!
//! In: wgpu, and nothing of it outside. Imports nothing of ours.

/// One device, as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// `NVIDIA H100`.
    pub name: String,
    /// `Vulkan`.
    pub backend: String,
    /// Driver and version; may be empty.
    pub driver: String,
    /// Pixels are computed by the CPU after all (lavapipe and the like).
    pub software: bool,
}

/// Every device that a driver offers; none when there is no Vulkan loader. Takes up to a second.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN;
    let instance = wgpu::Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let describe = |adapter: &wgpu::Adapter| {
        let info = adapter.get_info();
        Adapter {
            name: info.name,
            backend: info.backend.to_string(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software: info.device_type == wgpu::DeviceType::Cpu,
        }
    };
    found.iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_listed_or_absent_without_a_panic() {
        assert!(adapters().iter().all(|it| !it.name.is_empty()));
    }
}
