//! Text on a curve: each glyph is rotated separately, and `ActualText` marks keep the words together for readers.

use kurbo::{Affine, Vec2};
use pdf_writer::types::TextRenderingMode;
use peniko::{BlendMode, Brush};

use super::canvas::Canvas;
use super::color::{ColorUse, PaintKind};
use super::error::PdfError;
use super::font::Embedding;
use super::glyph_outlines::draw_glyph_outlines;
use super::text::{TextVisibility, begin_actual_text, place_glyphs, show_glyphs, text_spans};
use super::text_spans::is_rtl;
use crate::scene::{GlyphRun, GlyphStyle, Group, Node};
use crate::units::Opacity;

/// A glyph run inside a separate group, which is how the scene represents each glyph of a text on a curve.
pub(super) struct CurveRun<'a> {
    glyph_run: &'a GlyphRun,
    /// Transform from the run's coordinates to those of the surrounding group.
    transform: Affine,
}

/// The runs of the text on a curve that `nodes` begin with: groups of one rotated run each, adjacent to one another.
pub(super) fn leading_curve_runs(nodes: &[Node]) -> Vec<CurveRun<'_>> {
    let mut found: Vec<CurveRun<'_>> = Vec::new();
    for node in nodes {
        let Some(run) = curve_run(node) else { break };
        if found.last().is_some_and(|last| !last.continues(&run)) {
            break;
        }
        found.push(run);
    }
    found
}

fn curve_run(node: &Node) -> Option<CurveRun<'_>> {
    let Node::Group(group) = node else { return None };
    let Group { origin, transform, bitmap, blur, recolor, shadow, clip, mask, opacity, blend, children, links } =
        &**group;
    let plain = origin.is_none() && blur.0 == 0.0 && shadow.is_none() && clip.is_none() && mask.is_none();
    let plain = plain
        && bitmap.is_none()
        && recolor.is_empty()
        && *opacity == Opacity::OPAQUE
        && *blend == BlendMode::default()
        && links.is_empty();
    match &children[..] {
        [Node::Glyphs(run)] if plain && matches!(run.style, GlyphStyle::Fill) => {
            Some(CurveRun { glyph_run: run, transform: *transform })
        }
        _ => None,
    }
}

impl CurveRun<'_> {
    fn is_rotated(&self) -> bool {
        let [_, b, ..] = self.transform.as_coeffs();
        b != 0.0
    }

    /// True when `next` begins within two font sizes of the end of this run and either is rotated.
    fn continues(&self, next: &Self) -> bool {
        let advance: f64 = self.glyph_run.glyphs.iter().map(|glyph| glyph.advance.0).sum();
        let end = self.transform * (self.glyph_run.origin + Vec2::new(advance, 0.0));
        let near = end.distance(next.transform * next.glyph_run.origin) < 2.0 * self.glyph_run.font_size.0;
        near && (self.is_rotated() || next.is_rotated())
    }
}

/// Paints `runs`, with one `ActualText` mark per word: without it, readers take each rotated glyph for a word.
pub(super) fn draw_text_on_curve(
    canvas: &mut Canvas<'_>,
    runs: &[CurveRun<'_>],
    transform: Affine,
) -> Result<(), PdfError> {
    let is_space = |run: &CurveRun<'_>| run.glyph_run.text.trim().is_empty();
    for word in runs.chunk_by(|a, b| !is_space(a) && !is_space(b)) {
        let mut simple = true;
        for run in word {
            let embedded =
                canvas.file.fonts.face(run.glyph_run, &mut canvas.file.objects)?.embedding == Embedding::Subset;
            simple &=
                embedded && run.glyph_run.embolden.0 == 0.0 && matches!(run.glyph_run.paint.brush, Brush::Solid(_));
        }
        if !simple {
            word.iter().try_for_each(|run| draw_glyph_outlines(canvas, run.glyph_run, transform * run.transform))?;
        }
        let visibility = if simple { TextVisibility::Visible } else { TextVisibility::Hidden };
        let text: String = word.iter().map(|run| &*run.glyph_run.text).collect();
        let has_actual_text = word.len() > 1 && !text.chars().any(is_rtl);
        canvas.content.begin_text();
        if has_actual_text {
            begin_actual_text(canvas, &text);
        }
        for run in word {
            let Some((positions, text_matrix)) = place_glyphs(canvas, run.glyph_run, transform * run.transform) else {
                continue;
            };
            let (placed, spans) = text_spans(canvas, run.glyph_run, &positions, text_matrix, visibility)?;
            if let (TextVisibility::Visible, Brush::Solid(color)) = (visibility, &run.glyph_run.paint.brush) {
                canvas.set_color(*color, PaintKind::Fill, ColorUse::Text)?;
                canvas.set_text_mode(TextRenderingMode::Fill);
            } else {
                canvas.set_text_mode(TextRenderingMode::Invisible);
            }
            let mut pen = None;
            spans.iter().for_each(|span| show_glyphs(canvas, &placed[span.glyphs.clone()], text_matrix, &mut pen));
        }
        if has_actual_text {
            canvas.content.end_marked_content();
        }
        canvas.content.end_text();
    }
    Ok(())
}
