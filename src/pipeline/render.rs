//! The stages of one render, in order: parse, assets, resolve, paint, encode.
//!
//! This file alone calls the rooms; what each call may cost was bounded before it (admission, limits).

use std::sync::Arc;

use serde_json::Value;

use super::choice::Pages;
use super::{Session, Stage};
use crate::assets::svg::SvgFonts;
use crate::assets::{AssetTimeouts, GoogleFonts, Loader, WebFace};
use crate::config::{DesignLimits, Settings};
use crate::design::resolve::ResolveError;
use crate::design::{self, Design};
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::{Format, OutputOptions};
use crate::paint::{self, CpuRasterizer, PaintError, Rasterizer, SurfaceLimits};
use crate::pool::Pool;
use crate::report::{JsonPath, Problem, Warning};
use crate::scene::Page;
use crate::text::{FontLibrary, Layouter};
use crate::units::DeviceSize;

/// What to render.
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
    /// A page of every kind of thing that starts lazily.
    pub(super) fn warm_up() -> Result<Self, Error> {
        let design = serde_json::json!({
            "width": 64, "height": 64,
            "pages": [{"children": [{"type": "text", "text": "Ready", "width": 64, "height": 20}, {"type": "figure"}]}],
        });
        let options = RenderOptions::default();
        let format = super::choice::format_for(None, &options)?;
        Ok(Self { design, at: JsonPath::root(), options, format, pages: Pages::First })
    }
}

/// The rooms a render walks through.
pub(super) struct Rooms {
    design_limits: DesignLimits,
    rasterizer: Box<dyn Rasterizer>,
    library: Arc<FontLibrary>,
    svg_fonts: SvgFonts,
    loader: Arc<Loader>,
    font_service: Option<GoogleFonts>,
}

impl Rooms {
    pub(super) fn new(settings: &Settings, pool: &Arc<Pool>) -> Result<Self, Error> {
        let library = Arc::new(FontLibrary::new(&settings.fonts)?);
        let for_svg = library.clone();
        let loader = Arc::new(Loader::new(&settings.assets, pool.clone())?);
        Ok(Self {
            design_limits: settings.design.clone(),
            rasterizer: Box::new(CpuRasterizer::new(pool.clone(), &settings.paint)),
            library,
            svg_fonts: SvgFonts::new(SVG_FAMILY, move || for_svg.files()),
            font_service: GoogleFonts::new(&settings.fonts, loader.clone())?,
            loader,
        })
    }

    pub(super) fn rasterizer(&self) -> &'static str {
        self.rasterizer.name()
    }
}

/// What browsers take for `sans-serif`, and for fonts that an SVG names and nobody has.
const SVG_FAMILY: &str = "Liberation Sans";

impl Session {
    /// Renders, stage by stage.
    ///
    /// # Errors
    /// Whatever the stages refuse; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let RenderRequest { design, at, options, format, pages } = request;
        let rooms = self.engine.0.rooms.clone();
        let options = Arc::new(options);
        let limits = rooms.design_limits.clone();
        let design = self.work(Stage::Parse, move || Design::from_value(&design, at, &limits)).await??;
        let design = Arc::new(design);
        let chosen = choose(&design, &pages)?;
        for index in &chosen {
            check_size(&design.pages[*index], &options, rooms.rasterizer.limits())?;
        }

        let requests = design::resolve::asset_requests(&design, &chosen, &options);
        let timeouts = AssetTimeouts { image: options.asset_load_timeout, font: options.font_load_timeout };
        let assets = Arc::new(self.wait(Stage::Assets, rooms.loader.load(&requests, &timeouts)).await?);
        let web = self.web_fonts(&design, &chosen, &options).await?;
        let (fonts, told) = design::resolve::font_set(&design, &chosen, &assets, &rooms.library, &web, &options)
            .map_err(ResolveError::from)?;

