//! `black`: makes dark colours lighter for positive intensities, and darker for negative ones.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `black` of the editor (rendering.md §4.3).
pub(super) struct Black;

impl Filter for Black {
    fn name(&self) -> &'static str {
        "black"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Dark(intensity))
    }
}
