//! The output of the decoders, and its conversion to pictures of the scene.

use image::DynamicImage;
use image::metadata::Orientation;

use super::error::DecodeError;
use super::image_kind::ImageKind;
use crate::scene::{DecodedImage, JpegFile};

/// Output of a decoder: straight RGBA8 in sRGB, with the orientation not yet applied.
pub(super) struct DecodedPixels {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) rgba: Vec<u8>,
    /// Orientation according to EXIF.
    pub(super) orientation: Orientation,
    /// The JPEG file, if its pixels are exactly these.
    pub(super) jpeg: Option<JpegFile>,
    /// True when the file ended early; the missing pixels are transparent.
    pub(super) truncated: bool,
}

impl DecodedPixels {
    pub(super) fn into_picture(self, format: ImageKind) -> Result<DecodedImage, DecodeError> {
        let broken = || DecodeError::Broken { format, reason: "its rows do not fill its size".into() };
        let straight = image::RgbaImage::from_raw(self.width, self.height, self.rgba).ok_or_else(broken)?;
        let mut straight = DynamicImage::ImageRgba8(straight);
        straight.apply_orientation(self.orientation);
        let mut straight = straight.into_rgba8();
        premultiply(&mut straight);
        let picture = DecodedImage::new(straight.width(), straight.height(), straight.into_raw()).ok_or_else(broken)?;
        Ok(DecodedImage { jpeg: self.jpeg, truncated: self.truncated, ..picture })
    }
}

/// Multiplies colours by alpha, rounded to nearest.
fn premultiply(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha != 255 {
            pixel[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * alpha + 127) / 255) as u8);
        }
    }
}
