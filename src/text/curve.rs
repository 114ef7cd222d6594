//! Text along an arc (rendering.md §9.8): one line on a circle, each glyph rotated to its chord.

use std::sync::Arc;

use kurbo::{Affine, BezPath, Cap, Join, Point, Rect, Stroke};
use peniko::{Brush, Color};

use super::blocks::{Decoration, DecorationLine, DecorationStyle, LineHeight, Span, SpanStyle, TextBlocks};
use super::decorate;
use super::draw::{self, DrawStyle, TextNodes};
use super::layout::Layouter;
use super::line::{self, LineRun, LineSlice, TabStops};
use super::shape::{self, Paragraph};
use crate::scene::{Group, Node, Paint, Path};
use crate::units::Opacity;

/// A smaller curve power counts as straight: the bend would be invisible, and the circle's length infinite.
const MIN_POWER: f64 = 1e-3;

/// Full-width punctuation whose left half is empty, and whose right half is. When browsers measure a text as a whole,
/// they drop the empty half between two of them.
const OPENERS: &[char] = &['「', '『', '（', '〔', '［', '｛', '〈', '《', '【', '〖', '〘', '〝'];
const CLOSERS: &[char] =
    &['」', '』', '）', '〕', '］', '｝', '〉', '》', '】', '〗', '〙', '〟', '、', '。', '，', '．'];

/// How far the last glyph may pass the end of the circle beyond the width that kerning saves, px.
const END_TOLERANCE: f64 = 0.5;

/// Positions of decoration lines: an underline as a fraction of the descent below the baseline, the others of the
/// ascent above it.
const UNDERLINE: f64 = 0.5;
const LINE_THROUGH: f64 = 0.3;
const OVERLINE: f64 = 0.9;

/// A canvas cuts mitred corners that are longer than this many line widths.
const MITER_LIMIT: f64 = 10.0;

/// A text positioned on an arc. (0, 0) is the top-left corner of its box.
#[derive(Clone, Debug, Default)]
pub struct CurvedText {
    units: Vec<CurveUnit>,
    /// Bounds of all units, which a background covers.
    pub bounds: Rect,
    /// Length of the text along its baseline, px, over which gradients run.
    length: f64,
}

/// A part of the text that is rotated as one: a glyph, or a run of a script that is shaped as a whole.
#[derive(Clone, Debug)]
struct CurveUnit {
    /// Transform from the unit's space, where its baseline starts at (0, 0), to the box.
    place: Affine,
    /// Distance of its start along the text, px.
    along: f64,
    width: f64,
    style: Arc<SpanStyle>,
    /// Ascent and descent of the style's own face, rounded to whole px.
    ascent: f64,
    descent: f64,
    runs: Vec<LineRun>,
}

/// The circle on which text is set.
struct Circle {
    radius: f64,
    /// 1: centre below, clockwise; −1: centre above, counterclockwise; 0: a straight line instead.
    turn: f64,
}

impl Circle {
    fn length(&self) -> f64 {
        2.0 * std::f64::consts::PI * self.radius
    }

    /// The point of the path at `s` px, relative to the circle's centre; half the length is the middle of the text.
    fn at(&self, s: f64) -> Point {
        if self.turn == 0.0 {
            return Point::new(s - self.length() / 2.0, 0.0);
        }
        let angle = s / self.radius - std::f64::consts::PI;
        Point::new(angle.sin() * self.radius, -self.turn * angle.cos() * self.radius)
    }
}

