//! File formats: encode pixels, and for documents whole scenes, to bytes.
//!
//! In: the list of formats and one file or folder per format. Not in: painting, HTTP, where files are stored.
//! Imports: `raster`, `units`; for documents also `scene`, `options`, `print` and `paint::pdf`, which creates the
//! content of their pages.

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
use crate::print::PrintTarget;
use crate::raster::{Raster, Straight};

/// Encoder options of one picture.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// Encoder quality, `0.0..=1.0`, as for a browser's canvas; only lossy formats use it. `None`: the format's
    /// default.
    pub quality: Option<f64>,
    /// Device pixels per inch, written into the file so that it prints at its size (rendering.md §11): the design's dpi
    /// times the pixel ratio. Not written when `None` or not greater than 0.
    pub pixels_per_inch: Option<f64>,
    /// Write CMYK for this target instead of sRGB, if the format can ([`PictureFormat::holds_cmyk`]).
    pub print: Option<PrintTarget>,
    /// Effort to spend on a smaller file with the same pixels.
    pub compression: Compression,
}

/// A picture or document that could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The picture exceeds the format's maximum size.
    #[error(
        "the picture is {width} x {height} px, but {format} holds at most {limit} x {limit} px: lower \
         pixelRatio or use png"
    )]
    TooLarge {
        /// Name of the format.
        format: &'static str,
        /// Maximum width and height in px.
        limit: u32,
        /// Width of the picture in px.
        width: u32,
        /// Height of the picture in px.
        height: u32,
    },
    /// The sheet exceeds the maximum size of a PDF page.
    #[error(
        "the sheet would be {width:.0} x {height:.0} pt, but a PDF page holds at most {limit} pt (200 in) per \
         side: raise dpi or lower the page size"
    )]
    SheetTooLarge {
        /// Width of the sheet in points.
        width: f64,
        /// Height of the sheet in points.
        height: f64,
        /// Maximum width and maximum height in points.
        limit: f64,
    },
    /// The content of a PDF page could not be created.
    #[error(transparent)]
    Content(#[from] PdfError),
    /// The encoder failed, which is a bug.
    #[error("internal error while writing {format}: {source}")]
    Encoder {
        /// Name of the format.
        format: &'static str,
        /// The error of the encoder.
        source: EncoderError,
    },
}

/// Error of the library that encodes a format.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// The PNG encoder failed.
    #[error(transparent)]
    Png(#[from] ::png::EncodingError),
    /// The JPEG encoder failed.
    #[error(transparent)]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// The JPEG encoder of libjpeg-turbo failed.
    #[cfg(feature = "turbo")]
    #[error(transparent)]
    JpegTurbo(#[from] turbojpeg::Error),
    /// The installed libwebp is incompatible with the one that this program was built for.
    #[error("the libwebp library has another version")]
    WebPVersion,
    /// The WebP encoder failed with this code.
    #[error("{0:?}")]
    WebP(::webp::WebPEncodingError),
}

/// An output file format.
pub trait Format: Sync + std::fmt::Debug {
    /// Short name, as in `?format=png` and in file names.
    fn name(&self) -> &'static str;
    /// Media type, such as `image/png`.
    fn media_type(&self) -> &'static str;
    /// File extension without the dot.
    fn extension(&self) -> &'static str;
    /// Other accepted names, in lower case.
    fn aliases(&self) -> &'static [&'static str];
    /// Whether the format takes single pictures or whole documents.
    fn kind(&self) -> FormatKind<'_>;
}

/// How the files of a format are created.
pub enum FormatKind<'a> {
    /// One file per page, from its pixels.
    Pictures(&'a dyn PictureFormat),
    /// One file for all pages, written page by page with [`pdf::Writer`].
    Document,
}

/// A file format for single pictures.
pub trait PictureFormat: Sync {
    /// Encodes `raster`. Pure; meant for the CPU pool.
    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError>;
    /// Whether files can hold CMYK; other formats ignore [`OutputOptions::print`] (http-api.md §4).
    fn holds_cmyk(&self) -> bool;
}

/// All output formats; the first is the default.
pub static FORMATS: &[&dyn Format] = &[&Png, &Jpeg, &WebP, &Pdf];

/// Finds a format by its name, alias or media type, in any case.
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
