//! The latest shadows: a template casts the same ones on every page.
//!
//! A shadow depends on the alphas of what casts it, its blur and its colour, and is known by them. Alphas are hashed with
//! keys that are new in every process (SipHash), so that nobody can make two that are taken for each other.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use peniko::Color;

use super::passes;
use super::plan::Kernel;
use super::surfaces::{Seen, Surface};
use crate::kept::Shared;
use crate::units::DeviceSize;

/// One shadow may take this part of the cache.
const LARGEST_SHARE: usize = 2;
/// Makes shadows and keeps the latest, bounded in bytes.
pub(super) struct Shadows {
    hashes: RandomState,
    kept: Shared<Key, Surface>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    seen: Option<Seen>,
    /// Of the part that is seen.
    alphas: u64,
    size: (u32, u32),
    sigma: u64,
    color: [u32; 4],
}

impl Shadows {
    /// `most_bytes`: of pixels kept; 0 keeps none.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { hashes: RandomState::new(), kept: Shared::new(most_bytes, LARGEST_SHARE) }
    }

    /// The shadow of `source`, which is of `size` as its shadow is.
    pub(super) fn cast(&self, source: &Surface, size: DeviceSize, sigma: f64, color: Color) -> Surface {
        let pixels = source.pixmap.data_as_u8_slice();
        let make = || Surface::new(size, passes::run(&Kernel::Shadow { sigma, color }, pixels, size));
        if !self.kept.takes(pixels.len()) {
            return make();
        }
        let key = self.key(source, size, sigma, color);
        if let Some(known) = self.kept.get(&key) {
            return known;
        }
        let made = make();
        self.kept.put(key, made.clone(), pixels.len());
        made
    }

    fn key(&self, source: &Surface, size: DeviceSize, sigma: f64, color: Color) -> Key {
        let mut hasher = self.hashes.build_hasher();
        let mut alphas = Vec::new();
        let pixels = source.pixmap.data_as_u8_slice();
        for line in source.seen.iter().flat_map(|seen| seen.lines(pixels, size.width as usize)) {
            alphas.clear();
            // The last of four bytes, taken in a way that becomes a few wide instructions.
            alphas.extend(line.as_chunks::<4>().0.iter().map(|pixel| (u32::from_le_bytes(*pixel) >> 24) as u8));
            hasher.write(&alphas);
        }
        let color = color.components.map(f32::to_bits);
        let (seen, sigma) = (source.seen.clone(), sigma.to_bits());
        Key { seen, alphas: hasher.finish(), size: (size.width, size.height), sigma, color }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SIZE: DeviceSize = DeviceSize { width: 32, height: 16 };

    fn source(alpha: u8) -> Surface {
        let pixel = |at: u64| if at % 7 == 0 { [alpha; 4] } else { [0; 4] };
        Surface::new(SIZE, (0..SIZE.pixels()).flat_map(pixel).collect())
    }

    #[test]
    fn shadows_known_and_new_are_the_same() {
        let shadows = Shadows::new(1 << 20);
        let first = shadows.cast(&source(200), SIZE, 3.0, Color::BLACK);
        let again = shadows.cast(&source(200), SIZE, 3.0, Color::BLACK);
        assert!(Arc::ptr_eq(&first.pixmap, &again.pixmap));
        let source_pixels = source(200).pixmap;
        let kernel = Kernel::Shadow { sigma: 3.0, color: Color::BLACK };
        assert_eq!(first.pixmap.data_as_u8_slice(), passes::run(&kernel, source_pixels.data_as_u8_slice(), SIZE));
        for (alpha, sigma, color) in [(201, 3.0, Color::BLACK), (200, 3.5, Color::BLACK), (200, 3.0, Color::WHITE)] {
            assert!(!Arc::ptr_eq(&first.pixmap, &shadows.cast(&source(alpha), SIZE, sigma, color).pixmap));
        }
    }

    #[test]
    fn shadows_are_bounded() {
        let one = SIZE.pixels() as usize * 4;
        let shadows = Shadows::new(one * 3);
        for alpha in 0..20 {
            shadows.cast(&source(alpha), SIZE, 1.0, Color::BLACK);
            assert!(shadows.kept.bytes() <= one * 3 && shadows.kept.bytes() == shadows.kept.count() * one);
        }
        let none = Shadows::new(0);
        none.cast(&source(9), SIZE, 1.0, Color::BLACK);
        assert_eq!(none.kept.count(), 0);
    }
}
