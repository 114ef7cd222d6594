//! `black`: dark colours lighter above 0, darker below.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct Black;

impl Filter for Black {
    fn name(&self) -> &'static str {
        "black"
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Dark(intensity))
    }
}