        let mut warnings = design.warnings.clone();
        warnings.extend(told);
        let mut done = Vec::new();
        let dpi = design.dpi;
        // One page after another, so that a long design does not hold all its pages' pixels.
        for index in chosen {
            let (design, assets, fonts, shared) = (design.clone(), assets.clone(), fonts.clone(), options.clone());
            let rooms = rooms.clone();
            let resolve = move || {
                let mut layouter = Layouter::new(fonts);
                design::resolve::resolve(&design, &[index], &assets, &rooms.svg_fonts, &mut layouter, &shared)
            };
            let resolved = self.work(Stage::Resolve, resolve).await??;
            warnings.extend(resolved.warnings);
            let dpi = options.dpi.unwrap_or(dpi);
            let output =
                OutputOptions { quality: options.quality, pixels_per_inch: Some(dpi * options.pixel_ratio.get()) };
            for page in resolved.document.pages {
                let (bytes, told) = self.draw(page, &options, format, output).await?;
                warnings.extend(told);
                done.push(RenderedPage { index, bytes });
            }
        }
        Ok(Rendered { pages: done, media_type: format.media_type(), warnings, rasterizer: self.engine.rasterizer() })
    }

    /// Families that neither the design nor the library has, from the font service; without one, none.
    async fn web_fonts(
        &mut self,
        design: &Design,
        pages: &[usize],
        options: &RenderOptions,
    ) -> Result<Vec<(Arc<str>, Vec<WebFace>)>, Error> {
        let rooms = self.engine.0.rooms.clone();
        let Some(service) = &rooms.font_service else { return Ok(Vec::new()) };
        let mut fonts = Vec::new();
        for missing in design::resolve::missing_families(design, pages, &rooms.library) {
            let asked = service.family(&missing.family, &missing.faces, options.font_load_timeout);
            // A family the service does not have is reported with all others that nobody has.
            if let Ok(faces) = self.wait(Stage::Assets, asked).await? {
                fonts.push((missing.family, faces));
            }
        }
        Ok(fonts)
    }

    /// One page from scene to file.
    async fn draw(
        &mut self,
        page: Page,
        options: &RenderOptions,
        format: &'static dyn Format,
        output: OutputOptions,
    ) -> Result<(Vec<u8>, Vec<Warning>), Error> {
        let rooms = self.engine.0.rooms.clone();
        let (scale, limits) = (options.pixel_ratio, rooms.rasterizer.limits());
        let mut plan =
            self.work(Stage::Paint, move || paint::plan(&page, scale, limits)).await?.map_err(paint_error)?;
        let warnings = std::mem::take(&mut plan.warnings);
        let painted = self.wait(Stage::Paint, rooms.rasterizer.submit(plan)).await?;
        let stopped = |_| Error::Internal("the painter stopped".into());
        let raster = painted.map_err(stopped)?.map_err(paint_error)?;
        let bytes = self.work(Stage::Encode, move || format.write(&raster, &output)).await??;
        Ok((bytes, warnings))
    }
}

/// Indices of the pages asked for.
fn choose(design: &Design, pages: &Pages) -> Result<Vec<usize>, Error> {
    match pages {
        Pages::First => Ok(vec![0]),
        Pages::All => Ok((0..design.pages.len()).collect()),
        Pages::Id(id) => {
            let found = design.pages.iter().position(|page| *page.id == **id);
            let message = || {
                let known: Vec<_> = design.pages.iter().take(20).map(|page| page.id.as_ref()).collect();
                format!("No page for export with id {id:.80}; the design has {}", known.join(", "))
            };
            let at = JsonPath::from("exportOptions.pageId");
            Ok(vec![found.ok_or_else(|| Error::invalid(Problem { path: at, message: message() }))?])
        }
    }
}

/// Before anything is fetched for a page that cannot be painted.
fn check_size(page: &design::Page, options: &RenderOptions, limits: SurfaceLimits) -> Result<(), Error> {
    let bleed = if options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
    let sheet = kurbo::Size::new(page.size.width + bleed.x_value(), page.size.height + bleed.y_value());
    let refused = limits.check(DeviceSize::of_page(sheet, options.pixel_ratio));
    refused.map_err(|error| Error::invalid(Problem { path: page.at.clone(), message: error.to_string() }))
}

/// Too large a page and a damaged font are the caller's, the rest is ours.
fn paint_error(error: PaintError) -> Error {
    match error {
        PaintError::TooManyPixels { .. } | PaintError::SideTooLong { .. } | PaintError::Font(_) => {
            Error::invalid(Problem { path: JsonPath::root(), message: error.to_string() })
        }
        PaintError::Internal(message) => Error::Internal(message),
    }
}
