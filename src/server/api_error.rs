//! Why a request is not answered as asked: status, JSON body, headers.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::log::Failure;
use crate::error::{Error, Kind};
use crate::jobs::{JobError, StoreError};
use crate::report::{Problem, counted};

/// Everything but a picture.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No key, or not one of ours.
    Key,
    /// The body is not declared as what is read here.
    MediaType {
        /// What it is declared as.
        found: String,
        /// Media types.
        accepted: &'static str,
    },
    /// The body has more bytes than this.
    BodyTooLarge {
        /// `TENTER_REQUEST_MAX_BYTES`.
        limit: usize,
    },
    /// The answer has more bytes than may go inline.
    AnswerTooLarge {
        /// Bytes of the answer.
        found: usize,
        /// `TENTER_INLINE_MAX_BYTES`.
        limit: usize,
    },
    /// The body did not arrive in time.
    SlowBody {
        /// `TENTER_BODY_TIMEOUT`.
        limit: Duration,
    },
    /// The body broke off; nobody will read the answer.
    BrokenBody,
    /// No such route, or no such file, or no longer.
    NotFound,
    /// A route, but not with this method.
    Method,
    /// A header that cannot be used: its name, and what is accepted.
    Header(&'static str, &'static str),
    /// A parameter of the query that cannot be used: its name, and what is accepted.
    Query(&'static str, &'static str),
    /// The idempotency key came before, with another body.
    OtherBody,
    /// As many jobs are unfinished as may be: the limit, and its setting.
    JobsFull {
        /// The setting's value.
        limit: u64,
        /// Its name.
        setting: &'static str,
    },
    /// Rows of batches are unfinished, and with these they would be more than may be.
    RowsFull {
        /// The setting's value.
        limit: u64,
        /// Its name.
        setting: &'static str,
    },
    /// The key has asked too often.
    TooOften {
        /// `TENTER_KEY_RATE`, a minute.
        limit: u32,
        /// Whole seconds until the next may come, at least 1.
        retry_after: u64,
    },
    /// The key has as many calls under way as it may.
    TooManyAtOnce {
        /// `TENTER_KEY_CONCURRENCY`.
        limit: usize,
    },
    /// The store of jobs cannot do its work; its words are for the log.
    Store(StoreError),
    /// The render's own error.
    Render(Error),
    /// A bug: the panic's words, for the log.
    Panicked(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Render(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<JobError> for Refusal {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Render(error) => Self::Render(error),
            JobError::Store(error) => Self::Store(error),
        }
    }
}

/// When to come back after a refusal for a full queue of jobs, or a store that fails: jobs take seconds, mending a disk
/// minutes, and whoever comes too early is refused again cheaply.
const COME_BACK_SECONDS: u64 = 10;

/// The body of every answer that is not a success.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// The first problem in full, and how many there are besides.
    error: String,
    /// Each with its place in the request; empty when the request is not to blame.
    problems: Vec<Problem>,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Key => StatusCode::UNAUTHORIZED,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::AnswerTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody | Self::Header(..) | Self::Query(..) => StatusCode::BAD_REQUEST,
            Self::OtherBody => StatusCode::CONFLICT,
            Self::JobsFull { .. } | Self::RowsFull { .. } | Self::TooOften { .. } | Self::TooManyAtOnce { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Store(StoreError::Unsupported { .. }) => StatusCode::NOT_IMPLEMENTED,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Render(error) => match error.kind() {
                Kind::Invalid => StatusCode::BAD_REQUEST,
                Kind::Asset => StatusCode::UNPROCESSABLE_ENTITY,
                Kind::NotBuilt => StatusCode::NOT_IMPLEMENTED,
                Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
                Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the caller reads. Bugs are told in the log only.
    fn message(&self) -> String {
        match self {
            Self::Key => "missing or unknown API key; send it as ?KEY=… or as Authorization: Bearer …".into(),
            Self::MediaType { found, accepted } => {
                format!("{found}; accepted: content-type: {accepted}, UTF-8, without content-encoding")
            }
            Self::BodyTooLarge { limit } => {
                format!("payload too large: the request body has more than {limit} bytes (TENTER_REQUEST_MAX_BYTES)")
            }
            Self::AnswerTooLarge { found, limit } => format!(
                "payload too large: the answer has {found} bytes, and {limit} may go inline (TENTER_INLINE_MAX_BYTES); \
                 ask for a link with outputFormat: \"url\""
            ),
            Self::SlowBody { limit } => {
                format!("the request body did not arrive within {} s (TENTER_BODY_TIMEOUT)", limit.as_secs_f64())
            }
            Self::BrokenBody => "the request body broke off".into(),
            Self::NotFound => "not found".into(),
            Self::Method => "this path does not take this method; see the allow header".into(),
            Self::Header(name, accepted) => format!("the header {name} cannot be used; accepted: {accepted}"),
            Self::Query(name, accepted) => format!("the query parameter {name} cannot be used; accepted: {accepted}"),
            Self::OtherBody => {
                "this Idempotency-Key came before with another body; use a new key for a new job or batch".into()
            }
            Self::JobsFull { limit, setting } => {
                format!("no more than {} may be unfinished ({setting}); try again later", counted(*limit, "job"))
            }
            Self::RowsFull { limit, setting } => {
                format!(
                    "with these rows more than {limit} would be unfinished ({setting}); try again later, or send fewer"
                )
            }
            Self::TooOften { limit, retry_after } => {
                format!("more than {limit} renders and jobs a minute (TENTER_KEY_RATE); try again in {retry_after} s")
            }
            Self::TooManyAtOnce { limit } => {
                let calls = counted(*limit as u64, "render call");
                format!("no more than {calls} of this key may be under way (TENTER_KEY_CONCURRENCY)")
            }
            Self::Store(StoreError::Unsupported { reason, .. }) => reason.clone(),
            Self::Store(_) => {
                "jobs cannot be kept at the moment, and nothing was accepted; the log has more under this x-request-id"
                    .into()
            }
            Self::Render(error) if error.kind() != Kind::Internal => error.to_string(),
            Self::Render(_) | Self::Panicked(_) => "internal error; the log has more under this x-request-id".into(),
        }
    }

    /// What the log reads.
    fn detail(&self) -> String {
        match self {
            Self::Render(error) => error.to_string(),
            Self::Store(error) => error.to_string(),
            Self::Panicked(message) => format!("panic: {message}"),
            _ => self.message(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problems = match &self {
            Self::Render(error) => error.problems().to_vec(),
            _ => Vec::new(),
        };
        let mut response = (self.status(), Json(ErrorBody { error: self.message(), problems })).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::Key => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::Render(Error::Busy { retry_after, .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            }
            Self::TooOften { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::TooManyAtOnce { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
            }
            Self::Store(StoreError::Unsupported { .. }) => {}
            Self::JobsFull { .. } | Self::RowsFull { .. } | Self::Store(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(COME_BACK_SECONDS));
            }
            // The rest of the body is not read; the connection cannot be used again.
            Self::BodyTooLarge { .. } | Self::SlowBody { .. } => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response.extensions_mut().insert(Failure(self.detail()));
        response
    }
}
