//! `natural`: a preset, brighter and more colourful.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct Natural;

impl Filter for Natural {
    fn name(&self) -> &'static str {
        "natural"
    }

    fn is_preset(&self) -> bool {
        true
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Natural(intensity))
    }
}
