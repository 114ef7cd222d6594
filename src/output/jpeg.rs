//! JPEG encoder: baseline, 4:2:0, on a white background (rendering.md §11).
//!
//! CMYK files have four inverted channels with Adobe's marker, as every reader of such files expects, and embed the
//! output profile.
//!
//! `compression: small` writes the same coefficients progressively, with optimised Huffman tables.
//!
//! The feature `turbo` encodes with libjpeg-turbo, which is three times faster; otherwise jpeg-encoder is used, which
//! needs no C.

use std::borrow::Cow;

use super::{Compression as Effort, EncoderError, Format, FormatKind, OutputError, OutputOptions, PictureFormat};
use crate::print::{OutputProfile, PrintTarget};
use crate::raster::{Raster, Straight};
use crate::units::DeviceSize;

/// Maximum side in px: the format stores sizes in 16 bits.
const MAX_SIDE: u32 = u16::MAX as u32;
/// Default of browsers for `canvas.toDataURL('image/jpeg')`.
const DEFAULT_QUALITY: f64 = 0.92;

/// The JPEG format, without transparency.
#[derive(Debug)]
pub struct Jpeg;

impl Format for Jpeg {
    fn name(&self) -> &'static str {
        "jpeg"
    }

    fn media_type(&self) -> &'static str {
        "image/jpeg"
    }

    fn extension(&self) -> &'static str {
        "jpg"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["jpg", "image/jpg"]
    }

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for Jpeg {
    fn holds_cmyk(&self) -> bool {
        true
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        let size = checked(raster.size())?;
        let pixels_per_inch = options.pixels_per_inch.and_then(density);
        let (quality, effort) = (options.quality, options.compression);
        let picture = |samples| JpegImage { samples, size, quality, effort, pixels_per_inch };
        let opaque = raster.is_opaque();
        match &options.print {
            None if opaque => encode(&picture(raster.pixels().into()), SampleLayout::Rgbx),
            None => encode(&picture(on_white(raster.pixels()).into()), SampleLayout::Rgb),
            Some(PrintTarget { profile, .. }) => {
                let rgb = if opaque { raster.to_rgb() } else { on_white(raster.pixels()) };
                cmyk(&picture(profile.pixels(&rgb).into()), Some(profile))
            }
        }
    }
}

/// Samples and parameters of one file.
pub(super) struct JpegImage<'a> {
    /// Bytes per pixel: three for RGB, four for CMYK or [`SampleLayout::Rgbx`].
    pub(super) samples: Cow<'a, [u8]>,
    /// Width and height, as [`checked`] returns them.
    pub(super) size: (u16, u16),
    /// Quality from 0 to 1; `None` for [`DEFAULT_QUALITY`].
    pub(super) quality: Option<f64>,
    /// Effort to spend on a smaller file with the same pixels.
    pub(super) effort: Effort,
    /// Resolution to write into the file; `None` writes none.
    pub(super) pixels_per_inch: Option<u16>,
}

/// Pixel layout of the samples of an RGB [`JpegImage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleLayout {
    /// Three bytes: R, G, B.
    Rgb,
    /// Four bytes: R, G, B and an ignored one, as in an opaque raster.
    Rgbx,
}

/// Width and height, if the format can hold them.
pub(super) fn checked(size: DeviceSize) -> Result<(u16, u16), OutputError> {
    let DeviceSize { width, height } = size;
    match (u16::try_from(width), u16::try_from(height)) {
        (Ok(width), Ok(height)) => Ok((width, height)),
        _ => Err(OutputError::TooLarge { format: Jpeg.name(), limit: MAX_SIDE, width, height }),
    }
}

/// Encodes sRGB samples with 4:2:0 subsampling.
pub(super) fn rgb(picture: &JpegImage<'_>) -> Result<Vec<u8>, OutputError> {
    encode(picture, SampleLayout::Rgb)
}

fn encode(picture: &JpegImage<'_>, layout: SampleLayout) -> Result<Vec<u8>, OutputError> {
    encoded(picture, layout).map_err(|source| OutputError::Encoder { format: Jpeg.name(), source })
}

