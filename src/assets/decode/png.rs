//! PNG decoder for all colour types. Of an animated PNG the default image is shown, as when an `<img>` is drawn on a
//! canvas.

use std::io::Cursor;

use ::png::{BitDepth, ColorType, InterlaceInfo, Limits, Transformations};
use image::metadata::Orientation;

use super::color::{SRGB_XY, Samples, ToSrgb};
use super::error::DecodeError;
use super::image_kind::ImageKind;
use super::limits::{DecodeLimits, check_size};
use super::pixels::DecodedPixels;

/// Maximum size of an unpacked profile or other chunk, in bytes.
const MAX_CHUNK_BYTES: usize = 16 << 20;

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits<'_>) -> Result<DecodedPixels, DecodeError> {
    let broken = |error: ::png::DecodingError| DecodeError::Broken { format: ImageKind::Png, reason: error.into() };
    let mut decoder = ::png::Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_CHUNK_BYTES });
    decoder.set_ignore_text_chunk(true);
    // Expands palettes to RGB, transparent colours to alpha, and 1, 2 and 4 bits to 8; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(broken)?;
    let (width, height) = (info.width, info.height);
    check_size(ImageKind::Png, width, height, limits)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let (color, depth) = reader.output_color_type();

    let stride = width as usize * 4;
    let mut rgba = vec![0; stride * height as usize];
    let mut line = vec![0; stride];
    let mut rows = 0;
    let mut truncated = false;
    loop {
        match reader.next_interlaced_row() {
            Ok(Some(row)) => {
                let pixels = to_rgba8(row.data(), color, depth, &mut line);
                match row.interlace() {
                    InterlaceInfo::Null(_) => {
                        if let Some(into) = rgba.chunks_exact_mut(stride).nth(rows) {
                            into.copy_from_slice(&line);
                        }
                    }
                    InterlaceInfo::Adam7(at) => {
                        ::png::expand_interlaced_row(&mut rgba, stride, &line[..pixels * 4], at, 32);
                    }
                }
                rows += 1;
            }
            Ok(None) => break,
            // A truncated file shows the rows it has, as in browsers.
            Err(error) if rows == 0 => return Err(broken(error)),
            Err(_) => {
                truncated = true;
                break;
            }
        }
    }

    let info = reader.info();
    if let Some(to_srgb) = to_srgb(info) {
        to_srgb.apply(&mut rgba);
    }
    let orientation =
        info.exif_metadata.as_deref().and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms);
    Ok(DecodedPixels { width, height, rgba, orientation, jpeg: None, truncated })
}

/// Converts one row of samples to RGBA8 in `line` and returns the number of pixels.
fn to_rgba8(row: &[u8], color: ColorType, depth: BitDepth, line: &mut [u8]) -> usize {
    let bytes = if depth == BitDepth::Sixteen { 2 } else { 1 };
    let channels = color.samples();
    // 16 bits are rounded to the nearest 8 bits: 65535 becomes 255.
    let sample = |pixel: &[u8], channel: usize| match bytes {
        2 => ((u32::from(u16::from_be_bytes([pixel[channel * 2], pixel[channel * 2 + 1]])) * 255 + 32_895) >> 16) as u8,
        _ => pixel[channel],
    };
    let mut pixels = 0;
    for (from, to) in row.chunks_exact(channels * bytes).zip(line.chunks_exact_mut(4)) {
        let (color, alpha) = match channels {
            1 => ([sample(from, 0); 3], 255),
            2 => ([sample(from, 0); 3], sample(from, 1)),
            3 => ([sample(from, 0), sample(from, 1), sample(from, 2)], 255),
            _ => ([sample(from, 0), sample(from, 1), sample(from, 2)], sample(from, 3)),
        };
        to[..3].copy_from_slice(&color);
        to[3] = alpha;
        pixels += 1;
    }
    pixels
}

/// The conversion to sRGB. `cICP` has priority, then `sRGB`, `iCCP` and `gAMA`, whose primaries are those of `cHRM` or
/// else of sRGB, as in Chromium.
fn to_srgb(info: &::png::Info<'_>) -> Option<ToSrgb> {
    if let Some(points) = &info.coding_independent_code_points {
        return ToSrgb::from_cicp(points.color_primaries, points.transfer_function);
    }
    if info.srgb.is_some() {
        return None;
    }
    if let Some(profile) = &info.icc_profile {
        let gray = matches!(info.color_type, ColorType::Grayscale | ColorType::GrayscaleAlpha);
        return ToSrgb::from_icc(profile, if gray { Samples::Gray } else { Samples::Rgba });
    }
    let xy = info.chrm_chunk.map(|it| [it.white, it.red, it.green, it.blue]);
    let xy = xy.map(|xy| xy.map(|(x, y)| (x.into_value(), y.into_value())));
    ToSrgb::from_gamma(info.gama_chunk?.into_value(), xy.unwrap_or(SRGB_XY))
}
