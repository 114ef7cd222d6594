//! GET /api/batches/{id}/manifest: the outcome of each row, one line of JSON each.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use crate::jobs::{BatchId, ItemPage, ItemQuery, Jobs, Owner, Status, StoreError};
use crate::rows::ManifestRecord;
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::owner::Owned;
use crate::server::schemas;

/// Number of rows that are loaded at once.
const ROWS_PER_PAGE: u64 = 500;

/// Handler of `GET /api/batches/{id}/manifest`.
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
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(crate) async fn manifest(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
) -> Result<Response, ApiError> {
    let mut pages = ItemPages::open(app.jobs, owner, id, None).await?.ok_or(ApiError::NotFound)?;
    let first = pages.next().await?;
    let rest = stream::unfold((first, pages), async |(page, mut pages)| {
        let page = page?;
        let lines = manifest_lines(page);
        // An error aborts the answer, as half a manifest must not look like a complete one.
        match pages.next().await {
            Ok(next) => Some((lines, (next, pages))),
            Err(error) => Some((Err(io::Error::other(error)), (None, pages))),
        }
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(rest)).into_response())
}

/// Manifest lines of those rows of `page` that have ended.
pub(super) fn manifest_lines(page: ItemPage) -> io::Result<Bytes> {
    let mut lines = Vec::new();
    for record in page.listing.items.into_iter().filter_map(|item| item.record()) {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

/// Reader of a batch's items, one page of rows after the other, in row order.
pub(super) struct ItemPages {
    jobs: Jobs,
    owner: Owner,
    id: BatchId,
    status: Option<Status>,
    /// The next page, loaded ahead.
    ready: Option<ItemPage>,
}

impl ItemPages {
    /// Loads the first page; `None` when the batch does not exist. `status`: only rows in this state.
    pub(super) async fn open(
        jobs: Jobs,
        owner: Owner,
        id: BatchId,
        status: Option<Status>,
    ) -> Result<Option<Self>, StoreError> {
        let mut pages = Self { jobs, owner, id, status, ready: None };
        pages.ready = pages.load(0).await?;
        Ok(pages.ready.is_some().then_some(pages))
    }

    /// The next page; `None` after the last, and when the batch was removed in the meantime.
    pub(super) async fn next(&mut self) -> Result<Option<ItemPage>, StoreError> {
        let Some(page) = self.ready.take() else { return Ok(None) };
        let Some(last) = page.listing.items.last() else { return Ok(None) };
        self.ready = self.load(last.row).await?;
        Ok(Some(page))
    }

    async fn load(&self, after_row: u64) -> Result<Option<ItemPage>, StoreError> {
        let query = ItemQuery { status: self.status, after_row, offset: 0, limit: ROWS_PER_PAGE };
        self.jobs.items(&self.owner, &self.id, query).await
    }
}
