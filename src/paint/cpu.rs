//! The rasterizer that every machine has: one page a thread of the CPU pool.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::ops_cpu::{Canvas, Sources, Turns};
use super::passes;
use super::photo::Photos;
use super::plan::{FramePlan, Kernel, Step};
use super::series::{self, Turn};
use super::shadows::Shadows;
use super::surfaces::{Surface, Surfaces};
use super::{PaintError, Painted, Rasterizer, Report, SurfaceLimits};
use crate::config::PaintSettings;
use crate::pool::{Pool, PoolError, caught};
use crate::raster::{Raster, Straight};

/// vello_cpu counts px in 16 bits, rounds up to whole tiles, and panics at the very end: 255 px are kept clear.
const MAX_SIDE: u32 = 65_280;
/// This part of the pictures kept are shadows.
const SHARE_OF_SHADOWS: usize = 4;
/// Pages above this many px do not leave their memory to the next page.
const KEEP_BELOW: u64 = 16_000_000;

thread_local! {
    /// Each pool thread's tools. Absent while in use, so that a panic cannot leave broken ones behind.
    static CANVAS: RefCell<Option<Canvas>> = const { RefCell::new(None) };
}

/// Paints with vello_cpu. Cheap to share; drawn pictures are cached between pages.
pub struct CpuRasterizer {
    pool: Arc<Pool>,
    painter: Arc<CpuPainter>,
    pages: Arc<AtomicU64>,
    /// Why no GPU paints, in words.
    refused: Vec<String>,
}

impl CpuRasterizer {
    /// Its name, which every machine knows.
    pub const NAME: &'static str = "cpu";

    /// Paints on `pool`.
    pub fn new(pool: Arc<Pool>, settings: &PaintSettings) -> Self {
        Self { pool, painter: Arc::new(CpuPainter::new(settings)), pages: Arc::default(), refused: Vec::new() }
    }

    /// The same, where GPUs were looked for: `refused` says of each why it does not paint, for [`Report::refused`].
    #[must_use]
    pub fn in_place_of(mut self, refused: Vec<String>) -> Self {
        self.refused = refused;
        self
    }
}

/// Paints where it is called: the part that other rasterizers fall back on.
pub(super) struct CpuPainter {
    pub(super) limits: SurfaceLimits,
    pub(super) photos: Photos,
    shadows: Shadows,
}

impl CpuPainter {
    pub(super) fn new(settings: &PaintSettings) -> Self {
        let limits = SurfaceLimits { side: MAX_SIDE, megapixels: settings.megapixels };
        let of_shadows = settings.picture_cache_bytes / SHARE_OF_SHADOWS;
        let photos = Photos::new(settings.picture_cache_bytes - of_shadows);
        Self { limits, photos, shadows: Shadows::new(of_shadows) }
    }

    /// For one picture.
    pub(super) fn without_caches(limits: SurfaceLimits) -> Self {
        Self { limits, photos: Photos::new(0), shadows: Shadows::new(0) }
    }

    /// Paints on this thread. A panic comes back as an error; `abandoned` is asked between operations.
    pub(super) fn paint(&self, plan: &FramePlan, abandoned: &dyn Fn() -> bool) -> Result<Painted, PaintError> {
        let painted = caught(|| self.surfaces(plan, abandoned)).unwrap_or_else(|error| {
            let PoolError::Panicked(message) = error else { return Err(PaintError::Internal(error.to_string())) };
            Err(PaintError::Internal(message))
        });
        painted.map(|raster| Painted { raster, by: CpuRasterizer::NAME })
    }

