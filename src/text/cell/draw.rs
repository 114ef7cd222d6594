//! Texts of table cells as scene nodes: for each line its underline, its glyphs and its line-through.

use kurbo::{BezPath, Stroke};

use super::super::blocks::DecorationLine;
use super::super::draw::{DrawStyle, TextNodes, draw_glyphs};
use super::super::line::Line;
use super::CellText;
use crate::scene::{Node, Path};

/// Distance of decoration lines from the baseline as a fraction of the font size, rounded to whole px.
const DECORATION_OFFSET: f64 = 0.25;
/// Thickness of decoration lines as a fraction of the font size.
const DECORATION_THICKNESS: f64 = 1.0 / 15.0;

/// Turns a cell's text into scene nodes, bottom to top. Decorations are strokes in the colour of the text, not aligned
/// to px.
pub fn draw_cell(text: &CellText, style: &DrawStyle) -> Vec<Node> {
    let mut nodes = Vec::new();
    let offset = (text.font_size * DECORATION_OFFSET + 0.5).floor();
    for (line, length) in text.lines.iter().zip(&text.decorated) {
        let has = |kind| {
            let decorations = line.runs.first().map_or(&[][..], |run| &run.style.decorations);
            decorations.iter().any(|it| it.line == kind)
        };
        let band = |y: f64| decoration(line, y, *length, text.font_size, style);
        if has(DecorationLine::Underline) {
            nodes.push(band(line.baseline + offset));
        }
        let mut drawn = TextNodes::default();
        for run in &line.runs {
            draw_glyphs(run, style, &mut drawn);
        }
        nodes.extend(drawn.into_nodes());
        if has(DecorationLine::LineThrough) {
            nodes.push(band(line.baseline - offset));
        }
    }
    nodes
}

/// A decoration line from the start of `line`, its length rounded to whole px.
fn decoration(line: &Line, y: f64, length: f64, font_size: f64, style: &DrawStyle) -> Node {
    let mut path = BezPath::new();
    path.move_to((line.x, y));
    path.line_to((line.x + (length + 0.5).floor(), y));
    Node::Path(Path::stroked(path, style.fill.clone(), Stroke::new(font_size * DECORATION_THICKNESS)))
}
