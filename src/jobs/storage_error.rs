//! The error of operations that use both the job store and the results.

use super::batch::BatchId;
use super::results::ResultError;
use super::store::error::StoreError;
use crate::hash::ContentHash;

/// The job store or the results failed. A job that met this error is attempted again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum StorageError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Results(#[from] ResultError),
    #[error("the file {hash} that the batch {batch} uses is missing")]
    AssetMissing { batch: BatchId, hash: ContentHash },
    #[error("the file {hash} that the batch {batch} uses has been changed")]
    AssetChanged { batch: BatchId, hash: ContentHash },
}
