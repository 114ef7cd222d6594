//! Extractors for the owner of jobs and batches, and for the one that the path names.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;

use super::api_error::ApiError;
use super::app::App;
use crate::jobs::{BatchId, JobId, Owner};

/// The owner whose jobs and batches the caller may see: the name of its key. Rejects calls without a valid key.
pub(super) struct RequestOwner(pub(super) Owner);

/// The job or batch that `{id}` in the path names, with the owner it must belong to. The store checks whether it exists
/// and belongs to the owner. Calls without a valid key are rejected before the path is read.
pub(super) struct Owned<Id> {
    pub(super) owner: Owner,
    pub(super) id: Id,
}

/// An identifier that is a parameter of a path.
pub(super) trait PathId: Sized {
    /// Parses an identifier; `None` when it is malformed.
    fn read(text: &str) -> Option<Self>;
}

impl PathId for JobId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl PathId for BatchId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// The `{id}` of a path that may have other parameters.
#[derive(Deserialize)]
struct IdInPath {
    id: String,
}

/// The `{delivery}` of a path that may have other parameters.
#[derive(Deserialize)]
pub(super) struct DeliveryInPath {
    pub(super) delivery: String,
}

impl FromRequestParts<App> for RequestOwner {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = app.keys.check(&head.uri, &head.headers)?;
        Ok(Self(caller.unwrap_or_default().into()))
    }
}

impl<Id: PathId> FromRequestParts<App> for Owned<Id> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let RequestOwner(owner) = RequestOwner::from_request_parts(head, app).await?;
        // Text that is not UTF-8 cannot be an identifier.
        let named = Path::<IdInPath>::from_request_parts(head, app).await.map_err(|_| ApiError::NotFound)?;
        let id = Id::read(&named.id).ok_or(ApiError::NotFound)?;
        Ok(Self { owner, id })
    }
}
