//! Decoders for pictures and fonts. The format is determined from the bytes; media types and file names
//! are ignored.
//!
//! In: sniffing, limits that are checked on the header before anything is allocated, colour profiles, orientation; one
//! file per family of formats. Not in: URLs, fetching, caching, JSON paths (the caller adds them to the error),
//! scaling.
//! Imports: `config`, `pool`, `scene`, `sfnt`, and the error of `svg`.
//! SVG documents are recognised here and read by `image_file`.
//!
//! Damaged files are drawn as in browsers: a truncated PNG, JPEG, GIF or BMP shows the rows it has, and the others are
//! transparent. Any other damage is an error. Of animations the first frame is shown.

mod color;
mod font;
mod gif;
mod jpeg;
mod other;
mod png;
#[cfg(test)]
mod tests;

use std::fmt;

use image::DynamicImage;
use image::metadata::Orientation;

use super::svg::error::SvgError;
use crate::config::AssetLimits;
use crate::pool::PoolError;
use crate::scene::{JpegFile, Picture};
use crate::sfnt::SfntError;

pub use font::unpack_font;

/// Maximum side of a source picture in px, which the painters can address.
const MAX_SIDE: u32 = 65_535;

/// Error of decoding a file. The caller adds the JSON path and the URL.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file has more bytes than allowed.
    #[error("the file is {found} bytes; the limit is {limit} (TENTER_ASSET_MAX_BYTES)")]
    TooManyBytes {
        /// Size of the file in bytes.
        found: u64,
        /// Maximum size in bytes.
        limit: u64,
    },
    /// The format of the file is unknown.
    #[error("the file is not a supported image (it starts with {magic}); use PNG, JPEG, WebP, GIF or SVG")]
    UnknownImage {
        /// The first bytes, quoted and escaped.
        magic: String,
    },
    /// The format is known, but there is no decoder for it.
    #[error("{format} is not supported; use PNG, JPEG, WebP, GIF or SVG")]
    Unsupported {
        /// Format of the file.
        format: ImageKind,
    },
    /// The header announces more pixels than allowed.
    #[error(
        "the {format} image is {width}x{height} px, {:.1} megapixels; the limit is {limit} \
         (TENTER_ASSET_MAX_MEGAPIXELS)",
        (f64::from(*width) * f64::from(*height)) / 1e6
    )]
    TooManyPixels {
        /// Format of the file.
        format: ImageKind,
        /// Width in px.
        width: u32,
        /// Height in px.
        height: u32,
        /// Maximum number of px, in millions.
        limit: f64,
    },
    /// The header announces a side that is zero or too long for the painters.
    #[error("the {format} image is {width}x{height} px; sides may be 1 to {MAX_SIDE} px")]
    Side {
        /// Format of the file.
        format: ImageKind,
        /// Width in px.
        width: u32,
        /// Height in px.
        height: u32,
    },
    /// The file is damaged, or a variant that the decoder does not support.
    #[error("the {format} image is damaged: {reason}")]
    Broken {
        /// Format of the file.
        format: ImageKind,
        /// Message of the decoder.
        reason: String,
    },
    /// The SVG cannot be used.
    #[error(transparent)]
    Svg(#[from] SvgError),
    /// The font parser exceeded its time limit or panicked.
    #[error("the font cannot be read: {0}")]
    Parser(PoolError),
    /// The file is not a usable font.
    #[error(transparent)]
    Font(#[from] SfntError),
}

/// Image formats, distinguished by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// PNG, including animated files.
    Png,
    /// JPEG, baseline and progressive.
    Jpeg,
    /// WebP, lossy, lossless and animated.
    WebP,
    /// GIF, versions 87a and 89a.
    Gif,
    /// BMP, the Windows bitmap format.
    Bmp,
    /// ICO, the Windows icon format.
    Ico,
    /// AVIF, which is recognised but not decoded.
    Avif,
    /// Text that starts with a tag; `image_file` determines whether it is SVG.
    Svg,
}

impl fmt::Display for ImageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Ico => "ICO",
            Self::Avif => "AVIF",
            Self::Svg => "SVG",
        })
    }
}

