//! Collects painted pages, each into a file of its own or all into one document.

use std::ops::DerefMut;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::document;
use super::ingredients::Ingredients;
use super::prepared::Prepared;
use super::request::RenderedPage;
use super::session::Session;
use super::timings::Stage;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::pdf::{PageInput, Writer};
use crate::output::{Format, FormatKind, OutputOptions, PictureFormat};
use crate::paint::{self, PagePrefix, Painted, SurfaceLimits};
use crate::report::{JsonPath, Warning};
use crate::scene::Page;
use crate::units::DeviceScale;

/// Painter name of document pages that need no pixels.
const VECTOR: &str = "pdf";

/// Output under construction, which takes pages one after the other.
pub(super) enum PageSink {
    /// A picture format: one file per page.
    Pictures {
        format: &'static dyn PictureFormat,
        options: OutputOptions,
        scale: DeviceScale,
        ingredients: Ingredients,
        done: Vec<RenderedPage>,
    },
    /// A document format: one file for all pages.
    Document(Box<Writer>, Provenance),
}

/// What the fingerprint of a document depends on.
pub(super) struct Provenance {
    ingredients: Ingredients,
    created: Timestamp,
    /// Per page so far, the painter of its pixels or [`VECTOR`].
    painters: Vec<&'static str>,
}

impl PageSink {
    pub(super) fn begin(
        format: &'static dyn Format,
        prepared: &Prepared,
        options: &RenderOptions,
        limits: SurfaceLimits,
        ingredients: Ingredients,
    ) -> Result<Self, Error> {
        match format.kind() {
            FormatKind::Pictures(format) => {
                let dpi = options.dpi.unwrap_or(prepared.design.dpi);
                let scale = options.pixel_ratio;
                let options = OutputOptions {
                    quality: options.quality,
                    compression: options.compression,
                    pixels_per_inch: Some(dpi * scale.get()),
                    print: prepared.print.clone(),
                };
                Ok(Self::Pictures { format, options, scale, ingredients, done: Vec::new() })
            }
            FormatKind::Document => {
                let options = document::options(prepared, options, limits)?;
                let provenance = Provenance { ingredients, created: options.created, painters: Vec::new() };
                Ok(Self::Document(Box::new(Writer::begin(options)?), provenance))
            }
        }
    }

    /// Device px per design px of the pictures that resolving creates.
    pub(super) fn raster_scale(&self) -> DeviceScale {
        match self {
            Self::Pictures { scale, .. } => *scale,
            Self::Document(writer, _) => writer.raster_scale(),
        }
    }
}

/// Painter name of a document: that of its last page with pixels, or [`VECTOR`] without any.
pub(super) fn document_rasterizer(painters: &[&'static str]) -> &'static str {
    painters.iter().rfind(|it| **it != VECTOR).unwrap_or(&VECTOR)
}

impl Session {
    /// Paints one page and adds it to `sink`, which is returned. `index`: the page's index in the design.
    pub(super) async fn page(
        &mut self,
        sink: PageSink,
        page: Page,
        index: usize,
        prepared: &Prepared,
        warnings: &mut Vec<Warning>,
    ) -> Result<PageSink, Error> {
        let page = Arc::new(page);
        match sink {
            PageSink::Pictures { format, options, scale, ingredients, mut done } => {
                let Painted { raster, by } = self.raster(&page, scale, warnings).await?;
                let written = self.work(Stage::Encode, move || (format.write(&raster, &options), options)).await?;
                let (bytes, options) = written;
                let fingerprint = ingredients.picture(index, self.shared.resources.painter_name(by));
                done.push(RenderedPage { index, bytes: bytes?.into(), rasterizer: by, fingerprint });
                Ok(PageSink::Pictures { format, options, scale, ingredients, done })
            }
            PageSink::Document(writer, mut provenance) => {
                let at = prepared.design.pages[index].at.clone();
                let (writer, painter) = self.document_page(writer, page, at, warnings).await?;
                provenance.painters.push(painter);
                Ok(PageSink::Document(writer, provenance))
            }
        }
    }

    /// Paints one page and adds it to the document of `writer`, which is returned with the painter's name. `at`: path
    /// of the page in the JSON.
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
        let (writer, warned, painter) = match writer.required_input(&page) {
            PageInput::Pixels(scale) => {
                let Painted { raster, by } = self.raster(&page, scale, warnings).await?;
                let written = self.work(Stage::Encode, move || {
                    let warned = writer.pixels(&page, &raster, &at);
                    (writer, warned)
                });
                let (writer, warned) = written.await?;
                (writer, warned, by)
            }
            PageInput::Scene => {
                let abandoned = self.abandoned.clone();
                let written = self.work(Stage::Paint, move || {
                    let warned = writer.scene(&page, &at, &|| abandoned.load(Ordering::Relaxed));
                    (writer, warned)
                });
                let (writer, warned) = written.await?;
                (writer, warned, VECTOR)
            }
        };
        warnings.extend(warned?);
        Ok((writer, painter))
    }

    /// Completes the output and returns its files.
    pub(super) async fn finish(&mut self, sink: PageSink) -> Result<Vec<RenderedPage>, Error> {
        match sink {
            PageSink::Pictures { done, .. } => Ok(done),
            PageSink::Document(writer, Provenance { ingredients, created, painters }) => {
                let bytes = self.work(Stage::Encode, move || writer.finish()).await??.into();
                let resources = &self.shared.resources;
                let fingerprint = ingredients.document(created, painters.iter().map(|it| resources.painter_name(it)));
                let rasterizer = document_rasterizer(&painters);
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
        let resources = self.shared.resources.clone();
        let (page, limits) = (page.clone(), resources.rasterizer.limits());
        let mut plan = self.work(Stage::Plan, move || paint::plan(&page, scale, limits)).await??;
        warnings.append(&mut plan.warnings);
        let prefix = self.prefix_cache.clone().map(|cache| PagePrefix { cache, page: self.rasters });
        self.rasters += 1;
        let painted = self.wait(Stage::Paint, resources.rasterizer.submit(plan, prefix)).await?;
        Ok(painted.map_err(|_| Error::Internal("the painter thread stopped".into()))??)
    }
}
