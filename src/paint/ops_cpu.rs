//! Plan operations to vello_cpu.

use std::collections::HashMap;
use std::sync::Arc;

use kurbo::{Affine, BezPath, PathEl, Point, Rect, Stroke, StrokeOpts};
use peniko::ImageAlphaType;
use peniko::{BlendMode, Brush, Color, Compose, Fill, ImageQuality, ImageSampler, Mix};
use vello_cpu::{
    Glyph, Image, ImageSource, Level, PixelMetadata, Pixmap, PixmapMut, RasterizerSettings, RenderContext,
    RenderSettings, Resources, TargetInit,
};

use super::PaintError;
use super::edges::polygons;
use super::glyphs::{Faces, GlyphSize, Shape};
use super::hairline::{Hairline, hairline};
use super::photo::{Photos, Place, Placed, Reduction};
use super::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use crate::raster::{Premultiplied, Raster};
use crate::scene::{GlyphStyle, Paint};
use crate::units::{DeviceSize, Opacity};

/// How far a stroke's edge may lie off, in device px.
const STROKE_TOLERANCE: f64 = 0.02;

/// Surfaces that steps of a plan have written so far.
#[derive(Default)]
pub(super) struct Surfaces(HashMap<usize, Arc<Pixmap>>);

impl Surfaces {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `pixels`: premultiplied, `4 * width * height` bytes.
    pub(super) fn insert(&mut self, id: SurfaceId, size: DeviceSize, pixels: Vec<u8>) {
        let metadata = PixelMetadata::new(ImageAlphaType::AlphaPremultiplied, true);
        self.0.insert(id.0, Arc::new(Pixmap::from_parts(pixels, size.width as u16, size.height as u16, metadata)));
    }

    pub(super) fn get(&self, id: SurfaceId) -> Option<&Arc<Pixmap>> {
        self.0.get(&id.0)
    }
}

/// What operations draw besides paths: pictures of the scene, and surfaces of earlier steps.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) photos: &'a Photos,
    pub(super) surfaces: &'a Surfaces,
}

/// Bytes of pictures made for one surface before what was drawn so far is put on it and they are dropped. A page's
/// pictures add up, each as large as the page at most: without this, thirty of them on a poster fill the memory.
const MOST_HELD: usize = 256 << 20;
/// The same while a layer is open, which cannot be put anywhere before it ends.
const MOST_HELD_IN_LAYER: usize = 1 << 30;

/// One thread's drawing tools, reused from page to page.
pub(super) struct Canvas {
    context: RenderContext,
    resources: Resources,
    faces: Faces,
    /// Bytes of pictures that `context` keeps until its pixels are made.
    held: usize,
    /// [`MOST_HELD`], or less in tests.
    pub(super) most_held: usize,
}

impl Canvas {
    pub(super) fn new() -> Self {
        // The best level there is. Measured: AVX2 and AVX-512 give the same bytes; SSE2 and SSE4.2, which do not fuse
        // multiply and add, differ by one level in 5 of 640 000 bytes. Goldens allow for that.
        let level = Level::try_detect().unwrap_or(Level::baseline());
        Self {
            // One page a thread: sharing a page between threads gains little (stack.md §3).
            context: RenderContext::new_with(1, 1, RenderSettings { level, num_threads: 0 }),
            resources: Resources::new(),
            faces: Faces::default(),
            held: 0,
            most_held: MOST_HELD,
        }
    }

    /// Draws `ops` on a transparent surface. `size`: each side fits 16 bits, as `SurfaceLimits` makes sure.
    /// `abandoned` is asked before each operation and before the pixels are made, the longest step: `plan` bounds that.
    pub(super) fn draw(
        &mut self,
        size: DeviceSize,
        ops: &[Op],
        sources: Sources<'_>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Raster<Premultiplied>, PaintError> {
        let go_on = || if abandoned() { Err(PaintError::Abandoned) } else { Ok(()) };
        let mut pixels = Vec::new();
        self.begin(size);
        // Clips and layers that were pushed and not yet popped.
        let mut open: Vec<&Op> = Vec::new();
        for op in ops {
            go_on()?;
            self.op(op, size, sources)?;
            match op {
                Op::PushClip { .. } | Op::PushLayer { .. } => open.push(op),
                Op::PopClip | Op::PopLayer => drop(open.pop()),
                Op::Fill { .. } | Op::Stroke { .. } | Op::Glyphs(_) | Op::Image { .. } | Op::Surface { .. } => {}
            }
            if self.held <= self.most_held {
                continue;
            }
            if !open.iter().any(|it| matches!(it, Op::PushLayer { .. })) {
                self.put(size, &mut pixels);
                self.begin(size);
                open.iter().try_for_each(|it| self.op(it, size, sources))?;
            } else if self.held > MOST_HELD_IN_LAYER {
                let (found, limit) = (self.held >> 20, MOST_HELD_IN_LAYER >> 20);
                return Err(PaintError::TooManyPictures { found, limit });
            }
        }
        go_on()?;
        self.put(size, &mut pixels);
        Ok(Raster::from_pixels(size, pixels).expect("the buffer was made for this size"))
    }

