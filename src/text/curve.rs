//! Text along an arc (rendering.md §9.8): one circle, one line, glyph by glyph, each turned to its chord.

use kurbo::{Affine, BezPath, Point, Rect, Stroke, Vec2};
use peniko::Brush;

use super::blocks::{DecorationLine, LineHeight, Span, SpanStyle, TextBlocks};
use super::draw::{self, DrawStyle, Drawn};
use super::layout::Layouter;
use super::line::{self, LineRun, LineSlice, TabStops};
use super::shape::Paragraph;
use crate::scene::{Group, Node, Paint, Path};

/// Flatter arcs are drawn as this one: beyond it no eye sees the bend, and a circle without end has no length.
const FLATTEST: f64 = 1e-3;

/// A text on its arc; (0, 0) is the top-left of its box.
#[derive(Clone, Debug, Default)]
pub struct Curved {
    cells: Vec<Cell>,
    /// Around all cells: what a background covers.
    pub bounds: Rect,
    /// All cells before they are bent, from the start of their baseline: what gradients run through.
    pub straight: Rect,
}

/// One glyph, or one word of a script whose letters join.
#[derive(Clone, Debug)]
struct Cell {
    /// From the cell's space, its baseline starting at (0, 0), to the box.
    place: Affine,
    /// Where it starts in [`Curved::straight`].
    along: f64,
    width: f64,
    runs: Vec<LineRun>,
}

/// The circle that text stands on.
struct Arc {
    centre: Point,
    radius: f64,
    /// 1: centre below, clockwise; −1: centre above, counterclockwise.
    turn: f64,
}

impl Arc {
    fn length(&self) -> f64 {
        2.0 * std::f64::consts::PI * self.radius
    }

    /// Where the path is after `s` px; half of the whole length is the middle of the text.
    fn at(&self, s: f64) -> Point {
        let angle = s / self.radius - std::f64::consts::PI;
        self.centre + Vec2::new(angle.sin(), -self.turn * angle.cos()) * self.radius
    }
}

/// Puts `text` on an arc of `power` (−1 to 1) in a box `width` px wide.
pub fn curve(layouter: &mut Layouter, text: &TextBlocks, width: f64, power: f64) -> Curved {
    let base = &text.base;
    let bend = power.abs().max(FLATTEST);
    let radius = base.font_size * (2.5 / bend - 1.0);
    let paragraph = layouter.shaper.shape_apart(&one_line(text));
    let units = units(&paragraph);
    // Letter spacing counts twice: inside the cell and once more between cells (rendering.md §9.8).
    let gap = |unit: &Unit| unit.letter_spacing;
    let between: f64 = units.iter().rev().skip(1).map(gap).sum();
    let total = units.iter().map(|unit| unit.width).sum::<f64>() + between;
    if units.is_empty() || !(radius > 0.0 && radius.is_finite()) {
        return Curved::default();
    }
    let arc = Arc { centre: Point::new(width / 2.0, 0.0), radius, turn: if power < 0.0 { -1.0 } else { 1.0 } };
    let mut at = ((arc.length() - total) / 2.0).max(0.0);
    let start = at;
    let mut curved = Curved::default();
    let mut bounds: Option<Rect> = None;
    for unit in units {
        if at + unit.width > arc.length() + 1e-6 {
            break;
        }
        let (from, to) = (arc.at(at), arc.at(at + unit.width));
        let chord = to - from;
        let middle = unit.runs.first().map_or(0.0, |run| (run.ascent - run.descent) / 2.0);
        let angle = if chord.hypot() > 0.0 { chord.atan2() } else { 0.0 };
        let place = Affine::translate(from.to_vec2()) * Affine::rotate(angle) * Affine::translate((0.0, middle));
        let upright = unit.cell_box(base);
        let along = at - start;
        curved.straight = curved.straight.union(upright + Vec2::new(along, 0.0));
        let cell = place.transform_rect_bbox(upright);
        bounds = Some(bounds.map_or(cell, |bounds| bounds.union(cell)));
        at += unit.width + unit.letter_spacing;
        curved.cells.push(Cell { place, along, width: unit.width, runs: unit.runs });
    }
    // The top of all cells is the top of the box.
    let bounds = bounds.unwrap_or_default();
    let down = Affine::translate((0.0, -bounds.y0));
    curved.cells.iter_mut().for_each(|cell| cell.place = down * cell.place);
    curved.bounds = down.transform_rect_bbox(bounds);
    curved
}

/// Paints `text`; the background is the caller's.
pub fn draw_curved(text: &Curved, style: &DrawStyle) -> Drawn {
    let mut drawn = Drawn::default();
    for cell in &text.cells {
        let style = &moved(style, -cell.along);
        let mut upright = Drawn::default();
        for run in &cell.runs {
            let plain = SpanStyle { decorations: Vec::new(), ..(*run.style).clone() };
            draw::draw_run(&LineRun { style: plain.into(), ..run.clone() }, style, &mut upright);
        }
        let placed = |children: Vec<Node>| {
            let group = Group { transform: cell.place, children, ..Group::default() };
            (!group.children.is_empty()).then(|| Node::Group(Box::new(group)))
        };
        drawn.strokes.extend(placed(upright.strokes));
        drawn.fills.extend(placed(upright.fills));
        drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
        drawn.links.extend(placed(draw::links(&cell.runs).into_iter().collect()));
    }
    drawn.fills.extend(decorations(text, style));
    drawn
}

