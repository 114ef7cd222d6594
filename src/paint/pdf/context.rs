//! State of one file that all of its content streams share: objects, fonts, pictures and graphics states.

use pdf_writer::Ref;

use super::font::PdfFonts;
use super::objects::{ObjectWriter, PdfSettings};
use super::pictures::Pictures;
use super::resources::GraphicsStates;
use super::type3::Type3Fonts;
use crate::paint::glyphs::GlyphFaces;

/// The objects of one file and the resources that its pages share.
pub(super) struct FileContext {
    pub(super) objects: ObjectWriter,
    pub(super) states: GraphicsStates,
    pub(super) fonts: PdfFonts,
    /// Type 3 fonts, whose glyphs are content streams of this file.
    pub(super) type3_fonts: Type3Fonts,
    pub(super) pictures: Pictures,
    /// Outlines and pictures of glyphs, by face.
    pub(super) faces: GlyphFaces,
}

impl FileContext {
    /// Creates the context of an empty file whose object numbers start at `first_free`.
    pub(super) fn new(first_free: Ref, settings: PdfSettings) -> Self {
        Self {
            objects: ObjectWriter::new(first_free, settings),
            states: GraphicsStates::default(),
            fonts: PdfFonts::default(),
            type3_fonts: Type3Fonts::default(),
            pictures: Pictures::default(),
            faces: GlyphFaces::default(),
        }
    }
}
