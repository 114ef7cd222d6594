//! Construction of paths on the grid from the notations of the shape table.

use std::f64::consts::TAU;

use kurbo::{Affine, BezPath, PathEl, Point, Shape as _, Vec2};

use super::notation::{Edges, GRID};

/// Radius on which tips and corners lie, about the centre of the grid.
const RADIUS: f64 = GRID / 2.0;

/// A path from SVG path data, with arcs approximated to 0.1 grid units, a ten-thousandth of the box.
pub(super) fn path(data: &str) -> BezPath {
    BezPath::from_svg(data).expect("our own tables hold valid path data: outline_of_every_subtype_is_one_closed_path")
}

/// The closed polygon through `corners`.
pub(super) fn polygon(corners: impl IntoIterator<Item = impl Into<Point>>) -> BezPath {
    let mut path = BezPath::new();
    for corner in corners {
        if path.elements().is_empty() {
            path.move_to(corner);
        } else {
            path.line_to(corner);
        }
    }
    path.close_path();
    path
}

/// A star with `tips` tips and as many notches on the radius `notch`, clockwise from the tip at the top.
pub(super) fn star(tips: u32, notch: f64) -> BezPath {
    polygon((0..2 * tips).map(|i| on_circle(if i % 2 == 0 { RADIUS } else { notch }, i, 2 * tips)))
}

/// A regular polygon, clockwise from the corner at the top.
pub(super) fn regular_polygon(corners: u32) -> BezPath {
    polygon((0..corners).map(|i| on_circle(RADIUS, i, corners)))
}

/// The point after `step` of `steps` equal steps clockwise from the top of a circle about the centre.
fn on_circle(radius: f64, step: u32, steps: u32) -> Point {
    let angle = TAU * f64::from(step) / f64::from(steps);
    Point::new(RADIUS, RADIUS) + radius * Vec2::new(angle.sin(), -angle.cos())
}

/// `sector` runs clockwise about the origin, from its start to where the next one, turned by 360°/`times`, begins.
/// The whole is stretched so that it touches all four `within` edges.
pub(super) fn rotated(sector: &str, times: u32, (left, top, right, bottom): Edges) -> BezPath {
    let sector = path(sector);
    let mut whole = BezPath::new();
    for i in 0..times {
        let turn = Affine::rotate(TAU * f64::from(i) / f64::from(times));
        let skip_move = usize::from(i > 0);
        whole.extend(sector.elements().iter().skip(skip_move).map(|&element| turn * element));
    }
    whole.close_path();
    let bounds = whole.bounding_box();
    let to_origin = Affine::translate(-bounds.origin().to_vec2());
    let stretch = Affine::scale_non_uniform((right - left) / bounds.width(), (bottom - top) / bounds.height());
    Affine::translate((left, top)) * stretch * to_origin * whole
}

/// The closed uniform cubic B-spline of `controls`, with one Bézier curve each and continuous second derivatives.
pub(super) fn closed_spline(controls: &[(i16, i16)]) -> BezPath {
    let count = controls.len();
    let control = |i: usize| {
        let (x, y) = controls[i % count];
        Vec2::new(x.into(), y.into())
    };
    // The point where the curves before and after control `i` meet.
    let joint = |i: usize| ((control(i + count - 1) + 4.0 * control(i) + control(i + 1)) / 6.0).to_point();
    let mut path = BezPath::from_vec(vec![PathEl::MoveTo(joint(0))]);
    for i in 0..count {
        let (from, to) = (control(i), control(i + 1));
        path.curve_to(((2.0 * from + to) / 3.0).to_point(), ((from + 2.0 * to) / 3.0).to_point(), joint(i + 1));
    }
    path.close_path();
    path
}
