//! The latest shadows: a template casts the same ones on every page.
//!
//! A shadow depends on the alphas of what casts it, its blur and its colour, and is known by them. Alphas are hashed with
//! keys that are new in every process (SipHash), so that nobody can make two that are taken for each other.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use peniko::{Color, ImageAlphaType};
use vello_cpu::{PixelMetadata, Pixmap};

use super::passes;
use super::plan::Kernel;
use crate::kept::Shared;
use crate::units::DeviceSize;

/// One shadow may take this part of the cache.
const LARGEST_SHARE: usize = 2;
/// Alphas hashed at once.
const BLOCK: usize = 4096;

/// Makes shadows and keeps the latest, bounded in bytes.
pub(super) struct Shadows {
    hashes: RandomState,
    kept: Shared<Key, Arc<Pixmap>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
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

    /// The shadow of `source`, premultiplied RGBA8 of `size`; of the same size.
    pub(super) fn cast(&self, source: &[u8], size: DeviceSize, sigma: f64, color: Color) -> Arc<Pixmap> {
        let make = || {
            let pixels = passes::run(&Kernel::Shadow { sigma, color }, source, size);
            let metadata = PixelMetadata::new(ImageAlphaType::AlphaPremultiplied, true);
            Arc::new(Pixmap::from_parts(pixels, size.width as u16, size.height as u16, metadata))
        };
        if !self.kept.takes(source.len()) {
            return make();
        }
        let key = self.key(source, size, sigma, color);
        if let Some(known) = self.kept.get(&key) {
            return known;
        }
        let made = make();
        self.kept.put(key, made.clone(), source.len());
        made
    }

    fn key(&self, source: &[u8], size: DeviceSize, sigma: f64, color: Color) -> Key {
        let mut hasher = self.hashes.build_hasher();
        let mut alphas = [0; BLOCK];
        for block in source.chunks(BLOCK * 4) {
            let pixels = block.as_chunks::<4>().0;
            alphas.iter_mut().zip(pixels).for_each(|(alpha, pixel)| *alpha = pixel[3]);
            hasher.write(&alphas[..pixels.len()]);
        }
        let color = color.components.map(f32::to_bits);
        Key { alphas: hasher.finish(), size: (size.width, size.height), sigma: sigma.to_bits(), color }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: DeviceSize = DeviceSize { width: 32, height: 16 };

    fn source(alpha: u8) -> Vec<u8> {
        (0..SIZE.pixels()).flat_map(|at| [9, 9, 9, if at % 7 == 0 { alpha } else { 0 }]).collect()
    }

    #[test]
    fn shadows_known_and_new_are_the_same() {
        let shadows = Shadows::new(1 << 20);
        let first = shadows.cast(&source(200), SIZE, 3.0, Color::BLACK);
        let again = shadows.cast(&source(200), SIZE, 3.0, Color::BLACK);
        assert!(Arc::ptr_eq(&first, &again));
        let plain = passes::run(&Kernel::Shadow { sigma: 3.0, color: Color::BLACK }, &source(200), SIZE);
        assert_eq!(first.data_as_u8_slice(), plain);
        for (alpha, sigma, color) in [(201, 3.0, Color::BLACK), (200, 3.5, Color::BLACK), (200, 3.0, Color::WHITE)] {
            assert!(!Arc::ptr_eq(&first, &shadows.cast(&source(alpha), SIZE, sigma, color)));
        }
    }

    #[test]
    fn shadows_are_bounded() {
        let one = source(0).len();
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
