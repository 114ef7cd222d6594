//! Files that a caller named beside a design: the rows of a batch, a design itself. The same guard and limits as for pictures.

use bytes::Bytes;

use super::{Fetched, Fetcher};
use crate::assets::error::{Reason, SetupError};
use crate::config::AssetLimits;

/// Fetches whole files. Share one: it owns connections.
#[derive(Debug)]
pub struct Downloader(Fetcher);

impl Downloader {
    /// Reads what the fetcher of pictures reads.
    ///
    /// # Errors
    /// When `allow_addresses` is no list of networks, or TLS cannot be set up.
    pub fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Fetcher::new(limits).map(Self)
    }

    /// The contents of `url`, at most `TENTER_ASSET_MAX_BYTES`.
    ///
    /// # Errors
    /// Why it could not be had, in words for whoever named it.
    pub async fn get(&self, url: &str) -> Result<Bytes, Reason> {
        let url = self.0.parse(url)?;
        match self.0.get(&url, None).await? {
            Fetched::Body(bytes, _) => Ok(bytes.into()),
            Fetched::NotModified(_) => Err(Reason::Status(304)), // nobody asked whether it was
        }
    }
}
