//! The sinks of painted pages: one file for each page, or one document for all.

use std::ops::DerefMut;
use std::sync::Arc;

use jiff::Timestamp;

use super::document;
use super::executor::Executor;
use super::ingredients::Ingredients;
use super::loaded_request::PreparedRequest;
use super::pages::{PageRenderer, PageSink};
use super::request::RenderedPage;
use super::timings::Stage;
use crate::error::Error;
use crate::options::DpiMetadata;
use crate::output::pdf::{PageInput, Writer};
use crate::output::{OutputOptions, PictureFormat};
use crate::paint::{Painted, SurfaceLimits};
use crate::scene::Page;
use crate::units::DeviceScale;

/// Painter name of document pages that need no pixels.
const VECTOR: &str = "pdf";

/// Painter name of a document: that of its last page with pixels, or [`VECTOR`] without any.
pub(super) fn document_rasterizer(painters: &[&'static str]) -> &'static str {
    painters.iter().rfind(|it| **it != VECTOR).unwrap_or(&VECTOR)
}

/// Encodes each page to a file of its own.
pub(super) struct PictureSink {
    format: &'static dyn PictureFormat,
    options: OutputOptions,
    scale: DeviceScale,
    ingredients: Ingredients,
    done: Vec<RenderedPage>,
}

impl PictureSink {
    pub(super) fn new(format: &'static dyn PictureFormat, request: &PreparedRequest, ingredients: Ingredients) -> Self {
        let PreparedRequest { design, options, print, .. } = request;
        let dpi = options.dpi.unwrap_or(design.dpi);
        let scale = options.pixel_ratio;
        let options = OutputOptions {
            quality: options.quality,
            compression: options.compression,
            pixels_per_inch: match options.dpi_metadata {
                DpiMetadata::Design => Some(dpi * scale.get()),
                DpiMetadata::Number(number) => Some(number),
                DpiMetadata::Off => None,
            },
            print: print.clone(),
        };
        Self { format, options, scale, ingredients, done: Vec::new() }
    }

    /// The files of all pages, in order.
    pub(super) fn finish(self) -> Vec<RenderedPage> {
        self.done
    }
}

impl PageSink for PictureSink {
    fn raster_scale(&self) -> DeviceScale {
        self.scale
    }

    async fn add(mut self, pages: &mut PageRenderer<'_>, page: Page, index: usize) -> Result<Self, Error> {
        let Painted { raster, by } = pages.paint(&Arc::new(page), self.scale).await?;
        let (format, options) = (self.format, self.options);
        let written = pages.executor.work(Stage::Encode, move || (format.write(&raster, &options), options)).await?;
        let (bytes, options) = written;
        self.options = options;
        let painter = pages.executor.shared.resources.painter_name(by);
        let fingerprint = self.ingredients.picture(index, painter);
        self.done.push(RenderedPage { index, bytes: bytes?.into(), rasterizer: by, fingerprint });
        Ok(self)
    }
}

/// Writes all pages to one document. `W` gives access to its writer.
pub(super) struct DocumentSink<W> {
    pub(super) writer: W,
    /// Per page so far, the painter of its pixels or [`VECTOR`].
    pub(super) painters: Vec<&'static str>,
}

impl<W: DerefMut<Target = Writer> + Send + 'static> PageSink for DocumentSink<W> {
    fn raster_scale(&self) -> DeviceScale {
        self.writer.raster_scale()
    }

    async fn add(self, pages: &mut PageRenderer<'_>, page: Page, index: usize) -> Result<Self, Error> {
        let Self { mut writer, mut painters } = self;
        let (page, at) = (Arc::new(page), pages.request.prepared.design.pages[index].at.clone());
        let (writer, warned, painter) = match writer.required_input(&page) {
            PageInput::Pixels(scale) => {
                let Painted { raster, by } = pages.paint(&page, scale).await?;
                let written = pages.executor.work(Stage::Encode, move || {
                    let warned = writer.pixels(&page, &raster, &at);
                    (writer, warned)
                });
                let (writer, warned) = written.await?;
                (writer, warned, by)
            }
            PageInput::Scene => {
                writer.set_inks(pages.request.prepared.inks.clone());
                let abandoned = pages.executor.abandoned();
                let written = pages.executor.work(Stage::Paint, move || {
                    let warned = writer.scene(&page, &at, &abandoned);
                    (writer, warned)
                });
                let (writer, warned) = written.await?;
                (writer, warned, VECTOR)
            }
        };
        pages.warnings.extend(warned?);
        painters.push(painter);
        Ok(Self { writer, painters })
    }
}

impl DocumentSink<Box<Writer>> {
    /// Begins the document of `request`. Returns it with its creation date.
    ///
    /// # Errors
    /// Options that a document cannot have.
    pub(super) fn begin(request: &PreparedRequest, limits: SurfaceLimits) -> Result<(Self, Timestamp), Error> {
        let options = document::options(request, limits)?;
        let created = options.created;
        Ok((Self { writer: Box::new(Writer::begin(options)?), painters: Vec::new() }, created))
    }

    /// Completes the document and returns its file.
    pub(super) async fn finish(
        self,
        executor: &mut Executor,
        ingredients: &Ingredients,
        created: Timestamp,
    ) -> Result<RenderedPage, Error> {
        let Self { writer, painters } = self;
        let bytes = executor.work(Stage::Encode, move || writer.finish()).await??.into();
        let resources = &executor.shared.resources;
        let fingerprint = ingredients.document(created, painters.iter().map(|it| resources.painter_name(it)));
        Ok(RenderedPage { index: 0, bytes, rasterizer: document_rasterizer(&painters), fingerprint })
    }
}
