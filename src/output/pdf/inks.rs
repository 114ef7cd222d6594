//! The press as the painter of vector pages wants it.

use crate::options::BlackText;
use crate::paint::pdf::{CmykConverter, ColorUse};
use crate::press::Inks;

/// Black ink alone.
const BLACK: [f32; 4] = [0.0, 0.0, 0.0, 1.0];

impl CmykConverter for Inks {
    fn color(&self, rgb: [f32; 3], purpose: ColorUse) -> [f32; 4] {
        match (purpose, self.black_text) {
            (ColorUse::Text, BlackText::BlackInk) if rgb == [0.0; 3] => BLACK,
            _ => self.press.color(rgb),
        }
    }

    fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        self.press.pixels(rgb)
    }
}
