//! Errors of HTTP calls: status, JSON body, headers.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Kind};
use crate::jobs::{JobError, ResultError, StoreError};
use crate::report::{Problem, counted};
use crate::templates::TemplateError;

/// Reason why a call fails; decides about status, message and headers.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The request has no API key, or an unknown one.
    Unauthorized,
    /// The media type, charset or encoding of the body is not accepted.
    MediaType {
        /// The header that was found, for the message.
        found: String,
        /// Media types that are accepted, separated by commas.
        accepted: &'static str,
    },
    /// The request body is larger than the limit.
    BodyTooLarge {
        /// Value of `TENTER_REQUEST_MAX_BYTES`, in bytes.
        limit: usize,
    },
    /// The rendered file is too large to be sent in the answer.
    AnswerTooLarge {
        /// Size of the answer in bytes.
        found: usize,
        /// Value of `TENTER_INLINE_MAX_BYTES`, in bytes.
        limit: usize,
    },
    /// The request body did not arrive in time.
    BodyTimeout {
        /// Value of `TENTER_BODY_TIMEOUT`, which the body exceeded.
        limit: Duration,
    },
    /// The client disconnected before the end of its request body.
    IncompleteBody,
    /// The route, job, batch or file does not exist, or no longer.
    NotFound,
    /// The route exists, but does not accept this method.
    MethodNotAllowed,
    /// A request header has a wrong value: its name, and what is accepted.
    Header(&'static str, &'static str),
    /// A parameter of the path has a wrong value: its name, and what is accepted.
    Path(&'static str, &'static str),
    /// The URL is not signed as it must be; why.
    Forbidden(&'static str),
    /// A template cannot be changed at the moment, or not by calls; why.
    TemplateConflict(String),
    /// A query parameter has a wrong value: its name, and what is accepted.
    Query(&'static str, &'static str),
    /// The idempotency key was used before, with another request body.
    IdempotencyConflict,
    /// The limit of unfinished jobs is reached.
    TooManyJobs {
        /// Value of the setting.
        limit: u64,
        /// Name of the setting.
        setting: &'static str,
    },
    /// The batch has more rows than the limit of unfinished rows leaves room for.
    TooManyRows {
        /// Value of the setting.
        limit: u64,
        /// Name of the setting.
        setting: &'static str,
    },
    /// The key has used up its calls of this minute.
    RateLimited {
        /// Value of `TENTER_KEY_RATE`, in calls a minute.
        limit: u32,
        /// Seconds until the next call is accepted, at least 1.
        retry_after: u64,
    },
    /// The limit of calls that one key may have in progress is reached.
    TooManyConcurrentCalls {
        /// Value of `TENTER_KEY_CONCURRENCY`, in calls.
        limit: usize,
    },
    /// The job store failed. The details go to the log only.
    Store(StoreError),
    /// The render failed, with the error of the pipeline.
    Render(Error),
    /// A handler panicked. The message goes to the log only.
    Panicked(String),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Render(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<JobError> for ApiError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Render(error) => Self::Render(error),
            JobError::Store(error) => Self::Store(error),
        }
    }
}

impl From<TemplateError> for ApiError {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Call(error) => Self::Render(error),
            TemplateError::Store(error) => Self::Store(error),
            TemplateError::IsFile(_) | TemplateError::Conflict(_) => Self::TemplateConflict(error.to_string()),
            TemplateError::Storage(ResultError::NotFound) => {
                Self::Render(Error::Internal("the design of a template is missing in the storage of results".into()))
            }
            TemplateError::Storage(_) => {
                tracing::error!(%error, "cannot read or write the design of a template");
                let place = "the storage of designs does not work (TENTER_DATA_DIR or TENTER_RESULTS)";
                Self::Render(Error::used_up(place))
            }
        }
    }
}

/// `Retry-After` when the job queue is full or the job store fails. Jobs end within seconds, and refusing again is
/// cheap.
const RETRY_AFTER_SECONDS: u64 = 10;

/// Response extension with the error text for the log, which may say more than the text for the caller.
#[derive(Clone)]
pub(super) struct LoggedFailure(pub(super) String);

