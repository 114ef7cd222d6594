//! Decoded assets, and the set of those that a design requested.

use std::collections::HashMap;
use std::sync::Arc;

use peniko::Blob;

use super::error::{AssetError, Reason, shorten_url};
use super::memory::RequestMemory;
use super::request::{AssetKind, AssetRequest, AssetRequests};
use super::svg::SvgAsset;
use crate::hash::ContentHash;
use crate::scene::DecodedImage;

/// A decoded asset. Cloning is cheap, because contents are shared with the cache.
#[derive(Clone, Debug)]
pub enum Asset {
    /// A raster picture: premultiplied sRGB with its orientation applied.
    Picture(Arc<DecodedImage>),
    /// An SVG document, parsed and checked against limits.
    Svg(Arc<SvgAsset>),
    /// A TrueType or OpenType file, unpacked if it was WOFF. `Blob::id` is stable while the asset is cached.
    Font(Blob<u8>),
}

/// A decoded asset with its size and the hash of its file.
#[derive(Clone, Debug)]
pub(super) struct LoadedAsset {
    pub(super) asset: Asset,
    /// Size of the decoded asset in bytes.
    pub(super) bytes: usize,
    /// Hash of the file.
    pub(super) hash: ContentHash,
}

/// Result of a load, shared by all requests that waited for it.
pub(super) type LoadResult = Result<LoadedAsset, Reason>;

/// Result of [`Loader::load`](super::Loader::load): every requested URL, loaded or failed.
#[derive(Clone, Debug, Default)]
pub struct AssetSet {
    by_url: HashMap<Arc<str>, Result<Asset, AssetError>>,
    failures: Vec<AssetError>,
    hashes: Vec<Option<ContentHash>>,
    memory: Option<Arc<RequestMemory>>,
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

    /// The memory of the request's pictures, to which pictures inside SVG documents are added as they are drawn.
    pub fn memory(&self) -> Option<&Arc<RequestMemory>> {
        self.memory.as_ref()
    }

    /// `results`: one for every URL and kind in `requests`. `memory`: that of the request.
    pub(super) fn new(
        requests: &AssetRequests,
        results: &HashMap<(AssetKind, Arc<str>), LoadResult>,
        memory: Arc<RequestMemory>,
    ) -> Self {
        let mut set = Self { memory: Some(memory), ..Self::default() };
        for AssetRequest { url, kind, at, element } in requests.iter() {
            let result = results.get(&(*kind, url.clone())).expect("the loader answers for every request");
            set.hashes.push(result.as_ref().ok().map(|loaded| loaded.hash));
            let result = result.clone().map(|loaded| loaded.asset).map_err(|reason| AssetError {
                at: at.clone(),
                element: element.clone(),
                kind: *kind,
                url: shorten_url(url).into(),
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
