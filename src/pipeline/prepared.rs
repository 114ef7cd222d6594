//! A request after its design was read, and after its assets were loaded.

use std::sync::Arc;

use super::resources::Loaded;
use crate::assets::AssetRequests;
use crate::design::Design;
use crate::design::resolve::FamilyUse;
use crate::options::RenderOptions;
use crate::print::PrintTarget;
use crate::units::DeviceScale;

/// A validated design with the list of everything it needs.
pub(super) struct Prepared {
    pub(super) design: Design,
    /// Output profile for CMYK; `None` for sRGB.
    pub(super) print: Option<PrintTarget>,
    /// Digest of the design's content, [`super::ingredients::of_design`].
    pub(super) digest: [u8; 32],
    /// Indices into `design.pages`; all are in range.
    pub(super) pages: Vec<usize>,
    pub(super) requests: AssetRequests,
    /// Families to load from the font service.
    pub(super) families: Vec<FamilyUse>,
}

/// A validated request whose assets are loaded.
pub(super) struct Ready {
    pub(super) prepared: Arc<Prepared>,
    pub(super) loaded: Arc<Loaded>,
    /// The caller's options, completed with the defaults of the service.
    pub(super) options: Arc<RenderOptions>,
}

impl Ready {
    /// `scale`: device px per design px of the pictures that resolving creates.
    pub(super) fn set_raster_scale(&mut self, scale: DeviceScale) {
        self.options = Arc::new(RenderOptions { pixel_ratio: scale, ..(*self.options).clone() });
    }
}
