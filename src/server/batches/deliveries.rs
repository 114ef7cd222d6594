//! /api/batches/{id}/deliveries: webhook deliveries of a batch, for its end and for each row.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::jobs::{BatchDelivery, BatchId, DeliveryListing, DeliveryQuery};
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::owner::{DeliveryInPath, Owned};
use crate::server::query::{Paging, StatusFilter};
use crate::server::renders::uncached;
use crate::server::schemas;

/// Handler of `GET /api/batches/{id}/deliveries?page=1&per_page=100&status=failed`.
#[utoipa::path(
    get,
    path = "/api/batches/{id}/deliveries",
    operation_id = "listBatchDeliveries",
    summary = "Webhook deliveries of a batch",
    params(
        ("id" = String, Path, description = "Id of the batch"),
        Paging,
        StatusFilter<&'static str>,
    ),
    responses((status = 200, description = "Some of the deliveries, oldest first", body = DeliveryListing), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(crate) async fn deliveries(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
    Paging { offset, limit }: Paging,
    StatusFilter(status): StatusFilter<&'static str>,
) -> Result<Response, ApiError> {
    let query = DeliveryQuery { status, offset, limit };
    let listing: DeliveryListing = app.jobs.batch_deliveries(&owner, &id, query).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(listing)))
}

/// Handler of `POST /api/batches/{id}/deliveries/{delivery}/retry`.
#[utoipa::path(
    post,
    path = "/api/batches/{id}/deliveries/{delivery}/retry",
    operation_id = "retryBatchDelivery",
    summary = "Repeat a webhook delivery of a batch",
    params(
        ("id" = String, Path, description = "Id of the batch"),
        ("delivery" = String, Path, description = "Id of the delivery"),
    ),
    responses((status = 200, description = "The delivery, scheduled again", body = BatchDelivery), schemas::JobErrors),
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(crate) async fn retry_delivery(
    State(app): State<App>,
    Owned { owner, id }: Owned<BatchId>,
    Path(DeliveryInPath { delivery }): Path<DeliveryInPath>,
) -> Result<Response, ApiError> {
    let begun: BatchDelivery = app.jobs.retry_of_batch(&owner, &id, &delivery).await?.ok_or(ApiError::NotFound)?;
    Ok(uncached(Json(begun)))
}
