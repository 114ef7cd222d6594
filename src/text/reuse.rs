//! Layouters at rest: the fonts of a request, opened and measured, wait for the next request with the same fonts.
//!
//! Whoever lays out holds a layouter of its own, so there is no lock on the way; the list is touched twice a request.

use std::sync::{Mutex, PoisonError};

use super::families::FontSet;
use super::layout::Layouter;

/// Kept at most: the list is searched from end to end.
const MOST_IDLE: usize = 64;
/// Counted for each besides its fonts and texts: tables of the shaper, lists of parley.
const OVERHEAD_BYTES: usize = 256 << 10;

/// Layouters that nobody uses, bounded in bytes, the latest used last.
#[derive(Default)]
pub struct Layouters {
    most_bytes: usize,
    idle: Mutex<Vec<Layouter>>,
}

impl std::fmt::Debug for Layouters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Layouters({} bytes at most)", self.most_bytes)
    }
}

impl Layouters {
    /// `most_bytes`: `TENTER_TEXT_CACHE_BYTES`; 0 keeps none.
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, idle: Mutex::default() }
    }

    /// One for these fonts: used before when there is one at rest, else new. What it lays out does not depend on that.
    pub fn take(&self, fonts: FontSet) -> Layouter {
        let known = {
            let mut idle = self.lock();
            idle.iter().rposition(|it| it.fonts().is_same(&fonts)).map(|at| idle.remove(at))
        };
        known.unwrap_or_else(|| Layouter::new(fonts))
    }

    /// For the next request. Those at rest for longest go when there is no room.
    pub fn give_back(&self, layouter: Layouter) {
        if layouter.is_swollen() || cost(&layouter) > self.most_bytes {
            return;
        }
        let mut idle = self.lock();
        idle.push(layouter);
        let mut bytes: usize = idle.iter().map(cost).sum();
        let mut surplus = idle.len().saturating_sub(MOST_IDLE);
        while bytes > self.most_bytes && surplus < idle.len() {
            bytes -= cost(&idle[surplus]);
            surplus += 1;
        }
        let dropped: Vec<_> = idle.drain(..surplus).collect();
        drop(idle);
        // Not while others wait for the list.
        drop(dropped);
    }

    /// A list of whole layouters is never half changed, so a poisoned lock guards nothing broken.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Layouter>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(layouter: &Layouter) -> usize {
    OVERHEAD_BYTES + layouter.fonts().design_bytes() + layouter.kept_bytes()
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

    fn idle(layouters: &Layouters) -> usize {
        layouters.lock().len()
    }

    #[test]
    fn layouters_are_reused_for_the_same_fonts_only() {
        let (library, layouters) = (library(), Layouters::new(64 << 20));
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
        let (library, layouters) = (library(), Layouters::new(10 << 20));
        for _ in 0..9 {
            let bytes = Blob::from(vec![0u8; 3 << 20]);
            layouters.give_back(layouters.take(fonts(&library, Some(&bytes))));
            assert!(layouters.lock().iter().map(cost).sum::<usize>() <= 10 << 20);
        }
        assert_eq!(idle(&layouters), 3);
        layouters.give_back(layouters.take(fonts(&library, Some(&Blob::from(vec![0u8; 11 << 20])))));
        assert_eq!(idle(&layouters), 3, "too large to keep");
    }
}
