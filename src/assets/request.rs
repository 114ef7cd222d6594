//! Requests of a design for assets, which `design` lists and the loader answers.

use std::sync::Arc;

use crate::report::JsonPath;

/// Kind of an asset, which determines how it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// A raster picture or an SVG document.
    Image,
    /// A font file, such as WOFF2.
    Font,
}

/// A request of one element or field of the design for an asset.
#[derive(Clone, Debug)]
pub struct AssetRequest {
    /// URL as written in the design. Schemes other than http, https and data become an error.
    pub url: Arc<str>,
    /// How the file is decoded.
    pub kind: AssetKind,
    /// JSON path of the field, for messages.
    pub at: JsonPath,
    /// Name for messages: the element's id, `page background`, or the family of a font.
    pub element: Arc<str>,
}

/// All requests of a design, in the order in which errors are reported. A URL may occur many times and is loaded once.
#[derive(Clone, Debug, Default)]
pub struct AssetRequests(Vec<AssetRequest>);

impl AssetRequests {
    /// Appends a request to the list.
    pub fn push(&mut self, request: AssetRequest) {
        self.0.push(request);
    }

    /// Iterates over the requests in the order of [`Self::push`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AssetRequest> {
        self.0.iter()
    }
}
