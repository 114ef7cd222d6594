//! Downloads of other files that callers name by URL: designs, and the rows of a batch. Guard and limits are those of
//! assets.

use bytes::Bytes;

use super::Fetcher;
use crate::assets::error::{Reason, SetupError};
use crate::config::AssetLimits;

/// Client for downloads. It owns connections, so a process should share one.
#[derive(Debug)]
pub struct Downloader(Fetcher);

impl Downloader {
    /// Creates a client with the same settings as for assets.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Fetcher::new(limits).map(Self)
    }

    /// Downloads `url`, at most `TENTER_ASSET_MAX_BYTES`.
    ///
    /// # Errors
    /// The cause of the failure, with a message for the caller who supplied the URL.
    pub async fn get(&self, url: &str) -> Result<Bytes, Reason> {
        self.0.get_body(&self.0.parse(url)?).await
    }
}
