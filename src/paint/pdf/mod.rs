//! The PDF painter: writes a scene as page content, with paths as vectors and text as text.
//!
//! In: content streams of pages and the objects that they use: fonts, pictures, shadings, masks. Not in: the document
//! around them (catalog, page boxes, metadata, output intents: `output::pdf`), colour profiles, JSON, layout.
//! Imports: `units`, `report`, `scene`, `raster`, and the planner and passes of `paint`, for what must become pixels.
//! pdf-writer and subsetter are used here and in `output::pdf` only.
//!
//! There is one file per kind of node (`path`, `text`, `image`, `group`) and per kind of resource (`font`, `gradient`,
//! `color`).

mod canvas;
mod color;
mod coloured;
mod curve;
mod font;
mod gradient;
mod group;
mod image;
mod outlined;
mod path;
mod resources;
mod text;
mod type3;
mod words;

use std::collections::HashMap;

use kurbo::{Affine, Rect};
use pdf_writer::{Chunk, Ref};

pub use color::{CmykConverter, ColorTarget, ColorUse};
pub use resources::Resources;

use super::glyphs::GlyphFaces;
use super::{PaintError, SurfaceLimits};
use crate::report::Warning;
use crate::scene::Page;
use crate::units::DeviceScale;
use canvas::Canvas;
use font::Fonts;
use image::Pictures;
use type3::Type3Fonts;

/// Settings of a [`Painter`].
#[derive(Clone, Debug)]
pub struct PdfSettings {
    /// Colour space of the file.
    pub colors: ColorTarget,
    /// Px per design px of content that is rasterised: the larger of 300 ppi and dpi · pixelRatio (pdf.md §4).
    pub raster_scale: DeviceScale,
    /// Maximum size of rasterised content.
    pub limits: SurfaceLimits,
    /// Whether streams are compressed. Tests turn compression off to read them.
    pub compress: bool,
}

/// Error of the PDF painter.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PdfError {
    /// Content that must be rasterised could not be painted.
    #[error(transparent)]
    Paint(#[from] PaintError),
    /// The file would exceed the object numbers of the format, which have 31 bits.
    #[error("the file would have more than {} objects: render fewer pages at once", i32::MAX)]
    TooManyObjects,
    /// A face cannot be embedded.
    #[error("the font {name} cannot be embedded: {reason}; replace the file")]
    Font {
        /// PostScript name of the face.
        name: String,
        /// Description of the defect.
        reason: String,
    },
    /// A broken invariant of the program.
    #[error("internal error while writing a page: {0}")]
    Internal(String),
    /// The caller has left, so that no one reads this error.
    #[error("the render was abandoned: its caller has left")]
    Abandoned,
}

/// Painter of the pages of one file. It owns the resources that pages share, and allocates object numbers.
///
/// Pages are painted one after another, and each can be written to the file at once. Pictures are written with the
/// first page that shows them; fonts are written last, because their subsets are known only after all pages.
pub struct Painter {
    settings: PdfSettings,
    next: i32,
    /// Objects created since the last finished page.
    chunk: Chunk,
    /// Graphics states, by the parameter they set.
    states: HashMap<resources::StateKey, Ref>,
    fonts: Fonts,
    /// Type 3 fonts, whose glyphs are content streams of this file.
    type3_fonts: Type3Fonts,
    /// Outlines and pictures of glyphs, by face.
    faces: GlyphFaces,
    pictures: Pictures,
}

/// A painted page with the objects it needs.
pub struct PageContent {
    /// The uncompressed content stream, in design px, y down, with (0, 0) at the top-left corner of the trim box. The
    /// caller prepends the matrix to points and a clip to the bleed box.
    pub content: Vec<u8>,
    /// Objects that this page is the first to use; they must be written together with it.
    pub objects: Chunk,
    /// Resources that the content refers to by name.
    pub resources: Resources,
    /// Link areas, the bottommost first.
    pub links: Vec<Link>,
    /// Deviations of the content from the scene.
    pub warnings: Vec<Warning>,
}

/// A rectangle of a page that links to a URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Area in design px, y down, as the content.
    pub rect: Rect,
    /// Target of the link.
    pub url: String,
}

impl Painter {
    /// Creates a painter that allocates object numbers from `first_free` on.
    pub fn new(first_free: Ref, settings: PdfSettings) -> Self {
        Self {
            chunk: resources::new_chunk(),
            settings,
            next: first_free.get(),
            states: HashMap::new(),
            fonts: Fonts::default(),
            type3_fonts: Type3Fonts::default(),
            faces: GlyphFaces::default(),
            pictures: Pictures::default(),
        }
    }

    /// Allocates an object number.
    ///
    /// # Errors
    /// [`PdfError::TooManyObjects`] after [`i32::MAX`].
    pub fn next_ref(&mut self) -> Result<Ref, PdfError> {
        let this = self.next;
        self.next = this.checked_add(1).ok_or(PdfError::TooManyObjects)?;
        Ok(Ref::new(this))
    }

    /// Paints `page`. `abandoned` is called once per node and returns true when the caller has left.
    ///
    /// # Errors
    /// Any variant of [`PdfError`].
    pub fn page(&mut self, page: &Page, abandoned: &dyn Fn() -> bool) -> Result<PageContent, PdfError> {
        let mut canvas = Canvas::new(self, page.visible(), abandoned);
        canvas.group(&page.root, Affine::IDENTITY)?;
        let canvas::FinishedContent { content, resources, warnings, links } = canvas.finish();
        let objects = std::mem::replace(&mut self.chunk, resources::new_chunk());
        Ok(PageContent { content, objects, resources, links, warnings })
    }

    /// Writes the fonts, which are complete only after all pages. Returns them with the first free object number.
    ///
    /// # Errors
    /// Any variant of [`PdfError`] except [`PdfError::Abandoned`].
    pub fn finish(mut self) -> Result<(Chunk, Ref), PdfError> {
        self.write_fonts()?;
        self.write_type3_fonts()?;
        Ok((self.chunk, Ref::new(self.next)))
    }
}