/// Body of every error answer.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// The first problem, and how many more there are.
    error: String,
    /// All problems of the request with their JSON paths; empty when the request is not the cause.
    problems: Vec<Problem>,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge { .. } | Self::AnswerTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::IncompleteBody | Self::Header(..) | Self::Path(..) | Self::Query(..) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::IdempotencyConflict | Self::TemplateConflict(_) => StatusCode::CONFLICT,
            Self::TooManyJobs { .. }
            | Self::TooManyRows { .. }
            | Self::RateLimited { .. }
            | Self::TooManyConcurrentCalls { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(StoreError::Unsupported { .. }) => StatusCode::NOT_IMPLEMENTED,
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Render(error) => match error.kind() {
                Kind::Invalid => StatusCode::BAD_REQUEST,
                Kind::Asset => StatusCode::UNPROCESSABLE_ENTITY,
                Kind::NotBuilt => StatusCode::NOT_IMPLEMENTED,
                Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
                Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
                Kind::Fatal => StatusCode::UNPROCESSABLE_ENTITY,
                Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text for the caller. Details of internal errors go to the log only.
    fn message(&self) -> String {
        match self {
            Self::Unauthorized => {
                "missing or unknown API key; send it as ?KEY=…, X-API-Key: … or Authorization: Bearer …".into()
            }
            Self::MediaType { found, accepted } => {
                format!("{found}; accepted: content-type: {accepted}, UTF-8, without content-encoding")
            }
            Self::BodyTooLarge { limit } => {
                format!("payload too large: the request body has more than {limit} bytes (TENTER_REQUEST_MAX_BYTES)")
            }
            Self::AnswerTooLarge { found, limit } => format!(
                "payload too large: the answer has {found} bytes, and {limit} may be sent in an answer (TENTER_INLINE_MAX_BYTES); \
                 ask for a link with outputFormat: \"url\""
            ),
            Self::BodyTimeout { limit } => {
                format!("the request body did not arrive within {} s (TENTER_BODY_TIMEOUT)", limit.as_secs_f64())
            }
            Self::IncompleteBody => "the request body is incomplete".into(),
            Self::NotFound => "not found".into(),
            Self::MethodNotAllowed => "this path does not take this method; see the Allow header".into(),
            Self::Header(name, accepted) => format!("the header {name} cannot be used; accepted: {accepted}"),
            Self::Path(name, accepted) => format!("{name} in the path cannot be used; accepted: {accepted}"),
            Self::Forbidden(reason) => (*reason).into(),
            Self::TemplateConflict(reason) => reason.clone(),
            Self::Query(name, accepted) => format!("the query parameter {name} cannot be used; accepted: {accepted}"),
            Self::IdempotencyConflict => {
                "this Idempotency-Key was used before with another request body; use a new key for a new job or batch"
                    .into()
            }
            Self::TooManyJobs { limit, setting } => {
                format!("no more than {} may be unfinished ({setting}); try again later", counted(*limit, "job"))
            }
            Self::TooManyRows { limit, setting } => {
                format!(
                    "with these rows more than {limit} rows would be unfinished ({setting}); try again later, or send fewer rows"
                )
            }
            Self::RateLimited { limit, retry_after } => {
                format!("more than {limit} renders and jobs a minute (TENTER_KEY_RATE); try again in {retry_after} s")
            }
            Self::TooManyConcurrentCalls { limit } => {
                let calls = counted(*limit as u64, "render call");
                format!("no more than {calls} of this key may be under way (TENTER_KEY_CONCURRENCY)")
            }
            Self::Store(StoreError::Unsupported { reason, .. }) => reason.clone(),
            Self::Store(_) => {
                "the job store does not work at the moment, and nothing was accepted; see the log for this x-request-id"
                    .into()
            }
            Self::Render(error) if error.kind() != Kind::Internal => error.to_string(),
            Self::Render(_) | Self::Panicked(_) => "internal error; see the log for this x-request-id".into(),
        }
    }

    /// The text for the log.
    fn detail(&self) -> String {
        match self {
            Self::Render(error) => error.to_string(),
            Self::Store(error) => error.to_string(),
            Self::Panicked(message) => format!("panic: {message}"),
            _ => self.message(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problems = match &self {
            Self::Render(error) => error.problems().to_vec(),
            _ => Vec::new(),
        };
        let mut response = (self.status(), Json(ErrorBody { error: self.message(), problems })).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::Unauthorized => drop(headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::Render(Error::Busy { retry_after, .. } | Error::Unavailable { retry_after, .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after.as_secs()));
            }
            Self::RateLimited { retry_after, .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::TooManyConcurrentCalls { .. } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
            }
            Self::Store(StoreError::Unsupported { .. }) => {}
            Self::TooManyJobs { .. } | Self::TooManyRows { .. } | Self::Store(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
            }
            // The rest of the body is not read; the connection cannot be used again.
            Self::BodyTooLarge { .. } | Self::BodyTimeout { .. } => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response.extensions_mut().insert(LoggedFailure(self.detail()));
        response
    }
}
