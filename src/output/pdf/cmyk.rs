//! Implements the CMYK conversion of vector pages with an output profile and the inks that the design gives.

use std::sync::Arc;

use crate::inks::Inks;
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

/// Conversion of the colours of one design, of which some are given as inks.
pub(super) struct DesignColors {
    pub(super) target: PrintTarget,
    pub(super) inks: Arc<Inks>,
}

impl CmykConverter for DesignColors {
    fn color(&self, rgb: [f32; 3], purpose: ColorUse) -> [f32; 4] {
        self.inks.of(rgb).unwrap_or_else(|| self.target.color(rgb, purpose))
    }

    fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        self.target.pixels(rgb)
    }
}
