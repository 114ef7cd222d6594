//! The geometry of lines: the shaft and a head at either end (rendering.md §8.3).
//!
//! In: thickness, length, dashes, the kinds of heads and their names in the JSON. Not in: colours, positions on the
//! page. Imports: `dash`, kurbo.

use kurbo::{BezPath, Cap, Circle, Join, Line, Point, Rect, Shape as _, Size, Stroke};

use super::dash::dashed;

/// The head at an end of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Head {
    /// No head: the bare end of the shaft.
    #[default]
    None,
    /// Two strokes that meet at the tip.
    Arrow,
    /// The arrow as a closed, filled triangle.
    Triangle,
    /// A filled circle at the end of the line.
    Circle,
    /// A filled square at the end of the line.
    Square,
    /// A stroke across the end of the line.
    Bar,
}

impl Head {
    /// The heads by their names in the JSON.
    pub const NAMES: [(&str, Self); 7] = [
        ("", Self::None),
        ("none", Self::None),
        ("arrow", Self::Arrow),
        ("triangle", Self::Triangle),
        ("circle", Self::Circle),
        ("square", Self::Square),
        ("bar", Self::Bar),
    ];

    /// The outline at the tip `tip` of a line running towards it in `direction` (1 to the right, -1 to the left),
    /// and whether it is filled. It is also stroked, `unit` wide.
    fn outline(self, tip: Point, direction: f64, unit: f64) -> Option<(BezPath, bool)> {
        // A point `back` units from the tip along the line and `aside` units beside it.
        let at = |back: f64, aside: f64| Point::new(tip.x - direction * back * unit, tip.y + aside * unit);
        let wings = [at(3.0, -2.0), at(0.0, 0.0), at(3.0, 2.0)];
        Some(match self {
            Self::None => return None,
            Self::Arrow => (polyline(wings), false),
            Self::Triangle => {
                let mut triangle = polyline(wings);
                triangle.close_path();
                (triangle, true)
            }
            // A deviation of a thousandth of the thickness is invisible.
            Self::Circle => (Circle::new(at(2.0, 0.0), 2.0 * unit).to_path((unit * 1e-3).max(f64::MIN_POSITIVE)), true),
            Self::Square => (Rect::from_points(at(0.0, -2.0), at(4.0, 2.0)).to_path(0.0), true),
            Self::Bar => (polyline([at(0.0, -2.0), at(0.0, 2.0)]), false),
        })
    }
}

/// The shaft or a head of a line, drawn in the line's colour.
#[derive(Clone, Debug)]
pub struct LinePart {
    /// The outline, relative to the top-left corner of the element's box.
    pub outline: BezPath,
    /// Whether the outline is also filled.
    pub fill: bool,
    /// The stroke along the outline.
    pub stroke: Stroke,
}

/// The parts of a line: its shaft, then the heads at its start and end.
///
/// `size`: the element's box in design px; its height is the thickness. The line runs from left to right through its
/// middle. The heads reach half a thickness beyond the ends and two and a half to the sides, whatever the length of the
/// line. `dash`: alternating lengths of dashes and gaps in thicknesses; only the shaft is dashed. A box without height,
/// or one so large that coordinates of its heads would not be finite, has no parts.
pub fn line_parts(size: Size, dash: &[f64], start: Head, end: Head) -> Vec<LinePart> {
    let Size { width: length, height: thickness } = size;
    // Heads extend five thicknesses; flattening an infinite circle would not end.
    if !((size * 10.0).is_finite() && thickness > 0.0) {
        return Vec::new();
    }
    let middle = thickness / 2.0;
    let (left, right) = (Point::new(0.0, middle), Point::new(length.max(0.0), middle));

    let shaft = Stroke::new(thickness).with_caps(Cap::Butt);
    let shaft = LinePart {
        outline: Line::new(left, right).to_path(0.0),
        fill: false,
        stroke: dashed(shaft, dash, thickness, length),
    };
    let head_stroke = Stroke::new(thickness).with_join(Join::Round).with_caps(Cap::Round);
    let heads = [(start, left, -1.0), (end, right, 1.0)].into_iter().filter_map(|(head, tip, direction)| {
        let (outline, fill) = head.outline(tip, direction, thickness)?;
        Some(LinePart { outline, fill, stroke: head_stroke.clone() })
    });
    std::iter::once(shaft).chain(heads).collect()
}

