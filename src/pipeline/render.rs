//! The stages of one render, in order: parse, assets, resolve, paint, encode.
//!
//! This file alone calls the rooms; what each call may cost was bounded before it (admission, limits).

use std::sync::Arc;

use serde_json::Value;

use super::choice::Pages;
use super::{Session, Stage};
use crate::config::Settings;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pool::Pool;
use crate::report::Warning;

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
    limits: crate::config::DesignLimits,
}

impl Rooms {
    pub(super) fn new(settings: &Settings, _pool: &Arc<Pool>) -> Result<Self, Error> {
        Ok(Self { limits: settings.design.clone() })
    }

    pub(super) fn rasterizer(&self) -> &'static str {
        "cpu"
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
        let limits = rooms.limits.clone();
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
        let mut done = Vec::new();
        for index in chosen {
            let size = crate::units::DeviceSize::of_page(design.pages[index].size, options.pixel_ratio);
            if size.pixels() as f64 / 1e6 > rooms.limits.megapixels {
                return Err(Error::invalid(crate::report::Problem {
                    path: Default::default(),
                    message: format!("limit is {} megapixels (TENTER_MAX_MEGAPIXELS)", rooms.limits.megapixels),
                }));
            }
            let raster = self.work(Stage::Paint, move || super::standin::paint(size)).await?;
            let bytes = self.work(Stage::Encode, move || format.write(&raster)).await?.map_err(Error::Internal)?;
            done.push(RenderedPage { index, bytes });
        }
        Ok(Rendered { pages: done, media_type: format.media_type(), warnings: vec![], rasterizer: rooms.rasterizer() })
    }
}
