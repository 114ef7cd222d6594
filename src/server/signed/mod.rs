//! GET /i/{template}.{format}?…: pictures by URL, for pages and mails. The URL carries its signature, so that nobody
//! can have other pictures made, and no key.

mod cache;
mod call;
mod signature;

use std::time::Duration;

use axum::extract::{OriginalUri, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::cache::{Picture, PictureKey};
pub(super) use self::cache::{PictureCounts, Pictures};
use self::call::PictureCall;
use self::signature::Verified;
pub use self::signature::{SignError, sign_url};
use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::log::RenderNotes;
use super::ranges::{self, Choice};
use super::render::{CACHE, WARNINGS};
use super::schemas;
use crate::report::JsonPath;

/// Path of the version in the URL, for problems.
const TEMPLATE: &str = "template";

/// GET and HEAD /i/{template}.{format}?name=value&…&s=signature. Needs no key: the URL is signed.
#[utoipa::path(
    get,
    path = "/i/{picture}",
    operation_id = "getSignedPicture",
    summary = "A picture of a template by signed URL",
    description = "Parameters of the query are variables; those that begin with `_` are options (`_pixelRatio`, `_quality`, `_pageId`, \
                   …) or the time of expiry (`_expires`, seconds since 1970). The last parameter is the signature. `tenter sign` \
                   signs URLs.",
    params(
        ("picture" = String, Path, description = "Id of a template, or id@version, and the ending of the format: png, jpg, webp, pdf"),
        ("s" = String, Query, description = "HMAC-SHA256 of path and query in base64url"),
    ),
    responses(
        (status = 200, description = "The picture", content((schemas::Bytes = "*/*"))),
        (status = 206, description = "The part of the picture that `range` asks for", content((schemas::Bytes = "*/*"))),
        (status = 304, description = "The caller has the picture: `if-none-match` names its `etag`"),
        (status = 403, description = "The signature is missing or wrong, or the URL has expired", body = ErrorBody),
        (status = 404, description = "The template does not exist, or no longer", body = ErrorBody),
        (status = 503, description = "The store or the renderers do not work at the moment", body = ErrorBody),
        (status = 416, description = "The part that `range` asks for lies outside of the picture"),
        schemas::RenderErrors,
    ),
)]
pub(super) async fn serve(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    path: Path<String>,
    asked: HeaderMap,
) -> Response {
    let mut notes = RenderNotes::default();
    let answered = match signature::verify(&app.settings.pictures.url_keys, &uri) {
        Ok(verified) => answer(&app, verified, &path, &asked, &mut notes).await,
        Err(error) => Err(ApiError::Forbidden(error)),
    };
    notes.attach_to(answered)
}

async fn answer(
    app: &App,
    verified: Verified<'_>,
    path: &str,
    asked: &HeaderMap,
    notes: &mut RenderNotes,
) -> Result<Response, ApiError> {
    let Verified { owner, query } = verified;
    let call = PictureCall::read(path, query)?;
    let mut max_age = app.settings.pictures.max_age;
    if let Some(expires) = call.expires {
        let left = expires.checked_sub(app.files.now()).filter(|it| *it > 0);
        let left = left.ok_or(ApiError::Forbidden("this URL has expired"))?;
        max_age = max_age.min(Duration::from_secs(left));
    }
    notes.caller = Some(owner.to_string()).filter(|it| !it.is_empty());
    let found = app.templates.get(&owner, &call.name, &JsonPath::from(TEMPLATE)).await?.ok_or(ApiError::NotFound)?;
    let key = PictureKey::new(found.sha256, &call);
    let painting = app.pictures.get_or_paint(key, async || {
        let mut session = app.renderers.admit().await?;
        let rendered = session.render(call.body(&found.design)).await;
        notes.timings = session.timings().clone();
        rendered.map(Picture::from)
    });
    let (picture, is_hit) = painting.await?;
    notes.warnings = picture.warnings;
    Ok(respond(&picture, is_hit, max_age, asked))
}

fn respond(picture: &Picture, is_hit: bool, max_age: Duration, asked: &HeaderMap) -> Response {
    let size = picture.bytes.len() as u64;
    let (status, bytes, part) = match ranges::choose(asked, &picture.etag, size) {
        Choice::NotModified => (StatusCode::NOT_MODIFIED, None, None),
        Choice::Outside => (StatusCode::RANGE_NOT_SATISFIABLE, None, Some("*".to_owned())),
        Choice::Whole => (StatusCode::OK, Some(picture.bytes.clone()), None),
        Choice::Part(range) => {
            let part = format!("{}-{}", range.start, range.end - 1);
            let bytes = picture.bytes.slice(range.start as usize..range.end as usize);
            (StatusCode::PARTIAL_CONTENT, Some(bytes), Some(part))
        }
    };
    let has_body = bytes.is_some();
    let mut response = (status, bytes.unwrap_or_default()).into_response();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    if let Some(part) = part {
        set(header::CONTENT_RANGE, &format!("bytes {part}/{size}"));
    }
    set(header::ETAG, &picture.etag);
    set(header::ACCEPT_RANGES, "bytes");
    // Everything that decides about the picture is in the URL.
    set(header::CACHE_CONTROL, &format!("public, max-age={}", max_age.as_secs()));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
    set(CACHE, if is_hit { "hit" } else { "miss" });
    set(WARNINGS, &picture.warnings.to_string());
    if has_body {
        set(header::CONTENT_TYPE, picture.media_type);
        set(header::CONTENT_DISPOSITION, "inline");
    } else {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    response
}
