//! What a call may be about: the caller's own jobs and batches, and the one that the path names.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;

use super::App;
use super::problem::Refusal;
use crate::jobs::{BatchId, JobId, Owner};

/// Whose jobs and batches the caller may see. Refuses a call without a valid key.
pub(super) struct Mine(pub(super) Owner);

/// The one of the caller's that `{id}` in the path names, as far as that can be told without looking: whether there is one, and
/// whether it is theirs, the store says. Refuses a call without a valid key before it looks at the path.
pub(super) struct Own<Id> {
    pub(super) owner: Owner,
    pub(super) id: Id,
}

/// An id as paths have it.
pub(super) trait PathId: Sized {
    /// `None` for what is no id of ours.
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

/// `{id}` of a path, whatever else it has.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// `{delivery}` of a path, whatever else it has.
#[derive(Deserialize)]
pub(super) struct NamedDelivery {
    pub(super) delivery: String,
}

impl FromRequestParts<App> for Mine {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let caller = app.keys.check(&head.uri, &head.headers)?;
        Ok(Self(caller.unwrap_or_default().into()))
    }
}

impl<Id: PathId> FromRequestParts<App> for Own<Id> {
    type Rejection = Refusal;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let Mine(owner) = Mine::from_request_parts(head, app).await?;
        // What is no text is no id either.
        let named = Path::<Named>::from_request_parts(head, app).await.map_err(|_| Refusal::NotFound)?;
        let id = Id::read(&named.id).ok_or(Refusal::NotFound)?;
        Ok(Self { owner, id })
    }
}
