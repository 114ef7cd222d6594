//! /api/renders: jobs (http-api.md §3).

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::log::RenderNotes;
use super::own::{Mine, NamedDelivery, Own};
use super::problem::{ErrorBody, Refusal};
use super::{App, body, openapi, prefer, render};
use crate::jobs::{Accepted, DeliveryRecord, Job, JobId, Listing, Owner, Submission};

/// The same call again is the same job.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that it was one before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest `Idempotency-Key`, in characters, as with other services that take one.
const KEY_CHARS: usize = 255;

/// Jobs of a page of the list: the default, and the most.
pub(super) const PER_PAGE: u64 = 100;

/// POST /api/renders
#[utoipa::path(
    post,
    path = "/api/renders",
    summary = "Render a design in the background",
    params(
        ("prefer" = Option<String>, Header, description = "`wait`: answer when the job has ended, within bounds"),
        ("idempotency-key" = Option<String>, Header, max_length = 255, description = "The same key and body give the same job"),
    ),
    request_body = openapi::JobCall,
    responses(
        (status = 200, description = "The job", body = Job),
        (status = 409, description = "The idempotency key came before, with another body", body = ErrorBody),
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
    body::check_media_type(&head.headers)?;
    let body = body::read(&head.headers, body, &app.settings.server).await?;
    let submission = Submission { owner: owner.clone(), body, link_base, idempotency_key };
    let (mut job, replayed) = match app.jobs.submit(submission).await? {
        Accepted::New(job) => (job, false),
        Accepted::Again(job) => (job, true),
        Accepted::OtherBody => return Err(Refusal::OtherBody),
        Accepted::QueueFull => {
            return Err(Refusal::JobsFull { limit: app.settings.jobs.queue, setting: "TENTER_JOB_QUEUE" });
        }
        Accepted::OwnerFull => {
            let limit = app.settings.server.key_limits.jobs;
            return Err(Refusal::JobsFull { limit, setting: "TENTER_KEY_JOBS" });
        }
    };
    let wait = prefer::wait(&head.headers);
    if let Some(limit) = wait {
        let id = job.id.clone();
        // Removed while we waited: gone is an answer too.
        job = app.jobs.wait(&owner, &id, limit).await?.ok_or(Refusal::NotFound)?;
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

/// Who asks for something that outlives the call.
pub(super) struct Caller {
    pub(super) owner: Owner,
    pub(super) idempotency_key: Option<String>,
    /// What links start with, as this caller sees us.
    pub(super) link_base: String,
}

impl Caller {
    /// Checks the key, and counts the call against what it may.
    pub(super) fn admit(app: &App, head: &Parts, notes: &mut RenderNotes) -> Result<Self, Refusal> {
        let caller = app.keys.check(&head.uri, &head.headers)?;
        notes.caller = caller.map(str::to_owned);
        app.limits.count(caller, &mut notes.quota)?;
        let idempotency_key = idempotency_key(&head.headers)?;
        let owner = caller.unwrap_or_default().into();
        Ok(Self { owner, idempotency_key, link_base: render::link_base(app, &head.headers) })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|it| (1..=KEY_CHARS).contains(&it.len()));
    key.map(|it| Some(it.to_owned())).ok_or(Refusal::Header("idempotency-key", "1 to 255 printable ASCII characters"))
}

/// GET /api/renders/{id}
#[utoipa::path(
    get,
    path = "/api/renders/{id}",
    summary = "One job",
    params(("id" = String, Path, description = "As the job object has it")),
    responses((status = 200, description = "The job", body = Job), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn show(State(app): State<App>, Own { owner, id }: Own<JobId>) -> Result<Response, Refusal> {
    let job: Job = app.jobs.job(&owner, &id).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(job)))
}

/// Nobody may keep what changes by the second.
pub(super) fn fresh(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer).into_response()
}

/// GET /api/renders/list?page=1&per_page=100
#[utoipa::path(
    get,
    path = "/api/renders/list",
    summary = "Jobs, newest first",
    params(
        ("page" = Option<u32>, Query, minimum = 1, description = "From 1"),
        ("per_page" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Default 100"),
    ),
    responses((status = 200, description = "Some of the key's jobs", body = Listing), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn list(State(app): State<App>, Mine(owner): Mine, uri: Uri) -> Result<Response, Refusal> {
    let (offset, limit) = paging(&uri, PER_PAGE)?;
    let listing: Listing = app.jobs.list(&owner, offset, limit).await?;
    Ok(fresh(Json(listing)))
}

/// How many entries of a list to leave out, and how many to tell: `page` (from 1) and `per_page` (up to `most`).
pub(super) fn paging(uri: &Uri, most: u64) -> Result<(u64, u64), Refusal> {
    let (mut page, mut per_page) = (1, most);
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let number = || value.parse::<u64>().ok().filter(|it| *it > 0);
        match &*name {
            "page" => {
                let last = u64::from(u32::MAX);
                page = number().filter(|it| *it <= last).ok_or(Refusal::Query("page", "a whole number from 1"))?;
            }
            "per_page" => {
                let accepted = Refusal::Query("per_page", "a whole number from 1 to 100");
                per_page = number().filter(|it| *it <= most).ok_or(accepted)?;
            }
            _ => {}
        }
    }
    Ok(((page - 1) * per_page, per_page))
}

/// DELETE /api/renders/{id}
#[utoipa::path(
    delete,
    path = "/api/renders/{id}",
    summary = "Cancel or remove a job",
    params(("id" = String, Path, description = "As the job object has it")),
    responses((status = 204, description = "Gone, and its file"), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn remove(State(app): State<App>, Own { owner, id }: Own<JobId>) -> Result<StatusCode, Refusal> {
    if app.jobs.remove(&owner, &id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Refusal::NotFound) }
}

/// What a job's receiver was told.
#[derive(Serialize, ToSchema)]
struct Deliveries {
    deliveries: Vec<DeliveryRecord>,
}

/// GET /api/renders/{id}/deliveries
#[utoipa::path(
    get,
    path = "/api/renders/{id}/deliveries",
    summary = "What the job's receiver was told",
    params(("id" = String, Path, description = "As the job object has it")),
    responses((status = 200, description = "All deliveries", body = Deliveries), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn deliveries(State(app): State<App>, Own { owner, id }: Own<JobId>) -> Result<Response, Refusal> {
    let deliveries = app.jobs.deliveries(&owner, &id).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(Deliveries { deliveries })))
}

/// POST /api/renders/{id}/deliveries/{delivery}/retry
#[utoipa::path(
    post,
    path = "/api/renders/{id}/deliveries/{delivery}/retry",
    summary = "Tell the receiver again",
    params(
        ("id" = String, Path, description = "As the job object has it"),
        ("delivery" = String, Path, description = "As the delivery has it"),
    ),
    responses((status = 200, description = "The delivery, under way again", body = DeliveryRecord), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn retry(
    State(app): State<App>,
    Own { owner, id }: Own<JobId>,
    Path(NamedDelivery { delivery }): Path<NamedDelivery>,
) -> Result<Response, Refusal> {
    let begun = app.jobs.retry(&owner, &id, &delivery).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(begun)))
}
