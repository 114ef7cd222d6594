//! Assets of a design: images and fonts, fetched from guarded addresses and decoded.
//!
//! In: loading by URL from the network, `data:` URLs and a font service; the choice of addresses that may be reached;
//! the cache of decoded assets; the snapshot of a batch. Not in: which elements need which assets (`design` lists
//! them), drawing, choosing faces. Imports: `config`, `report`, `scene` (the decoded picture), `pool`, `units`.
//!
//! `design` lists [`AssetRequests`], [`Loader::load`] turns them into an [`AssetSet`], and `design` looks up each URL
//! in it.

mod cache;
mod counts;
mod data_url;
pub mod decode;
mod error;
mod fetch;
mod google;
mod guard;
mod image_file;
mod loader;
mod snapshot;
mod snapshot_store;
pub mod svg;
#[cfg(test)]
mod testing;

use std::collections::HashMap;
use std::sync::Arc;

use peniko::Blob;

use crate::hash::ContentHash;
use crate::report::JsonPath;
use crate::scene::Picture;
use cache::LoadResult;
pub use counts::{AssetCounts, BlockedNetwork, FailureCause};
pub use error::{AssetError, ChangedFile, NetworkError, Reason, SetupError};
pub use fetch::{Downloader, HttpPoster, PostResponse, operators_client};
pub use google::{FaceRequest, GoogleFonts, WebFace};
pub use guard::{BlockedAddress, InvalidNetwork, UrlError};
pub use loader::{AssetTimeouts, Loader};
pub use snapshot::{AssetSnapshot, SnapshotEntry};
pub use snapshot_store::SnapshotStore;

/// Kind of an asset, which determines how it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// A raster picture or an SVG document.
    Image,
    /// A font file.
    Font,
}

/// A request of one element or field of the design for an asset.
#[derive(Clone, Debug)]
pub struct AssetRequest {
    /// URL as written in the design. Schemes other than http, https and data become an error.
    pub url: Arc<str>,
    /// Kind of asset to decode.
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
    /// Appends a request.
    pub fn push(&mut self, request: AssetRequest) {
        self.0.push(request);
    }

    /// Iterates over the requests in the order of [`Self::push`].
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AssetRequest> {
        self.0.iter()
    }
}

/// A decoded asset. Cloning is cheap, because contents are shared with the cache.
#[derive(Clone, Debug)]
pub enum Asset {
    /// A raster picture.
    Picture(Arc<Picture>),
    /// An SVG document.
    Svg(Arc<svg::SvgAsset>),
    /// A TrueType or OpenType file, unpacked if it was WOFF. `Blob::id` is stable while the asset is cached.
    Font(Blob<u8>),
}

/// Result of [`Loader::load`]: every requested URL, loaded or failed.
#[derive(Clone, Debug, Default)]
pub struct AssetSet {
    by_url: HashMap<Arc<str>, Result<Asset, AssetError>>,
    failures: Vec<AssetError>,
    hashes: Vec<Option<ContentHash>>,
}

impl AssetSet {
    /// Looks up `url`, as written in its request; `None` if it was not requested.
    ///
    /// The error names the first request of the URL; [`Self::failures`] has one for each. Of a URL that was requested
    /// both as an image and as a font, the kind that could be loaded is returned.
    pub fn get(&self, url: &str) -> Option<Result<&Asset, &AssetError>> {
        self.by_url.get(url).map(Result::as_ref)
    }

    /// One error for each request that failed, in the order of the requests.
    pub fn failures(&self) -> &[AssetError] {
        &self.failures
    }

    /// Hash of the file of each request, in their order; `None` for those that failed.
    pub fn hashes(&self) -> &[Option<ContentHash>] {
        &self.hashes
    }

    /// `results`: one for every URL and kind in `requests`.
    fn new(requests: &AssetRequests, results: &HashMap<(AssetKind, Arc<str>), LoadResult>) -> Self {
        let mut set = Self::default();
        for AssetRequest { url, kind, at, element } in requests.iter() {
            let result = results.get(&(*kind, url.clone())).expect("the loader answers for every request");
            set.hashes.push(result.as_ref().ok().map(|loaded| loaded.hash));
            let result = result.clone().map(|loaded| loaded.asset).map_err(|reason| AssetError {
                at: at.clone(),
                element: element.clone(),
                kind: *kind,
                url: error::shorten_url(url).into(),
                reason,
            });
            set.failures.extend(result.as_ref().err().cloned());
            let present = set.by_url.get(url);
            if present.is_none_or(|present| present.is_err() && result.is_ok()) {
                set.by_url.insert(url.clone(), result);
            }
        }
        set
    }
}
