//! /api/templates: designs that calls use by name.

use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, RequestExt};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::log::RenderNotes;
use super::owner::RequestOwner;
use super::query::{Paging, TemplateFilter};
use super::ranges::{self, Choice};
use super::renders::uncached;
use super::{body, schemas};
use crate::error::Error;
use crate::jobs::Owner;
use crate::report::JsonPath;
use crate::templates::{Template, TemplateDesign, TemplateId, TemplateListing, TemplateName, TemplateVersion};

/// Longer side of a preview in px; a smaller page is shown as it is.
const PREVIEW_SIDE: f64 = 400.0;
/// Path of the version in a name, for problems.
const VERSION: &str = "id";

/// The template that `{id}` in the path names, with the caller. Calls without a valid key are rejected first.
pub(super) struct NamedTemplate {
    owner: Owner,
    name: TemplateName,
}

impl FromRequestParts<App> for NamedTemplate {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let RequestOwner(owner) = RequestOwner::from_request_parts(head, app).await?;
        // Text that is not UTF-8 cannot be an id.
        let Path(text) = Path::<String>::from_request_parts(head, app).await.map_err(|_| ApiError::NotFound)?;
        Ok(Self { owner, name: text.parse().map_err(|_| ApiError::NotFound)? })
    }
}

/// A template with its design and all its versions.
#[derive(Serialize, ToSchema)]
struct WholeTemplate<'a> {
    #[serde(flatten)]
    template: &'a Template,
    /// The versions that are kept, oldest first; empty for a file.
    versions: &'a [TemplateVersion],
    /// The design, unchanged.
    #[serde(skip)]
    #[schema(value_type = Object)]
    #[expect(dead_code, reason = "describes JSON")]
    design: (),
}

/// Handler of `GET /api/templates?name=…&tag=…&page=1&per_page=100`.
#[utoipa::path(
    get,
    path = "/api/templates",
    operation_id = "listTemplates",
    summary = "Templates, sorted by id",
    params(TemplateFilter, Paging),
    responses((status = 200, description = "Some of the templates, without their designs", body = TemplateListing), schemas::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    RequestOwner(owner): RequestOwner,
    TemplateFilter(filter): TemplateFilter,
    paging: Paging,
) -> Result<Response, ApiError> {
    let listing: TemplateListing = app.templates.list(&owner, filter, paging.offset, paging.limit).await?;
    Ok(uncached(Json(listing)))
}

/// Handler of `PUT /api/templates/{id}`.
#[utoipa::path(
    put,
    path = "/api/templates/{id}",
    operation_id = "putTemplate",
    summary = "Store a version of a template",
    description = "Creates the template if there is none of this id. The body may also be a design alone.",
    params(("id" = String, Path, description = "Id; a slash in it is written as %2F")),
    request_body = schemas::TemplateBody,
    responses(
        (status = 200, description = "The template with its new version", body = Template),
        (status = 201, description = "The new template", body = Template),
        (status = 409, description = "The template is a file in TENTER_TEMPLATES_DIR, or other calls change it", body = ErrorBody),
        (status = 413, description = "The body is larger than TENTER_REQUEST_MAX_BYTES", body = ErrorBody),
        (status = 415, description = "The body is not declared as JSON", body = ErrorBody),
        schemas::JobErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn put(State(app): State<App>, mut request: Request) -> Result<Response, ApiError> {
    let NamedTemplate { owner, name } = request.extract_parts_with_state(&app).await?;
    let id = without_version(name)?;
    let (head, body) = request.into_parts();
    body::check_media_type(&head.headers)?;
    let body = body::read(&head.headers, body, &app.settings.server).await?;
    let (template, is_new): (Template, bool) = app.templates.put(&owner, &id, body).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, uncached(Json(template))).into_response())
}

/// Handler of `GET /api/templates/{id}`, where the id may have a version.
#[utoipa::path(
    get,
    path = "/api/templates/{id}",
    operation_id = "getTemplate",
    summary = "One template with its design",
    params(("id" = String, Path, description = "Id, or id@version; a slash in it is written as %2F")),
    responses((status = 200, description = "The template", body = WholeTemplate), schemas::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn show(
    State(app): State<App>,
    NamedTemplate { owner, name }: NamedTemplate,
) -> Result<Response, ApiError> {
    let found = app.templates.show(&owner, &name, &JsonPath::from(VERSION)).await?.ok_or(ApiError::NotFound)?;
    let json = with_design(&found)?;
    Ok(uncached(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json)))
}

