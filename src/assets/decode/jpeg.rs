//! JPEG decoder for grey, RGB, CMYK and YCCK. A truncated file shows the rows it has.

mod rows;
mod segments;

use image::metadata::Orientation;
use kurbo::Affine;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::color::{Samples, ToSrgb};
use super::error::DecodeError;
use super::image_kind::ImageKind;
use super::limits::{DecodeLimits, MAX_SIDE, check_size};
use super::pixels::DecodedPixels;
use crate::scene::JpegFile;
use segments::{SCAN, Segment, segments};

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits<'_>) -> Result<DecodedPixels, DecodeError> {
    let broken = |error: DecodeErrors| DecodeError::Broken { format: ImageKind::Jpeg, reason: error.into() };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize);
    let mut header = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    header.decode_headers().map_err(broken)?;
    let missing = || DecodeError::Broken { format: ImageKind::Jpeg, reason: "it has no frame".into() };
    let info = header.info().ok_or_else(missing)?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    check_size(ImageKind::Jpeg, width, height, limits)?;
    check_scans(bytes, width, height)?;

    // Before the frame is decoded, the decoder may report a four-channel format for three channels.
    let read_as = match header.input_colorspace().ok_or_else(missing)? {
        ColorSpace::CMYK if info.components == 3 => ColorSpace::RGB,
        ColorSpace::YCCK if info.components == 3 => ColorSpace::YCbCr,
        other => other,
    };
    let stored = if info.components == 3 { three_channels(bytes, read_as) } else { read_as };
    // CMYK is decoded unchanged, for the profile; grey and YCbCr are converted to RGBA.
    let output = match stored {
        ColorSpace::CMYK | ColorSpace::YCCK | ColorSpace::RGB => read_as,
        // The decoder takes the file for RGB, so the channels are decoded unchanged.
        _ if read_as == ColorSpace::RGB => read_as,
        _ => ColorSpace::RGBA,
    };
    // The output format is fixed when a decoder is created, and the stored format is known only after the header.
    let options = options.jpeg_set_out_colorspace(output);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let samples = decoder.decode().map_err(broken)?;
    let whole_rows = rows::whole(bytes, options, samples.len());

    let profile = decoder.icc_profile();
    let to_srgb = |samples| profile.as_deref().and_then(|profile| ToSrgb::from_icc(profile, samples));
    let mut is_reusable = false;
    let mut truncated = whole_rows.is_some();
    let mut rgba = match stored {
        ColorSpace::CMYK => from_inks(samples, to_srgb(Samples::Cmyk)),
        ColorSpace::YCCK => from_inks(ycck_to_cmyk(samples), to_srgb(Samples::Cmyk)),
        _ => {
            let mut rgba = match (output, stored) {
                (ColorSpace::RGBA, _) => samples,
                (_, ColorSpace::YCbCr) => from_ycc(&samples),
                _ => with_alpha(&samples),
            };
            // The decoder fills missing blocks with grey in all channels, including alpha.
            for pixel in rgba.chunks_exact_mut(4).filter(|pixel| pixel[3] != 255) {
                pixel.fill(0);
                truncated = true;
            }
            let samples = if stored == ColorSpace::Luma { Samples::Gray } else { Samples::Rgba };
            match to_srgb(samples) {
                Some(to_srgb) => to_srgb.apply(&mut rgba),
                None => {
                    let is_standard = output == ColorSpace::RGBA && !truncated;
                    is_reusable = is_standard && matches!(stored, ColorSpace::Luma | ColorSpace::YCbCr);
                }
            }
            rgba
        }
    };
    if let Some(rows) = whole_rows {
        rgba.chunks_exact_mut(width as usize * 4).skip(rows).for_each(|row| row.fill(0));
    }
    let orientation =
        decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms);
    let jpeg = is_reusable.then(|| without_metadata(bytes)).flatten().map(|bytes| JpegFile {
        bytes: bytes.into(),
        width,
        height,
        grey: stored == ColorSpace::Luma,
        orientation: to_upright(orientation),
    });
    Ok(DecodedPixels { width, height, rgba, orientation, jpeg, truncated })
}

