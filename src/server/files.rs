//! GET /files/{name}: the file behind a link from `POST /api/render` or from a job.
//!
//! The file of a job is called `<id>-<random>.<format>`, and the job store knows when it expires. Files in
//! a bucket have presigned links to the bucket instead.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::links::FileName;
use super::schemas;
use crate::error::Error;
use crate::jobs::{Area, ResultError};
use crate::output::FORMATS;

/// Location and type of a stored file.
struct LocatedFile {
    area: Area,
    media_type: &'static str,
    /// Seconds until the file expires, at least 1 for files of links.
    remaining: u64,
}

/// Finds the file `name`.
///
/// # Errors
/// [`ApiError::NotFound`] for unknown and expired names.
async fn find(app: &App, name: &str) -> Result<LocatedFile, ApiError> {
    let now = app.files.now();
    if let Some(parsed) = FileName::parse(name) {
        let remaining = parsed.expires.checked_sub(now).filter(|it| *it > 0).ok_or(ApiError::NotFound)?;
        return Ok(LocatedFile { area: Area::Links, media_type: parsed.media_type, remaining });
    }
    let format = name.rsplit_once('.').and_then(|(_, ending)| FORMATS.iter().find(|it| it.extension() == ending));
    let format = format.ok_or(ApiError::NotFound)?;
    let expires = app.jobs.expiry(name).await?.ok_or(ApiError::NotFound)?;
    let remaining = u64::try_from(expires.seconds()).unwrap_or(0).saturating_sub(now);
    Ok(LocatedFile { area: Area::Jobs, media_type: format.media_type(), remaining })
}

/// GET and HEAD /files/{name}. Needs no key: the name cannot be guessed.
#[utoipa::path(
    get,
    path = "/files/{name}",
    operation_id = "getFile",
    summary = "The file behind a link",
    params(("name" = String, Path, description = "Name of the file, as in its link")),
    responses(
        (status = 200, description = "The file", content((schemas::Bytes = "*/*"))),
        (status = 404, description = "The file does not exist, or no longer", body = ErrorBody),
        (status = 500, description = "The file cannot be read", body = ErrorBody),
    ),
)]
pub(super) async fn serve(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let LocatedFile { area, media_type, remaining } = find(&app, &name).await?;
    let found = app.files.results.get(area, &name).await.map_err(|error| match error {
        ResultError::NotFound => ApiError::NotFound,
        error => Error::Internal(format!("cannot read the result: {error}")).into(),
    })?;
    let length = found.meta.size;
    let mut response = Body::from_stream(found.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, cache_control(remaining));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    // Pages of other origins may show the picture even when they isolate themselves.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

/// `Cache-Control` for private caches, until the link expires in `seconds`.
fn cache_control(seconds: u64) -> HeaderValue {
    let text = format!("private, max-age={seconds}, immutable");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("private"))
}
