//! The real engine, called as the service calls it: a case's JSON in, a picture out.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tenter::config::Settings;
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, Rendered, format_for};
use tenter::raster::{Raster, Straight};
use tenter::report::{JsonPath, WarningCode};
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

impl Painter {
    /// The one of this test binary.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Painter> = OnceLock::new();
        SHARED.get_or_init(|| Self {
            engine: Engine::new(&Settings::default()).expect("the default settings start an engine"),
            runtime: Runtime::new().expect("a runtime"),
        })
    }

    /// The first page of `case`: a design, with the options of the render as its member `exportOptions`.
    ///
    /// Whatever is drawn otherwise than written, but for texts that shrink, is a failure: a picture of it would show something else than it says.
    pub(crate) fn encode(&self, mut case: Value) -> Result<Vec<u8>, String> {
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
        // Texts shrink in the editor too, and what they become is what a case may be about.
        match warnings.iter().find(|warning| warning.code != WarningCode::TextShrunk) {
            Some(warning) => Err(format!("{}: {}", warning.path, warning.message)),
            None => Ok(pages.remove(0).bytes),
        }
    }

    /// The same, read back from the file.
    pub(crate) fn paint(&self, case: Value) -> Result<Raster<Straight>, String> {
        let picture = image::load_from_memory(&self.encode(case)?).map_err(|error| error.to_string())?.into_rgba8();
        let size = DeviceSize { width: picture.width(), height: picture.height() };
        Raster::from_pixels(size, picture.into_raw()).ok_or_else(|| "not 4 bytes a pixel".into())
    }
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
