//! Paths as PDF operators: fills, strokes, and outlines for clips.

use kurbo::{Affine, BezPath, Cap, Join, PathEl, Rect, Shape as _, Stroke, StrokeOpts};
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use peniko::{Brush, Fill};

use super::super::ops::{DOT_LENGTH, with_dots};
use super::PdfError;
use super::canvas::{Canvas, matrix, px, round_to_grid};
use super::color::{ColorUse, PaintKind};
use crate::paint::cut::parts_near;
use crate::report::WarningCode;
use crate::scene::{Paint, Path};

/// Maximum absolute coordinate that is written, in px: PDF readers compute in single precision.
const MAX_COORDINATE: f64 = 1e6;

/// Larger paths are cut at this absolute coordinate, in px, which is outside of any page.
const CUT_COORDINATE: f64 = MAX_COORDINATE / 2.0;

/// Maximum error of the outline of a stroke, in page px.
const STROKE_TOLERANCE: f64 = 0.005;

impl Canvas<'_> {
    /// Paints the fill and then the stroke of `path`.
    pub(super) fn path(&mut self, path: &Path, transform: Affine) -> Result<(), PdfError> {
        if path.outline.elements().is_empty() {
            return Ok(());
        }
        let outset = path.stroke.as_ref().map_or(0.0, |(_, stroke)| stroke.width);
        if !self.is_writable(&path.outline, transform, outset) {
            let near = Rect::new(-CUT_COORDINATE, -CUT_COORDINATE, CUT_COORDINATE, CUT_COORDINATE);
            let Some(parts) = parts_near(path, transform, near) else {
                self.skip("it is too large or its position is not a finite number");
                return Ok(());
            };
            return parts.iter().try_for_each(|part| self.path(part, Affine::IDENTITY));
        }
        if let Some((paint, rule)) = path.fill.as_ref().filter(|(paint, _)| is_visible(paint)) {
            self.fill(&path.outline, *rule, paint, transform)?;
        }
        match &path.stroke {
            Some((paint, stroke)) if stroke.width > 0.0 && is_visible(paint) => {
                self.stroke(&path.outline, stroke, paint, transform)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn fill(
        &mut self,
        outline: &BezPath,
        rule: Fill,
        paint: &Paint,
        transform: Affine,
    ) -> Result<(), PdfError> {
        match &paint.brush {
            Brush::Solid(color) => {
                self.set_color(*color, PaintKind::Fill, ColorUse::Area)?;
                self.outline(outline, transform);
                match rule {
                    Fill::NonZero => self.content.fill_nonzero(),
                    Fill::EvenOdd => self.content.fill_even_odd(),
                };
                Ok(())
            }
            Brush::Gradient(gradient) => {
                self.save();
                self.outline(outline, transform);
                match rule {
                    Fill::NonZero => self.content.clip_nonzero(),
                    Fill::EvenOdd => self.content.clip_even_odd(),
                };
                self.content.end_path();
                let bounds = transform.transform_rect_bbox(outline.bounding_box());
                let painted = self.shade(gradient, transform * paint.transform, bounds, ColorUse::Area);
                self.restore();
                painted
            }
            // The scene guarantees that there are no image brushes: pictures are nodes.
            Brush::Image(_) => Ok(()),
        }
    }

    pub(super) fn stroke(
        &mut self,
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
            return self.fill(&area, Fill::NonZero, paint, transform);
        };
        self.set_color(*color, PaintKind::Stroke, ColorUse::Area)?;
        self.save();
        // Only a similarity keeps the pen round. Any other transform must apply to the pen as well as to the outline.
        match similarity(transform) {
            Some(scale) => {
                self.set_stroke_style(stroke, scale);
                self.outline(outline, transform);
            }
            None => {
                self.content.transform(matrix(transform));
                self.set_stroke_style(stroke, 1.0);
                self.outline_unrounded(outline);
            }
        }
        self.content.stroke();
        self.restore();
        Ok(())
    }

    /// Sets line width, cap, join and dashes, with lengths multiplied by `scale`.
    pub(super) fn set_stroke_style(&mut self, stroke: &Stroke, scale: f64) {
        self.content.set_line_width((stroke.width * scale) as f32);
        let cap = match stroke.start_cap {
            Cap::Butt => LineCapStyle::ButtCap,
            Cap::Round => LineCapStyle::RoundCap,
            Cap::Square => LineCapStyle::ProjectingSquareCap,
        };
        if cap != LineCapStyle::ButtCap {
            self.content.set_line_cap(cap);
        }
        match stroke.join {
            Join::Miter => {
                // 10 is the initial miter limit of a page (ISO 32000-1, 8.4.1).
                if stroke.miter_limit != 10.0 {
                    self.content.set_miter_limit(stroke.miter_limit.max(1.0) as f32);
                }
            }
            Join::Round => drop(self.content.set_line_join(LineJoinStyle::RoundJoin)),
            Join::Bevel => drop(self.content.set_line_join(LineJoinStyle::BevelJoin)),
        }
        let dashes: Vec<f32> = stroke.dash_pattern.iter().map(|dash| (dash * scale) as f32).collect();
        if dashes.is_empty() {
            return;
        }
        if dashes.iter().all(|dash| *dash >= 0.0) && dashes.iter().sum::<f32>() > 0.0 && stroke.dash_offset.is_finite()
        {
            self.content.set_dash_pattern(dashes, (stroke.dash_offset * scale) as f32);
        } else {
            self.warn(WarningCode::Ignored, "the dashes have no length; the line is drawn solid");
        }
    }

    /// Adds `outline` to the current path, in page coordinates.
    pub(super) fn outline(&mut self, outline: &BezPath, transform: Affine) {
        if let Some(rect) = as_rect(outline, transform) {
            self.rect(rect);
            return;
        }
        self.elements((transform * outline.clone()).elements(), px);
    }

    /// Adds an axis-aligned rectangle to the current path. Its sides are rounded to the coordinate grid, so that
    /// adjacent rectangles share them.
    pub(super) fn rect(&mut self, rect: kurbo::Rect) {
        let (x, y) = (round_to_grid(rect.x0), round_to_grid(rect.y0));
        let (width, height) = (round_to_grid(rect.x1) - x, round_to_grid(rect.y1) - y);
        self.content.rect(px(x), px(y), px(width), px(height));
    }

    fn outline_unrounded(&mut self, outline: &BezPath) {
        self.elements(outline.elements(), |value| value as f32);
    }

    fn elements(&mut self, elements: &[PathEl], number: impl Fn(f64) -> f32) {
        let mut at = kurbo::Point::ZERO;
        for element in elements {
            match *element {
                PathEl::MoveTo(p) => drop(self.content.move_to(number(p.x), number(p.y))),
                PathEl::LineTo(p) => drop(self.content.line_to(number(p.x), number(p.y))),
                PathEl::QuadTo(c, p) => {
                    let cubic = kurbo::QuadBez::new(at, c, p).raise();
                    self.cubic([cubic.p1, cubic.p2, cubic.p3], &number);
                }
                PathEl::CurveTo(a, b, p) => self.cubic([a, b, p], &number),
                PathEl::ClosePath => drop(self.content.close_path()),
            }
            at = element.end_point().unwrap_or(at);
        }
    }

    fn cubic(&mut self, [a, b, p]: [kurbo::Point; 3], number: &impl Fn(f64) -> f32) {
        let number = |value| number(value);
        self.content.cubic_to(number(a.x), number(a.y), number(b.x), number(b.y), number(p.x), number(p.y));
    }

    /// True when all coordinates of `outline`, inflated by `outset`, are finite and below [`MAX_COORDINATE`].
    pub(super) fn is_writable(&self, outline: &BezPath, transform: Affine, outset: f64) -> bool {
        // The bounding box alone is not sufficient: it ignores points that are NaN.
        let bounds = transform.transform_rect_bbox(outline.control_box().inflate(outset, outset));
        let in_range = |side: f64| side.abs() < MAX_COORDINATE;
        outline.is_finite()
            && transform.is_finite()
            && [bounds.x0, bounds.y0, bounds.x1, bounds.y1].into_iter().all(in_range)
    }
}

/// False for a fully transparent solid colour.
fn is_visible(paint: &Paint) -> bool {
    !matches!(paint.brush, Brush::Solid(color) if color.components[3] <= 0.0)
}

/// The factor by which `transform` scales every length; `None` when it is not a similarity.
pub(super) fn similarity(transform: Affine) -> Option<f64> {
    let [a, b, c, d, _, _] = transform.as_coeffs();
    let (x, y) = (a.hypot(b), c.hypot(d));
    let close = |value: f64| value.abs() <= 1e-6 * x * x;
    (close(a * c + b * d) && close(x * x - y * y)).then_some(x)
}

/// The rectangle that `outline` is after `transform`; `None` when it is not an axis-aligned rectangle.
fn as_rect(outline: &BezPath, transform: Affine) -> Option<Rect> {
    let [_, b, c, _, _, _] = transform.as_coeffs();
    if outline.elements().len() > 6 || b != 0.0 || c != 0.0 {
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
    let [a, b, c, d, _, _] = transform.as_coeffs();
    let scale = a.hypot(b).max(c.hypot(d));
    if scale > 0.0 { scale } else { 1.0 }
}