/// Lays `text` out on an arc of `power` (−1 to 1) in a box `width` px wide.
pub fn curve(layouter: &mut Layouter, text: &TextBlocks, width: f64, power: f64) -> CurvedText {
    let base = &text.base;
    let bend = power.abs().max(MIN_POWER);
    let radius = base.font_size * (2.5 / bend - 1.0);
    let spans = one_line(text);
    let paragraph = layouter.shaper.shape_on_path(&spans);
    let units = units(&paragraph, text.rtl || paragraph.rtl);
    if units.is_empty() || !(radius > 0.0 && radius.is_finite()) {
        return CurvedText::default();
    }
    // Letter spacing counts twice: inside the unit and once more between units (rendering.md §9.8).
    let between: f64 = units.iter().rev().skip(1).map(|unit| unit.style.letter_spacing).sum();
    let total = units.iter().map(|unit| unit.width).sum::<f64>() + between;
    let turn = match power {
        _ if power.abs() < MIN_POWER => 0.0,
        _ if power < 0.0 => -1.0,
        _ => 1.0,
    };
    let circle = Circle { radius, turn };
    let length = circle.length();
    let mut at = ((length - total) / 2.0).max(0.0);
    // The editor sums glyphs measured one by one, and lets the last ones pass the end by the width that measuring the
    // text as a whole would save.
    let slack = if at + total > length { (total - whole_width(layouter, &spans)).max(0.0) } else { 0.0 };
    let (mut curved, mut bounds) = (CurvedText::default(), None::<Rect>);
    let mut along = 0.0;
    for unit in units {
        let end = at + unit.width;
        if at > length || end - length > slack + END_TOLERANCE {
            break;
        }
        let (from, to) = (circle.at(at), circle.at(end.min(length)));
        let chord = to - from;
        let angle = if chord.hypot() > 0.0 { chord.atan2() } else { 0.0 };
        let place = Affine::translate(from.to_vec2()) * Affine::rotate(angle) * Affine::translate((0.0, unit.middle()));
        let around = place.transform_rect_bbox(unit.upright());
        bounds = Some(bounds.map_or(around, |bounds| bounds.union(around)));
        let step = unit.width + unit.style.letter_spacing;
        curved.length = along + unit.width;
        curved.units.push(CurveUnit { place, along, ..unit });
        at += step;
        along += step;
    }
    // The units together are centred in the box, at its top.
    let bounds = bounds.unwrap_or_default();
    let into_box = Affine::translate((width / 2.0 - bounds.center().x, -bounds.y0));
    curved.units.iter_mut().for_each(|unit| unit.place = into_box * unit.place);
    curved.bounds = into_box.transform_rect_bbox(bounds);
    curved
}

/// Turns a curved text into scene nodes, without the background of the element, which the caller adds. `style_in`
/// returns the element's style with gradients laid over an area, which differs from unit to unit so that they run
/// through the whole text.
pub fn draw_curved(text: &CurvedText, style_in: impl Fn(Rect) -> DrawStyle) -> TextNodes {
    let mut drawn = TextNodes::default();
    let styles: Vec<DrawStyle> = text.units.iter().map(|unit| style_in(text.gradient_area(unit))).collect();
    let opacity = styles.first().map_or(Opacity::OPAQUE, |style| style.opacity);
    drawn.background.extend(run_backgrounds(&text.units, |color| decorate::faded(color, opacity).into()));
    for (unit, style) in text.units.iter().zip(&styles) {
        let mut upright = TextNodes::default();
        for run in &unit.runs {
            draw::draw_glyphs(run, style, &mut upright);
        }
        drawn.strokes.extend(unit.placed(upright.strokes));
        drawn.fills.extend(unit.placed(upright.fills));
        drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
        drawn.links.extend(unit.placed(draw::links(&unit.runs).into_iter().collect()));
    }
    for kind in [DecorationLine::Underline, DecorationLine::LineThrough, DecorationLine::Overline] {
        drawn.fills.extend(decorations(text, &styles, kind));
    }
    drawn
}

impl CurvedText {
    /// The area of gradients in the space of `unit`: the whole length of the text, and the height of the unit's
    /// letters.
    fn gradient_area(&self, unit: &CurveUnit) -> Rect {
        Rect::new(-unit.along, -unit.ascent, self.length - unit.along, unit.descent)
    }
}

