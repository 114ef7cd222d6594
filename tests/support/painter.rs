//! Renders a test case (design JSON) with the real engine, called as the service calls it.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tenter::config::{EditorVersion, RasterizerChoice, Settings};
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, Rendered, RenderedPage, format_for};
use tenter::raster::{Raster, Straight};
use tenter::report::{JsonPath, Warning, WarningCode};
use tenter::units::DeviceSize;
use tokio::runtime::Runtime;

/// Folders in which `file:NAME` of a test case is looked up, in this order.
pub(crate) const FOLDERS: [&str; 2] = ["golden/assets", "golden/fonts"];
/// Prefix of strings that stand for a file of [`FOLDERS`].
pub(crate) const FILE: &str = "file:";

/// Engine with default settings, with its runtime: bundled fonts, no font folder, no font service. Tests share one, so
/// that threads and fonts are set up once per test binary.
pub(crate) struct Painter {
    engine: Engine,
    runtime: Runtime,
}

/// Default settings except that images may be enlarged, because test cases use small ones, and that designs without the
/// option `sdk` are drawn as the release that was measured.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.render.min_image_dpi = 0.0;
    settings.render.sdk = EditorVersion::OLDEST;
    settings
}

impl Painter {
    /// The instance that all tests of this binary share; it paints on the CPU.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Painter> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut settings = settings();
            settings.render.rasterizer = RasterizerChoice::Cpu;
            Self::new(&settings).expect("the default settings start an engine")
        })
    }

    /// Paints on any GPU adapter, including software adapters. The error says why no adapter could be used.
    #[cfg(feature = "gpu")]
    #[allow(dead_code, reason = "not every test program uses it")]
    pub(crate) fn on_the_gpu() -> Result<Self, String> {
        let mut settings = settings();
        settings.render.rasterizer = RasterizerChoice::Gpu;
        settings.gpu.allow_software = true;
        // Software adapters share the CPU cores with the other tests.
        settings.gpu.timeout = Duration::from_secs(120);
        settings.render.deadline = Duration::from_secs(240);
        Self::new(&settings)
    }

    /// Paints on the CPU with all caches off.
    pub(crate) fn without_caches() -> Self {
        let mut settings = settings();
        settings.render.rasterizer = RasterizerChoice::Cpu;
        settings.assets.cache_bytes = 0;
        settings.assets.drawing_cache_bytes = 0;
        settings.fonts.text_cache_bytes = 0;
        settings.paint.picture_cache_bytes = 0;
        Self::new(&settings).expect("the default settings start an engine")
    }

    fn new(settings: &Settings) -> Result<Self, String> {
        let engine = Engine::new(settings).map_err(|error| error.to_string())?;
        Ok(Self { engine, runtime: Runtime::new().expect("a runtime") })
    }

    /// Names and drivers of the adapters in use.
    #[cfg(feature = "gpu")]
    #[allow(dead_code, reason = "not every test program uses it")]
    pub(crate) fn adapter(&self) -> String {
        let gpus = self.engine.paint_report().gpus;
        gpus.iter().map(|it| format!("{} ({})", it.adapter, it.driver)).collect::<Vec<_>>().join(", ")
    }

    /// Renders the first page of `case` to a file. `case` is a design with the render options in its member
    /// `exportOptions`.
    ///
    /// Any warning except `TextShrunk` is an error, because the picture would not show what the case describes.
    pub(crate) fn encode(&self, case: Value) -> Result<Vec<u8>, String> {
        self.page(case).map(|page| page.bytes.into())
    }

    /// Like [`Self::encode`], with the page's metadata, such as the rasterizer that painted it.
    pub(crate) fn page(&self, case: Value) -> Result<RenderedPage, String> {
        let (page, warnings) = self.render(case)?;
        // The editor shrinks texts as well, and a test case may be about that.
        match warnings.iter().find(|warning| warning.code != WarningCode::TextShrunk) {
            Some(warning) => Err(format!("{}: {}", warning.path, warning.message)),
            None => Ok(page),
        }
    }

    /// Renders the first page and returns all warnings.
    pub(crate) fn render(&self, mut case: Value) -> Result<(RenderedPage, Vec<Warning>), String> {
        embed_files(&mut case)?;
        let mut problems = Problems::new();
        let options = RenderOptions::read(&case["exportOptions"], "exportOptions".into(), &mut problems);
        if let Some(problem) = problems.into_vec().first() {
            return Err(problem.to_string());
        }
        let format = format_for(None, &options).map_err(|error| error.to_string())?;
        let pages = Pages::of(&options, format);
        let request = RenderRequest { design: case, at: JsonPath::root(), options, format, pages };
        let rendered = self.runtime.block_on(self.engine.render(request)).map_err(|error| error.to_string())?;
        let Rendered { mut pages, warnings, .. } = rendered;
        Ok((pages.remove(0), warnings))
    }

    /// Pixels of the file that [`Self::encode`] makes.
    pub(crate) fn paint(&self, case: Value) -> Result<Raster<Straight>, String> {
        decode(&self.encode(case)?)
    }
}

/// Decodes an image file to straight RGBA8.
pub(crate) fn decode(bytes: &[u8]) -> Result<Raster<Straight>, String> {
    let picture = image::load_from_memory(bytes).map_err(|error| error.to_string())?.into_rgba8();
    let size = DeviceSize { width: picture.width(), height: picture.height() };
    Raster::from_pixels(size, picture.into_raw()).ok_or_else(|| "not 4 bytes a pixel".into())
}

/// Replaces each `file:NAME` with the file as a data URL.
fn embed_files(value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(entries) => entries.iter_mut().try_for_each(embed_files),
        Value::Object(members) => members.values_mut().try_for_each(embed_files),
        Value::String(text) => match text.strip_prefix(FILE) {
            Some(name) => data_url(name).map(|url| *text = url),
            None => Ok(()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn data_url(name: &str) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = FOLDERS.iter().find_map(|folder| fs::read(root.join(folder).join(name)).ok());
    let bytes = found.ok_or_else(|| format!("{FILE}{name} is neither in {} nor in {}", FOLDERS[0], FOLDERS[1]))?;
    let media_type = match name.rsplit('.').next() {
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    Ok(format!("data:{media_type};base64,{}", STANDARD.encode(bytes)))
}
