//! The stages of one render, in order: parse, assets, resolve, paint, encode. What becomes of painted pages, one file
//! each or one for all, is in `sink`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::{Value, json};

use super::choice::{OPTIONS, Pages, format_for};
use super::document;
use super::fingerprint::{self, Fingerprint, Ingredients};
use super::results::Question;
use super::rooms::{Loaded, Rooms, check_images};
use super::sink::Sink;
use super::{Session, Stage};
use crate::assets::AssetRequests;
use crate::design::resolve::{self, FamilyUse, FontError};
use crate::design::{Design, variables};
use crate::error::Error;
use crate::json::Problems;
use crate::options::{ColorSpace, RenderOptions};
use crate::output::{Format, Making};
use crate::press::Inks;
use crate::report::{JsonPath, Problem, Warning, WarningCode};
use crate::scene::Page;
use crate::text::Layouter;
use crate::units::{DeviceScale, DeviceSize};

/// What to render.
#[derive(Clone, Debug)]
pub struct RenderRequest {
    /// The design's JSON, as [`crate::json::parse`] gives it.
    pub design: Value,
    /// Its place in what the caller sent: for the paths in problems.
    pub at: JsonPath,
    /// How.
    pub options: RenderOptions,
    /// Into what.
    pub format: &'static dyn Format,
    /// Which pages.
    pub pages: Pages,
}

/// The files, and what the caller should know about them.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Pictures: one a page, in design order, at least one. A document: itself, as if it were its first page.
    pub pages: Vec<RenderedPage>,
    /// Of every file's bytes.
    pub media_type: &'static str,
    /// What was drawn otherwise than written.
    pub warnings: Vec<Warning>,
    /// Whether anything was painted.
    pub cache: CacheUse,
}

/// What the result cache had to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// There is none: `TENTER_RESULT_CACHE_BYTES` is 0.
    Off,
    /// The files were made before.
    Hit,
    /// The files were made now.
    Miss,
}

impl CacheUse {
    /// As answers say it; `None` without a cache.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Hit => Some("hit"),
            Self::Miss => Some("miss"),
        }
    }
}

/// One picture, or a document.
#[derive(Clone, Debug)]
pub struct RenderedPage {
    /// The page's place in the design, from 0.
    pub index: usize,
    /// A file of the format asked for. Cheap to clone.
    pub bytes: Bytes,
    /// What painted it: `cpu`, `gpu0`; `pdf` when it needed no pixels; of a document of pictures, its last page.
    pub rasterizer: &'static str,
    /// What it was made of.
    pub fingerprint: Fingerprint,
}

impl RenderRequest {
    /// A page with text and a shape: fonts are opened, the painter's tables are filled.
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

/// A design that was accepted, and what it needs.
pub(super) struct Prepared {
    pub(super) design: Design,
    /// What the file is made of instead of sRGB.
    pub(super) inks: Option<Inks>,
    /// What the design says, [`fingerprint::of_design`].
    pub(super) digest: [u8; 32],
    /// Indices into `design.pages`, in range.
    pub(super) pages: Vec<usize>,
    requests: AssetRequests,
    /// To be asked of the font service.
    families: Vec<FamilyUse>,
}

/// A request that was accepted and whose files are in hand.
pub(super) struct Ready {
    pub(super) prepared: Arc<Prepared>,
    pub(super) loaded: Arc<Loaded>,
    /// What the service decides where the caller does not is filled in.
    pub(super) options: Arc<RenderOptions>,
}

/// What became of looking for an answer.
enum Asked {
    /// It was given before.
    Before(Arc<Rendered>),
    /// It has to be painted.
    New(Box<New>),
}

/// What painting an answer begins with.
struct New {
    fonts: Fonts,
    ingredients: Ingredients,
    /// Under which the answer is kept; `None` when it is not.
    question: Option<Question>,
}

/// The fonts of a request, ready to lay texts out, and which were replaced.
pub(super) type Fonts = Result<(Layouter, Vec<Warning>), FontError>;

impl Session {
    /// Renders, stage by stage. Pages are resolved, painted and encoded one after the other, so that a design of many
    /// pages holds the pixels of one.
    ///
    /// # Errors
    /// Whatever the stages refuse; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let rooms = self.engine.0.rooms.clone();
        let (format, at) = (request.format, request.at.clone());
        let mut ready = self.ready(request).await?;
        let Ready { prepared, loaded, options } = &ready;

