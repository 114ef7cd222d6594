//! The stages of one render, in order: parse, assets, resolve, paint, encode.
//!
//! This file alone calls the rooms; what each call may cost was bounded before it (admission, limits).

use std::sync::Arc;

use serde_json::Value;

use super::choice::Pages;
use super::{Session, Stage};
use crate::config::{DesignLimits, Settings};
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::paint::{self, CpuRasterizer, PaintError, Rasterizer};
use crate::pool::Pool;
use crate::report::{JsonPath, Problem, Warning};
use crate::scene::Page;

/// What to render.
pub struct RenderRequest {
    /// The design's JSON.
    pub design: Value,
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
            "pages": [{"id": "warm-up", "children": []}],
        });
        let options = RenderOptions::default();
        let format = super::choice::format_for(None, &options)?;
        Ok(Self { design, options, format, pages: Pages::First })
    }
}

/// The rooms a render walks through.
pub(super) struct Rooms {
    design_limits: DesignLimits,
    rasterizer: Box<dyn Rasterizer>,
}

impl Rooms {
    pub(super) fn new(settings: &Settings, pool: &Arc<Pool>) -> Result<Self, Error> {
        let rasterizer = Box::new(CpuRasterizer::new(pool.clone(), &settings.paint));
        Ok(Self { design_limits: settings.design.clone(), rasterizer })
    }

    pub(super) fn rasterizer(&self) -> &'static str {
        self.rasterizer.name()
    }
}

impl Session {
    /// Renders, stage by stage.
    ///
    /// # Errors
    /// Whatever the stages refuse; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let RenderRequest { design, options, format, pages } = request;
        let rooms = self.engine.0.rooms.clone();
        let limits = rooms.design_limits.clone();
        let design = self
            .work(Stage::Parse, move || super::standin::Design::from_value(&design, &limits))
            .await?
            .map_err(Error::Invalid)?;
        let chosen: Vec<usize> = match pages {
            Pages::First => vec![0],
            Pages::All => (0..design.pages.len()).collect(),
            Pages::Id(id) => {
                let found = design.pages.iter().position(|page| page.id == id);
                vec![found.ok_or_else(|| {
                    Error::invalid(crate::report::Problem {
                        path: "exportOptions.pageId".into(),
                        message: format!("No page for export with id {id}"),
                    })
                })?]
            }
        };
        let mut warnings = Vec::new();
        let mut done = Vec::new();
        for index in chosen {
            let page = super::standin::resolve(&design, index);
            let (bytes, told) = self.draw(page, &options, format).await?;
            warnings.extend(told);
            done.push(RenderedPage { index, bytes });
        }
        Ok(Rendered { pages: done, media_type: format.media_type(), warnings, rasterizer: rooms.rasterizer() })
    }

    /// One page from scene to file.
    async fn draw(
        &mut self,
        page: Page,
        options: &RenderOptions,
        format: &'static dyn Format,
    ) -> Result<(Vec<u8>, Vec<Warning>), Error> {
        let rooms = self.engine.0.rooms.clone();
        let (scale, limits) = (options.pixel_ratio, rooms.rasterizer.limits());
        let mut plan =
            self.work(Stage::Paint, move || paint::plan(&page, scale, limits)).await?.map_err(paint_error)?;
        let warnings = std::mem::take(&mut plan.warnings);
        let painted = self.wait(Stage::Paint, rooms.rasterizer.submit(plan)).await?;
        let stopped = |_| Error::Internal("the painter stopped".into());
        let raster = painted.map_err(stopped)?.map_err(paint_error)?;
        let bytes = self.work(Stage::Encode, move || format.write(&raster)).await?.map_err(Error::Internal)?;
        Ok((bytes, warnings))
    }
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
