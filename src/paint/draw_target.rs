//! The primitives that every painter implements: fills, clips, layers and pictures in device px.

use kurbo::{Affine, BezPath, Point, Rect, Vec2};
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
    /// The surface is sampled with its top-left corner at this point. As on a canvas, it fully covers each px whose
    /// centre it covers.
    Translated(Point),
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
        match unit(a) && unit(d) && b == 0.0 && c == 0.0 {
            true if at.distance(at.round()) < 1e-6 => Self::Copied(at.round()),
            true => Self::Translated(at),
            false => Self::Transformed(transform),
        }
    }

    /// The px that a surface of this size covers with its top-left corner at `at`.
    pub(super) fn covered(at: Point, width: f64, height: f64) -> Rect {
        let corner = (at + Vec2::new(0.5, 0.5)).floor();
        Rect::from_origin_size(corner, (width, height))
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
            SurfacePlacement::Translated(Point::new(3.0, 0.25))
        );
        assert_eq!(SurfacePlacement::of(Affine::rotate(1.0)), SurfacePlacement::Transformed(Affine::rotate(1.0)));
        // Chromium draws a bitmap of 8 rows at 52.5 on rows 53 to 60.
        assert_eq!(SurfacePlacement::covered(Point::new(7.0, 52.5), 6.0, 8.0), Rect::new(7.0, 53.0, 13.0, 61.0));
    }
}
