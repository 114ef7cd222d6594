//! What operations come to, painted by vello_cpu.

use std::collections::HashMap;
use std::sync::Arc;

use kurbo::{Affine, BezPath, Rect};
use peniko::ImageAlphaType;
use peniko::{BlendMode, Brush, Color, Compose, Fill, ImageQuality, ImageSampler, Mix};
use vello_cpu::{
    Glyph, Image, ImageSource, Level, PixelMetadata, Pixmap, PixmapMut, RasterizerSettings, RenderContext,
    RenderSettings, Resources, TargetInit,
};

use super::PaintError;
use super::ops::{Ops, Placement, Target, alpha};
use super::photo::{Photos, Place, Placed};
use super::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use crate::raster::{Premultiplied, Raster};
use crate::units::{DeviceSize, Opacity};

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

    /// One that others use too.
    pub(super) fn share(&mut self, id: SurfaceId, pixmap: Arc<Pixmap>) {
        self.0.insert(id.0, pixmap);
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

/// How the operations of one surface are drawn. Between two turns no layer may be open.
#[derive(Clone, Copy, Default)]
pub(super) struct Turns<'a> {
    /// So many are drawn: these pixels are what they came to.
    pub(super) onto: Option<(usize, &'a [u8])>,
    /// After so many, the pixels are asked for.
    pub(super) note: Option<usize>,
}

/// One thread's drawing tools, reused from page to page.
pub(super) struct Canvas {
    context: RenderContext,
    resources: Resources,
    ops: Ops,
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
            ops: Ops::default(),
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
        self.draw_turns(size, ops, sources, Turns::default(), abandoned).map(|(raster, _)| raster)
    }

    /// The same in turns; also returns the pixels that `turns` asks for.
    pub(super) fn draw_turns(
        &mut self,
        size: DeviceSize,
        ops: &[Op],
        sources: Sources<'_>,
        turns: Turns<'_>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(Raster<Premultiplied>, Option<Vec<u8>>), PaintError> {
        let go_on = || if abandoned() { Err(PaintError::Abandoned) } else { Ok(()) };
        let (first, mut pixels) = turns.onto.map_or((0, Vec::new()), |(first, pixels)| (first, pixels.to_vec()));
        let mut noted = None;
        self.begin(size);
        // Clips and layers that were pushed and not yet popped.
        let mut open: Vec<&Op> = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            go_on()?;
            if at == first && at > 0 {
                open.iter().try_for_each(|it| self.op(it, size, sources))?;
            }
            if turns.note == Some(at) {
                self.put(size, &mut pixels);
                noted = Some(pixels.clone());
                self.begin(size);
                open.iter().try_for_each(|it| self.op(it, size, sources))?;
            }
            if at >= first {
                self.op(op, size, sources)?;
            }
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
        if turns.note == Some(ops.len()) {
            noted = Some(pixels.clone());
        }
        Ok((Raster::from_pixels(size, pixels).expect("the buffer was made for this size"), noted))
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
        let Self { context, resources, ops, held, .. } = self;
        ops.draw(op, &mut OnContext { context, resources, held, size, sources })
    }
}

/// One surface while it is drawn on.
struct OnContext<'a> {
    context: &'a mut RenderContext,
    resources: &'a mut Resources,
    held: &'a mut usize,
    size: DeviceSize,
    sources: Sources<'a>,
}

impl Target for OnContext<'_> {
    fn fill(&mut self, polygons: &BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        set_paint(self.context, brush, to_device);
        self.context.set_transform(Affine::IDENTITY);
        self.context.set_fill_rule(rule);
        self.context.fill_path(polygons);
    }

    fn fill_rect(&mut self, rect: Rect, transform: Affine, brush: &Brush, to_rect: Affine) {
        set_paint(self.context, brush, to_rect);
        self.context.set_transform(transform);
        self.context.fill_rect(&rect);
    }

    fn push_clip(&mut self, polygons: &BezPath) {
        self.context.set_transform(Affine::IDENTITY);
        self.context.set_fill_rule(Fill::NonZero);
        self.context.push_clip_path(polygons);
    }

    fn push_clip_rect(&mut self, rect: Rect, transform: Affine) {
        self.context.set_transform(transform);
        self.context.push_clip_rect(&rect);
    }

    fn pop_clip(&mut self) {
        self.context.pop_clip();
    }

    fn push_layer(&mut self, clip: Option<&BezPath>, opacity: Opacity, blend: BlendMode) {
        self.context.set_transform(Affine::IDENTITY);
        self.context.set_fill_rule(Fill::NonZero);
        self.context.push_layer(clip, Some(blend), Some(opacity.get()), None, None);
    }

    fn pop_layer(&mut self) {
        self.context.pop_layer();
    }

    fn picture(&mut self, placed: &Placed<'_>, opacity: Opacity) {
        *self.held += image(self.context, self.sources.photos, self.size, placed, opacity);
    }

    fn color_glyph(
        &mut self,
        run: &Glyphs,
        glyph: PlacedGlyph,
        to_device: Affine,
        slant: Affine,
    ) -> Result<(), PaintError> {
        layers(self.context, self.resources, run, glyph, to_device, slant);
        Ok(())
    }

    fn surface(&mut self, surface: SurfaceId, place: Placement) -> Result<(), PaintError> {
        let pixmap = self.sources.surfaces.get(surface);
        let pixmap = pixmap.ok_or_else(|| PaintError::Internal("a surface before it was drawn".into()))?;
        composite(self.context, pixmap, place);
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
            (ImageQuality::Low, to_device, Affine::IDENTITY, placed.bounds())
        }
        Place::Sample(to_dest) if placed.has_sharp_edges() => {
            (ImageQuality::Medium, transform * to_dest, Affine::IDENTITY, placed.bounds())
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

fn composite(context: &mut RenderContext, pixmap: &Arc<Pixmap>, place: Placement) {
    let (width, height) = (f64::from(pixmap.width()), f64::from(pixmap.height()));
    let whole = Rect::new(0.0, 0.0, width, height);
    let (quality, transform, rect, to_rect) = match place {
        Placement::Copied(at) => (ImageQuality::Low, Affine::translate(at.to_vec2()), whole, Affine::IDENTITY),
        Placement::Moved(at) => {
            let covered = Placement::covered(at, width, height);
            (ImageQuality::Medium, Affine::IDENTITY, covered, Affine::translate(at.to_vec2()))
        }
        Placement::Turned(transform) => (ImageQuality::Medium, transform, whole, Affine::IDENTITY),
    };
    context.set_transform(transform);
    context.set_paint_transform(to_rect);
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

/// `to_space`: from brush space to the space that the next transform starts from.
fn set_paint(context: &mut RenderContext, brush: &Brush, to_space: Affine) {
    match brush {
        Brush::Solid(color) => context.set_paint(*color),
        Brush::Gradient(gradient) => {
            context.set_paint(gradient.clone());
            context.set_paint_transform(to_space);
        }
        Brush::Image(_) => unreachable!("plan() lets no picture brush through"),
    }
}
