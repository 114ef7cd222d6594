//! Path construction and stroke parameters: the operators that fills, strokes and clips have in common.

use kurbo::{Affine, BezPath, Cap, Join, PathEl, Rect, Stroke};
use pdf_writer::types::{LineCapStyle, LineJoinStyle};

use super::canvas::Canvas;
use super::coordinates::{px, round_to_grid};
use crate::paint::transforms::{is_axis_aligned, is_outline_below, max_scale};
use crate::report::WarningCode;

/// Maximum absolute coordinate that is written, in px: PDF readers compute in single precision.
pub(super) const MAX_COORDINATE: f64 = 1e6;

/// Sets line width, cap, join and dashes, with lengths multiplied by `scale`.
pub(super) fn set_stroke_style(canvas: &mut Canvas<'_>, stroke: &Stroke, scale: f64) {
    canvas.content.set_line_width((stroke.width * scale) as f32);
    let cap = match stroke.start_cap {
        Cap::Butt => LineCapStyle::ButtCap,
        Cap::Round => LineCapStyle::RoundCap,
        Cap::Square => LineCapStyle::ProjectingSquareCap,
    };
    if cap != LineCapStyle::ButtCap {
        canvas.content.set_line_cap(cap);
    }
    match stroke.join {
        Join::Miter => {
            // 10 is the initial miter limit of a page (ISO 32000-1, 8.4.1).
            if stroke.miter_limit != 10.0 {
                canvas.content.set_miter_limit(stroke.miter_limit.max(1.0) as f32);
            }
        }
        Join::Round => drop(canvas.content.set_line_join(LineJoinStyle::RoundJoin)),
        Join::Bevel => drop(canvas.content.set_line_join(LineJoinStyle::BevelJoin)),
    }
    let dashes: Vec<f32> = stroke.dash_pattern.iter().map(|dash| (dash * scale) as f32).collect();
    if dashes.is_empty() {
        return;
    }
    if dashes.iter().all(|dash| *dash >= 0.0) && dashes.iter().sum::<f32>() > 0.0 && stroke.dash_offset.is_finite() {
        canvas.content.set_dash_pattern(dashes, (stroke.dash_offset * scale) as f32);
    } else {
        canvas.warn(WarningCode::Ignored, "the dashes have no length; the line is drawn solid");
    }
}

/// Adds `outline` to the current path, in page coordinates.
pub(super) fn append_outline(canvas: &mut Canvas<'_>, outline: &BezPath, transform: Affine) {
    if let Some(rect) = as_rect(outline, transform) {
        append_rect(canvas, rect);
        return;
    }
    append_elements(canvas, (transform * outline.clone()).elements(), px);
}

/// Adds an axis-aligned rectangle to the current path. Its sides are rounded to the coordinate grid, so that
/// adjacent rectangles share them.
pub(super) fn append_rect(canvas: &mut Canvas<'_>, rect: kurbo::Rect) {
    let (x, y) = (round_to_grid(rect.x0), round_to_grid(rect.y0));
    let (width, height) = (round_to_grid(rect.x1) - x, round_to_grid(rect.y1) - y);
    canvas.content.rect(px(x), px(y), px(width), px(height));
}

/// Adds `outline` to the current path without a transform and without rounding.
pub(super) fn append_outline_unrounded(canvas: &mut Canvas<'_>, outline: &BezPath) {
    append_elements(canvas, outline.elements(), |value| value as f32);
}

fn append_elements(canvas: &mut Canvas<'_>, elements: &[PathEl], number: impl Fn(f64) -> f32) {
    let mut at = kurbo::Point::ZERO;
    for element in elements {
        match *element {
            PathEl::MoveTo(p) => drop(canvas.content.move_to(number(p.x), number(p.y))),
            PathEl::LineTo(p) => drop(canvas.content.line_to(number(p.x), number(p.y))),
            PathEl::QuadTo(c, p) => {
                let cubic = kurbo::QuadBez::new(at, c, p).raise();
                append_cubic(canvas, [cubic.p1, cubic.p2, cubic.p3], &number);
            }
            PathEl::CurveTo(a, b, p) => append_cubic(canvas, [a, b, p], &number),
            PathEl::ClosePath => drop(canvas.content.close_path()),
        }
        at = element.end_point().unwrap_or(at);
    }
}

fn append_cubic(canvas: &mut Canvas<'_>, [a, b, p]: [kurbo::Point; 3], number: &impl Fn(f64) -> f32) {
    let number = |value| number(value);
    canvas.content.cubic_to(number(a.x), number(a.y), number(b.x), number(b.y), number(p.x), number(p.y));
}

/// True when all coordinates of `outline`, inflated by `outset`, are finite and below [`MAX_COORDINATE`].
pub(super) fn is_writable(outline: &BezPath, transform: Affine, outset: f64) -> bool {
    is_outline_below(outline, transform, outset, MAX_COORDINATE)
}

/// The rectangle that `outline` is after `transform`; `None` when it is not an axis-aligned rectangle.
fn as_rect(outline: &BezPath, transform: Affine) -> Option<Rect> {
    if outline.elements().len() > 6 || !is_axis_aligned(transform) {
        return None;
    }
    // Only clockwise from the top-left corner, as the `re` operator draws it, so that dashes and winding are unchanged.
    let [PathEl::MoveTo(p0), PathEl::LineTo(p1), PathEl::LineTo(p2), PathEl::LineTo(p3), PathEl::ClosePath] =
        *outline.elements()
    else {
        return None;
    };
    let right = p0.y == p1.y && p1.x == p2.x && p2.y == p3.y && p3.x == p0.x;
    right.then(|| kurbo::Rect::from_points(transform * p0, transform * p2)).filter(|rect| {
        let (from, to) = (transform * p0, transform * p2);
        from.x == rect.x0 && from.y == rect.y0 && to.x == rect.x1 && to.y == rect.y1
    })
}

/// The larger of the factors by which `transform` scales the two axes, or 1 where both are zero.
pub(super) fn scale_of(transform: Affine) -> f64 {
    let scale = max_scale(transform);
    if scale > 0.0 { scale } else { 1.0 }
}
