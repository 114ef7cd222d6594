//! The error of calls about templates.

use super::id::{TemplateId, TemplateName};
use crate::error::Error;
use crate::jobs::{ResultError, StoreError};
use crate::report::{JsonPath, Problem};

/// A call about templates failed.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The call is invalid, or the process has no capacity to read it.
    #[error(transparent)]
    Call(#[from] Error),
    /// The template is a file in `TENTER_TEMPLATES_DIR`, which calls cannot change.
    #[error("{0} is a file in TENTER_TEMPLATES_DIR; change the file instead")]
    IsFile(TemplateId),
    /// Other calls change the template all the time.
    #[error("other calls change {0} at the same time; try again")]
    Conflict(TemplateId),
    /// The store of templates failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage of designs failed.
    #[error("the storage of designs does not work: {0}")]
    Storage(#[from] ResultError),
}

/// The error for a call that names a template that cannot be used. `at`: the member with the name.
pub(super) fn refused(at: &JsonPath, message: impl Into<String>) -> TemplateError {
    Error::invalid(Problem { path: at.clone(), message: message.into() }).into()
}

/// The error for a call that names a template that does not exist.
pub(super) fn unknown(at: &JsonPath, name: &TemplateName) -> TemplateError {
    refused(at, format!("there is no template {}; accepted: an id that GET /api/templates lists", name.id))
}
