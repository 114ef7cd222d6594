//! /api/batches/{id}/deliveries: what the receiver of a batch was told, of its end and of each row.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;

use super::status;
use crate::jobs::{BatchDelivery, BatchId, DeliveryListing, DeliveryQuery, DeliveryRecord};
use crate::server::own::{NamedDelivery, Own};
use crate::server::problem::Refusal;
use crate::server::renders::{PER_PAGE, fresh, paging};
use crate::server::{App, openapi};

/// GET /api/batches/{id}/deliveries?page=1&per_page=100&status=failed
#[utoipa::path(
    get,
    path = "/api/batches/{id}/deliveries",
    summary = "What the batch's receiver was told",
    params(
        ("id" = String, Path, description = "As the batch object has it"),
        ("page" = Option<u32>, Query, minimum = 1, description = "From 1"),
        ("per_page" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Default 100"),
        ("status" = Option<String>, Query, description = "Only these: `pending`, `delivered`, `failed`, `superseded`"),
    ),
    responses((status = 200, description = "Some of the deliveries, oldest first", body = DeliveryListing), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(in crate::server) async fn deliveries(
    State(app): State<App>,
    Own { owner, id }: Own<BatchId>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let (offset, limit) = paging(&uri, PER_PAGE)?;
    let status = status(&uri, &DeliveryRecord::STATUSES, |it| it, "pending, delivered, failed, superseded")?;
    let query = DeliveryQuery { status, offset, limit };
    let listing: DeliveryListing = app.jobs.batch_deliveries(&owner, &id, query).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(listing)))
}

/// POST /api/batches/{id}/deliveries/{delivery}/retry
#[utoipa::path(
    post,
    path = "/api/batches/{id}/deliveries/{delivery}/retry",
    summary = "Tell the batch's receiver again",
    params(
        ("id" = String, Path, description = "As the batch object has it"),
        ("delivery" = String, Path, description = "As the delivery has it"),
    ),
    responses((status = 200, description = "The delivery, under way again", body = BatchDelivery), openapi::JobErrors),
    security(("key" = []), ("bearer" = [])),
)]
pub(in crate::server) async fn retry_delivery(
    State(app): State<App>,
    Own { owner, id }: Own<BatchId>,
    Path(NamedDelivery { delivery }): Path<NamedDelivery>,
) -> Result<Response, Refusal> {
    let begun: BatchDelivery = app.jobs.retry_of_batch(&owner, &id, &delivery).await?.ok_or(Refusal::NotFound)?;
    Ok(fresh(Json(begun)))
}
