//! Conversion of usvg's transforms, rectangles, outlines, fills and strokes to those of the scene.

use kurbo::{Affine, BezPath, Cap, Join, Point, Rect};
use peniko::{Brush, Color, ColorStop, Extend, Fill, Gradient, InterpolationAlphaSpace};
use usvg::tiny_skia_path::{Path as SkiaPath, PathSegment};

use crate::scene::Paint;

pub(super) fn affine(transform: usvg::Transform) -> Affine {
    let usvg::Transform { sx, ky, kx, sy, tx, ty } = transform;
    Affine::new([sx, ky, kx, sy, tx, ty].map(f64::from))
}

pub(super) fn rect(rect: usvg::Rect) -> Rect {
    Rect::new(f64::from(rect.left()), f64::from(rect.top()), f64::from(rect.right()), f64::from(rect.bottom()))
}

pub(super) fn outline(path: &SkiaPath) -> BezPath {
    let at = |p: usvg::tiny_skia_path::Point| Point::new(f64::from(p.x), f64::from(p.y));
    let mut out = BezPath::with_capacity(path.len());
    for segment in path.segments() {
        match segment {
            PathSegment::MoveTo(p) => out.move_to(at(p)),
            PathSegment::LineTo(p) => out.line_to(at(p)),
            PathSegment::QuadTo(a, p) => out.quad_to(at(a), at(p)),
            PathSegment::CubicTo(a, b, p) => out.curve_to(at(a), at(b), at(p)),
            PathSegment::Close => out.close_path(),
        }
    }
    out
}

pub(super) fn rule(rule: usvg::FillRule) -> Fill {
    match rule {
        usvg::FillRule::NonZero => Fill::NonZero,
        usvg::FillRule::EvenOdd => Fill::EvenOdd,
    }
}

/// The paint of the scene; `None` for a pattern, which a scene cannot express.
pub(super) fn paint(paint: &usvg::Paint, opacity: f32) -> Option<Paint> {
    match paint {
        usvg::Paint::Color(color) => Some(solid(*color, opacity)),
        usvg::Paint::LinearGradient(it) => {
            let (from, to) = (point(it.x1(), it.y1()), point(it.x2(), it.y2()));
            // A gradient line without length is painted in the last stop's colour (SVG 1.1 §13.2.2).
            let kind = (from != to).then(|| Gradient::new_linear(from, to));
            Some(gradient(it, kind, opacity))
        }
        usvg::Paint::RadialGradient(it) => {
            let (focus, centre) = (point(it.fx(), it.fy()), point(it.cx(), it.cy()));
            let kind = (it.r().get() > 0.0)
                .then(|| Gradient::new_two_point_radial(focus, it.fr().get(), centre, it.r().get()));
            Some(gradient(it, kind, opacity))
        }
        usvg::Paint::Pattern(_) => None,
    }
}

fn point(x: f32, y: f32) -> Point {
    Point::new(f64::from(x), f64::from(y))
}

fn solid(color: usvg::Color, opacity: f32) -> Paint {
    Paint::from(Color::from_rgb8(color.red, color.green, color.blue).with_alpha(opacity))
}

/// Converts a gradient. `kind` gives its geometry; without one it is a solid of the last stop's colour.
fn gradient(base: &usvg::BaseGradient, kind: Option<Gradient>, opacity: f32) -> Paint {
    let Some(kind) = kind else {
        return base.stops().last().map_or_else(
            || Paint::from(Color::TRANSPARENT),
            |stop| solid(stop.color(), stop.opacity().get() * opacity),
        );
    };
    let stops: Vec<ColorStop> = base
        .stops()
        .iter()
        .map(|stop| {
            let usvg::Color { red, green, blue } = stop.color();
            let color = Color::from_rgb8(red, green, blue).with_alpha(stop.opacity().get() * opacity);
            ColorStop::from((stop.offset().get(), color))
        })
        .collect();
    let extend = match base.spread_method() {
        usvg::SpreadMethod::Pad => Extend::Pad,
        usvg::SpreadMethod::Reflect => Extend::Reflect,
        usvg::SpreadMethod::Repeat => Extend::Repeat,
    };
    // SVG interpolates unpremultiplied colours.
    let gradient = kind
        .with_extend(extend)
        .with_interpolation_alpha_space(InterpolationAlphaSpace::Unpremultiplied)
        .with_stops(stops.as_slice());
    Paint { brush: Brush::Gradient(gradient), transform: affine(base.transform()) }
}

pub(super) fn stroke(stroke: &usvg::Stroke) -> kurbo::Stroke {
    let cap = match stroke.linecap() {
        usvg::LineCap::Butt => Cap::Butt,
        usvg::LineCap::Round => Cap::Round,
        usvg::LineCap::Square => Cap::Square,
    };
    let join = match stroke.linejoin() {
        // `miter-clip` is drawn as `miter` by browsers too.
        usvg::LineJoin::Miter | usvg::LineJoin::MiterClip => Join::Miter,
        usvg::LineJoin::Round => Join::Round,
        usvg::LineJoin::Bevel => Join::Bevel,
    };
    let out = kurbo::Stroke::new(f64::from(stroke.width().get()))
        .with_caps(cap)
        .with_join(join)
        .with_miter_limit(f64::from(stroke.miterlimit().get()));
    match stroke.dasharray() {
        Some(dashes) => out.with_dashes(f64::from(stroke.dashoffset()), dashes.iter().copied().map(f64::from)),
        None => out,
    }
}
