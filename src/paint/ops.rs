//! Execution of plan operations on a [`DrawTarget`], the primitives that every painter implements.
//!
//! Targets draw areas, clips, layers and pictures in device px. Edges of outlines, positions of glyphs and the choice
//! among a face's bitmaps are decided here, once for all painters, so that their results agree.

use std::borrow::Cow;

use kurbo::{Affine, BezPath, Cap, PathEl, Point, Rect, Stroke, StrokeOpts, Vec2};
use peniko::{Brush, Color, Fill};

use super::draw_target::{DrawTarget, SurfacePlacement};
use super::edges::polygons;
use super::error::PaintError;
use super::glyph_edges::GlyphEdgeCache;
use super::glyphs::{GlyphFaces, GlyphShape, GlyphSize};
use super::hairline::{Hairline, hairline};
use super::plan::{Glyphs, Op, Snap};
use super::prepared_image::{Downscaling, PlacedImage};
use super::transforms::max_scale;
use crate::scene::{GlyphStyle, Paint};
use crate::units::Opacity;

/// Maximum error of the outline of a stroke, in device px.
const STROKE_TOLERANCE: f64 = 0.02;

/// Length of the line that replaces a dot of a stroke, in device px: long enough to have a direction, too short to be
/// visible.
pub(super) const DOT_LENGTH: f64 = 0.01;

/// Minimum distance of dots, as a share of their width. Closer ones are drawn as a line, because there may be millions.
const MIN_DOT_DISTANCE: f64 = 0.25;

/// Executes operations. It caches opened faces and the edges of glyphs, for one thread.
#[derive(Default)]
pub(super) struct OpExecutor {
    faces: GlyphFaces,
    edges: GlyphEdgeCache,
}

impl OpExecutor {
    /// Executes `op` on `target`. `abandoned` is called before each glyph and returns true when the caller has left.
    ///
    /// # Errors
    /// When a font is damaged, when the target fails, or [`PaintError::Abandoned`].
    pub(super) fn draw(
        &mut self,
        op: &Op,
        target: &mut impl DrawTarget,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), PaintError> {
        match op {
            Op::PushClip { outline, transform } => match as_rect(outline) {
                Some(rect) => target.push_clip_rect(rect, *transform),
                None => target.push_clip_path(&polygons(outline, *transform)),
            },
            Op::PopClip => target.pop_clip(),
            Op::PushLayer { clip, transform, opacity, blend } => {
                let clip = clip.as_ref().map(|clip| polygons(clip, *transform));
                target.push_layer(clip.as_ref(), *opacity, *blend);
            }
            Op::PopLayer => target.pop_layer(),
            Op::Fill { outline, rule, paint, transform } => match as_rect(outline) {
                Some(rect) => target.fill_rect(rect, *transform, &paint.brush, paint.transform),
                None => {
                    let polygons = polygons(outline, *transform);
                    target.fill_path(&polygons, *rule, &paint.brush, *transform * paint.transform);
                }
            },
            Op::Stroke { outline, stroke, paint, transform } => {
                let to_device = *transform * paint.transform;
                match hairline(outline, stroke, *transform) {
                    Some(Hairline { area, coverage }) => {
                        let brush = paint.brush.clone().multiply_alpha(coverage as f32);
                        target.fill_path(&area, Fill::NonZero, &brush, to_device);
                    }
                    None => {
                        target.fill_path(&stroked(outline, stroke, *transform), Fill::NonZero, &paint.brush, to_device);
                    }
                }
            }
            Op::Image { picture, source, dest, passes, opacity, transform } => {
                if let Some(placed) = PlacedImage::cropped(picture, passes, *source, *dest, *transform) {
                    target.draw_image(&placed, *opacity);
                }
            }
            Op::Glyphs(run) => self.glyphs(run, target, abandoned)?,
            Op::Surface { surface, transform } => target.draw_surface(*surface, SurfacePlacement::of(*transform))?,
        }
        Ok(())
    }

