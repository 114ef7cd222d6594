//! JPEG: grey, RGB, CMYK and YCCK. A file that is cut short shows what it has.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::color::{Samples, ToSrgb};
use super::{DecodeError, ImageKind, MAX_SIDE, Pixels, check_size};
use crate::config::AssetLimits;

pub(super) fn decode(bytes: &[u8], limits: &AssetLimits) -> Result<Pixels, DecodeError> {
    let broken = |error: DecodeErrors| DecodeError::Broken { format: ImageKind::Jpeg, reason: error.to_string() };
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

    let stored = header.input_colorspace().ok_or_else(missing)?;
    // Four inks come as they are, for the profile; grey and YCbCr straight to RGBA.
    let wanted = match stored {
        ColorSpace::CMYK | ColorSpace::YCCK | ColorSpace::RGB => stored,
        _ => ColorSpace::RGBA,
    };
    // The output is chosen for good when a decoder is made, and what is stored is known only after the header.
    let options = options.jpeg_set_out_colorspace(wanted);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let samples = decoder.decode().map_err(broken)?;

    let profile = decoder.icc_profile();
    let to_srgb = |samples| profile.as_deref().and_then(|profile| ToSrgb::from_icc(profile, samples));
    let rgba = match stored {
        ColorSpace::CMYK => from_inks(samples, to_srgb(Samples::Cmyk)),
        ColorSpace::YCCK => from_inks(ycck_to_cmyk(samples), to_srgb(Samples::Cmyk)),
        _ => {
            let mut rgba = if stored == ColorSpace::RGB { with_alpha(&samples) } else { samples };
            // Where a file is cut short the decoder leaves grey, in this channel too.
            rgba.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 255);
            let samples = if stored == ColorSpace::Luma { Samples::Gray } else { Samples::Rgba };
            if let Some(to_srgb) = to_srgb(samples) {
                to_srgb.apply(&mut rgba);
            }
            rgba
        }
    };
    let orientation =
        decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)).unwrap_or(Orientation::NoTransforms);
    Ok(Pixels { width, height, rgba, orientation })
}

fn with_alpha(rgb: &[u8]) -> Vec<u8> {
    rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect()
}

/// `cmyk` as files store it: 0 is full ink (Adobe's convention, which every browser assumes for all files).
/// Without a profile each of R, G, B is what its ink and black let through.
fn from_inks(mut cmyk: Vec<u8>, to_srgb: Option<ToSrgb>) -> Vec<u8> {
    match to_srgb {
        Some(to_srgb) => {
            cmyk.iter_mut().for_each(|sample| *sample = 255 - *sample);
            to_srgb.apply(&mut cmyk);
        }
        None => {
            for pixel in cmyk.chunks_exact_mut(4) {
                let black = u16::from(pixel[3]);
                // Truncated, as Chromium does it.
                pixel[..3].iter_mut().for_each(|c| *c = (u16::from(*c) * black / 255) as u8);
                pixel[3] = 255;
            }
        }
    }
    cmyk
}

/// YCC is the complement of CMY (JFIF's matrix); K is left alone.
fn ycck_to_cmyk(mut samples: Vec<u8>) -> Vec<u8> {
    for pixel in samples.chunks_exact_mut(4) {
        let (y, cb, cr) = (f32::from(pixel[0]), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
        let rgb = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
        for (to, value) in pixel.iter_mut().zip(rgb) {
            *to = 255 - value.round().clamp(0.0, 255.0) as u8;
        }
    }
    samples
}