    /// Drops what the context keeps of the surface: its pictures.
    pub(super) fn end(&mut self) {
        self.begin(DeviceSize { width: 1, height: 1 });
    }

    fn begin(&mut self, size: DeviceSize) {
        self.context.reset_and_resize(size.width as u16, size.height as u16);
        self.held = 0;
    }

    /// What was drawn since `begin` onto `pixels`, which are made when there are none.
    fn put(&mut self, size: DeviceSize, pixels: &mut Vec<u8>) {
        let first = pixels.is_empty();
        pixels.resize(size.pixels() as usize * 4, 0);
        let target = PixmapMut::new(size.width as u16, size.height as u16, pixels);
        let target = target.expect("the buffer was made for this size");
        let target_init = if first { TargetInit::Clear(Color::TRANSPARENT) } else { TargetInit::SrcOver };
        self.context.flush();
        self.context.render_with(target, &mut self.resources, RasterizerSettings { target_init, ..Default::default() });
    }

    fn op(&mut self, op: &Op, size: DeviceSize, sources: Sources<'_>) -> Result<(), PaintError> {
        let Sources { photos, surfaces } = sources;
        let context = &mut self.context;
        match op {
            Op::PushClip { outline, transform } => match as_rect(outline) {
                Some(rect) => {
                    context.set_transform(*transform);
                    context.push_clip_rect(&rect);
                }
                None => {
                    context.set_transform(Affine::IDENTITY);
                    context.set_fill_rule(Fill::NonZero);
                    context.push_clip_path(&polygons(outline, *transform));
                }
            },
            Op::PopClip => context.pop_clip(),
            Op::PushLayer { clip, transform, opacity, blend } => {
                let clip = clip.as_ref().map(|clip| polygons(clip, *transform));
                context.set_transform(Affine::IDENTITY);
                context.set_fill_rule(Fill::NonZero);
                context.push_layer(clip.as_ref(), Some(*blend), Some(opacity.get()), None, None);
            }
            Op::PopLayer => context.pop_layer(),
            Op::Fill { outline, rule, paint, transform } => match as_rect(outline) {
                Some(rect) => {
                    set_paint(context, paint, paint.transform);
                    context.set_transform(*transform);
                    context.fill_rect(&rect);
                }
                None => {
                    set_paint(context, paint, *transform * paint.transform);
                    context.set_transform(Affine::IDENTITY);
                    context.set_fill_rule(*rule);
                    context.fill_path(&polygons(outline, *transform));
                }
            },
            Op::Stroke { outline, stroke, paint, transform } => match hairline(outline, stroke, *transform) {
                Some(Hairline { pieces, coverage }) => {
                    let brush = paint.brush.clone().multiply_alpha(coverage as f32);
                    set_paint(context, &Paint { brush, ..paint.clone() }, *transform * paint.transform);
                    context.set_transform(Affine::IDENTITY);
                    context.set_fill_rule(Fill::NonZero);
                    context.fill_path(&pieces);
                }
                None => {
                    set_paint(context, paint, *transform * paint.transform);
                    fill_stroke(context, outline, stroke, *transform);
                }
            },
            Op::Image { picture, source, dest, passes, opacity, transform } => {
                let (source, dest, transform) = (*source, *dest, *transform);
                let placed = Placed { picture, passes, source, dest, transform, reduction: Reduction::Exact };
                self.held += image(context, photos, size, &placed, *opacity);
            }
            Op::Glyphs(run) => return self.glyphs(run, size, photos),
            Op::Surface { surface, at } => {
                let pixmap = surfaces
                    .get(*surface)
                    .ok_or_else(|| PaintError::Internal("a surface before it was drawn".into()))?;
                composite(context, pixmap, *at);
            }
        }
        Ok(())
    }

