//! Laid-out text to scene nodes, in the editor's paint order: background, stroke, fill, decorations (rendering.md §9.6).
//! Nothing is isolated: every part carries the element's opacity itself (§3).

use kurbo::{Shape as _, Size, Stroke};
use peniko::{Brush, Color};

use super::decorate;
use super::layout::LaidOut;
use super::line::LineRun;
use crate::scene::{GlyphRun, GlyphStyle, Node, Paint, Path};
use crate::units::{Opacity, Px};

/// Synthetic slant: horizontal shift a unit of height, as the browser's engine has it.
const SKEW: f64 = 0.25;

/// Synthetic weight: how much wider strokes become, as a share of the font size. Measured on the browser's engine.
const EMBOLDEN: f64 = 1.0 / 24.0;

/// Curves of rounded boxes and bullets are this close to the true arc, px.
pub(super) const ARC_TOLERANCE: f64 = 0.01;

/// How a laid-out text is painted.
#[derive(Clone, Debug)]
pub struct DrawStyle {
    /// In the element's coordinates; opacity already in it.
    pub fill: Paint,
    /// Outline behind the fill; opacity already in it.
    pub stroke: Option<(Paint, Stroke)>,
    /// Behind everything.
    pub background: Option<Background>,
    /// For runs that bring a colour of their own.
    pub opacity: Opacity,
}

/// The box behind a text: one for each line, joined.
#[derive(Clone, Copy, Debug)]
pub struct Background {
    /// Opacity already in it.
    pub color: Color,
    /// px: corners, convex and concave.
    pub corner_radius: f64,
    /// px: how far it reaches beyond the lines on every side.
    pub padding: f64,
    /// One rectangle of this size instead (`legacyBackground`).
    pub whole: Option<Size>,
}

/// A drawn text, bottom to top; (0, 0) is the top-left of its box.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    /// Behind everything; casts no shadow.
    pub background: Vec<Node>,
    /// Outlines of glyphs and bullets, below their fill.
    pub strokes: Vec<Node>,
    /// Glyphs, what stands behind single runs, decorations.
    pub fills: Vec<Node>,
}

impl Drawn {
    /// All of it, in paint order.
    pub fn into_nodes(mut self) -> Vec<Node> {
        self.background.append(&mut self.strokes);
        self.background.append(&mut self.fills);
        self.background
    }
}

/// Paints `text`.
pub fn draw(text: &LaidOut, style: &DrawStyle) -> Drawn {
    let mut drawn = Drawn::default();
    if let Some(background) = &style.background {
        let outline = decorate::background(text, background);
        drawn.background.extend(outline.map(|outline| Node::Path(Path::filled(outline, background.color))));
    }
    drawn.background.extend(text.lines.iter().flat_map(|line| decorate::run_backgrounds(line, style.opacity)));
    for line in &text.lines {
        if let Some(bullet) = line.bullet {
            let outline = bullet.to_path(ARC_TOLERANCE);
            if let Some((paint, stroke)) = &style.stroke {
                drawn.strokes.push(Node::Path(Path::stroked(outline.clone(), paint.clone(), stroke.clone())));
            }
            drawn.fills.push(Node::Path(Path::filled(outline, style.fill.clone())));
        }
        for run in line.number.iter().chain(&line.runs) {
            draw_run(run, style, &mut drawn);
        }
    }
    drawn
}

pub(super) fn draw_run(run: &LineRun, style: &DrawStyle, drawn: &mut Drawn) {
    let fill = run_fill(run, style);
    if !run.glyphs.is_empty() {
        if let Some((paint, stroke)) = &style.stroke {
            drawn.strokes.push(Node::Glyphs(glyph_run(run, paint.clone(), GlyphStyle::Stroke(stroke.clone()))));
        }
        drawn.fills.push(Node::Glyphs(glyph_run(run, fill.clone(), GlyphStyle::Fill)));
    }
    let stroke = style.stroke.as_ref().map(|(paint, stroke)| (paint, stroke.width));
    decorate::decorations(run, &fill, stroke, style.opacity, &mut drawn.fills);
}

/// Runs with a colour of their own keep it, also over a gradient (rendering.md §7).
pub(super) fn run_fill(run: &LineRun, style: &DrawStyle) -> Paint {
    run.style.color.map_or_else(|| style.fill.clone(), |color| faded(color, style.opacity).into())
}

/// `color` with its alpha multiplied by `opacity`.
pub(super) fn faded(color: Color, opacity: Opacity) -> Brush {
    Brush::Solid(color.multiply_alpha(opacity.get()))
}

fn glyph_run(run: &LineRun, paint: Paint, style: GlyphStyle) -> GlyphRun {
    // The font engine grows an outline to the right and up only, so that its left edge and baseline stay.
    let grow = if run.embolden { run.font_size * EMBOLDEN / 2.0 } else { 0.0 };
    let mut glyphs = run.glyphs.clone();
    if grow > 0.0 {
        glyphs.iter_mut().for_each(|glyph| glyph.offset += kurbo::Vec2::new(grow, -grow));
    }
    GlyphRun {
        font: run.font.clone(),
        coords: run.coords.clone(),
        font_size: Px(run.font_size),
        origin: run.origin(),
        skew: if run.slant { SKEW } else { 0.0 },
        embolden: Px(grow),
        style,
        paint,
        glyphs,
        text: run.text.clone(),
    }
}
