//! Resolves designs to scenes, and paints the pictures that the PDF must match, with the service's own components.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tenter::assets::svg::{SvgFamilies, SvgFonts};
use tenter::assets::{AssetTimeouts, Loader};
use tenter::config::{EditorVersion, Settings};
use tenter::design::Design;
use tenter::design::resolve::{self, ResolveSettings};
use tenter::json::Problems;
use tenter::options::{OptionDefaults, RenderOptions};
use tenter::paint::{self, CpuRasterizer, Rasterizer};
use tenter::pool::Pool;
use tenter::raster::{Raster, Straight};
use tenter::report::JsonPath;
use tenter::scene::Page;
use tenter::text::{FontLibrary, Layouter};
use tenter::units::DeviceScale;
use tokio::runtime::Runtime;

/// Asset loader, fonts and painter for the designs of a test.
pub(crate) struct Scenes {
    settings: Settings,
    library: Arc<FontLibrary>,
    svg_fonts: SvgFonts,
    loader: Arc<Loader>,
    rasterizer: CpuRasterizer,
    runtime: Runtime,
}

impl Scenes {
    fn new() -> Self {
        let settings = Settings::default();
        let pool = Arc::new(Pool::new(2).unwrap());
        let library = Arc::new(FontLibrary::new(&settings.fonts).unwrap());
        let in_svg = library.clone();
        Self {
            svg_fonts: SvgFonts::new(SVG_FAMILIES, 0, move || in_svg.files()),
            loader: Arc::new(Loader::new(&settings.assets, pool.clone()).unwrap()),
            rasterizer: CpuRasterizer::new(pool, &settings.paint),
            runtime: Runtime::new().unwrap(),
            library,
            settings,
        }
    }

    /// The instance that all tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Scenes> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// Resolves all pages of `design` with these `exportOptions`.
    pub(crate) fn pages(&self, design: &Value, options: &Value) -> Vec<Page> {
        let mut problems = Problems::new();
        let options = RenderOptions::read(options, "exportOptions".into(), &mut problems);
        assert!(problems.is_empty(), "{:?}", problems.into_vec());
        let design = Design::from_value(design, JsonPath::root(), &self.settings.design).unwrap();
        let pages: Vec<usize> = (0..design.pages.len()).collect();
        let requests = resolve::asset_requests(&design, &pages, &options);
        let timeouts = AssetTimeouts { image: options.asset_load_timeout, font: options.font_load_timeout };
        let assets = self.runtime.block_on(self.loader.load(&requests, &timeouts, None));
        let (fonts, _) = resolve::font_set(&design, &pages, &assets, &self.library, &[], &options).unwrap();
        let mut layouter = Layouter::new(fonts);
        let defaults = OptionDefaults { sdk: EditorVersion::OLDEST, ..OptionDefaults::default() };
        let settings = ResolveSettings::new(&options, &defaults, &design, options.pixel_ratio);
        let resolved =
            resolve::resolve(&design, &pages, &assets, &self.svg_fonts, &mut layouter, &settings, &|| false).unwrap();
        resolved.document.pages
    }

    /// Paints `page` as the PNG output does.
    pub(crate) fn picture(&self, page: &Page, scale: f64) -> Raster<Straight> {
        let plan = paint::plan(page, DeviceScale::new(scale).unwrap(), self.rasterizer.limits()).unwrap();
        self.runtime.block_on(self.rasterizer.submit(plan, None)).unwrap().unwrap().raster
    }
}

const SVG_FAMILIES: SvgFamilies = SvgFamilies {
    serif: "Liberation Serif",
    sans_serif: "Liberation Sans",
    monospace: "Liberation Mono",
    aliases: tenter::text::FAMILY_ALIASES,
};
