//! Compiled pipelines on disk, where the driver offers to keep them: the second start takes milliseconds, not seconds.

use std::path::{Path, PathBuf};

/// A cache file holds a few MiB; anything larger is not ours.
const MOST_BYTES: u64 = 256 << 20;

/// The cache of one adapter and its file.
pub(super) struct Pipelines {
    cache: wgpu::PipelineCache,
    file: PathBuf,
}

impl Pipelines {
    /// `None` when the driver offers none, or there is no folder.
    pub(super) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: Option<&Path>) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        // Drivers differ in what they read, so each version has a file of its own.
        let version = format!("{} {}", info.driver, info.driver_info);
        let version: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let file = folder?.join(format!("{}_{version}", wgpu::util::pipeline_cache_key(info)?));
        let small = std::fs::metadata(&file).is_ok_and(|it| it.len() <= MOST_BYTES);
        let data = if small { std::fs::read(&file).ok() } else { None };
        Some(Self { cache: create(device, data.as_deref()), file })
    }

    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes what was compiled. A failure costs the next start some time, and nothing else.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let Some(folder) = self.file.parent() else { return };
        // Renamed when whole, so that nobody reads half a file.
        let partial = self.file.with_extension(format!("{}.part", std::process::id()));
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&partial, &data))
            .and_then(|()| std::fs::rename(&partial, &self.file));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "compiled GPU pipelines are not kept");
        }
    }
}

#[expect(unsafe_code, reason = "wgpu has no other way to hand a driver its own cache back")]
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    // SAFETY: the data was written by `Pipelines::save`, from `PipelineCache::get_data`, to a file named after the adapter
    // and driver, in a folder that only the operator writes. wgpu puts a header with a hash of adapter and driver before
    // it, checks that, and falls back to an empty cache.
    unsafe {
        device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label: Some("tenter"), data, fallback: true })
    }
}
