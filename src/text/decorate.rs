//! Backgrounds and decoration lines of laid-out text (rendering.md §9.6).

use std::sync::Arc;

use kurbo::{BezPath, Point, Rect, RoundedRect, Size, Stroke};
use peniko::{Brush, Color};

use super::blocks::{DecorationLine, DecorationStyle};
use super::layout::LaidOut;
use super::line::{Line, LineRun};
use crate::scene::{Node, Paint, Path, outline_of};
use crate::units::Opacity;

/// Maximum number of waves of one decorated word, far more than fit on a page.
const MAX_WAVES: f64 = 100_000.0;

/// Control points of a quarter circle lie this far along its tangents.
const QUARTER_ARC: f64 = 0.552_284_749_830_793_6;

/// The background of a text: one box for each line, joined to one shape.
#[derive(Clone, Copy, Debug)]
pub struct TextBackground {
    /// The colour, with the opacity of the element applied.
    pub color: Color,
    /// Radius of the corners, convex and concave, px.
    pub corner_radius: f64,
    /// Distance by which it extends beyond the lines on every side, px.
    pub padding: f64,
    /// The size of the single rectangle that is drawn instead (`legacyBackground`); `None` for boxes of lines.
    pub whole: Option<Size>,
}

/// The outline of a text's background: the union of all lines' boxes, padded and rounded. `None` where no line has a
/// width.
pub(super) fn background(text: &LaidOut, style: &TextBackground) -> Option<BezPath> {
    let pad = style.padding;
    if let Some(size) = style.whole {
        return rounded_rect(Rect::from_origin_size(Point::ORIGIN, size).inflate(pad, pad), style.corner_radius);
    }
    let lines = text.lines.iter().filter(|line| line.width > 0.0);
    let boxes: Vec<Rect> = lines
        .map(|line| Rect::new(line.x, line.top, line.x + line.width, line.top + line.height).inflate(pad, pad))
        .collect();
    if boxes.is_empty() {
        return None;
    }
    Some(rounded(&staircase(&boxes), style.corner_radius))
}

/// `rect` with corners rounded by `radius`, or as much as its sides allow; `None` where a coordinate is not finite.
pub fn rounded_rect(rect: Rect, radius: f64) -> Option<BezPath> {
    let radius = radius.min(rect.width() / 2.0).min(rect.height() / 2.0).max(0.0);
    // With a fixed tolerance a huge corner would become very many curves.
    (rect.is_finite() && radius.is_finite()).then(|| outline_of(&RoundedRect::from_rect(rect, radius)))
}

/// Corners of the outline around boxes stacked from top to bottom, clockwise from the top left.
fn staircase(boxes: &[Rect]) -> Vec<Point> {
    // Between two boxes the wider one gives the y of the corner, separately on each side.
    let side = |edge: fn(&Rect) -> f64, wider: fn(f64, f64) -> bool| {
        let mut corners = vec![Point::new(edge(&boxes[0]), boxes[0].y0)];
        for pair in boxes.windows(2) {
            let (upper, lower) = (&pair[0], &pair[1]);
            let (from, to) = (edge(upper), edge(lower));
            // Boxes of equal width also get a corner (of 180 degrees), which limits the rounding of its neighbours.
            let y = if wider(from, to) { upper.y1 } else { lower.y0 };
            corners.push(Point::new(from, y));
            if from != to {
                corners.push(Point::new(to, y));
            }
        }
        let last = &boxes[boxes.len() - 1];
        corners.push(Point::new(edge(last), last.y1));
        corners
    };
    let mut corners = side(|b| b.x1, |a, b| a > b);
    corners.extend(side(|b| b.x0, |a, b| a < b).into_iter().rev());
    corners
}

