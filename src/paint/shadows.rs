//! Cache of shadows, which are the same on every page of a template.
//!
//! The key of a shadow is the alpha of its caster, its sigma and its colour. Alphas are hashed by SipHash with random
//! keys per process, so that a client cannot construct two casters with the same hash.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use peniko::Color;

use super::passes;
use super::plan::Kernel;
use super::surfaces::{Surface, VisibleArea};
use crate::cache::SharedLru;
use crate::units::DeviceSize;

/// A shadow may take at most the cache's bytes divided by this.
const MAX_ENTRY_DIVISOR: usize = 2;

/// Computes shadows and caches the most recently used ones, bounded in bytes.
pub(super) struct ShadowCache {
    hashes: RandomState,
    cache: SharedLru<ShadowKey, Surface>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ShadowKey {
    visible: Option<VisibleArea>,
    /// Hash of the alphas in the inked part.
    alphas: u64,
    size: (u32, u32),
    sigma: u64,
    color: [u32; 4],
}

impl ShadowCache {
    /// Creates a cache of at most `max_bytes` of pixels; 0 disables it.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { hashes: RandomState::new(), cache: SharedLru::new(max_bytes, MAX_ENTRY_DIVISOR) }
    }

    /// Returns the shadow of `source`. Both are of `size`.
    pub(super) fn get_or_compute(&self, source: &Surface, size: DeviceSize, sigma: f64, color: Color) -> Surface {
        let pixels = source.pixmap.data_as_u8_slice();
        let compute = || Surface::new(size, passes::run(&Kernel::Shadow { sigma, color }, pixels, size));
        if !self.cache.accepts(pixels.len()) {
            return compute();
        }
        let key = self.key(source, size, sigma, color);
        if let Some(cached) = self.cache.get(&key) {
            return cached;
        }
        let shadow = compute();
        self.cache.put(key, shadow.clone(), pixels.len());
        shadow
    }

    fn key(&self, source: &Surface, size: DeviceSize, sigma: f64, color: Color) -> ShadowKey {
        let mut hasher = self.hashes.build_hasher();
        let mut alphas = Vec::new();
        let pixels = source.pixmap.data_as_u8_slice();
        for line in source.visible.iter().flat_map(|area| area.lines(pixels, size.width as usize)) {
            alphas.clear();
            // The last of four bytes, written so that it compiles to wide instructions.
            alphas.extend(line.as_chunks::<4>().0.iter().map(|pixel| (u32::from_le_bytes(*pixel) >> 24) as u8));
            hasher.write(&alphas);
        }
        let color = color.components.map(f32::to_bits);
        let (visible, sigma) = (source.visible.clone(), sigma.to_bits());
        ShadowKey { visible, alphas: hasher.finish(), size: (size.width, size.height), sigma, color }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SIZE: DeviceSize = DeviceSize { width: 32, height: 16 };

    fn source(alpha: u8) -> Surface {
        let pixel = |at: u64| if at.is_multiple_of(7) { [alpha; 4] } else { [0; 4] };
        Surface::new(SIZE, (0..SIZE.pixels()).flat_map(pixel).collect())
    }

    #[test]
    fn shadows_from_the_cache_equal_new_ones() {
        let shadows = ShadowCache::new(1 << 20);
        let first = shadows.get_or_compute(&source(200), SIZE, 3.0, Color::BLACK);
        let again = shadows.get_or_compute(&source(200), SIZE, 3.0, Color::BLACK);
        assert!(Arc::ptr_eq(&first.pixmap, &again.pixmap));
        let source_pixels = source(200).pixmap;
        let kernel = Kernel::Shadow { sigma: 3.0, color: Color::BLACK };
        assert_eq!(first.pixmap.data_as_u8_slice(), passes::run(&kernel, source_pixels.data_as_u8_slice(), SIZE));
        for (alpha, sigma, color) in [(201, 3.0, Color::BLACK), (200, 3.5, Color::BLACK), (200, 3.0, Color::WHITE)] {
            assert!(!Arc::ptr_eq(&first.pixmap, &shadows.get_or_compute(&source(alpha), SIZE, sigma, color).pixmap));
        }
    }

    #[test]
    fn shadows_are_bounded() {
        let one = SIZE.pixels() as usize * 4;
        let shadows = ShadowCache::new(one * 3);
        for alpha in 0..20 {
            shadows.get_or_compute(&source(alpha), SIZE, 1.0, Color::BLACK);
            assert!(shadows.cache.bytes() <= one * 3 && shadows.cache.bytes() == shadows.cache.count() * one);
        }
        let none = ShadowCache::new(0);
        none.get_or_compute(&source(9), SIZE, 1.0, Color::BLACK);
        assert_eq!(none.cache.count(), 0);
    }
}
