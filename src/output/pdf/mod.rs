//! PDF encoder: documents of many pages, each as one picture or as vectors.
//!
//! In: the document structure: sizes and boxes, crop marks, metadata, output intents, print standards; pages as
//! pictures. Not in: content of vector pages (`paint::pdf`), colour conversion (`print`), JSON.
//! Imports: `units`, `report`, `options`, `scene`, `raster`, `print`, `paint::pdf`.

mod boxes;
mod document;
mod cmyk;
mod intent;
mod marks;
mod metadata;
mod raster;
mod transparency;

pub use boxes::{PaperScale, Sheet};
pub use document::{DocumentOptions, PageInput, Writer};

use super::{Format, FormatKind};

/// The PDF format, for print and reading.
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

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Document
    }
}
