//! The vello_cpu implementation of [`DrawTarget`], and the canvas that executes operations on it.

use kurbo::{Affine, BezPath, Rect};
use peniko::{BlendMode, Brush, Color, Fill, ImageQuality, ImageSampler};
use vello_cpu::{
    Image, ImageSource, Level, PixmapMut, RasterizerSettings, RenderContext, RenderSettings, Resources, TargetInit,
};

use super::color_layers::ColorLayers;
use super::draw_color_layers::draw_color_layers;
use super::draw_target::{DrawTarget, SurfacePlacement};
use super::edge_budget::tiles;
use super::error::{PaintError, TILE};
use super::ops::{OpExecutor, alpha, foreground};
use super::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use super::prepared_image::{ImagePlacement, PlacedImage, PreparedImages};
use super::surfaces::{Surface, Surfaces};
use crate::raster::{Premultiplied, Raster};
use crate::units::{DeviceSize, Opacity};

/// Sources of the pixels that operations draw: prepared pictures, and surfaces of earlier steps.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    pub(super) images: &'a PreparedImages,
    pub(super) surfaces: &'a Surfaces,
}

/// Maximum bytes of pictures and edges that one surface retains before the operations so far are rasterised and both
/// are released. A prepared picture is as large as the page at most, but without this limit thirty of them on a poster
/// would exhaust the memory.
const MAX_RETAINED_BYTES: usize = 256 << 20;
/// Maximum bytes that a surface retains while a layer is open, which can be rasterised only after it ends.
const MAX_RETAINED_BYTES_IN_LAYER: usize = 1 << 30;
/// Bytes that vello_cpu retains for each tile that an edge crosses: the coverage of its px, and a strip.
const TILE_BYTES: f64 = 24.0;
/// Maximum number of tiles of one outline for a canvas to be reused for the next page: it retains its buffers.
const MAX_REUSED_TILES: f64 = 2e6;

/// The part of a surface's operations to draw, for the prefix cache. No layer may be open at either boundary.
#[derive(Clone, Copy, Default)]
pub(super) struct DrawRange<'a> {
    /// Number of operations that are drawn already, and the premultiplied pixels after them.
    pub(super) resume: Option<(usize, &'a [u8])>,
    /// Number of operations after which the pixels are to be returned.
    pub(super) record_after: Option<usize>,
}

/// Drawing context of one thread, reused from page to page.
pub(super) struct CpuCanvas {
    context: RenderContext,
    resources: Resources,
    ops: OpExecutor,
    /// Bytes of pictures and edges that `context` retains until it is rasterised.
    retained_bytes: usize,
    /// [`MAX_RETAINED_BYTES`], or less in tests.
    pub(super) max_retained_bytes: usize,
    /// Largest number of tiles that the edges of one outline crossed since the canvas was created.
    most_tiles: f64,
}

impl CpuCanvas {
    pub(super) fn new() -> Self {
        // The highest SIMD level of the machine. Measured: AVX2 and AVX-512 give the same bytes; SSE2 and SSE4.2, which
        // lack fused multiply-add, differ by one level in 5 of 640 000 bytes. Goldens tolerate that.
        let level = Level::try_detect().unwrap_or(Level::baseline());
        Self {
            // One thread per page: rendering one page on several threads gains little.
            context: RenderContext::new_with(1, 1, RenderSettings { level, num_threads: 0 }),
            resources: Resources::new(),
            ops: OpExecutor::default(),
            retained_bytes: 0,
            max_retained_bytes: MAX_RETAINED_BYTES,
            most_tiles: 0.0,
        }
    }

    /// Draws `ops` on a transparent surface.
    ///
    /// `size`: each side fits 16 bits, which `SurfaceLimits` guarantees. `abandoned` is called before each operation
    /// and before rasterising, which is the longest step and bounded by `plan`.
    ///
    /// # Errors
    /// [`PaintError::Abandoned`], [`PaintError::TooMuchInLayer`], or an error of an operation.
    pub(super) fn draw(
        &mut self,
        size: DeviceSize,
        ops: &[Op],
        sources: Sources<'_>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Raster<Premultiplied>, PaintError> {
        self.draw_from(size, ops, sources, DrawRange::default(), abandoned).map(|(raster, _)| raster)
    }

