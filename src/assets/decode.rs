//! Stand-in until the decoding room is merged: PNG only.

use peniko::Blob;

use super::svg::SvgAsset;
use crate::config::AssetLimits;
use crate::scene::Picture;

/// What an image file holds.
#[derive(Debug)]
pub enum Decoded {
    /// Pixels.
    Picture(Picture),
    /// A vector drawing.
    Svg(SvgAsset),
}

/// Not an image or font that we read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// Sniffs and decodes.
pub fn decode(bytes: &[u8], _limits: &AssetLimits) -> Result<Decoded, DecodeError> {
    if bytes.starts_with(b"<svg") {
        return Ok(Decoded::Svg(SvgAsset));
    }
    let image = image::load_from_memory(bytes).map_err(|error| DecodeError(error.to_string()))?.into_rgba8();
    let (width, height) = image.dimensions();
    let picture = Picture::new(width, height, image.into_raw());
    picture.map(Decoded::Picture).ok_or_else(|| DecodeError("empty".to_owned()))
}

/// Unpacks WOFF.
pub fn unpack_font(bytes: &[u8], _limits: &AssetLimits) -> Result<Blob<u8>, DecodeError> {
    if bytes.starts_with(&[0, 1, 0, 0]) {
        return Ok(Blob::from(bytes.to_vec()));
    }
    Err(DecodeError("not a font".to_owned()))
}
