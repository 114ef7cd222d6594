//! Upright edges between whole pixels, leaned by amounts that cannot be seen, so that vello measures their coverage exactly.
//!
//! vello 0.11 (`fill_path` of `fine.wgsl`) divides by the width that an edge has within a row of pixels, and makes the
//! width of an upright edge 0.000 001 px. What single precision loses there is up to 6 % of the coverage, 13 levels. An edge that
//! moves by 1/8192 px a row or more is measured to a tenth of a level, so upright edges go to and fro by 1/512 px.

use kurbo::{BezPath, PathEl, Point};

/// How far an edge leaves its place, in px: half a level of 256.
const SWING: f64 = 1.0 / 512.0;
/// Rows from one side of the swing to the other. Shared by all edges, so that those of neighbours stay together.
const ROWS: f64 = 32.0;
/// Edges longer than this, in px, stay: they reach far out of every surface.
const LONGEST: f64 = 65_536.0;
/// Edges that lie nearer to whole pixels, in px, are measured well enough.
const WHOLE: f64 = 1.0 / 256.0;

/// `path`, in px, with its upright edges leaned. Subpaths are closed, since they are filled.
pub(super) fn lean(path: &BezPath) -> BezPath {
    let mut leaned = BezPath::with_capacity(path.elements().len() * 2);
    let (mut first, mut last) = (Point::ZERO, Point::ZERO);
    for element in path.elements() {
        match *element {
            PathEl::MoveTo(to) => {
                line(last, first, &mut leaned);
                leaned.move_to(to);
                (first, last) = (to, to);
            }
            PathEl::LineTo(to) => {
                line(last, to, &mut leaned);
                last = to;
            }
            PathEl::QuadTo(control, to) => {
                leaned.quad_to(control, to);
                last = to;
            }
            PathEl::CurveTo(one, two, to) => {
                leaned.curve_to(one, two, to);
                last = to;
            }
            PathEl::ClosePath => {
                line(last, first, &mut leaned);
                leaned.close_path();
                last = first;
            }
        }
    }
    line(last, first, &mut leaned);
    leaned
}

/// Draws the line from `from`, where the path is, to `to`.
fn line(from: Point, to: Point, out: &mut BezPath) {
    if from == to {
        return;
    }
    if is_upright(from, to) {
        let (low, high) = (from.y.min(to.y), from.y.max(to.y));
        // Where the edge turns, between its ends.
        let turns = (low / ROWS).floor() as i64 + 1..=(high / ROWS).ceil() as i64 - 1;
        let mut lean = |y: f64| out.line_to(Point::new(from.x + swing(y), y));
        lean(from.y);
        if from.y < to.y {
            turns.for_each(|turn| lean(turn as f64 * ROWS));
        } else {
            turns.rev().for_each(|turn| lean(turn as f64 * ROWS));
        }
        lean(to.y);
    }
    out.line_to(to);
}

/// How far edges are from their place at `y`: a triangle wave.
fn swing(y: f64) -> f64 {
    let phase = (y / ROWS).rem_euclid(2.0);
    SWING * (2.0 * (1.0 - (phase - 1.0).abs()) - 1.0)
}

fn is_upright(from: Point, to: Point) -> bool {
    let fraction = from.x - from.x.floor();
    let height = (from.y - to.y).abs();
    (from.x - to.x).abs() < SWING / 2.0 && (WHOLE..1.0 - WHOLE).contains(&fraction) && height > 0.0 && height < LONGEST
}

#[cfg(test)]
mod tests {
    use kurbo::{Rect, Shape};

    use super::*;

    #[test]
    fn upright_edges_swing_around_their_place() {
        let leaned = lean(&Rect::new(0.25, 0.0, 8.0, 80.0).to_path(0.1));
        let left: Vec<Point> = leaned.elements().iter().filter_map(PathEl::end_point).filter(|at| at.x < 1.0).collect();
        let swung: Vec<_> = left.iter().map(|at| ((at.x - 0.25) * 512.0, at.y)).collect();
        let expected = [(0.0, 0.0), (0.0, 80.0), (0.0, 80.0), (-1.0, 64.0), (1.0, 32.0), (-1.0, 0.0), (0.0, 0.0)];
        assert_eq!(swung, expected);
    }

    #[test]
    fn edges_on_whole_pixels_and_other_lines_stay() {
        let whole = Rect::new(1.0, 0.5, 8.0, 80.5).to_path(0.1);
        assert_eq!(lean(&whole), whole);
        let slanted = BezPath::from_svg("M1.5 0 L2.5 50 L4.5 3 Z").expect("a path");
        assert_eq!(lean(&slanted), slanted);
    }

    #[test]
    fn open_subpaths_are_closed() {
        let open = BezPath::from_svg("M0.5 0 H9 V32 H0.5").expect("a path");
        let leaned = lean(&open);
        assert_eq!(leaned.elements().last(), Some(&PathEl::LineTo(Point::new(0.5, 0.0))));
        assert!((leaned.area() - open.area()).abs() < 0.1, "{leaned:?}");
    }
}