    /// As [`Self::draw`], but draws the part of `ops` that `range` selects. Also returns the pixels to be recorded.
    pub(super) fn draw_from(
        &mut self,
        size: DeviceSize,
        ops: &[Op],
        sources: Sources<'_>,
        range: DrawRange<'_>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(Raster<Premultiplied>, Option<Vec<u8>>), PaintError> {
        let check_abandoned = || if abandoned() { Err(PaintError::Abandoned) } else { Ok(()) };
        let (first, mut pixels) = range.resume.map_or((0, Vec::new()), |(first, pixels)| (first, pixels.to_vec()));
        let mut recorded = None;
        self.reset(size);
        // Clips and layers that are open.
        let mut open: Vec<&Op> = Vec::new();
        for (at, op) in ops.iter().enumerate() {
            check_abandoned()?;
            if at == first && at > 0 {
                open.iter().try_for_each(|it| self.draw_op(it, size, sources, abandoned))?;
            }
            if range.record_after == Some(at) {
                self.rasterize(size, &mut pixels);
                recorded = Some(pixels.clone());
                self.reset(size);
                open.iter().try_for_each(|it| self.draw_op(it, size, sources, abandoned))?;
            }
            if at >= first {
                self.draw_op(op, size, sources, abandoned)?;
            }
            match op {
                Op::PushClip { .. } | Op::PushLayer { .. } => open.push(op),
                Op::PopClip | Op::PopLayer => drop(open.pop()),
                Op::Fill { .. } | Op::Stroke { .. } | Op::Glyphs(_) | Op::Image { .. } | Op::Surface { .. } => {}
            }
            if self.retained_bytes <= self.max_retained_bytes {
                continue;
            }
            if !open.iter().any(|it| matches!(it, Op::PushLayer { .. })) {
                self.rasterize(size, &mut pixels);
                self.reset(size);
                open.iter().try_for_each(|it| self.draw_op(it, size, sources, abandoned))?;
            } else if self.retained_bytes > MAX_RETAINED_BYTES_IN_LAYER {
                let (found, limit) = (self.retained_bytes >> 20, MAX_RETAINED_BYTES_IN_LAYER >> 20);
                return Err(PaintError::TooMuchInLayer { found, limit });
            }
        }
        check_abandoned()?;
        self.rasterize(size, &mut pixels);
        if range.record_after == Some(ops.len()) {
            recorded = Some(pixels.clone());
        }
        Ok((Raster::from_pixels(size, pixels).expect("the buffer was made for this size"), recorded))
    }

    /// Releases the pictures that the context retains.
    pub(super) fn release_pictures(&mut self) {
        self.reset(DeviceSize { width: 1, height: 1 });
    }

    fn reset(&mut self, size: DeviceSize) {
        self.context.reset_and_resize(size.width as u16, size.height as u16);
        self.retained_bytes = 0;
    }

    /// Composites the operations since the last `reset` onto `pixels`, which are allocated when empty.
    fn rasterize(&mut self, size: DeviceSize, pixels: &mut Vec<u8>) {
        let first = pixels.is_empty();
        pixels.resize(size.pixels() as usize * 4, 0);
        let target = PixmapMut::new(size.width as u16, size.height as u16, pixels);
        let target = target.expect("the buffer was made for this size");
        let target_init = if first { TargetInit::Clear(Color::TRANSPARENT) } else { TargetInit::SrcOver };
        self.context.flush();
        self.context.render_with(target, &mut self.resources, RasterizerSettings { target_init, ..Default::default() });
    }

    fn draw_op(
        &mut self,
        op: &Op,
        size: DeviceSize,
        sources: Sources<'_>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<(), PaintError> {
        let Self { context, ops, retained_bytes, most_tiles, .. } = self;
        ops.draw(op, &mut ContextTarget { context, retained_bytes, most_tiles, size, sources }, abandoned)
    }

    /// Whether the canvas retains little memory, so that it may be kept for the next page.
    pub(super) fn is_small(&self) -> bool {
        self.most_tiles <= MAX_REUSED_TILES
    }
}

/// The current surface of a canvas as a target.
struct ContextTarget<'a> {
    context: &'a mut RenderContext,
    retained_bytes: &'a mut usize,
    most_tiles: &'a mut f64,
    size: DeviceSize,
    sources: Sources<'a>,
}

impl ContextTarget<'_> {
    /// Counts the memory for the edges of `polygons`. An edge that crosses the same tile again takes no more of it.
    fn count_edges(&mut self, polygons: &BezPath) {
        let surface = Rect::new(0.0, 0.0, f64::from(self.size.width), f64::from(self.size.height));
        let area = polygons.control_box().intersect(surface).inflate(TILE, TILE).area() / (TILE * TILE);
        let tiles = tiles(polygons, Affine::IDENTITY, surface);
        *self.most_tiles = self.most_tiles.max(tiles);
        *self.retained_bytes += (tiles.min(area) * TILE_BYTES) as usize;
    }
}

