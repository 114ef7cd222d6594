//! /api/renders: jobs, which are rendered in the background.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::api_error::{ApiError, ErrorBody};
use super::app::App;
use super::log::RenderNotes;
use super::owner::{DeliveryInPath, Owned, RequestOwner};
use super::query::Paging;
use super::submission::{REPLAYED, SubmissionHead};
use super::{body, prefer, schemas};
use crate::jobs::{DeliveryRecord, Job, JobId, Listing, Submission, SubmitOutcome};

/// Handler of `POST /api/renders`.
#[utoipa::path(
    post,
    path = "/api/renders",
    operation_id = "createJob",
    summary = "Render a design in the background",
    params(
        ("prefer" = Option<String>, Header, description = "`wait`: answer when the job has ended, at most after `TENTER_PREFER_WAIT`"),
        ("idempotency-key" = Option<String>, Header, max_length = 255, description = "The same key and body give the same job"),
    ),
    request_body = schemas::JobCall,
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 409, description = "The idempotency key was used before with another body", body = ErrorBody),
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
    body::check_media_type(&head.headers)?;
    let body = body::read(&head.headers, body, &app.settings.server).await?;
    let (body, sent) = match app.templates.expand(&owner, &body).await? {
        Some(expanded) => (expanded, Some(body)),
        None => (body, None),
    };
    let submission = Submission { owner: owner.clone(), body, sent, link_base, idempotency_key };
    let (mut job, replayed) = match app.jobs.submit(submission).await? {
        SubmitOutcome::New(job) => (job, false),
        SubmitOutcome::Replayed(job) => (job, true),
        SubmitOutcome::KeyReused => return Err(ApiError::IdempotencyConflict),
        SubmitOutcome::QueueFull => {
            return Err(ApiError::TooManyJobs { limit: app.settings.jobs.queue, setting: "TENTER_JOB_QUEUE" });
        }
        SubmitOutcome::OwnerFull => {
            let limit = app.settings.server.key_limits.jobs;
            return Err(ApiError::TooManyJobs { limit, setting: "TENTER_KEY_JOBS" });
        }
    };
    let wait = prefer::wait(&head.headers);
    if let Some(limit) = wait {
        let id = job.id.clone();
        // Not found when the job was deleted in the meantime.
        job = app.jobs.wait(&owner, &id, limit).await?.ok_or(ApiError::NotFound)?;
    }
    let mut response = Json(job).into_response();
    let headers = response.headers_mut();
    if wait.is_some() {
        headers.insert(prefer::APPLIED, HeaderValue::from_static("wait"));
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Handler of `GET /api/renders/{id}`.
#[utoipa::path(
    get,
    path = "/api/renders/{id}",
    operation_id = "getJob",
    summary = "One job",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "The job", body = Job), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn show(State(app): State<App>, Owned { owner, id }: Owned<JobId>) -> Result<Response, ApiError> {
    let job: Job = app.jobs.job(&owner, &id).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(job)))
}

/// `answer` with `Cache-Control: no-store`: the state of a job changes within seconds.
pub(super) fn uncached(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer).into_response()
}

/// Handler of `GET /api/renders/list?page=1&per_page=100`.
#[utoipa::path(
    get,
    path = "/api/renders/list",
    operation_id = "listJobs",
    summary = "Jobs, newest first",
    params(Paging),
    responses((status = 200, description = "Some of the key's jobs", body = Listing), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    RequestOwner(owner): RequestOwner,
    paging: Paging,
) -> Result<Response, ApiError> {
    let listing: Listing = app.jobs.list(&owner, paging.offset, paging.limit).await?;
    Ok(uncached(Json(listing)))
}

/// Handler of `DELETE /api/renders/{id}`.
#[utoipa::path(
    delete,
    path = "/api/renders/{id}",
    operation_id = "deleteJob",
    summary = "Cancel or delete a job",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 204, description = "The job and its file are deleted"), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn remove(State(app): State<App>, Owned { owner, id }: Owned<JobId>) -> Result<StatusCode, ApiError> {
    if app.jobs.remove(&owner, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::NotFound) }
}

/// The webhook deliveries of a job.
#[derive(Serialize, ToSchema)]
struct Deliveries {
    deliveries: Vec<DeliveryRecord>,
}

/// Handler of `GET /api/renders/{id}/deliveries`.
#[utoipa::path(
    get,
    path = "/api/renders/{id}/deliveries",
    operation_id = "listJobDeliveries",
    summary = "Webhook deliveries of a job",
    params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "All deliveries", body = Deliveries), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn deliveries(
    State(app): State<App>,
    Owned { owner, id }: Owned<JobId>,
) -> Result<Response, ApiError> {
    let deliveries = app.jobs.deliveries(&owner, &id).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(Deliveries { deliveries })))
}

/// Handler of `POST /api/renders/{id}/deliveries/{delivery}/retry`.
#[utoipa::path(
    post,
    path = "/api/renders/{id}/deliveries/{delivery}/retry",
    operation_id = "retryJobDelivery",
    summary = "Repeat a webhook delivery",
    params(
        ("id" = String, Path, description = "Id of the job"),
        ("delivery" = String, Path, description = "Id of the delivery"),
    ),
    responses((status = 200, description = "The delivery, scheduled again", body = DeliveryRecord), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(super) async fn retry(
    State(app): State<App>,
    Owned { owner, id }: Owned<JobId>,
    Path(DeliveryInPath { delivery }): Path<DeliveryInPath>,
) -> Result<Response, ApiError> {
    let begun = app.jobs.retry(&owner, &id, &delivery).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(begun)))
}