    fn glyphs(
        &mut self,
        run: &Glyphs,
        target: &mut impl DrawTarget,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), PaintError> {
        let [a, b, c, d, ..] = run.linear.as_coeffs();
        let em = run.size * max_scale(run.linear);
        // Shifts to the right per unit of height; y points down.
        let slant = Affine::new([1.0, 0.0, -run.skew, 1.0, 0.0, 0.0]);
        let from_font = |units: f64| slant * Affine::scale_non_uniform(run.size / units, -run.size / units);
        let (mut added, mut kept_elements) = (0, 0);
        let face = self.faces.get(&run.font, &run.coords)?;
        let even = (a.hypot(b) - c.hypot(d)).abs() < 1e-9 * em;
        let upright = run.snap != Snap::Quarters && even && run.skew == 0.0;
        let glyph_size = GlyphSize { size: run.size, em, embolden: run.embolden, upright };
        let known_edges = self.edges.of_run(run, upright);
        for glyph in &run.glyphs {
            // One glyph may take a millisecond, and a run may have a hundred thousand.
            if abandoned() {
                return Err(PaintError::Abandoned);
            }
            if matches!(run.style, GlyphStyle::Fill)
                && let Some(polygons) = known_edges.get(glyph)
            {
                target.fill_path(polygons, Fill::NonZero, &run.paint.brush, run.paint.transform);
                continue;
            }
            let (shape, elements) = face.shape(glyph.id, &glyph_size)?;
            added += elements;
            let to_device = Affine::translate(glyph.at.to_vec2()) * run.linear;
            match shape {
                GlyphShape::Blank => {}
                GlyphShape::Outline(outline, units) => {
                    match &run.style {
                        GlyphStyle::Fill => {
                            let polygons = polygons(&outline, to_device * from_font(units));
                            target.fill_path(&polygons, Fill::NonZero, &run.paint.brush, run.paint.transform);
                            kept_elements += known_edges.insert(glyph, polygons);
                        }
                        // The pen is round in the run's space, not in the slanted space.
                        GlyphStyle::Stroke(stroke) => {
                            let pen = stroked(&(from_font(units) * BezPath::clone(&outline)), stroke, to_device);
                            target.fill_path(&pen, Fill::NonZero, &run.paint.brush, run.paint.transform);
                        }
                    }
                }
                // Chromium draws colour glyphs the same way when it strokes a text.
                GlyphShape::Bitmap(picture, to_run) => {
                    let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
                    let transform = to_device * slant * to_run;
                    let downscaling = Downscaling::Halved;
                    let placed =
                        PlacedImage { picture: &picture, passes: &[], source, dest: source, transform, downscaling };
                    target.draw_image(&placed, Opacity::new(f64::from(alpha(&run.paint))));
                }
                GlyphShape::Layers(layers) => {
                    target.draw_color_glyph(run, *glyph, &layers, to_device * from_font(face.units_per_em()))?;
                }
            }
        }
        self.faces.count_added(added);
        self.edges.count_added(kept_elements);
        Ok(())
    }
}

/// Alpha of a solid paint; 1 for gradients, whose alpha is in the stops and does not apply to colour glyphs.
pub(super) fn alpha(paint: &Paint) -> f32 {
    match &paint.brush {
        Brush::Solid(color) => color.components[3],
        Brush::Gradient(_) | Brush::Image(_) => 1.0,
    }
}

/// Opaque colour of the layers of colour glyphs that use the colour of the text; black for gradients. The opacity of
/// the text applies to the glyph as a whole.
pub(super) fn foreground(paint: &Paint) -> Color {
    match &paint.brush {
        Brush::Solid(color) => color.with_alpha(1.0),
        Brush::Gradient(_) | Brush::Image(_) => Color::BLACK,
    }
}

/// The area of a stroke, in device px. It is computed in the space of `outline`, so that `transform` applies to the pen
/// too.
fn stroked(outline: &BezPath, stroke: &Stroke, transform: Affine) -> BezPath {
    let scale = max_scale(transform).max(f64::MIN_POSITIVE);
    let (outline, stroke) = with_dots(outline, stroke, DOT_LENGTH / scale);
    let pen = kurbo::stroke(outline.iter(), &stroke, &StrokeOpts::default(), STROKE_TOLERANCE / scale);
    polygons(&pen, transform)
}

/// Gives dashes and subpaths of zero length the length `dot`, subpaths along x.
///
/// With caps they are dots of the stroke's width (SVG 2 §13.5.4), which kurbo omits.
pub(super) fn with_dots<'a>(outline: &'a BezPath, stroke: &'a Stroke, dot: f64) -> (Cow<'a, BezPath>, Cow<'a, Stroke>) {
    if stroke.start_cap == Cap::Butt && stroke.end_cap == Cap::Butt {
        return (Cow::Borrowed(outline), Cow::Borrowed(stroke));
    }
    let mut stroke = Cow::Borrowed(stroke);
    let has_dots = stroke.dash_pattern.iter().step_by(2).any(|dash| *dash == 0.0);
    if has_dots && stroke.dash_pattern.iter().sum::<f64>() < stroke.width * MIN_DOT_DISTANCE {
        stroke.to_mut().dash_pattern.clear();
    }
    for at in (0..stroke.dash_pattern.len()).step_by(2).filter(|at| stroke.dash_pattern[*at] == 0.0).collect::<Vec<_>>()
    {
        stroke.to_mut().dash_pattern[at] = dot;
    }
    (with_lengths(outline, dot).map_or(Cow::Borrowed(outline), Cow::Owned), stroke)
}