        let asked = self.work(Stage::Resolve, {
            let (rooms, prepared, loaded, options) = (rooms.clone(), prepared.clone(), loaded.clone(), options.clone());
            move || ask(&rooms, &prepared, &loaded, &options, format, &at)
        });
        let total = prepared.pages.len();
        let New { fonts, ingredients, question } = match asked.await? {
            Asked::Before(answer) => {
                self.engine.0.counts.result_hits.inc();
                self.progressed(total, total);
                return Ok(Rendered { cache: CacheUse::Hit, ..(*answer).clone() });
            }
            Asked::New(new) => *new,
        };
        let cache = if rooms.results.is_on() { CacheUse::Miss } else { CacheUse::Off };
        if cache == CacheUse::Miss {
            self.engine.0.counts.result_misses.inc();
        }
        let mut warnings = prepared.design.warnings.clone();
        let (mut layouter, substituted) = fonts?;
        warnings.extend(substituted);

        let mut sink = Sink::begin(format, prepared, options, rooms.rasterizer.limits(), ingredients)?;
        ready.show_at(sink.detail());
        for (done, index) in ready.prepared.pages.iter().copied().enumerate() {
            if done > 0 {
                self.let_others().await?;
            }
            let (used, pages) = self.resolved(&ready, index, layouter, &mut warnings).await?;
            layouter = used;
            for page in pages {
                sink = self.page(sink, page, index, &ready.prepared, &mut warnings).await?;
            }
            self.progressed(done + 1, total);
        }
        rooms.layouters.give_back(layouter);
        let pages = self.finish(sink).await?;
        let rendered = Rendered { pages, media_type: format.media_type(), warnings, cache };
        if let Some(question) = question {
            rooms.results.put(question, Arc::new(rendered.clone()));
        }
        Ok(rendered)
    }

    /// The first stages: the design read, everything that it points to fetched.
    ///
    /// # Errors
    /// Those of these stages.
    pub(super) async fn ready(&mut self, request: RenderRequest) -> Result<Ready, Error> {
        let rooms = self.engine.0.rooms.clone();
        let min_image_dpi = request.options.min_image_dpi.or(Some(rooms.min_image_dpi));
        let sdk = request.options.sdk.or(Some(rooms.sdk));
        let options = Arc::new(RenderOptions { min_image_dpi, sdk, ..request.options.clone() });

        let prepared = self.work(Stage::Parse, {
            let (rooms, is_row) = (rooms.clone(), self.snapshot.is_some());
            move || {
                let prepared = prepare(&rooms, request)?;
                if is_row { check_filled(&prepared.design.warnings).map(|()| prepared) } else { Ok(prepared) }
            }
        });
        let prepared = Arc::new(prepared.await??);

        let snapshot = self.snapshot.clone();
        let loaded = rooms.load(&prepared.requests, &prepared.families, &options, snapshot.as_deref());
        let loaded = self.wait_aside(Stage::Assets, loaded).await?;
        check_images(&loaded.assets, &options)?;
        Ok(Ready { prepared, loaded: Arc::new(loaded), options })
    }

