//! `white`: makes light colours lighter for positive intensities, and darker for negative ones.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `white` of the editor (rendering.md §4.3).
pub(super) struct White;

impl Filter for White {
    fn name(&self) -> &'static str {
        "white"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Light(intensity))
    }
}
