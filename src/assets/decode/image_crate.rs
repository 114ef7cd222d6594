//! Decoders for WebP, BMP and ICO through the `image` crate: the first frame on its canvas. The EXIF orientation of a
//! WebP is ignored, as in browsers.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, ico::IcoDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, Limits};

use super::color::{Samples, ToSrgb};
use super::error::DecodeError;
use super::image_kind::ImageKind;
use super::limits::{DecodeLimits, MAX_SIDE, check_size};
use super::pixels::DecodedPixels;

pub(super) fn decode(kind: ImageKind, bytes: &[u8], limits: &DecodeLimits<'_>) -> Result<DecodedPixels, DecodeError> {
    let broken = |error: ImageError| DecodeError::Broken { format: kind, reason: error.into() };
    let reader = Cursor::new(bytes);
    match kind {
        ImageKind::Bmp => {
            let open = || BmpDecoder::new(Cursor::new(bytes)).map_err(broken);
            read(kind, open()?, limits)
                .or_else(|error| read_truncated(kind, open, limits).map(|(it, _)| it).ok_or(error))
        }
        ImageKind::Ico => read(kind, IcoDecoder::new(reader).map_err(broken)?, limits),
        _ => read(kind, WebPDecoder::new(reader).map_err(broken)?, limits),
    }
}

pub(super) fn read(
    kind: ImageKind,
    mut decoder: impl ImageDecoder,
    limits: &DecodeLimits<'_>,
) -> Result<DecodedPixels, DecodeError> {
    let broken = |error: ImageError| DecodeError::Broken { format: kind, reason: error.into() };
    let (width, height) = decoder.dimensions();
    check_size(kind, width, height, limits)?;
    let mut allowed = Limits::default();
    allowed.max_image_width = Some(MAX_SIDE);
    allowed.max_image_height = Some(MAX_SIDE);
    // Memory for the picture and one working copy.
    allowed.max_alloc = Some(u64::from(width) * u64::from(height) * 8 + (4 << 20));
    decoder.set_limits(allowed).map_err(broken)?;
    // A profile that cannot be read is ignored.
    let profile = decoder.icc_profile().unwrap_or_default();
    let mut rgba = DynamicImage::from_decoder(decoder).map_err(broken)?.into_rgba8().into_raw();
    if let Some(to_srgb) = profile.and_then(|profile| ToSrgb::from_icc(&profile, Samples::Rgba)) {
        to_srgb.apply(&mut rgba);
    }
    Ok(DecodedPixels { width, height, rgba, orientation: Orientation::NoTransforms, jpeg: None, truncated: false })
}

/// Decodes a truncated file. Returns the pixels, and for each row whether it is complete; incomplete rows are
/// transparent.
///
/// The file is decoded twice, into differently filled buffers: where the results differ, nothing was written. `None`
/// when the size exceeds a limit, or no row is complete.
pub(super) fn read_truncated<D: ImageDecoder>(
    kind: ImageKind,
    open: impl Fn() -> Result<D, DecodeError>,
    limits: &DecodeLimits<'_>,
) -> Option<(DecodedPixels, Vec<bool>)> {
    let read = |fill: u8| {
        let decoder = open().ok()?;
        let (width, height) = decoder.dimensions();
        check_size(kind, width, height, limits).ok()?;
        let channels = match decoder.color_type() {
            ColorType::Rgb8 => 3,
            ColorType::Rgba8 => 4,
            _ => return None,
        };
        let mut samples = vec![fill; usize::try_from(decoder.total_bytes()).ok()?];
        // The error is the same as that of the first attempt to read the file.
        let _ = decoder.read_image(&mut samples);
        Some((width, height, channels, samples))
    };
    let ((width, height, channels, first), (.., second)) = (read(0)?, read(u8::MAX)?);
    let row_samples = width as usize * channels;
    let mut rgba = vec![0; width as usize * height as usize * 4];
    let mut is_complete = Vec::with_capacity(height as usize);
    let samples = first.chunks_exact(row_samples).zip(second.chunks_exact(row_samples));
    for (row, (first, second)) in rgba.chunks_exact_mut(width as usize * 4).zip(samples) {
        is_complete.push(first == second);
        if first == second {
            for (pixel, samples) in row.chunks_exact_mut(4).zip(first.chunks_exact(channels)) {
                pixel[3] = u8::MAX;
                pixel[..channels].copy_from_slice(samples);
            }
        }
    }
    let pixels =
        DecodedPixels { width, height, rgba, orientation: Orientation::NoTransforms, jpeg: None, truncated: true };
    is_complete.contains(&true).then_some((pixels, is_complete))
}
