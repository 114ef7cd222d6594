//! Reasons why the CPU paints a page instead of the GPU.

/// Reason why the CPU paints a page instead of the GPU. [`FallbackReason::label`] is the label of
/// `tenter_gpu_fallback_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FallbackReason {
    /// The layers are nested too deeply.
    Layers,
    /// The pictures do not fit the atlas.
    Images,
    /// The surface of an effect exceeds the maximum texture side.
    SurfaceSize,
    /// The paths have too many lines, or too many areas overlap.
    Paths,
    /// vello draws the blend mode wrong in this place.
    Blend,
    /// A blur or shadow is too wide.
    Effects,
    /// The scene has too many gradients.
    Gradients,
    /// The queue of the GPU is full.
    Busy,
    /// No GPU is available: each is being reopened after a fault.
    Down,
    /// The device was lost while the page was in flight.
    DeviceLost,
    /// The device ran out of memory.
    OutOfMemory,
    /// wgpu rejected a call as invalid.
    Validation,
    /// The page did not come back within `TENTER_GPU_TIMEOUT`.
    Hung,
    /// Encoding or submitting the page panicked.
    Panic,
}

impl FallbackReason {
    /// All reasons, in the order of their counters.
    pub(super) const ALL: [Self; 14] = [
        Self::Layers,
        Self::Images,
        Self::SurfaceSize,
        Self::Paths,
        Self::Blend,
        Self::Effects,
        Self::Gradients,
        Self::Busy,
        Self::Down,
        Self::DeviceLost,
        Self::OutOfMemory,
        Self::Validation,
        Self::Hung,
        Self::Panic,
    ];

    /// Value of the metric's `reason` label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Layers => "layers",
            Self::Images => "images",
            Self::SurfaceSize => "page_size",
            Self::Paths => "paths",
            Self::Blend => "blend",
            Self::Effects => "effects",
            Self::Gradients => "gradients",
            Self::Busy => "busy",
            Self::Down => "down",
            Self::DeviceLost => "device_lost",
            Self::OutOfMemory => "out_of_memory",
            Self::Validation => "validation",
            Self::Hung => "hung",
            Self::Panic => "panic",
        }
    }

    /// True when tiles of the surface may stay within the limit that the whole surface exceeds.
    pub(super) fn tiling_helps(self) -> bool {
        matches!(self, Self::Layers | Self::Images | Self::Paths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_unique() {
        let mut labels = FallbackReason::ALL.map(FallbackReason::label).to_vec();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), FallbackReason::ALL.len());
    }
}
