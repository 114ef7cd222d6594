//! `brightness`: a constant added to every channel, not a factor (rendering.md §4.1).

use super::filter::add_constant;
use crate::scene::PixelPass;

/// `amount`: −1 to 1; 1 makes everything white.
pub(in crate::design) fn pass(amount: f64) -> PixelPass {
    add_constant([255.0 * amount; 3])
}
