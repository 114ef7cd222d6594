//! /api/batches: one design, many rows.

mod archive;
mod deliveries;
mod manifest;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::log::RenderNotes;
use super::own::{Mine, Own};
use super::problem::{ErrorBody, Refusal};
use super::renders::{Caller, PER_PAGE, REPLAYED, fresh, paging};
use super::{App, body, openapi};
use crate::jobs::{
    AcceptedBatch, Batch, BatchCall, BatchId, BatchListing, BatchSubmission, ItemListing, ItemQuery, Status,
};
use crate::rows::RowFormat;

pub(super) use self::archive::{__path_archive, archive};
pub(super) use self::deliveries::{__path_deliveries, __path_retry_delivery, deliveries, retry_delivery};
pub(super) use self::manifest::{__path_manifest, manifest};

/// Accepted as bodies of POST /api/batches.
const BODIES: &str = "application/json, text/csv, application/x-ndjson";

/// Where keys stand in the query.
const KEY: &str = "KEY";

/// POST /api/batches
#[utoipa::path(
    post,
    path = "/api/batches",
    summary = "Render one design with many rows",
    description = "In JSON, or with the rows as body (`text/csv`, `application/x-ndjson`) and all other members, `designUrl` among \
                   them, in the query.",
    params(
        ("idempotency-key" = Option<String>, Header, max_length = 255, description = "The same key and call give the same batch"),
    ),
    request_body = openapi::BatchBody,
    responses(
        (status = 200, description = "The batch", body = Batch),
        (status = 409, description = "The idempotency key came before, with another call", body = ErrorBody),
        (status = 503, description = "The store of jobs cannot do its work", body = ErrorBody),
        openapi::RenderErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn create(State(app): State<App>, request: Request) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer(&app, request, &mut notes).await;
    notes.onto(answered)
}

async fn answer(app: &App, request: Request, notes: &mut RenderNotes) -> Result<Response, Refusal> {
    let (head, body) = request.into_parts();
    let Caller { owner, idempotency_key, link_base } = Caller::admit(app, &head, notes)?;
    let format = body::media_type(&head.headers, BODIES, RowFormat::of_media_type)?;
    let body = body::read(&head.headers, body, &app.settings.server).await?;
    let call = match format {
        RowFormat::Json => BatchCall::Json(body),
        RowFormat::Csv | RowFormat::Ndjson => BatchCall::Rows { rows: body, format, query: members(&head.uri) },
    };
    let submission = BatchSubmission { owner, call, link_base, idempotency_key };
    let full = |limit, setting| Err(Refusal::RowsFull { limit, setting });
    let (batch, replayed): (Batch, bool) = match app.jobs.submit_batch(submission).await? {
        AcceptedBatch::New(batch) => (batch, false),
        AcceptedBatch::Again(batch) => (batch, true),
        AcceptedBatch::OtherBody => return Err(Refusal::OtherBody),
        AcceptedBatch::QueueFull => return full(app.settings.batches.queue, "TENTER_BATCH_QUEUE"),
        AcceptedBatch::RowsFull => return full(app.settings.server.key_limits.rows, "TENTER_KEY_ROWS"),
        AcceptedBatch::OwnerFull => {
            let limit = app.settings.server.key_limits.jobs;
            return Err(Refusal::JobsFull { limit, setting: "TENTER_KEY_JOBS" });
        }
    };
    let mut response = Json(batch).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// What the query says, without the key.
fn members(uri: &Uri) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.filter(|(name, _)| name != KEY).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// GET /api/batches?page=1&per_page=100
#[utoipa::path(
    get,
    path = "/api/batches",
    summary = "Batches, newest first",
    params(
        ("page" = Option<u32>, Query, minimum = 1, description = "From 1"),
        ("per_page" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Default 100"),
    ),
    responses((status = 200, description = "Some of the key's batches", body = BatchListing), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn list(State(app): State<App>, Mine(owner): Mine, uri: Uri) -> Result<Response, Refusal> {
    let (offset, limit) = paging(&uri, PER_PAGE)?;
    let listing: BatchListing = app.jobs.batches(&owner, offset, limit).await?;
    Ok(fresh(Json(listing)))
}

/// GET /api/batches/{id}
#[utoipa::path(
    get,
    path = "/api/batches/{id}",
    summary = "One batch: how far it is",
    params(("id" = String, Path, description = "As the batch object has it")),
    responses((status = 200, description = "The batch", body = Batch), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn show(State(app): State<App>, Own { owner, id }: Own<BatchId>) -> Result<Response, Refusal> {
    let batch: Batch = app.jobs.batch(&owner, &id).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(batch)))
}

/// GET /api/batches/{id}/items?page=1&per_page=100&status=error
#[utoipa::path(
    get,
    path = "/api/batches/{id}/items",
    summary = "Rows of a batch, in order",
    params(
        ("id" = String, Path, description = "As the batch object has it"),
        ("page" = Option<u32>, Query, minimum = 1, description = "From 1"),
        ("per_page" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Default 100"),
        ("status" = Option<Status>, Query, description = "Only rows in this state"),
    ),
    responses((status = 200, description = "Some of the rows", body = ItemListing), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn items(
    State(app): State<App>,
    Own { owner, id }: Own<BatchId>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let (offset, limit) = paging(&uri, PER_PAGE)?;
    let all = [Status::Scheduled, Status::Progress, Status::Done, Status::Error];
    let status = status(&uri, &all, Status::as_str, "scheduled, progress, done, error")?;
    let query = ItemQuery { status, after_row: 0, offset, limit };
    let found = app.jobs.items(&owner, &id, query).await?.ok_or(Refusal::NotFound)?;
    let listing: ItemListing = found.listing;
    Ok(fresh(Json(listing)))
}

/// The one of `all` that the query's `status` says, if it has one; `accepted` are their words.
fn status<T: Copy>(
    uri: &Uri,
    all: &[T],
    word: fn(T) -> &'static str,
    accepted: &'static str,
) -> Result<Option<T>, Refusal> {
    let mut pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let Some((_, asked)) = pairs.find(|(name, _)| name == "status") else { return Ok(None) };
    let found = all.iter().copied().find(|it| word(*it) == asked);
    found.map(Some).ok_or(Refusal::Query("status", accepted))
}

/// POST /api/batches/{id}/retry
#[utoipa::path(
    post,
    path = "/api/batches/{id}/retry",
    summary = "Render the failed rows again",
    params(("id" = String, Path, description = "As the batch object has it")),
    responses((status = 200, description = "The batch, with those rows waiting again", body = Batch), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn retry(State(app): State<App>, Own { owner, id }: Own<BatchId>) -> Result<Response, Refusal> {
    app.jobs.retry_rows(&owner, &id).await?.ok_or(Refusal::NotFound)?;
    let batch: Batch = app.jobs.batch(&owner, &id).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(batch)))
}

/// DELETE /api/batches/{id}
#[utoipa::path(
    delete,
    path = "/api/batches/{id}",
    summary = "Cancel or remove a batch",
    params(("id" = String, Path, description = "As the batch object has it")),
    responses((status = 204, description = "Gone, and its files; rows that waited are not begun"), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn remove(State(app): State<App>, Own { owner, id }: Own<BatchId>) -> Result<StatusCode, Refusal> {
    if app.jobs.remove_batch(&owner, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::NotFound) }
}
