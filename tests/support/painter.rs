//! The real engine, called as the service calls it: a case's JSON in, a picture out.

#![allow(dead_code, reason = "each test program uses a part")]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tenter::config::{RasterizerChoice, Settings};
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, Rendered, RenderedPage, format_for};
use tenter::raster::{Raster, Straight};
use tenter::report::{JsonPath, Warning, WarningCode};
use tenter::units::DeviceSize;
use tokio::runtime::Runtime;

/// In a case, `file:NAME` stands for the file NAME in one of these folders.
pub(crate) const FOLDERS: [&str; 2] = ["golden/assets", "golden/fonts"];
/// Where a case says `file:`.
pub(crate) const FILE: &str = "file:";

/// An engine with default settings: bundled fonts, no font folder, no font service. Its threads and fonts are made once
/// for all pictures of a test binary.
pub(crate) struct Painter {
    engine: Engine,
    runtime: Runtime,
}

/// The defaults, but that pictures may be enlarged: cases use small ones.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.render.min_image_dpi = 0.0;
    settings
}

impl Painter {
    /// The one of this test binary.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Painter> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut settings = settings();
            settings.render.rasterizer = RasterizerChoice::Cpu;
            Self::new(&settings).expect("the default settings start an engine")
        })
    }

    /// On whatever adapter there is, in software too; the error says why there is none.
    #[cfg(feature = "gpu")]
    #[allow(dead_code, reason = "one test program of several asks for it")]
    pub(crate) fn on_the_gpu() -> Result<Self, String> {
        let mut settings = settings();
        settings.render.rasterizer = RasterizerChoice::Gpu;
        settings.gpu.allow_software = true;
        // Adapters in software share the cores with everything else.
        settings.gpu.timeout = Duration::from_secs(120);
        settings.render.deadline = Duration::from_secs(240);
        Self::new(&settings)
    }

    /// On the CPU, keeping nothing from one page to the next.
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

    /// The adapter in use, for reports.
    #[cfg(feature = "gpu")]
    #[allow(dead_code, reason = "one test program of several asks for it")]
    pub(crate) fn adapter(&self) -> String {
        let gpus = self.engine.paint_report().gpus;
        gpus.iter().map(|it| format!("{} ({})", it.adapter, it.driver)).collect::<Vec<_>>().join(", ")
    }

    /// The first page of `case`: a design, with the options of the render as its member `exportOptions`.
    ///
    /// Whatever is drawn otherwise than written, but for texts that shrink, is a failure: a picture of it would show
    /// something else than it says.
    pub(crate) fn encode(&self, case: Value) -> Result<Vec<u8>, String> {
        self.page(case).map(|page| page.bytes.into())
    }

    /// The same, with what painted it.
    pub(crate) fn page(&self, case: Value) -> Result<RenderedPage, String> {
        let (page, warnings) = self.render(case)?;
        // Texts shrink in the editor too, and what they become is what a case may be about.
        match warnings.iter().find(|warning| warning.code != WarningCode::TextShrunk) {
            Some(warning) => Err(format!("{}: {}", warning.path, warning.message)),
            None => Ok(page),
        }
    }

    /// The same, with what the caller is told.
    pub(crate) fn render(&self, mut case: Value) -> Result<(RenderedPage, Vec<Warning>), String> {
        let mut problems = Problems::new();
        let options = RenderOptions::read(&case["exportOptions"], "exportOptions".into(), &mut problems);
        if let Some(problem) = problems.into_vec().first() {
            return Err(problem.to_string());
        }
        embed_files(&mut case)?;
        let format = format_for(None, &options).map_err(|error| error.to_string())?;
        let pages = Pages::of(&options, format);
        let request = RenderRequest { design: case, at: JsonPath::root(), options, format, pages };
        let rendered = self.runtime.block_on(self.engine.render(request)).map_err(|error| error.to_string())?;
        let Rendered { mut pages, warnings, .. } = rendered;
        Ok((pages.remove(0), warnings))
    }

    /// The picture of [`Self::encode`], read back from the file.
    pub(crate) fn paint(&self, case: Value) -> Result<Raster<Straight>, String> {
        decode(&self.encode(case)?)
    }
}

/// A file's pixels.
pub(crate) fn decode(bytes: &[u8]) -> Result<Raster<Straight>, String> {
    let picture = image::load_from_memory(bytes).map_err(|error| error.to_string())?.into_rgba8();
    let size = DeviceSize { width: picture.width(), height: picture.height() };
    Raster::from_pixels(size, picture.into_raw()).ok_or_else(|| "not 4 bytes a pixel".into())
}

/// Puts files where `file:NAME` stands, so that cases stay small and say what they use.
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
