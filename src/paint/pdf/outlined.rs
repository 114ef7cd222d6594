//! Glyphs as outlines: where a font must not be in the file, or its operators cannot say what is wanted.

use kurbo::{Affine, BezPath, Shape as _};
use peniko::Brush;

use super::PdfError;
use super::canvas::Canvas;
use super::color::{ColorUse, Pen};
use crate::paint::glyphs::{GlyphSize, Shape};
use crate::scene::{GlyphRun, GlyphStyle};

impl Canvas<'_> {
    /// Paints `run`'s outlines as areas; its colour glyphs are left to others.
    pub(super) fn outlined(&mut self, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
        let outlines = self.outlines(run)?;
        match &run.style {
            GlyphStyle::Stroke(stroke) => {
                outlines.iter().try_for_each(|outline| self.stroke(outline, stroke, &run.paint, transform))
            }
            GlyphStyle::Fill => match &run.paint.brush {
                Brush::Solid(color) => {
                    self.set_color(*color, Pen::Fill, ColorUse::Text)?;
                    for outline in &outlines {
                        self.outline(outline, transform);
                        self.content.fill_nonzero();
                    }
                    Ok(())
                }
                Brush::Gradient(gradient) => {
                    // One by one, so that overlaps show twice as elsewhere.
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
                // The scene promises that this does not happen.
                Brush::Image(_) => Ok(()),
            },
        }
    }

    /// In the run's coordinates, slanted and emboldened as it says.
    fn outlines(&mut self, run: &GlyphRun) -> Result<Vec<BezPath>, PdfError> {
        let size = run.font_size.0;
        let wanted = GlyphSize { size, em: size, embolden: run.embolden.0, upright: false };
        let slant = Affine::new([1.0, 0.0, -run.skew, 1.0, 0.0, 0.0]);
        let (mut outlines, mut added) = (Vec::with_capacity(run.glyphs.len()), 0);
        let face = self.painter.faces.get(&run.font, &run.coords)?;
        for glyph in &run.glyphs {
            let (shape, elements) = face.shape(glyph.id, &wanted)?;
            added += elements;
            if let Shape::Outline(outline, units) = shape {
                let place = Affine::translate(run.origin.to_vec2() + glyph.offset)
                    * slant
                    * Affine::scale_non_uniform(size / units, -size / units);
                outlines.push(place * BezPath::clone(&outline));
            }
        }
        self.painter.faces.grew(added);
        Ok(outlines)
    }
}
