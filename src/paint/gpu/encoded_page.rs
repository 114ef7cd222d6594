//! Pages on their way to a GPU: the request of the caller, and the steps that its plan was encoded to.

use tokio::sync::oneshot;

use super::scene::SceneTile;
use crate::paint::error::PaintError;
use crate::paint::plan::{FramePlan, Kernel, SurfaceId};
use crate::paint::prefix_cache::PagePrefix;
use crate::paint::rasterizer::Painted;

/// A planned page and the channel that receives its picture.
pub(super) struct PaintRequest {
    pub(super) plan: FramePlan,
    /// Used when the CPU paints the page.
    pub(super) prefix: Option<PagePrefix>,
    pub(super) sender: oneshot::Sender<Result<Painted, PaintError>>,
}

/// One encoded step of a page.
pub(super) enum GpuStep {
    /// Draws the scenes that together form a surface.
    Draw { into: SurfaceId, tiles: Vec<SceneTile> },
    /// Runs a pixel pass over one surface and writes another.
    Filter { from: SurfaceId, into: SurfaceId, kernel: Kernel },
}

/// An encoded page with its request.
pub(super) struct EncodedPage {
    pub(super) request: PaintRequest,
    pub(super) steps: Vec<GpuStep>,
}
