//! The CPU rasterizer: vello_cpu on the CPU pool, one page per thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::error::PaintError;
use super::limits::SurfaceLimits;
use super::ops_cpu::{CpuCanvas, DrawRange, Sources};
use super::passes;
use super::plan::{FramePlan, Kernel, Step};
use super::prefix_cache::{self, PagePrefix, PrefixUse};
use super::prepared_image::PreparedImages;
use super::rasterizer::{Painted, Rasterizer};
use super::report::Report;
use super::shadows::ShadowCache;
use super::surfaces::{Surface, Surfaces};
use crate::config::PaintSettings;
use crate::pool::{Pool, PoolError, catch_panic};
use crate::raster::{Raster, Straight};

/// Maximum side of a surface, in px. vello_cpu has 16-bit coordinates, rounds up to whole tiles and panics near the
/// end, so that 255 px are left unused.
const MAX_SIDE: u32 = 65_280;
/// The cache of shadows gets the picture cache's bytes divided by this.
const SHADOW_CACHE_DIVISOR: usize = 4;
/// Maximum px of a surface whose canvas is reused for the next page; larger ones release their memory.
const MAX_REUSED_PIXELS: u64 = 16_000_000;

thread_local! {
    /// CpuCanvas of the pool thread. It is taken out while in use, so that a panic cannot leave an inconsistent one
    /// behind.
    static CANVAS: RefCell<Option<CpuCanvas>> = const { RefCell::new(None) };
}

/// Rasterizer that paints with vello_cpu on a pool and caches prepared pictures between pages.
pub struct CpuRasterizer {
    pool: Arc<Pool>,
    painter: Arc<CpuPainter>,
    pages: Arc<AtomicU64>,
    /// One message per GPU adapter that is not used.
    refused: Vec<String>,
}

impl CpuRasterizer {
    /// Name of the CPU painter in reports and headers.
    pub const NAME: &'static str = "cpu";

    /// Creates a rasterizer that paints on `pool`.
    pub fn new(pool: Arc<Pool>, settings: &PaintSettings) -> Self {
        Self { pool, painter: Arc::new(CpuPainter::new(settings)), pages: Arc::default(), refused: Vec::new() }
    }

    /// Sets the reasons why no GPU is used, one per adapter, for [`Report::refused`].
    #[must_use]
    pub fn in_place_of(mut self, refused: Vec<String>) -> Self {
        self.refused = refused;
        self
    }
}

/// Painter that runs on the calling thread; other rasterizers fall back on it.
pub(super) struct CpuPainter {
    pub(super) limits: SurfaceLimits,
    pub(super) images: PreparedImages,
    shadows: ShadowCache,
}

impl CpuPainter {
    pub(super) fn new(settings: &PaintSettings) -> Self {
        let limits = SurfaceLimits { side: MAX_SIDE, megapixels: settings.megapixels };
        let shadow_bytes = settings.picture_cache_bytes / SHADOW_CACHE_DIVISOR;
        let images = PreparedImages::new(settings.picture_cache_bytes - shadow_bytes);
        Self { limits, images, shadows: ShadowCache::new(shadow_bytes) }
    }

    /// Creates a painter for a single picture, which needs no caches.
    pub(super) fn without_caches(limits: SurfaceLimits) -> Self {
        Self { limits, images: PreparedImages::new(0), shadows: ShadowCache::new(0) }
    }