/// Gradients run along the text, through all of it (rendering.md §7).
fn moved(style: &DrawStyle, by: f64) -> DrawStyle {
    let moved = |paint: &Paint| Paint {
        brush: paint.brush.clone(),
        transform: match paint.brush {
            Brush::Solid(_) => paint.transform,
            Brush::Gradient(_) | Brush::Image(_) => Affine::translate((by, 0.0)) * paint.transform,
        },
    };
    let stroke = style.stroke.as_ref().map(|(paint, stroke)| (moved(paint), stroke.clone()));
    DrawStyle { fill: moved(&style.fill), stroke, ..style.clone() }
}

/// Lines that follow the cells from corner to corner.
fn decorations(text: &Curved, style: &DrawStyle) -> Vec<Node> {
    let mut nodes = Vec::new();
    for kind in [DecorationLine::Underline, DecorationLine::LineThrough, DecorationLine::Overline] {
        let mut open: Option<(BezPath, f64, crate::scene::Paint)> = None;
        let mut finish = |open: &mut Option<(BezPath, f64, crate::scene::Paint)>| {
            if let Some((line, thickness, paint)) = open.take() {
                let stroke = Stroke::new(thickness).with_caps(kurbo::Cap::Butt).with_join(kurbo::Join::Round);
                nodes.push(Node::Path(Path::stroked(line, paint, stroke)));
            }
        };
        for cell in &text.cells {
            let run = cell.runs.first().filter(|run| run.style.decorations.iter().any(|it| it.line == kind));
            let Some(run) = run else {
                finish(&mut open);
                continue;
            };
            let y = match kind {
                DecorationLine::Underline => run.descent / 2.0,
                DecorationLine::LineThrough => -0.3 * run.ascent,
                DecorationLine::Overline => -0.9 * run.ascent,
            };
            let (from, to) = (cell.place * Point::new(0.0, y), cell.place * Point::new(cell.width, y));
            let (line, ..) = open.get_or_insert_with(|| {
                let mut line = BezPath::new();
                line.move_to(from);
                (line, (run.font_size / 10.0).floor().max(1.0), draw::run_fill(run, style))
            });
            line.line_to(from);
            line.line_to(to);
        }
        finish(&mut open);
    }
    nodes
}

/// Line breaks become spaces, ends of blocks nothing (rendering.md §9.8).
fn one_line(text: &TextBlocks) -> Vec<Span> {
    let flat = |text: &str| text.replace("\r\n", " ").replace(['\n', '\r', '\u{2028}', '\u{2029}'], " ");
    let spans = text.blocks.iter().flat_map(|block| &block.spans);
    spans.map(|span| Span { text: flat(&span.text), style: span.style.clone() }).collect()
}

/// What is turned as one.
struct Unit {
    runs: Vec<LineRun>,
    width: f64,
    letter_spacing: f64,
}

impl Unit {
    /// From A/(A+D) of a line above the baseline to D/(A+D) below.
    fn cell_box(&self, base: &SpanStyle) -> Rect {
        let (ascent, descent) = self.runs.first().map_or((0.0, 0.0), |run| (run.ascent, run.descent));
        let sum = (ascent + descent).max(f64::MIN_POSITIVE);
        let line = match base.line_height {
            LineHeight::Auto => sum,
            LineHeight::Times(_) | LineHeight::Px(_) => base.line_height_px(ascent, descent),
        };
        Rect::new(0.0, -ascent / sum * line, self.width, descent / sum * line)
    }
}

fn units(paragraph: &Paragraph) -> Vec<Unit> {
    let all = LineSlice { clusters: 0..paragraph.clusters.len(), suffix: None, last: true, tabs: TabStops::default() };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let joins = |at: usize| paragraph.text[paragraph.clusters[at].range.clone()].chars().any(joining);
    for at in line::visual_order(&all, paragraph) {
        match groups.last_mut() {
            Some(group) if joins(at) && group.last().is_some_and(|last| joins(*last)) => group.push(at),
            _ => groups.push(vec![at]),
        }
    }
    let unit = |group: Vec<usize>| {
        let (low, high) = (*group.iter().min()?, *group.iter().max()?);
        let slice = LineSlice { clusters: low..high + 1, ..all.clone() };
        let runs = line::visual_runs(&slice, paragraph, 1.0);
        let width = runs.last().map_or(0.0, |run| run.x + run.width);
        let letter_spacing = paragraph.styles[paragraph.clusters[high].span].letter_spacing;
        Some(Unit { runs, width, letter_spacing })
    };
    groups.into_iter().filter_map(unit).collect()
}

/// Letters of scripts that are written joined: turned word by word.
fn joining(c: char) -> bool {
    matches!(u32::from(c), 0x600..=0x7ff | 0x840..=0x8ff | 0x1800..=0x18af | 0xfb50..=0xfdff | 0xfe70..=0xfefc)
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
            assert!((text.bounds.center().x - 150.0).abs() < 0.5, "{:?}", text.bounds);
            let turn = |cell: &Cell| cell.place.as_coeffs()[1];
            let (first, last) = (turn(&text.cells[0]), turn(&text.cells[4]));
            assert!(first * power < 0.0 && last * power > 0.0, "{first} {last}");
        }
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
