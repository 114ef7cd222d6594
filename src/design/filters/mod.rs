//! Named filters, each of which becomes one pixel pass of the scene (rendering.md §4).
//!
//! In: the trait [`Filter`] and one file for each filter. Not in: the order of an element's effects (`effects`);
//! pixels, as a painter runs the passes. Imports: `scene`.
//!
//! To add a filter, add a file and a line in [`FILTERS`].

mod black;
pub(super) mod brightness;
mod cold;
mod contrast;
mod filter;
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

pub use self::filter::Filter;

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

/// The filter whose key in the JSON is `name`.
pub fn named(name: &str) -> Option<&'static dyn Filter> {
    FILTERS.iter().find(|filter| filter.name() == name).copied()
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
