//! `shadows`: dark colours lighter above 0, darker below; twice as strong as `black`.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct Shadows;

impl Filter for Shadows {
    fn name(&self) -> &'static str {
        "shadows"
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Dark(2.0 * intensity))
    }
}
