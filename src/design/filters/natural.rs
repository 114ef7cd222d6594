//! `natural`: a preset that makes colours brighter and more saturated.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `natural` of the editor (rendering.md §4.3).
pub(super) struct Natural;

impl Filter for Natural {
    fn name(&self) -> &'static str {
        "natural"
    }

    fn is_preset(&self) -> bool {
        true
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Natural(intensity))
    }
}
