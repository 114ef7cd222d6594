//! Glyphs as outlines, for fonts that must not be embedded and for styles that PDF text operators lack.

use kurbo::{Affine, BezPath, Shape as _};
use peniko::Brush;

use super::PdfError;
use super::canvas::Canvas;
use super::color::{ColorUse, PaintKind};
use crate::paint::glyphs::{GlyphShape, GlyphSize};
use crate::scene::{GlyphRun, GlyphStyle};

impl Canvas<'_> {
    /// Paints the outlines of `run` as paths, without its colour glyphs.
    pub(super) fn glyph_outlines(&mut self, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
        let outlines = self.outlines(run)?;
        match &run.style {
            GlyphStyle::Stroke(stroke) => {
                outlines.iter().try_for_each(|outline| self.stroke(outline, stroke, &run.paint, transform))
            }
            GlyphStyle::Fill => match &run.paint.brush {
                Brush::Solid(color) => {
                    self.set_color(*color, PaintKind::Fill, ColorUse::Text)?;
                    for outline in &outlines {
                        self.outline(outline, transform);
                        self.content.fill_nonzero();
                    }
                    Ok(())
                }
                Brush::Gradient(gradient) => {
                    // One glyph after the other, so that overlaps of translucent glyphs add up as in other painters.
                    for outline in outlines.iter().filter(|outline| !outline.elements().is_empty()) {
                        self.save();
                        self.outline(outline, transform);
                        self.content.clip_nonzero().end_path();
                        let bounds = transform.transform_rect_bbox(outline.bounding_box());
                        let painted = self.shade(gradient, transform * run.paint.transform, bounds, ColorUse::Text);
                        self.restore();
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
    fn outlines(&mut self, run: &GlyphRun) -> Result<Vec<BezPath>, PdfError> {
        let size = run.font_size.0;
        let glyph_size = GlyphSize { size, em: size, embolden: run.embolden.0, upright: false };
        let slant = Affine::new([1.0, 0.0, -run.skew, 1.0, 0.0, 0.0]);
        let (mut outlines, mut added) = (Vec::with_capacity(run.glyphs.len()), 0);
        let face = self.painter.faces.get(&run.font, &run.coords)?;
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
        self.painter.faces.count_added(added);
        Ok(outlines)
    }
}
