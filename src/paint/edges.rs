//! Outlines flattened to polygons with the edges that Chromium's rasterizer gives them.
//!
//! The software rasterizer of Chromium (Skia, analytic anti-aliasing) puts the ends of every edge on quarters of a row
//! and draws curves as few straight lines. In small text that moves coverage by up to a quarter of a pixel, so the
//! painters get the same polygons, whose areas they then count exactly. After Skia's `SkAnalyticEdge` and `SkEdge`.

use kurbo::common::solve_quadratic;
use kurbo::{Affine, BezPath, CubicBez, ParamCurve, PathEl, PathSeg, Point, QuadBez};

/// Ends of edges are rounded to multiples of 1/4 of a row.
const ROW_PARTS: f64 = 4.0;
/// Inside a quadratic curve, steps this many rows high end on whole rows instead.
const TALL_STEP: f64 = 2.0;
/// The distance of a curve from its chord is measured in 1/256 px.
const MEASURE: f64 = 256.0;
/// Coordinates are clamped to this, in 1/256 px: sums of forty of them fit 64 bits, and the number of lines reaches its
/// maximum long before.
const MAX_MEASURE: f64 = 1e15;
/// A curve becomes at most `2^MAX_SHIFT` lines.
const MAX_SHIFT: u32 = 6;

/// Flattens `outline`, transformed to device px by `transform`, to polygons.
pub(super) fn polygons(outline: &BezPath, transform: Affine) -> BezPath {
    let mut out = BezPath::with_capacity(outline.elements().len());
    let mut points = Vec::new();
    let (mut start, mut last) = (Point::ZERO, Point::ZERO);
    for element in outline.elements() {
        match transform * *element {
            PathEl::MoveTo(to) => {
                out.move_to(on_quarter(to));
                (start, last) = (to, to);
            }
            PathEl::LineTo(to) => {
                out.line_to(on_quarter(to));
                last = to;
            }
            PathEl::QuadTo(control, to) => {
                let curve = QuadBez::new(last, control, to);
                let bend = (curve.p0.y - curve.p1.y) / (curve.p0.y - 2.0 * curve.p1.y + curve.p2.y);
                monotone(PathSeg::Quad(curve), &[bend], &mut points, &mut out);
                last = to;
            }
            PathEl::CurveTo(first, second, to) => {
                let curve = CubicBez::new(last, first, second, to);
                let (a, b, c) = (curve.p1.y - curve.p0.y, curve.p2.y - curve.p1.y, curve.p3.y - curve.p2.y);
                let turns = solve_quadratic(a, 2.0 * (b - a), a - 2.0 * b + c);
                monotone(PathSeg::Cubic(curve), &turns, &mut points, &mut out);
                last = to;
            }
            PathEl::ClosePath => {
                out.close_path();
                last = start;
            }
        }
    }
    out
}

/// Splits `curve` at its vertical extrema, then flattens each part from its top. `turns`: parameters of the extrema,
/// two at most. `points`: a buffer reused for the points of a part.
fn monotone(curve: PathSeg, turns: &[f64], points: &mut Vec<Point>, out: &mut BezPath) {
    let mut cuts = [1.0; 3];
    cuts.iter_mut().zip(turns.iter().filter(|t| **t > 0.0 && **t < 1.0)).for_each(|(cut, t)| *cut = *t);
    cuts.sort_by(f64::total_cmp);
    let mut from = 0.0;
    for to in cuts {
        if from == 1.0 {
            break;
        }
        let part = curve.subsegment(from..to);
        if part.start().y <= part.end().y {
            flatten_downwards(part, points);
            points.iter().for_each(|point| out.line_to(*point));
        } else {
            flatten_downwards(part.reverse(), points);
            points.iter().rev().skip(1).for_each(|point| out.line_to(*point));
            out.line_to(on_quarter(part.end()));
        }
        from = to;
    }
}

/// Replaces `points` with the flattened points of a curve that runs downwards, without its first point.
fn flatten_downwards(curve: PathSeg, points: &mut Vec<Point>) {
    let steps = 1u32 << line_count_log2(curve);
    let end = on_quarter(curve.end());
    let (mut before, mut point) = (curve.start(), on_quarter(curve.start()));
    points.clear();
    for step in 1..steps {
        let exact = curve.eval(f64::from(step) / f64::from(steps));
        let mut next = on_quarter(exact);
        if matches!(curve, PathSeg::Quad(_)) && exact.y - before.y >= TALL_STEP {
            // Back along the line from the point before, so that the slope stays.
            let slope = (exact.x - point.x) / (exact.y - point.y);
            let row = (exact.y + 0.5).floor().min(end.y);
            next = Point::new(exact.x - slope * (exact.y - row), row);
        }
        next.y = next.y.min(end.y);
        before = exact;
        // Horizontal steps are left out: the next line starts where this one did.
        if next.y > point.y {
            points.push(next);
            point = next;
        }
    }
    points.push(end);
}

