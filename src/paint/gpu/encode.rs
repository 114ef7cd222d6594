//! Encoding of a plan on the CPU pool: every step becomes vello scenes or a pixel pass that the device can run.

use super::commands::{self, RecordError};
use super::encoded_page::{GpuStep, PaintRequest};
use super::fallback::FallbackReason;
use super::guards::MAX_SCENE_SIDE;
use super::passes;
use super::scene::SceneEncoder;
use crate::paint::plan::{FramePlan, Step};
use crate::paint::prepared_image::PreparedImages;

/// Encodes the steps of the requested page, for a device whose textures have sides of at most `max_side` px.
///
/// # Errors
/// The reason why the GPU cannot paint the page, or an error that every painter would have.
pub(super) fn encode_steps(
    request: &PaintRequest,
    images: &PreparedImages,
    max_side: u32,
    unguarded: bool,
) -> Result<Vec<GpuStep>, RecordError> {
    let FramePlan { surfaces, steps, .. } = &request.plan;
    let mut premultiplied = vec![false; surfaces.len()];
    for step in steps {
        if let Step::Filter { into, .. } = step {
            premultiplied[into.0] = true;
        }
    }
    let encoder = SceneEncoder { images, surfaces, premultiplied: &premultiplied, max_side, unguarded };
    let step = |step: &Step| match step {
        Step::Draw { into, ops } => {
            let size = surfaces[into.0];
            if into.0 > 0 && size.width.max(size.height) > max_side.min(MAX_SCENE_SIDE) {
                return Err(RecordError::Refused(FallbackReason::SurfaceSize));
            }
            let abandoned = || request.sender.is_closed();
            let commands = commands::record(ops, size, surfaces, images, unguarded, &abandoned)?;
            let tiles = encoder.tiles(&commands, size).map_err(RecordError::Refused)?;
            Ok(GpuStep::Draw { into: *into, tiles })
        }
        Step::Filter { from, into, kernel } => {
            if !passes::is_bounded(kernel, surfaces[into.0].pixels()) {
                return Err(RecordError::Refused(FallbackReason::Effects));
            }
            Ok(GpuStep::Filter { from: *from, into: *into, kernel: kernel.clone() })
        }
    };
    steps.iter().map(step).collect()
}
