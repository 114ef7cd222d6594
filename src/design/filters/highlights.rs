//! `highlights`: makes light colours lighter for positive intensities, and darker for negative ones; the same as
//! `white`, as in the editor.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `highlights` of the editor (rendering.md §4.3).
pub(super) struct Highlights;

impl Filter for Highlights {
    fn name(&self) -> &'static str {
        "highlights"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Light(intensity))
    }
}
