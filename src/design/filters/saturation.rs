//! `saturation`: moves colours away from the grey of equal luminance for positive intensities, and towards it for
//! negative ones.

use super::filter::Filter;
use crate::scene::PixelPass;

/// The filter `saturation` of the editor (rendering.md §4.3).
pub(super) struct Saturation;

impl Filter for Saturation {
    fn name(&self) -> &'static str {
        "saturation"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        // Of linear light in Rec. 709; the editor takes them for sRGB numbers.
        const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];
        let of_grey = LUMINANCE.map(|weight| -intensity * weight);
        let row = |own: usize| {
            let [r, g, b] = std::array::from_fn(|at| of_grey[at] + if at == own { 1.0 + intensity } else { 0.0 });
            [r, g, b, 0.0]
        };
        PixelPass::ColorMatrix([row(0), row(1), row(2)])
    }
}
