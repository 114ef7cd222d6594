//! What a design points to: fetched, guarded, decoded.
//!
//! In: images and fonts by URL, from the network, `data:` URLs and a font service; which addresses may be reached; the cache
//! of decoded assets; what a batch holds on to. Not in: which elements need what (`design` lists it), drawing, picking faces.
//! Imports: `config`, `report`, `scene` (the decoded picture), `pool`, `units`.
//!
//! `design` lists `AssetRequests`, `Loader::load` turns them into an `AssetSet`, and `design` looks each URL up in it.

mod cache;
mod counts;
mod data_url;
pub mod decode;
mod error;
mod fetch;
mod google;
mod guard;
mod keeper;
mod loader;
mod pins;
pub mod svg;
#[cfg(test)]
mod testing;

use std::collections::HashMap;
use std::sync::Arc;

use peniko::Blob;

use crate::report::JsonPath;
use crate::scene::Picture;
use cache::Landed;
pub use counts::{AssetCounts, Cause, Network};
pub use error::{AssetError, Changed, NetworkProblem, Reason, SetupError};
pub use fetch::{Downloader, Messenger, Reply, operators_client};
pub use google::{FaceWish, GoogleFonts, WebFace};
pub use guard::{BadNetwork, Refused, UrlProblem};
pub use keeper::Keeper;
pub use loader::{AssetTimeouts, Loader};
pub use pins::{ContentHash, Pinned, Pins};

/// What an asset is decoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetKind {
    /// A picture or an SVG.
    Image,
    /// One font file.
    Font,
}

/// One place in the design that needs an asset.
#[derive(Clone, Debug)]
pub struct AssetRequest {
    /// As written: http, https or data. Whatever else it is becomes an error that says so.
    pub url: Arc<str>,
    /// What it is to be decoded as.
    pub kind: AssetKind,
    /// The place, for messages.
    pub at: JsonPath,
    /// For messages: the element's id, `page background`, or for a font its family.
    pub element: Arc<str>,
}

/// Everything a design needs, in the order in which errors are to be told. The same URL may stand there many times: it is
/// loaded once.
#[derive(Clone, Debug, Default)]
pub struct AssetRequests(Vec<AssetRequest>);

impl AssetRequests {
    /// Adds one to the end.
    pub fn push(&mut self, request: AssetRequest) {
        self.0.push(request);
    }

    /// In the order of `push`.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &AssetRequest> {
        self.0.iter()
    }
}

/// A decoded asset. Cheap to clone: contents are shared with the cache.
#[derive(Clone, Debug)]
pub enum Asset {
    /// Pixels.
    Picture(Arc<Picture>),
    /// A vector drawing.
    Svg(Arc<svg::SvgAsset>),
    /// A TrueType or OpenType file, unpacked if it came as WOFF. `Blob::id` is the same each time the cache has it.
    Font(Blob<u8>),
}

/// What came of `AssetRequests`: every URL of it is here, loaded or failed.
#[derive(Clone, Debug, Default)]
pub struct AssetSet {
    by_url: HashMap<Arc<str>, Result<Asset, AssetError>>,
    failures: Vec<AssetError>,
    hashes: Vec<Option<ContentHash>>,
}

impl AssetSet {
    /// What came of `url`, as written in its request; `None` if it was not requested. The error is told for the first place
    /// that asked; `failures` has one for each.
    ///
    /// A URL requested both as an image and as a font can be only one of them: that one is found here.
    pub fn get(&self, url: &str) -> Option<Result<&Asset, &AssetError>> {
        self.by_url.get(url).map(Result::as_ref)
    }

    /// One for each request that failed, in the order of the requests.
    pub fn failures(&self) -> &[AssetError] {
        &self.failures
    }

    /// Of the file behind each request, in their order; `None` for one that failed.
    pub fn hashes(&self) -> &[Option<ContentHash>] {
        &self.hashes
    }

    /// `outcomes`: of every URL and kind in `requests`. One left out is a broken promise of the loader.
    fn new(requests: &AssetRequests, outcomes: &HashMap<(AssetKind, Arc<str>), Landed>) -> Self {
        let mut set = Self::default();
        for AssetRequest { url, kind, at, element } in requests.iter() {
            let outcome = outcomes.get(&(*kind, url.clone())).expect("the loader answers for every request");
            set.hashes.push(outcome.as_ref().ok().map(|contents| contents.hash));
            let outcome = outcome.clone().map(|contents| contents.asset).map_err(|reason| AssetError {
                at: at.clone(),
                element: element.clone(),
                kind: *kind,
                url: error::shown_url(url).into(),
                reason,
            });
            set.failures.extend(outcome.as_ref().err().cloned());
            let known = set.by_url.get(url);
            if known.is_none_or(|known| known.is_err() && outcome.is_ok()) {
                set.by_url.insert(url.clone(), outcome);
            }
        }
        set
    }
}
