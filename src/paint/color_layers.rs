//! The layers of a colour glyph (COLR, versions 0 and 1) as fills, clips and layers in font units.
//!
//! skrifa walks the paint graph; what it reports is recorded once for each glyph and drawn at any size. A glyph's
//! outline is one path that gets the same edges as any other outline ([`super::edges`]), as Skia draws it in Chromium.
//! In: recording, colours of the palette. Not in: which glyphs have layers ([`super::glyphs`]), drawing
//! ([`super::draw_color_layers`]).

use kurbo::{Affine, BezPath, PathEl, Point, Rect, Shape as _};
use peniko::color::ColorSpaceTag;
use peniko::{
    BlendMode, Brush, Color, ColorStops, Compose, Extend, Gradient, GradientKind, InterpolationAlphaSpace,
    LinearGradientPosition, Mix, RadialGradientPosition, SweepGradientPosition,
};
use skrifa::color::{Brush as GlyphBrush, ColorPainter, ColorStop, CompositeMode, Transform};
use skrifa::instance::{LocationRef, NormalizedCoord, Size};
use skrifa::outline::{DrawError, DrawSettings};
use skrifa::raw::types::BoundingBox;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

use super::outline_pen::Pen;

/// Steps recorded for one glyph; later ones are dropped. Emoji in use have fewer than a thousand.
const MAX_STEPS: usize = 20_000;

/// Outlines with more contours than this keep the direction of their contours.
const MAX_CONTOURS: usize = 64;

/// The palette index of the colour of the text.
const FOREGROUND: u16 = u16::MAX;

/// A sweep gradient that starts and ends at the same angle gets this width, in degrees, because painters need one above
/// 0.
const MIN_SWEEP: f32 = 0.01;

/// The recorded drawing of a colour glyph, in font units, y up.
#[derive(Debug, Default)]
pub(super) struct ColorLayers {
    pub(super) steps: Vec<LayerStep>,
    /// Box around all outlines and clips; empty where there are none.
    pub(super) bounds: Rect,
    /// Some layer has another blend mode than source-over.
    pub(super) has_blends: bool,
}

/// One drawing command of a glyph.
#[derive(Clone, Debug)]
pub(super) enum LayerStep {
    /// Fills `outline`, or the whole box of the glyph without one. `to_glyph` maps the brush's space to font units.
    Fill {
        outline: Option<BezPath>,
        brush: LayerBrush,
        to_glyph: Affine,
    },
    /// Clips the steps up to the matching [`LayerStep::PopClip`].
    PushClip(BezPath),
    PopClip,
    /// Isolates the steps up to the matching [`LayerStep::PopLayer`].
    PushLayer(BlendMode),
    PopLayer,
}

/// The brush that fills a layer.
#[derive(Clone, Debug)]
pub(super) enum LayerBrush {
    Solid(LayerColor),
    /// Stops have offsets from 0 to 1, ascending.
    Gradient {
        kind: GradientKind,
        extend: Extend,
        stops: Vec<(f32, LayerColor)>,
    },
}

/// A colour of the palette, or the colour of the text with its alpha multiplied.
#[derive(Clone, Copy, Debug)]
pub(super) enum LayerColor {
    Palette(Color),
    Foreground(f32),
}

impl LayerColor {
    fn resolve(self, foreground: Color) -> Color {
        match self {
            Self::Palette(color) => color,
            Self::Foreground(alpha) => foreground.multiply_alpha(alpha),
        }
    }
}

impl LayerBrush {
    pub(super) fn resolve(&self, foreground: Color) -> Brush {
        match self {
            Self::Solid(color) => Brush::Solid(color.resolve(foreground)),
            Self::Gradient { kind, extend, stops } => {
                let stop = |(offset, color): &(f32, LayerColor)| (*offset, color.resolve(foreground)).into();
                Brush::Gradient(Gradient {
                    kind: *kind,
                    extend: *extend,
                    interpolation_cs: ColorSpaceTag::Srgb,
                    interpolation_alpha_space: InterpolationAlphaSpace::Unpremultiplied,
                    stops: ColorStops(stops.iter().map(stop).collect()),
                    ..Gradient::default()
                })
            }
        }
    }
}

