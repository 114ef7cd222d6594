//! Gradients as shadings, painted through the current clip, with their alpha as a soft mask.

use kurbo::{Affine, Point, Rect};
use pdf_writer::types::{FunctionShadingType, MaskType};
use pdf_writer::{Name, Ref};
use peniko::color::Srgb;
use peniko::{Extend, Gradient, GradientKind};

use super::canvas::Canvas;
use super::color::{ColorTarget, ColorUse, PaintKind, level};
use super::coordinates::matrix;
use super::error::PdfError;
use super::form::{FormKind, write_form};
use super::objects::ObjectWriter;
use super::outline::append_rect;
use super::resources::ResourceKind;
use crate::report::WarningCode;

/// Number of CMYK stops written for the interval between two RGB stops, because the conversion is not linear.
const CMYK_STEPS: u32 = 8;
/// Maximum number of periods of a repeated gradient; more would be finer than the dots of a printer.
const MAX_PERIODS: f64 = 200.0;

/// A stop: its offset in `0.0..=1.0`, and straight sRGB with alpha.
type PdfStop = (f64, [f32; 4]);

/// The line or the two circles of a gradient, in its own coordinates, at the offsets 0 and 1.
#[derive(Clone, Copy, Debug)]
enum Geometry {
    Axial(Point, Point),
    Radial((Point, f64), (Point, f64)),
}

/// Channels of the stops that a function interpolates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Colors(ColorUse),
    Alpha,
}

/// Paints `gradient` through the current clip, which lies within `bounds` (page px).
///
/// `transform` maps the gradient's coordinates to the page. The caller has saved the state and restores it
/// afterwards.
pub(super) fn shade(
    canvas: &mut Canvas<'_>,
    gradient: &Gradient,
    transform: Affine,
    bounds: Rect,
    purpose: ColorUse,
) -> Result<(), PdfError> {
    let stops = stops(gradient);
    let (Some(first), Some(last)) = (stops.first().copied(), stops.last().copied()) else { return Ok(()) };
    let inverse = transform.inverse();
    let geometry = geometry(&gradient.kind).filter(|_| inverse.is_finite());
    let Some(geometry) = geometry else {
        // Every point is beyond the end of a line without length. The scene contains no sweep gradients.
        if matches!(gradient.kind, GradientKind::Sweep(_)) {
            canvas.warn(WarningCode::NotSupported, "PDF lacks sweep gradients; it is filled with the last colour");
        }
        return fill_solid(canvas, last, bounds, purpose);
    };
    if stops.iter().all(|stop| stop.1 == first.1) {
        return fill_solid(canvas, first, bounds, purpose);
    }
    let (geometry, stops) = match gradient.extend {
        Extend::Pad => (geometry, stops),
        Extend::Repeat | Extend::Reflect => {
            let local = inverse.transform_rect_bbox(bounds);
            unroll_periods(geometry, &stops, local, gradient.extend == Extend::Reflect)
        }
    };
    let alpha = first.1[3];
    if stops.iter().all(|stop| stop.1[3] == alpha) {
        canvas.set_opacity(alpha)?;
    } else {
        let shading = write_shading(&mut canvas.file.objects, geometry, &stops, Channels::Alpha)?;
        set_alpha_mask(canvas, shading, transform, bounds)?;
    }
    let shading = write_shading(&mut canvas.file.objects, geometry, &stops, Channels::Colors(purpose))?;
    canvas.content.transform(matrix(transform));
    let name = canvas.resources.name(ResourceKind::Shading, shading);
    canvas.content.shading(Name(name.as_bytes()));
    Ok(())
}

fn fill_solid(canvas: &mut Canvas<'_>, (_, color): PdfStop, bounds: Rect, purpose: ColorUse) -> Result<(), PdfError> {
    canvas.set_color(peniko::Color::new(color), PaintKind::Fill, purpose)?;
    append_rect(canvas, bounds.expand());
    canvas.content.fill_nonzero();
    Ok(())
}

