//! PNG: 8 bits a channel, RGB when nothing shines through, RGBA otherwise.

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, PixelDimensions, Unit};

use super::{Format, Making, OutputError, OutputOptions, PictureFormat};
use crate::raster::{Raster, Straight};

const INCHES_A_METRE: f64 = 1.0 / 0.0254;

/// Portable Network Graphics.
#[derive(Debug)]
pub struct Png;

impl Format for Png {
    fn name(&self) -> &'static str {
        "png"
    }

    fn media_type(&self) -> &'static str {
        "image/png"
    }

    fn extension(&self) -> &'static str {
        "png"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn making(&self) -> Making<'_> {
        Making::Pictures(self)
    }
}

impl PictureFormat for Png {
    fn holds_inks(&self) -> bool {
        false
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        encode(raster, options).map_err(|error| OutputError::Encoder { format: self.name(), reason: error.to_string() })
    }
}

fn encode(raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, EncodingError> {
    let size = raster.size();
    // A quarter of the raw size is about what photos need.
    let mut file = Vec::with_capacity(raster.pixels().len() / 4);
    let mut encoder = Encoder::new(&mut file, size.width, size.height);
    let opaque = raster.is_opaque();
    encoder.set_color(if opaque { ColorType::Rgb } else { ColorType::Rgba });
    encoder.set_depth(BitDepth::Eight);
    // Fifty times faster than the usual level and no larger on photos (stack.md §3).
    encoder.set_compression(Compression::Fast);
    encoder.set_pixel_dims(options.pixels_per_inch.and_then(physical_size));
    let mut writer = encoder.write_header()?;
    if opaque {
        writer.write_image_data(&without_alpha(raster.pixels()))?;
    } else {
        writer.write_image_data(raster.pixels())?;
    }
    writer.finish()?;
    Ok(file)
}

fn without_alpha(pixels: &[u8]) -> Vec<u8> {
    let mut rgb = vec![0; pixels.len() / 4 * 3];
    for (rgb, pixel) in rgb.chunks_exact_mut(3).zip(pixels.chunks_exact(4)) {
        rgb.copy_from_slice(&pixel[..3]);
    }
    rgb
}

fn physical_size(pixels_per_inch: f64) -> Option<PixelDimensions> {
    let pixels_a_metre = (pixels_per_inch * INCHES_A_METRE).round();
    // PNG keeps its numbers below 2^31.
    (1.0..=f64::from(i32::MAX)).contains(&pixels_a_metre).then(|| {
        let pixels = pixels_a_metre as u32;
        PixelDimensions { xppu: pixels, yppu: pixels, unit: Unit::Meter }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::units::DeviceSize;

    fn decoded(pixels: Vec<u8>, options: &OutputOptions) -> (Vec<u8>, png::Info<'static>) {
        let size = DeviceSize { width: pixels.len() as u32 / 4, height: 1 };
        let raster = Raster::from_pixels(size, pixels).expect("one row");
        let file = Png.write(&raster, options).expect("written");
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("small")];
        reader.next_frame(&mut pixels).expect("whole");
        (pixels, reader.info().clone())
    }

    #[test]
    fn png_drops_alpha_only_when_opaque() {
        let (pixels, info) = decoded(vec![1, 2, 3, 255, 4, 5, 6, 255], &OutputOptions::default());
        assert_eq!((pixels.as_slice(), info.color_type), ([1, 2, 3, 4, 5, 6].as_slice(), ColorType::Rgb));
        let (pixels, info) = decoded(vec![255, 0, 0, 128], &OutputOptions::default());
        assert_eq!((pixels.as_slice(), info.color_type), ([255, 0, 0, 128].as_slice(), ColorType::Rgba));
    }

    #[test]
    fn png_tells_its_printed_size() {
        let dims = |pixels_per_inch| {
            let options = OutputOptions { pixels_per_inch, ..OutputOptions::default() };
            decoded(vec![0; 4], &options).1.pixel_dims.map(|dims| (dims.xppu, dims.unit))
        };
        assert_eq!(dims(Some(72.0)), Some((2835, Unit::Meter)));
        assert_eq!(dims(Some(600.0)), Some((23622, Unit::Meter)));
        for none in [None, Some(0.0), Some(-72.0), Some(f64::NAN), Some(1e300)] {
            assert_eq!(dims(none), None);
        }
    }
}