/// Adds a line of length `dot` for each subpath of zero length; `None` when there is none. A lone point is no subpath.
fn with_lengths(outline: &BezPath, dot: f64) -> Option<BezPath> {
    let elements = outline.elements();
    let starts = || elements.iter().enumerate().filter(|(_, it)| matches!(it, PathEl::MoveTo(_))).map(|(at, _)| at);
    let mut dots = Vec::new();
    for (start, end) in starts().zip(starts().skip(1).chain([elements.len()])) {
        let PathEl::MoveTo(point) = elements[start] else { continue };
        let is_at_point = |it: &PathEl| match *it {
            PathEl::MoveTo(_) | PathEl::ClosePath => true,
            PathEl::LineTo(to) => to == point,
            PathEl::QuadTo(a, to) => a == point && to == point,
            PathEl::CurveTo(a, b, to) => a == point && b == point && to == point,
        };
        if end - start > 1 && elements[start + 1..end].iter().all(is_at_point) {
            dots.push(point);
        }
    }
    if dots.is_empty() {
        return None;
    }
    let mut longer = outline.clone();
    for point in dots {
        longer.move_to(point);
        longer.line_to(point + Vec2::new(dot, 0.0));
    }
    Some(longer)
}

/// The rectangle that `outline` is, if it is axis-aligned. Painters have exact and fast primitives for rectangles.
fn as_rect(outline: &BezPath) -> Option<Rect> {
    let corner = |element: &PathEl| match element {
        PathEl::MoveTo(point) | PathEl::LineTo(point) => Some(*point),
        PathEl::QuadTo(..) | PathEl::CurveTo(..) | PathEl::ClosePath => None,
    };
    let [PathEl::MoveTo(first), a, b, c, rest @ ..] = outline.elements() else { return None };
    let closed = match rest {
        [PathEl::ClosePath] => true,
        [PathEl::LineTo(last), PathEl::ClosePath] => last == first,
        _ => false,
    };
    let (first, a, b, c) = (*first, corner(a)?, corner(b)?, corner(c)?);
    let is_rect = |p: Point, q: Point, r: Point, s: Point| p.y == q.y && q.x == r.x && r.y == s.y && s.x == p.x;
    (closed && (is_rect(first, a, b, c) || is_rect(c, first, a, b))).then(|| Rect::from_points(first, b))
}

#[cfg(test)]
mod tests {
    use kurbo::Shape as _;

    use super::*;

    /// Area and bounding box of a stroke of width 4, scaled by 2.
    fn stroke_of(path: &str, cap: Cap, dashes: &[f64]) -> (f64, Rect) {
        let outline = BezPath::from_svg(path).expect("a path");
        let pen = Stroke::new(4.0).with_caps(cap).with_dashes(0.0, dashes.iter().copied());
        let area = stroked(&outline, &pen, Affine::scale(2.0));
        (area.area().abs(), area.bounding_box())
    }

    #[test]
    fn subpaths_of_zero_length_are_dots_with_caps() {
        for path in ["M10 10L10 10", "M10 10z", "M10 10C10 10 10 10 10 10"] {
            let (area, bounds) = stroke_of(path, Cap::Round, &[]);
            assert!((area - 16.0 * std::f64::consts::PI).abs() < 2.0, "{path}: {area}");
            assert!((bounds.center() - Point::new(20.0, 20.0)).hypot() < 0.1, "{path}: {bounds:?}");
            let (area, _) = stroke_of(path, Cap::Square, &[]);
            assert!((area - 64.0).abs() < 1.0, "{path}: {area}");
            assert_eq!(stroke_of(path, Cap::Butt, &[]).0, 0.0);
        }
        assert_eq!(stroke_of("M10 10", Cap::Round, &[]).0, 0.0, "a point alone");
    }

    #[test]
    fn dashes_of_zero_length_are_dots_with_caps() {
        // Dots at 0, 10, 20 and 30 of a line of length 35.
        let (area, _) = stroke_of("M0 10H35", Cap::Round, &[0.0, 10.0]);
        assert!((area - 4.0 * 16.0 * std::f64::consts::PI).abs() < 8.0, "{area}");
        // Dots without gaps are a line, not a million dots.
        let (area, _) = stroke_of("M0 10H1000", Cap::Round, &[0.0, 0.001]);
        assert!((area - (16.0 * std::f64::consts::PI + 2000.0 * 8.0)).abs() < 8.0, "{area}");
        assert_eq!(stroke_of("M0 10H35", Cap::Butt, &[0.0, 10.0]).0, 0.0);
    }

    #[test]
    fn rect_outlines_are_recognised() {
        let rect = Rect::new(1.0, 2.0, 5.0, 4.0);
        assert_eq!(as_rect(&rect.to_path(0.1)), Some(rect));
        assert_eq!(as_rect(&BezPath::from_svg("M1 2 V4 H5 V2 H1 Z").expect("a path")), Some(rect));
        assert_eq!(as_rect(&BezPath::from_svg("M1 2 L5 3 L5 4 L1 4 Z").expect("a path")), None);
        assert_eq!(as_rect(&kurbo::Circle::new((3.0, 3.0), 2.0).to_path(0.1)), None);
    }
}
