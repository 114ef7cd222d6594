//! The primitives that every painter implements: fills, clips, layers and pictures in device px.

use kurbo::{Affine, BezPath, Point, Rect};
use peniko::{BlendMode, Brush, Fill};

use super::color_layers::ColorLayers;
use super::error::PaintError;
use super::plan::{Glyphs, PlacedGlyph, SurfaceId};
use super::prepared_image::PlacedImage;
use crate::units::Opacity;

/// Drawing primitives of a painter on one surface.
pub(super) trait DrawTarget {
    /// Fills `polygons`, which are in device px. `to_device` maps the brush's space to device px.
    fn fill_path(&mut self, polygons: &BezPath, rule: Fill, brush: &Brush, to_device: Affine);
    /// Fills `rect`, which `transform` maps to device px. `to_rect` maps the brush's space to that of `rect`.
    fn fill_rect(&mut self, rect: Rect, transform: Affine, brush: &Brush, to_rect: Affine);
    /// Clips what follows to `polygons`, in device px, by the nonzero rule, without isolating it.
    fn push_clip_path(&mut self, polygons: &BezPath);
    /// Clips what follows to `rect`, which `transform` maps to device px, without isolating it.
    fn push_clip_rect(&mut self, rect: Rect, transform: Affine);
    /// Ends the innermost clip.
    fn pop_clip(&mut self);
    /// Composites what follows as one layer, within `clip` in device px, by the nonzero rule.
    fn push_layer(&mut self, clip: Option<&BezPath>, opacity: Opacity, blend: BlendMode);
    /// Ends the innermost layer.
    fn pop_layer(&mut self);
    /// Draws a picture with `opacity`.
    fn draw_image(&mut self, placed: &PlacedImage<'_>, opacity: Opacity);
    /// Draws the COLR layers of one glyph of `run`. `to_device` maps font units to device px.
    fn draw_color_glyph(
        &mut self,
        run: &Glyphs,
        glyph: PlacedGlyph,
        layers: &ColorLayers,
        to_device: Affine,
    ) -> Result<(), PaintError>;
    /// Composites a surface that an earlier step has drawn.
    fn draw_surface(&mut self, surface: SurfaceId, place: SurfacePlacement) -> Result<(), PaintError>;
}

/// Placement of a surface on another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SurfacePlacement {
    /// The surface is copied with its top-left corner at this whole px.
    Copied(Point),
    /// The surface is sampled through this transform, which moves and stretches it. As on a canvas, it fully covers
    /// each px whose centre it covers.
    Upright(Affine),
    /// The surface is sampled through this transform from its px to those of the target surface.
    Transformed(Affine),
}

impl SurfacePlacement {
    /// The placement by `transform`, which maps px of the surface to px of the target.
    pub(super) fn of(transform: Affine) -> Self {
        let [a, b, c, d, x, y] = transform.as_coeffs();
        // Scaling up and down again changes the last bits of a number.
        let unit = |it: f64| (it - 1.0).abs() < 1e-9;
        let at = Point::new(x, y);
        if b != 0.0 || c != 0.0 || a <= 0.0 || d <= 0.0 {
            return Self::Transformed(transform);
        }
        match unit(a) && unit(d) {
            true if at.distance(at.round()) < 1e-6 => Self::Copied(at.round()),
            true => Self::Upright(Affine::translate(at.to_vec2())),
            false => Self::Upright(transform),
        }
    }

    /// The px that a surface of this size covers when `upright` maps its px to those of the target.
    pub(super) fn covered(upright: Affine, width: f64, height: f64) -> Rect {
        let nearest = |edge: f64| (edge + 0.5).floor();
        let Rect { x0, y0, x1, y1 } = upright.transform_rect_bbox(Rect::new(0.0, 0.0, width, height));
        Rect::new(nearest(x0), nearest(y0), nearest(x1), nearest(y1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surfaces_between_px_cover_whole_px() {
        assert_eq!(
            SurfacePlacement::of(Affine::translate((3.0, -2.0))),
            SurfacePlacement::Copied(Point::new(3.0, -2.0))
        );
        assert_eq!(
            SurfacePlacement::of(Affine::translate((3.0, 0.25))),
            SurfacePlacement::Upright(Affine::translate((3.0, 0.25)))
        );
        assert_eq!(SurfacePlacement::of(Affine::rotate(1.0)), SurfacePlacement::Transformed(Affine::rotate(1.0)));
        // Chromium draws a bitmap of 8 rows at 52.5 on rows 53 to 60.
        let at = Affine::translate((7.0, 52.5));
        assert_eq!(SurfacePlacement::covered(at, 6.0, 8.0), Rect::new(7.0, 53.0, 13.0, 61.0));
        // 6 columns in 6.6 px, to 13.6.
        let stretched = at * Affine::scale_non_uniform(1.1, 1.0);
        assert_eq!(SurfacePlacement::of(stretched), SurfacePlacement::Upright(stretched));
        assert_eq!(SurfacePlacement::covered(stretched, 6.0, 8.0), Rect::new(7.0, 53.0, 14.0, 61.0));
    }
}
