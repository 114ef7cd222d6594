//! `shadows`: makes dark colours lighter for positive intensities, and darker for negative ones; twice as strong as
//! `black`.

use super::filter::Filter;
use crate::scene::{PixelPass, Tone};

/// The filter `shadows` of the editor (rendering.md §4.3).
pub(super) struct Shadows;

impl Filter for Shadows {
    fn name(&self) -> &'static str {
        "shadows"
    }

    fn pass(&self, intensity: f64) -> PixelPass {
        PixelPass::Tone(Tone::Dark(2.0 * intensity))
    }
}
