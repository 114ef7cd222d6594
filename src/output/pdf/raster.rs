//! Writes a page as one picture (pdf.md §3): lossless when it has few colours, JPEG otherwise.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::writers::ImageXObject;
use pdf_writer::{Chunk, Filter, Name, Ref};

use super::super::Compression as Effort;
use super::super::OutputError;
use super::super::jpeg::{self, JpegImage};
use crate::print::PrintTarget;
use crate::raster::{Raster, Straight};

/// Maximum number of colours of a palette with one byte per pixel.
const MAX_PALETTE: usize = 256;

/// Maximum number of colours of a page that is stored losslessly: it is taken for a drawing, whose edges JPEG would
/// blur and which Flate compresses about as well.
const MAX_LOSSLESS_COLORS: usize = 4096;

/// Writes `raster` over white as the image `id`. `quality`: JPEG quality, 0 to 1. `print`: write CMYK instead of RGB.
///
/// # Errors
/// [`OutputError::TooLarge`] for JPEGs beyond 65 535 px a side.
pub(super) fn write(
    chunk: &mut Chunk,
    id: Ref,
    raster: &Raster<Straight>,
    quality: Option<f64>,
    print: Option<&PrintTarget>,
) -> Result<(), OutputError> {
    let size = jpeg::checked(raster.size())?;
    let rgb = jpeg::on_white(raster.pixels());
    let samples = |rgb: &[u8]| print.map_or_else(|| rgb.to_vec(), |print| print.profile.pixels(rgb));
    let space = if print.is_some() { Name(b"DeviceCMYK") } else { Name(b"DeviceRGB") };
    let image = ImageSize { width: size.0.into(), height: size.1.into() };
    match colors(&rgb) {
        Some(colors) if colors.len() <= MAX_PALETTE => {
            let mut order: Vec<_> = colors.iter().collect();
            order.sort_unstable_by_key(|(_, index)| **index);
            let palette: Vec<u8> = order.into_iter().flat_map(|(color, _)| *color).collect();
            let bits = bits(colors.len());
            let packed = deflate(&packed(&rgb, size.0.into(), &colors, bits));
            let mut object = image.start(chunk, id, &packed, bits.into(), Filter::FlateDecode);
            object.color_space().indexed(space, colors.len() as i32 - 1, &samples(&palette));
        }
        Some(_) => {
            let packed = deflate(&samples(&rgb));
            image.start(chunk, id, &packed, 8, Filter::FlateDecode).color_space_name(space);
        }
        None => {
            let samples = if print.is_some() { samples(&rgb) } else { rgb };
            let effort = Effort::default();
            let picture = JpegImage { samples: samples.into(), size, quality, effort, pixels_per_inch: None };
            // The output intent of the file already contains the profile.
            let file = if print.is_some() { jpeg::cmyk(&picture, None)? } else { jpeg::rgb(&picture)? };
            let mut object = image.start(chunk, id, &file, 8, Filter::DctDecode);
            object.color_space_name(space);
            if print.is_some() {
                // Adobe's CMYK JPEGs store inverted values.
                object.decode([1.0, 0.0].repeat(4));
            }
        }
    }
    Ok(())
}

/// Compresses to the zlib format of `FlateDecode`.
pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes every write")
}

struct ImageSize {
    width: i32,
    height: i32,
}

impl ImageSize {
    fn start<'a>(&self, chunk: &'a mut Chunk, id: Ref, bytes: &'a [u8], bits: i32, filter: Filter) -> ImageXObject<'a> {
        let mut object = chunk.image_xobject(id, bytes);
        object.filter(filter);
        object.width(self.width).height(self.height).bits_per_component(bits);
        object
    }
}

/// Every colour with its index in order of first use; `None` for more than [`MAX_LOSSLESS_COLORS`].
fn colors(rgb: &[u8]) -> Option<HashMap<[u8; 3], u16>> {
    let mut colors = HashMap::new();
    let mut last = None;
    for color in rgb.as_chunks::<3>().0 {
        // Pages of few colours consist of long runs.
        if last != Some(color) {
            last = Some(color);
            let next = colors.len();
            if !colors.contains_key(color) {
                if next == MAX_LOSSLESS_COLORS {
                    return None;
                }
                colors.insert(*color, next as u16);
            }
        }
    }
    Some(colors)
}

/// Bits per pixel for a palette of this size.
fn bits(colors: usize) -> u8 {
    match colors {
        0..=2 => 1,
        3..=4 => 2,
        5..=16 => 4,
        _ => 8,
    }
}

/// Packs palette indices of `bits` each; rows are padded to whole bytes. `colors`: at most 256.
fn packed(rgb: &[u8], width: usize, colors: &HashMap<[u8; 3], u16>, bits: u8) -> Vec<u8> {
    let per_byte = usize::from(8 / bits);
    let mut out = Vec::with_capacity(rgb.len() / 3 / per_byte + 1);
    for row in rgb.as_chunks::<3>().0.chunks(width) {
        for pixels in row.chunks(per_byte) {
            let mut byte = 0u8;
            for (at, color) in pixels.iter().enumerate() {
                let index = colors.get(color).copied().unwrap_or_default() as u8;
                byte |= index << (8 - bits as usize * (at + 1));
            }
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DeviceSize;

    fn written(width: u32, height: u32, pixel: impl Fn(u32) -> [u8; 4]) -> String {
        let pixels = (0..width * height).flat_map(pixel).collect();
        let raster = Raster::from_pixels(DeviceSize { width, height }, pixels).expect("as many bytes as pixels");
        let mut chunk = Chunk::new();
        write(&mut chunk, Ref::new(1), &raster, None, None).expect("written");
        String::from_utf8_lossy(chunk.as_bytes()).into_owned()
    }

    #[test]
    fn page_of_few_colors_has_a_palette() {
        let text = written(10, 2, |at| if at % 2 == 0 { [0, 0, 0, 255] } else { [0; 4] });
        assert!(text.contains("/Indexed /DeviceRGB 1") && text.contains("/BitsPerComponent 1"), "{text}");
        assert!(text.contains("FlateDecode"), "{text}");
        let text = written(40, 40, |at| [(at % 200) as u8, 0, 0, 255]);
        assert!(text.contains("/Indexed /DeviceRGB 199") && text.contains("/BitsPerComponent 8"), "{text}");
    }

    #[test]
    fn page_of_some_colors_is_lossless_and_of_many_is_jpeg() {
        let color = |at: u32| [(at % 251) as u8, (at / 251) as u8, (at % 13) as u8, 255];
        assert!(written(60, 60, color).contains("FlateDecode"));
        assert!(written(100, 100, color).contains("DCTDecode"));
    }

    #[test]
    fn palette_pixels_are_packed_from_the_left_and_rows_end_on_bytes() {
        let rgb: Vec<u8> = [0, 9, 9, 0, 9, 9].iter().flat_map(|value| [*value; 3]).collect();
        let colors = colors(&rgb).expect("two");
        assert_eq!(packed(&rgb, 3, &colors, 1), [0b0110_0000, 0b0110_0000]);
        assert_eq!([1, 2, 3, 4, 16, 17, 256].map(bits), [1, 1, 2, 2, 4, 8, 8]);
    }
}
