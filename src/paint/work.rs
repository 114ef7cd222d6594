//! How long a page takes to paint, before anything is painted: pixels that operations may touch, weighted.
//!
//! Making pixels cannot be interrupted, and a page of a megabyte may ask for hours of it.

use kurbo::{Affine, BezPath, PathEl, Rect};
use peniko::Brush;

use super::plan::{FramePlan, Glyphs, Op, Step};
use super::{PAINTS_A_PIXEL, PaintError, SurfaceLimits};
use crate::scene::Paint;
use crate::units::DeviceSize;

/// Times a solid colour, measured: a gradient, a picture that is turned, one that is upright and only copied.
const GRADIENT: f64 = 30.0;
const TURNED_PICTURE: f64 = 40.0;
const UPRIGHT_PICTURE: f64 = 4.0;
/// A layer is cleared and composited.
const LAYER: f64 = 2.0;

/// Refuses plans that would take too long.
pub(super) fn check(plan: &FramePlan, limits: SurfaceLimits) -> Result<(), PaintError> {
    let mut work = 0.0;
    for step in &plan.steps {
        if let Step::Draw { into, ops } = step {
            let size = plan.surfaces[into.0];
            let surface = Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height));
            work += ops.iter().map(|op| of(op, surface, &plan.surfaces)).sum::<f64>();
        }
    }
    let (found, limit) = (work / 1e6, limits.megapixels * PAINTS_A_PIXEL);
    if found > limit { Err(PaintError::TooMuchWork { found, limit }) } else { Ok(()) }
}

/// In solid px. Counts boxes, not shapes: an estimate from above.
fn of(op: &Op, surface: Rect, surfaces: &[DeviceSize]) -> f64 {
    let shown = |outline: &BezPath, transform: Affine, reach: f64| {
        transform.transform_rect_bbox(outline.control_box().inflate(reach, reach)).intersect(surface).area()
    };
    match op {
        Op::Fill { outline, paint, transform, .. } => shown(outline, *transform, 0.0) * weight(paint),
        Op::Stroke { outline, stroke, paint, transform } => {
            // A thin line crosses a large box and fills little of it.
            let [a, b, c, d, ..] = transform.as_coeffs();
            let scale = a.hypot(b).max(c.hypot(d));
            let along = (length(outline) * scale) * (stroke.width * scale + 2.0);
            shown(outline, *transform, stroke.width).min(along) * weight(paint)
        }
        Op::Glyphs(run) => glyphs(run, surface),
        Op::Image { dest, transform, .. } => {
            let [_, b, c, ..] = transform.as_coeffs();
            let weight = if b == 0.0 && c == 0.0 { UPRIGHT_PICTURE } else { TURNED_PICTURE };
            transform.transform_rect_bbox(*dest).intersect(surface).area() * weight
        }
        Op::Surface { surface, .. } => surfaces[surface.0].pixels() as f64 * UPRIGHT_PICTURE,
        Op::PushLayer { clip, transform, .. } => {
            clip.as_ref().map_or(surface.area(), |clip| shown(clip, *transform, 0.0)) * LAYER
        }
        Op::PushClip { .. } | Op::PopClip | Op::PopLayer => 0.0,
    }
}

/// A square of an em around each origin, in both directions.
fn glyphs(run: &Glyphs, surface: Rect) -> f64 {
    let [a, b, c, d, ..] = run.linear.as_coeffs();
    let em = run.size * a.hypot(b).max(c.hypot(d));
    let area = |at: kurbo::Point| Rect::from_center_size(at, (2.0 * em, 2.0 * em)).intersect(surface).area() / 4.0;
    run.glyphs.iter().map(|glyph| area(glyph.at)).sum::<f64>() * weight(&run.paint)
}

fn weight(paint: &Paint) -> f64 {
    match paint.brush {
        Brush::Solid(_) => 1.0,
        Brush::Gradient(_) | Brush::Image(_) => GRADIENT,
    }
}

/// Of the control polygon, at least as long as the curve.
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