/// Determines the image format of `bytes`; `None` for unknown formats.
pub fn sniff(bytes: &[u8]) -> Option<ImageKind> {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    Some(match bytes {
        _ if at(0, b"\x89PNG\r\n\x1a\n") => ImageKind::Png,
        _ if at(0, b"\xff\xd8\xff") => ImageKind::Jpeg,
        _ if at(0, b"RIFF") && at(8, b"WEBP") => ImageKind::WebP,
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => ImageKind::Gif,
        _ if at(4, b"ftypavif") || at(4, b"ftypavis") || (at(4, b"ftypmif1") && contains(bytes, 64, b"avif")) => {
            ImageKind::Avif
        }
        _ if at(0, b"BM") && bytes.len() > 26 => ImageKind::Bmp,
        _ if at(0, b"\0\0\x01\0") => ImageKind::Ico,
        _ if starts_like_xml(bytes) => ImageKind::Svg,
        _ => return None,
    })
}

fn contains(bytes: &[u8], within: usize, needle: &[u8]) -> bool {
    bytes[..bytes.len().min(within)].windows(needle.len()).any(|it| it == needle)
}

/// True when the first character after byte order marks and white space is `<`, in UTF-8 or UTF-16.
fn starts_like_xml(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first =
        text.iter().copied().filter(|byte| !matches!(byte, 0xff | 0xfe | 0)).find(|it| !it.is_ascii_whitespace());
    first == Some(b'<')
}

/// Decodes an image file that holds pixels; `None` for text that may be an SVG document, which is not examined further.
///
/// Limits are checked on the header, before memory is allocated for the pixels.
///
/// # Errors
/// When the file is empty or damaged, exceeds a limit, or has an unsupported format.
pub fn picture(bytes: &[u8], limits: &AssetLimits) -> Result<Option<Picture>, DecodeError> {
    check_bytes(bytes, limits)?;
    let Some(kind) = sniff(bytes) else {
        return Err(DecodeError::UnknownImage { magic: printable(bytes) });
    };
    let pixels = match kind {
        ImageKind::Png => png::decode(bytes, limits)?,
        ImageKind::Jpeg => jpeg::decode(bytes, limits)?,
        ImageKind::Gif => gif::decode(bytes, limits)?,
        ImageKind::WebP | ImageKind::Bmp | ImageKind::Ico => other::decode(kind, bytes, limits)?,
        ImageKind::Avif => return Err(DecodeError::Unsupported { format: kind }),
        ImageKind::Svg => return Ok(None),
    };
    pixels.into_picture(kind).map(Some)
}

fn check_bytes(bytes: &[u8], limits: &AssetLimits) -> Result<(), DecodeError> {
    match bytes.len() as u64 {
        0 => Err(DecodeError::Empty),
        found if found > limits.bytes => Err(DecodeError::TooManyBytes { found, limit: limits.bytes }),
        _ => Ok(()),
    }
}

fn check_size(format: ImageKind, width: u32, height: u32, limits: &AssetLimits) -> Result<(), DecodeError> {
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(DecodeError::Side { format, width, height });
    }
    if f64::from(width) * f64::from(height) > limits.megapixels * 1e6 {
        return Err(DecodeError::TooManyPixels { format, width, height, limit: limits.megapixels });
    }
    Ok(())
}

/// The first bytes for a message, quoted, with unprintable ones escaped.
fn printable(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}

/// Output of a decoder: straight RGBA8 in sRGB, with the orientation not yet applied.
struct DecodedPixels {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
    /// Orientation according to EXIF.
    orientation: Orientation,
    /// The JPEG file, if its pixels are exactly these.
    jpeg: Option<JpegFile>,
    /// True when the file ended early; the missing pixels are transparent.
    truncated: bool,
}

impl DecodedPixels {
    fn into_picture(self, format: ImageKind) -> Result<Picture, DecodeError> {
        let broken = || DecodeError::Broken { format, reason: "its rows do not fill its size".into() };
        let straight = image::RgbaImage::from_raw(self.width, self.height, self.rgba).ok_or_else(broken)?;
        let mut straight = DynamicImage::ImageRgba8(straight);
        straight.apply_orientation(self.orientation);
        let mut straight = straight.into_rgba8();
        premultiply(&mut straight);
        let picture = Picture::new(straight.width(), straight.height(), straight.into_raw()).ok_or_else(broken)?;
        Ok(Picture { jpeg: self.jpeg, truncated: self.truncated, ..picture })
    }
}

/// Multiplies colours by alpha, rounded to nearest.
fn premultiply(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha != 255 {
            pixel[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * alpha + 127) / 255) as u8);
        }
    }
}
