//! Estimate of the time that a page takes to paint: the number of px that its operations touch, weighted by paint, and
//! the edges of its outlines.
//!
//! Rasterising cannot be interrupted, and a design of one megabyte could otherwise take hours.

use kurbo::{Affine, BezPath, PathEl, Rect};
use peniko::Brush;

use super::error::{MAX_OVERDRAW, PaintError};
use super::limits::SurfaceLimits;
use super::plan::{FramePlan, Glyphs, Op, Step};
use super::transforms::{is_axis_aligned, max_scale};
use crate::scene::Paint;
use crate::units::DeviceSize;

/// Measured cost of a px of a gradient, relative to a solid colour.
const GRADIENT: f64 = 30.0;
/// Measured cost of a px of a rotated or skewed picture, which is sampled, relative to a solid colour.
const SAMPLED_PICTURE: f64 = 40.0;
/// Measured cost of a px of an axis-aligned picture, which is copied, relative to a solid colour.
const COPIED_PICTURE: f64 = 4.0;
/// Cost of a px of a layer, which is cleared and composited, relative to a solid colour.
const LAYER: f64 = 2.0;

/// Checks that `plan` would not take too long to paint. `edges`: the cost of its edges, in the same unit.
///
/// # Errors
/// [`PaintError::TooMuchWork`].
pub(super) fn check(plan: &FramePlan, edges: f64, limits: SurfaceLimits) -> Result<(), PaintError> {
    let mut work = edges;
    for step in &plan.steps {
        if let Step::Draw { into, ops } = step {
            let size = plan.surfaces[into.0];
            let surface = Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height));
            work += ops.iter().map(|op| op_cost(op, surface, &plan.surfaces)).sum::<f64>();
        }
    }
    let (found, limit) = (work / 1e6, limits.megapixels * MAX_OVERDRAW);
    if found > limit { Err(PaintError::TooMuchWork { found, limit }) } else { Ok(()) }
}

/// Upper bound of the cost of `op`, in px of a solid colour. It counts bounding boxes.
fn op_cost(op: &Op, surface: Rect, surfaces: &[DeviceSize]) -> f64 {
    let box_area = |outline: &BezPath, transform: Affine, outset: f64| {
        transform.transform_rect_bbox(outline.control_box().inflate(outset, outset)).intersect(surface).area()
    };
    match op {
        Op::Fill { outline, paint, transform, .. } => box_area(outline, *transform, 0.0) * weight(paint),
        Op::Stroke { outline, stroke, paint, transform } => {
            // A thin line fills little of a large bounding box.
            let scale = max_scale(*transform);
            let along = (length(outline) * scale) * (stroke.width * scale + 2.0);
            box_area(outline, *transform, stroke.width).min(along) * weight(paint)
        }
        Op::Glyphs(run) => glyphs_cost(run, surface),
        Op::Image { dest, transform, .. } => {
            let weight = if is_axis_aligned(*transform) { COPIED_PICTURE } else { SAMPLED_PICTURE };
            transform.transform_rect_bbox(*dest).intersect(surface).area() * weight
        }
        Op::Surface { surface, .. } => surfaces[surface.0].pixels() as f64 * COPIED_PICTURE,
        Op::PushLayer { clip, transform, .. } => {
            clip.as_ref().map_or(surface.area(), |clip| box_area(clip, *transform, 0.0)) * LAYER
        }
        Op::PushClip { .. } | Op::PopClip | Op::PopLayer => 0.0,
    }
}

/// Cost of a run: for each glyph a quarter of the square of two em around its origin.
fn glyphs_cost(run: &Glyphs, surface: Rect) -> f64 {
    let em = run.size * max_scale(run.linear);
    let area = |at: kurbo::Point| Rect::from_center_size(at, (2.0 * em, 2.0 * em)).intersect(surface).area() / 4.0;
    run.glyphs.iter().map(|glyph| area(glyph.at)).sum::<f64>() * weight(&run.paint)
}

fn weight(paint: &Paint) -> f64 {
    match paint.brush {
        Brush::Solid(_) => 1.0,
        Brush::Gradient(_) | Brush::Image(_) => GRADIENT,
    }
}

/// Length of the control polygon, which is at least that of the curve.
fn length(outline: &BezPath) -> f64 {
    let (mut first, mut last, mut length) = (kurbo::Point::ZERO, kurbo::Point::ZERO, 0.0);
    for element in outline.elements() {
        let to = |at: &mut kurbo::Point, next: kurbo::Point| {
            let step = at.distance(next);
            *at = next;
            step
        };
        length += match *element {
            PathEl::MoveTo(point) => {
                (first, last) = (point, point);
                0.0
            }
            PathEl::LineTo(point) => to(&mut last, point),
            PathEl::QuadTo(control, point) => to(&mut last, control) + to(&mut last, point),
            PathEl::CurveTo(one, two, point) => to(&mut last, one) + to(&mut last, two) + to(&mut last, point),
            PathEl::ClosePath => to(&mut last, first),
        };
    }
    length
}
