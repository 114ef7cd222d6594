//! `white`: light colours lighter above 0, darker below.

use super::Filter;
use crate::scene::{Pass, Tone};

/// See the module.
pub(super) struct White;

impl Filter for White {
    fn name(&self) -> &'static str {
        "white"
    }

    fn pass(&self, intensity: f64) -> Pass {
        Pass::Tone(Tone::Light(intensity))
    }
}
