//! Pictures whose passes run on the GPU: the whole picture is uploaded, recoloured, reduced and cropped there.

use peniko::{Blob, ImageAlphaType, ImageData};

use super::image_data::{image_data, placeholder};
use crate::paint::prepared_image::{PlacedImage, PreparedImages, ResamplePlan};
use crate::units::DeviceSize;

/// Maximum px of a picture that is uploaded whole. The CPU runs the passes of larger ones and uploads the visible part.
const MAX_UPLOAD_PIXELS: u64 = 64_000_000;
/// Maximum number of source px averaged into one px of the result: 255 times this sum must fit 32 bits.
const MAX_AVERAGED_PIXELS: f64 = 16_000_000.0;

/// One picture with the passes and the resampling that the GPU applies to it.
pub(super) struct Recolor {
    /// Placeholder for the result in the scene.
    pub(super) image: ImageData,
    /// Pixels of the whole picture, premultiplied RGBA8.
    pub(super) pixels: Blob<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) resample_plan: ResamplePlan,
}

impl Recolor {
    /// Plans the passes of `placed`, shown on a surface of size `surface`.
    ///
    /// `None` when there are no passes, when nothing is visible, or when the picture is too large for the GPU, whose
    /// textures are limited to `max_side`.
    pub(super) fn of(placed: &PlacedImage<'_>, surface: DeviceSize, max_side: u32) -> Option<Self> {
        let picture = placed.picture;
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        if placed.passes.is_empty() || picture.width.max(picture.height) > max_side || pixels > MAX_UPLOAD_PIXELS {
            return None;
        }
        let resample_plan = PreparedImages::resample_plan(placed, surface)?;
        let (width, height) = resample_plan.size();
        let longest_side = resample_plan.columns.count.max(resample_plan.rows.count).max(width).max(height);
        if longest_side > max_side
            || (resample_plan.columns.step + 1.0) * (resample_plan.rows.step + 1.0) > MAX_AVERAGED_PIXELS
        {
            return None;
        }
        Some(Self {
            image: image_data(placeholder(), width, height, ImageAlphaType::AlphaPremultiplied),
            pixels: picture.pixels.clone(),
            width: picture.width,
            height: picture.height,
            resample_plan,
        })
    }
}