impl ColorLayers {
    /// Records the layers of `glyph`; `None` when it has none. `coords`: position in the variation space.
    ///
    /// # Errors
    /// Damaged data of the glyph.
    pub(super) fn of(
        font: &FontRef<'_>,
        glyph: GlyphId,
        coords: &[NormalizedCoord],
    ) -> Option<Result<Self, DrawError>> {
        let root = font.color_glyphs().get(glyph)?;
        let mut recorder = LayerRecorder {
            font,
            location: LocationRef::new(coords),
            transforms: vec![Affine::IDENTITY],
            open: Vec::new(),
            dropped: 0,
            layers: Self::default(),
            draw_error: None,
        };
        // skrifa stops at a cycle in the paint graph; the steps recorded before stay, as in browsers.
        let _cut_short = root.paint(recorder.location, &mut recorder);
        Some(recorder.finish())
    }

    /// Number of path elements held, for cache accounting.
    pub(super) fn elements(&self) -> usize {
        let of = |step: &LayerStep| match step {
            LayerStep::Fill { outline, .. } => outline.as_ref().map_or(1, |it| it.elements().len()),
            LayerStep::PushClip(outline) => outline.elements().len(),
            LayerStep::PopClip | LayerStep::PushLayer(_) | LayerStep::PopLayer => 1,
        };
        self.steps.iter().map(of).sum()
    }
}

/// Records the callbacks of skrifa as [`LayerStep`]s.
struct LayerRecorder<'a> {
    font: &'a FontRef<'a>,
    location: LocationRef<'a>,
    /// Stack of transforms to font units; never empty.
    transforms: Vec<Affine>,
    /// The steps that end the open clips and layers, innermost last.
    open: Vec<LayerStep>,
    /// Number of open clips and layers that were dropped beyond [`MAX_STEPS`].
    dropped: usize,
    layers: ColorLayers,
    draw_error: Option<DrawError>,
}

