//! The painter of one file: it paints pages one after another and writes the fonts last.

use kurbo::Affine;
use pdf_writer::{Chunk, Ref};

use super::canvas::{Canvas, FinishedContent, LinkArea};
use super::color::ColorTarget;
use super::context::FileContext;
use super::error::PdfError;
use super::group::draw_group;
use super::objects::PdfSettings;
use super::resources::PageResources;
use crate::report::Warning;
use crate::scene::Page;

/// Painter of the pages of one file. It owns the resources that pages share, and allocates object numbers.
///
/// Pages are painted one after another, and each can be written to the file at once. Pictures are written with the
/// first page that shows them; fonts are written last, because their subsets are known only after all pages.
pub struct Painter(FileContext);

/// A painted page with the objects it needs.
pub struct PageContent {
    /// The uncompressed content stream, in design px, y down, with (0, 0) at the top-left corner of the trim box. The
    /// caller prepends the matrix to points and a clip to the bleed box.
    pub content: Vec<u8>,
    /// Objects that this page is the first to use; they must be written together with it.
    pub objects: Chunk,
    /// PageResources that the content refers to by name.
    pub resources: PageResources,
    /// Link areas, the bottommost first.
    pub links: Vec<LinkArea>,
    /// Deviations of the content from the scene.
    pub warnings: Vec<Warning>,
}

impl Painter {
    /// Creates a painter that allocates object numbers from `first_free` on.
    pub fn new(first_free: Ref, settings: PdfSettings) -> Self {
        Self(FileContext::new(first_free, settings))
    }

    /// Allocates an object number.
    ///
    /// # Errors
    /// [`PdfError::TooManyObjects`] after [`i32::MAX`].
    pub fn next_ref(&mut self) -> Result<Ref, PdfError> {
        self.0.objects.next_ref()
    }

    /// Sets the colour conversion of the pages that follow. The colour space stays that of the file.
    pub fn set_colors(&mut self, colors: ColorTarget) {
        self.0.objects.settings.colors = colors;
    }

    /// Paints `page`. `abandoned` is called once per node and returns true when the caller has left.
    ///
    /// # Errors
    /// Any variant of [`PdfError`].
    pub fn page(&mut self, page: &Page, abandoned: &dyn Fn() -> bool) -> Result<PageContent, PdfError> {
        let mut canvas = Canvas::new(&mut self.0, page.visible(), abandoned);
        draw_group(&mut canvas, &page.root, Affine::IDENTITY)?;
        let FinishedContent { content, resources, warnings, links } = canvas.finish();
        let objects = self.0.objects.take_chunk();
        Ok(PageContent { content, objects, resources, links, warnings })
    }

    /// Writes the fonts, which are complete only after all pages. Returns them with the first free object number.
    ///
    /// # Errors
    /// Any variant of [`PdfError`] except [`PdfError::Abandoned`].
    pub fn finish(self) -> Result<(Chunk, Ref), PdfError> {
        let FileContext { mut objects, fonts, type3_fonts, .. } = self.0;
        fonts.write(&mut objects)?;
        type3_fonts.write(&mut objects)?;
        Ok(objects.finish())
    }
}
