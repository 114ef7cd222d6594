//! Image files of every kind the service reads: pixels, or an SVG document.

use super::decode::{self, DecodeError};
use super::memory::PictureMemory;
use super::svg::SvgAsset;
use crate::config::AssetLimits;
use crate::scene::DecodedImage;

/// A decoded image file.
#[derive(Clone, Debug)]
pub(super) enum ImageFile {
    /// Pixels: premultiplied sRGB, orientation applied.
    Picture(DecodedImage),
    /// A vector document, parsed but not yet resolved.
    Svg(SvgAsset),
}

/// Decodes an image file of any kind, by what its bytes are.
///
/// # Errors
/// As [`decode::picture`]; and an SVG document that cannot be read or exceeds a limit.
pub(super) fn decode(bytes: &[u8], limits: &AssetLimits, memory: &PictureMemory) -> Result<ImageFile, DecodeError> {
    match decode::picture(bytes, limits, memory)? {
        Some(picture) => Ok(ImageFile::Picture(picture)),
        None => Ok(ImageFile::Svg(SvgAsset::new(bytes, limits)?)),
    }
}