impl LayerRecorder<'_> {
    fn finish(mut self) -> Result<ColorLayers, DrawError> {
        // After an error in the graph, skrifa leaves clips and layers open.
        let ends = std::mem::take(&mut self.open);
        self.layers.steps.extend(ends.into_iter().rev());
        self.draw_error.map_or(Ok(self.layers), Err)
    }

    fn transform(&self) -> Affine {
        self.transforms.last().copied().unwrap_or_default()
    }

    fn is_full(&self) -> bool {
        self.layers.steps.len() >= MAX_STEPS
    }

    /// The outline of `glyph` in font units; empty where it has none.
    fn outline(&mut self, glyph: GlyphId) -> BezPath {
        let Some(outline) = self.font.outline_glyphs().get(glyph) else { return BezPath::new() };
        let mut pen = Pen::default();
        if let Err(error) = outline.draw(DrawSettings::unhinted(Size::unscaled(), self.location), &mut pen) {
            self.draw_error.get_or_insert(error);
            return BezPath::new();
        }
        self.transform() * with_uniform_direction(pen.0)
    }

    fn extend_bounds(&mut self, outline: &BezPath) {
        if outline.elements().is_empty() {
            return;
        }
        let bounds = outline.control_box();
        let all = &mut self.layers.bounds;
        *all = if all.is_zero_area() { bounds } else { all.union(bounds) };
    }

    fn push_clip(&mut self, outline: BezPath) {
        self.extend_bounds(&outline);
        self.push(LayerStep::PushClip(outline), LayerStep::PopClip);
    }

    fn push(&mut self, step: LayerStep, end: LayerStep) {
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        self.layers.steps.push(step);
        self.open.push(end);
    }

    fn pop(&mut self, is_end: fn(&LayerStep) -> bool) {
        if self.dropped > 0 {
            self.dropped -= 1;
        } else if self.open.last().is_some_and(is_end) {
            self.layers.steps.extend(self.open.pop());
        }
    }

    fn color(&self, palette_index: u16, alpha: f32) -> LayerColor {
        if palette_index == FOREGROUND {
            return LayerColor::Foreground(alpha);
        }
        let palette = self.font.color_palettes();
        let color = palette.get(0).and_then(|it| it.colors().get(usize::from(palette_index)).copied());
        let color = color.map_or(Color::BLACK, |it| Color::from_rgba8(it.red, it.green, it.blue, it.alpha));
        LayerColor::Palette(color.multiply_alpha(alpha))
    }

    fn brush(&self, brush: &GlyphBrush<'_>) -> Option<LayerBrush> {
        let point = |it: &skrifa::raw::types::Point<f32>| Point::new(f64::from(it.x), f64::from(it.y));
        let (kind, stops, extend) = match brush {
            GlyphBrush::Solid { palette_index, alpha } => {
                return Some(LayerBrush::Solid(self.color(*palette_index, *alpha)));
            }
            GlyphBrush::LinearGradient { p0, p1, color_stops, extend } => {
                (LinearGradientPosition { start: point(p0), end: point(p1) }.into(), *color_stops, *extend)
            }
            GlyphBrush::RadialGradient { c0, r0, c1, r1, color_stops, extend } => {
                return self.radial((point(c0), *r0), (point(c1), *r1), color_stops, *extend);
            }
            GlyphBrush::SweepGradient { c0, start_angle, end_angle, color_stops, extend } => {
                let end_angle = if start_angle == end_angle { end_angle + MIN_SWEEP } else { *end_angle };
                // Angles grow clockwise, and so they do in a brush whose y points downwards: see `fill_with`.
                let kind = SweepGradientPosition {
                    center: Point::new(f64::from(c0.x), -f64::from(c0.y)),
                    start_angle: start_angle.to_radians(),
                    end_angle: end_angle.to_radians(),
                };
                (kind.into(), *color_stops, *extend)
            }
        };
        self.gradient(kind, self.stops(stops), extend)
    }

    /// A gradient between two circles, each a centre and a radius. The first radius may be negative: the gradient then
    /// begins where the interpolated radius is 0.
    fn radial(
        &self,
        (mut c0, mut r0): (Point, f32),
        (c1, r1): (Point, f32),
        stops: &[ColorStop],
        extend: skrifa::color::Extend,
    ) -> Option<LayerBrush> {
        let mut stops = self.stops(stops);
        if r1 <= 0.0 {
            return stops.first().map(|(_, color)| LayerBrush::Solid(*color));
        }
        if r0 < 0.0 {
            let start = r0 / (r0 - r1);
            stops = from_offset(&stops, start);
            (c0, r0) = (c0.lerp(c1, f64::from(start)), 0.0);
        }
        let kind = RadialGradientPosition { start_center: c0, start_radius: r0, end_center: c1, end_radius: r1 };
        self.gradient(kind.into(), stops, extend)
    }

    fn stops(&self, stops: &[ColorStop]) -> Vec<(f32, LayerColor)> {
        stops.iter().map(|stop| (stop.offset, self.color(stop.palette_index, stop.alpha))).collect()
    }

    fn gradient(
        &self,
        kind: GradientKind,
        mut stops: Vec<(f32, LayerColor)>,
        extend: skrifa::color::Extend,
    ) -> Option<LayerBrush> {
        let (first, last) = (*stops.first()?, *stops.last()?);
        if stops.len() == 1 {
            return Some(LayerBrush::Solid(first.1));
        }
        if first.0 > 0.0 {
            stops.insert(0, (0.0, first.1));
        }
        if last.0 < 1.0 {
            stops.push((1.0, last.1));
        }
        let extend = match extend {
            skrifa::color::Extend::Pad | skrifa::color::Extend::Unknown => Extend::Pad,
            skrifa::color::Extend::Repeat => Extend::Repeat,
            skrifa::color::Extend::Reflect => Extend::Reflect,
        };
        Some(LayerBrush::Gradient { kind, extend, stops })
    }

    /// `to_glyph` maps the brush's space to font units.
    fn fill_with(&mut self, outline: Option<BezPath>, brush: &GlyphBrush<'_>, to_glyph: Affine) {
        let Some(read) = self.brush(brush).filter(|_| !self.is_full()) else { return };
        let is_sweep = matches!(brush, GlyphBrush::SweepGradient { .. });
        let to_glyph = if is_sweep { to_glyph * Affine::FLIP_Y } else { to_glyph };
        self.layers.steps.push(LayerStep::Fill { outline, brush: read, to_glyph });
    }
}

