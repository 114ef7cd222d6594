//! `cold`: a preset that makes colours bluer.

use super::filter::{Filter, add_constant};
use crate::scene::PixelPass;

/// The filter `cold` of the editor (rendering.md §4.3).
pub(super) struct Cold;

impl Filter for Cold {
    fn name(&self) -> &'static str {
        "cold"
    }

    fn is_preset(&self) -> bool {
        true
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        add_constant([-15.0 * intensity, -10.0 * intensity, 15.0 * intensity])
    }
}
