//! Glyphs of colour fonts, written as pictures in Type 3 fonts.

use kurbo::{Affine, Point, Rect, Vec2};
use peniko::{Brush, Color};

use super::PdfError;
use super::canvas::Canvas;
use super::font::{self, GlyphCode};
use super::text::TextMatrix;
use super::type3::{GlyphAppearance, GlyphPicture};
use crate::paint::{flatten, glyphs};
use crate::scene::{Glyph, GlyphRun, Group, Node};
use crate::units::{DeviceScale, Px};

/// Minimum px per em of the picture of a colour glyph.
const MIN_PX_PER_EM: u32 = 32;
/// Maximum px per em of the picture of a colour glyph.
const MAX_PX_PER_EM: u32 = 512;

impl Canvas<'_> {
    pub(super) fn is_color_glyph(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        text_matrix: TextMatrix,
    ) -> Result<bool, PdfError> {
        let size = self.px_per_em(text_matrix);
        let found = self.painter.glyph_shape(run, glyph, size)?;
        Ok(matches!(found, glyphs::GlyphShape::Picture(..) | glyphs::GlyphShape::Layers(_)))
    }

    /// Px per em of the picture of a colour glyph: the next power of two, so that texts of similar sizes share it.
    fn px_per_em(&self, text_matrix: TextMatrix) -> u32 {
        let exact = text_matrix.size * self.painter.settings.raster_scale.get();
        (exact.clamp(1.0, 4096.0).ceil() as u32).next_power_of_two().clamp(MIN_PX_PER_EM, MAX_PX_PER_EM)
    }

    /// The code of a colour glyph, `width` ems wide, that stands for `text`.
    pub(super) fn color_glyph(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        width: f64,
        text: &str,
        text_matrix: TextMatrix,
    ) -> Result<GlyphCode, PdfError> {
        let size = self.px_per_em(text_matrix);
        let Brush::Solid(color) = run.paint.brush.clone() else {
            return self.color_glyph_at(run, glyph, (width, text), size, Color::BLACK);
        };
        self.color_glyph_at(run, glyph, (width, text), size, color.with_alpha(1.0))
    }

    fn color_glyph_at(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        (width, text): (f64, &str),
        size: u32,
        foreground: Color,
    ) -> Result<GlyphCode, PdfError> {
        let abandoned = self.abandoned;
        let found = self.painter.glyph_shape(run, glyph, size)?;
        // Only layers can refer to the colour of the text.
        let color = if matches!(found, glyphs::GlyphShape::Layers(_)) { foreground.to_rgba8().to_u32() } else { 0 };
        let appearance =
            GlyphAppearance::Colour { face: font::face_key(run), glyph, px_per_em: size, foreground: color };
        self.painter.type3_code(appearance, width, text, |painter| match found {
            glyphs::GlyphShape::Blank | glyphs::GlyphShape::Outline(..) => Ok(None),
            glyphs::GlyphShape::Picture(picture, to_em) => {
                let object = painter.glyph_picture(&picture)?;
                let to_em = to_em * Affine::scale_non_uniform(picture.width.into(), picture.height.into());
                Ok(object.map(|object| GlyphPicture { object, to_em }))
            }
            glyphs::GlyphShape::Layers(_) => {
                let em = f64::from(size);
                let alone = GlyphRun {
                    font_size: Px(em),
                    origin: Point::ZERO,
                    skew: 0.0,
                    embolden: Px(0.0),
                    paint: foreground.into(),
                    glyphs: vec![Glyph { id: glyph, offset: Vec2::ZERO, advance: Px(em), cluster: 0 }],
                    ..run.clone()
                };
                let group = Group { children: vec![Node::Glyphs(alone)], ..Group::default() };
                let visible = Rect::from_center_size(Point::ZERO, (em * 6.0, em * 6.0));
                let limits = painter.settings.limits;
                let flat = flatten::flatten(&group, visible, DeviceScale::ONE, limits, abandoned)?;
                let Some((flat, _)) = flat else { return Ok(None) };
                let (origin, size) = (flat.area.origin(), flat.area.size());
                let to_em = Affine::scale(1.0 / em)
                    * Affine::translate(origin.to_vec2())
                    * Affine::scale_non_uniform(size.width, size.height);
                Ok(painter.flat_picture(flat)?.map(|object| GlyphPicture { object, to_em }))
            }
        })
    }
}
