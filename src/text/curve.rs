//! Text along an arc (rendering.md §9.8): one circle, one line, glyph by glyph, each turned to its chord.

use std::sync::Arc;

use kurbo::{Affine, BezPath, Cap, Join, Point, Rect, Stroke};
use peniko::{Brush, Color};

use super::blocks::{Decoration, DecorationLine, DecorationStyle, LineHeight, Span, SpanStyle, TextBlocks};
use super::decorate;
use super::draw::{self, DrawStyle, Drawn};
use super::layout::Layouter;
use super::line::{self, LineRun, LineSlice, TabStops};
use super::shape::{self, Paragraph};
use crate::scene::{Group, Node, Paint, Path};
use crate::units::Opacity;

/// Flatter arcs count as straight: no eye sees the bend, and a circle without end has no length.
const FLATTEST: f64 = 1e-3;

/// Full-width punctuation that is half empty on its left, and on its right. Browsers leave the empty half out between two of
/// them when they measure a text as a whole.
const OPENERS: &[char] = &['「', '『', '（', '〔', '［', '｛', '〈', '《', '【', '〖', '〘', '〝'];
const CLOSERS: &[char] =
    &['」', '』', '）', '〕', '］', '｝', '〉', '》', '】', '〗', '〙', '〟', '、', '。', '，', '．'];

/// How far the last glyph may pass the end of the circle beyond what kerning would have saved, px.
const END_TOLERANCE: f64 = 0.5;

/// Where underlines and line-throughs lie, as shares of descent and ascent from the baseline.
const UNDERLINE: f64 = 0.5;
const LINE_THROUGH: f64 = 0.3;
const OVERLINE: f64 = 0.9;

/// A canvas cuts mitred corners that are longer than this many line widths.
const MITER_LIMIT: f64 = 10.0;

/// A text on its arc; (0, 0) is the top-left of its box.
#[derive(Clone, Debug, Default)]
pub struct Curved {
    cells: Vec<Cell>,
    /// Around all cells: what a background covers.
    pub bounds: Rect,
    /// Length of the text along its baseline, px: what gradients run through.
    length: f64,
}

/// One glyph, or one run of a script that is shaped as a whole.
#[derive(Clone, Debug)]
struct Cell {
    /// From the cell's space, its baseline starting at (0, 0), to the box.
    place: Affine,
    /// Where it starts along the text, px.
    along: f64,
    width: f64,
    style: Arc<SpanStyle>,
    /// Of the style's own face, rounded, px.
    ascent: f64,
    descent: f64,
    runs: Vec<LineRun>,
}

/// The circle that text stands on.
struct Circle {
    radius: f64,
    /// 1: centre below, clockwise; −1: centre above, counterclockwise; 0: a straight line instead.
    turn: f64,
}

impl Circle {
    fn length(&self) -> f64 {
        2.0 * std::f64::consts::PI * self.radius
    }

    /// Where the path is after `s` px, seen from the circle's centre; half of the whole length is the middle of the text.
    fn at(&self, s: f64) -> Point {
        if self.turn == 0.0 {
            return Point::new(s - self.length() / 2.0, 0.0);
        }
        let angle = s / self.radius - std::f64::consts::PI;
        Point::new(angle.sin() * self.radius, -self.turn * angle.cos() * self.radius)
    }
}

/// Puts `text` on an arc of `power` (−1 to 1) in a box `width` px wide.
pub fn curve(layouter: &mut Layouter, text: &TextBlocks, width: f64, power: f64) -> Curved {
    let base = &text.base;
    let bend = power.abs().max(FLATTEST);
    let radius = base.font_size * (2.5 / bend - 1.0);
    let spans = one_line(text);
    let paragraph = layouter.shaper.shape_on_path(&spans);
    let cells = cells(&paragraph, text.rtl || paragraph.rtl);
    if cells.is_empty() || !(radius > 0.0 && radius.is_finite()) {
        return Curved::default();
    }
    // Letter spacing counts twice: inside the cell and once more between cells (rendering.md §9.8).
    let between: f64 = cells.iter().rev().skip(1).map(|cell| cell.style.letter_spacing).sum();
    let total = cells.iter().map(|cell| cell.width).sum::<f64>() + between;
    let turn = match power {
        _ if power.abs() < FLATTEST => 0.0,
        _ if power < 0.0 => -1.0,
        _ => 1.0,
    };
    let circle = Circle { radius, turn };
    let length = circle.length();
    let mut at = ((length - total) / 2.0).max(0.0);
    // The editor adds up glyphs measured one by one, and lets the last ones pass the end by as much as the text is shorter
    // when it is measured as a whole.
    let slack = if at + total > length { (total - whole_width(layouter, &spans)).max(0.0) } else { 0.0 };
    let (mut curved, mut bounds) = (Curved::default(), None::<Rect>);
    let mut along = 0.0;
    for cell in cells {
        let end = at + cell.width;
        if at > length || end - length > slack + END_TOLERANCE {
            break;
        }
        let (from, to) = (circle.at(at), circle.at(end.min(length)));
        let chord = to - from;
        let angle = if chord.hypot() > 0.0 { chord.atan2() } else { 0.0 };
        let place = Affine::translate(from.to_vec2()) * Affine::rotate(angle) * Affine::translate((0.0, cell.middle()));
        let around = place.transform_rect_bbox(cell.upright());
        bounds = Some(bounds.map_or(around, |bounds| bounds.union(around)));
        let step = cell.width + cell.style.letter_spacing;
        curved.length = along + cell.width;
        curved.cells.push(Cell { place, along, ..cell });
        at += step;
        along += step;
    }
    // All cells together stand in the middle of the box, at its top.
    let bounds = bounds.unwrap_or_default();
    let into_box = Affine::translate((width / 2.0 - bounds.center().x, -bounds.y0));
    curved.cells.iter_mut().for_each(|cell| cell.place = into_box * cell.place);
    curved.bounds = into_box.transform_rect_bbox(bounds);
    curved
}