impl DrawTarget for ContextTarget<'_> {
    fn fill_path(&mut self, polygons: &BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        self.count_edges(polygons);
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

    fn push_clip_path(&mut self, polygons: &BezPath) {
        self.count_edges(polygons);
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

    fn draw_image(&mut self, placed: &PlacedImage<'_>, opacity: Opacity) {
        *self.retained_bytes += draw_picture(self.context, self.sources.images, self.size, placed, opacity);
    }

    fn draw_color_glyph(
        &mut self,
        run: &Glyphs,
        _glyph: PlacedGlyph,
        layers: &ColorLayers,
        to_device: Affine,
    ) -> Result<(), PaintError> {
        let opacity = Opacity::new(f64::from(alpha(&run.paint)));
        draw_color_layers(layers, self, foreground(&run.paint), opacity, to_device);
        Ok(())
    }

    fn draw_surface(&mut self, surface: SurfaceId, place: SurfacePlacement) -> Result<(), PaintError> {
        let surface = self.sources.surfaces.get(surface);
        let surface =
            surface.ok_or_else(|| PaintError::Internal("an operation precedes the surface it shows".into()))?;
        composite(self.context, surface, place);
        Ok(())
    }
}

/// Draws a picture. Returns the bytes of the pixels that were prepared for it.
fn draw_picture(
    context: &mut RenderContext,
    images: &PreparedImages,
    size: DeviceSize,
    placed: &PlacedImage<'_>,
    opacity: Opacity,
) -> usize {
    let PlacedImage { dest, transform, .. } = *placed;
    let Some(prepared) = images.prepare(placed, size) else { return 0 };
    let sampler = |quality| ImageSampler { quality, alpha: opacity.get(), ..ImageSampler::default() };
    let (quality, to_paint, transform, rect) = match prepared.placement {
        ImagePlacement::Copy(x, y) => {
            let to_device = Affine::translate((f64::from(x), f64::from(y)));
            (ImageQuality::Low, to_device, Affine::IDENTITY, placed.bounds())
        }
        ImagePlacement::Sample(to_dest) if placed.has_sharp_edges() => {
            (ImageQuality::Medium, transform * to_dest, Affine::IDENTITY, placed.bounds())
        }
        ImagePlacement::Sample(to_dest) => (ImageQuality::Medium, to_dest, transform, dest),
    };
    context.set_transform(transform);
    context.set_paint_transform(to_paint);
    context.set_paint(Image { image: ImageSource::Pixmap(prepared.pixmap), sampler: sampler(quality) });
    context.set_fill_rule(Fill::NonZero);
    context.fill_rect(&rect);
    prepared.new_bytes
}

fn composite(context: &mut RenderContext, surface: &Surface, place: SurfacePlacement) {
    let Some(visible) = &surface.visible else { return };
    let (width, height) = (f64::from(surface.pixmap.width()), f64::from(surface.pixmap.height()));
    let whole = Rect::new(0.0, 0.0, width, height);
    let (quality, transform, rect, to_rect) = match place {
        SurfacePlacement::Copied(at) => {
            let rect = visible.rect().inflate(TILE, TILE).intersect(whole);
            (ImageQuality::Low, Affine::translate(at.to_vec2()), rect, Affine::IDENTITY)
        }
        SurfacePlacement::Upright(transform) => {
            let covered = SurfacePlacement::covered(transform, width, height);
            (ImageQuality::Medium, Affine::IDENTITY, covered, transform)
        }
        SurfacePlacement::Transformed(transform) => (ImageQuality::Medium, transform, whole, Affine::IDENTITY),
    };
    context.set_transform(transform);
    context.set_paint_transform(to_rect);
    let sampler = ImageSampler { quality, ..ImageSampler::default() };
    context.set_paint(Image { image: ImageSource::Pixmap(surface.pixmap.clone()), sampler });
    context.set_fill_rule(Fill::NonZero);
    context.fill_rect(&rect);
}

/// Sets the brush. `to_space` maps brush space to the space of the next geometry.
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
    use crate::paint::surfaces::VisibleArea;
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
        let (images, mut surfaces) = (PreparedImages::new(0), Surfaces::new());
        surfaces.insert(SurfaceId(1), surface);
        let sources = Sources { images: &images, surfaces: &surfaces };
        let size = DeviceSize { width: SIDE, height: SIDE };
        CpuCanvas::new().draw(size, &[below, above], sources, &|| false).expect("drawn").into_pixels()
    }

    #[test]
    fn transparent_margins_of_surfaces_are_not_drawn() {
        let size = DeviceSize { width: 40, height: 32 };
        let px = |x: u32, y: u32| if (9..30).contains(&x) && (7..19).contains(&y) { [x as u8 * 8; 4] } else { [0; 4] };
        let pixels = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))).flat_map(|(x, y)| px(x, y));
        let surface = Surface::new(size, pixels.collect());
        assert_eq!(surface.visible, Some(VisibleArea { columns: 9..30, rows: 7..19 }));
        for by in (-3..6).map(|at| Vec2::new(f64::from(at), f64::from(2 - at))) {
            let whole = Surface { visible: Some(VisibleArea { columns: 0..40, rows: 0..32 }), ..surface.clone() };
            let whole = drawn(whole, by);
            assert!(drawn(surface.clone(), by) == whole, "{by:?}");
            let nothing = drawn(Surface { visible: None, ..surface.clone() }, by);
            assert_eq!(nothing[..4], whole[whole.len() - 4..], "the page alone");
            assert!(nothing != whole);
        }
    }
}
