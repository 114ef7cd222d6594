//! Settings that the service passes to its render processes, through their environment.

use super::choices::RasterizerChoice;
use super::declaration::Section;
use super::render::THREADS_PER_RENDERER;
use super::table::{SETTINGS, Settings};

/// Sections whose settings concern rendering. The others hold secrets, or concern what render processes may not do.
const SECTIONS: [Section; 7] =
    [Section::Rendering, Section::Gpu, Section::Design, Section::Assets, Section::Fonts, Section::Color, Section::Log];

/// The folder for compiled pipelines of GPUs is in this one.
const DATA_DIR: &str = "TENTER_DATA_DIR";

/// Bytes per pixel of a picture while it is decoded: the pixels and a working copy of them.
const DECODING_BYTES_PER_PIXEL: u32 = 8;

/// Beginnings of the names of variables that graphics drivers, the loader and the Rust runtime read.
const DRIVER_VARIABLES: [&str; 15] = [
    "CUDA_",
    "DRI_",
    "GALLIUM_",
    "HOME",
    "LD_LIBRARY_PATH",
    "LIBGL_",
    "LP_",
    "MALLOC_",
    "NODEVICE_SELECT",
    "MESA_",
    "NVIDIA_",
    "RUST_",
    "VK_",
    "XDG_",
    "__",
];

/// What a render process paints with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Painter {
    /// `TENTER_RASTERIZER` decides.
    AsConfigured,
    /// The CPU.
    Cpu,
    /// The adapter with this index in the driver's list.
    Gpu(usize),
}

impl Settings {
    /// The environment of one of `count` render processes that paints with `painter`: its settings, in which threads,
    /// workers and caches are divided among the processes, and the variables of this process that graphics drivers
    /// read.
    pub fn renderer_environment(&self, count: usize, painter: Painter) -> Vec<(String, String)> {
        let count = count.max(1);
        let mut settings = self.clone();
        match painter {
            Painter::AsConfigured => {}
            Painter::Cpu => settings.render.rasterizer = RasterizerChoice::Cpu,
            Painter::Gpu(index) => {
                settings.render.rasterizer = RasterizerChoice::Gpu;
                settings.gpu.adapters = vec![index.to_string()].into();
            }
        }
        settings.log.traces_url = None;
        // With fewer threads than this, one page would not use the cores that no other page needs.
        let least = self.render.threads.min(THREADS_PER_RENDERER);
        settings.render.threads = self.render.threads.div_ceil(count).max(least);
        settings.render.workers = self.render.workers.div_ceil(count);
        settings.render.result_cache_bytes /= count;
        settings.assets.cache_bytes /= count + 1; // the service has a part for undecoded files
        // The largest picture and a working copy of it must fit, or it could never be decoded.
        let largest = settings.assets.megapixels * 1e6 * f64::from(DECODING_BYTES_PER_PIXEL);
        settings.assets.decoded_bytes = (self.assets.decoded_bytes / count).max(largest as usize);
        settings.assets.drawing_cache_bytes /= count;
        settings.paint.picture_cache_bytes /= count;
        settings.fonts.text_cache_bytes /= count;
        let passed = SETTINGS.iter().filter(|it| !it.is_secret);
        let passed = passed.filter(|it| SECTIONS.contains(&it.section) || it.name == DATA_DIR);
        let values = passed.map(|it| (it.name.to_owned(), it.shortest_text(&mut settings)));
        let mut environment: Vec<_> = values.filter(|(_, text)| !text.is_empty()).collect();
        #[expect(clippy::disallowed_methods, reason = "config is the one place that reads the environment")]
        let variables = std::env::vars();
        environment.extend(variables.filter(|(name, _)| DRIVER_VARIABLES.iter().any(|it| name.starts_with(it))));
        environment
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::config::Given;

    #[test]
    fn environment_gives_the_settings_of_rendering_and_no_secrets() {
        let mut settings = Settings::default();
        (settings.render.threads, settings.render.workers) = (12, 9);
        settings.render.deadline = Duration::from_millis(2500);
        settings.assets.cache_bytes = 1_000_003;
        settings.design.pages = 17;
        settings.server.request_bytes = 4711;
        let environment: BTreeMap<_, _> = settings.renderer_environment(2, Painter::AsConfigured).into_iter().collect();
        assert!(!environment.contains_key("TENTER_KEYS") && !environment.contains_key("TENTER_REQUEST_MAX_BYTES"));
        let given = Given { environment, ..Given::default() };
        let read = Settings::load(&given).expect("settings").settings;
        assert_eq!((read.render.threads, read.render.workers), (6, 5));
        assert_eq!((read.render.deadline, read.design.pages), (settings.render.deadline, 17));
        assert_eq!(read.assets.cache_bytes, 333_334);
    }

    #[test]
    fn environment_gives_a_process_the_threads_that_one_page_can_use() {
        let threads = |threads, count| {
            let mut settings = Settings::default();
            settings.render.threads = threads;
            let environment: BTreeMap<_, _> =
                settings.renderer_environment(count, Painter::AsConfigured).into_iter().collect();
            environment["TENTER_THREADS"].clone()
        };
        assert_eq!([threads(2, 2), threads(8, 2), threads(8, 4), threads(64, 8)], ["2", "4", "4", "8"]);
    }

    #[test]
    fn environment_gives_a_process_its_own_gpu() {
        let settings = Settings::default();
        let environment: BTreeMap<_, _> = settings.renderer_environment(3, Painter::Gpu(1)).into_iter().collect();
        assert_eq!(environment["TENTER_RASTERIZER"], "gpu");
        assert_eq!(environment["TENTER_GPU_ADAPTERS"], "1");
        let environment: BTreeMap<_, _> = settings.renderer_environment(3, Painter::Cpu).into_iter().collect();
        assert_eq!(environment["TENTER_RASTERIZER"], "cpu");
    }
}