/// Paints `text`; the background is the caller's. `style_in`: the element's style with gradients laid through an area,
/// which differs from cell to cell so that they run through the whole text.
pub fn draw_curved(text: &Curved, style_in: impl Fn(Rect) -> DrawStyle) -> Drawn {
    let mut drawn = Drawn::default();
    let styles: Vec<DrawStyle> = text.cells.iter().map(|cell| style_in(text.gradient_area(cell))).collect();
    let opacity = styles.first().map_or(Opacity::OPAQUE, |style| style.opacity);
    drawn.background.extend(run_backgrounds(&text.cells, |color| decorate::faded(color, opacity).into()));
    for (cell, style) in text.cells.iter().zip(&styles) {
        let mut upright = Drawn::default();
        for run in &cell.runs {
            draw::draw_glyphs(run, style, &mut upright);
        }
        drawn.strokes.extend(cell.placed(upright.strokes));
        drawn.fills.extend(cell.placed(upright.fills));
        drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
        drawn.links.extend(cell.placed(draw::links(&cell.runs).into_iter().collect()));
    }
    for kind in [DecorationLine::Underline, DecorationLine::LineThrough, DecorationLine::Overline] {
        drawn.fills.extend(decorations(text, &styles, kind));
    }
    drawn
}

impl Curved {
    /// What gradients run through, in the space of `cell`: all of the text, as high as the cell's letters.
    fn gradient_area(&self, cell: &Cell) -> Rect {
        Rect::new(-cell.along, -cell.ascent, self.length - cell.along, cell.descent)
    }
}

impl Cell {
    /// From A/(A+D) of a line above the baseline to D/(A+D) below.
    fn upright(&self) -> Rect {
        let line = line_height(&self.style);
        let sum = self.ascent + self.descent;
        let above = if sum > 0.0 { self.ascent / sum } else { 0.75 };
        Rect::new(0.0, -above * line, self.width, (1.0 - above) * line)
    }

    /// How far the baseline lies inside of the curve, px: the curve runs through the middle of the letters.
    fn middle(&self) -> f64 {
        (self.ascent - self.descent) / 2.0
    }

    /// What was drawn in the cell's space, where the cell is; nothing for nothing.
    fn placed(&self, children: Vec<Node>) -> Option<Node> {
        let group = Group { transform: self.place, children, ..Group::default() };
        (!group.children.is_empty()).then(|| Node::Group(Box::new(group)))
    }

    /// How its letters are decorated by lines of this kind: the innermost element decides.
    fn decoration(&self, kind: DecorationLine) -> Option<&Decoration> {
        self.style.decorations.iter().rfind(|it| it.line == kind)
    }

    /// The middle of such a line, px below the baseline.
    fn decoration_y(&self, kind: DecorationLine) -> f64 {
        match kind {
            DecorationLine::Underline => self.descent * UNDERLINE,
            DecorationLine::LineThrough => -self.ascent * LINE_THROUGH,
            DecorationLine::Overline => -self.ascent * OVERLINE,
        }
    }
}

