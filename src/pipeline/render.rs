//! The stages of one render, in order: parse, load assets, resolve, paint, encode. `sink` collects painted pages into
//! one file each or into one document.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};

use super::choice::{OPTIONS, Pages, format_for};
use super::document;
use super::fingerprint::{self, Fingerprint, Ingredients};
use super::resources::{Loaded, Resources, check_images};
use super::results::CacheKey;
use super::sink::PageSink;
use super::{Session, Stage};
use crate::assets::AssetRequests;
use crate::design::resolve::{self, FamilyUse, FontError};
use crate::design::{Design, variables};
use crate::error::Error;
use crate::json::Problems;
use crate::options::{ColorSpace, RenderOptions};
use crate::output::{Format, FormatKind};
use crate::print::PrintTarget;
use crate::report::{JsonPath, Problem, Warning, WarningCode};
use crate::scene::Page;
use crate::text::Layouter;
use crate::units::{DeviceScale, DeviceSize};

/// One design to render, with its options, format and pages.
#[derive(Clone, Debug)]
pub struct RenderRequest {
    /// The design's JSON, as [`crate::json::parse`] gives it.
    pub design: Value,
    /// Path of the design in the caller's JSON, for the paths in problems.
    pub at: JsonPath,
    /// Render options of the caller (`exportOptions`).
    pub options: RenderOptions,
    /// File format to write.
    pub format: &'static dyn Format,
    /// Pages to render.
    pub pages: Pages,
}

/// Finished files with the warnings for the caller.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// For a picture format, one file per page in design order, at least one. For a document format, the one document,
    /// as if it were its first page.
    pub pages: Vec<RenderedPage>,
    /// Media type of every file.
    pub media_type: &'static str,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
    /// Whether the files come from the result cache.
    pub cache: CacheUse,
}

/// Role of the result cache in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// The result cache is off: `TENTER_RESULT_CACHE_BYTES` is 0.
    Off,
    /// The files come from the result cache.
    Hit,
    /// The files were rendered for this request.
    Miss,
}

impl CacheUse {
    /// Value for the HTTP answer; `None` without a cache.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Hit => Some("hit"),
            Self::Miss => Some("miss"),
        }
    }
}

/// One output file: the picture of a page, or a whole document.
#[derive(Clone, Debug)]
pub struct RenderedPage {
    /// Index of the page in the design, from 0.
    pub index: usize,
    /// The bytes of the file, in the requested format. Cheap to clone.
    pub bytes: Bytes,
    /// Name of the painter: `cpu`, `gpu0`; `pdf` for vector pages that needed no pixels. For a document of pictures,
    /// that of its last page.
    pub rasterizer: &'static str,
    /// Hash of everything that the bytes depend on.
    pub fingerprint: Fingerprint,
}

impl RenderRequest {
    /// A page with text and a shape, which opens fonts and fills the painter's tables.
    pub(super) fn warm_up() -> Result<Self, Error> {
        let design = json!({
            "width": 64, "height": 64,
            "pages": [{"id": "warm-up", "children": [
                {"id": "text", "type": "text", "text": "Ready", "width": 60, "height": 20, "fontSize": 12},
                {"id": "star", "type": "figure", "subType": "star", "y": 24, "width": 40, "height": 40},
            ]}],
        });
        let options = RenderOptions::default();
        let format = format_for(None, &options)?;
        Ok(Self { design, at: JsonPath::root(), options, format, pages: Pages::First })
    }
}

/// A validated design with the list of everything it needs.
pub(super) struct Prepared {
    pub(super) design: Design,
    /// Output profile for CMYK; `None` for sRGB.
    pub(super) print: Option<PrintTarget>,
    /// Digest of the design's content, [`fingerprint::of_design`].
    pub(super) digest: [u8; 32],
    /// Indices into `design.pages`; all are in range.
    pub(super) pages: Vec<usize>,
    requests: AssetRequests,
    /// Families to load from the font service.
    families: Vec<FamilyUse>,
}

/// A validated request whose assets are loaded.
pub(super) struct Ready {
    pub(super) prepared: Arc<Prepared>,
    pub(super) loaded: Arc<Loaded>,
    /// The caller's options, completed with the defaults of the service.
    pub(super) options: Arc<RenderOptions>,
}

/// Result of [`lookup`].
enum CacheLookup {
    /// The result cache has the answer.
    Hit(Arc<Rendered>),
    /// The answer has to be rendered.
    Miss(Box<Miss>),
}

/// State for rendering an answer that is not in the result cache.
struct Miss {
    fonts: Fonts,
    ingredients: Ingredients,
    /// Key to store the answer under; `None` when it must not be cached.
    cache_key: Option<CacheKey>,
}

