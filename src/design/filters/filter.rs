//! The trait of a named filter, and the pass that several of them are made of.

use std::fmt;

use crate::scene::PixelPass;

/// A kind of filter that an element's `filters` may contain.
pub trait Filter: Sync {
    /// The filter's key in the JSON.
    fn name(&self) -> &'static str;

    /// True for presets, whose intensity is 0 to 1. That of other filters is −1 to 1.
    fn is_preset(&self) -> bool {
        false
    }

    /// The pass for `intensity`, which is within the filter's range; 0 has no effect.
    fn pass(&self, intensity: f64) -> PixelPass;
}

impl fmt::Debug for dyn Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// The names in `super::FILTERS` are unique.
impl PartialEq for dyn Filter {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// The pass that adds a constant to each channel. `added`: for red, green and blue, in units of 1/255.
pub(super) fn add_constant(added: [f64; 3]) -> PixelPass {
    let [r, g, b] = added;
    PixelPass::ColorMatrix([[1.0, 0.0, 0.0, r], [0.0, 1.0, 0.0, g], [0.0, 0.0, 1.0, b]])
}
