//! The outlines of figures: 88 named shapes, each stretched to a box.
//!
//! In: shape names and their geometry (rendering.md §8.2) on a 1000 × 1000 grid.
//! Not in: JSON, colours, strokes. Imports kurbo only.
//!
//! The tables of the shapes are in `straight` (polygons), `curved` and `blobs`. To add a shape, add a row there.
//! `notation` says how a row describes an outline, and `construct` makes a path of it.

mod blobs;
mod construct;
mod curved;
mod notation;
mod straight;

use std::f64::consts::{FRAC_PI_2, TAU};

use kurbo::{Affine, Arc, BezPath, PathEl, Point, Rect, Size, Vec2};

use self::notation::{GRID, Shape, ShapeRow, ShapeTable, Units};

/// Maximum distance of Bézier curves from true arcs, as a fraction of the box: a twentieth of a pixel at 5000 px.
const ARC_TOLERANCE: f64 = 1e-5;

const TABLES: [ShapeTable; 3] = [straight::TABLE, curved::TABLE, blobs::TABLE];

/// All values of `subType`, table by table. Any other name is drawn as `rect`.
pub const SUBTYPES: &[&str] = &{
    let mut names = [""; straight::TABLE.len() + curved::TABLE.len() + blobs::TABLE.len()];
    let (mut table, mut row, mut at) = (0, 0, 0);
    while table < TABLES.len() {
        if row == TABLES[table].len() {
            (table, row) = (table + 1, 0);
        } else {
            names[at] = TABLES[table][row].0;
            (row, at) = (row + 1, at + 1);
        }
    }
    names
};

/// The closed outline of the figure `subtype` in a box from (0, 0) to `size`, clockwise except for `door` and `flag`.
/// Unknown names give that of `rect`.
///
/// `size`: design px; a side that is negative or not finite counts as 0.
/// `corner_radius`: design px, for `rect` only; at most half the shorter side is used, 0 and less mean sharp corners
/// (rendering.md §8.1).
///
/// The stroke of a figure lies inside: clip to this outline and stroke it with twice the width. Dashes start where the
/// outline starts: at the top left of `rect`, at three o'clock of `circle`, and mostly at the top of others.
pub fn outline(subtype: &str, size: Size, corner_radius: f64) -> BezPath {
    let side = |length: f64| if length.is_finite() { length.max(0.0) } else { 0.0 };
    let size = Size::new(side(size.width), side(size.height));
    let on_grid = match row(subtype).map_or(Shape::Rect, |(_, _, shape)| *shape) {
        Shape::Rect => return rounded_rect(size, corner_radius),
        Shape::Ellipse => return ellipse(size),
        Shape::Path(data) => construct::path(data),
        Shape::Star { tips, notch } => construct::star(tips, notch),
        Shape::RegularPolygon { corners } => construct::regular_polygon(corners),
        Shape::Rotated { sector, times, within } => construct::rotated(sector, times, within),
        Shape::Spline(controls) => construct::closed_spline(controls),
    };
    Affine::scale_non_uniform(size.width / GRID, size.height / GRID) * on_grid
}

/// Width and height of the outline of `subtype`, in the units of the outline. `None` for an outline in design px, which
/// has the size of its box: 14 of the names, and unknown ones.
pub fn natural_size(subtype: &str) -> Option<Size> {
    match row(subtype)? {
        (_, Units::DesignPx, _) => None,
        (_, Units::Natural(width, height), _) => Some(Size::new(f64::from(*width), f64::from(*height))),
    }
}

fn row(subtype: &str) -> Option<&'static ShapeRow> {
    TABLES.into_iter().flatten().find(|(name, ..)| *name == subtype)
}