    /// Executes `plan` on this thread. `abandoned` is called between operations and returns true when the caller has
    /// left.
    ///
    /// # Errors
    /// As [`Self::surfaces`]; a panic becomes [`PaintError::Internal`].
    pub(super) fn paint(
        &self,
        plan: &FramePlan,
        prefix: Option<&PagePrefix>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Painted, PaintError> {
        let painted = catch_panic(|| self.surfaces(plan, prefix, abandoned)).unwrap_or_else(|error| {
            let PoolError::Panicked(message) = error else { return Err(PaintError::Internal(error.to_string())) };
            Err(PaintError::Internal(message))
        });
        painted.map(|raster| Painted { raster, by: CpuRasterizer::NAME })
    }

    /// Executes `plan`. `abandoned` is called between operations and returns true when the caller has left.
    pub(super) fn surfaces(
        &self,
        plan: &FramePlan,
        page_prefix: Option<&PagePrefix>,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Raster<Straight>, PaintError> {
        let (limits, images, shadows) = (self.limits, &self.images, &self.shadows);
        let mut canvas = CANVAS.with(RefCell::take).unwrap_or_else(CpuCanvas::new);
        let mut surfaces = Surfaces::new();
        let mut result = None;
        let prefix = page_prefix.map_or(PrefixUse::Full, |it| it.cache.shared_prefix(it.page, plan));
        let required = match &prefix {
            PrefixUse::Resume(cached) => prefix_cache::required_steps(plan, cached.ops()..),
            PrefixUse::Full | PrefixUse::Record(_) => vec![true; plan.steps.len()],
        };
        for step in plan.steps.iter().zip(required).filter(|(_, required)| *required).map(|(step, _)| step) {
            match step {
                Step::Draw { into, ops } => {
                    let size = plan.surfaces[into.0];
                    // The plan may have been made with the limits of another painter.
                    limits.check(size)?;
                    let sources = Sources { images, surfaces: &surfaces };
                    if into.0 != 0 {
                        let raster = canvas.draw(size, ops, sources, abandoned)?;
                        surfaces.insert(*into, Surface::new(size, raster.into_pixels()));
                        continue;
                    }
                    let range = match &prefix {
                        PrefixUse::Full => DrawRange::default(),
                        PrefixUse::Resume(it) => DrawRange { resume: Some((it.ops(), &it.pixels)), record_after: None },
                        PrefixUse::Record(ops) => DrawRange { resume: None, record_after: Some(*ops) },
                    };
                    let (raster, recorded) = canvas.draw_from(size, ops, sources, range, abandoned)?;
                    if let (Some(pixels), PrefixUse::Record(ops), Some(it)) = (recorded, &prefix, page_prefix) {
                        it.cache.record(it.page, plan, *ops, pixels);
                    }
                    result = Some(raster);
                }
                Step::Filter { .. } if abandoned() => return Err(PaintError::Abandoned),
                Step::Filter { from, into, kernel } => {
                    let size = plan.surfaces[into.0];
                    let source =
                        surfaces.get(*from).ok_or_else(|| PaintError::Internal("a pass precedes its source".into()))?;
                    let filtered = match *kernel {
                        Kernel::Shadow { sigma, color } => shadows.get_or_compute(source, size, sigma, color),
                        Kernel::Blur { .. } | Kernel::Recolor(_) => {
                            Surface::new(size, passes::run(kernel, source.pixmap.data_as_u8_slice(), size))
                        }
                    };
                    surfaces.insert(*into, filtered);
                }
            }
        }
        if canvas.is_small() && plan.surfaces.iter().all(|size| size.pixels() < MAX_REUSED_PIXELS) {
            canvas.release_pictures();
            CANVAS.with(|slot| slot.replace(Some(canvas)));
        }
        let result = result.ok_or_else(|| PaintError::Internal("the plan has no steps".into()))?;
        Ok(if plan.opaque { result.into_opaque() } else { result.into_straight() })
    }
}

impl Rasterizer for CpuRasterizer {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn limits(&self) -> SurfaceLimits {
        self.painter.limits
    }

    fn submit(&self, plan: FramePlan, prefix: Option<PagePrefix>) -> oneshot::Receiver<Result<Painted, PaintError>> {
        let (sender, receiver) = oneshot::channel();
        let (painter, pages) = (self.painter.clone(), self.pages.clone());
        self.pool.spawn(move || {
            if !sender.is_closed() {
                let painted = painter.paint(&plan, prefix.as_ref(), &|| sender.is_closed());
                pages.fetch_add(u64::from(painted.is_ok()), Ordering::Relaxed);
                // Sending fails only when the caller has left.
                let _ = sender.send(painted);
            }
        });
        receiver
    }

    fn report(&self) -> Report {
        let pages = vec![(Self::NAME.into(), self.pages.load(Ordering::Relaxed))];
        Report { pages, refused: self.refused.clone(), ..Report::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kurbo::{Affine, Rect, Shape, Size};
    use peniko::{BlendMode, Color};

    use super::*;
    use crate::paint::PrefixCache;
    use crate::paint::plan;
    use crate::scene::{DecodedImage, Group, Image, Node, Page, Path, Shadow};
    use crate::units::{DeviceScale, Opacity, Px};

    const LIMITS: SurfaceLimits = SurfaceLimits { side: 1000, megapixels: 1.0 };

    fn page(children: Vec<Node>) -> FramePlan {
        let root = Group { children, ..Group::default() };
        let page = Page { size: Size::new(40.0, 30.0), bleed: kurbo::Insets::ZERO, root };
        plan(&page, DeviceScale::ONE, LIMITS).expect("small")
    }

    fn translucent(at: f64) -> Node {
        let outline = kurbo::Circle::new((at, at), 9.0).to_path(0.1);
        Node::Path(Path::filled(outline, Color::from_rgba8(200, 90, 30, 99)))
    }

    #[test]
    fn painting_stops_when_the_caller_has_left() {
        let plan = page((0..100).map(f64::from).map(translucent).collect());
        let calls = Cell::new(0);
        let abandoned = || {
            calls.set(calls.get() + 1);
            calls.get() > 3
        };
        let painter = CpuPainter { limits: LIMITS, images: PreparedImages::new(0), shadows: ShadowCache::new(0) };
        assert!(matches!(painter.surfaces(&plan, None, &abandoned), Err(PaintError::Abandoned)));
        assert_eq!(calls.get(), 4, "called before each operation");
    }

    #[test]
    fn pictures_beyond_the_memory_limit_are_rasterised_in_parts() {
        let pixels: Vec<u8> = (0..16).flat_map(|at: u8| [at * 8, 0, at * 4, at * 8 + 7]).collect();
        let picture = Arc::new(DecodedImage::new(4, 4, pixels).expect("as many bytes as pixels"));
        let image = |at: f64| {
            let (source, dest) = (Rect::new(0.0, 0.0, 4.0, 4.0), Rect::new(at, at, at + 13.3, at + 9.1));
            Node::Image(Image {
                picture: picture.clone(),
                source,
                dest,
                passes: Vec::new(),
                opacity: Opacity::new(0.7),
            })
        };
        let inner = |at: f64, opacity: f64| {
            let children = vec![image(at), translucent(at + 3.0), image(at + 2.3)];
            let clip = Some(kurbo::Ellipse::new((at + 8.0, at + 8.0), (9.0, 7.0), 0.3).to_path(0.1));
            let transform = Affine::translate((0.4, 0.0));
            Node::Group(Box::new(Group {
                clip,
                transform,
                opacity: Opacity::new(opacity),
                children,
                ..Group::default()
            }))
        };
        let plan = page(vec![translucent(9.0), inner(1.0, 1.0), image(5.5), inner(6.0, 0.5), inner(9.0, 1.0)]);
        let Some(Step::Draw { ops, .. }) = plan.steps.first() else { panic!("one surface") };
        let drawn = |max_retained_bytes| {
            let mut canvas = CpuCanvas::new();
            canvas.max_retained_bytes = max_retained_bytes;
            let (images, surfaces) = (PreparedImages::new(0), Surfaces::new());
            let sources = Sources { images: &images, surfaces: &surfaces };
            canvas.draw(plan.surfaces[0], ops, sources, &|| false).expect("drawn").into_pixels()
        };
        let whole = drawn(usize::MAX);
        assert!(whole.chunks_exact(4).any(|pixel| pixel[3] > 200));
        assert_eq!(drawn(1), whole);
    }

    /// Nodes of a row: a common prefix, one path that differs at `at`, and further nodes over it.
    fn row(at: f64, blend: BlendMode) -> Vec<Node> {
        let below = || Group { children: vec![translucent(14.0)], ..Group::default() };
        let shadow =
            Shadow { offset: kurbo::Vec2::new(2.0, 1.0), sigma: Px(1.5), color: Color::from_rgba8(0, 0, 0, 150) };
        let shadowed = Group { shadow: Some(shadow), ..below() };
        let veiled = Group { opacity: Opacity::new(0.6), ..below() };
        let mixed = Group { blend, children: vec![translucent(20.0)], ..Group::default() };
        let group = |group| Node::Group(Box::new(group));
        vec![translucent(9.0), group(shadowed), group(veiled), translucent(at), translucent(17.0), group(mixed)]
    }

    #[test]
    fn pages_with_a_cached_prefix_equal_full_renders() {
        let painter = CpuPainter { limits: LIMITS, images: PreparedImages::new(0), shadows: ShadowCache::new(0) };
        let painted = |plan: &FramePlan, prefix: Option<&PagePrefix>| {
            painter.surfaces(plan, prefix, &|| false).expect("painted").into_pixels()
        };
        let cache = Arc::new(PrefixCache::default());
        let prefix = PagePrefix { cache: cache.clone(), page: 0 };
        let mut prefix_ops = Vec::new();
        for at in [5.0, 6.0, 6.0, 7.5, 8.0] {
            let plan = page(row(at, BlendMode::default()));
            let alone = painted(&plan, None);
            assert!(painted(&plan, Some(&prefix)) == alone, "{at}");
            prefix_ops.push(cache.prefix_ops(0));
        }
        // The prefix is a path, a surface with its shadow, and a layer with a path in it.
        assert_eq!(prefix_ops, [None, Some(6), Some(6), Some(6), Some(6)]);
    }

    #[test]
    fn pages_are_painted_in_full_when_later_operations_blend_with_the_backdrop() {
        let painter = CpuPainter { limits: LIMITS, images: PreparedImages::new(0), shadows: ShadowCache::new(0) };
        let painted = |plan: &FramePlan, prefix: Option<&PagePrefix>| {
            painter.surfaces(plan, prefix, &|| false).expect("painted").into_pixels()
        };
        let (cache, multiply) = (Arc::new(PrefixCache::default()), BlendMode::from(peniko::Mix::Multiply));
        let prefix = PagePrefix { cache: cache.clone(), page: 0 };
        for at in [5.0, 6.0, 7.0] {
            let plan = page(row(at, multiply));
            let alone = painted(&plan, None);
            assert!(painted(&plan, Some(&prefix)) == alone, "{at}");
            assert_eq!(cache.prefix_ops(0), None);
        }
    }
}
