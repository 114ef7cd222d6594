//! Glyphs of colour fonts, as pictures in fonts of the file's own.

use kurbo::{Affine, Point, Rect, Vec2};
use peniko::{Brush, Color};

use super::PdfError;
use super::canvas::Canvas;
use super::drawn::{GlyphPicture, Look};
use super::font::{self, Code};
use super::text::Shape;
use crate::paint::{flatten, glyphs};
use crate::scene::{Glyph, GlyphRun, Group, Node};
use crate::units::{DeviceScale, Px};

/// Px an em, of pictures of colour glyphs.
const SMALLEST_PICTURE: u32 = 32;
const LARGEST_PICTURE: u32 = 512;

impl Canvas<'_> {
    pub(super) fn is_coloured(&mut self, run: &GlyphRun, glyph: u32, shape: Shape) -> Result<bool, PdfError> {
        let size = self.colour_size(shape);
        let found = self.painter.glyph_shape(run, glyph, size)?;
        Ok(matches!(found, glyphs::Shape::Picture(..) | glyphs::Shape::Layers(_)))
    }

    /// Px an em of a colour glyph's picture: the next power of two, so that texts of like sizes share it.
    fn colour_size(&self, shape: Shape) -> u32 {
        let wanted = shape.size * self.painter.settings.raster_scale.get();
        (wanted.clamp(1.0, 4096.0).ceil() as u32).next_power_of_two().clamp(SMALLEST_PICTURE, LARGEST_PICTURE)
    }

    pub(super) fn coloured(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        width: f64,
        text: &str,
        shape: Shape,
    ) -> Result<Code, PdfError> {
        let size = self.colour_size(shape);
        let Brush::Solid(color) = run.paint.brush.clone() else {
            return self.layers(run, glyph, (width, text), size, Color::BLACK);
        };
        self.layers(run, glyph, (width, text), size, color.with_alpha(1.0))
    }

    fn layers(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        (width, text): (f64, &str),
        size: u32,
        foreground: Color,
    ) -> Result<Code, PdfError> {
        let abandoned = self.abandoned;
        let found = self.painter.glyph_shape(run, glyph, size)?;
        // Layers may use the colour of the text.
        let color = if matches!(found, glyphs::Shape::Layers(_)) { foreground.to_rgba8().to_u32() } else { 0 };
        let look = Look::Colour(font::key(run), glyph, size, color);
        self.painter.drawn(look, width, text, |painter| match found {
            glyphs::Shape::Blank | glyphs::Shape::Outline(..) => Ok(None),
            glyphs::Shape::Picture(picture, to_em) => {
                let object = painter.glyph_picture(&picture)?;
                let to_em = to_em * Affine::scale_non_uniform(picture.width.into(), picture.height.into());
                Ok(object.map(|object| GlyphPicture { object, to_em }))
            }
            glyphs::Shape::Layers(_) => {
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
                let seen = Rect::from_center_size(Point::ZERO, (em * 6.0, em * 6.0));
                let limits = painter.settings.limits;
                let flat = flatten::flatten(&group, seen, DeviceScale::ONE, limits, abandoned)?;
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
