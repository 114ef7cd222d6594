//! Named filters, each of which becomes one pixel pass of the scene (rendering.md §4).
//!
//! In: one file for each filter. Not in: the order of an element's effects (`effects`), pixels; a painter runs the
//! passes. Imports: `scene`.
//!
//! To add a filter, add a file and a line in [`FILTERS`].

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

/// A kind of filter that an element's `filters` may contain.
pub trait Filter: Sync {
    /// The filter's key in the JSON.
    fn name(&self) -> &'static str;

    /// True for presets, whose intensity is 0 to 1. That of other filters is −1 to 1.
    fn is_preset(&self) -> bool {
        false
    }

    /// The pass for `intensity`, which is within the filter's range; 0 has no effect.
    fn pass(&self, intensity: f64) -> Pass;
}

/// All filters of the editor (rendering.md §4.3).
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

/// The filter with that key.
pub fn named(name: &str) -> Option<&'static dyn Filter> {
    FILTERS.iter().find(|filter| filter.name() == name).copied()
}

impl fmt::Debug for dyn Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// Names are unique in `FILTERS`.
impl PartialEq for dyn Filter {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

/// A pass that adds a constant to each channel.
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