/// Maximum number of megapixels that all scans of a file pass over: eight seconds. A progressive file has about ten
/// scans, and each may cover the whole picture with a few bytes.
const MAX_SCANNED_MEGAPIXELS: f64 = 2000.0;

/// Checks the time that the scans of a file take. Markers inside of scans cannot be mistaken for data.
fn check_scans(file: &[u8], width: u32, height: u32) -> Result<(), DecodeError> {
    let Some(first) = segments(file).find(|segment| segment.marker == SCAN) else { return Ok(()) };
    let scans = 1 + first.rest.windows(2).filter(|bytes| *bytes == [0xff, SCAN]).count();
    let megapixels = scans as f64 * f64::from(width) * f64::from(height) / 1e6;
    if megapixels <= MAX_SCANNED_MEGAPIXELS {
        return Ok(());
    }
    let reason = format!(
        "it has {scans} scans over {width}x{height} px; the limit is {MAX_SCANNED_MEGAPIXELS} megapixels in all scans"
    );
    Err(DecodeError::Broken { format: ImageKind::Jpeg, reason: reason.into() })
}

/// Returns the file without metadata: camera data, locations, profiles and comments. `None` when the file is damaged or
/// truncated.
fn without_metadata(file: &[u8]) -> Option<Vec<u8>> {
    let mut stripped = vec![0xff, 0xd8];
    for Segment { marker, body, rest } in segments(file) {
        // APP0 (JFIF) and APP14 (the colour transform) are required for decoding; the other APPn and COM are dropped.
        if !matches!(marker, 0xe1..=0xed | 0xef | 0xfe) {
            stripped.extend_from_slice(&[0xff, marker]);
            stripped.extend_from_slice(&(body.len() as u16 + 2).to_be_bytes());
            stripped.extend_from_slice(body);
        }
        if marker == SCAN {
            stripped.extend_from_slice(rest);
            return stripped.ends_with(&[0xff, 0xd9]).then_some(stripped);
        }
    }
    None
}

/// Maps the stored picture to the upright one, both as unit squares, y down.
fn to_upright(orientation: Orientation) -> Affine {
    Affine::new(match orientation {
        Orientation::NoTransforms => [1.0, 0.0, 0.0, 1.0, 0.0, 0.0],
        Orientation::FlipHorizontal => [-1.0, 0.0, 0.0, 1.0, 1.0, 0.0],
        Orientation::Rotate180 => [-1.0, 0.0, 0.0, -1.0, 1.0, 1.0],
        Orientation::FlipVertical => [1.0, 0.0, 0.0, -1.0, 0.0, 1.0],
        Orientation::Rotate90FlipH => [0.0, 1.0, 1.0, 0.0, 0.0, 0.0],
        Orientation::Rotate90 => [0.0, 1.0, -1.0, 0.0, 1.0, 0.0],
        Orientation::Rotate270FlipH => [0.0, -1.0, -1.0, 0.0, 1.0, 1.0],
        Orientation::Rotate270 => [0.0, -1.0, 1.0, 0.0, 0.0, 1.0],
    })
}

/// The colour space of three channels: YCbCr if the file has a JFIF marker, otherwise RGB if the transform in Adobe's
/// marker is 0 or 2, otherwise that of the decoder (`read_as`).
fn three_channels(file: &[u8], read_as: ColorSpace) -> ColorSpace {
    let (mut jfif, mut adobe) = (false, None);
    for Segment { marker, body, .. } in segments(file) {
        match marker {
            0xe0 if body.starts_with(b"JFIF\0") => jfif = true,
            // The transform follows the name, the version and two words of flags.
            0xee if body.starts_with(b"Adobe") => adobe = body.get(11).copied(),
            _ => {}
        }
    }
    match adobe {
        _ if jfif => ColorSpace::YCbCr,
        Some(0 | 2) => ColorSpace::RGB,
        _ => read_as,
    }
}

