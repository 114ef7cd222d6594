//! Where a batch keeps the files that it is made of, when that is to outlive the process.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::cache::Landed;
use super::error::Reason;
use super::fetch::Fetched;
use super::{AssetKind, Loader};
use url::Url;

/// Keeps the files of one batch as they were when they were first fetched, whoever asks, and whenever.
pub trait Keeper: fmt::Debug + Send + Sync {
    /// What stands for `url`, if anything does yet. `Err` when that cannot be known now.
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, String>>;

    /// Makes `file` what stands for `url`, and returns `None`; or what stands already, when somebody was faster. `Err` when it
    /// cannot be kept now.
    fn keep<'a>(&'a self, kind: AssetKind, url: &'a str, file: Bytes) -> BoxFuture<'a, Result<Option<Bytes>, String>>;
}

impl Loader {
    /// `url` as `keeper` has it; else as it is now, which `keeper` then has. What cannot be decoded is not kept.
    pub(super) async fn load_kept(&self, keeper: &dyn Keeper, kind: AssetKind, url: &Url) -> Landed {
        if let Some(file) = keeper.find(kind, url.as_str()).await.map_err(Reason::Internal)? {
            return self.decode(kind, file).await;
        }
        let file: Bytes = match self.fetcher().get(url, None).await? {
            Fetched::Body(file, _) => file.into(),
            Fetched::NotModified(_) => return Err(Reason::Status(304)), // nobody asked whether it was
        };
        let contents = self.decode(kind, file.clone()).await?;
        match keeper.keep(kind, url.as_str(), file).await.map_err(Reason::Internal)? {
            None => Ok(contents),
            Some(before) => self.decode(kind, before).await,
        }
    }
}
