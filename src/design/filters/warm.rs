//! `warm`: a preset that makes colours redder and yellower.

use super::filter::{Filter, add_constant};
use crate::scene::PixelPass;

/// The filter `warm` of the editor (rendering.md §4.3).
pub(super) struct Warm;

impl Filter for Warm {
    fn name(&self) -> &'static str {
        "warm"
    }

    fn is_preset(&self) -> bool {
        true
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        add_constant([30.0 * intensity, 15.0 * intensity, 0.0])
    }
}
