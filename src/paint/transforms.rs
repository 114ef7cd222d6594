//! Properties of affine transforms, and limits of the coordinates that they lead to.

use kurbo::{Affine, BezPath, Rect};

/// The larger of the factors by which `transform` scales lengths along the x and y axes.
pub(super) fn max_scale(transform: Affine) -> f64 {
    let [a, b, c, d, ..] = transform.as_coeffs();
    a.hypot(b).max(c.hypot(d))
}

/// True when `transform` neither rotates nor skews.
pub(super) fn is_axis_aligned(transform: Affine) -> bool {
    let [_, b, c, ..] = transform.as_coeffs();
    b == 0.0 && c == 0.0
}

/// True when all coordinates of `outline`, inflated by `outset` and transformed, are finite and below `max`.
pub(super) fn is_outline_below(outline: &BezPath, transform: Affine, outset: f64, max: f64) -> bool {
    let bounds = outline.control_box().inflate(outset, outset);
    // The bounding box alone is not sufficient: it ignores points that are NaN.
    outline.is_finite() && transform.is_finite() && is_rect_below(transform.transform_rect_bbox(bounds), max)
}

/// True when the absolute values of all coordinates of `rect` are below `max`.
pub(super) fn is_rect_below(rect: Rect, max: f64) -> bool {
    [rect.x0, rect.y0, rect.x1, rect.y1].iter().all(|side| side.abs() < max)
}
