//! Tilts vertical edges between whole pixels by invisible amounts, so that vello computes their coverage exactly.
//!
//! vello 0.11 (`fill_path` of `fine.wgsl`) divides by the width of an edge within a row of pixels, and uses 0.000 001
//! px for a vertical edge. Single precision loses up to 6 % of the coverage there, which is 13 levels. The coverage of
//! an edge that moves by 1/8192 px per row or more is exact to a tenth of a level, so vertical edges become zigzags
//! with an amplitude of 1/512 px.

use kurbo::{BezPath, PathEl, Point};

/// Maximum distance of a tilted edge from the original, in px: half a level of 256.
const AMPLITUDE: f64 = 1.0 / 512.0;
/// Number of rows from one turning point to the next. The zigzag depends on y only, so that adjacent edges stay joined.
const ROWS: f64 = 32.0;
/// Maximum length of an edge that is tilted, in px. Longer ones reach far out of every surface.
const MAX_LENGTH: f64 = 65_536.0;
/// Minimum distance from whole px of an edge that is tilted, in px. The coverage of nearer ones is exact enough.
const MIN_FRACTION: f64 = 1.0 / 256.0;

/// Returns `path`, which is in px and will be filled, with its vertical edges tilted.
pub(super) fn tilt_vertical_edges(path: &BezPath) -> BezPath {
    let mut tilted = BezPath::with_capacity(path.elements().len() * 2);
    let (mut first, mut last) = (Point::ZERO, Point::ZERO);
    for element in path.elements() {
        match *element {
            PathEl::MoveTo(to) => {
                close(last, first, &mut tilted);
                tilted.move_to(to);
                (first, last) = (to, to);
            }
            PathEl::LineTo(to) => {
                line(last, to, &mut tilted);
                last = to;
            }
            PathEl::QuadTo(control, to) => {
                tilted.quad_to(control, to);
                last = to;
            }
            PathEl::CurveTo(one, two, to) => {
                tilted.curve_to(one, two, to);
                last = to;
            }
            PathEl::ClosePath => {
                close(last, first, &mut tilted);
                tilted.close_path();
                last = first;
            }
        }
    }
    close(last, first, &mut tilted);
    tilted
}

/// Draws the line that closes a subpath, which filling adds implicitly, when it is vertical.
fn close(last: Point, first: Point, out: &mut BezPath) {
    if is_vertical(last, first) {
        line(last, first, out);
    }
}

/// Draws a line from `from`, the current point of `out`, to `to`.
fn line(from: Point, to: Point, out: &mut BezPath) {
    if from == to {
        return;
    }
    if is_vertical(from, to) {
        let (low, high) = (from.y.min(to.y), from.y.max(to.y));
        // Multiples of `ROWS` between the ends, where the edge turns.
        let turns = (low / ROWS).floor() as i64 + 1..=(high / ROWS).ceil() as i64 - 1;
        let mut line_to = |y: f64| out.line_to(Point::new(from.x + offset(y), y));
        line_to(from.y);
        if from.y < to.y {
            turns.for_each(|turn| line_to(turn as f64 * ROWS));
        } else {
            turns.rev().for_each(|turn| line_to(turn as f64 * ROWS));
        }
        line_to(to.y);
    }
    out.line_to(to);
}

/// Distance of tilted edges from the originals at `y`, in px: a triangle wave.
fn offset(y: f64) -> f64 {
    let phase = (y / ROWS).rem_euclid(2.0);
    AMPLITUDE * (2.0 * (1.0 - (phase - 1.0).abs()) - 1.0)
}

fn is_vertical(from: Point, to: Point) -> bool {
    let fraction = from.x - from.x.floor();
    let height = (from.y - to.y).abs();
    (from.x - to.x).abs() < AMPLITUDE / 2.0
        && (MIN_FRACTION..1.0 - MIN_FRACTION).contains(&fraction)
        && height > 0.0
        && height < MAX_LENGTH
}

#[cfg(test)]
mod tests {
    use kurbo::{Rect, Shape};

    use super::*;

    #[test]
    fn vertical_edges_become_zigzags_around_the_original() {
        let tilted = tilt_vertical_edges(&Rect::new(0.25, 0.0, 8.0, 80.0).to_path(0.1));
        let left: Vec<Point> = tilted.elements().iter().filter_map(PathEl::end_point).filter(|at| at.x < 1.0).collect();
        let offsets: Vec<_> = left.iter().map(|at| ((at.x - 0.25) * 512.0, at.y)).collect();
        let expected = [(0.0, 0.0), (0.0, 80.0), (0.0, 80.0), (-1.0, 64.0), (1.0, 32.0), (-1.0, 0.0), (0.0, 0.0)];
        assert_eq!(offsets, expected);
    }

    #[test]
    fn edges_on_whole_pixels_and_other_lines_are_unchanged() {
        let whole = Rect::new(1.0, 0.5, 8.0, 80.5).to_path(0.1);
        assert_eq!(tilt_vertical_edges(&whole), whole);
        let slanted = BezPath::from_svg("M1.5 0 L2.5 50 L4.5 3 Z").expect("a path");
        assert_eq!(tilt_vertical_edges(&slanted), slanted);
    }

    #[test]
    fn open_subpaths_are_closed() {
        let open = BezPath::from_svg("M0.5 0 H9 V32 H0.5").expect("a path");
        let tilted = tilt_vertical_edges(&open);
        assert_eq!(tilted.elements().last(), Some(&PathEl::LineTo(Point::new(0.5, 0.0))));
        assert!((tilted.area() - 8.5 * 32.0).abs() < 0.1, "{tilted:?}");
    }
}