    /// The page at `index` of the design as a scene, and the layouter back.
    ///
    /// # Errors
    /// Those of resolving.
    pub(super) async fn resolved(
        &mut self,
        ready: &Ready,
        index: usize,
        mut layouter: Layouter,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Layouter, Vec<Page>), Error> {
        let resolved = self.work(Stage::Resolve, {
            let rooms = self.engine.0.rooms.clone();
            let (prepared, loaded, options) = (ready.prepared.clone(), ready.loaded.clone(), ready.options.clone());
            let abandoned = self.abandoned.clone();
            move || {
                let (design, assets) = (&prepared.design, &loaded.assets);
                let resolved =
                    resolve::resolve(design, &[index], assets, &rooms.svg_fonts, &mut layouter, &options, &|| {
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
    /// `detail`: px a design px of the pictures that resolving makes.
    pub(super) fn show_at(&mut self, detail: DeviceScale) {
        self.options = Arc::new(RenderOptions { pixel_ratio: detail, ..(*self.options).clone() });
    }
}

/// Reads the design, chooses its pages, holds them against the limits, and lists what they need.
fn prepare(rooms: &Rooms, request: RenderRequest) -> Result<Prepared, Error> {
    let RenderRequest { design: mut value, at, options, format, pages } = request;
    let options = &options;
    let limits = &rooms.design_limits;
    let filled = options.variables.as_ref().map(|it| variables::fill_in(&mut value, &at, it, limits)).transpose()?;
    let mut design = Design::from_value(&value, at, limits)?;
    design.warnings.extend(filled.unwrap_or_default());
    let pages = pages.choose(design.pages.iter().map(|page| &*page.id))?;
    let is_document = matches!(format.making(), Making::Document);
    for page in pages.iter().map(|index| &design.pages[*index]) {
        let bleed = if options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        let refused = |message: String| Error::invalid(Problem { path: page.at.clone(), message });
        if !(is_document && options.vector) {
            let sheet = (page.size.to_rect() + bleed).size();
            let checked = rooms.rasterizer.limits().check(DeviceSize::of_page(sheet, options.pixel_ratio));
            checked.map_err(|error| refused(error.to_string()))?;
        }
        if is_document {
            let sheet = document::sheet(page.size, bleed, options, &design)?;
            sheet.map_err(|error| refused(error.to_string()))?;
        }
    }
    let inks = inks(rooms, format, options)?;
    let requests = resolve::asset_requests(&design, &pages, options);
    let families = resolve::missing_families(&design, &pages, &rooms.library);
    let digest = fingerprint::of_design(&value, &requests);
    Ok(Prepared { design, inks, digest, pages, requests, families })
}

/// What a row of a batch must be besides: filled in everywhere.
fn check_filled(warnings: &[Warning]) -> Result<(), Error> {
    let mut problems = Problems::new();
    for warning in warnings.iter().filter(|it| it.code == WarningCode::PlaceholderUnknown) {
        let message = format!("{}, and a row of a batch must fill every placeholder", warning.message);
        problems.push(warning.path.clone(), message);
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems.into_vec())) }
}

/// Looks for an answer given before, and makes everything ready for a new one. What is answered without all its files
/// is not kept: the next may have them.
fn ask(
    rooms: &Rooms,
    prepared: &Prepared,
    loaded: &Loaded,
    options: &RenderOptions,
    format: &dyn Format,
    at: &JsonPath,
) -> Asked {
    let ingredients = Ingredients::new(rooms, prepared, loaded, options, format);
    let is_whole = loaded.assets.failures().is_empty() && loaded.web_failures.is_empty();
    let question = (rooms.results.is_on() && is_whole).then(|| ingredients.question(options, at));
    if let Some(answer) = question.and_then(|question| rooms.results.get(&question)) {
        return Asked::Before(answer);
    }
    Asked::New(Box::new(New { fonts: fonts(rooms, prepared, loaded, options), ingredients, question }))
}

/// The press that was asked for, where the format can hold inks.
fn inks(rooms: &Rooms, format: &dyn Format, options: &RenderOptions) -> Result<Option<Inks>, Error> {
    let holds_inks = match format.making() {
        Making::Pictures(format) => format.holds_inks(),
        Making::Document => true,
    };
    let ColorSpace::Cmyk(profile) = options.color else { return Ok(None) };
    if !holds_inks {
        return Ok(None);
    }
    let press = rooms.profiles.press(profile).map_err(|error| {
        let path = JsonPath::from(OPTIONS).key("color").key("profile");
        Error::Asset(vec![Problem { path, message: error.to_string() }])
    })?;
    Ok(Some(Inks { press, black_text: options.black_text }))
}

/// Those of this request.
pub(super) fn fonts(rooms: &Rooms, prepared: &Prepared, loaded: &Loaded, options: &RenderOptions) -> Fonts {
    let Prepared { design, pages, .. } = prepared;
    let Loaded { assets, web_faces, web_failures } = loaded;
    let made = resolve::font_set(design, pages, assets, &rooms.library, web_faces, options);
    let (fonts, warnings) = made.map_err(|error| match web_failures.get(&error.family) {
        Some(reason) => FontError { reason: reason.clone(), ..error },
        None => error,
    })?;
    Ok((rooms.layouters.take(fonts), warnings))
}
