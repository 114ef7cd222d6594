//! `saturation`: away from the grey of the same luminance above 0, towards it below.

use super::Filter;
use crate::scene::Pass;

/// See the module.
pub(super) struct Saturation;

impl Filter for Saturation {
    fn name(&self) -> &'static str {
        "saturation"
    }

    fn pass(&self, intensity: f64) -> Pass {
        // Of linear light in Rec. 709; the editor takes them for sRGB numbers.
        const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];
        let of_grey = LUMINANCE.map(|weight| -intensity * weight);
        let row = |own: usize| {
            let [r, g, b] = std::array::from_fn(|at| of_grey[at] + if at == own { 1.0 + intensity } else { 0.0 });
            [r, g, b, 0.0]
        };
        Pass::ColorMatrix([row(0), row(1), row(2)])
    }
}