/// Sets the luminosity of `shading`, which is grey, as the soft mask of the following operators.
fn set_alpha_mask(canvas: &mut Canvas<'_>, shading: Ref, transform: Affine, bounds: Rect) -> Result<(), PdfError> {
    let mut inner = canvas.nested();
    inner.content.transform(matrix(transform));
    let name = inner.resources.name(ResourceKind::Shading, shading);
    inner.content.shading(Name(name.as_bytes()));
    let finished = inner.finish();
    let form =
        write_form(&mut canvas.file.objects, finished.content, &finished.resources, bounds, FormKind::Luminosity)?;
    canvas.set_soft_mask(form, MaskType::Luminosity)
}

fn write_shading(
    objects: &mut ObjectWriter,
    geometry: Geometry,
    stops: &[PdfStop],
    channels: Channels,
) -> Result<Ref, PdfError> {
    let function = write_ramp(objects, stops, channels)?;
    let id = objects.next_ref()?;
    let (kind, coords) = match geometry {
        Geometry::Axial(from, to) => (FunctionShadingType::Axial, vec![from.x, from.y, to.x, to.y]),
        Geometry::Radial((c0, r0), (c1, r1)) => (FunctionShadingType::Radial, vec![c0.x, c0.y, r0, c1.x, c1.y, r1]),
    };
    let is_rgb = matches!(objects.settings.colors, ColorTarget::Rgb);
    let mut shading = objects.chunk.function_shading(id);
    shading.shading_type(kind);
    match channels {
        Channels::Alpha => shading.color_space().device_gray(),
        Channels::Colors(_) if is_rgb => shading.color_space().device_rgb(),
        Channels::Colors(_) => shading.color_space().device_cmyk(),
    }
    shading.coords(coords.into_iter().map(|it| it as f32)).function(function).extend([true, true]);
    Ok(id)
}

/// Writes a function that maps `0.0..=1.0` to the colours of `stops`.
fn write_ramp(objects: &mut ObjectWriter, stops: &[PdfStop], channels: Channels) -> Result<Ref, PdfError> {
    let stops: Vec<(f64, Vec<f32>)> = match (channels, objects.settings.colors.clone()) {
        (Channels::Alpha, _) => stops.iter().map(|(at, color)| (*at, vec![level(color[3])])).collect(),
        (Channels::Colors(_), ColorTarget::Rgb) => {
            stops.iter().map(|(at, color)| (*at, color[..3].iter().copied().map(level).collect())).collect()
        }
        (Channels::Colors(purpose), ColorTarget::Cmyk(converter)) => subdivide(stops)
            .into_iter()
            .map(|(at, [r, g, b, _])| (at, converter.color([r, g, b], purpose).map(level).to_vec()))
            .collect(),
    };
    // Two stops at the same offset form a step, and there is no interval between them.
    let intervals: Vec<_> = stops.windows(2).filter(|pair| pair[1].0 > pair[0].0).collect();
    let mut functions = Vec::with_capacity(intervals.len());
    for pair in &intervals {
        let id = objects.next_ref()?;
        let mut function = objects.chunk.exponential_function(id);
        function.domain([0.0, 1.0]).c0(pair[0].1.iter().copied()).c1(pair[1].1.iter().copied()).n(1.0);
        functions.push(id);
    }
    if let [only] = functions[..] {
        return Ok(only);
    }
    let id = objects.next_ref()?;
    let mut function = objects.chunk.stitching_function(id);
    let count = functions.len();
    function.domain([0.0, 1.0]).functions(functions);
    function.bounds(intervals.iter().skip(1).map(|pair| pair[0].0 as f32));
    function.encode([0.0, 1.0].into_iter().cycle().take(count * 2));
    Ok(id)
}

/// Stops of `gradient` with nondecreasing offsets in `0.0..=1.0`, of which one is at 0 and one at 1.
fn stops(gradient: &Gradient) -> Vec<PdfStop> {
    let mut stops: Vec<PdfStop> = Vec::with_capacity(gradient.stops.len() + 2);
    for stop in gradient.stops.iter() {
        let after = stops.last().map_or(0.0, |last| last.0);
        let color = stop.color.to_alpha_color::<Srgb>().components.map(|it| it.clamp(0.0, 1.0));
        stops.push((f64::from(stop.offset).clamp(after, 1.0), color));
    }
    if let Some(first) = stops.first().copied().filter(|first| first.0 > 0.0) {
        stops.insert(0, (0.0, first.1));
    }
    if let Some(last) = stops.last().copied().filter(|last| last.0 < 1.0) {
        stops.push((1.0, last.1));
    }
    stops
}

