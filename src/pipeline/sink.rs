//! Where painted pages go: each into a file of its own, or all into one document.

use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::fingerprint::Ingredients;
use super::render::{Prepared, RenderedPage};
use super::{Session, Stage, document};
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::pdf::{Needs, Writer};
use crate::output::{Format, Making, OutputOptions, PictureFormat};
use crate::paint::{self, Painted, SurfaceLimits};
use crate::report::{JsonPath, Warning};
use crate::scene::Page;
use crate::units::DeviceScale;

/// What paints pages of a document that need no pixels.
const VECTOR: &str = "pdf";

/// Takes pages one after the other.
pub(super) enum Sink {
    /// One file a page.
    Pictures {
        format: &'static dyn PictureFormat,
        options: OutputOptions,
        scale: DeviceScale,
        ingredients: Ingredients,
        done: Vec<RenderedPage>,
    },
    /// One file for all.
    Document(Box<Writer>, Provenance),
}

/// Where a document comes from.
pub(super) struct Provenance {
    ingredients: Ingredients,
    created: Timestamp,
    /// Of each page so far: what painted its pixels, or [`VECTOR`].
    painters: Vec<&'static str>,
}

impl Sink {
    pub(super) fn begin(
        format: &'static dyn Format,
        prepared: &Prepared,
        options: &RenderOptions,
        limits: SurfaceLimits,
        ingredients: Ingredients,
    ) -> Result<Self, Error> {
        match format.making() {
            Making::Pictures(format) => {
                let dpi = options.dpi.unwrap_or(prepared.design.dpi);
                let scale = options.pixel_ratio;
                let options = OutputOptions {
                    quality: options.quality,
                    compression: options.compression,
                    pixels_per_inch: Some(dpi * scale.get()),
                    inks: prepared.inks.clone(),
                };
                Ok(Self::Pictures { format, options, scale, ingredients, done: Vec::new() })
            }
            Making::Document => {
                let options = document::options(prepared, options, limits)?;
                let provenance = Provenance { ingredients, created: options.created, painters: Vec::new() };
                Ok(Self::Document(Box::new(Writer::begin(options)?), provenance))
            }
        }
    }

    /// Px a design px of the pictures that resolving makes.
    pub(super) fn detail(&self) -> DeviceScale {
        match self {
            Self::Pictures { scale, .. } => *scale,
            Self::Document(writer, _) => writer.detail(),
        }
    }
}

/// What is told of a document whose pages `painters` painted: who made the last of its pictures, if it has any.
pub(super) fn painter_told(painters: &[&'static str]) -> &'static str {
    painters.iter().rfind(|it| **it != VECTOR).unwrap_or(&VECTOR)
}

impl Session {
    /// One page from scene to its place in `sink`, which is given back. `index`: its place in the design.
    pub(super) async fn page(
        &mut self,
        sink: Sink,
        page: Page,
        index: usize,
        prepared: &Prepared,
        warnings: &mut Vec<Warning>,
    ) -> Result<Sink, Error> {
        let page = Arc::new(page);
        match sink {
            Sink::Pictures { format, options, scale, ingredients, mut done } => {
                let Painted { raster, by } = self.raster(&page, scale, warnings).await?;
                let written = self.work(Stage::Encode, move || (format.write(&raster, &options), options)).await?;
                let (bytes, options) = written;
                let fingerprint = ingredients.picture(index, self.engine.0.rooms.painter(by));
                done.push(RenderedPage { index, bytes: bytes?.into(), rasterizer: by, fingerprint });
                Ok(Sink::Pictures { format, options, scale, ingredients, done })
            }
            Sink::Document(writer, mut provenance) => {
                let at = prepared.design.pages[index].at.clone();
                let (writer, painter) = self.document_page(writer, page, at, warnings).await?;
                provenance.painters.push(painter);
                Ok(Sink::Document(writer, provenance))
            }
        }
    }

    /// One page from scene to its place in the document of `writer`, which is given back with what painted it. `at`:
    /// the page's place in the JSON.
    pub(super) async fn document_page<W>(
        &mut self,
        mut writer: W,
        page: Arc<Page>,
        at: JsonPath,
        warnings: &mut Vec<Warning>,
    ) -> Result<(W, &'static str), Error>
    where
        W: DerefMut<Target = Writer> + Send + 'static,
    {
        let (writer, told, painter) = match writer.needs(&page) {
            Needs::Pixels(scale) => {
                let Painted { raster, by } = self.raster(&page, scale, warnings).await?;
                let written = self.work(Stage::Encode, move || {
                    let told = writer.pixels(&page, &raster, &at);
                    (writer, told)
                });
                let (writer, told) = written.await?;
                (writer, told, by)
            }
            Needs::Scene => {
                let abandoned = self.abandoned.clone();
                let written = self.work(Stage::Paint, move || {
                    let told = writer.scene(&page, &at, &|| abandoned.load(Ordering::Relaxed));
                    (writer, told)
                });
                let (writer, told) = written.await?;
                (writer, told, VECTOR)
            }
        };
        warnings.extend(told?);
        Ok((writer, painter))
    }

    /// The files of all pages taken.
    pub(super) async fn finish(&mut self, sink: Sink) -> Result<Vec<RenderedPage>, Error> {
        match sink {
            Sink::Pictures { done, .. } => Ok(done),
            Sink::Document(writer, Provenance { ingredients, created, painters }) => {
                let bytes = self.work(Stage::Encode, move || writer.finish()).await??.into();
                let rooms = &self.engine.0.rooms;
                let fingerprint = ingredients.document(created, painters.iter().map(|it| rooms.painter(it)));
                let rasterizer = painter_told(&painters);
                Ok(vec![RenderedPage { index: 0, bytes, rasterizer, fingerprint }])
            }
        }
    }

    async fn raster(
        &mut self,
        page: &Arc<Page>,
        scale: DeviceScale,
        warnings: &mut Vec<Warning>,
    ) -> Result<Painted, Error> {
        let rooms = self.engine.0.rooms.clone();
        let (page, limits) = (page.clone(), rooms.rasterizer.limits());
        let mut plan = self.work(Stage::Plan, move || paint::plan(&page, scale, limits)).await??;
        warnings.append(&mut plan.warnings);
        plan.prefix_cache = self.prefix_cache.clone().map(|cache| (cache, self.rasters));
        self.rasters += 1;
        let painted = self.wait(Stage::Paint, rooms.rasterizer.submit(plan)).await?;
        Ok(painted.map_err(|_| Error::Internal("the painter stopped".into()))??)
    }
}
