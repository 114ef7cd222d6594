//! Polygons cut to the neighbourhood of a surface, because painters compute in single precision.

use kurbo::{Affine, BezPath, PathEl, Point, Rect, StrokeOpts};
use peniko::Fill;

use crate::scene::{Paint, Path};

/// Maximum absolute coordinate of polygons that are cut, in px. Beyond it, double precision cannot represent fractions
/// of a px.
const MAX_COORDINATE: f64 = 1e12;

/// Maximum error of the round joins of a stroke, in units of its outline.
const TOLERANCE: f64 = 0.1;

/// Returns the areas of the fill and the stroke of `path` in px, cut to `near`, for paths that are too large to be
/// painted unchanged.
///
/// `transform` maps the path to px. `None` when the areas cannot be computed exactly: for curves, for dashes, and for
/// coordinates beyond 10¹² px.
pub(super) fn parts_near(path: &Path, transform: Affine, near: Rect) -> Option<Vec<Path>> {
    let is_polygon = !path.outline.elements().iter().any(|it| matches!(it, PathEl::QuadTo(..) | PathEl::CurveTo(..)));
    let part = |outline: &BezPath, rule: Fill, paint: &Paint| {
        let outline = transform * outline;
        let in_range =
            |it: &PathEl| it.end_point().is_none_or(|at| at.x.abs() < MAX_COORDINATE && at.y.abs() < MAX_COORDINATE);
        let paint = Paint { brush: paint.brush.clone(), transform: transform * paint.transform };
        let all_in_range = outline.elements().iter().all(in_range);
        all_in_range.then(|| Path { outline: cut(&outline, near), fill: Some((paint, rule)), stroke: None })
    };
    let fill = path.fill.as_ref().map(|(paint, rule)| part(&path.outline, *rule, paint));
    let stroke = path.stroke.as_ref().filter(|(_, stroke)| stroke.width > 0.0).map(|(paint, stroke)| {
        let is_solid = stroke.dash_pattern.is_empty();
        let area = is_solid.then(|| kurbo::stroke(path.outline.iter(), stroke, &StrokeOpts::default(), TOLERANCE))?;
        part(&area, Fill::NonZero, paint)
    });
    fill.into_iter().chain(stroke).collect::<Option<_>>().filter(|_| is_polygon)
}

