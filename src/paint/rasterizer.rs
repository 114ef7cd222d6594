//! The interface of rasterizers, which execute plans on a CPU or a GPU.

use tokio::sync::oneshot;

use super::error::PaintError;
use super::limits::SurfaceLimits;
use super::plan::FramePlan;
use super::prefix_cache::PagePrefix;
use super::report::Report;
use crate::raster::{Raster, Straight};

/// A painted page and the name of its painter.
#[derive(Clone, Debug)]
pub struct Painted {
    /// Pixels of the page.
    pub raster: Raster<Straight>,
    /// Name of the painter for logs, metrics and the response header, such as `cpu` or `gpu0`.
    pub by: &'static str,
}

/// A rasterizer executes plans. Dropping the receiver cancels work that has not started.
pub trait Rasterizer: Send + Sync {
    /// Name for logs: `cpu` or `gpu`. Another painter may paint a single page, see [`Painted::by`].
    fn name(&self) -> &'static str;
    /// Limits that plans for this rasterizer must respect.
    fn limits(&self) -> SurfaceLimits;
    /// Queues `plan` and returns at once. Any number of plans may be in progress. With `prefix`, a painter that can
    /// resume from cached pixels does so; the pixels of the page are the same without.
    fn submit(&self, plan: FramePlan, prefix: Option<PagePrefix>) -> oneshot::Receiver<Result<Painted, PaintError>>;
    /// Counts since the start and the state of its devices, for metrics and readiness.
    fn report(&self) -> Report {
        Report::default()
    }
}
