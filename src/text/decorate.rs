//! What stands behind and beside the glyphs: background shapes, underlines and their kin (rendering.md §9.6).

use std::sync::Arc;

use kurbo::{BezPath, Point, Rect, RoundedRect, Stroke};

use super::blocks::{DecorationLine, DecorationStyle};
use super::draw::{Background, faded};
use super::layout::LaidOut;
use super::line::{Line, LineRun};
use crate::scene::{Node, Paint, Path, outline_of};
use crate::units::Opacity;

/// Control points of a quarter circle lie this far along its tangents.
const QUARTER_ARC: f64 = 0.552_284_749_830_793_6;

/// The union of all lines' boxes, grown and rounded; `None` without any ink.
pub(super) fn background(text: &LaidOut, style: &Background) -> Option<BezPath> {
    let pad = style.padding;
    if let Some(size) = style.whole {
        let rect = Rect::from_origin_size(Point::ORIGIN, size).inflate(pad, pad);
        let radius = style.corner_radius.min(rect.width() / 2.0).min(rect.height() / 2.0);
        return Some(outline_of(&RoundedRect::from_rect(rect, radius.max(0.0))));
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

/// Corners of the outline around boxes stacked from top to bottom, clockwise from the top left.
fn staircase(boxes: &[Rect]) -> Vec<Point> {
    // Where one box hands over to the next, the wider one decides: separately on each side.
    let side = |edge: fn(&Rect) -> f64, wider: fn(f64, f64) -> bool| {
        let mut corners = vec![Point::new(edge(&boxes[0]), boxes[0].y0)];
        for pair in boxes.windows(2) {
            let (upper, lower) = (&pair[0], &pair[1]);
            let (from, to) = (edge(upper), edge(lower));
            // Where they are alike there is a corner too, a straight one, which limits how far others are rounded.
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

/// Boxes behind the runs of a line that have a background of their own. A run also ends where the script changes, but
/// between runs of one style the editor shows no seam.
pub(super) fn run_backgrounds(line: &Line, opacity: Opacity) -> impl Iterator<Item = Node> + '_ {
    let alike = |a: &LineRun, b: &LineRun| {
        Arc::ptr_eq(&a.style, &b.style) && (a.baseline, a.ascent, a.descent) == (b.baseline, b.ascent, b.descent)
    };
    line.runs.chunk_by(alike).filter_map(move |runs| {
        let (first, last) = (runs.first()?, runs.last()?);
        let (top, bottom) = (first.baseline - first.ascent, first.baseline + first.descent);
        let color = first.style.background?;
        Some(filled(Rect::new(first.x, top, last.x + last.width, bottom), &faded(color, opacity).into()))
    })
}

/// Bands of one run, in its own colour or the decoration's.
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
    for decoration in &run.style.decorations {
        let thickness = (run.font_size / 10.0).floor().max(1.0);
        let centre = band_centre(run, decoration.line, thickness);
        let top = band_top(centre, thickness);
        let paint = decoration.color.map_or_else(|| fill.clone(), |color| faded(color, opacity).into());
        if let Some((stroke, width)) = stroke.filter(|_| decoration.style == DecorationStyle::Solid) {
            // The stroke surrounds the band by half its width, and eats as much of it (rendering.md §9.6). Each of the two
            // bands is put on whole px by itself.
            let band = |thickness: f64| {
                let top = band_top(centre, thickness);
                Rect::new(run.x, top, run.x + run.width, top + thickness)
            };
            nodes.push(filled(band(thickness + width), stroke));
            if thickness > width {
                nodes.push(filled(band(thickness - width), &paint));
            }
            continue;
        }
        draw_band(run, decoration.style, top, thickness, &paint, nodes);
    }
}

/// Middle of a band (rendering.md §9.6, measured at 20, 32, 60 and 100 px).
fn band_centre(run: &LineRun, line: DecorationLine, thickness: f64) -> f64 {
    match line {
        DecorationLine::Underline => run.baseline + 0.105 * run.font_size - 0.2,
        DecorationLine::LineThrough => run.baseline - 0.33 * run.font_size,
        DecorationLine::Overline => (run.baseline - run.ascent).floor() - thickness / 2.0,
    }
}

/// The upper edge of a band around `centre`, on a whole px.
fn band_top(centre: f64, thickness: f64) -> f64 {
    (centre - thickness / 2.0).round()
}

fn draw_band(run: &LineRun, style: DecorationStyle, top: f64, thickness: f64, paint: &Paint, nodes: &mut Vec<Node>) {
    let (left, right) = (run.x, run.x + run.width);
    let dashes = |on: f64, off: f64| {
        let mut line = BezPath::new();
        line.move_to((left, top + thickness / 2.0));
        line.line_to((right, top + thickness / 2.0));
        let stroke =
            Stroke::new(thickness).with_caps(kurbo::Cap::Butt).with_dashes(0.0, [on * thickness, off * thickness]);
        Node::Path(Path::stroked(line, paint.clone(), stroke))
    };
    match style {
        DecorationStyle::Solid => nodes.push(filled(Rect::new(left, top, right, top + thickness), paint)),
        DecorationStyle::Double => {
            let (half, gap) = (thickness / 2.0, thickness.max(2.0));
            nodes.push(filled(Rect::new(left, top, right, top + half), paint));
            nodes.push(filled(Rect::new(left, top + half + gap, right, top + thickness + gap), paint));
        }
        DecorationStyle::Dotted => nodes.push(dashes(1.0, 2.0)),
        DecorationStyle::Dashed => nodes.push(dashes(3.0, 2.0)),
        DecorationStyle::Wavy => {
            let wave = wave(left, right, top + thickness / 2.0, thickness.max(1.5));
            nodes.push(Node::Path(Path::stroked(wave, paint.clone(), Stroke::new(thickness))));
        }
    }
}

/// A sine-like wave of wavelength four amplitudes.
fn wave(left: f64, right: f64, y: f64, amplitude: f64) -> BezPath {
    let mut path = BezPath::new();
    path.move_to((left, y));
    let half = 2.0 * amplitude;
    let (mut x, mut up) = (left, true);
    while x < right && half > 0.0 {
        let peak = if up { y - 2.0 * amplitude } else { y + 2.0 * amplitude };
        path.quad_to((x + half / 2.0, peak), (x + half, y));
        x += half;
        up = !up;
    }
    path
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
        // Nothing between 30 and 50: the wider box below begins where it begins, the wider one above ends where it ends.
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
