//! `brightness`: a constant added to every channel, not a factor (rendering.md §4.1).

use super::plus;
use crate::scene::Pass;

/// `amount`: −1 to 1; 1 makes everything white.
pub(in crate::design) fn pass(amount: f64) -> Pass {
    plus([255.0 * amount; 3])
}
