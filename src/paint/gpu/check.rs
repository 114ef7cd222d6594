//! One in N pages of the GPUs is painted on the CPU as well and compared.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Order;
use crate::paint::cpu::CpuPainter;
use crate::paint::{PaintError, Painted};
use crate::raster::{Raster, Straight};

/// Differences of this many levels are not seen side by side.
const VISIBLE: u8 = 8;
/// Share of px beyond it that passes. vello rounds coverage and colours elsewhere than vello_cpu: on the templates at
/// half size, up to 0.12 % of the px differ visibly, by up to 13 levels. A page that is blank or incomplete differs in whole areas.
const MOST_SHARE: f64 = 0.02;
/// Characters of a plan's description in the log.
const MOST_DESCRIBED: usize = 16_384;

/// When to compare, and what came of it.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// One in this many; 0 for none.
    every: u64,
    seen: AtomicU64,
    pub(super) checked: AtomicU64,
    pub(super) differing: AtomicU64,
}

impl Check {
    pub(super) fn new(every: u64) -> Self {
        Self { every, ..Self::default() }
    }

    /// Counts a page; true for the first, and then for one in N.
    pub(super) fn is_due(&self) -> bool {
        self.every > 0 && self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every)
    }

    /// `painted`, or the CPU's picture when they differ too much.
    pub(super) fn compare(&self, order: &Order, painted: Painted, cpu: &CpuPainter) -> Result<Painted, PaintError> {
        let expected = match cpu.paint(&order.plan, &|| order.sender.is_closed()) {
            Ok(expected) => expected,
            Err(PaintError::Abandoned) => return Ok(painted),
            Err(error) => return Err(error),
        };
        self.checked.fetch_add(1, Ordering::Relaxed);
        let share = visible_share(&expected.raster, &painted.raster);
        if share <= MOST_SHARE {
            return Ok(painted);
        }
        self.differing.fetch_add(1, Ordering::Relaxed);
        let plan: String = order.plan.dump().chars().take(MOST_DESCRIBED).collect();
        tracing::error!(gpu = painted.by, percent = share * 100.0, plan, "the GPU's page differs from the CPU's");
        Ok(expected)
    }
}

/// Of px with a channel more than [`VISIBLE`] levels apart, premultiplied. 1 when the sizes differ.
pub(super) fn visible_share(expected: &Raster<Straight>, found: &Raster<Straight>) -> f64 {
    if expected.size() != found.size() {
        return 1.0;
    }
    let shown = |pixel: &[u8]| {
        let alpha = u32::from(pixel[3]);
        let premultiplied = |at: usize| ((u32::from(pixel[at]) * alpha + 127) / 255) as u8;
        [premultiplied(0), premultiplied(1), premultiplied(2), pixel[3]]
    };
    let differs = |(a, b): (&[u8], &[u8])| shown(a).into_iter().zip(shown(b)).any(|(a, b)| a.abs_diff(b) > VISIBLE);
    let pixels = expected.pixels().chunks_exact(4).zip(found.pixels().chunks_exact(4));
    let differing = pixels.filter(|pair| differs(*pair)).count();
    differing as f64 / (expected.size().pixels().max(1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::DeviceSize;

    #[test]
    fn check_is_due_once_in_so_many() {
        let due = |every| {
            let check = Check::new(every);
            (0..6).map(|_| check.is_due()).collect::<Vec<_>>()
        };
        assert_eq!(due(0), [false; 6]);
        assert_eq!(due(1), [true; 6]);
        assert_eq!(due(3), [true, false, false, true, false, false]);
    }

    #[test]
    fn differences_count_as_far_as_they_show() {
        let raster = |pixels: &[[u8; 4]]| {
            let size = DeviceSize { width: pixels.len() as u32, height: 1 };
            Raster::<Straight>::from_pixels(size, pixels.concat()).expect("as many bytes as pixels")
        };
        let expected = raster(&[[0, 0, 0, 255], [200, 0, 0, 1]]);
        assert_eq!(visible_share(&expected, &raster(&[[8, 0, 0, 255], [0, 0, 0, 0]])), 0.0);
        assert_eq!(visible_share(&expected, &raster(&[[9, 0, 0, 255], [0, 0, 0, 0]])), 0.5);
        assert_eq!(visible_share(&expected, &raster(&[[0, 0, 0, 255]])), 1.0);
    }
}