fn geometry(kind: &GradientKind) -> Option<Geometry> {
    match kind {
        GradientKind::Linear(line) => {
            let has_length = line.start.distance_squared(line.end) > 0.0;
            (has_length && line.start.is_finite() && line.end.is_finite())
                .then_some(Geometry::Axial(line.start, line.end))
        }
        GradientKind::Radial(radial) => {
            let (r0, r1) = (f64::from(radial.start_radius), f64::from(radial.end_radius));
            let usable = r0 >= 0.0 && r1 >= 0.0 && (r0, radial.start_center) != (r1, radial.end_center);
            usable.then_some(Geometry::Radial((radial.start_center, r0), (radial.end_center, r1)))
        }
        GradientKind::Sweep(_) => None,
    }
}

/// Replaces a repeated gradient by one that is padded: all periods within `bounds`, which are in the gradient's
/// coordinates, become stops between 0 and 1.
fn unroll_periods(geometry: Geometry, stops: &[PdfStop], bounds: Rect, reflect: bool) -> (Geometry, Vec<PdfStop>) {
    let corners = [(bounds.x0, bounds.y0), (bounds.x1, bounds.y0), (bounds.x1, bounds.y1), (bounds.x0, bounds.y1)];
    let corners = corners.map(Point::from);
    let (low, high) = match geometry {
        Geometry::Axial(from, to) => {
            let line = to - from;
            let along = corners.map(|corner| (corner - from).dot(line) / line.hypot2());
            (along.into_iter().fold(0.0, f64::min), along.into_iter().fold(1.0, f64::max))
        }
        Geometry::Radial((c0, r0), (c1, r1)) => {
            let farthest = corners.into_iter().map(|corner| corner.distance(c0)).fold(0.0, f64::max);
            // Distance by which the nearest edge of the circles moves outwards per period.
            let speed = ((r1 - r0) - c1.distance(c0)).max(1e-3 * r1.max(1e-3));
            (0.0, ((farthest - r0) / speed).max(1.0))
        }
    };
    let low = low.floor().max(-MAX_PERIODS / 2.0);
    let high = high.ceil().min(low + MAX_PERIODS);
    let between = |from: Point, to: Point, at: f64| from + (to - from) * at;
    let stretched = match geometry {
        Geometry::Axial(from, to) => Geometry::Axial(between(from, to, low), between(from, to, high)),
        Geometry::Radial((c0, r0), (c1, r1)) => {
            let circle = |at: f64| (between(c0, c1, at), (r0 + (r1 - r0) * at).max(0.0));
            Geometry::Radial(circle(low), circle(high))
        }
    };
    let mut all = Vec::new();
    for period in low as i64..high as i64 {
        let at = |offset: f64| (period as f64 + offset - low) / (high - low);
        if reflect && period.rem_euclid(2) == 1 {
            all.extend(stops.iter().rev().map(|(offset, color)| (at(1.0 - offset), *color)));
        } else {
            all.extend(stops.iter().map(|(offset, color)| (at(*offset), *color)));
        }
    }
    (stretched, all)
}

/// Inserts interpolated stops, so that each interval has [`CMYK_STEPS`] parts.
fn subdivide(stops: &[PdfStop]) -> Vec<PdfStop> {
    let mut all: Vec<PdfStop> = stops.first().copied().into_iter().collect();
    for pair in stops.windows(2) {
        let ((from, a), (to, b)) = (pair[0], pair[1]);
        for step in 1..=CMYK_STEPS {
            let share = f64::from(step) / f64::from(CMYK_STEPS);
            let mix = |channel: usize| a[channel] + (b[channel] - a[channel]) * share as f32;
            all.push((from + (to - from) * share, [0, 1, 2, 3].map(mix)));
        }
    }
    all
}