/// Rounds every corner, convex or concave, by `radius` or as much as the neighbouring edges allow.
fn rounded(corners: &[Point], radius: f64) -> BezPath {
    let mut path = BezPath::new();
    let count = corners.len();
    for (at, corner) in corners.iter().enumerate() {
        let (before, after) = (corners[(at + count - 1) % count] - *corner, corners[(at + 1) % count] - *corner);
        let radius = radius.min(before.hypot() / 2.0).min(after.hypot() / 2.0).max(0.0);
        let step =
            |edge: kurbo::Vec2, by: f64| if edge.hypot() > 0.0 { *corner + edge.normalize() * by } else { *corner };
        let (enter, leave) = (step(before, radius), step(after, radius));
        if at == 0 {
            path.move_to(enter);
        } else {
            path.line_to(enter);
        }
        let reach = radius * (1.0 - QUARTER_ARC);
        path.curve_to(step(before, reach), step(after, reach), leave);
    }
    path.close_path();
    path
}

/// The boxes behind the inline elements of a line that have a background: on the line's baseline, also behind sub- and
/// superscripts, and as high as the element's own font. Elements of spaces only have none.
pub(super) fn run_backgrounds(line: &Line, opacity: Opacity) -> impl Iterator<Item = Node> + '_ {
    let alike = |a: &LineRun, b: &LineRun| match (&a.style.background, &b.style.background) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    line.runs.chunk_by(alike).filter_map(move |runs| {
        let (first, last) = (runs.first()?, runs.last()?);
        let background = first.style.background.as_ref()?;
        let (ascent, descent) = first.highlight;
        let area = Rect::new(first.x, line.baseline - ascent, last.x + last.width, line.baseline + descent);
        let shows = runs.iter().any(|run| run.text.contains(|c| !matches!(c, ' ' | '\t')));
        shows.then(|| filled(area, &faded(background.color, opacity).into()))
    })
}

/// Adds the decoration lines of one run to `nodes`. A line without a colour of its own has the text element's `fill`,
/// whatever the colour of the run.
pub(super) fn decorations(
    run: &LineRun,
    fill: &Paint,
    stroke: Option<(&Paint, f64)>,
    opacity: Opacity,
    nodes: &mut Vec<Node>,
) {
    if run.width <= 0.0 {
        return;
    }
    let across = (run.x, run.x + run.width);
    for decoration in &run.style.decorations {
        let thickness = thickness(run.font_size);
        let centre = band_centre(run, decoration.line, thickness);
        let paint = decoration.color.map_or_else(|| fill.clone(), |color| faded(color, opacity).into());
        if let Some((stroke, width)) = stroke {
            // The stroke covers half its width outside the band and half inside (rendering.md §9.6). Each of the two
            // bands is aligned to whole px by itself.
            line(across, centre, thickness + width, decoration.style, stroke, nodes);
            if thickness > width {
                line(across, centre, thickness - width, decoration.style, &paint, nodes);
            }
            continue;
        }
        line(across, centre, thickness, decoration.style, &paint, nodes);
    }
}

/// Thickness of a decoration line at this font size, px.
pub(super) fn thickness(font_size: f64) -> f64 {
    (font_size / 10.0).floor().max(1.0)
}

/// The y of the middle of a decoration line (rendering.md §9.6, measured at 20, 32, 60 and 100 px).
fn band_centre(run: &LineRun, line: DecorationLine, thickness: f64) -> f64 {
    match line {
        DecorationLine::Underline => run.baseline + 0.105 * run.font_size - 0.2,
        DecorationLine::LineThrough => run.baseline - 0.33 * run.font_size,
        DecorationLine::Overline => (run.baseline - run.ascent).floor() - thickness / 2.0,
    }
}

/// `stroke` with the dash pattern of `style`.
pub(super) fn dashed(stroke: Stroke, style: DecorationStyle, thickness: f64) -> Stroke {
    match style {
        DecorationStyle::Dotted => stroke.with_dashes(0.0, [thickness, 2.0 * thickness]),
        DecorationStyle::Dashed => stroke.with_dashes(0.0, [3.0 * thickness, 2.0 * thickness]),
        DecorationStyle::Solid | DecorationStyle::Double | DecorationStyle::Wavy => stroke,
    }
}