/// Encodes CMYK samples, 255 for full ink, as Adobe writes them: YCCK, 4:2:0, inverted. `embed` is written as ICC
/// profile.
pub(super) fn cmyk(picture: &JpegImage<'_>, embed: Option<&OutputProfile>) -> Result<Vec<u8>, OutputError> {
    use jpeg_encoder::ColorType;
    let mut file = Vec::with_capacity(picture.samples.len() / 8);
    let mut encoder = encoder(&mut file, picture);
    let profile = embed.map_or(Ok(()), |profile| encoder.add_icc_profile(profile.icc()));
    let (width, height) = picture.size;
    let done = profile.and_then(|()| encoder.encode(&picture.samples, width, height, ColorType::CmykAsYcck));
    done.map_err(|error| OutputError::Encoder { format: Jpeg.name(), source: error.into() })?;
    Ok(file)
}

fn encoder<'a>(file: &'a mut Vec<u8>, picture: &JpegImage<'_>) -> jpeg_encoder::Encoder<&'a mut Vec<u8>> {
    use jpeg_encoder::{Encoder, PixelDensity, SamplingFactor};
    let mut encoder = Encoder::new(file, quality(picture.quality));
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    // Optimised tables without progressive mode would mean one scan per channel, which not every reader supports.
    encoder.set_progressive(picture.effort == Effort::Small);
    encoder.set_optimized_huffman_tables(picture.effort == Effort::Small);
    if let Some(pixels_per_inch) = picture.pixels_per_inch {
        encoder.set_density(PixelDensity::dpi(pixels_per_inch));
    }
    encoder
}

/// Maps 0 to 1 to 1 to 100. Other values count as absent, as in a browser.
fn quality(requested: Option<f64>) -> u8 {
    let share = requested.filter(|share| (0.0..=1.0).contains(share)).unwrap_or(DEFAULT_QUALITY);
    (share * 100.0).round().max(1.0) as u8
}

fn density(pixels_per_inch: f64) -> Option<u16> {
    let rounded = pixels_per_inch.round();
    (1.0..=f64::from(u16::MAX)).contains(&rounded).then_some(rounded as u16)
}

