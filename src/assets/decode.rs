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

#[cfg(feature = "avif")]
mod avif;
mod color;
mod error;
mod font;
mod gif;
mod image_crate;
mod image_kind;
mod jpeg;
mod limits;
mod pixels;
mod png;
#[cfg(test)]
mod tests;

use super::memory::PictureMemory;
use crate::config::AssetLimits;
use crate::scene::DecodedImage;
pub use error::DecodeError;
pub use font::unpack_font;
pub use image_kind::{ImageKind, sniff};
use limits::{DecodeLimits, check_bytes};

/// Decodes an image file that holds pixels; `None` for text that may be an SVG document, which is not examined further.
///
/// Limits are checked on the header, before memory is allocated for the pixels, which are counted in `memory`.
///
/// # Errors
/// When the file is empty or damaged, exceeds a limit, or has an unsupported format.
pub fn picture(
    bytes: &[u8],
    limits: &AssetLimits,
    memory: &PictureMemory,
) -> Result<Option<DecodedImage>, DecodeError> {
    check_bytes(bytes, limits)?;
    let limits = &DecodeLimits { assets: limits, memory };
    let Some(kind) = sniff(bytes) else {
        return Err(DecodeError::UnknownImage { magic: printable(bytes) });
    };
    let pixels = match kind {
        ImageKind::Png => png::decode(bytes, limits)?,
        ImageKind::Jpeg => jpeg::decode(bytes, limits)?,
        ImageKind::Gif => gif::decode(bytes, limits)?,
        ImageKind::WebP | ImageKind::Bmp | ImageKind::Ico => image_crate::decode(kind, bytes, limits)?,
        #[cfg(feature = "avif")]
        ImageKind::Avif => avif::decode(bytes, limits)?,
        #[cfg(not(feature = "avif"))]
        ImageKind::Avif => return Err(DecodeError::Unsupported { format: kind }),
        ImageKind::Svg => return Ok(None),
    };
    let mut picture = pixels.into_picture(kind)?;
    memory.attach_to(&mut picture);
    Ok(Some(picture))
}

/// The first bytes for a message, quoted, with unprintable ones escaped.
fn printable(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes[..bytes.len().min(12)].escape_ascii())
}