/// A layouter with the fonts of a request, and warnings about substituted fonts.
pub(super) type Fonts = Result<(Layouter, Vec<Warning>), FontError>;

impl Session {
    /// Renders all pages of `request`. Pages are resolved, painted and encoded one after the other, so that a design of
    /// many pages needs the memory for the pixels of one.
    ///
    /// # Errors
    /// Those of every stage; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let resources = self.engine.0.resources.clone();
        let (format, at) = (request.format, request.at.clone());
        let mut ready = self.load(request).await?;
        let Ready { prepared, loaded, options } = &ready;

        let lookup = self.work(Stage::Resolve, {
            let (resources, prepared, loaded, options) =
                (resources.clone(), prepared.clone(), loaded.clone(), options.clone());
            move || lookup(&resources, &prepared, &loaded, &options, format, &at)
        });
        let total = prepared.pages.len();
        let Miss { fonts, ingredients, cache_key } = match lookup.await? {
            CacheLookup::Hit(answer) => {
                self.engine.0.counts.result_hits.inc();
                self.report_progress(total, total);
                return Ok(Rendered { cache: CacheUse::Hit, ..(*answer).clone() });
            }
            CacheLookup::Miss(miss) => *miss,
        };
        let cache = if resources.results.is_on() { CacheUse::Miss } else { CacheUse::Off };
        if cache == CacheUse::Miss {
            self.engine.0.counts.result_misses.inc();
        }
        let mut warnings = prepared.design.warnings.clone();
        let (mut layouter, substituted) = fonts?;
        warnings.extend(substituted);

        let mut sink = PageSink::begin(format, prepared, options, resources.rasterizer.limits(), ingredients)?;
        ready.set_raster_scale(sink.raster_scale());
        for (done, index) in ready.prepared.pages.iter().copied().enumerate() {
            if done > 0 {
                self.yield_worker().await?;
            }
            let (returned, pages) = self.resolve(&ready, index, layouter, &mut warnings).await?;
            layouter = returned;
            for page in pages {
                sink = self.page(sink, page, index, &ready.prepared, &mut warnings).await?;
            }
            self.report_progress(done + 1, total);
        }
        resources.layouters.give_back(layouter);
        let pages = self.finish(sink).await?;
        let rendered = Rendered { pages, media_type: format.media_type(), warnings, cache };
        if let Some(key) = cache_key {
            resources.results.put(key, Arc::new(rendered.clone()));
        }
        Ok(rendered)
    }

    /// Runs the first stages: reads the design and loads all assets.
    ///
    /// # Errors
    /// Problems in the design or the options (`Invalid`), and assets that cannot be loaded (`Asset`).
    pub(super) async fn load(&mut self, request: RenderRequest) -> Result<Ready, Error> {
        let resources = self.engine.0.resources.clone();
        let min_image_dpi = request.options.min_image_dpi.or(Some(resources.min_image_dpi));
        let sdk = request.options.sdk.or(Some(resources.sdk));
        let options = Arc::new(RenderOptions { min_image_dpi, sdk, ..request.options.clone() });

        let prepared = self.work(Stage::Parse, {
            let (resources, refuses_unfilled) = (resources.clone(), self.refuses_unfilled);
            move || {
                let prepared = prepare(&resources, request)?;
                if refuses_unfilled {
                    check_filled(&prepared.design.warnings)?;
                }
                Ok::<_, Error>(prepared)
            }
        });
        let prepared = Arc::new(prepared.await??);

        let snapshot = self.snapshot.clone();
        let loaded = resources.load(&prepared.requests, &prepared.families, &options, snapshot.as_deref());
        let loaded = self.wait_without_worker(Stage::Assets, loaded).await?;
        check_images(&loaded.assets, &options)?;
        Ok(Ready { prepared, loaded: Arc::new(loaded), options })
    }

    /// Resolves the page at `index` of the design to a scene; returns the layouter for the next page.
    ///
    /// # Errors
    /// Those of [`resolve::resolve`].
    pub(super) async fn resolve(
        &mut self,
        ready: &Ready,
        index: usize,
        mut layouter: Layouter,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Layouter, Vec<Page>), Error> {
        let resolved = self.work(Stage::Resolve, {
            let resources = self.engine.0.resources.clone();
            let (prepared, loaded, options) = (ready.prepared.clone(), ready.loaded.clone(), ready.options.clone());
            let abandoned = self.abandoned.clone();
            move || {
                let (design, assets) = (&prepared.design, &loaded.assets);
                let resolved =
                    resolve::resolve(design, &[index], assets, &resources.svg_fonts, &mut layouter, &options, &|| {
                        abandoned.load(Ordering::Relaxed)
                    });
                (layouter, resolved)
            }
        });
        let (layouter, resolved) = resolved.await?;
        let resolved = resolved?;
        warnings.extend(resolved.warnings);
        Ok((layouter, resolved.document.pages))
    }
}

