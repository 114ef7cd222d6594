//! Scene to PDF content: vectors and text stay what they are.
//!
//! In: content streams of pages and the objects they use: fonts, pictures, shadings, masks. Not in: the document around
//! them (catalog, page boxes, metadata, output intents: `output::pdf`), colour profiles, JSON, layout.
//! Imports: `units`, `report`, `scene`, `raster`, and `paint`'s own planner and passes for what a vector file cannot
//! hold. pdf-writer and subsetter appear here and in `output::pdf`.
//!
//! One file a kind of node (`path`, `text`, `image`, `group`) or of resource (`font`, `gradient`, `color`).

mod canvas;
mod color;
mod coloured;
mod curve;
mod drawn;
mod font;
mod gradient;
mod group;
mod image;
mod outlined;
mod path;
mod resources;
mod text;
mod words;

use std::collections::HashMap;

use kurbo::{Affine, Rect};
use pdf_writer::{Chunk, Ref};

pub use color::{CmykConverter, ColorTarget, ColorUse};
pub use resources::Resources;

use super::glyphs::Faces;
use super::{PaintError, SurfaceLimits};
use crate::report::Warning;
use crate::scene::Page;
use crate::units::DeviceScale;
use canvas::Canvas;
use drawn::DrawnFonts;
use font::Fonts;
use image::Pictures;

/// How pages are written.
#[derive(Clone, Debug)]
pub struct PdfSettings {
    /// Which colours go into the file.
    pub colors: ColorTarget,
    /// Px per design px of what has to become pixels: pdf.md §4 wants the larger of 300 ppi and dpi · pixelRatio.
    pub raster_scale: DeviceScale,
    /// How large such a picture may be.
    pub limits: SurfaceLimits,
    /// Whether streams are compressed; only tests want to read them.
    pub compress: bool,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PdfError {
    /// What has to become pixels could not be painted.
    #[error(transparent)]
    Paint(#[from] PaintError),
    /// The file format numbers its objects with 31 bits.
    #[error("the file would have more than {} objects: render fewer pages at once", i32::MAX)]
    TooManyObjects,
    /// A face cannot be put into the file.
    #[error("the font {name} cannot be embedded: {reason}; replace the file")]
    Font {
        /// Its PostScript name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bug of ours.
    #[error("internal error while writing a page: {0}")]
    Internal(String),
    /// Nobody waits for the file any more, so nobody reads this.
    #[error("nobody waits for the file any more")]
    Abandoned,
}

/// What all pages of one file share; hands out object numbers.
///
/// Pages are painted one after another and can be written out at once. Only what must wait for the last page stays here:
/// fonts, because their subset is not known before. Pictures are written with the first page that shows them.
pub struct Painter {
    settings: PdfSettings,
    next: i32,
    /// Objects made since a page was last handed over.
    chunk: Chunk,
    /// Graphics states by what they set.
    states: HashMap<resources::StateKey, Ref>,
    fonts: Fonts,
    /// Glyphs that are drawn by the file itself.
    drawn: DrawnFonts,
    /// Outlines and pictures of glyphs.
    faces: Faces,
    pictures: Pictures,
}

/// One page.
pub struct PageContent {
    /// The content stream, not compressed, in design px, y down, (0, 0) at the top-left of the trim box. The caller puts
    /// the matrix to points and a clip to the bleed box in front.
    pub content: Vec<u8>,
    /// Objects that the content needs, made for this page or met here first: to be written out with it.
    pub objects: Chunk,
    /// What the content names.
    pub resources: Resources,
    /// Areas that lead somewhere, first is bottom.
    pub links: Vec<Link>,
    /// What was drawn otherwise than the scene says.
    pub warnings: Vec<Warning>,
}

/// An area of a page that leads to an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// In design px, y down, as the content.
    pub rect: Rect,
    /// Where it leads.
    pub url: String,
}

impl Painter {
    /// `first_free`: object numbers from here on are the painter's to hand out.
    pub fn new(first_free: Ref, settings: PdfSettings) -> Self {
        Self {
            chunk: resources::new_chunk(),
            settings,
            next: first_free.get(),
            states: HashMap::new(),
            fonts: Fonts::default(),
            drawn: DrawnFonts::default(),
            faces: Faces::default(),
            pictures: Pictures::default(),
        }
    }

    /// An object number that nobody else has.
    ///
    /// # Errors
    /// [`PdfError::TooManyObjects`] after two thousand million.
    pub fn next_ref(&mut self) -> Result<Ref, PdfError> {
        let this = self.next;
        self.next = this.checked_add(1).ok_or(PdfError::TooManyObjects)?;
        Ok(Ref::new(this))
    }

    /// Paints `page`. `abandoned` is asked now and then whether anybody still waits.
    ///
    /// # Errors
    /// See [`PdfError`].
    pub fn page(&mut self, page: &Page, abandoned: &dyn Fn() -> bool) -> Result<PageContent, PdfError> {
        let mut canvas = Canvas::new(self, page.visible(), abandoned);
        canvas.group(&page.root, Affine::IDENTITY)?;
        let canvas::Finished { content, resources, warnings, links } = canvas.finish();
        let objects = std::mem::replace(&mut self.chunk, resources::new_chunk());
        Ok(PageContent { content, objects, resources, links, warnings })
    }

    /// What can be written only when all pages are known, and the first object number that is still free.
    ///
    /// # Errors
    /// See [`PdfError`].
    pub fn finish(mut self) -> Result<(Chunk, Ref), PdfError> {
        self.write_fonts()?;
        self.write_drawn()?;
        Ok((self.chunk, Ref::new(self.next)))
    }
}
