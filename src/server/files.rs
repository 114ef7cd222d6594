//! GET /files/{name}: the file behind a link from `POST /api/render` or from a job.
//!
//! The file of a job is called `<id>-<random>.<format>`, and the job store knows when it expires. Files in
//! a bucket have presigned links to the bucket instead.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::links::FileName;
use super::ranges::{self, Choice};
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
        (status = 206, description = "The part of the file that `range` asks for", content((schemas::Bytes = "*/*"))),
        (status = 304, description = "The caller has the file: `if-none-match` names its `etag`"),
        (status = 404, description = "The file does not exist, or no longer", body = ErrorBody),
        (status = 416, description = "The part that `range` asks for lies outside of the file"),
        (status = 500, description = "The file cannot be read", body = ErrorBody),
    ),
)]
pub(super) async fn serve(
    State(app): State<App>,
    Path(name): Path<String>,
    asked: HeaderMap,
) -> Result<Response, ApiError> {
    let LocatedFile { area, media_type, remaining } = find(&app, &name).await?;
    let failed = |error| match error {
        ResultError::NotFound => ApiError::NotFound,
        error => Error::Internal(format!("cannot read the result: {error}")).into(),
    };
    let meta = app.files.results.head(area, &name).await.map_err(failed)?;
    let etag = format!("\"{:x}-{:x}\"", meta.last_modified.timestamp_millis(), meta.size);
    let (status, body, length, part) = match ranges::choose(&asked, &etag, meta.size) {
        Choice::NotModified => (StatusCode::NOT_MODIFIED, Body::empty(), None, None),
        Choice::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, Body::empty(), Some(0), Some("*".to_owned())),
        Choice::Whole => {
            let found = app.files.results.get(area, &name).await.map_err(failed)?;
            (StatusCode::OK, Body::from_stream(found.into_stream()), Some(meta.size), None)
        }
        Choice::Part(range) => {
            let (length, part) = (range.end - range.start, format!("{}-{}", range.start, range.end - 1));
            let found = app.files.results.get_range(area, &name, range).await.map_err(failed)?;
            (StatusCode::PARTIAL_CONTENT, Body::from_stream(found.into_stream()), Some(length), Some(part))
        }
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(part) = part {
        headers.insert(header::CONTENT_RANGE, text_value(&format!("bytes {part}/{}", meta.size)));
    }
    headers.insert(header::ETAG, text_value(&etag));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, text_value(&format!("private, max-age={remaining}, immutable")));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    }
    // Pages of other origins may show the picture even when they isolate themselves.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

/// A header value of digits and punctuation.
fn text_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("visible ASCII")
}
