//! Assets of a design: images and fonts, fetched from guarded addresses and decoded.
//!
//! In: loading by URL from the network, `data:` URLs and a font service; the choice of addresses that may be reached;
//! the cache of decoded assets; the snapshot of a batch. Not in: which elements need which assets (`design` lists
//! them), drawing, choosing faces. Imports: `config`, `report`, `scene` (the decoded picture), `pool`, `units`.
//!
//! `design` lists [`AssetRequests`], [`Loader::load`] turns them into an [`AssetSet`], and `design` looks up each URL
//! in it.

mod asset;
mod cache;
mod cause;
mod counts;
mod data_url;
pub mod decode;
mod error;
mod fetch;
mod file_source;
mod freshness;
mod google;
mod guard;
mod image_file;
mod in_flight;
mod loader;
mod memory;
mod request;
mod snapshot;
mod snapshot_record;
mod snapshot_store;
pub mod svg;
#[cfg(test)]
mod testing;
mod web_files;

pub use asset::{Asset, AssetSet};
pub use counts::{AssetCounts, AssetTally, FailureLabel, NetworkLabel};
pub use data_url::DataUrlError;
pub use error::{AssetError, ChangedFile, FailureSummary, NetworkError, Reason, SetupError};
pub use fetch::{Downloader, HttpPoster, PostResponse, operators_client};
pub use file_source::{Fetched, FileSource, StoredFile};
pub use freshness::Freshness;
pub use google::{FaceRequest, FontServiceError, GoogleFonts, WebFace};
pub use guard::{BlockedAddress, UrlError};
pub use loader::{AssetTimeouts, Loader};
pub use memory::{MemoryError, PictureMemory, RequestMemory};
pub use request::{AssetKind, AssetRequest, AssetRequests};
pub use snapshot::AssetSnapshot;
pub use snapshot_record::{SnapshotEntry, SnapshotRecord};
pub use snapshot_store::{SnapshotStore, SnapshotStoreError};
pub use web_files::WebFiles;
