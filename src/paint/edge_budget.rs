//! Limits of the edges of a page, whose memory and time grow with their length as well as with their number.
//!
//! vello_cpu sorts one record of eight bytes for each square of 4 × 4 px that an edge crosses, for a whole outline at
//! once. A file of three megabytes describes 400 000 lines across a large page, which cross 600 million squares.

use kurbo::{Affine, BezPath, PathEl, Point, Rect, Stroke};

use super::error::{STROKE_SEGMENTS, TILE};
use super::transforms::max_scale;

/// Maximum number of segments of all outlines of a page. Each takes about 56 bytes in the scene, in the plan and as a
/// polygon. Detailed maps have a few hundred thousand.
const MAX_SEGMENTS: u64 = 4_000_000;
/// Maximum number of squares that the edges of one outline cross: 128 MB of records, and as much for sorting them.
const MAX_TILES: f64 = 16e6;
/// Measured cost of an edge in one square, relative to a px of a solid colour.
const TILE_COST: f64 = 100.0;

/// The edges of a page, counted while it is planned.
#[derive(Debug, Default)]
pub(super) struct EdgeBudget {
    segments: u64,
    tiles: f64,
}

/// A limit of [`EdgeBudget`] that an outline exceeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Excess {
    /// Segments of the page up to this outline, and the limit.
    Segments(u64, u64),
    /// Squares that the edges of this outline cross, and the limit.
    Tiles(f64, f64),
}

impl EdgeBudget {
    /// Counts a filled outline, or one that clips. `view`: the area in device px that is drawn.
    pub(super) fn add_area(&mut self, outline: &BezPath, transform: Affine, view: Rect) -> Result<(), Excess> {
        let segments = outline.elements().len() as u64;
        self.add(segments, || tiles(outline, transform, view))
    }

    /// Counts the area of a stroke.
    pub(super) fn add_stroke(
        &mut self,
        outline: &BezPath,
        stroke: &Stroke,
        transform: Affine,
        view: Rect,
    ) -> Result<(), Excess> {
        let segments = outline.elements().len() as u64;
        self.add(segments.saturating_mul(STROKE_SEGMENTS), || {
            let width = stroke.width * max_scale(transform);
            let view = view.inflate(width, width);
            // Both sides of the line, and for each join, cap and dash two lines as long as the stroke is wide.
            let across = 2.0 * width.min(view.width() + view.height()) / TILE;
            let ends = segments as f64 + dashes(outline, stroke);
            2.0 * tiles(outline, transform, view) + ends * across
        })
    }

    fn add(&mut self, segments: u64, tiles: impl FnOnce() -> f64) -> Result<(), Excess> {
        self.segments = self.segments.saturating_add(segments);
        if self.segments > MAX_SEGMENTS {
            return Err(Excess::Segments(self.segments, MAX_SEGMENTS));
        }
        let tiles = tiles();
        self.tiles += tiles;
        if tiles > MAX_TILES { Err(Excess::Tiles(tiles, MAX_TILES)) } else { Ok(()) }
    }

    /// Time for all edges so far, in px of a solid colour.
    pub(super) fn cost(&self) -> f64 {
        self.tiles * TILE_COST
    }
}

/// Upper bound of the number of squares in `view` that the edges of `outline` cross, each counted as often as it is
/// crossed. Curves count as their control polygons.
pub(super) fn tiles(outline: &BezPath, transform: Affine, view: Rect) -> f64 {
    let (mut first, mut last, mut total) = (Point::ZERO, Point::ZERO, 0.0);
    for element in outline.elements() {
        let mut to = |next: Point| {
            total += crossed(last, next, view);
            last = next;
        };
        match transform * *element {
            PathEl::MoveTo(point) => (first, last) = (point, point),
            PathEl::LineTo(point) => to(point),
            PathEl::QuadTo(control, point) => [control, point].into_iter().for_each(to),
            PathEl::CurveTo(one, two, point) => [one, two, point].into_iter().for_each(to),
            PathEl::ClosePath => to(first),
        }
    }
    total
}