fn polyline<const N: usize>(points: [Point; N]) -> BezPath {
    let mut path = BezPath::new();
    for (i, point) in points.into_iter().enumerate() {
        if i == 0 { path.move_to(point) } else { path.line_to(point) }
    }
    path
}

#[cfg(test)]
mod tests {
    use kurbo::{StrokeOpts, stroke};

    use super::*;

    /// Bounds of a part, strokes included.
    fn painted(part: &LinePart) -> Rect {
        stroke(part.outline.iter(), &part.stroke, &StrokeOpts::default(), 1e-3).bounding_box()
    }

    fn assert_close(found: Rect, expected: Rect) {
        let far = [found.x0 - expected.x0, found.y0 - expected.y0, found.x1 - expected.x1, found.y1 - expected.y1];
        assert!(far.iter().all(|it| it.abs() < 0.02), "{found:?} is not {expected:?}");
    }

    #[test]
    fn line_heads_reach_half_a_thickness_beyond_and_two_and_a_half_aside() {
        // fixtures.md 7: 200×10 at (100, 100) covers [95, 305) × [80, 130)
        for (_, head) in Head::NAMES {
            let parts = line_parts(Size::new(200.0, 10.0), &[], head, head);
            let whole = parts.iter().map(painted).reduce(|a, b| a.union(b)).expect("a line has a shaft");
            let expected =
                if head == Head::None { Rect::new(0.0, 0.0, 200.0, 10.0) } else { Rect::new(-5.0, -20.0, 205.0, 30.0) };
            assert_close(whole, expected);
        }
    }

    #[test]
    fn line_shaft_is_dashed_in_thicknesses() {
        // fixtures.md 6: dash [3, 1] at 10 px is 30 on, 10 off, the last gap at the very end
        let [shaft] = &line_parts(Size::new(200.0, 10.0), &[3.0, 1.0], Head::None, Head::None)[..] else {
            panic!("no heads were asked for");
        };
        assert_eq!(shaft.stroke.dash_pattern[..], [30.0, 10.0]);
        assert_eq!((shaft.stroke.width, shaft.stroke.start_cap, shaft.fill), (10.0, Cap::Butt, false));
        assert_close(painted(shaft), Rect::new(0.0, 0.0, 190.0, 10.0));
    }

    #[test]
    fn line_heads_are_never_dashed() {
        let parts = line_parts(Size::new(200.0, 10.0), &[3.0, 1.0], Head::Arrow, Head::Bar);
        assert_eq!(parts.len(), 3);
        assert!(parts[1..].iter().all(|head| head.stroke.dash_pattern.is_empty()));
    }

    #[test]
    fn line_arrow_opens_away_from_its_end() {
        let outline = |start, end| line_parts(Size::new(200.0, 10.0), &[], start, end)[1].outline.to_svg();
        assert_eq!(outline(Head::None, Head::Arrow), "M170,-15 L200,5 L170,25");
        assert_eq!(outline(Head::Arrow, Head::None), "M30,-15 L0,5 L30,25");
        assert_eq!(outline(Head::None, Head::Triangle), "M170,-15 L200,5 L170,25 Z");
        assert_eq!(outline(Head::None, Head::Bar), "M200,-15 L200,25");
    }

    #[test]
    fn line_closed_heads_are_filled_open_ones_not() {
        let filled = |head| line_parts(Size::new(200.0, 10.0), &[], head, Head::None)[1].fill;
        assert_eq!([Head::Triangle, Head::Circle, Head::Square].map(filled), [true; 3]);
        assert_eq!([Head::Arrow, Head::Bar].map(filled), [false; 2]);
    }

    #[test]
    fn line_of_no_size_does_not_panic() {
        assert!(line_parts(Size::new(200.0, 0.0), &[], Head::Arrow, Head::Arrow).is_empty());
        assert!(line_parts(Size::new(f64::NAN, 10.0), &[], Head::Arrow, Head::Arrow).is_empty());
        assert!(line_parts(Size::new(200.0, 1e308), &[], Head::Circle, Head::Circle).is_empty());
        assert_eq!(line_parts(Size::new(-3.0, 1e-300), &[1.0], Head::Circle, Head::Square).len(), 3);
    }
}
