//! Glyphs as outlines, for fonts that must not be embedded and for styles that PDF text operators lack.

use kurbo::{Affine, BezPath, Shape as _};
use peniko::Brush;

use super::canvas::Canvas;
use super::color::{ColorUse, PaintKind};
use super::error::PdfError;
use super::gradient::shade;
use super::outline::append_outline;
use super::path::stroke_path;
use crate::paint::glyphs::{GlyphShape, GlyphSize};
use crate::scene::{GlyphRun, GlyphStyle};

/// Paints the outlines of `run` as paths, without its colour glyphs.
pub(super) fn draw_glyph_outlines(canvas: &mut Canvas<'_>, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
    let outlines = run_outlines(canvas, run)?;
    match &run.style {
        GlyphStyle::Stroke(stroke) => {
            outlines.iter().try_for_each(|outline| stroke_path(canvas, outline, stroke, &run.paint, transform))
        }
        GlyphStyle::Fill => match &run.paint.brush {
            Brush::Solid(color) => {
                canvas.set_color(*color, PaintKind::Fill, ColorUse::Text)?;
                for outline in &outlines {
                    append_outline(canvas, outline, transform);
                    canvas.content.fill_nonzero();
                }
                Ok(())
            }
            Brush::Gradient(gradient) => {
                // One glyph after the other, so that overlaps of translucent glyphs add up as in other painters.
                for outline in outlines.iter().filter(|outline| !outline.elements().is_empty()) {
                    canvas.save();
                    append_outline(canvas, outline, transform);
                    canvas.content.clip_nonzero().end_path();
                    let bounds = transform.transform_rect_bbox(outline.bounding_box());
                    let painted = shade(canvas, gradient, transform * run.paint.transform, bounds, ColorUse::Text);
                    canvas.restore();
                    painted?;
                }
                Ok(())
            }
            // The scene guarantees that there are no image brushes.
            Brush::Image(_) => Ok(()),
        },
    }
}

/// Outlines of the glyphs in the coordinates of `run`, with its slant and synthetic weight.
fn run_outlines(canvas: &mut Canvas<'_>, run: &GlyphRun) -> Result<Vec<BezPath>, PdfError> {
    let size = run.font_size.0;
    let glyph_size = GlyphSize { size, em: size, embolden: run.embolden.0, upright: false };
    let slant = Affine::new([1.0, 0.0, -run.skew, 1.0, 0.0, 0.0]);
    let (mut outlines, mut added) = (Vec::with_capacity(run.glyphs.len()), 0);
    let face = canvas.file.faces.get(&run.font, &run.coords)?;
    for glyph in &run.glyphs {
        let (shape, elements) = face.shape(glyph.id, &glyph_size)?;
        added += elements;
        if let GlyphShape::Outline(outline, units) = shape {
            let to_run = Affine::translate(run.origin.to_vec2() + glyph.offset)
                * slant
                * Affine::scale_non_uniform(size / units, -size / units);
            outlines.push(to_run * BezPath::clone(&outline));
        }
    }
    canvas.file.faces.count_added(added);
    Ok(outlines)
}
