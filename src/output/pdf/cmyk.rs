//! Implements the CMYK conversion of vector pages with an output profile.

use crate::options::BlackText;
use crate::paint::pdf::{CmykConverter, ColorUse};
use crate::print::PrintTarget;

/// Full black ink and no other.
const BLACK: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

impl CmykConverter for PrintTarget {
    fn color(&self, rgb: [f32; 3], purpose: ColorUse) -> [f32; 4] {
        match (purpose, self.black_text) {
            (ColorUse::Text, BlackText::BlackInk) if rgb == [0.0; 3] => BLACK,
            _ => self.profile.color(rgb),
        }
    }

    fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        self.profile.pixels(rgb)
    }
}
