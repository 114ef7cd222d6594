//! Text on a curve: every glyph is turned by itself, and readers would take each for a word.

use kurbo::{Affine, Vec2};
use pdf_writer::types::TextRenderingMode;
use peniko::{BlendMode, Brush};

use super::PdfError;
use super::canvas::Canvas;
use super::color::{ColorUse, Pen};
use super::font::Embedding;
use super::text::Seen;
use super::words::is_rtl;
use crate::scene::{GlyphRun, GlyphStyle, Group, Node};
use crate::units::Opacity;

/// A run on its own, placed by a group: what texts on a curve are made of.
pub(super) struct Cell<'a> {
    run: &'a GlyphRun,
    /// From the run's coordinates to those of the group around.
    transform: Affine,
}

/// The cells of a text on a curve that `nodes` begin with: groups of a turned run each, one behind the other.
pub(super) fn cells(nodes: &[Node]) -> Vec<Cell<'_>> {
    let mut found: Vec<Cell<'_>> = Vec::new();
    for node in nodes {
        let Some(cell) = cell(node) else { break };
        if found.last().is_some_and(|last| !last.continues(&cell)) {
            break;
        }
        found.push(cell);
    }
    found
}

fn cell(node: &Node) -> Option<Cell<'_>> {
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
            Some(Cell { run, transform: *transform })
        }
        _ => None,
    }
}

impl Cell<'_> {
    fn is_turned(&self) -> bool {
        let [_, b, ..] = self.transform.as_coeffs();
        b != 0.0
    }

    /// True when `next` stands where this one ends, more or less, on the same arc.
    fn continues(&self, next: &Self) -> bool {
        let advance: f64 = self.run.glyphs.iter().map(|glyph| glyph.advance.0).sum();
        let end = self.transform * (self.run.origin + Vec2::new(advance, 0.0));
        let near = end.distance(next.transform * next.run.origin) < 2.0 * self.run.font_size.0;
        near && (self.is_turned() || next.is_turned())
    }
}

impl Canvas<'_> {
    /// Text whose words are turned glyph by glyph: readers would take each glyph for a word.
    pub(super) fn curved(&mut self, cells: &[Cell<'_>], transform: Affine) -> Result<(), PdfError> {
        let is_space = |cell: &Cell<'_>| cell.run.text.trim().is_empty();
        for word in cells.chunk_by(|a, b| !is_space(a) && !is_space(b)) {
            let mut simple = true;
            for cell in word {
                let embedded = self.painter.face(cell.run)?.embedding == Embedding::Subset;
                simple &= embedded && cell.run.embolden.0 == 0.0 && matches!(cell.run.paint.brush, Brush::Solid(_));
            }
            if !simple {
                word.iter().try_for_each(|cell| self.outlined(cell.run, transform * cell.transform))?;
            }
            let seen = if simple { Seen::Yes } else { Seen::No };
            let text: String = word.iter().map(|cell| &*cell.run.text).collect();
            let said = word.len() > 1 && !text.chars().any(is_rtl);
            self.content.begin_text();
            if said {
                self.begin_said(&text);
            }
            for cell in word {
                let Some((places, shape)) = self.placement(cell.run, transform * cell.transform) else { continue };
                let (placed, pieces) = self.pieces(cell.run, &places, shape, seen)?;
                if let (Seen::Yes, Brush::Solid(color)) = (seen, &cell.run.paint.brush) {
                    self.set_color(*color, Pen::Fill, ColorUse::Text)?;
                    self.set_text_mode(TextRenderingMode::Fill);
                } else {
                    self.set_text_mode(TextRenderingMode::Invisible);
                }
                let mut pen = None;
                pieces.iter().for_each(|piece| self.show_glyphs(&placed[piece.glyphs.clone()], shape, &mut pen));
            }
            if said {
                self.content.end_marked_content();
            }
            self.content.end_text();
        }
        Ok(())
    }
}
