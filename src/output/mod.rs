//! File formats: pixels, and for documents whole scenes, to bytes.
//!
//! In: the list of formats and one file or folder each. Not in: painting, HTTP, where files go.
//! Imports: `raster`, `units`; for documents also `scene`, `options`, `press` and `paint::pdf`, which makes the content of
//! their pages.

mod jpeg;
pub mod pdf;
mod png;
mod webp;

pub use jpeg::Jpeg;
pub use pdf::Pdf;
pub use png::Png;
pub use webp::WebP;

pub use crate::options::Compression;
use crate::paint::pdf::PdfError;
use crate::press::Inks;
use crate::raster::{Raster, Straight};

/// What a caller may choose about a picture's file.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// `0.0..=1.0`, as for a browser's canvas; only formats that lose detail use it. `None`: the format's default.
    pub quality: Option<f64>,
    /// Device pixels an inch, written into the file so that it prints at its size (rendering.md §11): the design's
    /// dpi times the pixel ratio. `None` or not greater than 0: not written.
    pub pixels_per_inch: Option<f64>,
    /// The file holds inks instead of sRGB; only formats that can use it.
    pub inks: Option<Inks>,
    /// How long to look for a smaller file of the same picture.
    pub compression: Compression,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OutputError {
    /// The format cannot hold so large a picture.
    #[error(
        "{format} holds at most {limit} x {limit} px, the picture is {width} x {height}: lower pixelRatio or use png"
    )]
    TooLarge {
        /// The format's name.
        format: &'static str,
        /// Its longest side.
        limit: u32,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The sheet is larger than a PDF may be.
    #[error(
        "the sheet would be {width:.0} x {height:.0} pt; a PDF holds at most {limit} pt (200 in) a side: raise dpi, or \
         lower the page size"
    )]
    SheetTooLarge {
        /// In points.
        width: f64,
        /// In points.
        height: f64,
        /// In points.
        limit: f64,
    },
    /// A page could not become content of a PDF.
    #[error(transparent)]
    Content(#[from] PdfError),
    /// The encoder failed: a bug of ours.
    #[error("internal error while writing {format}: {reason}")]
    Encoder {
        /// The format's name.
        format: &'static str,
        /// The encoder's words.
        reason: String,
    },
}

/// A file format.
pub trait Format: Sync + std::fmt::Debug {
    /// `png`: as in `?format=png` and in file names.
    fn name(&self) -> &'static str;
    /// `image/png`.
    fn media_type(&self) -> &'static str;
    /// Without the dot.
    fn extension(&self) -> &'static str;
    /// Other names that callers use for it; lower case.
    fn aliases(&self) -> &'static [&'static str];
    /// How its files are made.
    fn making(&self) -> Making<'_>;
}

/// How files of a format are made.
pub enum Making<'a> {
    /// One file a page, from its pixels.
    Pictures(&'a dyn PictureFormat),
    /// One file for all pages, page by page: [`pdf::Writer`].
    Document,
}

/// A file format for one picture.
pub trait PictureFormat: Sync {
    /// The file. Pure; meant for the CPU pool.
    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError>;
    /// Whether files can hold inks; others leave [`OutputOptions::inks`] alone (http-api.md §4).
    fn holds_inks(&self) -> bool;
}

/// Every format, the default first.
pub static FORMATS: &[&dyn Format] = &[&Png, &Jpeg, &WebP, &Pdf];

/// The format of this name, alias or media type, whatever its case; `None` when there is none.
pub fn format(name: &str) -> Option<&'static dyn Format> {
    let name = name.trim().to_ascii_lowercase();
    let is = |format: &&dyn Format| {
        format.name() == name || format.media_type() == name || format.aliases().contains(&name.as_str())
    };
    FORMATS.iter().copied().find(|format| is(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_any_of_their_names() {
        let named = |name| format(name).map(Format::name);
        assert_eq!(named("png"), Some("png"));
        assert_eq!(named("image/jpeg"), Some("jpeg"));
        assert_eq!(named(" JPG "), Some("jpeg"));
        assert_eq!(named("application/pdf"), Some("pdf"));
        assert_eq!(named("image/webp"), Some("webp"));
        assert_eq!(named("gif"), None);
    }
}
