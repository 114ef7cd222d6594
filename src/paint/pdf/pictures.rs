//! Pictures as image XObjects, each written once per file.
//!
//! A JPEG that nothing changes is copied byte for byte. Other pictures are written without loss, except opaque ones
//! from a JPEG, which are encoded as JPEG again. Alpha becomes a soft mask.

use std::collections::HashMap;

use jpeg_encoder::{ColorType, Encoder};
use kurbo::Affine;
use pdf_writer::types::Predictor;
use pdf_writer::{Filter, Finish as _, Ref};

use super::color::ColorTarget;
use super::error::PdfError;
use super::objects::ObjectWriter;
use crate::paint::passes;
use crate::paint::rasterized_group::RasterizedGroup;
use crate::paint::resample::{Downscale, downscale};
use crate::raster::{Premultiplied, Raster};
use crate::scene::{DecodedImage, Image, JpegFile};
use crate::units::DeviceSize;

/// Maximum px of a picture per px of the target resolution; finer pictures are reduced to the target (pdf.md §4).
const MAX_OVERSAMPLING: f64 = 2.0;
/// Quality of JPEGs that are encoded again: the editor's 0.92 (pdf.md §3).
const JPEG_QUALITY: u8 = 92;
/// Maximum side of a JPEG, in px.
const MAX_JPEG_SIDE: u32 = 65_535;
/// Minimum share of pixels equal to their left neighbour from which the slower compression is used.
const MIN_FLAT_SHARE: f64 = 0.5;

/// The pictures of one file that are written already.
#[derive(Default)]
pub(super) struct Pictures(HashMap<PictureKey, WrittenPicture>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct PictureKey {
    content: u64,
    passes: Vec<u64>,
    /// Columns and rows after the reduction.
    size: (u32, u32),
}

/// A picture that the file contains.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenPicture {
    pub(super) object: Ref,
    /// Maps the unit square of the stored picture to that of the upright one, y down.
    pub(super) orientation: Affine,
}

/// Straight RGBA8 pixels to be written.
pub(super) struct StraightPixels {
    pub(super) size: DeviceSize,
    pub(super) rgba: Vec<u8>,
    /// True when they were decoded from a JPEG, so that encoding them as JPEG again loses little.
    pub(super) lossy: bool,
}

impl Pictures {
    /// Returns the picture of `image` after its passes, and writes it on first use. `to_page` maps its unit square.
    pub(super) fn get_or_write(
        &mut self,
        image: &Image,
        to_page: Affine,
        objects: &mut ObjectWriter,
    ) -> Result<WrittenPicture, PdfError> {
        let picture = &*image.picture;
        let [a, b, c, d, _, _] = to_page.as_coeffs();
        let target_px = |x: f64, y: f64| x.hypot(y) * objects.settings.raster_scale.get();
        let columns = f64::from(picture.width) / target_px(a, b);
        let rows = f64::from(picture.height) / target_px(c, d);
        // Both axes are reduced by the smaller of the two factors, as the editor does.
        let step = Some(columns.min(rows)).filter(|step| step.is_finite() && *step > MAX_OVERSAMPLING).unwrap_or(1.0);
        let side = |side: u32| ((f64::from(side) / step).round() as u32).clamp(1, side);
        let size = (side(picture.width), side(picture.height));
        let passes = image.passes.iter().flat_map(|pass| pass.bits()).collect();
        let key = PictureKey { content: picture.pixels.id(), passes, size };
        if let Some(known) = self.0.get(&key) {
            return Ok(*known);
        }
        let unchanged = image.passes.is_empty() && step == 1.0;
        let written = match (&picture.jpeg, &objects.settings.colors) {
            (Some(file), ColorTarget::Rgb) if unchanged => {
                WrittenPicture { object: write_jpeg(objects, file)?, orientation: file.orientation }
            }
            _ => {
                let passed = (!image.passes.is_empty()).then(|| passes::apply(picture, &image.passes));
                let pixels = reduced(passed.as_ref().unwrap_or(picture), size, step);
                let lossy = picture.jpeg.is_some();
                // A fully transparent picture still needs an object, which the key refers to.
                let object = write_pixels(objects, StraightPixels { lossy, ..pixels })?;
                let object = object.map_or_else(|| write_empty_picture(objects), Ok)?;
                WrittenPicture { object, orientation: Affine::IDENTITY }
            }
        };
        self.0.insert(key, written);
        Ok(written)
    }
}