impl Ready {
    /// `scale`: device px per design px of the pictures that resolving creates.
    pub(super) fn set_raster_scale(&mut self, scale: DeviceScale) {
        self.options = Arc::new(RenderOptions { pixel_ratio: scale, ..(*self.options).clone() });
    }
}

/// Reads the design, selects its pages, checks them against the limits and lists the assets they need.
fn prepare(resources: &Resources, request: RenderRequest) -> Result<Prepared, Error> {
    let RenderRequest { design: mut value, at, options, format, pages } = request;
    let options = &options;
    let limits = &resources.design_limits;
    let filled = options.variables.as_ref().map(|it| variables::fill_in(&mut value, &at, it, limits)).transpose()?;
    let mut design = Design::from_value(&value, at, limits)?;
    design.warnings.extend(filled.unwrap_or_default());
    let pages = pages.choose(design.pages.iter().map(|page| &*page.id))?;
    let is_document = matches!(format.kind(), FormatKind::Document);
    for page in pages.iter().map(|index| &design.pages[*index]) {
        let bleed = if options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        let refused = |message: String| Error::invalid(Problem { path: page.at.clone(), message });
        if !(is_document && options.vector) {
            let sheet = (page.size.to_rect() + bleed).size();
            let checked = resources.rasterizer.limits().check(DeviceSize::of_page(sheet, options.pixel_ratio));
            checked.map_err(|error| refused(error.to_string()))?;
        }
        if is_document {
            let sheet = document::sheet(page.size, bleed, options, &design)?;
            sheet.map_err(|error| refused(error.to_string()))?;
        }
    }
    let print = print_target(resources, format, options)?;
    let requests = resolve::asset_requests(&design, &pages, options);
    let families = resolve::missing_families(&design, &pages, &resources.library);
    let digest = fingerprint::of_design(&value, &requests);
    Ok(Prepared { design, print, digest, pages, requests, families })
}

/// Fails when a placeholder is unfilled.
fn check_filled(warnings: &[Warning]) -> Result<(), Error> {
    let mut problems = Problems::new();
    for warning in warnings.iter().filter(|it| it.code == WarningCode::PlaceholderUnknown) {
        let message = format!("{}; every row of a batch must fill all placeholders", warning.message);
        problems.push(warning.path.clone(), message);
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems.into_vec())) }
}

/// Looks the request up in the result cache, and prepares rendering on a miss. An answer with missing assets is not
/// cached, as the next request may have them.
fn lookup(
    resources: &Resources,
    prepared: &Prepared,
    loaded: &Loaded,
    options: &RenderOptions,
    format: &dyn Format,
    at: &JsonPath,
) -> CacheLookup {
    let ingredients = Ingredients::new(resources, prepared, loaded, options, format);
    let is_complete = loaded.assets.failures().is_empty() && loaded.web_failures.is_empty();
    let cache_key = (resources.results.is_on() && is_complete).then(|| ingredients.cache_key(options, at));
    if let Some(answer) = cache_key.and_then(|key| resources.results.get(&key)) {
        return CacheLookup::Hit(answer);
    }
    CacheLookup::Miss(Box::new(Miss { fonts: fonts(resources, prepared, loaded, options), ingredients, cache_key }))
}

/// The requested CMYK profile; `None` when the format cannot hold CMYK.
fn print_target(
    resources: &Resources,
    format: &dyn Format,
    options: &RenderOptions,
) -> Result<Option<PrintTarget>, Error> {
    let holds_cmyk = match format.kind() {
        FormatKind::Pictures(format) => format.holds_cmyk(),
        FormatKind::Document => true,
    };
    let ColorSpace::Cmyk(profile) = options.color else { return Ok(None) };
    if !holds_cmyk {
        return Ok(None);
    }
    let profile = resources.profiles.output_profile(profile).map_err(|error| {
        let path = JsonPath::from(OPTIONS).key("color").key("profile");
        Error::Asset(vec![Problem { path, message: error.to_string() }])
    })?;
    Ok(Some(PrintTarget { profile, black_text: options.black_text }))
}

/// Builds the font set of one request.
pub(super) fn fonts(resources: &Resources, prepared: &Prepared, loaded: &Loaded, options: &RenderOptions) -> Fonts {
    let Prepared { design, pages, .. } = prepared;
    let Loaded { assets, web_faces, web_failures } = loaded;
    let font_set = resolve::font_set(design, pages, assets, &resources.library, web_faces, options);
    let (fonts, warnings) = font_set.map_err(|error| match web_failures.get(&error.family) {
        Some(reason) => FontError { reason: reason.clone(), ..error },
        None => error,
    })?;
    Ok((resources.layouters.take(fonts), warnings))
}