/// The JSON of a [`WholeTemplate`]: the text of the design, which may be large, is inserted as the last member.
fn with_design(found: &TemplateDesign) -> Result<Vec<u8>, Error> {
    let whole = WholeTemplate { template: &found.template, versions: &found.versions, design: () };
    let mut json = serde_json::to_vec(&whole).map_err(|error| Error::Internal(error.to_string()))?;
    json.pop(); // the closing brace
    json.extend_from_slice(b",\"design\":");
    json.extend_from_slice(&found.design);
    json.push(b'}');
    Ok(json)
}

/// Handler of `DELETE /api/templates/{id}`.
#[utoipa::path(
    delete,
    path = "/api/templates/{id}",
    operation_id = "deleteTemplate",
    summary = "Delete a template with all its versions",
    params(("id" = String, Path, description = "Id; a slash in it is written as %2F")),
    responses(
        (status = 204, description = "The template is deleted"),
        (status = 409, description = "The template is a file in TENTER_TEMPLATES_DIR", body = ErrorBody),
        schemas::JobErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn remove(
    State(app): State<App>,
    NamedTemplate { owner, name }: NamedTemplate,
) -> Result<StatusCode, ApiError> {
    let id = without_version(name)?;
    if app.templates.remove(&owner, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound) }
}

fn without_version(name: TemplateName) -> Result<TemplateId, ApiError> {
    match name.version {
        None => Ok(name.id),
        Some(_) => Err(ApiError::Path("id", "an id without a version, since versions do not change")),
    }
}

/// Handler of `GET /api/templates/{id}/preview`.
#[utoipa::path(
    get,
    path = "/api/templates/{id}/preview",
    operation_id = "getTemplatePreview",
    summary = "A small picture of a template",
    description = "The first page as PNG, at most 400 px wide and high, with the values that the design has.",
    params(("id" = String, Path, description = "Id, or id@version; a slash in it is written as %2F")),
    responses(
        (status = 200, description = "The picture", content((schemas::Bytes = "image/png"))),
        (status = 304, description = "The caller has the picture: `if-none-match` names its `etag`"),
        (status = 503, description = "The store or the renderers do not work at the moment", body = ErrorBody),
        (status = 404, description = "The template does not exist, or no longer", body = ErrorBody),
        schemas::RenderErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn preview(
    State(app): State<App>,
    NamedTemplate { owner, name }: NamedTemplate,
    asked: HeaderMap,
) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer_preview(&app, &owner, &name, &asked, &mut notes).await;
    notes.attach_to(answered)
}

async fn answer_preview(
    app: &App,
    owner: &Owner,
    name: &TemplateName,
    asked: &HeaderMap,
    notes: &mut RenderNotes,
) -> Result<Response, ApiError> {
    let found = app.templates.show(owner, name, &JsonPath::from(VERSION)).await?.ok_or(ApiError::NotFound)?;
    let etag = format!("\"{}\"", found.sha256);
    let mut response = match ranges::choose(asked, &etag, 0) {
        Choice::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Choice::Whole | Choice::Part(_) | Choice::Outside => {
            let png = match app.templates.preview(&found).await {
                Some(png) => png,
                None => paint_preview(app, owner, &found, notes).await?,
            };
            ([(header::CONTENT_TYPE, HeaderValue::from_static("image/png"))], png).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

async fn paint_preview(
    app: &App,
    owner: &Owner,
    found: &TemplateDesign,
    notes: &mut RenderNotes,
) -> Result<Bytes, ApiError> {
    let caller = Some(&**owner).filter(|it| !it.is_empty());
    notes.caller = caller.map(str::to_owned);
    let _permit = app.limits.enter(caller, &mut notes.quota)?;
    let facts = &found.template.facts;
    let ratio = (PREVIEW_SIDE / facts.width.max(facts.height)).min(1.0);
    let options = json!({"pixelRatio": ratio, "skipFontError": true, "skipImageError": true});
    let mut call = Vec::with_capacity(found.design.len() + 200);
    call.extend_from_slice(b"{\"design\":");
    call.extend_from_slice(&found.design);
    call.extend_from_slice(format!(",\"outputFormat\":\"file\",\"exportOptions\":{options}}}").as_bytes());
    let mut session = app.renderers.admit().await?;
    let rendered = session.render(call.into()).await;
    notes.timings = session.timings().clone();
    let rendered = rendered?;
    notes.warnings = rendered.warnings.len();
    // Pictures that could not be loaded may be there next time.
    if rendered.warnings.is_empty()
        && let Err(error) = app.templates.put_preview(found, rendered.bytes.clone()).await
    {
        tracing::warn!(template = %found.template.id, %error, "cannot store a preview");
    }
    Ok(rendered.bytes)
}