    /// `abandoned`: nobody waits for the picture any more; asked between operations.
    pub(super) fn surfaces(
        &self,
        plan: &FramePlan,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Raster<Straight>, PaintError> {
        let (limits, photos, shadows) = (self.limits, &self.photos, &self.shadows);
        let mut canvas = CANVAS.with(RefCell::take).unwrap_or_else(Canvas::new);
        let mut surfaces = Surfaces::new();
        let mut result = None;
        let turn = plan.series.as_ref().map_or(Turn::Whole, |(series, page)| series.turn(*page, plan));
        let needed = match &turn {
            Turn::Onto(beginning) => series::needed(plan, beginning.ops()..),
            Turn::Whole | Turn::Note(_) => vec![true; plan.steps.len()],
        };
        for step in plan.steps.iter().zip(needed).filter(|(_, needed)| *needed).map(|(step, _)| step) {
            match step {
                Step::Draw { into, ops } => {
                    let size = plan.surfaces[into.0];
                    // The plan may have been made for another painter.
                    limits.check(size)?;
                    let sources = Sources { photos, surfaces: &surfaces };
                    if into.0 != 0 {
                        let raster = canvas.draw(size, ops, sources, abandoned)?;
                        surfaces.insert(*into, Surface::new(size, raster.into_pixels()));
                        continue;
                    }
                    let turns = match &turn {
                        Turn::Whole => Turns::default(),
                        Turn::Onto(it) => Turns { onto: Some((it.ops(), &it.pixels)), note: None },
                        Turn::Note(ops) => Turns { onto: None, note: Some(*ops) },
                    };
                    let (raster, noted) = canvas.draw_turns(size, ops, sources, turns, abandoned)?;
                    if let (Some(pixels), Turn::Note(ops), Some((series, page))) = (noted, &turn, &plan.series) {
                        series.note(*page, plan, *ops, pixels);
                    }
                    result = Some(raster);
                }
                Step::Filter { .. } if abandoned() => return Err(PaintError::Abandoned),
                Step::Filter { from, into, kernel } => {
                    let size = plan.surfaces[into.0];
                    let source =
                        surfaces.get(*from).ok_or_else(|| PaintError::Internal("a pass before its source".into()))?;
                    let filtered = match *kernel {
                        Kernel::Shadow { sigma, color } => shadows.cast(source, size, sigma, color),
                        Kernel::Blur { .. } | Kernel::Recolor(_) => {
                            Surface::new(size, passes::run(kernel, source.pixmap.data_as_u8_slice(), size))
                        }
                    };
                    surfaces.insert(*into, filtered);
                }
            }
        }
        if plan.surfaces.iter().all(|size| size.pixels() < KEEP_BELOW) {
            canvas.end();
            CANVAS.with(|keep| keep.replace(Some(canvas)));
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

    fn submit(&self, plan: FramePlan) -> oneshot::Receiver<Result<Painted, PaintError>> {
        let (sender, receiver) = oneshot::channel();
        let (painter, pages) = (self.painter.clone(), self.pages.clone());
        self.pool.spawn(move || {
            if !sender.is_closed() {
                let painted = painter.paint(&plan, &|| sender.is_closed());
                pages.fetch_add(u64::from(painted.is_ok()), Ordering::Relaxed);
                // A caller that left meanwhile does not need the picture.
                let _ = sender.send(painted);
            }
        });
        receiver
    }

    fn report(&self) -> Report {
        let pages = vec![(Self::NAME, self.pages.load(Ordering::Relaxed))];
        Report { pages, refused: self.refused.clone(), ..Report::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use kurbo::{Affine, Rect, Shape, Size};
    use peniko::{BlendMode, Color};

    use super::*;
    use crate::paint::Series;
    use crate::paint::plan;
    use crate::scene::{Group, Image, Node, Page, Path, Picture, Shadow};
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
    fn painting_stops_when_nobody_waits() {
        let plan = page((0..100).map(f64::from).map(translucent).collect());
        let asked = Cell::new(0);
        let abandoned = || {
            asked.set(asked.get() + 1);
            asked.get() > 3
        };
        let painter = CpuPainter { limits: LIMITS, photos: Photos::new(0), shadows: Shadows::new(0) };
        assert_eq!(painter.surfaces(&plan, &abandoned).err(), Some(PaintError::Abandoned));
        assert_eq!(asked.get(), 4, "asked before each operation");
    }

    #[test]
    fn pictures_beyond_the_memory_of_a_surface_are_put_on_it_in_turns() {
        let pixels: Vec<u8> = (0..16).flat_map(|at: u8| [at * 8, 0, at * 4, at * 8 + 7]).collect();
        let picture = Arc::new(Picture::new(4, 4, pixels).expect("as many bytes as pixels"));
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
        let drawn = |most_held| {
            let mut canvas = Canvas::new();
            canvas.most_held = most_held;
            let (photos, surfaces) = (Photos::new(0), Surfaces::new());
            let sources = Sources { photos: &photos, surfaces: &surfaces };
            canvas.draw(plan.surfaces[0], ops, sources, &|| false).expect("drawn").into_pixels()
        };
        let whole = drawn(usize::MAX);
        assert!(whole.chunks_exact(4).any(|pixel| pixel[3] > 200));
        assert_eq!(drawn(1), whole);
    }

    /// A row: what stays, one thing that differs, and something over it.
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
    fn pages_that_begin_alike_are_the_same_as_alone() {
        let painter = CpuPainter { limits: LIMITS, photos: Photos::new(0), shadows: Shadows::new(0) };
        let painted = |plan: &FramePlan| painter.surfaces(plan, &|| false).expect("painted").into_pixels();
        let series = Arc::new(Series::default());
        let mut begun = Vec::new();
        for at in [5.0, 6.0, 6.0, 7.5, 8.0] {
            let plan = page(row(at, BlendMode::default()));
            let alone = painted(&plan);
            let plan = FramePlan { series: Some((series.clone(), 0)), ..plan };
            assert!(painted(&plan) == alone, "{at}");
            begun.push(series.begun(0));
        }
        // A path; a surface and its shadow; a layer with a path in it.
        assert_eq!(begun, [None, Some(6), Some(6), Some(6), Some(6)]);
    }

    #[test]
    fn pages_are_painted_whole_where_later_operations_mix_with_what_is_below() {
        let painter = CpuPainter { limits: LIMITS, photos: Photos::new(0), shadows: Shadows::new(0) };
        let painted = |plan: &FramePlan| painter.surfaces(plan, &|| false).expect("painted").into_pixels();
        let (series, multiply) = (Arc::new(Series::default()), BlendMode::from(peniko::Mix::Multiply));
        for at in [5.0, 6.0, 7.0] {
            let plan = page(row(at, multiply));
            let alone = painted(&plan);
            let plan = FramePlan { series: Some((series.clone(), 0)), ..plan };
            assert!(painted(&plan) == alone, "{at}");
            assert_eq!(series.begun(0), None);
        }
    }
}
