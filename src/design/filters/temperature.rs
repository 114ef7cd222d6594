//! `temperature`: warmer above 0, colder below.

use super::{Filter, plus};
use crate::scene::Pass;

/// See the module.
pub(super) struct Temperature;

impl Filter for Temperature {
    fn name(&self) -> &'static str {
        "temperature"
    }

    fn pass(&self, intensity: f64) -> Pass {
        plus([15.0 * intensity, 0.0, -15.0 * intensity])
    }
}
