//! Where undecoded files come from when this process may not reach the network itself.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use super::error::Reason;
use super::freshness::Freshness;

/// A file, or the confirmation that a cached one is still valid.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The cached file is still valid (status 304).
    NotModified(Freshness),
    /// The file (status 200).
    Body(Bytes, Freshness),
}

/// A file of the font service from the cache on disk.
#[derive(Debug)]
pub struct StoredFile {
    /// The bytes of the file.
    pub bytes: Bytes,
    /// Time since it was written; zero if the clock was set back.
    pub age: Duration,
}

/// Fetches files on behalf of a process without network and files of its own. URLs are checked before and after.
pub trait FileSource: fmt::Debug + Send + Sync {
    /// Fetches `url`, with retries. `known`: freshness of a cached file, which makes the request conditional.
    ///
    /// # Errors
    /// The cause of the failure, for the caller who supplied the URL.
    fn fetch<'a>(&'a self, url: &'a Url, known: Option<&'a Freshness>) -> BoxFuture<'a, Result<Fetched, Reason>>;

    /// Reads the file of `url` from the disk cache of the font service; `None` when it has none, or one of more than
    /// `limit` bytes.
    fn read_stored<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Option<StoredFile>>;

    /// Writes `bytes` to the disk cache of the font service. Failures are logged.
    fn store<'a>(&'a self, url: &'a str, bytes: Bytes) -> BoxFuture<'a, ()>;
}
