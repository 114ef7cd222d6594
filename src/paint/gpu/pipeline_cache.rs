//! Cache of compiled pipelines on disk, for drivers that support one. It reduces a start from seconds to milliseconds.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Maximum size of a cache file that is read, in bytes. Real ones have a few MiB.
const MAX_CACHE_BYTES: u64 = 256 << 20;

/// Pipeline cache of one adapter and the file that stores it.
pub(super) struct PipelineCacheFile {
    cache: wgpu::PipelineCache,
    file: PathBuf,
}

impl PipelineCacheFile {
    /// Opens the cache of one adapter and driver version in `folder`.
    ///
    /// `None` when the driver does not support a cache, or when there is no folder.
    pub(super) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo, folder: Option<&Path>) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        // Driver versions cannot read each other's data, so each has a separate file.
        let version = format!("{} {}", info.driver, info.driver_info);
        let version: String = version.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let file = folder?.join(format!("{}_{version}", wgpu::util::pipeline_cache_key(info)?));
        let small = std::fs::metadata(&file).is_ok_and(|it| it.len() <= MAX_CACHE_BYTES);
        let data = if small { std::fs::read(&file).ok() } else { None };
        Some(Self { cache: create(device, data.as_deref()), file })
    }

    pub(super) fn cache(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes the compiled pipelines to the file. A failure is logged: it only makes the next start slower.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        let Some(folder) = self.file.parent() else { return };
        let written = std::fs::create_dir_all(folder).and_then(|()| replace(&self.file, &data));
        if let Err(error) = written {
            tracing::warn!(%error, file = %self.file.display(), "the compiled GPU pipelines could not be saved");
        }
    }
}

/// Replaces the file by one that can only be read, so that a confined process cannot change it later.
fn replace(file: &Path, data: &[u8]) -> std::io::Result<()> {
    // The file is renamed when it is complete, so that another process never reads a partial one.
    let partial = file.with_extension(format!("{}.part", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o400);
    // Left by a process that had the same id.
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    options.open(&partial)?.write_all(data)?;
    std::fs::rename(&partial, file)
}

#[expect(unsafe_code, reason = "wgpu has no other way to hand a driver its own cache back")]
fn create(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    // SAFETY: the data was written by `PipelineCacheFile::save`, from `PipelineCache::get_data`, to a file named after
    // the adapter and driver, in a folder that only the operator writes, and processes that have read no request yet.
    // wgpu puts a header with a hash of adapter and driver before it, checks that, and falls back to an empty cache.
    unsafe {
        device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label: Some("tenter"), data, fallback: true })
    }
}