/// Composites straight RGBA over white; three bytes per pixel.
pub(super) fn on_white(pixels: &[u8]) -> Vec<u8> {
    let mut rgb = vec![0; pixels.len() / 4 * 3];
    for (rgb, pixel) in rgb.chunks_exact_mut(3).zip(pixels.chunks_exact(4)) {
        let alpha = u32::from(pixel[3]);
        for (out, value) in rgb.iter_mut().zip(pixel) {
            *out = ((u32::from(*value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    rgb
}

#[cfg(not(feature = "turbo"))]
fn encoded(picture: &JpegImage<'_>, layout: SampleLayout) -> Result<Vec<u8>, EncoderError> {
    use jpeg_encoder::ColorType;
    let mut file = Vec::with_capacity(picture.samples.len() / 8);
    let (width, height) = picture.size;
    let layout = match layout {
        SampleLayout::Rgb => ColorType::Rgb,
        SampleLayout::Rgbx => ColorType::Rgba,
    };
    encoder(&mut file, picture).encode(&picture.samples, width, height, layout)?;
    Ok(file)
}

#[cfg(feature = "turbo")]
fn encoded(picture: &JpegImage<'_>, layout: SampleLayout) -> Result<Vec<u8>, EncoderError> {
    use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};
    let (width, height) = (usize::from(picture.size.0), usize::from(picture.size.1));
    let (format, bytes) = match layout {
        SampleLayout::Rgb => (PixelFormat::RGB, 3),
        SampleLayout::Rgbx => (PixelFormat::RGBX, 4),
    };
    let image = Image { pixels: &*picture.samples, width, pitch: width * bytes, height, format };
    let file = Compressor::new().and_then(|mut compressor| {
        compressor.set_quality(i32::from(quality(picture.quality)))?;
        compressor.set_subsamp(Subsamp::Sub2x2)?;
        compressor.set_progressive(picture.effort == Effort::Small)?;
        compressor.compress_to_owned(image)
    });
    let mut file = file?.to_vec();
    if let Some(pixels_per_inch) = picture.pixels_per_inch {
        set_density(&mut file, pixels_per_inch);
    }
    Ok(file)
}

/// Writes the density, which libjpeg-turbo's simple interface does not support. The JFIF header is the first segment,
/// with unit and density at byte 13.
#[cfg(feature = "turbo")]
fn set_density(file: &mut [u8], pixels_per_inch: u16) {
    const DOTS_PER_INCH: u8 = 1;
    if file.get(6..11) == Some(b"JFIF\0")
        && let Some(header) = file.get_mut(13..18)
    {
        let [high, low] = pixels_per_inch.to_be_bytes();
        header.copy_from_slice(&[DOTS_PER_INCH, high, low, high, low]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pixel: [u8; 4], width: u32, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        let size = DeviceSize { width, height: 16 };
        let raster = Raster::from_pixels(size, pixel.repeat(width as usize * 16)).expect("as many bytes as pixels");
        Jpeg.write(&raster, options)
    }

    #[test]
    fn jpeg_is_white_where_nothing_was_drawn() {
        // fixtures.md 25
        for (pixel, expected) in [([0, 0, 0, 0], [255, 255, 255]), ([255, 0, 0, 128], [255, 127, 127])] {
            let file = write(pixel, 16, &OutputOptions::default()).expect("written");
            let decoded = image::load_from_memory(&file).expect("a JPEG").to_rgb8();
            for (found, expected) in decoded.get_pixel(8, 8).0.iter().zip(expected) {
                assert!(found.abs_diff(expected) <= 3, "{:?}", decoded.get_pixel(8, 8));
            }
        }
    }

    #[test]
    fn jpeg_of_an_opaque_raster_is_that_of_its_rgb() {
        let pixels: Vec<u8> = (0..16 * 16u32).flat_map(|at| [at as u8, (at * 7) as u8, (at * 13) as u8, 255]).collect();
        let raster = Raster::from_pixels(DeviceSize { width: 16, height: 16 }, pixels).expect("a square");
        let picture = |samples| JpegImage {
            samples,
            size: (16, 16),
            quality: None,
            effort: Effort::default(),
            pixels_per_inch: None,
        };
        let packed = encode(&picture(raster.to_rgb().into()), SampleLayout::Rgb).expect("written");
        assert_eq!(encode(&picture(raster.pixels().into()), SampleLayout::Rgbx).expect("written"), packed);
    }

    #[test]
    fn jpeg_is_the_same_picture_at_every_effort() {
        let pixels: Vec<u8> = (0..64 * 64u32).flat_map(|at| [at as u8, (at / 9) as u8, (at / 64) as u8, 255]).collect();
        let raster = Raster::from_pixels(DeviceSize { width: 64, height: 64 }, pixels).expect("a square");
        let files = Effort::ALL.map(|compression| {
            Jpeg.write(&raster, &OutputOptions { compression, ..OutputOptions::default() }).expect("written")
        });
        let pictures = files.each_ref().map(|it| image::load_from_memory(it).expect("a JPEG").into_rgb8());
        let max_difference =
            |a: &image::RgbImage, b: &image::RgbImage| a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!(
            [max_difference(&pictures[0], &pictures[1]), max_difference(&pictures[0], &pictures[2])],
            [Some(0); 2]
        );
        assert!(files[0].len() > files[2].len(), "{:?}", files.map(|it| it.len()));
    }

    #[test]
    fn jpeg_quality_maps_0_to_1() {
        assert_eq!([None, Some(0.0), Some(0.005), Some(0.8), Some(1.0)].map(quality), [92, 1, 1, 80, 100]);
        assert_eq!([Some(80.0), Some(-1.0), Some(f64::NAN)].map(quality), [92, 92, 92]);
    }

    #[test]
    fn jpeg_refuses_what_it_cannot_hold() {
        let error = write([0; 4], 65_536, &OutputOptions::default()).expect_err("too wide").to_string();
        assert!(error.contains("65535") && error.contains("65536"), "{error}");
    }

    #[test]
    fn jpeg_contains_its_resolution() {
        let options = OutputOptions { pixels_per_inch: Some(300.0), ..OutputOptions::default() };
        let file = write([0; 4], 16, &options).expect("written");
        assert_eq!(file[6..11], *b"JFIF\0");
        assert_eq!(file[13..18], [1, 1, 44, 1, 44]);
    }
}