/// A rectangle with circular corners, clockwise from the left end of the top edge.
fn rounded_rect(size: Size, corner_radius: f64) -> BezPath {
    let Rect { x1: width, y1: height, .. } = size.to_rect();
    let radius = corner_radius.max(0.0).min(width / 2.0).min(height / 2.0);
    if radius == 0.0 {
        return construct::polygon([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]);
    }
    let mut path = BezPath::from_vec(vec![PathEl::MoveTo(Point::new(radius, 0.0))]);
    let corners =
        [(width - radius, radius), (width - radius, height - radius), (radius, height - radius), (radius, radius)];
    for (quarter, center) in corners.into_iter().enumerate() {
        let start = (quarter as f64 - 1.0) * FRAC_PI_2;
        let arc = Arc::new(center, Vec2::new(radius, radius), start, FRAC_PI_2, 0.0);
        path.line_to(Point::from(center) + radius * Vec2::from_angle(start));
        path.extend(arc.append_iter(tolerance(size)));
    }
    path.close_path();
    path
}

/// An ellipse, clockwise from three o'clock. (`kurbo::Ellipse` would start a tall one at its bottom.)
fn ellipse(size: Size) -> BezPath {
    let radii = size.to_vec2() / 2.0;
    let mut path = BezPath::from_vec(vec![PathEl::MoveTo(Point::new(size.width, radii.y))]);
    path.extend(Arc::new(radii.to_point(), radii, 0.0, TAU, 0.0).append_iter(tolerance(size)));
    path.close_path();
    path
}