/// `outline` with all contours that lie beside each other in the same direction. Painters sum the signed areas of
/// contours, so that two of opposite direction would cancel out in the px where they meet; Skia counts each separately.
/// Contours whose boxes overlap are unchanged: one may be a hole in the other.
fn with_uniform_direction(outline: BezPath) -> BezPath {
    let contours: Vec<BezPath> = outline
        .elements()
        .chunk_by(|_, next| !matches!(next, PathEl::MoveTo(_)))
        .map(|it| it.iter().copied().collect())
        .collect();
    if contours.len() < 2 || contours.len() > MAX_CONTOURS {
        return outline;
    }
    let boxes: Vec<Rect> = contours.iter().map(BezPath::control_box).collect();
    let is_beside = |at: usize| {
        let overlaps = |(other, it): (usize, &Rect)| other != at && !it.intersect(boxes[at]).is_zero_area();
        !boxes.iter().enumerate().any(overlaps)
    };
    let turned = contours.iter().enumerate().map(|(at, contour)| {
        if contour.area() < 0.0 && is_beside(at) { contour.reverse_subpaths() } else { contour.clone() }
    });
    turned.flatten().collect()
}

/// The stops of a gradient from offset `start` on, `0..1`, rescaled to the range 0 to 1.
fn from_offset(stops: &[(f32, LayerColor)], start: f32) -> Vec<(f32, LayerColor)> {
    let after = stops.partition_point(|(offset, _)| *offset <= start);
    let at_start = match (after.checked_sub(1).and_then(|before| stops.get(before)), stops.get(after)) {
        (Some((from, a)), Some((to, b))) => mixed(*a, *b, (start - from) / (to - from)),
        (Some((_, only)), None) | (None, Some((_, only))) => *only,
        (None, None) => return Vec::new(),
    };
    let stretched = stops[after..].iter().map(|(offset, color)| ((offset - start) / (1.0 - start), *color));
    std::iter::once((0.0, at_start)).chain(stretched).collect()
}

/// Interpolates between two colours. The text's own colour can only be interpolated with itself.
fn mixed(a: LayerColor, b: LayerColor, t: f32) -> LayerColor {
    match (a, b) {
        (LayerColor::Palette(a), LayerColor::Palette(b)) => LayerColor::Palette(a.lerp_rect(b, t)),
        (LayerColor::Foreground(a), LayerColor::Foreground(b)) => LayerColor::Foreground(a + (b - a) * t),
        (LayerColor::Palette(_), LayerColor::Foreground(_)) | (LayerColor::Foreground(_), LayerColor::Palette(_)) => {
            if t < 0.5 {
                a
            } else {
                b
            }
        }
    }
}

