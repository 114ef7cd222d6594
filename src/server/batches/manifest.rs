//! GET /api/batches/{id}/manifest: the outcome of each row, one line of JSON each.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::jobs::{BatchId, FoundItems, ItemQuery, Jobs, Owner, Status, StoreError};
use crate::rows::ManifestRecord;
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::owner::Owned;
use crate::server::schemas;

/// Number of rows that are loaded at once.
const ROWS: u64 = 500;

/// GET /api/batches/{id}/manifest
#[utoipa::path(
    get,
    path = "/api/batches/{id}/manifest",
    operation_id = "getBatchManifest",
    summary = "Outcome of each row",
    params(("id" = String, Path, description = "Id of the batch")),
    responses(
        (status = 200, description = "One line of JSON for each row that has ended, in the order of rows",
            content((ManifestRecord = "application/x-ndjson"))),
        schemas::JobErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(crate) async fn manifest(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
) -> Result<Response, ApiError> {
    let mut reading = Reading::begin(app.jobs, owner, id, None).await?.ok_or(ApiError::NotFound)?;
    let first = reading.next().await?;
    let rest = stream::unfold((first, reading), async |(page, mut reading)| {
        let page = page?;
        let lines = lines_of(page);
        // What breaks off here breaks the answer off: half a manifest must not look like a whole one.
        match reading.next().await {
            Ok(next) => Some((lines, (next, reading))),
            Err(error) => Some((Err(io::Error::other(error)), (None, reading))),
        }
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(rest)).into_response())
}

/// Those of the rows that have ended.
pub(super) fn lines_of(page: FoundItems) -> io::Result<Bytes> {
    let mut lines = Vec::new();
    for record in page.listing.items.into_iter().filter_map(|item| item.record()) {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// Reads a batch's items page by page, going on from the last row it had.
pub(super) struct Reading {
    jobs: Jobs,
    owner: Owner,
    id: BatchId,
    status: Option<Status>,
    ready: Option<FoundItems>,
}

impl Reading {
    /// `None` when there is no such batch. `status`: of the rows wanted.
    pub(super) async fn begin(
        jobs: Jobs,
        owner: Owner,
        id: BatchId,
        status: Option<Status>,
    ) -> Result<Option<Self>, StoreError> {
        let mut reading = Self { jobs, owner, id, status, ready: None };
        reading.ready = reading.read(0).await?;
        Ok(reading.ready.is_some().then_some(reading))
    }

    /// The next page; `None` after the last, and when the batch has been removed meanwhile.
    pub(super) async fn next(&mut self) -> Result<Option<FoundItems>, StoreError> {
        let Some(page) = self.ready.take() else { return Ok(None) };
        let Some(last) = page.listing.items.last() else { return Ok(None) };
        self.ready = self.read(last.row).await?;
        Ok(Some(page))
    }

    async fn read(&self, after_row: u64) -> Result<Option<FoundItems>, StoreError> {
        let query = ItemQuery { status: self.status, after_row, offset: 0, limit: ROWS };
        self.jobs.items(&self.owner, &self.id, query).await
    }
}
