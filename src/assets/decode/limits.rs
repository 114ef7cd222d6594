//! Limits on files and on the sizes that their headers announce.

use super::error::DecodeError;
use super::image_kind::ImageKind;
use crate::assets::memory::PictureMemory;
use crate::config::AssetLimits;

/// Maximum side of a source picture in px, which the painters can address.
pub(super) const MAX_SIDE: u32 = 65_535;

/// Checks that a file is neither empty nor larger than `TENTER_ASSET_MAX_BYTES`.
pub(super) fn check_bytes(bytes: &[u8], limits: &AssetLimits) -> Result<(), DecodeError> {
    match bytes.len() as u64 {
        0 => Err(DecodeError::Empty),
        found if found > limits.bytes => Err(DecodeError::TooManyBytes { found, limit: limits.bytes }),
        _ => Ok(()),
    }
}

/// The limits of one picture, and the count of its memory.
pub(super) struct DecodeLimits<'a> {
    pub(super) assets: &'a AssetLimits,
    pub(super) memory: &'a PictureMemory,
}

/// Bytes of a decoded pixel.
const PIXEL_BYTES: usize = 4;
/// Copies of its pixels that a decoder holds at most at the same time.
const WORKING_COPIES: usize = 2;

/// Checks the size in a header against [`MAX_SIDE`] and `TENTER_ASSET_MAX_MEGAPIXELS`, and reserves the memory for the
/// pixels.
pub(super) fn check_size(
    format: ImageKind,
    width: u32,
    height: u32,
    limits: &DecodeLimits<'_>,
) -> Result<(), DecodeError> {
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(DecodeError::Side { format, width, height, limit: MAX_SIDE });
    }
    if f64::from(width) * f64::from(height) > limits.assets.megapixels * 1e6 {
        return Err(DecodeError::TooManyPixels { format, width, height, limit: limits.assets.megapixels });
    }
    let bytes = (width as usize).saturating_mul(height as usize).saturating_mul(PIXEL_BYTES);
    Ok(limits.memory.reserve(bytes, bytes.saturating_mul(WORKING_COPIES), limits.assets)?)
}
