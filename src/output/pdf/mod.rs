//! PDF: documents of many pages, as one picture a page or as vectors.
//!
//! In: the document around the pages: sizes and boxes, crop marks, metadata, output intents, the print standards; pictures
//! of whole pages. Not in: content of vector pages (`paint::pdf`), colour conversion (`press`), JSON.
//! Imports: `units`, `report`, `options`, `scene`, `raster`, `press`, `paint::pdf`.

mod boxes;
mod document;
mod inks;
mod intent;
mod marks;
mod metadata;
mod raster;
mod transparency;

pub use boxes::{PaperScale, Sheet};
pub use document::{DocumentOptions, Needs, Writer};

use super::{Format, Making};

/// The printers' and readers' format.
#[derive(Debug)]
pub struct Pdf;

impl Format for Pdf {
    fn name(&self) -> &'static str {
        "pdf"
    }

    fn media_type(&self) -> &'static str {
        "application/pdf"
    }

    fn extension(&self) -> &'static str {
        "pdf"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn making(&self) -> Making<'_> {
        Making::Document
    }
}