    fn glyphs(&mut self, run: &Glyphs, size: DeviceSize, photos: &Photos) -> Result<(), PaintError> {
        let [a, b, c, d, ..] = run.linear.as_coeffs();
        let em = run.size * a.hypot(b).max(c.hypot(d));
        // To the right for each unit up; y grows downwards.
        let slant = Affine::new([1.0, 0.0, -run.skew, 1.0, 0.0, 0.0]);
        let from_font = |units: f64| slant * Affine::scale_non_uniform(run.size / units, -run.size / units);
        let mut added = 0;
        let face = self.faces.get(&run.font, &run.coords)?;
        let upright = run.snapped && a == d && run.skew == 0.0;
        let glyph_size = GlyphSize { size: run.size, em, embolden: run.embolden, upright };
        for glyph in &run.glyphs {
            let (shape, elements) = face.shape(glyph.id, &glyph_size)?;
            added += elements;
            let to_device = Affine::translate(glyph.at.to_vec2()) * run.linear;
            let context = &mut self.context;
            match shape {
                Shape::Blank => {}
                Shape::Outline(outline, units) => match &run.style {
                    GlyphStyle::Fill => {
                        set_paint(context, &run.paint, run.paint.transform);
                        context.set_transform(Affine::IDENTITY);
                        context.set_fill_rule(Fill::NonZero);
                        context.fill_path(&polygons(&outline, to_device * from_font(units)));
                    }
                    GlyphStyle::Stroke(stroke) => {
                        set_paint(context, &run.paint, run.paint.transform);
                        // The pen is round in the run's space, not in the slanted one.
                        let outline = from_font(units) * BezPath::clone(&outline);
                        fill_stroke(context, &outline, stroke, to_device);
                    }
                },
                // Coloured glyphs have no outline to stroke.
                Shape::Picture(picture, to_run) => {
                    if matches!(run.style, GlyphStyle::Fill) {
                        let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
                        // Browsers put glyph pictures on whole pixels.
                        let at = if run.snapped { (glyph.at + kurbo::Vec2::new(0.5, 0.5)).floor() } else { glyph.at };
                        let transform = Affine::translate(at.to_vec2()) * run.linear * slant * to_run;
                        let reduction = Reduction::Halved;
                        let placed =
                            Placed { picture: &picture, passes: &[], source, dest: source, transform, reduction };
                        let opacity = Opacity::new(f64::from(alpha(&run.paint)));
                        self.held += image(context, photos, size, &placed, opacity);
                    }
                }
                Shape::Layers => {
                    if matches!(run.style, GlyphStyle::Fill) {
                        layers(context, &mut self.resources, run, *glyph, to_device, slant);
                    }
                }
            }
        }
        self.faces.grew(added);
        Ok(())
    }
}

/// Returns the bytes of pixels made for it.
fn image(
    context: &mut RenderContext,
    photos: &Photos,
    size: DeviceSize,
    placed: &Placed<'_>,
    opacity: Opacity,
) -> usize {
    let Placed { dest, transform, .. } = *placed;
    let Some(prepared) = photos.prepare(placed, size) else { return 0 };
    let sampler = |quality| ImageSampler { quality, alpha: opacity.get(), ..ImageSampler::default() };
    let (quality, to_paint, transform, rect) = match prepared.place {
        Place::Copy(x, y) => {
            let to_device = Affine::translate((f64::from(x), f64::from(y)));
            (ImageQuality::Low, to_device, Affine::IDENTITY, transform.transform_rect_bbox(dest))
        }
        Place::Sample(to_dest) => (ImageQuality::Medium, to_dest, transform, dest),
    };
    context.set_transform(transform);
    context.set_paint_transform(to_paint);
    context.set_paint(Image { image: ImageSource::Pixmap(prepared.pixmap), sampler: sampler(quality) });
    context.set_fill_rule(Fill::NonZero);
    context.fill_rect(&rect);
    prepared.made
}

