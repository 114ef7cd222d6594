//! The stages of one render, in order: parse, assets, resolve, paint, encode.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::choice::{Pages, format_for};
use super::rooms::{Loaded, Rooms, check_images};
use super::{Session, Stage};
use crate::assets::AssetRequests;
use crate::design::resolve::{self, FamilyUse, FontError};
use crate::design::{Design, variables};
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::{Format, OutputOptions};
use crate::paint;
use crate::report::{JsonPath, Problem, Warning};
use crate::scene::Page;
use crate::text::Layouter;
use crate::units::DeviceSize;

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

/// The pictures, and what the caller should know about them.
#[derive(Debug)]
pub struct Rendered {
    /// In design order, at least one.
    pub pages: Vec<RenderedPage>,
    /// Of every page's bytes.
    pub media_type: &'static str,
    /// What was drawn otherwise than written.
    pub warnings: Vec<Warning>,
    /// What painted.
    pub rasterizer: &'static str,
}

/// One picture.
#[derive(Debug)]
pub struct RenderedPage {
    /// The page's place in the design, from 0.
    pub index: usize,
    /// A file of the format asked for.
    pub bytes: Vec<u8>,
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
struct Prepared {
    design: Design,
    /// Indices into `design.pages`, in range.
    pages: Vec<usize>,
    requests: AssetRequests,
    /// To be asked of the font service.
    families: Vec<FamilyUse>,
}

impl Session {
    /// Renders, stage by stage. Pages are resolved, painted and encoded one after the other, so that a design of many
    /// pages holds the pixels of one.
    ///
    /// # Errors
    /// Whatever the stages refuse; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let rooms = self.engine.0.rooms.clone();
        let options = Arc::new(request.options.clone());
        let format = request.format;

        let prepared = self.work(Stage::Parse, {
            let rooms = rooms.clone();
            move || prepare(&rooms, request)
        });
        let prepared = Arc::new(prepared.await??);

        let loaded = self.wait(Stage::Assets, rooms.load(&prepared.requests, &prepared.families, &options)).await?;
        check_images(&loaded.assets, &options)?;
        let loaded = Arc::new(loaded);

        let mut warnings = prepared.design.warnings.clone();
        let fonts = self.work(Stage::Resolve, {
            let (rooms, prepared, loaded, options) = (rooms.clone(), prepared.clone(), loaded.clone(), options.clone());
            move || fonts(&rooms, &prepared, &loaded, &options)
        });
        let (mut layouter, substituted) = fonts.await??;
        warnings.extend(substituted);

        let mut done = Vec::with_capacity(prepared.pages.len());
        for index in prepared.pages.iter().copied() {
            let resolved = self.work(Stage::Resolve, {
                let (rooms, prepared, loaded, options) =
                    (rooms.clone(), prepared.clone(), loaded.clone(), options.clone());
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
            let (used, resolved) = resolved.await?;
            layouter = used;
            let resolved = resolved?;
            warnings.extend(resolved.warnings);
            for page in resolved.document.pages {
                let bytes = self.draw(page, prepared.design.dpi, &options, format, &mut warnings).await?;
                done.push(RenderedPage { index, bytes });
            }
            self.progressed(done.len(), prepared.pages.len());
        }
        Ok(Rendered { pages: done, media_type: format.media_type(), warnings, rasterizer: rooms.rasterizer.name() })
    }

    /// One page from scene to file.
    async fn draw(
        &mut self,
        page: Page,
        dpi: f64,
        options: &RenderOptions,
        format: &'static dyn Format,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<u8>, Error> {
        let rooms = self.engine.0.rooms.clone();
        let (scale, limits) = (options.pixel_ratio, rooms.rasterizer.limits());
        let mut plan = self.work(Stage::Paint, move || paint::plan(&page, scale, limits)).await??;
        warnings.append(&mut plan.warnings);
        let painted = self.wait(Stage::Paint, rooms.rasterizer.submit(plan)).await?;
        let raster = painted.map_err(|_| Error::Internal("the painter stopped".into()))??;
        let dpi = options.dpi.unwrap_or(dpi);
        let output = OutputOptions { quality: options.quality, pixels_per_inch: Some(dpi * scale.get()) };
        Ok(self.work(Stage::Encode, move || format.write(&raster, &output)).await??)
    }
}

/// Reads the design, chooses its pages, holds them against the limits, and lists what they need.
fn prepare(rooms: &Rooms, request: RenderRequest) -> Result<Prepared, Error> {
    let RenderRequest { design: mut value, at, options, pages, .. } = request;
    let options = &options;
    let limits = &rooms.design_limits;
    let filled = options.variables.as_ref().map(|it| variables::fill_in(&mut value, &at, it, limits)).transpose()?;
    let mut design = Design::from_value(&value, at, limits)?;
    design.warnings.extend(filled.unwrap_or_default());
    let pages = pages.choose(design.pages.iter().map(|page| &*page.id))?;
    for page in pages.iter().map(|index| &design.pages[*index]) {
        let bleed = if options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        let sheet = (page.size.to_rect() + bleed).size();
        let checked = rooms.rasterizer.limits().check(DeviceSize::of_page(sheet, options.pixel_ratio));
        checked.map_err(|error| Error::invalid(Problem { path: page.at.clone(), message: error.to_string() }))?;
    }
    let requests = resolve::asset_requests(&design, &pages, options);
    let families = resolve::missing_families(&design, &pages, &rooms.library);
    Ok(Prepared { design, pages, requests, families })
}

/// The fonts of this request, ready to lay texts out, and which were replaced.
fn fonts(
    rooms: &Rooms,
    prepared: &Prepared,
    loaded: &Loaded,
    options: &RenderOptions,
) -> Result<(Layouter, Vec<Warning>), FontError> {
    let Prepared { design, pages, .. } = prepared;
    let Loaded { assets, web_faces, web_failures } = loaded;
    let made = resolve::font_set(design, pages, assets, &rooms.library, web_faces, options);
    let (fonts, warnings) = made.map_err(|error| match web_failures.get(&error.family) {
        Some(reason) => FontError { reason: reason.clone(), ..error },
        None => error,
    })?;
    Ok((Layouter::new(fonts), warnings))
}