/// Returns `polygons` with the parts outside of `near` projected onto its sides. Inside, coverage and winding numbers
/// are unchanged.
pub(super) fn cut(polygons: &BezPath, near: Rect) -> BezPath {
    let project = |p: Point| Point::new(p.x.clamp(near.x0, near.x1), p.y.clamp(near.y0, near.y1));
    let mut out = BezPath::with_capacity(polygons.elements().len());
    let (mut first, mut last) = (Point::ZERO, Point::ZERO);
    let line = |from: Point, to: Point, out: &mut BezPath| {
        // The projected line has a bend where the original crosses a side.
        let crossing =
            |from: f64, to: f64, side: f64| Some((side - from) / (to - from)).filter(|t| *t > 0.0 && *t < 1.0);
        let mut bends = [
            crossing(from.x, to.x, near.x0),
            crossing(from.x, to.x, near.x1),
            crossing(from.y, to.y, near.y0),
            crossing(from.y, to.y, near.y1),
        ];
        bends.sort_by(|a, b| a.unwrap_or(2.0).total_cmp(&b.unwrap_or(2.0)));
        bends.into_iter().flatten().for_each(|t| out.line_to(project(from.lerp(to, t))));
        out.line_to(project(to));
    };
    // The implicit closing line of an open polygon is projected too.
    let close = |first: Point, last: Point, out: &mut BezPath| {
        if last != first {
            line(last, first, out);
        }
    };
    for element in polygons.elements() {
        match *element {
            PathEl::MoveTo(to) => {
                close(first, last, &mut out);
                out.move_to(project(to));
                (first, last) = (to, to);
            }
            PathEl::LineTo(to) | PathEl::QuadTo(_, to) | PathEl::CurveTo(_, _, to) => {
                line(last, to, &mut out);
                last = to;
            }
            PathEl::ClosePath => {
                line(last, first, &mut out);
                out.close_path();
                last = first;
            }
        }
    }
    close(first, last, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use kurbo::{Shape as _, Stroke};
    use peniko::Color;

    use super::*;

    #[test]
    fn parts_of_far_outlines_are_their_areas_near_a_surface() {
        let near = Rect::new(0.0, 0.0, 100.0, 100.0);
        let band = Rect::new(-1e9, 20.0, 1e9, 60.0).to_path(0.1);
        let path = Path {
            fill: Some((Paint::from(Color::BLACK), Fill::NonZero)),
            stroke: Some((Paint::from(Color::WHITE), Stroke::new(4.0))),
            outline: band,
        };
        let parts = parts_near(&path, Affine::translate((0.0, 10.0)), near).expect("polygons");
        let [fill, stroke] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!(fill.outline.bounding_box(), Rect::new(0.0, 30.0, 100.0, 70.0));
        assert_eq!([29.0, 33.0].map(|y| stroke.outline.winding(Point::new(50.0, y)) != 0), [true, false]);
        let far = Affine::scale(1e9);
        assert!(parts_near(&path, far, near).is_none(), "too far");
        let dashed = Stroke::new(4.0).with_dashes(0.0, [1.0, 1.0]);
        let dashed = Path { stroke: Some((Paint::from(Color::WHITE), dashed)), ..path.clone() };
        assert!(parts_near(&dashed, Affine::IDENTITY, near).is_none(), "dashes");
        let round = Path { outline: kurbo::Circle::new((0.0, 0.0), 1e9).to_path(0.1), ..path };
        assert!(parts_near(&round, Affine::IDENTITY, near).is_none(), "curves");
    }

    #[test]
    fn outlines_are_cut_without_changing_what_is_inside() {
        let near = Rect::new(0.0, 0.0, 100.0, 100.0);
        for svg in [
            "M-500 50 L50 -700 L900 40 L60 1000 Z",
            "M-9000 -9000 L9000 9000 L9000 -9000 Z",
            "M20 20 L80 20 L80 80 Z",
            "M-50 -50 L150 -50 L150 150 L-50 150 Z M20 20 L20 80 L80 80 L80 20 Z",
        ] {
            let path = BezPath::from_svg(svg).expect("a path");
            let cut = cut(&path, near);
            assert!(near.contains_rect(cut.control_box()), "{svg}: {:?}", cut.control_box());
            for (x, y) in [(5.0, 5.0), (50.0, 50.0), (50.5, 49.0), (95.0, 10.0), (10.0, 95.0), (70.0, 30.0)] {
                let at = Point::new(x, y);
                assert_eq!(cut.winding(at), path.winding(at), "{svg} at {at:?}");
            }
        }
    }

    #[test]
    fn open_outlines_are_cut_as_if_they_were_closed() {
        let near = Rect::new(0.0, 0.0, 100.0, 100.0);
        let cut_of = |svg: &str| cut(&BezPath::from_svg(svg).expect("a path"), near);
        // `svg-without-size` of the reference corpus fills a line, which is a wedge unless the closing line is
        // projected.
        assert!(cut_of("M10 5 L700 1100").area().abs() < 1e-9);
        for open in ["M20 20 L900 400 L20 80", "M-50 30 L400 -700 L60 900"] {
            let closed = BezPath::from_svg(&format!("{open} Z")).expect("a path");
            for (x, y) in [(5.0, 5.0), (50.0, 50.0), (30.0, 40.0), (95.0, 60.0), (10.0, 95.0), (70.0, 30.0)] {
                let at = Point::new(x, y);
                assert_eq!(cut_of(open).winding(at), closed.winding(at), "{open} at {at:?}");
            }
        }
    }
}
