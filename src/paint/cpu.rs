//! The rasterizer that every machine has: one page a thread of the CPU pool.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::ops_cpu::{Canvas, Surfaces};
use super::passes;
use super::photo::Photos;
use super::plan::{FramePlan, Step};
use super::{PaintError, Rasterizer, SurfaceLimits};
use crate::config::PaintSettings;
use crate::pool::{Pool, PoolError, caught};
use crate::raster::{Raster, Straight};

/// vello_cpu counts px in 16 bits, rounds up to whole tiles, and panics at the very end: 255 px are kept clear.
const MAX_SIDE: u32 = 65_280;
/// Pages above this many px do not leave their memory to the next page.
const KEEP_BELOW: u64 = 16_000_000;

thread_local! {
    /// Each pool thread's tools. Absent while in use, so that a panic cannot leave broken ones behind.
    static CANVAS: RefCell<Option<Canvas>> = const { RefCell::new(None) };
}

/// Paints with vello_cpu. Cheap to share; drawn pictures are cached between pages.
pub struct CpuRasterizer {
    pool: Arc<Pool>,
    limits: SurfaceLimits,
    photos: Arc<Photos>,
}

impl CpuRasterizer {
    /// Paints on `pool`.
    pub fn new(pool: Arc<Pool>, settings: &PaintSettings) -> Self {
        let limits = SurfaceLimits { side: MAX_SIDE, megapixels: settings.megapixels };
        Self { pool, limits, photos: Arc::new(Photos::new(settings.picture_cache_bytes)) }
    }
}

impl Rasterizer for CpuRasterizer {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn limits(&self) -> SurfaceLimits {
        self.limits
    }

    fn submit(&self, plan: FramePlan) -> oneshot::Receiver<Result<Raster<Straight>, PaintError>> {
        let (sender, receiver) = oneshot::channel();
        let (photos, limits) = (self.photos.clone(), self.limits);
        self.pool.spawn(move || {
            if sender.is_closed() {
                return;
            }
            let painted = caught(|| paint(&plan, limits, &photos)).unwrap_or_else(|error| {
                let PoolError::Panicked(message) = error else { return Err(PaintError::Internal(error.to_string())) };
                Err(PaintError::Internal(message))
            });
            // A caller that left meanwhile does not need the picture.
            let _ = sender.send(painted);
        });
        receiver
    }
}

fn paint(plan: &FramePlan, limits: SurfaceLimits, photos: &Photos) -> Result<Raster<Straight>, PaintError> {
    let mut canvas = CANVAS.with(RefCell::take).unwrap_or_else(Canvas::new);
    let mut surfaces = Surfaces::new();
    let mut result = None;
    for step in &plan.steps {
        match step {
            Step::Draw { into, ops } => {
                let size = plan.surfaces[into.0];
                // The plan may have been made for another painter.
                limits.check(size)?;
                let raster = canvas.draw(size, ops, photos, &surfaces)?;
                if into.0 == 0 {
                    result = Some(raster);
                } else {
                    surfaces.insert(*into, size, raster.into_pixels());
                }
            }
            Step::Filter { from, into, kernel } => {
                let size = plan.surfaces[into.0];
                let source =
                    surfaces.get(*from).ok_or_else(|| PaintError::Internal("a pass before its source".into()))?;
                let pixels = passes::run(kernel, source.data_as_u8_slice(), size);
                surfaces.insert(*into, size, pixels);
            }
        }
    }
    if plan.surfaces.iter().all(|size| size.pixels() < KEEP_BELOW) {
        CANVAS.with(|keep| keep.replace(Some(canvas)));
    }
    let result = result.ok_or_else(|| PaintError::Internal("the plan has no steps".into()))?;
    Ok(result.into_straight())
}
