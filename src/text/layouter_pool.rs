//! A pool of idle layouters, so that the next request with the same fonts finds them opened and measured.
//!
//! Each page is laid out with a layouter that no other thread uses; the pool is locked twice per request.

use parking_lot::Mutex;

use super::families::FontSet;
use super::layout::Layouter;

/// Maximum number of idle layouters, because the list is searched linearly.
const MAX_IDLE: usize = 64;
/// Bytes counted for each layouter besides its fonts and texts, for buffers of the shaper and of parley.
const OVERHEAD_BYTES: usize = 256 << 10;

/// The idle layouters, bounded in bytes and ordered from least to most recently used.
#[derive(Default)]
pub struct LayouterPool {
    max_bytes: usize,
    idle: Mutex<Vec<Layouter>>,
}

impl std::fmt::Debug for LayouterPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Layouters({} bytes at most)", self.max_bytes)
    }
}

impl LayouterPool {
    /// Creates a pool of at most `max_bytes` (`TENTER_TEXT_CACHE_BYTES`); 0 disables it.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, idle: Mutex::default() }
    }

    /// Takes an idle layouter with these fonts, or creates one. Results do not depend on which of the two it is.
    pub fn take(&self, fonts: FontSet) -> Layouter {
        let known = {
            let mut idle = self.idle.lock();
            idle.iter().rposition(|it| it.fonts().is_same(&fonts)).map(|at| idle.remove(at))
        };
        known.unwrap_or_else(|| Layouter::new(fonts))
    }

    /// Returns a layouter to the pool, which drops the least recently used ones beyond its limits.
    pub fn give_back(&self, layouter: Layouter) {
        if layouter.is_oversized() || cost(&layouter) > self.max_bytes {
            return;
        }
        let mut idle = self.idle.lock();
        idle.push(layouter);
        let mut bytes: usize = idle.iter().map(cost).sum();
        let mut surplus = idle.len().saturating_sub(MAX_IDLE);
        while bytes > self.max_bytes && surplus < idle.len() {
            bytes -= cost(&idle[surplus]);
            surplus += 1;
        }
        let dropped: Vec<_> = idle.drain(..surplus).collect();
        drop(idle);
        // Freed outside the lock.
        drop(dropped);
    }
}

fn cost(layouter: &Layouter) -> usize {
    OVERHEAD_BYTES + layouter.fonts().design_bytes() + layouter.cached_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peniko::Blob;

    use super::super::{Face, FaceStyle, FontLibrary};
    use super::*;
    use crate::config::FontSettings;

    fn library() -> Arc<FontLibrary> {
        Arc::new(FontLibrary::new(&FontSettings::default()).expect("bundled fonts need no folder"))
    }

    fn fonts(library: &Arc<FontLibrary>, face: Option<&Blob<u8>>) -> FontSet {
        let mut fonts = FontSet::new(library.clone());
        if let Some(bytes) = face {
            fonts.declare("Own", Face::from_memory(bytes.clone(), 0, FaceStyle::REGULAR));
        }
        fonts
    }

    fn idle(layouters: &LayouterPool) -> usize {
        layouters.idle.lock().len()
    }

    #[test]
    fn layouters_are_reused_for_the_same_fonts_only() {
        let (library, layouters) = (library(), LayouterPool::new(64 << 20));
        let (one, other) = (Blob::from(vec![1u8; 1000]), Blob::from(vec![1u8; 1000]));
        layouters.give_back(layouters.take(fonts(&library, Some(&one))));
        assert_eq!(idle(&layouters), 1);
        let second = layouters.take(fonts(&library, Some(&other)));
        assert_eq!(idle(&layouters), 1, "equal bytes of another file may be another font");
        let third = layouters.take(fonts(&library, None));
        assert_eq!(idle(&layouters), 1);
        let first = layouters.take(fonts(&library, Some(&one)));
        assert_eq!(idle(&layouters), 0);
        let fourth = layouters.take(fonts(&library, Some(&one)));
        [first, second, third, fourth].into_iter().for_each(|it| layouters.give_back(it));
        assert_eq!(idle(&layouters), 4);
    }

    #[test]
    fn layouters_are_bounded_in_bytes() {
        let (library, layouters) = (library(), LayouterPool::new(10 << 20));
        for _ in 0..9 {
            let bytes = Blob::from(vec![0u8; 3 << 20]);
            layouters.give_back(layouters.take(fonts(&library, Some(&bytes))));
            assert!(layouters.idle.lock().iter().map(cost).sum::<usize>() <= 10 << 20);
        }
        assert_eq!(idle(&layouters), 3);
        layouters.give_back(layouters.take(fonts(&library, Some(&Blob::from(vec![0u8; 11 << 20])))));
        assert_eq!(idle(&layouters), 3, "too large to keep");
    }
}
