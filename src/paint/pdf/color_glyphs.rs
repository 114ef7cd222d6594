//! Glyphs of colour fonts, written as pictures in Type 3 fonts.

use kurbo::{Affine, Point, Rect, Vec2};

use super::canvas::Canvas;
use super::error::PdfError;
use super::font::{self, GlyphCode};
use super::pictures::{write_glyph_picture, write_rasterized_glyph};
use super::text_matrix::TextMatrix;
use super::type3::{GlyphAppearance, GlyphPicture};
use crate::paint::glyphs::{GlyphFaces, GlyphShape, GlyphSize};
use crate::paint::ops::foreground;
use crate::paint::rasterized_group::rasterize_group;
use crate::scene::{Glyph, GlyphRun, Group, Node};
use crate::units::{DeviceScale, Px};

/// Minimum px per em of the picture of a colour glyph.
const MIN_PX_PER_EM: u32 = 32;
/// Maximum px per em of the picture of a colour glyph.
const MAX_PX_PER_EM: u32 = 512;

pub(super) fn is_color_glyph(
    canvas: &mut Canvas<'_>,
    run: &GlyphRun,
    glyph: u32,
    text_matrix: TextMatrix,
) -> Result<bool, PdfError> {
    let size = px_per_em(canvas, text_matrix);
    let found = glyph_shape(&mut canvas.file.faces, run, glyph, size)?;
    Ok(matches!(found, GlyphShape::Bitmap(..) | GlyphShape::Layers(_)))
}

/// Px per em of the picture of a colour glyph: the next power of two, so that texts of similar sizes share it.
fn px_per_em(canvas: &Canvas<'_>, text_matrix: TextMatrix) -> u32 {
    let exact = text_matrix.size * canvas.file.objects.settings.raster_scale.get();
    (exact.clamp(1.0, 4096.0).ceil() as u32).next_power_of_two().clamp(MIN_PX_PER_EM, MAX_PX_PER_EM)
}

/// The code of a colour glyph, `width` ems wide, that readers map to `text`.
pub(super) fn color_glyph_code(
    canvas: &mut Canvas<'_>,
    run: &GlyphRun,
    glyph: u32,
    width: f64,
    text: &str,
    text_matrix: TextMatrix,
) -> Result<GlyphCode, PdfError> {
    let size = px_per_em(canvas, text_matrix);
    let foreground = foreground(&run.paint);
    let abandoned = canvas.abandoned;
    let found = glyph_shape(&mut canvas.file.faces, run, glyph, size)?;
    // Only layers can refer to the colour of the text.
    let color = if matches!(found, GlyphShape::Layers(_)) { foreground.to_rgba8().to_u32() } else { 0 };
    let appearance = GlyphAppearance::Colour { face: font::face_key(run), glyph, px_per_em: size, foreground: color };
    canvas.file.type3_fonts.code(&mut canvas.file.objects, appearance, width, text, |objects| match found {
        GlyphShape::Blank | GlyphShape::Outline(..) => Ok(None),
        GlyphShape::Bitmap(picture, to_em) => {
            let object = write_glyph_picture(objects, &picture)?;
            let to_em = to_em * Affine::scale_non_uniform(picture.width.into(), picture.height.into());
            Ok(object.map(|object| GlyphPicture { object, to_em }))
        }
        GlyphShape::Layers(_) => {
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
            let limits = objects.settings.limits;
            let rasterized = rasterize_group(&group, visible, DeviceScale::ONE, limits, abandoned)?;
            let Some((rasterized, _)) = rasterized else { return Ok(None) };
            let (origin, size) = (rasterized.area.origin(), rasterized.area.size());
            let to_em = Affine::scale(1.0 / em)
                * Affine::translate(origin.to_vec2())
                * Affine::scale_non_uniform(size.width, size.height);
            Ok(write_rasterized_glyph(objects, rasterized)?.map(|object| GlyphPicture { object, to_em }))
        }
    })
}

/// The outline, bitmap or layers of `glyph` in an em square of side 1, for display at `size` px per em.
fn glyph_shape(faces: &mut GlyphFaces, run: &GlyphRun, glyph: u32, size: u32) -> Result<GlyphShape, PdfError> {
    let glyph_size = GlyphSize { size: 1.0, em: f64::from(size), embolden: 0.0, upright: false };
    let (shape, elements) = faces.get(&run.font, &run.coords)?.shape(glyph, &glyph_size)?;
    faces.count_added(elements);
    Ok(shape)
}