impl CurveUnit {
    /// The unit's line box in its own space: A/(A+D) of the line height above the baseline, D/(A+D) below.
    fn upright(&self) -> Rect {
        let line = line_height(&self.style);
        let sum = self.ascent + self.descent;
        let above = if sum > 0.0 { self.ascent / sum } else { 0.75 };
        Rect::new(0.0, -above * line, self.width, (1.0 - above) * line)
    }

    /// Distance of the baseline from the curve, px, which runs through the middle of the letters.
    fn middle(&self) -> f64 {
        (self.ascent - self.descent) / 2.0
    }

    /// `children`, which are in the unit's space, in a group that places them; `None` without children.
    fn placed(&self, children: Vec<Node>) -> Option<Node> {
        let group = Group { transform: self.place, children, ..Group::default() };
        (!group.children.is_empty()).then(|| Node::Group(Box::new(group)))
    }

    /// The decoration of this kind; that of the innermost element counts.
    fn decoration(&self, kind: DecorationLine) -> Option<&Decoration> {
        self.style.decorations.iter().rfind(|it| it.line == kind)
    }

    /// Middle of a decoration line of this kind, px below the baseline.
    fn decoration_y(&self, kind: DecorationLine) -> f64 {
        match kind {
            DecorationLine::Underline => self.descent * UNDERLINE,
            DecorationLine::LineThrough => -self.ascent * LINE_THROUGH,
            DecorationLine::Overline => -self.ascent * OVERLINE,
        }
    }
}

/// Areas behind neighbouring units with the same background colour, along the curve. Elements nested in the one with
/// the background have none.
fn run_backgrounds(units: &[CurveUnit], paint: impl Fn(Color) -> Paint) -> Vec<Node> {
    let color = |unit: &CurveUnit| {
        let highlight = unit.style.background.as_ref()?;
        let own = SpanStyle { background: None, ..(*unit.style).clone() };
        (*highlight.style == own).then_some(highlight.color)
    };
    let colored: Vec<_> = units.iter().map(|unit| (unit, color(unit))).collect();
    let area = |units: &[(&CurveUnit, Option<Color>)]| {
        let color = units.first()?.1?;
        let top = |(unit, _): &(&CurveUnit, _)| {
            [(0.0, -unit.ascent), (unit.width, -unit.ascent)].map(|at| unit.place * Point::from(at))
        };
        let bottom = |(unit, _): &(&CurveUnit, _)| {
            [(unit.width, unit.descent), (0.0, unit.descent)].map(|at| unit.place * Point::from(at))
        };
        let corners = units.iter().flat_map(top).chain(units.iter().rev().flat_map(bottom));
        Some(Node::Path(Path::filled(polyline(corners, true), paint(color))))
    };
    colored.chunk_by(|a, b| a.1 == b.1).filter_map(area).collect()
}

fn polyline(mut points: impl Iterator<Item = Point>, closed: bool) -> BezPath {
    let mut path = BezPath::new();
    path.extend(points.next().map(kurbo::PathEl::MoveTo));
    path.extend(points.map(kurbo::PathEl::LineTo));
    if closed && !path.is_empty() {
        path.close_path();
    }
    path
}

