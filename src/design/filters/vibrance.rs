//! `vibrance`: more colour above 0; below, less, most where there is much light.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct Vibrance;

impl Filter for Vibrance {
    fn name(&self) -> &'static str {
        "vibrance"
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Vibrance(intensity))
    }
}
