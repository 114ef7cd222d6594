//! What operations come to, painted by vello_cpu.

use kurbo::{Affine, BezPath, Rect};
use peniko::{BlendMode, Brush, Color, Fill, ImageQuality, ImageSampler};
use vello_cpu::{
    Image, ImageSource, Level, PixmapMut, RasterizerSettings, RenderContext, RenderSettings, Resources, TargetInit,
};

use super::PaintError;
use super::color_layers::ColorLayers;
use super::ops::{Ops, Placement, Target, alpha};
use super::photo::{Photos, Place, Placed};
use super::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use super::surfaces::{Surface, Surfaces};
use crate::raster::{Premultiplied, Raster};
use crate::units::{DeviceSize, Opacity};

/// What operations draw besides paths: pictures of the scene, and surfaces of earlier steps.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) photos: &'a Photos,
    pub(super) surfaces: &'a Surfaces,
}

/// Side of vello_cpu's tiles, in px. It rounds differently in those that an edge runs through, whole px or not.
const TILE: f64 = 4.0;

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
        let Self { context, ops, held, .. } = self;
        ops.draw(op, &mut OnContext { context, held, size, sources })
    }
}

/// One surface while it is drawn on.
struct OnContext<'a> {
    context: &'a mut RenderContext,
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
        _glyph: PlacedGlyph,
        layers: &ColorLayers,
        to_device: Affine,
    ) -> Result<(), PaintError> {
        // Text opacity covers the glyph as a whole; its own foreground colour, where layers use it, must not have it twice.
        let foreground = match &run.paint.brush {
            Brush::Solid(color) => color.with_alpha(1.0),
            Brush::Gradient(_) | Brush::Image(_) => Color::BLACK,
        };
        layers.draw(self, foreground, Opacity::new(f64::from(alpha(&run.paint))), to_device);
        Ok(())
    }

    fn surface(&mut self, surface: SurfaceId, place: Placement) -> Result<(), PaintError> {
        let surface = self.sources.surfaces.get(surface);
        let surface = surface.ok_or_else(|| PaintError::Internal("a surface before it was drawn".into()))?;
        composite(self.context, surface, place);
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

fn composite(context: &mut RenderContext, surface: &Surface, place: Placement) {
    let Some(seen) = &surface.seen else { return };
    let (width, height) = (f64::from(surface.pixmap.width()), f64::from(surface.pixmap.height()));
    let whole = Rect::new(0.0, 0.0, width, height);
    let (quality, transform, rect, to_rect) = match place {
        Placement::Copied(at) => {
            let rect = seen.rect().inflate(TILE, TILE).intersect(whole);
            (ImageQuality::Low, Affine::translate(at.to_vec2()), rect, Affine::IDENTITY)
        }
        Placement::Moved(at) => {
            let covered = Placement::covered(at, width, height);
            (ImageQuality::Medium, Affine::IDENTITY, covered, Affine::translate(at.to_vec2()))
        }
        Placement::Turned(transform) => (ImageQuality::Medium, transform, whole, Affine::IDENTITY),
    };
    context.set_transform(transform);
    context.set_paint_transform(to_rect);
    let sampler = ImageSampler { quality, ..ImageSampler::default() };
    context.set_paint(Image { image: ImageSource::Pixmap(surface.pixmap.clone()), sampler });
    context.set_fill_rule(Fill::NonZero);
    context.fill_rect(&rect);
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

#[cfg(test)]
mod tests {
    use kurbo::{Shape as _, Vec2};

    use super::*;
    use crate::paint::surfaces::Seen;
    use crate::scene::Paint;

    const SIDE: u32 = 48;

    /// Over a translucent page, moved by `by`.
    fn drawn(surface: Surface, by: Vec2) -> Vec<u8> {
        let page = Rect::new(0.0, 0.0, f64::from(SIDE), f64::from(SIDE));
        let below = Op::Fill {
            outline: page.to_path(0.1),
            rule: Fill::NonZero,
            paint: Paint::from(Color::from_rgba8(61, 122, 201, 190)),
            transform: Affine::IDENTITY,
        };
        let above = Op::Surface { surface: SurfaceId(1), transform: Affine::translate(by) };
        let (photos, mut surfaces) = (Photos::new(0), Surfaces::new());
        surfaces.insert(SurfaceId(1), surface);
        let sources = Sources { photos: &photos, surfaces: &surfaces };
        let size = DeviceSize { width: SIDE, height: SIDE };
        Canvas::new().draw(size, &[below, above], sources, &|| false).expect("drawn").into_pixels()
    }

    #[test]
    fn of_surfaces_only_what_is_seen_is_drawn() {
        let size = DeviceSize { width: 40, height: 32 };
        let px = |x: u32, y: u32| if (9..30).contains(&x) && (7..19).contains(&y) { [x as u8 * 8; 4] } else { [0; 4] };
        let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))).flat_map(|(x, y)| px(x, y));
        let surface = Surface::new(size, pixels.collect());
        assert_eq!(surface.seen, Some(Seen { columns: 9..30, rows: 7..19 }));
        for by in (-3..6).map(|at| Vec2::new(f64::from(at), f64::from(2 - at))) {
            let whole = Surface { seen: Some(Seen { columns: 0..40, rows: 0..32 }), ..surface.clone() };
            let whole = drawn(whole, by);
            assert!(drawn(surface.clone(), by) == whole, "{by:?}");
            let nothing = drawn(Surface { seen: None, ..surface.clone() }, by);
            assert_eq!(nothing[..4], whole[whole.len() - 4..], "the page alone");
            assert!(nothing != whole);
        }
    }
}
