//! Bytes to pictures, SVG documents and fonts, by what the bytes are: a MIME type or a file name is never believed.
//!
//! In: sniffing, limits checked on the header before anything is allocated, colour profiles, orientation; one file per
//! family of formats. Not in: URLs, fetching, caching, JSON paths (the caller adds them to the error), scaling.
//! Imports: `config`, `pool`, `scene`, and `svg` for documents.
//!
//! What is drawn of a damaged file follows browsers: a PNG, JPEG, GIF or BMP that is cut short shows the rows it has, the
//! others are transparent; anything else damaged is an error. Animations show their first frame.

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

use super::svg::{SvgAsset, SvgError};
use crate::config::AssetLimits;
use crate::pool::PoolError;
use crate::scene::{JpegFile, Picture};
use crate::sfnt::SfntError;

pub use font::unpack_font;

/// Longest side of a source picture in px: what the painters can address.
const MAX_SIDE: u32 = 65_535;

/// What an image file turned out to be.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// Pixels: premultiplied sRGB, orientation applied.
    Picture(Picture),
    /// A vector document, parsed but not yet resolved.
    Svg(SvgAsset),
}

/// Why bytes did not become an asset. The caller adds the place in the JSON and the URL.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// More bytes than allowed.
    #[error("the file is {found} bytes; the limit is {limit} (TENTER_ASSET_MAX_BYTES)")]
    TooManyBytes {
        /// As received.
        found: u64,
        /// The setting.
        limit: u64,
    },
    /// Not an image format we know.
    #[error("not an image we read (starts with {magic}); use PNG, JPEG, WebP, GIF or SVG")]
    UnknownImage {
        /// The first bytes, printable.
        magic: String,
    },
    /// Known, but not decoded here.
    #[error("{format} is not supported; use PNG, JPEG, WebP, GIF or SVG")]
    Unsupported {
        /// The format's name.
        format: ImageKind,
    },
    /// More pixels than allowed, by the header.
    #[error(
        "the {format} image is {width}x{height} px, {:.1} megapixels; the limit is {limit} (TENTER_ASSET_MAX_MEGAPIXELS)",
        (f64::from(*width) * f64::from(*height)) / 1e6
    )]
    TooManyPixels {
        /// The format's name.
        format: ImageKind,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// The setting, in millions of px.
        limit: f64,
    },
    /// A side too long for the painters, by the header.
    #[error("the {format} image is {width}x{height} px; sides may be 1 to {MAX_SIDE} px")]
    Side {
        /// The format's name.
        format: ImageKind,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Damaged, or a variant the decoder does not know.
    #[error("the {format} image is damaged: {reason}")]
    Broken {
        /// The format's name.
        format: ImageKind,
        /// The decoder's words.
        reason: String,
    },
    /// The SVG cannot be used.
    #[error(transparent)]
    Svg(#[from] SvgError),
    /// A parser did not come back, or failed.
    #[error("the font cannot be read: {0}")]
    Parser(PoolError),
    /// Not a font that can be used.
    #[error(transparent)]
    Font(#[from] SfntError),
}

/// Image formats told apart by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// Also animated.
    Png,
    /// Baseline and progressive.
    Jpeg,
    /// Lossy, lossless, animated.
    WebP,
    /// Both versions.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// Windows icon.
    Ico,
    /// AV1 still picture.
    Avif,
    /// Any text that starts with a tag; `SvgAsset` finds out whether it is SVG.
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

/// What kind of image the bytes are; `None` for anything else.
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

/// The first character that is neither a byte order mark nor white space is `<`, in UTF-8 or UTF-16.
fn starts_like_xml(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first =
        text.iter().copied().filter(|byte| !matches!(byte, 0xff | 0xfe | 0)).find(|it| !it.is_ascii_whitespace());
    first == Some(b'<')
}

/// Decodes an image file of any kind we read.
///
/// Every limit is checked on the header: a file whose header promises too much is refused before memory is taken.
pub fn decode(bytes: &[u8], limits: &AssetLimits) -> Result<Decoded, DecodeError> {
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
        ImageKind::Svg => return Ok(Decoded::Svg(SvgAsset::new(bytes, limits)?)),
    };
    pixels.into_picture(kind).map(Decoded::Picture)
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

/// The first bytes for a message: text as it is, the rest escaped.
fn printable(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}

/// What a decoder hands over: straight RGBA8 in sRGB, not yet turned upright.
struct Pixels {
    width: u32,
    height: u32,
    rgba: Vec<u8>,
    /// From EXIF.
    orientation: Orientation,
    /// The file, where its pixels are these.
    jpeg: Option<JpegFile>,
    /// The file ended before its last pixel; the missing ones are transparent.
    cut_short: bool,
}

impl Pixels {
    fn into_picture(self, format: ImageKind) -> Result<Picture, DecodeError> {
        let broken = || DecodeError::Broken { format, reason: "its rows do not fill its size".into() };
        let straight = image::RgbaImage::from_raw(self.width, self.height, self.rgba).ok_or_else(broken)?;
        let mut straight = DynamicImage::ImageRgba8(straight);
        straight.apply_orientation(self.orientation);
        let mut straight = straight.into_rgba8();
        premultiply(&mut straight);
        let picture = Picture::new(straight.width(), straight.height(), straight.into_raw()).ok_or_else(broken)?;
        Ok(Picture { jpeg: self.jpeg, cut_short: self.cut_short, ..picture })
    }
}

/// Rounds to nearest.
fn premultiply(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha != 255 {
            pixel[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * alpha + 127) / 255) as u8);
        }
    }
}