/// Tolerance of the curves of an outline of this size. Never 0, because kurbo would then add segments without end.
fn tolerance(size: Size) -> f64 {
    (size.max_side() * ARC_TOLERANCE).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use kurbo::Shape as _;

    use super::*;

    /// On a 200 × 100 box, rounded to a hundredth.
    fn points(subtype: &str) -> Vec<(f64, f64)> {
        let path = outline(subtype, Size::new(200.0, 100.0), 0.0);
        let round = |it: f64| (it * 100.0).round() / 100.0;
        path.elements().iter().filter_map(PathEl::end_point).map(|it| (round(it.x), round(it.y))).collect()
    }

    #[test]
    fn outline_names_all_88_shapes_once() {
        let mut names = SUBTYPES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!((SUBTYPES.len(), names.len()), (88, 88));
        assert!(["rect", "rhodeIsland", "softStar", "blob32"].iter().all(|name| SUBTYPES.contains(name)));
    }

    #[test]
    fn outline_has_units_of_its_own_but_for_14() {
        let mut in_box: Vec<_> = SUBTYPES.iter().copied().filter(|name| natural_size(name).is_none()).collect();
        in_box.sort_unstable();
        let expected = [
            ["circle", "cross", "diamond", "downArrow", "hexagon", "leftArrow", "pentagon"],
            ["rect", "rightArrow", "rightTriangle", "speechBubble", "star", "triangle", "upArrow"],
        ];
        assert_eq!(in_box, expected.concat());
        assert_eq!(natural_size("bookmark"), Some(Size::new(199.0, 238.0)));
        assert_eq!(natural_size("no such shape"), None);
    }

    #[test]
    fn outline_of_every_subtype_is_one_closed_path() {
        for name in SUBTYPES {
            let path = outline(name, Size::new(200.0, 100.0), 0.0);
            let count = |wanted: fn(&PathEl) -> bool| path.elements().iter().filter(|it| wanted(it)).count();
            assert_eq!(count(|it| matches!(it, PathEl::MoveTo(_))), 1, "{name}");
            assert_eq!(count(|it| matches!(it, PathEl::ClosePath)), 1, "{name}");
            assert!(matches!(path.elements().last(), Some(PathEl::ClosePath)), "{name}");
        }
    }

    #[test]
    fn outline_runs_clockwise_but_for_two_and_stays_in_the_box() {
        let clockwise = Rect::new(0.0, 0.0, 1.0, 1.0).to_path(0.1).area();
        for name in SUBTYPES {
            let path = outline(name, Size::new(200.0, 100.0), 0.0);
            let expected = if ["door", "flag"].contains(name) { -clockwise } else { clockwise };
            assert!(path.area() * expected > 0.0, "{name} runs the other way round");
            let bounds = path.bounding_box();
            // The blobs' control points are whole thousandths, so their bulges may miss the edge by one or two.
            let allowed = Rect::new(0.0, 0.0, 200.0, 100.0).inset(0.3);
            assert_eq!(allowed.union(bounds), allowed, "{name} leaves its box");
        }
    }

    #[test]
    fn outline_star_has_tips_and_notches_of_the_table() {
        // rendering.md §8.2, stretched to 200 × 100
        let star = points("star");
        assert_eq!(star.len(), 10);
        assert_eq!(star[0], (100.0, 0.0));
        assert_eq!([star[2], star[4]], [(195.11, 34.55), (158.78, 90.45)]);
        // ±36° at radius .25: (.5 + .25 sin 36°, .5 − .25 cos 36°)
        assert_eq!(star[1], (129.39, 29.77));
        assert_eq!(points("pentagon")[1..3], [(195.11, 34.55), (158.78, 90.45)]);
        assert_eq!(points("hexagon")[1], (186.6, 25.0));
    }

    #[test]
    fn outline_stretches_to_the_box() {
        assert_eq!(points("triangle"), [(100.0, 0.0), (200.0, 100.0), (0.0, 100.0)]);
        assert_eq!(points("leftArrow")[2..4], [(80.0, 100.0), (0.0, 50.0)]);
        assert_eq!(points("downArrow")[0], (100.0, 100.0));
        for whole in ["circle", "asterisk1", "flower", "softFlower", "softStar"] {
            let bounds = outline(whole, Size::new(200.0, 100.0), 0.0).bounding_box();
            let far =
                (bounds.origin().to_vec2().hypot()).max((bounds.size() - Size::new(200.0, 100.0)).to_vec2().hypot());
            assert!(far < 0.01, "{whole} covers {bounds:?}");
        }
    }

    #[test]
    fn outline_rect_starts_top_left_and_runs_clockwise() {
        let corners = [(0.0, 0.0), (200.0, 0.0), (200.0, 100.0), (0.0, 100.0)];
        assert_eq!(points("rect"), corners);
        assert_eq!(points("ellipse"), corners, "unknown names are rectangles");
    }

    #[test]
    fn outline_circle_starts_at_three_o_clock() {
        for size in [Size::new(200.0, 100.0), Size::new(100.0, 200.0)] {
            let circle = outline("circle", size, 0.0);
            assert_eq!(circle.elements()[0], PathEl::MoveTo(Point::new(size.width, size.height / 2.0)));
            let area = std::f64::consts::PI * 5000.0;
            assert!((circle.area() - area).abs() < 0.5, "{} is not {area}", circle.area());
        }
    }

    #[test]
    fn outline_corner_radius_ends_at_half_the_shorter_side() {
        // fixtures.md 4: 500 on 100 × 50 is 25
        let size = Size::new(100.0, 50.0);
        assert_eq!(outline("rect", size, 500.0), outline("rect", size, 25.0));
        let path = outline("rect", size, 25.0);
        assert_eq!(path.elements()[..2], [PathEl::MoveTo((25.0, 0.0).into()), PathEl::LineTo((75.0, 0.0).into())]);
        let area = 50.0 * 50.0 + std::f64::consts::PI * 25.0 * 25.0;
        assert!((path.area().abs() - area).abs() < 0.1, "{} is not {area}", path.area());
        assert_eq!(path.bounding_box(), Rect::new(0.0, 0.0, 100.0, 50.0));
    }

    #[test]
    fn outline_corner_radius_is_for_rectangles_only() {
        let size = Size::new(100.0, 50.0);
        for name in ["star", "triangle", "door", "blob1"] {
            assert_eq!(outline(name, size, 20.0), outline(name, size, 0.0));
        }
        for none in [0.0, -3.0, f64::NAN] {
            assert_eq!(outline("rect", size, none).elements().len(), 5);
        }
    }

    #[test]
    fn outline_of_a_box_without_area_is_finite() {
        for name in SUBTYPES {
            for size in [Size::ZERO, Size::new(-5.0, 3.0), Size::new(f64::NAN, f64::INFINITY), Size::new(1e-310, 1e9)] {
                let path = outline(name, size, 10.0);
                assert!(path.is_finite(), "{name} at {size}: {}", path.to_svg());
            }
        }
    }
}
