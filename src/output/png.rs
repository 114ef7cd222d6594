//! PNG encoder: a palette for at most 256 colours, else 8 bits per channel, RGB for opaque pictures and RGBA otherwise.

mod palette;

use std::borrow::Cow;

use png::{
    BitDepth, ColorType, Compression, DeflateCompression, Encoder, EncodingError, Filter, PixelDimensions, Unit,
};

use self::palette::Indexed;
use super::{Compression as Effort, Format, FormatKind, OutputError, OutputOptions, PictureFormat};
use crate::raster::{Raster, Straight};

const INCHES_PER_METRE: f64 = 1.0 / 0.0254;

/// The PNG format (Portable Network Graphics).
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

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for Png {
    fn holds_cmyk(&self) -> bool {
        false
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        encode(raster, options).map_err(|error| OutputError::Encoder { format: self.name(), source: error.into() })
    }
}

fn encode(raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, EncodingError> {
    let size = raster.size();
    // Photos need about a quarter of the raw size.
    let mut file = Vec::with_capacity(raster.pixels().len() / 4);
    let mut encoder = Encoder::new(&mut file, size.width, size.height);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_pixel_dims(options.pixels_per_inch.and_then(physical_size));
    set_effort(&mut encoder, options.compression);
    let samples = match Indexed::of(raster.pixels()) {
        Some(Indexed { colours, alphas, indices }) => {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(colours);
            if !alphas.is_empty() {
                encoder.set_trns(alphas);
            }
            // Palette indices are no quantities, so differences of neighbours do not compress; repeated rows do.
            encoder.set_filter(if options.compression == Effort::Fast { Filter::Up } else { Filter::NoFilter });
            Cow::Owned(indices)
        }
        None if raster.is_opaque() => {
            encoder.set_color(ColorType::Rgb);
            Cow::Owned(raster.to_rgb())
        }
        None => {
            encoder.set_color(ColorType::Rgba);
            Cow::Borrowed(raster.pixels())
        }
    };
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&samples)?;
    writer.finish()?;
    Ok(file)
}

/// Measured (docs/http-api.md): `Fast` is fifty times faster than zlib's usual level and no larger on photos; level 3
/// makes flat art 40 % smaller, level 9 photos 11 %.
fn set_effort(encoder: &mut Encoder<'_, &mut Vec<u8>>, effort: Effort) {
    const BALANCED_LEVEL: u8 = 3;
    match effort {
        Effort::Fast => encoder.set_compression(Compression::Fast),
        Effort::Balanced => encoder.set_deflate_compression(DeflateCompression::Level(BALANCED_LEVEL)),
        Effort::Small => encoder.set_compression(Compression::High),
    }
}

fn physical_size(pixels_per_inch: f64) -> Option<PixelDimensions> {
    let pixels_per_metre = (pixels_per_inch * INCHES_PER_METRE).round();
    // PNG limits its integers to 2^31 - 1.
    (1.0..=f64::from(i32::MAX)).contains(&pixels_per_metre).then(|| {
        let pixels = pixels_per_metre as u32;
        PixelDimensions { xppu: pixels, yppu: pixels, unit: Unit::Meter }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::units::DeviceSize;

    /// Decoded RGBA and the metadata of the encoded file.
    fn decoded(pixels: Vec<u8>, options: &OutputOptions) -> (Vec<u8>, png::Info<'static>) {
        let size = DeviceSize { width: pixels.len() as u32 / 4, height: 1 };
        let raster = Raster::from_pixels(size, pixels).expect("one row");
        let file = Png.write(&raster, options).expect("written");
        let info = png::Decoder::new(Cursor::new(&file)).read_info().expect("a PNG").info().clone();
        (image::load_from_memory(&file).expect("whole").into_rgba8().into_raw(), info)
    }

    /// `count` pixels of different colours with this alpha.
    fn colours(count: u32, alpha: u8) -> Vec<u8> {
        (0..count).flat_map(|at| [at as u8, (at >> 8) as u8, 7, alpha]).collect()
    }

    #[test]
    fn png_drops_alpha_only_when_opaque() {
        for (alpha, expected) in [(255, ColorType::Rgb), (128, ColorType::Rgba)] {
            let (pixels, info) = decoded(colours(257, alpha), &OutputOptions::default());
            assert_eq!((pixels, info.color_type), (colours(257, alpha), expected));
        }
    }

    #[test]
    fn png_has_a_palette_when_256_colours_are_enough() {
        for pixels in [colours(256, 255), colours(256, 99), vec![1, 2, 3, 255, 0, 0, 0, 0, 1, 2, 3, 255, 9, 9, 9, 4]] {
            let (found, info) = decoded(pixels.clone(), &OutputOptions::default());
            assert_eq!((found, info.color_type), (pixels, ColorType::Indexed));
        }
        let (_, info) = decoded(colours(3, 255), &OutputOptions::default());
        assert!(info.trns.is_none(), "opaque");
    }

    #[test]
    fn png_is_the_same_picture_at_every_effort() {
        for compression in Effort::ALL {
            let options = OutputOptions { compression, ..OutputOptions::default() };
            for pixels in [colours(200, 255), colours(999, 255), colours(999, 77)] {
                assert_eq!(decoded(pixels.clone(), &options).0, pixels, "{compression:?}");
            }
        }
    }

    #[test]
    fn png_contains_its_resolution() {
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