/// Squares that a line crosses. Left and right of the view only the rows count.
fn crossed(from: Point, to: Point, view: Rect) -> f64 {
    let (top, bottom) = if from.y <= to.y { (from, to) } else { (to, from) };
    if bottom.y < view.y0 || top.y > view.y1 {
        return 0.0;
    }
    let height = bottom.y - top.y;
    let at = |y: f64| {
        let share = if height > 0.0 { (y - top.y) / height } else { 0.0 };
        (top.x + (bottom.x - top.x) * share).clamp(view.x0, view.x1)
    };
    let (y0, y1) = (top.y.max(view.y0), bottom.y.min(view.y1));
    let across =
        if height > 0.0 { at(y1) - at(y0) } else { to.x.clamp(view.x0, view.x1) - from.x.clamp(view.x0, view.x1) };
    (across.abs() + (y1 - y0)) / TILE + 1.0
}

/// Upper bound of the number of dashes of a stroke.
fn dashes(outline: &BezPath, stroke: &Stroke) -> f64 {
    let period: f64 = stroke.dash_pattern.iter().sum();
    if stroke.dash_pattern.is_empty() || period <= 0.0 {
        return 0.0;
    }
    let (mut last, mut length) = (Point::ZERO, 0.0);
    for element in outline.elements() {
        let mut to = |next: Point| {
            length += last.distance(next);
            last = next;
        };
        match *element {
            PathEl::MoveTo(point) => last = point,
            PathEl::LineTo(point) => to(point),
            PathEl::QuadTo(control, point) => [control, point].into_iter().for_each(to),
            PathEl::CurveTo(one, two, point) => [one, two, point].into_iter().for_each(to),
            PathEl::ClosePath => {}
        }
    }
    length / period * stroke.dash_pattern.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: Rect = Rect::new(0.0, 0.0, 100.0, 100.0);

    fn of_line(from: (f64, f64), to: (f64, f64)) -> f64 {
        crossed(from.into(), to.into(), VIEW)
    }

    #[test]
    fn edges_count_where_they_are_visible() {
        assert_eq!(of_line((0.0, 0.0), (100.0, 100.0)), 51.0);
        assert_eq!(of_line((-1000.0, -1000.0), (1000.0, 1000.0)), 51.0, "inside the view");
        assert_eq!(of_line((0.0, 50.0), (1e6, 50.0)), 26.0, "horizontal");
        assert_eq!(of_line((500.0, 0.0), (600.0, 100.0)), 26.0, "right of the view: rows");
        assert_eq!(of_line((0.0, -5.0), (100.0, -1.0)), 0.0, "above");
    }

    /// `count` lines across the view.
    fn zigzag(count: usize) -> BezPath {
        let mut path = BezPath::new();
        path.move_to((0.0, 0.0));
        (0..count).for_each(|at| path.line_to(if at % 2 == 0 { (100.0, 100.0) } else { (0.0, 0.0) }));
        path
    }

    #[test]
    fn budget_refuses_long_edges_and_many_segments() {
        let add = |path: &BezPath, scale: f64| {
            let view = Rect::new(0.0, 0.0, 100.0 * scale, 100.0 * scale);
            EdgeBudget::default().add_area(path, Affine::scale(scale), view)
        };
        assert_eq!(add(&zigzag(1000), 1.0), Ok(()));
        assert_eq!(add(&zigzag(1000), 100.0), Ok(()));
        assert!(matches!(add(&zigzag(4000), 100.0), Err(Excess::Tiles(found, MAX_TILES)) if found > 2e7));
        let mut budget = EdgeBudget::default();
        let (path, line) = (zigzag(400_000), Stroke::new(1.0));
        assert_eq!(budget.add_stroke(&path, &line, Affine::scale(1e-3), VIEW), Ok(()));
        assert_eq!(budget.add_stroke(&path, &line, Affine::scale(1e-3), VIEW), Ok(()));
        let too_many = Excess::Segments(4_800_012, MAX_SEGMENTS);
        assert_eq!(budget.add_stroke(&path, &line, Affine::scale(1e-3), VIEW), Err(too_many));
    }

    #[test]
    fn budget_counts_the_ends_of_dashes() {
        let mut line = BezPath::new();
        line.move_to((0.0, 0.0));
        line.line_to((50_000.0, 0.0));
        let dashed = |width: f64| Stroke::new(width).with_dashes(0.0, [0.5, 0.5]);
        let add = |width| EdgeBudget::default().add_stroke(&line, &dashed(width), Affine::IDENTITY, VIEW);
        assert_eq!(add(10.0), Ok(()));
        assert!(matches!(add(1000.0), Err(Excess::Tiles(..))));
    }
}
