//! Translates a caller's render options into those of the PDF writer.

use jiff::Timestamp;
use kurbo::{Insets, Size};

use super::choice::OPTIONS;
use super::loaded_request::PreparedRequest;
use crate::design::Design;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::OutputError;
use crate::output::pdf::{DocumentOptions, PaperScale, Sheet};
use crate::paint::SurfaceLimits;
use crate::report::{JsonPath, Problem};
use crate::units::Px;

/// Title of a document when neither the design nor the caller names one: PDF/X requires a title.
const UNTITLED: &str = "Untitled design";

/// Sheet of a page. The outer error concerns the options, the inner one the page.
pub(super) fn sheet(
    trim: Size,
    bleed: Insets,
    options: &RenderOptions,
    design: &Design,
) -> Result<Result<Sheet, OutputError>, Error> {
    Ok(Sheet::new(trim, bleed, Px(options.crop_mark_size), scale(options, design)?))
}

/// Options of the PDF writer for this request.
pub(super) fn options(request: &PreparedRequest, limits: SurfaceLimits) -> Result<DocumentOptions, Error> {
    let PreparedRequest { design, options, print, .. } = request;
    if let Some(archive) = &options.pdf_archive {
        let message = format!("PDF/A is not supported; leave out pdfa (found {archive:.20?})");
        return Err(Error::NotBuilt(message));
    }
    let title = options.title.as_deref().or(design.name.as_deref()).unwrap_or(UNTITLED);
    let now = || if options.reproducible { Timestamp::UNIX_EPOCH } else { Timestamp::now() };
    Ok(DocumentOptions {
        scale: scale(options, design)?,
        pixel_ratio: options.pixel_ratio,
        crop_marks: Px(options.crop_mark_size),
        quality: options.quality,
        vector: options.vector,
        print: print.clone(),
        standard: options.pdf_standard,
        title: title.to_owned(),
        created: options.creation_date.unwrap_or_else(now),
        limits,
        compress: true,
    })
}

/// The first option of `exportOptions` that concerns a whole document and differs between `document` and `request`: its
/// name and, where that is a plain value, the document's value. Options about which pages are drawn and how may differ.
pub(super) fn differing(document: &RenderOptions, request: &RenderOptions) -> Option<(&'static str, Option<String>)> {
    fn shown<T: ToString>(option: Option<&T>, default: &str) -> Option<String> {
        Some(option.map_or_else(|| default.to_owned(), T::to_string))
    }
    let (a, b) = (document, request);
    let options = [
        ("pixelRatio", a.pixel_ratio == b.pixel_ratio, Some(a.pixel_ratio.get().to_string())),
        ("quality", a.quality == b.quality, shown(a.quality.as_ref(), "the default")),
        ("dpi", a.dpi == b.dpi, shown(a.dpi.as_ref(), "the design's")),
        ("cropMarkSize", a.crop_mark_size == b.crop_mark_size, Some(a.crop_mark_size.to_string())),
        ("vector", a.vector == b.vector, Some(a.vector.to_string())),
        ("color", a.color == b.color && a.black_text == b.black_text, None),
        ("pdfx", a.pdf_standard == b.pdf_standard, None),
        ("pdfa", a.pdf_archive == b.pdf_archive, None),
        ("title", a.title == b.title, shown(a.title.as_ref(), "the design's")),
        ("creationDate", a.creation_date == b.creation_date, shown(a.creation_date.as_ref(), "the default")),
        ("reproducible", a.reproducible == b.reproducible, Some(a.reproducible.to_string())),
    ];
    options.into_iter().find(|(_, equal, _)| !equal).map(|(name, _, value)| (name, value))
}

pub(super) fn scale(options: &RenderOptions, design: &Design) -> Result<PaperScale, Error> {
    let dpi = options.dpi.unwrap_or(design.dpi);
    PaperScale::from_dpi(dpi).ok_or_else(|| {
        let message = format!("found the number {dpi}; accepted: a paper resolution in px per inch, such as 72 or 300");
        Error::invalid(Problem { path: JsonPath::from(OPTIONS).key("dpi"), message })
    })
}
