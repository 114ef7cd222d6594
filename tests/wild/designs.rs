//! The designs that have reference pictures, and rendering of one of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, RenderedPage, format_for};
use tenter::report::JsonPath;
use tenter::units::DeviceScale;

/// Folder of the collections, relative to the root of the repository.
pub(crate) const ROOT: &str = "../shared";
/// Folders in [`ROOT`] that contain sets of designs.
const COLLECTIONS: [&str; 2] = ["corpus", "wild"];

/// A design with the editor's picture: a folder with `design.json`, `reference.png` and optionally `attrs.json` with
/// export options.
#[derive(Clone, Debug)]
pub(crate) struct Design {
    /// Name of the collection: `corpus` or `wild`.
    pub(crate) collection: &'static str,
    /// Name of the set, which is its folder in the collection.
    pub(crate) set: String,
    /// Name of the design, which is its folder in the set.
    pub(crate) name: String,
    folder: PathBuf,
}

/// Designs that `WILD` selects, or all designs without it, sorted by collection, set and name.
pub(crate) fn chosen() -> Vec<Design> {
    let words = selection();
    let mut designs: Vec<_> = COLLECTIONS.into_iter().flat_map(of_collection).collect();
    designs.retain(|it| {
        let path = format!("{}/{}", it.set, it.name);
        words.as_ref().is_none_or(|words| words.iter().any(|word| path.contains(word.as_str())))
    });
    designs
}

/// The words in the environment variable `WILD`; `None` when it is not set.
pub(crate) fn selection() -> Option<Vec<String>> {
    let words = std::env::var("WILD").ok()?;
    Some(words.split(',').map(str::to_owned).collect())
}

fn of_collection(collection: &'static str) -> Vec<Design> {
    let sets = folders(&Path::new(ROOT).join(collection));
    let designs = sets.iter().flat_map(|set| {
        let named = folders(set).into_iter().filter(|it| it.join("design.json").is_file());
        named.map(|folder| Design { collection, set: file_name(set), name: file_name(&folder), folder })
    });
    designs.collect()
}

impl Design {
    /// Renders the first page, or the one that `attrs.json` names, to PNG. `scale` multiplies the pixel ratio. Fonts
    /// and images that cannot be loaded are replaced, as in the references.
    ///
    /// # Errors
    /// The message of the engine, or of the reader of the options.
    pub(crate) async fn render(&self, engine: &Engine, scale: f64) -> Result<RenderedPage, String> {
        let mut options = self.options()?;
        options.pixel_ratio = DeviceScale::new(options.pixel_ratio.get() * scale).ok_or("scale: out of range")?;
        let design = read_json(&self.folder.join("design.json"))?;
        let format = format_for(None, &RenderOptions::default()).map_err(|error| error.to_string())?;
        let pages = Pages::of(&options, format);
        let request = RenderRequest { design, at: JsonPath::root(), options, format, pages };
        // All designs are submitted at once, so a refused one is submitted again until the queue has room.
        let rendered = loop {
            match engine.admit().await {
                Ok(mut session) => break session.render(request).await,
                Err(tenter::error::Error::Busy { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => break Err(error),
            }
        };
        rendered.map(|mut it| it.pages.remove(0)).map_err(|error| error.to_string())
    }

    fn options(&self) -> Result<RenderOptions, String> {
        let path = self.folder.join("attrs.json");
        let mut options = RenderOptions::default();
        if path.is_file() {
            let mut problems = Problems::new();
            options = RenderOptions::read(&read_json(&path)?, JsonPath::root(), &mut problems);
            if !problems.is_empty() {
                return Err(format!("{}: {:?}", path.display(), problems.into_vec()));
            }
        }
        (options.skip_font_error, options.skip_image_error) = (true, true);
        Ok(options)
    }

    /// Path of the editor's picture.
    pub(crate) fn reference(&self) -> PathBuf {
        self.folder.join("reference.png")
    }

    /// Path to which our picture is written.
    pub(crate) fn ours(&self) -> PathBuf {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wild");
        root.join(self.collection).join(&self.set).join(format!("{}.png", self.name))
    }
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = entries.filter(|it| it.is_dir()).collect();
    folders.sort();
    folders
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read_json(path: &Path) -> Result<Value, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    tenter::json::JsonParser::new(100).parse(&bytes).map_err(|problem| problem.to_string())
}