/// Areas behind neighbouring letters with one background colour, along the curve. Elements inside the one with the
/// background have none.
fn run_backgrounds(cells: &[Cell], paint: impl Fn(Color) -> Paint) -> Vec<Node> {
    let color = |cell: &Cell| {
        let highlight = cell.style.background.as_ref()?;
        let own = SpanStyle { background: None, ..(*cell.style).clone() };
        (*highlight.style == own).then_some(highlight.color)
    };
    let colored: Vec<_> = cells.iter().map(|cell| (cell, color(cell))).collect();
    let area = |cells: &[(&Cell, Option<Color>)]| {
        let color = cells.first()?.1?;
        let top = |(cell, _): &(&Cell, _)| {
            [(0.0, -cell.ascent), (cell.width, -cell.ascent)].map(|at| cell.place * Point::from(at))
        };
        let bottom = |(cell, _): &(&Cell, _)| {
            [(cell.width, cell.descent), (0.0, cell.descent)].map(|at| cell.place * Point::from(at))
        };
        let corners = cells.iter().flat_map(top).chain(cells.iter().rev().flat_map(bottom));
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

/// Lines of one kind. In one colour they follow the cells from corner to corner; in a gradient, double or wavy they are
/// drawn cell by cell, with gaps where letters are spaced.
fn decorations(text: &Curved, styles: &[DrawStyle], kind: DecorationLine) -> Vec<Node> {
    let mut nodes = Vec::new();
    let decorated: Vec<_> =
        text.cells.iter().zip(styles).map(|(cell, style)| (cell, style, cell.decoration(kind))).collect();
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
            let corners = |(cell, ..): &(&Cell, &DrawStyle, _)| {
                let y = cell.decoration_y(kind);
                [Point::new(0.0, y), Point::new(cell.width, y)].map(|at| cell.place * at)
            };
            let line = polyline(group.iter().flat_map(corners), false);
            let stroke =
                Stroke::new(thickness).with_caps(Cap::Butt).with_join(Join::Miter).with_miter_limit(MITER_LIMIT);
            let stroke = decorate::dashed(stroke, decoration.style, thickness);
            nodes.push(Node::Path(Path::stroked(line, paint(style), stroke)));
            continue;
        }
        for (cell, style, _) in group {
            let mut band = Vec::new();
            // Put on whole px as seen from the curve.
            let from_curve = Affine::translate((0.0, cell.middle()));
            let mut paint = paint(style);
            paint.transform = from_curve * paint.transform;
            let centre = cell.decoration_y(kind) + cell.middle();
            decorate::line((0.0, cell.width), centre, thickness, decoration.style, &paint, &mut band);
            let transform = cell.place * from_curve.inverse();
            nodes.push(Node::Group(Box::new(Group { transform, children: band, ..Group::default() })));
        }
    }
    nodes
}

/// All blocks one after another: line breaks are drawn as spaces, ends of blocks as nothing (rendering.md §9.8).
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

/// Advance width of `spans`, each measured as a whole by a browser, px.
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

/// What a line of `style` counts as on a curve, px.
fn line_height(style: &SpanStyle) -> f64 {
    match style.line_height {
        LineHeight::Times(times) if times > 0.0 => times * style.font_size,
        LineHeight::Length(px) | LineHeight::Px(px) if px > 0.0 => px,
        LineHeight::Auto | LineHeight::Times(_) | LineHeight::Length(_) | LineHeight::Px(_) => style.font_size,
    }
}

/// Glyph by glyph, or run by run where scripts are shaped as wholes; not yet in place. Where `rtl`, those of a span stand in
/// reverse order.
fn cells(paragraph: &Paragraph, rtl: bool) -> Vec<Cell> {
    let all = LineSlice {
        clusters: 0..paragraph.clusters.len(),
        suffix: None,
        last: true,
        apart: false,
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
    let cell = |group: &[usize]| {
        let (first, last) = (*group.first()?, *group.last()?);
        let runs = line::visual_runs(&LineSlice { clusters: first..last + 1, ..all.clone() }, paragraph, 1.0, false);
        let span = paragraph.clusters[last].span;
        let style = paragraph.styles[span].clone();
        let (ascent, descent) = paragraph.metrics[span].ascent_descent(style.font_size);
        let width = runs.last().map_or(0.0, |run| run.x + run.width);
        Some(Cell { place: Affine::IDENTITY, along: 0.0, width, style, ascent, descent, runs })
    };
    groups.into_iter().filter_map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{layouter, style};
    use super::*;

    fn curved(text: &str, font_size: f64, power: f64, width: f64) -> Curved {
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
            let turn = |cell: &Cell| cell.place.as_coeffs()[1];
            let (first, last) = (turn(&text.cells[0]), turn(&text.cells[4]));
            assert!(first * power < 0.0 && last * power > 0.0, "{first} {last}");
        }
    }

    #[test]
    fn curve_takes_advances_at_the_size_itself() {
        // 00172 of the random set, by its 62.27 px. W is 1933 of 2048 units wide.
        let text = curved("W", 23.049, 0.5, 300.0);
        assert!((text.cells[0].width - 23.049 * 1933.0 / 2048.0).abs() < 1e-3, "{}", text.cells[0].width);
    }

    #[test]
    fn curve_of_power_zero_is_straight() {
        let text = curved("HHHHH", 40.0, 0.0, 300.0);
        assert!((text.bounds.height() - 48.0).abs() < 0.2, "{:?}", text.bounds);
    }

    #[test]
    fn curve_drops_what_passes_the_end_of_the_circle() {
        assert!(curved(&"H".repeat(200), 40.0, 1.0, 300.0).cells.len() < 20);
    }
}