/// Writes the picture of a glyph; `None` when every pixel is transparent.
pub(super) fn write_glyph_picture(objects: &mut ObjectWriter, picture: &DecodedImage) -> Result<Option<Ref>, PdfError> {
    let pixels = reduced(picture, (picture.width, picture.height), 1.0);
    write_pixels(objects, pixels)
}

/// Writes the pixels of a rasterised glyph; `None` when every pixel is transparent.
pub(super) fn write_rasterized_glyph(
    objects: &mut ObjectWriter,
    rasterized: RasterizedGroup,
) -> Result<Option<Ref>, PdfError> {
    write_pixels(
        objects,
        StraightPixels { size: rasterized.raster.size(), rgba: rasterized.raster.into_pixels(), lossy: false },
    )
}

fn write_empty_picture(objects: &mut ObjectWriter) -> Result<Ref, PdfError> {
    let id = objects.next_ref()?;
    let mut image = objects.chunk.image_xobject(id, &[0x80]);
    // A mask of one px that paints nothing.
    image.width(1).height(1).bits_per_component(1).image_mask(true);
    Ok(id)
}

fn write_jpeg(objects: &mut ObjectWriter, file: &JpegFile) -> Result<Ref, PdfError> {
    let id = objects.next_ref()?;
    let mut image = objects.chunk.image_xobject(id, &file.bytes);
    image.width(file.width as i32).height(file.height as i32).bits_per_component(8).interpolate(true);
    image.filter(Filter::DctDecode);
    match file.grey {
        true => image.color_space().device_gray(),
        false => image.color_space().device_rgb(),
    }
    Ok(id)
}