/// Decoration lines of one kind. Single lines in one colour follow the units from corner to corner; lines that are
/// double, wavy or have a gradient are drawn unit by unit, with gaps where letters are spaced.
fn decorations(text: &CurvedText, styles: &[DrawStyle], kind: DecorationLine) -> Vec<Node> {
    let mut nodes = Vec::new();
    let decorated: Vec<_> =
        text.units.iter().zip(styles).map(|(unit, style)| (unit, style, unit.decoration(kind))).collect();
    let alike = |a: &Option<&Decoration>, b: &Option<&Decoration>| {
        a.map(|it| (it.color, it.style)) == b.map(|it| (it.color, it.style))
    };
    for group in decorated.chunk_by(|a, b| alike(&a.2, &b.2)) {
        let Some((first, style, Some(decoration))) = group.first() else { continue };
        let thickness = decorate::thickness(first.style.font_size);
        let paint = |style: &DrawStyle| {
            decoration.color.map_or_else(|| style.fill.clone(), |color| decorate::faded(color, style.opacity).into())
        };
        let along =
            matches!(decoration.style, DecorationStyle::Solid | DecorationStyle::Dotted | DecorationStyle::Dashed);
        if along && matches!(paint(style).brush, Brush::Solid(_)) {
            let corners = |(unit, ..): &(&CurveUnit, &DrawStyle, _)| {
                let y = unit.decoration_y(kind);
                [Point::new(0.0, y), Point::new(unit.width, y)].map(|at| unit.place * at)
            };
            let line = polyline(group.iter().flat_map(corners), false);
            let stroke =
                Stroke::new(thickness).with_caps(Cap::Butt).with_join(Join::Miter).with_miter_limit(MITER_LIMIT);
            let stroke = decorate::dashed(stroke, decoration.style, thickness);
            nodes.push(Node::Path(Path::stroked(line, paint(style), stroke)));
            continue;
        }
        for (unit, style, _) in group {
            let mut band = Vec::new();
            // Aligned to whole px relative to the curve.
            let from_curve = Affine::translate((0.0, unit.middle()));
            let mut paint = paint(style);
            paint.transform = from_curve * paint.transform;
            let centre = unit.decoration_y(kind) + unit.middle();
            decorate::line((0.0, unit.width), centre, thickness, decoration.style, &paint, &mut band);
            let transform = unit.place * from_curve.inverse();
            nodes.push(Node::Group(Box::new(Group { transform, children: band, ..Group::default() })));
        }
    }
    nodes
}

/// All blocks joined to one line: line breaks become spaces, ends of blocks nothing (rendering.md §9.8).
fn one_line(text: &TextBlocks) -> Vec<Span> {
    let flat = |text: &str| {
        text.replace("\r\n", " ").replace(['\n', '\r', '\t', '\u{b}', '\u{c}', '\u{2028}', '\u{2029}'], " ")
    };
    let mut flat_spans = Vec::new();
    for block in &text.blocks {
        flat_spans.extend(block.spans.iter().map(|span| Span { text: flat(&span.text), style: span.style.clone() }));
        if let Some(last) = flat_spans.last_mut().filter(|_| block.ends_with_break) {
            last.text.push(' ');
        }
    }
    flat_spans
}

/// Advance width of `spans`, each measured as a whole as a browser does, px.
fn whole_width(layouter: &mut Layouter, spans: &[Span]) -> f64 {
    let mut width = 0.0;
    for span in spans {
        let paragraph = Paragraph { exact: true, ..layouter.shaper.shape(std::slice::from_ref(span)) };
        width += (0..paragraph.clusters.len())
            .fold(0.0, |pen, at| line::after(pen, &paragraph, at, 1.0, TabStops::default()));
        let pairs = span.text.chars().zip(span.text.chars().skip(1));
        let halved = pairs.filter(|(before, after)| {
            let open = OPENERS.contains(after) && (OPENERS.contains(before) || CLOSERS.contains(before));
            open || (CLOSERS.contains(before) && CLOSERS.contains(after))
        });
        width -= halved.count() as f64 * span.style.font_size / 2.0;
    }
    width
}

/// Line height of `style` on a curve, px.
fn line_height(style: &SpanStyle) -> f64 {
    match style.line_height {
        LineHeight::Times(times) if times > 0.0 => times * style.font_size,
        LineHeight::Length(px) | LineHeight::Px(px) if px > 0.0 => px,
        LineHeight::Auto | LineHeight::Times(_) | LineHeight::Length(_) | LineHeight::Px(_) => style.font_size,
    }
}