impl ColorPainter for LayerRecorder<'_> {
    fn push_transform(&mut self, transform: Transform) {
        self.transforms.push(self.transform() * affine(transform));
    }

    fn pop_transform(&mut self) {
        if self.transforms.len() > 1 {
            self.transforms.pop();
        }
    }

    fn push_clip_glyph(&mut self, glyph: GlyphId) {
        let outline = self.outline(glyph);
        self.push_clip(outline);
    }

    fn push_clip_box(&mut self, area: BoundingBox<f32>) {
        let area = Rect::new(area.x_min.into(), area.y_min.into(), area.x_max.into(), area.y_max.into());
        self.push_clip(self.transform() * area.to_path(0.1));
    }

    fn pop_clip(&mut self) {
        self.pop(|end| matches!(end, LayerStep::PopClip));
    }

    fn fill(&mut self, brush: GlyphBrush<'_>) {
        self.fill_with(None, &brush, self.transform());
    }

    fn fill_glyph(&mut self, glyph: GlyphId, brush_transform: Option<Transform>, brush: GlyphBrush<'_>) {
        if self.is_full() {
            return;
        }
        let outline = self.outline(glyph);
        self.extend_bounds(&outline);
        let to_glyph = brush_transform.map_or(self.transform(), |it| self.transform() * affine(it));
        self.fill_with(Some(outline), &brush, to_glyph);
    }

    fn push_layer(&mut self, mode: CompositeMode) {
        let blend = blend_mode(mode);
        self.layers.has_blends |= blend != BlendMode::default();
        self.push(LayerStep::PushLayer(blend), LayerStep::PopLayer);
    }

    fn pop_layer(&mut self) {
        self.pop(|end| matches!(end, LayerStep::PopLayer));
    }
}

fn affine(it: Transform) -> Affine {
    Affine::new([it.xx, it.yx, it.xy, it.yy, it.dx, it.dy].map(f64::from))
}

fn blend_mode(mode: CompositeMode) -> BlendMode {
    let compose = |compose| BlendMode::new(Mix::Normal, compose);
    let mix = |mix| BlendMode::new(mix, Compose::SrcOver);
    match mode {
        CompositeMode::Clear => compose(Compose::Clear),
        CompositeMode::Src => compose(Compose::Copy),
        CompositeMode::Dest => compose(Compose::Dest),
        CompositeMode::SrcOver | CompositeMode::Unknown => BlendMode::default(),
        CompositeMode::DestOver => compose(Compose::DestOver),
        CompositeMode::SrcIn => compose(Compose::SrcIn),
        CompositeMode::DestIn => compose(Compose::DestIn),
        CompositeMode::SrcOut => compose(Compose::SrcOut),
        CompositeMode::DestOut => compose(Compose::DestOut),
        CompositeMode::SrcAtop => compose(Compose::SrcAtop),
        CompositeMode::DestAtop => compose(Compose::DestAtop),
        CompositeMode::Xor => compose(Compose::Xor),
        CompositeMode::Plus => compose(Compose::Plus),
        CompositeMode::Screen => mix(Mix::Screen),
        CompositeMode::Overlay => mix(Mix::Overlay),
        CompositeMode::Darken => mix(Mix::Darken),
        CompositeMode::Lighten => mix(Mix::Lighten),
        CompositeMode::ColorDodge => mix(Mix::ColorDodge),
        CompositeMode::ColorBurn => mix(Mix::ColorBurn),
        CompositeMode::HardLight => mix(Mix::HardLight),
        CompositeMode::SoftLight => mix(Mix::SoftLight),
        CompositeMode::Difference => mix(Mix::Difference),
        CompositeMode::Exclusion => mix(Mix::Exclusion),
        CompositeMode::Multiply => mix(Mix::Multiply),
        CompositeMode::HslHue => mix(Mix::Hue),
        CompositeMode::HslSaturation => mix(Mix::Saturation),
        CompositeMode::HslColor => mix(Mix::Color),
        CompositeMode::HslLuminosity => mix(Mix::Luminosity),
    }
}