/// Writes pixels as an image XObject; `None` when every pixel is transparent.
pub(super) fn write_pixels(objects: &mut ObjectWriter, pixels: StraightPixels) -> Result<Option<Ref>, PdfError> {
    let StraightPixels { size, rgba, lossy } = pixels;
    let mut visible = rgba.chunks_exact(4).filter(|pixel| pixel[3] != 0);
    let Some(first) = visible.next() else { return Ok(None) };
    let one_colour = visible.all(|pixel| pixel[..3] == first[..3]);
    let opaque = rgba.chunks_exact(4).all(|pixel| pixel[3] == 255);
    let mask = if opaque { None } else { Some(write_mask(objects, size, &rgba)?) };
    // A picture of one colour, such as a shadow, is one px with a mask of the full size.
    let (size, rgba) = match one_colour {
        true => (DeviceSize { width: 1, height: 1 }, first.to_vec()),
        false => (size, rgba),
    };
    let grey = rgba.chunks_exact(4).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let inks = match &objects.settings.colors {
        ColorTarget::Rgb => None,
        ColorTarget::Cmyk(converter) => Some(converter.clone()),
    };
    let rgb = || rgba.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect::<Vec<u8>>();
    let (samples, channels) = match &inks {
        Some(converter) => (converter.pixels(&rgb()), png::ColorType::Rgba),
        None if grey => (rgba.chunks_exact(4).map(|pixel| pixel[0]).collect(), png::ColorType::Grayscale),
        None => (rgb(), png::ColorType::Rgb),
    };
    drop(rgba);
    let jpeg = (lossy && opaque && size.width.max(size.height) <= MAX_JPEG_SIDE)
        .then(|| jpeg(size, &samples, channels))
        .transpose()?;
    let id = objects.next_ref()?;
    let data = match jpeg {
        Some(file) => (file, true),
        None => (deflated(size, &samples, channels)?, false),
    };
    let mut image = objects.chunk.image_xobject(id, &data.0);
    image.width(size.width as i32).height(size.height as i32).bits_per_component(8);
    match channels {
        png::ColorType::Grayscale => image.color_space().device_gray(),
        png::ColorType::Rgba => image.color_space().device_cmyk(),
        _ => image.color_space().device_rgb(),
    }
    if size.pixels() > 1 {
        image.interpolate(true);
    }
    if data.1 {
        image.filter(Filter::DctDecode);
        if channels == png::ColorType::Rgba {
            // The encoder inverts CMYK values, as Adobe's files do.
            image.decode([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        }
    } else {
        image.filter(Filter::FlateDecode);
        predict(image.decode_parms(), size, channels.samples());
    }
    if let Some(mask) = mask {
        image.s_mask(mask);
    }
    Ok(Some(id))
}

fn write_mask(objects: &mut ObjectWriter, size: DeviceSize, rgba: &[u8]) -> Result<Ref, PdfError> {
    let id = objects.next_ref()?;
    let alpha: Vec<u8> = rgba.iter().skip(3).step_by(4).copied().collect();
    let packed = deflated(size, &alpha, png::ColorType::Grayscale)?;
    let mut image = objects.chunk.image_xobject(id, &packed);
    image.width(size.width as i32).height(size.height as i32).bits_per_component(8).interpolate(true);
    image.color_space().device_gray();
    image.filter(Filter::FlateDecode);
    predict(image.decode_parms(), size, 1);
    Ok(id)
}

fn predict(mut parms: pdf_writer::writers::DecodeParms<'_>, size: DeviceSize, channels: usize) {
    // With predictor 15, the first byte of each row selects its PNG predictor.
    parms.predictor(Predictor::PngOptimum).colors(channels as i32).bits_per_component(8).columns(size.width as i32);
    parms.finish();
}

/// Straight pixels of `picture`, reduced by the factor `step` to `size` columns and rows.
fn reduced(picture: &DecodedImage, size: (u32, u32), step: f64) -> StraightPixels {
    let (columns, rows) = size;
    let axis = |side: u32, count: u32| {
        let step = f64::from(side) / f64::from(count);
        Downscale { side, step, mirrored: false, first: 0, count }
    };
    let pixels = match step > 1.0 {
        true => {
            downscale(picture.pixels.data(), picture.width, &axis(picture.width, columns), &axis(picture.height, rows))
        }
        false => picture.pixels.data().to_vec(),
    };
    let size = DeviceSize { width: columns, height: rows };
    let raster: Raster<Premultiplied> = Raster::from_pixels(size, pixels).expect("reduced to this size");
    StraightPixels { size, rgba: raster.into_straight().into_pixels(), lossy: false }
}

fn jpeg(size: DeviceSize, samples: &[u8], channels: png::ColorType) -> Result<Vec<u8>, PdfError> {
    let color = match channels {
        png::ColorType::Grayscale => ColorType::Luma,
        png::ColorType::Rgba => ColorType::Cmyk,
        _ => ColorType::Rgb,
    };
    let mut file = Vec::with_capacity(samples.len() / 8);
    let encoded = Encoder::new(&mut file, JPEG_QUALITY).encode(samples, size.width as u16, size.height as u16, color);
    encoded.map_err(|error| PdfError::Internal(format!("a JPEG could not be encoded: {error}")))?;
    Ok(file)
}

/// Compresses samples with PNG predictors; the result is the image data of a PNG file.
fn deflated(size: DeviceSize, samples: &[u8], channels: png::ColorType) -> Result<Vec<u8>, PdfError> {
    let failed = |error: png::EncodingError| PdfError::Internal(format!("a picture could not be encoded: {error}"));
    let mut file = Vec::with_capacity(samples.len() / 4);
    let mut encoder = png::Encoder::new(&mut file, size.width, size.height);
    encoder.set_color(channels);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(if is_flat(samples, channels.samples()) {
        png::Compression::Balanced
    } else {
        png::Compression::Fast
    });
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(samples).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(data_chunks(&file))
}

/// Contents of all `IDAT` chunks of a PNG file, concatenated.
fn data_chunks(file: &[u8]) -> Vec<u8> {
    const SIGNATURE: usize = 8;
    let mut rest = &file[SIGNATURE..];
    let mut data = Vec::with_capacity(file.len());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        // A chunk is its length, kind, data and checksum.
        let Some(body) = after.get(4..4 + length) else { break };
        if after.starts_with(b"IDAT") {
            data.extend_from_slice(body);
        }
        rest = after.get(8 + length..).unwrap_or_default();
    }
    data
}

fn is_flat(samples: &[u8], channels: usize) -> bool {
    let pixels = samples.len() / channels;
    let pairs = samples.chunks_exact(channels).zip(samples.chunks_exact(channels).skip(1));
    pairs.filter(|(a, b)| a == b).count() as f64 >= pixels as f64 * MIN_FLAT_SHARE
}