/// Pixel for pixel when `at` is whole, else sampled.
fn composite(context: &mut RenderContext, pixmap: &Arc<Pixmap>, at: Point) {
    let quality = if at == at.round() { ImageQuality::Low } else { ImageQuality::Medium };
    let rect = Rect::new(0.0, 0.0, f64::from(pixmap.width()), f64::from(pixmap.height()));
    context.set_transform(Affine::translate(at.to_vec2()));
    context.set_paint_transform(Affine::IDENTITY);
    let sampler = ImageSampler { quality, ..ImageSampler::default() };
    context.set_paint(Image { image: ImageSource::Pixmap(pixmap.clone()), sampler });
    context.set_fill_rule(Fill::NonZero);
    context.fill_rect(&rect);
}

/// COLR layers through glifo, at the asked place: no hinting, no atlas, which would round positions.
fn layers(
    context: &mut RenderContext,
    resources: &mut Resources,
    run: &Glyphs,
    glyph: PlacedGlyph,
    to_device: Affine,
    slant: Affine,
) {
    let alpha = alpha(&run.paint);
    // Text opacity covers the glyph as a whole; its own foreground colour, where layers use it, must not have it twice.
    let foreground = match &run.paint.brush {
        Brush::Solid(color) => color.with_alpha(1.0),
        Brush::Gradient(_) | Brush::Image(_) => Color::BLACK,
    };
    let blend = BlendMode::new(Mix::Normal, Compose::SrcOver);
    context.set_transform(to_device);
    if alpha < 1.0 {
        context.push_layer(None, Some(blend), Some(alpha), None, None);
    }
    context.set_paint(foreground);
    context.reset_paint_transform();
    let drawn = context
        .glyph_run(resources, &run.font)
        .font_size(run.size as f32)
        .glyph_transform(slant)
        .normalized_coords(&run.coords)
        .hint(false)
        .atlas_cache(false)
        .fill_glyphs(std::iter::once(Glyph { id: glyph.id, x: 0.0, y: 0.0 }));
    debug_assert!(drawn.is_ok(), "only asked for glyphs that have layers");
    if alpha < 1.0 {
        context.pop_layer();
    }
}

/// Of a solid; gradients carry theirs in the stops and do not reach coloured glyphs.
fn alpha(paint: &Paint) -> f32 {
    match &paint.brush {
        Brush::Solid(color) => color.components[3],
        Brush::Gradient(_) | Brush::Image(_) => 1.0,
    }
}

/// `to_space`: from brush space to the space that the next transform starts from.
fn set_paint(context: &mut RenderContext, paint: &Paint, to_space: Affine) {
    match &paint.brush {
        Brush::Solid(color) => context.set_paint(*color),
        Brush::Gradient(gradient) => {
            context.set_paint(gradient.clone());
            context.set_paint_transform(to_space);
        }
        Brush::Image(_) => unreachable!("plan() lets no picture brush through"),
    }
}

/// Strokes in the space of `outline`, so that an uneven `transform` makes an uneven pen.
fn fill_stroke(context: &mut RenderContext, outline: &BezPath, stroke: &Stroke, transform: Affine) {
    let [a, b, c, d, ..] = transform.as_coeffs();
    let scale = a.hypot(b).max(c.hypot(d)).max(f64::MIN_POSITIVE);
    let pen = kurbo::stroke(outline.iter(), stroke, &StrokeOpts::default(), STROKE_TOLERANCE / scale);
    context.set_transform(Affine::IDENTITY);
    context.set_fill_rule(Fill::NonZero);
    context.fill_path(&polygons(&pen, transform));
}

/// The rectangle that `outline` is, if it is one with upright sides: painters are exact and quick on those.
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
    let upright = |p: Point, q: Point, r: Point, s: Point| p.y == q.y && q.x == r.x && r.y == s.y && s.x == p.x;
    (closed && (upright(first, a, b, c) || upright(c, first, a, b))).then(|| Rect::from_points(first, b))
}

#[cfg(test)]
mod tests {
    use kurbo::Shape as _;

    use super::*;

    #[test]
    fn rect_outlines_are_recognised() {
        let rect = Rect::new(1.0, 2.0, 5.0, 4.0);
        assert_eq!(as_rect(&rect.to_path(0.1)), Some(rect));
        assert_eq!(as_rect(&BezPath::from_svg("M1 2 V4 H5 V2 H1 Z").expect("a path")), Some(rect));
        assert_eq!(as_rect(&BezPath::from_svg("M1 2 L5 3 L5 4 L1 4 Z").expect("a path")), None);
        assert_eq!(as_rect(&kurbo::Circle::new((3.0, 3.0), 2.0).to_path(0.1)), None);
    }
}
