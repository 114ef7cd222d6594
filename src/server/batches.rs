//! /api/batches: one design rendered with many rows.

mod archive;
mod deliveries;
mod manifest;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::log::RenderNotes;
use super::owner::{Owned, RequestOwner};
use super::query::{Paging, QueryParameters, StatusFilter};
use super::renders::uncached;
use super::submission::{REPLAYED, SubmissionHead};
use super::{body, schemas};
use crate::jobs::{
    Batch, BatchCall, BatchId, BatchListing, BatchSubmission, BatchSubmitOutcome, ItemListing, ItemQuery, Status,
};
use crate::rows::RowFormat;
use crate::templates::Named;

pub(super) use self::archive::{__path_archive, archive};
pub(super) use self::deliveries::{__path_deliveries, __path_retry_delivery, deliveries, retry_delivery};
pub(super) use self::manifest::{__path_manifest, manifest};

/// Media types of the body of POST /api/batches.
const BODIES: &str = "application/json, text/csv, application/x-ndjson";

/// Handler of `POST /api/batches`.
#[utoipa::path(
    post,
    path = "/api/batches",
    operation_id = "createBatch",
    summary = "Render one design with many rows",
    description = "In JSON, or with the rows as body (`text/csv`, `application/x-ndjson`) and all other members, `designUrl` among \
                   them, in the query.",
    params(
        ("idempotency-key" = Option<String>, Header, max_length = 255, description = "The same key and call give the same batch"),
    ),
    request_body(content(
        (schemas::BatchBody = "application/json"),
        (schemas::CsvRows = "text/csv"),
        (schemas::NdjsonRows = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "The batch", body = Batch),
        (status = 409, description = "The idempotency key was used before with another call", body = ErrorBody),
        (status = 503, description = "The job store does not work at the moment", body = ErrorBody),
        schemas::RenderErrors,
    ),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn create(State(app): State<App>, request: Request) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer(&app, request, &mut notes).await;
    notes.attach_to(answered)
}

async fn answer(app: &App, request: Request, notes: &mut RenderNotes) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let SubmissionHead { owner, idempotency_key, link_base } = SubmissionHead::read(app, &head, notes)?;
    let format = body::media_type(&head.headers, BODIES, RowFormat::from_media_type)?;
    let body = body::read(&head.headers, body, &app.settings.server).await?;
    let call = match format {
        RowFormat::Json => BatchCall::Json(body),
        RowFormat::Csv | RowFormat::Ndjson => {
            BatchCall::Rows { rows: body, format, query: QueryParameters::of(&head.uri).without_api_key() }
        }
    };
    let named = match &call {
        BatchCall::Json(body) => Named::in_body(body)?,
        BatchCall::Rows { query, .. } => Named::in_query(query)?,
    };
    let design = match named {
        Some(named) => Some(app.templates.named(&owner, &named).await?.design),
        None => None,
    };
    let submission = BatchSubmission { owner, call, design, link_base, idempotency_key };
    let full = |limit, setting| Err(ApiError::TooManyRows { limit, setting });
    let (batch, replayed): (Batch, bool) = match app.jobs.submit_batch(submission).await? {
        BatchSubmitOutcome::New(batch) => (batch, false),
        BatchSubmitOutcome::Replayed(batch) => (batch, true),
        BatchSubmitOutcome::KeyReused => return Err(ApiError::IdempotencyConflict),
        BatchSubmitOutcome::QueueFull => return full(app.settings.batches.queue, "TENTER_BATCH_QUEUE"),
        BatchSubmitOutcome::RowsFull => return full(app.settings.server.key_limits.rows, "TENTER_KEY_ROWS"),
        BatchSubmitOutcome::OwnerFull => {
            let limit = app.settings.server.key_limits.jobs;
            return Err(ApiError::TooManyJobs { limit, setting: "TENTER_KEY_JOBS" });
        }
    };
    let mut response = Json(batch).into_response();
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Handler of `GET /api/batches?page=1&per_page=100`.
#[utoipa::path(
    get,
    path = "/api/batches",
    operation_id = "listBatches",
    summary = "Batches, newest first",
    params(Paging),
    responses((status = 200, description = "Some of the key's batches", body = BatchListing), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    RequestOwner(owner): RequestOwner,
    paging: Paging,
) -> Result<Response, ApiError> {
    let listing: BatchListing = app.jobs.batches(&owner, paging.offset, paging.limit).await?;
    Ok(uncached(Json(listing)))
}

/// Handler of `GET /api/batches/{id}`.
#[utoipa::path(
    get,
    path = "/api/batches/{id}",
    operation_id = "getBatch",
    summary = "A batch and its progress",
    params(("id" = String, Path, description = "Id of the batch")),
    responses((status = 200, description = "The batch", body = Batch), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn show(State(app): State<App>, Owned { owner, id }: Owned<BatchId>) -> Result<Response, ApiError> {
    let batch: Batch = app.jobs.batch(&owner, &id).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(batch)))
}

/// Handler of `GET /api/batches/{id}/items?page=1&per_page=100&status=error`.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/items",
    operation_id = "listBatchItems",
    summary = "Rows of a batch, in order",
    params(
        ("id" = String, Path, description = "Id of the batch"),
        Paging,
        StatusFilter<Status>,
    ),
    responses((status = 200, description = "Some of the rows", body = ItemListing), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn items(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
    Paging { offset, limit }: Paging,
    StatusFilter(status): StatusFilter<Status>,
) -> Result<Response, ApiError> {
    let query = ItemQuery { status, after_row: 0, offset, limit };
    let found = app.jobs.items(&owner, &id, query).await?.ok_or(ApiError::NotFound)?;
    let listing: ItemListing = found.listing;
    Ok(uncached(Json(listing)))
}

/// Handler of `POST /api/batches/{id}/retry`.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/retry",
    operation_id = "retryBatch",
    summary = "Render the failed rows again",
    params(("id" = String, Path, description = "Id of the batch")),
    responses((status = 200, description = "The batch, with its failed rows scheduled again", body = Batch), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn retry(State(app): State<App>, Owned { owner, id }: Owned<BatchId>) -> Result<Response, ApiError> {
    app.jobs.retry_rows(&owner, &id).await?.ok_or(ApiError::NotFound)?;
    let batch: Batch = app.jobs.batch(&owner, &id).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(batch)))
}

/// Handler of `DELETE /api/batches/{id}`.
#[utoipa::path(
    delete,
    path = "/api/batches/{id}",
    operation_id = "deleteBatch",
    summary = "Cancel or delete a batch",
    params(("id" = String, Path, description = "Id of the batch")),
    responses((status = 204, description = "The batch and its files are deleted; rows that waited are not rendered"), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
) -> Result<StatusCode, ApiError> {
    if app.jobs.remove_batch(&owner, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound) }
}
