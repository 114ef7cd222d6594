//! Strokes of at most one device px, drawn as by the editor's browser.
//!
//! Its software rasterizer, Skia, does not outline such strokes. It walks along the line and splits each column, or
//! each row of a steep line, between two pixels: in every direction the line is one px thick, measured along its minor
//! axis, and thinner lines have less opacity. `table-basic` of the reference corpus shows this. Reimplemented after
//! Skia's `SkDrawTreatAsHairline` and `SkScan_Antihair`.

use kurbo::{Affine, BezPath, PathEl, Point, Stroke, Vec2};

use super::transforms::max_scale;

/// Widths up to this much above one px count as one px, because scales are inexact products.
const WIDTH_TOLERANCE: f64 = 1e-6;
/// End points are truncated to this fraction of a px.
const STEPS_PER_PX: f64 = 64.0;
/// Maximum error of flattened curves, in device px.
const TOLERANCE: f64 = 0.05;

/// The area that replaces a thin stroke, and its coverage.
pub(super) struct Hairline {
    /// Area in device px, to be filled by the nonzero rule: one parallelogram per line segment.
    pub(super) area: BezPath,
    /// Opacity in `0.0..=1.0`: the width of the stroke in device px.
    pub(super) coverage: f64,
}

/// Returns the area of a stroke that is at most one device px wide; `None` for wider ones.
///
/// `transform` maps the outline's space to device px.
pub(super) fn hairline(outline: &BezPath, stroke: &Stroke, transform: Affine) -> Option<Hairline> {
    let [a, b, c, d, ..] = transform.as_coeffs();
    let (across, down) = (stroke.width * a.hypot(b), stroke.width * c.hypot(d));
    if across.max(down) > 1.0 + WIDTH_TOLERANCE {
        return None;
    }
    let mut area = BezPath::new();
    let mut line =
        |from: Point, to: Point| add_segment(&mut area, truncate(transform * from), truncate(transform * to));
    let scale = max_scale(transform).max(f64::MIN_POSITIVE);
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
    Some(Hairline { area, coverage: ((across + down) / 2.0).min(1.0) })
}

fn truncate(point: Point) -> Point {
    Point::new((point.x * STEPS_PER_PX).trunc() / STEPS_PER_PX, (point.y * STEPS_PER_PX).trunc() / STEPS_PER_PX)
}

/// Adds the parallelogram of one segment. All have the same orientation, so that overlapping ones do not cancel out.
fn add_segment(area: &mut BezPath, from: Point, to: Point) {
    let along = to - from;
    let half = if along.x.abs() > along.y.abs() { Vec2::new(0.0, 0.5) } else { Vec2::new(0.5, 0.0) };
    if along == Vec2::ZERO {
        return;
    }
    let (from, to) = if along.cross(half) > 0.0 { (from, to) } else { (to, from) };
    area.move_to(from - half);
    area.line_to(to - half);
    area.line_to(to + half);
    area.line_to(from + half);
    area.close_path();
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
        // A row of `table-basic`: 86.667 is truncated to 86 42/64, and the upper px gets 0.84 of the line.
        let found = of_line((20.0, 86.667), (140.0, 86.667), 1.0).expect("one px wide");
        assert_eq!(found.area.bounding_box(), Rect::new(20.0, 86.156_25, 140.0, 87.156_25));
        assert_eq!(found.coverage, 1.0);
    }

    #[test]
    fn hairline_is_one_px_thick_along_its_minor_axis() {
        let area = |to| of_line((0.0, 0.0), to, 1.0).expect("one px wide").area.area().abs();
        assert_eq!(area((10.0, 0.0)), 10.0);
        assert_eq!(area((10.0, 9.0)), 10.0);
        assert_eq!(area((-4.0, 10.0)), 10.0);
    }

    #[test]
    fn hairline_coverage_is_the_width_up_to_one_px() {
        assert_eq!(of_line((0.0, 0.0), (9.0, 0.0), 0.25).map(|it| it.coverage), Some(0.25));
        assert!(of_line((0.0, 0.0), (9.0, 0.0), 1.1).is_none());
    }

    #[test]
    fn hairline_keeps_the_dashes() {
        let stroke = Stroke::new(1.0).with_dashes(0.0, [3.0, 1.0]);
        let line = Line::new((0.0, 5.0), (8.0, 5.0)).to_path(0.1);
        let found = hairline(&line, &stroke, Affine::IDENTITY).expect("one px wide");
        assert_eq!(found.area.area().abs(), 6.0);
    }
}
