//! Comparison of one in N pages of the GPUs with the CPU painter's picture (`TENTER_GPU_CHECK`).

use std::sync::atomic::{AtomicU64, Ordering};

use super::encoded_page::PaintRequest;
use crate::paint::cpu::CpuPainter;
use crate::paint::error::PaintError;
use crate::paint::rasterizer::Painted;
use crate::raster::{Raster, Straight};

/// Maximum difference of a channel, in levels of 255, that cannot be seen side by side.
const MAX_INVISIBLE_DIFFERENCE: u8 = 8;
/// Maximum share of px that may differ visibly. vello and vello_cpu round coverage and colours in different places: on
/// the templates at half size, up to 0.12 % of the px differ visibly, by up to 13 levels. In a page that is blank or
/// incomplete, whole areas differ.
const MAX_VISIBLE_SHARE: f64 = 0.02;
/// Maximum length of the plan's description in the log, in characters.
const MAX_LOGGED_CHARS: usize = 16_384;

/// Schedule of the comparisons and counts of their results.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// One page in this many is compared; 0 disables the comparison.
    every: u64,
    seen: AtomicU64,
    pub(super) checked: AtomicU64,
    pub(super) differing: AtomicU64,
}

impl Check {
    pub(super) fn new(every: u64) -> Self {
        Self { every, ..Self::default() }
    }

    /// Counts a page. Returns true for the first page and then for one in N.
    pub(super) fn is_due(&self) -> bool {
        self.every > 0 && self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every)
    }

    /// Returns `painted`, or the CPU's picture when the two differ too much.
    ///
    /// # Errors
    /// As the CPU painter, except that `painted` is returned when the caller has left.
    pub(super) fn compare(
        &self,
        request: &PaintRequest,
        painted: Painted,
        cpu: &CpuPainter,
    ) -> Result<Painted, PaintError> {
        let expected = match cpu.paint(&request.plan, None, &|| request.sender.is_closed()) {
            Ok(expected) => expected,
            Err(PaintError::Abandoned) => return Ok(painted),
            Err(error) => return Err(error),
        };
        self.checked.fetch_add(1, Ordering::Relaxed);
        let share = visible_share(&expected.raster, &painted.raster);
        if share <= MAX_VISIBLE_SHARE {
            return Ok(painted);
        }
        self.differing.fetch_add(1, Ordering::Relaxed);
        let plan: String = request.plan.dump().chars().take(MAX_LOGGED_CHARS).collect();
        tracing::error!(gpu = painted.by, percent = share * 100.0, plan, "the GPU's page differs from the CPU's");
        Ok(expected)
    }
}

/// Share of px, `0.0..=1.0`, of which a premultiplied channel differs by more than [`MAX_INVISIBLE_DIFFERENCE`] levels.
///
/// 1 when the sizes differ.
pub(super) fn visible_share(expected: &Raster<Straight>, found: &Raster<Straight>) -> f64 {
    if expected.size() != found.size() {
        return 1.0;
    }
    let premultiply = |pixel: &[u8]| {
        let alpha = u32::from(pixel[3]);
        let premultiplied = |at: usize| ((u32::from(pixel[at]) * alpha + 127) / 255) as u8;
        [premultiplied(0), premultiplied(1), premultiplied(2), pixel[3]]
    };
    let differs = |(a, b): (&[u8], &[u8])| {
        premultiply(a).into_iter().zip(premultiply(b)).any(|(a, b)| a.abs_diff(b) > MAX_INVISIBLE_DIFFERENCE)
    };
    let pixels = expected.pixels().chunks_exact(4).zip(found.pixels().chunks_exact(4));
    let differing = pixels.filter(|pair| differs(*pair)).count();
    differing as f64 / (expected.size().pixels().max(1)) as f64
}

#[cfg(test)]
mod tests {
    use kurbo::{Insets, Rect, Shape as _, Size};
    use peniko::{Color, Gradient};
    use tokio::sync::oneshot;

    use super::*;
    use crate::config::PaintSettings;
    use crate::paint::cpu::CpuRasterizer;
    use crate::paint::limits::SurfaceLimits;
    use crate::paint::plan::FramePlan;
    use crate::paint::planner::plan;
    use crate::scene::{Group, Node, Page, Path};
    use crate::units::{DeviceScale, DeviceSize};

    /// A page filled with a gradient between two colours at these offsets.
    fn gradient_page(first: f32, last: f32) -> FramePlan {
        let (size, colors) = (Size::new(200.0, 40.0), [Color::from_rgb8(59, 83, 42), Color::from_rgb8(178, 154, 166)]);
        let gradient = Gradient::new_linear((0.0, 0.0), (size.width, 0.0))
            .with_stops([(first, colors[0]), (last, colors[1])].as_slice());
        let page = Rect::from_origin_size((0.0, 0.0), size).to_path(0.1);
        let root = Group { children: vec![Node::Path(Path::filled(page, gradient))], ..Group::default() };
        let page = Page { size, bleed: Insets::ZERO, root };
        plan(&page, DeviceScale::ONE, SurfaceLimits { side: 1000, megapixels: 1.0 }).expect("small")
    }

    /// vello takes the first stop of a gradient for one at 0. Before the painter added that stop, these were its pages.
    #[test]
    fn check_finds_gradients_that_start_too_early() {
        let cpu = CpuPainter::new(&PaintSettings::default());
        let check = Check::new(1);
        let (sender, _receiver) = oneshot::channel();
        let request = PaintRequest { plan: gradient_page(0.2, 0.94), prefix: None, sender };
        let painted = |first| {
            let painted = cpu.paint(&gradient_page(first, 0.94), None, &|| false).expect("painted");
            Painted { by: "gpu0", ..painted }
        };
        let answer = check.compare(&request, painted(0.2), &cpu).expect("painted");
        assert_eq!((answer.by, check.differing.load(Ordering::Relaxed)), ("gpu0", 0));
        let wrong = painted(0.0);
        let answer = check.compare(&request, painted(0.0), &cpu).expect("painted");
        assert_eq!((answer.by, check.differing.load(Ordering::Relaxed)), (CpuRasterizer::NAME, 1));
        assert_eq!(check.checked.load(Ordering::Relaxed), 2);
        // Most of the page was wrong, by up to 27 levels.
        let share = visible_share(&answer.raster, &wrong.raster);
        assert!(share > 0.5, "{share}");
    }

    #[test]
    fn check_is_due_once_in_n_pages() {
        let due = |every| {
            let check = Check::new(every);
            (0..6).map(|_| check.is_due()).collect::<Vec<_>>()
        };
        assert_eq!(due(0), [false; 6]);
        assert_eq!(due(1), [true; 6]);
        assert_eq!(due(3), [true, false, false, true, false, false]);
    }

    #[test]
    fn differences_count_only_when_visible() {
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