/// Splits a paragraph into units that are not positioned yet: glyphs, or runs of scripts that are shaped as a whole.
/// Where `rtl`, the units of each span are in reverse order.
fn units(paragraph: &Paragraph, rtl: bool) -> Vec<CurveUnit> {
    let all = LineSlice {
        clusters: 0..paragraph.clusters.len(),
        suffix: None,
        last: true,
        splits_word: false,
        tabs: TabStops::default(),
    };
    let text = |at: usize| &paragraph.text[paragraph.clusters[at].range.clone()];
    let joins = |a: &usize, b: &usize| {
        let same = paragraph.clusters[*a].span == paragraph.clusters[*b].span;
        same && shape::is_shaped_as_run(text(*a)) && shape::is_shaped_as_run(text(*b))
    };
    let order: Vec<usize> = all.clusters.clone().collect();
    let mut groups: Vec<&[usize]> = order.chunk_by(joins).collect();
    if rtl {
        let span = |group: &&[usize]| group.first().map(|at| paragraph.clusters[*at].span);
        groups.chunk_by_mut(|a, b| span(a) == span(b)).for_each(<[&[usize]]>::reverse);
    }
    let unit = |group: &[usize]| {
        let (first, last) = (*group.first()?, *group.last()?);
        let runs = line::visual_runs(&LineSlice { clusters: first..last + 1, ..all.clone() }, paragraph, 1.0, false);
        let span = paragraph.clusters[last].span;
        let style = paragraph.styles[span].clone();
        let (ascent, descent) = paragraph.metrics[span].ascent_descent(style.font_size);
        let width = runs.last().map_or(0.0, |run| run.x + run.width);
        Some(CurveUnit { place: Affine::IDENTITY, along: 0.0, width, style, ascent, descent, runs })
    };
    groups.into_iter().filter_map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{layouter, style};
    use super::*;

    fn curved(text: &str, font_size: f64, power: f64, width: f64) -> CurvedText {
        curve(&mut layouter(), &TextBlocks::plain(text, style("Liberation Sans", font_size)), width, power)
    }

    #[test]
    fn curve_radius_follows_font_size_and_power() {
        // fixtures.md 35: 40 px at power .5 is a path of radius 160; a long text makes the full ring.
        let ring = curved(&"I".repeat(200), 40.0, 0.5, 400.0);
        let across = ring.bounds.width();
        assert!((across - 2.0 * (160.0 + 48.0 * 36.0 / 44.0 - 14.0)).abs() < 4.0, "{across}");
        assert!((ring.bounds.center().x - 200.0).abs() < 0.5);
        assert_eq!(ring.bounds.y0, 0.0);
    }

    #[test]
    fn curve_stands_in_the_middle_of_the_box_and_bends_both_ways() {
        for power in [0.5, -0.5] {
            let text = curved("HHHHH", 40.0, power, 300.0);
            assert!((text.bounds.center().x - 150.0).abs() < 1e-9, "{:?}", text.bounds);
            let turn = |unit: &CurveUnit| unit.place.as_coeffs()[1];
            let (first, last) = (turn(&text.units[0]), turn(&text.units[4]));
            assert!(first * power < 0.0 && last * power > 0.0, "{first} {last}");
        }
    }

    #[test]
    fn curve_takes_advances_at_the_size_itself() {
        // 00172 of the random set, by its 62.27 px. W is 1933 of 2048 units wide.
        let text = curved("W", 23.049, 0.5, 300.0);
        assert!((text.units[0].width - 23.049 * 1933.0 / 2048.0).abs() < 1e-3, "{}", text.units[0].width);
    }

    #[test]
    fn curve_of_power_zero_is_straight() {
        let text = curved("HHHHH", 40.0, 0.0, 300.0);
        assert!((text.bounds.height() - 48.0).abs() < 0.2, "{:?}", text.bounds);
    }

    #[test]
    fn curve_drops_what_passes_the_end_of_the_circle() {
        assert!(curved(&"H".repeat(200), 40.0, 1.0, 300.0).units.len() < 20);
    }
}
