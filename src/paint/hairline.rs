//! Strokes of at most one device px, as the editor's browser draws them.
//!
//! Its software rasterizer (Skia) does not outline these but walks along the line and shares each column, or each row of
//! a steep line, between two pixels: the line is one px thick across its steeper axis, whatever its direction, and a
//! thinner one is a fainter one. `table-basic` of the reference corpus shows it. After Skia's `SkDrawTreatAsHairline` and
//! `SkScan_Antihair`, in our own words.

use kurbo::{Affine, BezPath, PathEl, Point, Stroke, Vec2};

/// Widths above one px by less than this are one px: scales are products of floating-point numbers.
const NOISE: f64 = 1e-6;
/// Ends lie on this part of a px, cut off, not rounded.
const PARTS: f64 = 64.0;
/// Curves are this close to true ones, device px.
const TOLERANCE: f64 = 0.05;

/// What to fill, nonzero and in device px, instead of outlining; and how opaque, 0 to 1.
pub(super) struct Hairline {
    /// A parallelogram for each piece.
    pub(super) pieces: BezPath,
    /// The width in device px.
    pub(super) coverage: f64,
}

/// `None` when the stroke is more than one device px wide in some direction. `transform`: from the outline's space.
pub(super) fn hairline(outline: &BezPath, stroke: &Stroke, transform: Affine) -> Option<Hairline> {
    let [a, b, c, d, ..] = transform.as_coeffs();
    let (across, down) = (stroke.width * a.hypot(b), stroke.width * c.hypot(d));
    if across.max(down) > 1.0 + NOISE {
        return None;
    }
    let mut pieces = BezPath::new();
    let mut line = |from: Point, to: Point| add(&mut pieces, on_part(transform * from), on_part(transform * to));
    let scale = a.hypot(b).max(c.hypot(d)).max(f64::MIN_POSITIVE);
    let (mut start, mut last) = (Point::ZERO, Point::ZERO);
    let mut walk = |element: PathEl| match element {
        PathEl::MoveTo(to) => (start, last) = (to, to),
        PathEl::LineTo(to) => {
            line(last, to);
            last = to;
        }
        PathEl::ClosePath => {
            line(last, start);
            last = start;
        }
        PathEl::QuadTo(..) | PathEl::CurveTo(..) => unreachable!("the outline was flattened"),
    };
    if stroke.dash_pattern.is_empty() {
        kurbo::flatten(outline.iter(), TOLERANCE / scale, &mut walk);
    } else {
        let dashes = kurbo::dash(outline.iter(), stroke.dash_offset, &stroke.dash_pattern);
        kurbo::flatten(dashes, TOLERANCE / scale, &mut walk);
    }
    Some(Hairline { pieces, coverage: ((across + down) / 2.0).min(1.0) })
}

fn on_part(point: Point) -> Point {
    Point::new((point.x * PARTS).trunc() / PARTS, (point.y * PARTS).trunc() / PARTS)
}

/// One piece, always in the same sense, so that overlapping ones do not cancel out.
fn add(pieces: &mut BezPath, from: Point, to: Point) {
    let along = to - from;
    let half = if along.x.abs() > along.y.abs() { Vec2::new(0.0, 0.5) } else { Vec2::new(0.5, 0.0) };
    if along == Vec2::ZERO {
        return;
    }
    let (from, to) = if along.cross(half) > 0.0 { (from, to) } else { (to, from) };
    pieces.move_to(from - half);
    pieces.line_to(to - half);
    pieces.line_to(to + half);
    pieces.line_to(from + half);
    pieces.close_path();
}

#[cfg(test)]
mod tests {
    use kurbo::{Line, Rect, Shape as _};

    use super::*;

    fn of_line(from: (f64, f64), to: (f64, f64), width: f64) -> Option<Hairline> {
        hairline(&Line::new(from, to).to_path(0.1), &Stroke::new(width), Affine::IDENTITY)
    }

    #[test]
    fn hairline_lies_on_sixty_fourths_of_a_px() {
        // A row of `table-basic`: 86.667 is cut to 86 42/64, and the upper px gets 0.84 of it.
        let found = of_line((20.0, 86.667), (140.0, 86.667), 1.0).expect("one px wide");
        assert_eq!(found.pieces.bounding_box(), Rect::new(20.0, 86.156_25, 140.0, 87.156_25));
        assert_eq!(found.coverage, 1.0);
    }

    #[test]
    fn hairline_is_one_px_thick_across_its_steeper_axis() {
        let area = |to| of_line((0.0, 0.0), to, 1.0).expect("one px wide").pieces.area().abs();
        assert_eq!(area((10.0, 0.0)), 10.0);
        assert_eq!(area((10.0, 9.0)), 10.0);
        assert_eq!(area((-4.0, 10.0)), 10.0);
    }

    #[test]
    fn hairline_is_fainter_when_thinner_and_none_when_thicker() {
        assert_eq!(of_line((0.0, 0.0), (9.0, 0.0), 0.25).map(|it| it.coverage), Some(0.25));
        assert!(of_line((0.0, 0.0), (9.0, 0.0), 1.1).is_none());
    }

    #[test]
    fn hairline_keeps_the_dashes() {
        let stroke = Stroke::new(1.0).with_dashes(0.0, [3.0, 1.0]);
        let line = Line::new((0.0, 5.0), (8.0, 5.0)).to_path(0.1);
        let found = hairline(&line, &stroke, Affine::IDENTITY).expect("one px wide");
        assert_eq!(found.pieces.area().abs(), 6.0);
    }
}
