//! `highlights`: light colours lighter above 0, darker below: the same as `white`, as the editor has it.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct Highlights;

impl Filter for Highlights {
    fn name(&self) -> &'static str {
        "highlights"
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Light(intensity))
    }
}
