//! WebP, GIF, BMP and ICO through the `image` crate: first frame, on its canvas.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, ico::IcoDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, Limits};

use super::color::{Samples, ToSrgb};
use super::{DecodeError, ImageKind, MAX_SIDE, Pixels, check_size};
use crate::config::AssetLimits;

pub(super) fn decode(kind: ImageKind, bytes: &[u8], limits: &AssetLimits) -> Result<Pixels, DecodeError> {
    let broken = |error: ImageError| DecodeError::Broken { format: kind, reason: error.to_string() };
    let reader = Cursor::new(bytes);
    match kind {
        ImageKind::Gif => read(kind, GifDecoder::new(reader).map_err(broken)?, limits),
        ImageKind::Bmp => read(kind, BmpDecoder::new(reader).map_err(broken)?, limits),
        ImageKind::Ico => read(kind, IcoDecoder::new(reader).map_err(broken)?, limits),
        _ => read(kind, WebPDecoder::new(reader).map_err(broken)?, limits),
    }
}

fn read(kind: ImageKind, mut decoder: impl ImageDecoder, limits: &AssetLimits) -> Result<Pixels, DecodeError> {
    let broken = |error: ImageError| DecodeError::Broken { format: kind, reason: error.to_string() };
    let (width, height) = decoder.dimensions();
    check_size(kind, width, height, limits)?;
    let mut allowed = Limits::default();
    allowed.max_image_width = Some(MAX_SIDE);
    allowed.max_image_height = Some(MAX_SIDE);
    // The picture and one working copy.
    allowed.max_alloc = Some(u64::from(width) * u64::from(height) * 8 + (4 << 20));
    decoder.set_limits(allowed).map_err(broken)?;
    // Both only decorate: what cannot be read is as good as absent.
    let profile = decoder.icc_profile().unwrap_or_default();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut rgba = DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgba8().into_raw();
    if let Some(to_srgb) = profile.and_then(|profile| ToSrgb::from_icc(&profile, Samples::Rgba)) {
        to_srgb.apply(&mut rgba);
    }
    Ok(Pixels { width, height, rgba, orientation, jpeg: None })
}
