//! `contrast`: moves channels away from 128 for positive intensities, and towards it for negative ones.

use super::filter::Filter;
use crate::scene::PixelPass;

/// The filter `contrast` of the editor (rendering.md §4.3).
pub(super) struct Contrast;

impl Filter for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        let factor = 259.0 * (100.0 * intensity + 255.0) / (255.0 * (259.0 - 100.0 * intensity));
        let constant = 128.0 * (1.0 - factor);
        PixelPass::ColorMatrix([
            [factor, 0.0, 0.0, constant],
            [0.0, factor, 0.0, constant],
            [0.0, 0.0, factor, constant],
        ])
    }
}