/// Base 2 logarithm of the number of lines, from the distance of the curve's middle from its chord, which each doubling
/// divides by four.
fn line_count_log2(curve: PathSeg) -> u32 {
    let fixed = |value: f64| (value * MEASURE).clamp(-MAX_MEASURE, MAX_MEASURE) as i64;
    let (dx, dy, least) = match curve {
        PathSeg::Line(_) => return 0,
        PathSeg::Quad(curve) => {
            let off = |a: f64, b: f64, c: f64| (2 * fixed(b) - fixed(a) - fixed(c)) >> 2;
            (off(curve.p0.x, curve.p1.x, curve.p2.x), off(curve.p0.y, curve.p1.y, curve.p2.y), 0)
        }
        PathSeg::Cubic(curve) => {
            let off = |a: f64, b: f64, c: f64, d: f64| {
                let (a, b, c, d) = (fixed(a), fixed(b), fixed(c), fixed(d));
                let third = ((a * 8 - b * 15 + 6 * c + d) * 19) >> 9;
                let two_thirds = ((a + 6 * b - c * 15 + d * 8) * 19) >> 9;
                third.abs().max(two_thirds.abs())
            };
            let (p, q, r, s) = (curve.p0, curve.p1, curve.p2, curve.p3);
            (off(p.x, q.x, r.x, s.x), off(p.y, q.y, r.y, s.y), 1)
        }
    };
    let (dx, dy) = (dx.unsigned_abs(), dy.unsigned_abs());
    let distance = dx.max(dy) + dx.min(dy) / 2;
    let eighths = (distance + 16) >> 5;
    ((u64::BITS - eighths.leading_zeros()) / 2 + least).clamp(1, MAX_SHIFT)
}

fn on_quarter(point: Point) -> Point {
    Point::new(point.x, (point.y * ROW_PARTS + 0.5).floor() / ROW_PARTS)
}

#[cfg(test)]
mod tests {
    use kurbo::Shape;

    use super::*;

    fn polygons_of(svg: &str) -> String {
        polygons(&BezPath::from_svg(svg).expect("a path"), Affine::IDENTITY).to_svg()
    }

    #[test]
    fn edges_end_on_quarters_of_rows() {
        // The bar of an "e" that Chromium draws 1.25 px high, not 1.16.
        assert_eq!(polygons_of("M3.8 6.83 H9.7 V7.98 H3.8 Z"), "M3.8,6.75 L9.7,6.75 L9.7,8 L3.8,8 Z");
    }

    #[test]
    fn edges_of_small_curves_are_two_lines() {
        assert_eq!(polygons_of("M0 0 Q0 1 1 1"), "M0,0 L0.25,0.75 L1,1");
        // The same points for the reversed curve.
        assert_eq!(polygons_of("M1 1 Q0 1 0 0"), "M1,1 L0.25,0.75 L0,0");
        // Split at the top first.
        assert_eq!(polygons_of("M0 1 Q1 -1 2 1"), "M0,1 L0.5,0.25 L1,0 L1.5,0.25 L2,1");
    }

    #[test]
    fn edges_keep_the_area_of_large_curves() {
        for outline in [kurbo::Circle::new((200.0, 200.0), 150.0).to_path(1e-3), {
            let mut quads = BezPath::new();
            quads.move_to((10.0, 200.0));
            quads.quad_to((200.0, -150.0), (390.0, 200.0));
            quads.quad_to((200.0, 550.0), (10.0, 200.0));
            quads.close_path();
            quads
        }] {
            let polygons = polygons(&outline, Affine::IDENTITY);
            let off = (polygons.area() / outline.area() - 1.0).abs();
            assert!(off < 0.002, "{off}");
        }
    }

    #[test]
    fn edges_of_odd_curves_are_finite() {
        for svg in
            ["M0 0 Q1 0 2 0", "M0 0 C1 5 2 -5 3 0", "M0 0 C0 0 0 0 0 0 Z", "M0 0 Q0 1e6 1 0", "M0 0 C9 9 -9 9 0 0"]
        {
            let polygons = polygons(&BezPath::from_svg(svg).expect("a path"), Affine::IDENTITY);
            assert!(polygons.is_finite() && polygons.elements().len() < 300, "{svg}");
        }
    }

    #[test]
    fn edges_of_huge_coordinates_are_flattened_without_overflow() {
        // A stroke can reach beyond the outline whose coordinates were checked against limits.
        let mut path = BezPath::new();
        path.move_to((-1e308, 1e308));
        path.curve_to((1e308, -1e308), (-1e308, -1e308), (1e308, 1e308));
        path.quad_to((-1e308, f64::INFINITY), (f64::NAN, 0.0));
        assert!(polygons(&path, Affine::IDENTITY).elements().len() < 500);
    }
}
