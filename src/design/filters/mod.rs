//! Named filters, and what they are made of: a filter is a recipe, a pass is a machine.
//!
//! In: one file for each filter, and the order in which an element's effects happen (rendering.md §4).
//! Not in: pixels; a painter runs the passes. Imports: `scene`.
//!
//! A new filter is a file and a line in [`FILTERS`].

mod black;
pub(super) mod brightness;
mod cold;
mod contrast;
pub(super) mod grayscale;
mod highlights;
mod natural;
mod saturation;
pub(super) mod sepia;
mod shadows;
mod temperature;
mod vibrance;
mod warm;
mod white;

use std::fmt;

use crate::scene::Pass;

/// An entry of an element's `filters`.
pub trait Filter: Sync {
    /// Its key in the JSON.
    fn name(&self) -> &'static str;

    /// Presets have no negative side: their intensity is 0 to 1, that of others −1 to 1.
    fn is_preset(&self) -> bool {
        false
    }

    /// What it does at `intensity`, which is within its range; 0 changes nothing.
    fn pass(&self, intensity: f64) -> Pass;
}

/// All that the editor knows (rendering.md §4.3).
pub static FILTERS: &[&dyn Filter] = &[
    &temperature::Temperature,
    &contrast::Contrast,
    &saturation::Saturation,
    &vibrance::Vibrance,
    &shadows::Shadows,
    &black::Black,
    &white::White,
    &highlights::Highlights,
    &warm::Warm,
    &cold::Cold,
    &natural::Natural,
];

/// The filter of that key.
pub fn named(name: &str) -> Option<&'static dyn Filter> {
    FILTERS.iter().find(|filter| filter.name() == name).copied()
}

impl fmt::Debug for dyn Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names are unique in [`FILTERS`].
impl PartialEq for dyn Filter {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// Channels unchanged but for `added`.
fn plus(added: [f64; 3]) -> Pass {
    let [r, g, b] = added;
    Pass::ColorMatrix([[1.0, 0.0, 0.0, r], [0.0, 1.0, 0.0, g], [0.0, 0.0, 1.0, b]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_names_are_unique() {
        for filter in FILTERS {
            assert_eq!(FILTERS.iter().filter(|it| it.name() == filter.name()).count(), 1, "{filter:?}");
        }
    }
}