/// Adds a decoration line around the y `centre` to `nodes`, aligned so that the edges of a band of this thickness lie
/// on whole px.
pub(super) fn line(
    (left, right): (f64, f64),
    centre: f64,
    thickness: f64,
    style: DecorationStyle,
    paint: &Paint,
    nodes: &mut Vec<Node>,
) {
    let y = (centre - thickness / 2.0 + 0.5).floor() + thickness / 2.0;
    let band = |y: f64, thickness: f64| filled(Rect::new(left, y - thickness / 2.0, right, y + thickness / 2.0), paint);
    match style {
        DecorationStyle::Solid => nodes.push(band(y, thickness)),
        DecorationStyle::Double => {
            let (each, apart) = ((thickness / 2.0).max(0.5), thickness.max(2.0) / 2.0);
            nodes.extend([band(y - apart, each), band(y + apart, each)]);
        }
        DecorationStyle::Dotted | DecorationStyle::Dashed => {
            let mut line = BezPath::new();
            line.move_to((left, y));
            line.line_to((right, y));
            let stroke = dashed(Stroke::new(thickness).with_caps(kurbo::Cap::Butt), style, thickness);
            nodes.push(Node::Path(Path::stroked(line, paint.clone(), stroke)));
        }
        DecorationStyle::Wavy => {
            let stroke = Stroke::new(thickness).with_caps(kurbo::Cap::Butt).with_join(kurbo::Join::Miter);
            nodes.push(Node::Path(Path::stroked(wave(left, right, y, thickness.max(1.5)), paint.clone(), stroke)));
        }
    }
}

/// A line of whole waves, each four amplitudes long and up first; the last one may end beyond `right`.
fn wave(left: f64, right: f64, y: f64, amplitude: f64) -> BezPath {
    let mut path = BezPath::new();
    path.move_to((left, y));
    let waves = ((right - left) / (4.0 * amplitude)).ceil().clamp(0.0, MAX_WAVES) as u32;
    for x in (0..waves).map(|nth| left + 4.0 * amplitude * f64::from(nth)) {
        path.quad_to((x + amplitude, y - amplitude), (x + 2.0 * amplitude, y));
        path.quad_to((x + 3.0 * amplitude, y + amplitude), (x + 4.0 * amplitude, y));
    }
    path
}

/// `color` with its alpha multiplied by `opacity`.
pub(super) fn faded(color: Color, opacity: Opacity) -> Brush {
    Brush::Solid(color.multiply_alpha(opacity.get()))
}

fn filled(rect: Rect, paint: &Paint) -> Node {
    Node::Path(Path::filled(outline_of(&rect), paint.clone()))
}

#[cfg(test)]
mod tests {
    use kurbo::Shape as _;

    use super::*;

    #[test]
    fn staircase_gives_the_wider_line_its_whole_box() {
        // Two lines, the second wider on both sides: boxes overlap by the padding.
        let corners = staircase(&[Rect::new(10.0, 0.0, 50.0, 30.0), Rect::new(0.0, 20.0, 60.0, 50.0)]);
        let expected = [
            (50.0, 0.0),
            (50.0, 20.0),
            (60.0, 20.0),
            (60.0, 50.0),
            (0.0, 50.0),
            (0.0, 20.0),
            (10.0, 20.0),
            (10.0, 0.0),
        ];
        assert_eq!(corners, expected.map(Point::from));
    }

    #[test]
    fn staircase_leaves_empty_lines_to_the_wider_line_above_or_to_neither() {
        // Nothing between 30 and 50: the wider box below begins where it begins, the wider one above ends where it
        // ends.
        let sides =
            |upper: Rect, lower: Rect| staircase(&[upper, lower]).iter().map(|it| (it.x, it.y)).collect::<Vec<_>>();
        let (narrow, wide) = (Rect::new(0.0, 0.0, 50.0, 30.0), Rect::new(0.0, 50.0, 60.0, 80.0));
        let left = [(0.0, 80.0), (0.0, 50.0), (0.0, 0.0)];
        let right = [(50.0, 0.0), (50.0, 50.0), (60.0, 50.0), (60.0, 80.0)];
        assert_eq!(sides(narrow, wide), [&right[..], &left].concat());
    }

    #[test]
    fn rounding_keeps_the_area_and_shrinks_where_edges_are_short() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)].map(Point::from);
        let area = |radius| rounded(&square, radius).area().abs();
        assert!((area(0.0) - 100.0).abs() < 1e-9);
        // A circle of radius 5 at the most.
        assert!((area(100.0) - 25.0 * std::f64::consts::PI).abs() < 0.1);
    }
}
