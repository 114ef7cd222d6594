//! A request after its design was read, and after its assets were loaded.

use std::sync::Arc;

use super::resources::LoadedAssets;
use crate::assets::AssetRequests;
use crate::design::Design;
use crate::design::resolve::FamilyUse;
use crate::hash::ContentHash;
use crate::inks::Inks;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::print::PrintTarget;
use crate::report::JsonPath;

/// A request with a validated design, and the list of everything it needs.
pub(super) struct PreparedRequest {
    pub(super) design: Design,
    /// Path of the design in the caller's JSON.
    pub(super) at: JsonPath,
    /// The options of the caller, without the defaults of the service.
    pub(super) options: RenderOptions,
    pub(super) format: &'static dyn Format,
    /// Output profile for CMYK; `None` for sRGB.
    pub(super) print: Option<PrintTarget>,
    /// The colours of the design that are given as inks.
    pub(super) inks: Arc<Inks>,
    /// Digest of the design's content, [`super::ingredients::of_design`].
    pub(super) digest: ContentHash,
    /// Indices into `design.pages`; all are in range.
    pub(super) pages: Vec<usize>,
    pub(super) requests: AssetRequests,
    /// Families to load from the font service.
    pub(super) families: Vec<FamilyUse>,
}

/// A prepared request and its assets.
pub(super) struct LoadedRequest {
    pub(super) prepared: PreparedRequest,
    pub(super) loaded: LoadedAssets,
}
