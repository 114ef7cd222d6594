//! Named filters, and what they are made of: a filter is a recipe, a pass is a machine.
//!
//! In: one file for each filter, and the order in which an element's effects happen (rendering.md §4).
//! Not in: pixels; a painter runs the passes. Imports: `scene`.
//!
//! A new filter is a file and a line in [`FILTERS`].

mod black;
mod brightness;
mod cold;
mod contrast;
mod grayscale;
mod highlights;
mod natural;
mod saturation;
mod sepia;
mod shadows;
mod temperature;
mod vibrance;
mod warm;
mod white;

use std::fmt;

use super::props::Effects;
use crate::scene::Pass;
use crate::units::DeviceSize;

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

impl Effects {
    /// What these effects do to a picture of `size`: blur, brightness, sepia, grayscale, then the filters as written.
    pub fn passes(&self, size: DeviceSize) -> Vec<Pass> {
        let blur = self.blur_enabled.then(|| Pass::Blur { radius: blur_radius(self.blur_radius, size) });
        let blur = blur.filter(|pass| *pass != Pass::Blur { radius: 0 });
        blur.into_iter().chain(self.recolor()).collect()
    }

    /// All but the blur: what these effects do to colours, whatever the size.
    pub fn recolor(&self) -> Vec<Pass> {
        let bright = (self.brightness_enabled && self.brightness != 0.0).then(|| brightness::pass(self.brightness));
        let sepia = self.sepia_enabled.then(sepia::pass);
        let grayscale = self.grayscale_enabled.then(grayscale::pass);
        let classic = [bright, sepia, grayscale].into_iter().flatten();
        classic
            .chain(self.filters.iter().filter(|it| it.intensity != 0.0).map(|it| it.kind.pass(it.intensity)))
            .collect()
    }

    /// True when a picture comes out of these effects as it was. (A blur may still be too small to change one.)
    pub fn leave_pixels_alone(&self) -> bool {
        // Of the largest picture there is: every blur counts.
        self.passes(DeviceSize { width: u32::MAX, height: u32::MAX }).is_empty()
    }
}

/// In picture px: thousandths of the shorter side, half up (rendering.md §4.2).
///
/// At most the shorter side: from there on hardly more than the repeated edges would come in.
fn blur_radius(thousandths: f64, size: DeviceSize) -> u32 {
    let side = f64::from(size.width.min(size.height));
    (thousandths * side / 1000.0 + 0.5).floor().clamp(0.0, side) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radius(width: u32, height: u32, blur: f64) -> u32 {
        blur_radius(blur, DeviceSize { width, height })
    }

    #[test]
    fn blur_radius_follows_the_shorter_side() {
        // rendering.md §4.2
        assert_eq!([3.0, 5.0, 10.0, 20.0, 40.0].map(|blur| radius(200, 100, blur)), [0, 1, 1, 2, 4]);
        assert_eq!([10.0, 40.0].map(|blur| radius(400, 400, blur)), [4, 16]);
        assert_eq!([10.0, 40.0].map(|blur| radius(800, 200, blur)), [2, 8]);
        assert_eq!([40.0, 1e30].map(|blur| radius(50, 50, blur)), [2, 50]);
    }

    #[test]
    fn filter_names_are_unique() {
        for filter in FILTERS {
            assert_eq!(FILTERS.iter().filter(|it| it.name() == filter.name()).count(), 1, "{filter:?}");
        }
    }
}
