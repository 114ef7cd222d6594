//! Path nodes as PDF operators: fills and strokes.

use kurbo::{Affine, BezPath, Rect, Shape as _, Stroke, StrokeOpts};
use peniko::{Brush, Fill};

use super::canvas::Canvas;
use super::color::{ColorUse, PaintKind};
use super::coordinates::matrix;
use super::error::PdfError;
use super::gradient::shade;
use super::outline::{
    MAX_COORDINATE, append_outline, append_outline_unrounded, is_writable, scale_of, set_stroke_style,
};
use crate::paint::cut::parts_near;
use crate::paint::ops::{DOT_LENGTH, with_dots};
use crate::scene::{Paint, Path};

/// Larger paths are cut at this absolute coordinate, in px, which is outside of any page.
const CUT_COORDINATE: f64 = MAX_COORDINATE / 2.0;

/// Maximum error of the outline of a stroke, in page px.
const STROKE_TOLERANCE: f64 = 0.005;

/// Paints the fill and then the stroke of `path`.
pub(super) fn draw_path(canvas: &mut Canvas<'_>, path: &Path, transform: Affine) -> Result<(), PdfError> {
    if path.outline.elements().is_empty() {
        return Ok(());
    }
    let outset = path.stroke.as_ref().map_or(0.0, |(_, stroke)| stroke.width);
    if !is_writable(&path.outline, transform, outset) {
        let near = Rect::new(-CUT_COORDINATE, -CUT_COORDINATE, CUT_COORDINATE, CUT_COORDINATE);
        let Some(parts) = parts_near(path, transform, near) else {
            canvas.skip("it is too large or its position is not a finite number");
            return Ok(());
        };
        return parts.iter().try_for_each(|part| draw_path(canvas, part, Affine::IDENTITY));
    }
    if let Some((paint, rule)) = path.fill.as_ref().filter(|(paint, _)| is_visible(paint)) {
        fill_path(canvas, &path.outline, *rule, paint, transform)?;
    }
    match &path.stroke {
        Some((paint, stroke)) if stroke.width > 0.0 && is_visible(paint) => {
            stroke_path(canvas, &path.outline, stroke, paint, transform)
        }
        _ => Ok(()),
    }
}

pub(super) fn fill_path(
    canvas: &mut Canvas<'_>,
    outline: &BezPath,
    rule: Fill,
    paint: &Paint,
    transform: Affine,
) -> Result<(), PdfError> {
    match &paint.brush {
        Brush::Solid(color) => {
            canvas.set_color(*color, PaintKind::Fill, ColorUse::Area)?;
            append_outline(canvas, outline, transform);
            match rule {
                Fill::NonZero => canvas.content.fill_nonzero(),
                Fill::EvenOdd => canvas.content.fill_even_odd(),
            };
            Ok(())
        }
        Brush::Gradient(gradient) => {
            canvas.save();
            append_outline(canvas, outline, transform);
            match rule {
                Fill::NonZero => canvas.content.clip_nonzero(),
                Fill::EvenOdd => canvas.content.clip_even_odd(),
            };
            canvas.content.end_path();
            let bounds = transform.transform_rect_bbox(outline.bounding_box());
            let painted = shade(canvas, gradient, transform * paint.transform, bounds, ColorUse::Area);
            canvas.restore();
            painted
        }
        // The scene guarantees that there are no image brushes: pictures are nodes.
        Brush::Image(_) => Ok(()),
    }
}

pub(super) fn stroke_path(
    canvas: &mut Canvas<'_>,
    outline: &BezPath,
    stroke: &Stroke,
    paint: &Paint,
    transform: Affine,
) -> Result<(), PdfError> {
    let Brush::Solid(color) = &paint.brush else {
        // PDF strokes take no gradients, so the outline of the stroke is filled.
        let (options, tolerance) = (StrokeOpts::default(), STROKE_TOLERANCE / scale_of(transform));
        let (outline, stroke) = with_dots(outline, stroke, DOT_LENGTH / scale_of(transform));
        let area = kurbo::stroke(outline.iter(), &stroke, &options, tolerance);
        return fill_path(canvas, &area, Fill::NonZero, paint, transform);
    };
    canvas.set_color(*color, PaintKind::Stroke, ColorUse::Area)?;
    canvas.save();
    // Only a similarity keeps the pen round. Any other transform must apply to the pen as well as to the outline.
    match similarity(transform) {
        Some(scale) => {
            set_stroke_style(canvas, stroke, scale);
            append_outline(canvas, outline, transform);
        }
        None => {
            canvas.content.transform(matrix(transform));
            set_stroke_style(canvas, stroke, 1.0);
            append_outline_unrounded(canvas, outline);
        }
    }
    canvas.content.stroke();
    canvas.restore();
    Ok(())
}

/// False for a fully transparent solid colour.
fn is_visible(paint: &Paint) -> bool {
    !matches!(paint.brush, Brush::Solid(color) if color.components[3] <= 0.0)
}

/// The factor by which `transform` scales every length; `None` when it is not a similarity.
fn similarity(transform: Affine) -> Option<f64> {
    let [a, b, c, d, _, _] = transform.as_coeffs();
    let (x, y) = (a.hypot(b), c.hypot(d));
    let close = |value: f64| value.abs() <= 1e-6 * x * x;
    (close(a * c + b * d) && close(x * x - y * y)).then_some(x)
}
