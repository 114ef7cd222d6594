//! `vibrance`: raises saturation for positive intensities, and lowers it for negative ones, most in light colours.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `vibrance` of the editor (rendering.md §4.3).
pub(super) struct Vibrance;

impl Filter for Vibrance {
    fn name(&self) -> &'static str {
        "vibrance"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Vibrance(intensity))
    }
}
