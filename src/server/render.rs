//! POST /api/render: renders a design and answers with the result.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::body;
use super::links::link_base;
use super::log::RenderNotes;
use super::schemas;
use crate::calls::AnswerForm;
use crate::error::Error;
use crate::output::Format;
use crate::pipeline::Stage;
use crate::renderers::{RenderedFile, Session};
use crate::report::Warning;

/// Header with the painter of the page.
pub(super) const RENDERED_BY: HeaderName = HeaderName::from_static("x-rendered-by");
/// Header with the number of warnings; JSON answers contain them.
pub(super) const WARNINGS: HeaderName = HeaderName::from_static("x-tenter-warnings");
/// Header with the same value as [`RENDERED_BY`], for callers that count GPU pages.
pub(super) const RASTERIZER: HeaderName = HeaderName::from_static("x-tenter-rasterizer");
/// Header with the fingerprint: SHA-256 of all inputs of the file.
pub(super) const FINGERPRINT: HeaderName = HeaderName::from_static("x-tenter-fingerprint");
/// Header with `hit` or `miss`; absent without a result cache.
pub(super) const CACHE: HeaderName = HeaderName::from_static("x-tenter-cache");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Handler of `POST /api/render?KEY=…`.
#[utoipa::path(
    post,
    path = "/api/render",
    operation_id = "renderDesign",
    summary = "Render a design and wait for it",
    description = "Answers with the picture inside JSON, a link to it, or its bytes, as `outputFormat` asks.",
    request_body = schemas::ClassicCall,
    responses(
        (
            status = 200,
            description = "The picture",
            content(
                (Answer = "application/json"),
                (schemas::Bytes = "*/*"),
            ),
            headers(
                ("x-rendered-by" = String, description = "Name of the painter"),
                ("x-tenter-warnings" = String, description = "Number of warnings"),
                ("x-tenter-fingerprint" = String, description = "SHA-256 of all inputs of the file, in hex"),
                ("x-tenter-cache" = Option<String>, description = "With a result cache: `hit` or `miss`"),
                ("server-timing" = String, description = "Duration of each stage in milliseconds"),
            ),
        ),
        (status = 503, description = "The service cannot answer at the moment, or the store of templates does not work", body = ErrorBody),
        schemas::RenderErrors,
    ),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn classic(State(app): State<App>, request: Request) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer(&app, request, &mut notes).await;
    let timing = HeaderValue::from_str(&notes.timings.server_timing()).ok();
    let mut response = notes.attach_to(answered);
    if let Some(timing) = timing.filter(|it| !it.is_empty()) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    response
}

/// Checks in the order of their cost: the body is read after the key is checked, and parsed after admission.
async fn answer(app: &App, request: Request, notes: &mut RenderNotes) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = app.keys.check(&head.uri, &head.headers)?;
    notes.caller = caller.map(str::to_owned);
    let _permit = app.limits.enter(caller, &mut notes.quota)?;
    body::check_media_type(&head.headers)?;
    let bytes = body::read(&head.headers, body, &app.settings.server).await?;
    let bytes = app.templates.expand(&caller.unwrap_or_default().into(), &bytes).await?.unwrap_or(bytes);
    let mut session = app.renderers.admit().await?;
    let answered = answer_admitted(app, &mut session, &head.headers, bytes, notes).await;
    notes.timings = session.timings().clone();
    answered
}

async fn answer_admitted(
    app: &App,
    session: &mut Session,
    headers: &HeaderMap,
    bytes: Bytes,
    notes: &mut RenderNotes,
) -> Result<Response, ApiError> {
    let rendered = session.render(bytes).await?;
    let RenderedFile { bytes, format, rasterizer, fingerprint, mut warnings, cache, output } = rendered;
    notes.warnings = warnings.len();
    warnings.truncate(MAX_WARNINGS);
    let mut response = match output {
        AnswerForm::DataUrl => data_url(app, session, bytes, format.media_type(), warnings).await?,
        AnswerForm::Url => link(app, session, headers, bytes, format, warnings).await?,
        AnswerForm::File => file(app, bytes, format)?,
    };
    let headers = response.headers_mut();
    for (name, value) in [(RENDERED_BY, &*rasterizer), (RASTERIZER, &*rasterizer), (FINGERPRINT, &*fingerprint)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    headers.insert(WARNINGS, HeaderValue::from(notes.warnings));
    if let Some(cache) = cache.as_str() {
        headers.insert(CACHE, HeaderValue::from_static(cache));
    }
    Ok(response)
}

/// Maximum number of warnings in an answer; the header has the number of all.
const MAX_WARNINGS: usize = 100;

/// Body of a JSON answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// A data URL or a link.
    url: String,
    /// Differences between the result and the design; at most 100 entries.
    warnings: Vec<Warning>,
}

async fn data_url(
    app: &App,
    session: &mut Session,
    bytes: Bytes,
    media_type: &'static str,
    warnings: Vec<Warning>,
) -> Result<Response, ApiError> {
    let limit = app.settings.server.inline_bytes;
    let encoded = bytes.len().div_ceil(3) * 4; // length in base64
    check_inline(encoded, limit)?;
    let json = session
        .work(Stage::Answer, move || {
            let url = format!("data:{media_type};base64,{}", STANDARD.encode(&bytes));
            serde_json::to_vec(&Answer { url, warnings })
        })
        .await?
        .map_err(|error| Error::Internal(error.to_string()))?;
    check_inline(json.len(), limit)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response())
}

async fn link(
    app: &App,
    session: &mut Session,
    headers: &HeaderMap,
    bytes: Bytes,
    format: &'static dyn Format,
    warnings: Vec<Warning>,
) -> Result<Response, ApiError> {
    let base = link_base(&app.settings.server, headers);
    let url = session.wait(Stage::Answer, app.files.put(bytes, format.extension(), &base)).await??;
    Ok(Json(Answer { url, warnings }).into_response())
}

fn file(app: &App, bytes: Bytes, format: &'static dyn Format) -> Result<Response, ApiError> {
    check_inline(bytes.len(), app.settings.server.inline_bytes)?;
    let disposition = format!("inline; filename=\"design.{}\"", format.extension());
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn check_inline(found: usize, limit: usize) -> Result<(), ApiError> {
    if found > limit { Err(ApiError::AnswerTooLarge { found, limit }) } else { Ok(()) }
}