/// Converts YCbCr, three bytes per pixel, to RGBA by JFIF's matrix.
fn from_ycc(samples: &[u8]) -> Vec<u8> {
    samples
        .chunks_exact(3)
        .flat_map(|p| {
            let [r, g, b] = ycc_to_rgb(p[0], p[1], p[2]);
            [r, g, b, 255]
        })
        .collect()
}

fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    rgb.map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn with_alpha(rgb: &[u8]) -> Vec<u8> {
    rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect()
}

/// Converts CMYK to RGBA, with a profile or by multiplying each ink with black.
///
/// `cmyk` is inverted, as in files: 0 is full ink. This is Adobe's convention, which all browsers assume.
fn from_inks(mut cmyk: Vec<u8>, to_srgb: Option<ToSrgb>) -> Vec<u8> {
    match to_srgb {
        Some(to_srgb) => {
            cmyk.iter_mut().for_each(|sample| *sample = 255 - *sample);
            to_srgb.apply(&mut cmyk);
        }
        None => {
            for pixel in cmyk.chunks_exact_mut(4) {
                let black = u16::from(pixel[3]);
                // Truncated, as in Chromium.
                pixel[..3].iter_mut().for_each(|c| *c = (u16::from(*c) * black / 255) as u8);
                pixel[3] = 255;
            }
        }
    }
    cmyk
}

/// Converts YCCK to CMYK: YCC is the complement of CMY by JFIF's matrix, and K is unchanged.
fn ycck_to_cmyk(mut samples: Vec<u8>) -> Vec<u8> {
    for pixel in samples.chunks_exact_mut(4) {
        let rgb = ycc_to_rgb(pixel[0], pixel[1], pixel[2]);
        for (to, value) in pixel.iter_mut().zip(rgb) {
            *to = 255 - value;
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpeg_metadata_is_removed() {
        let file = |segments: &[&[u8]], end: &[u8]| [&[0xff, 0xd8], segments.concat().as_slice(), end].concat();
        let (jfif, exif): (&[u8], &[u8]) = (&[0xff, 0xe0, 0, 3, 9], &[0xff, 0xe1, 0, 4, 7, 7]);
        let (comment, table): (&[u8], &[u8]) = (&[0xff, 0xfe, 0, 2], &[0xff, 0xff, 0xdb, 0, 3, 1]);
        let scan: &[u8] = &[0xff, 0xda, 0, 2, 5, 0xff, 0xd9];
        let bare_table: &[u8] = &[0xff, 0xdb, 0, 3, 1];
        let stripped = file(&[jfif, bare_table], scan);
        assert_eq!(without_metadata(&file(&[jfif, exif, comment, table], scan)), Some(stripped));
        assert_eq!(without_metadata(&file(&[jfif], &scan[..5])), None, "truncated");
        assert_eq!(without_metadata(&file(&[&[0xff, 0xe1, 0xff, 0xff]], scan)), None, "a segment beyond the end");
    }

    #[test]
    fn jpeg_orientation_matches_the_decoder() {
        // Of two adjacent px, the first is where `to_upright` maps it after the decoder has applied the orientation.
        for (exif, (width, height)) in (1..=8).flat_map(|exif| [(exif, (2, 1)), (exif, (1, 2))]) {
            let orientation = Orientation::from_exif(exif).expect("one of eight");
            let pixels = vec![1, 1, 1, 255, 2, 2, 2, 255];
            let picture = image::RgbaImage::from_raw(width, height, pixels).expect("two px");
            let mut picture = image::DynamicImage::ImageRgba8(picture);
            picture.apply_orientation(orientation);
            let picture = picture.into_rgba8();
            let middle = kurbo::Point::new(0.5 / f64::from(width), 0.5 / f64::from(height));
            let at = to_upright(orientation) * middle;
            let (x, y) = ((at.x * f64::from(picture.width())) as u32, (at.y * f64::from(picture.height())) as u32);
            assert_eq!(picture.get_pixel(x, y).0[0], 1, "orientation {exif} of {width} x {height}");
        }
    }
}
