//! WebP encoder (libwebp): lossy as a browser's canvas writes it, lossless at quality 1.

use ::webp::{Encoder, PixelLayout, WebPConfig};

use super::{Compression, EncoderError, Format, FormatKind, OutputError, OutputOptions, PictureFormat};
use crate::raster::{Raster, Straight};

/// Maximum side in px: the format stores sizes in 14 bits.
const MAX_SIDE: u32 = 16_383;
/// Default of browsers for `canvas.toDataURL('image/webp')`.
const DEFAULT_QUALITY: f64 = 0.8;

/// The WebP format, with transparency.
#[derive(Debug)]
pub struct WebP;

impl Format for WebP {
    fn name(&self) -> &'static str {
        "webp"
    }

    fn media_type(&self) -> &'static str {
        "image/webp"
    }

    fn extension(&self) -> &'static str {
        "webp"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for WebP {
    fn holds_cmyk(&self) -> bool {
        false
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        let (width, height) = (raster.size().width, raster.size().height);
        if width.max(height) > MAX_SIDE {
            return Err(OutputError::TooLarge { format: self.name(), limit: MAX_SIDE, width, height });
        }
        let failed = |source| OutputError::Encoder { format: self.name(), source };
        let config = config(options).map_err(failed)?;
        let file = Encoder::new(raster.pixels(), PixelLayout::Rgba, width, height).encode_advanced(&config);
        file.map(|file| file.to_vec()).map_err(|code| failed(EncoderError::WebP(code)))
    }
}

/// libwebp's effort ranges from 0 to 6; its default, 4, takes three times as long as 1 for files smaller by a
/// twentieth.
fn config(options: &OutputOptions) -> Result<WebPConfig, EncoderError> {
    let mut config = WebPConfig::new().map_err(|()| EncoderError::WebPVersion)?;
    let quality = options.quality.filter(|share| (0.0..=1.0).contains(share)).unwrap_or(DEFAULT_QUALITY);
    config.method = match options.compression {
        Compression::Fast => 1,
        Compression::Balanced => 4,
        Compression::Small => 6,
    };
    if quality == 1.0 {
        // For lossless files, libwebp takes quality as effort.
        config.lossless = 1;
        config.quality = match options.compression {
            Compression::Fast => 0.0,
            Compression::Balanced => 50.0,
            Compression::Small => 100.0,
        };
        if options.compression == Compression::Fast {
            config.method = 0;
        }
        // Preserve colours of fully transparent pixels.
        config.exact = 1;
    } else {
        config.quality = (quality * 100.0) as f32;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DeviceSize;

    const SIZE: DeviceSize = DeviceSize { width: 32, height: 16 };

    fn written(pixel: impl Fn(u32) -> [u8; 4], options: &OutputOptions) -> (Vec<u8>, Vec<u8>) {
        let pixels: Vec<u8> = (0..SIZE.width * SIZE.height).flat_map(pixel).collect();
        let raster = Raster::from_pixels(SIZE, pixels.clone()).expect("as many bytes as pixels");
        (WebP.write(&raster, options).expect("written"), pixels)
    }

    fn noise(at: u32) -> [u8; 4] {
        at.wrapping_mul(2_654_435_761).to_le_bytes()
    }

    #[test]
    fn webp_is_lossless_at_quality_1_at_every_effort() {
        for compression in Compression::ALL {
            let (file, pixels) =
                written(noise, &OutputOptions { quality: Some(1.0), compression, ..Default::default() });
            assert_eq!(
                image::load_from_memory(&file).expect("a WebP").into_rgba8().into_raw(),
                pixels,
                "{compression:?}"
            );
        }
    }

    #[test]
    fn webp_keeps_transparency_and_loses_little() {
        let (file, _) = written(|at| if at % 32 < 16 { [200, 30, 90, 255] } else { [0; 4] }, &OutputOptions::default());
        let decoded = image::load_from_memory(&file).expect("a WebP").into_rgba8();
        assert!(
            decoded.get_pixel(4, 8).0.iter().zip([200, 30, 90, 255]).all(|(a, b)| a.abs_diff(b) <= 6),
            "{:?}",
            decoded.get_pixel(4, 8)
        );
        assert_eq!(decoded.get_pixel(28, 8).0[3], 0);
    }

    #[test]
    fn webp_size_grows_with_quality() {
        let size = |quality| written(noise, &OutputOptions { quality: Some(quality), ..Default::default() }).0.len();
        assert!(size(0.1) < size(0.9));
    }

    #[test]
    fn webp_refuses_pictures_beyond_its_limit() {
        let size = DeviceSize { width: 16_384, height: 1 };
        let raster = Raster::from_pixels(size, vec![0; 65_536]).expect("a row");
        let error = WebP.write(&raster, &OutputOptions::default()).expect_err("too wide").to_string();
        assert!(error.contains("16383") && error.contains("16384"), "{error}");
    }
}
