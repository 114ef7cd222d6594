//! JPEG: grey, RGB, CMYK and YCCK. A file that is cut short shows what it has.

mod rows;

use image::metadata::Orientation;
use kurbo::Affine;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::color::{Samples, ToSrgb};
use super::{DecodeError, ImageKind, MAX_SIDE, Pixels, check_size};
use crate::config::AssetLimits;
use crate::scene::JpegFile;

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

    // Until the frame is decoded, three channels may be named after formats of four.
    let read_as = match header.input_colorspace().ok_or_else(missing)? {
        ColorSpace::CMYK if info.components == 3 => ColorSpace::RGB,
        ColorSpace::YCCK if info.components == 3 => ColorSpace::YCbCr,
        other => other,
    };
    let stored = if info.components == 3 { three_channels(bytes, read_as) } else { read_as };
    // Four inks come as they are, for the profile; grey and YCbCr straight to RGBA.
    let wanted = match stored {
        ColorSpace::CMYK | ColorSpace::YCCK | ColorSpace::RGB => read_as,
        // Taken for RGB: the channels come as they are.
        _ if read_as == ColorSpace::RGB => read_as,
        _ => ColorSpace::RGBA,
    };
    // The output is chosen for good when a decoder is made, and what is stored is known only after the header.
    let options = options.jpeg_set_out_colorspace(wanted);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let samples = decoder.decode().map_err(broken)?;
    let whole_rows = rows::whole(bytes, options, samples.len());

    let profile = decoder.icc_profile();
    let to_srgb = |samples| profile.as_deref().and_then(|profile| ToSrgb::from_icc(profile, samples));
    let mut says_the_same = false;
    let mut cut_short = whole_rows.is_some();
    let mut rgba = match stored {
        ColorSpace::CMYK => from_inks(samples, to_srgb(Samples::Cmyk)),
        ColorSpace::YCCK => from_inks(ycck_to_cmyk(samples), to_srgb(Samples::Cmyk)),
        _ => {
            let mut rgba = match (wanted, stored) {
                (ColorSpace::RGBA, _) => samples,
                (_, ColorSpace::YCbCr) => from_ycc(&samples),
                _ => with_alpha(&samples),
            };
            // Where blocks are missing the decoder leaves grey, in this channel too.
            for pixel in rgba.chunks_exact_mut(4).filter(|pixel| pixel[3] != 255) {
                pixel.fill(0);
                cut_short = true;
            }
            let samples = if stored == ColorSpace::Luma { Samples::Gray } else { Samples::Rgba };
            match to_srgb(samples) {
                Some(to_srgb) => to_srgb.apply(&mut rgba),
                None => {
                    let decoded_alike = wanted == ColorSpace::RGBA && !cut_short;
                    says_the_same = decoded_alike && matches!(stored, ColorSpace::Luma | ColorSpace::YCbCr);
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
    let jpeg = says_the_same.then(|| pixels_only(bytes)).flatten().map(|bytes| JpegFile {
        bytes: bytes.into(),
        width,
        height,
        grey: stored == ColorSpace::Luma,
        orientation: to_upright(orientation),
    });
    Ok(Pixels { width, height, rgba, orientation, jpeg, cut_short })
}

/// The file without what says nothing about pixels: camera data (and where a photo was taken), profiles, comments.
/// `None` where its segments cannot be followed, or it ends before it should.
fn pixels_only(file: &[u8]) -> Option<Vec<u8>> {
    let mut kept = vec![0xff, 0xd8];
    for Segment { marker, body, rest } in segments(file) {
        // APP0 is JFIF's own, APP14 says how colours are stored; the other APPn and COM go.
        if !matches!(marker, 0xe1..=0xed | 0xef | 0xfe) {
            kept.extend_from_slice(&[0xff, marker]);
            kept.extend_from_slice(&(body.len() as u16 + 2).to_be_bytes());
            kept.extend_from_slice(body);
        }
        if marker == SCAN {
            kept.extend_from_slice(rest);
            return kept.ends_with(&[0xff, 0xd9]).then_some(kept);
        }
    }
    None
}

/// From the stored picture to the upright one, both as unit squares, y down.
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

/// A piece of the head of a file.
struct Segment<'a> {
    marker: u8,
    /// After marker and length.
    body: &'a [u8],
    /// Everything after the segment.
    rest: &'a [u8],
}

/// Start of a scan: pixels follow its segment.
const SCAN: u8 = 0xda;

/// Segments from the start of `file` to its first scan, that one included; fewer where they cannot be followed.
fn segments(file: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut left = file.strip_prefix(&[0xff, 0xd8]).unwrap_or_default();
    std::iter::from_fn(move || {
        // Any number of fill bytes may stand before a marker.
        let fill = left.iter().take_while(|byte| **byte == 0xff).count();
        let [marker, high, low, ..] = left.get(fill..).filter(|_| fill > 0)? else { return None };
        let end = fill + 1 + usize::from(u16::from_be_bytes([*high, *low]));
        let (body, rest) = (left.get(fill + 3..end)?, left.get(end..)?);
        left = if *marker == SCAN { &[] } else { rest };
        Some(Segment { marker: *marker, body, rest })
    })
}

/// What three channels are: YCbCr where the file has a JFIF marker, else RGB where Adobe's marker says 0 or 2, else as the
/// decoder takes them (`read_as`).
fn three_channels(file: &[u8], read_as: ColorSpace) -> ColorSpace {
    let (mut jfif, mut adobe) = (false, None);
    for Segment { marker, body, .. } in segments(file) {
        match marker {
            0xe0 if body.starts_with(b"JFIF\0") => jfif = true,
            // Name, version, two words of flags, then the transform.
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

/// YCbCr, three bytes a pixel, to RGBA by JFIF's matrix.
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
    fn jpeg_file_keeps_only_what_says_something_about_pixels() {
        let file = |segments: &[&[u8]], end: &[u8]| [&[0xff, 0xd8], segments.concat().as_slice(), end].concat();
        let (jfif, exif): (&[u8], &[u8]) = (&[0xff, 0xe0, 0, 3, 9], &[0xff, 0xe1, 0, 4, 7, 7]);
        let (comment, table): (&[u8], &[u8]) = (&[0xff, 0xfe, 0, 2], &[0xff, 0xff, 0xdb, 0, 3, 1]);
        let scan: &[u8] = &[0xff, 0xda, 0, 2, 5, 0xff, 0xd9];
        let table_kept: &[u8] = &[0xff, 0xdb, 0, 3, 1];
        assert_eq!(pixels_only(&file(&[jfif, exif, comment, table], scan)), Some(file(&[jfif, table_kept], scan)));
        assert_eq!(pixels_only(&file(&[jfif], &scan[..5])), None, "cut short");
        assert_eq!(pixels_only(&file(&[&[0xff, 0xe1, 0xff, 0xff]], scan)), None, "a segment beyond the end");
    }

    #[test]
    fn jpeg_turns_are_those_of_the_decoded_picture() {
        // Two px beside or above each other: the first one, turned as the decoder turns it, has to be where `turn` says.
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
