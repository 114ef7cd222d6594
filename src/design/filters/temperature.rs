//! `temperature`: makes colours warmer for positive intensities, and colder for negative ones.

use super::filter::{Filter, add_constant};
use crate::scene::PixelPass;

/// The filter `temperature` of the editor (rendering.md §4.3).
pub(super) struct Temperature;

impl Filter for Temperature {
    fn name(&self) -> &'static str {
        "temperature"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        add_constant([15.0 * intensity, 0.0, -15.0 * intensity])
    }
}
