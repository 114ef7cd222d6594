//! What a caller's options mean for a document.

use jiff::Timestamp;
use kurbo::{Insets, Size};

use super::choice::OPTIONS;
use super::render::Prepared;
use crate::design::Design;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::OutputError;
use crate::output::pdf::{DocumentOptions, PaperScale, Sheet};
use crate::paint::SurfaceLimits;
use crate::report::{JsonPath, Problem};
use crate::units::Px;

/// Of a document whose design has no name and whose caller gave none: PDF/X wants one.
const UNTITLED: &str = "Untitled design";

/// The sheet of a page. The outer error is the options', the inner one the page's.
pub(super) fn sheet(
    trim: Size,
    bleed: Insets,
    options: &RenderOptions,
    design: &Design,
) -> Result<Result<Sheet, OutputError>, Error> {
    Ok(Sheet::new(trim, bleed, Px(options.crop_mark_size), scale(options, design)?))
}

/// Everything that the writer has to know.
pub(super) fn options(
    prepared: &Prepared,
    options: &RenderOptions,
    limits: SurfaceLimits,
) -> Result<DocumentOptions, Error> {
    if let Some(archive) = &options.pdf_archive {
        let message = format!("PDF/A is not built yet; leave out pdfa (found {archive:.20?})");
        return Err(Error::NotBuilt(message));
    }
    let Prepared { design, inks, .. } = prepared;
    let title = options.title.as_deref().or(design.name.as_deref()).unwrap_or(UNTITLED);
    let now = || if options.reproducible { Timestamp::UNIX_EPOCH } else { Timestamp::now() };
    Ok(DocumentOptions {
        scale: scale(options, design)?,
        pixel_ratio: options.pixel_ratio,
        crop_marks: Px(options.crop_mark_size),
        quality: options.quality,
        vector: options.vector,
        inks: inks.clone(),
        standard: options.pdf_standard,
        title: title.to_owned(),
        created: options.creation_date.unwrap_or_else(now),
        limits,
        compress: true,
    })
}

/// What is of a whole document, by name in `exportOptions`: the first in which `part` differs from `all`. Which pages, and
/// how they are drawn, may differ.
pub(super) fn differing(all: &RenderOptions, part: &RenderOptions) -> Option<&'static str> {
    let alike = [
        ("pixelRatio", all.pixel_ratio == part.pixel_ratio),
        ("quality", all.quality == part.quality),
        ("dpi", all.dpi == part.dpi),
        ("cropMarkSize", all.crop_mark_size == part.crop_mark_size),
        ("vector", all.vector == part.vector),
        ("color", all.color == part.color && all.black_text == part.black_text),
        ("pdfx", all.pdf_standard == part.pdf_standard),
        ("pdfa", all.pdf_archive == part.pdf_archive),
        ("title", all.title == part.title),
        ("creationDate", all.creation_date == part.creation_date),
        ("reproducible", all.reproducible == part.reproducible),
    ];
    alike.iter().find(|(_, alike)| !alike).map(|(name, _)| *name)
}

pub(super) fn scale(options: &RenderOptions, design: &Design) -> Result<PaperScale, Error> {
    let dpi = options.dpi.unwrap_or(design.dpi);
    PaperScale::from_dpi(dpi).ok_or_else(|| {
        let message = format!("found the number {dpi}; accepted: px an inch that paper can have, such as 72 or 300");
        Error::invalid(Problem { path: JsonPath::from(OPTIONS).key("dpi"), message })
    })
}
