//! Subjects of the benchmarks: the self-contained examples, with a function for each stage of the pipeline.

#![allow(dead_code, reason = "not every benchmark uses all of it")]

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tenter::assets::svg::{SvgFamilies, SvgFonts};
use tenter::assets::{AssetSet, AssetTimeouts, Loader};
use tenter::config::Settings;
use tenter::design::Design;
use tenter::design::resolve::{self, ResolveSettings, Resolved};
use tenter::json::JsonParser;
use tenter::options::{OptionDefaults, RenderOptions};
use tenter::paint::{CpuRasterizer, FramePlan, Rasterizer, plan};
use tenter::pool::Pool;
use tenter::raster::{Raster, Straight};
use tenter::report::JsonPath;
use tenter::scene::Page;
use tenter::text::{FontLibrary, Layouter};
use tenter::units::DeviceScale;
use tokio::runtime::Runtime;

/// Names of designs in `examples/`: vector tiles with text, a ticket, a billboard with SVG gradients and photos.
pub(crate) const EXAMPLES: [&str; 3] = ["social-post", "event-ticket", "product-billboard"];

/// A design with all its assets loaded.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) settings: Settings,
    pub(crate) options: RenderOptions,
    pub(crate) assets: AssetSet,
    pub(crate) library: Arc<FontLibrary>,
    pub(crate) svg_fonts: SvgFonts,
    pub(crate) runtime: Runtime,
    pub(crate) pool: Arc<Pool>,
}

pub(crate) fn subjects() -> impl Iterator<Item = Subject> {
    EXAMPLES.into_iter().map(Subject::load)
}

impl Subject {
    fn load(name: &'static str) -> Self {
        let settings = Settings::default();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).with_extension("json");
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let pool = Arc::new(Pool::new(1).expect("a thread"));
        let runtime = Runtime::new().expect("a runtime");
        let options = RenderOptions::default();
        let design = read(&parse(&bytes, &settings), &settings);
        let loader = Loader::new(&settings.assets, pool.clone()).expect("no networks are configured");
        let timeouts = AssetTimeouts { image: options.asset_load_timeout, font: options.font_load_timeout };
        let assets = runtime.block_on(loader.load(&resolve::asset_requests(&design, &[0], &options), &timeouts, None));
        assert!(assets.failures().is_empty(), "{name}: {:?}", assets.failures());
        let library = Arc::new(FontLibrary::new(&settings.fonts).expect("bundled fonts"));
        let in_svg = library.clone();
        let svg_fonts = SvgFonts::new(SVG_FAMILIES, settings.assets.drawing_cache_bytes, move || in_svg.files());
        Self { name, bytes, settings, options, assets, library, svg_fonts, runtime, pool }
    }

    pub(crate) fn parse(&self) -> Value {
        parse(&self.bytes, &self.settings)
    }

    pub(crate) fn design(&self, value: &Value) -> Design {
        read(value, &self.settings)
    }

    pub(crate) fn layouter(&self, design: &Design) -> Layouter {
        let made = resolve::font_set(design, &[0], &self.assets, &self.library, &[], &self.options);
        let (fonts, _) = made.expect("every family is there");
        Layouter::new(fonts)
    }

    pub(crate) fn resolve(&self, design: &Design, layouter: &mut Layouter) -> Resolved {
        let defaults = OptionDefaults::default();
        let settings = ResolveSettings::new(&self.options, &defaults, design, self.options.pixel_ratio);
        resolve::resolve(design, &[0], &self.assets, &self.svg_fonts, layouter, &settings, &|| false).expect("resolved")
    }

    /// Scene of the first page.
    pub(crate) fn page(&self) -> Page {
        let design = self.design(&self.parse());
        let mut layouter = self.layouter(&design);
        self.resolve(&design, &mut layouter).document.pages.swap_remove(0)
    }

    pub(crate) fn cpu(&self) -> CpuRasterizer {
        CpuRasterizer::new(self.pool.clone(), &self.settings.paint)
    }

    pub(crate) fn plan(&self, page: &Page, rasterizer: &dyn Rasterizer) -> FramePlan {
        plan(page, DeviceScale::ONE, rasterizer.limits()).expect("within the limits")
    }

    pub(crate) fn paint(&self, rasterizer: &dyn Rasterizer, plan: FramePlan) -> Raster<Straight> {
        let painted = self.runtime.block_on(rasterizer.submit(plan, None)).expect("the painter answers");
        painted.expect("painted").raster
    }
}

fn parse(bytes: &[u8], settings: &Settings) -> Value {
    JsonParser::new(settings.design.json_depth).parse(bytes).expect("JSON")
}

fn read(value: &Value, settings: &Settings) -> Design {
    Design::from_value(value, JsonPath::root(), &settings.design).expect("a design")
}

const SVG_FAMILIES: SvgFamilies = SvgFamilies {
    serif: "Liberation Serif",
    sans_serif: "Liberation Sans",
    monospace: "Liberation Mono",
    aliases: tenter::text::FAMILY_ALIASES,
};
