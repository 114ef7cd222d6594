//! Batches are not kept on NATS: every call says so, instead of accepting what nobody would render.

use super::Nats;
use crate::jobs::batch::{Batch, BatchId, BatchListing};
use crate::jobs::store::{
    AcceptedBatch, Answer, BatchStore, ItemQuery, NewBatch, Owner, Pin, StoreError, StoredItems, StoredRow, Template,
};

fn refused<'a, T: Send + 'a>() -> Answer<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Unsupported {
        place: "jobs on NATS (TENTER_NATS_URL)".to_owned(),
        reason:
            "batches are not built there; send each row as a job to /api/renders, use `tenter batch`, or serve batches \
                 from a process without TENTER_NATS_URL"
                .to_owned(),
    })))
}

impl BatchStore for Nats {
    fn accept_batch(&self, _: NewBatch) -> Answer<'_, AcceptedBatch> {
        refused()
    }

    fn batch<'a>(&'a self, _: &'a Owner, _: &'a BatchId) -> Answer<'a, Option<Batch>> {
        refused()
    }

    fn batches<'a>(&'a self, _: &'a Owner, _: u64, _: u64) -> Answer<'a, BatchListing> {
        refused()
    }

    fn items<'a>(&'a self, _: &'a Owner, _: &'a BatchId, _: ItemQuery) -> Answer<'a, Option<StoredItems>> {
        refused()
    }

    fn retry_rows<'a>(&'a self, _: &'a Owner, _: &'a BatchId) -> Answer<'a, Option<u64>> {
        refused()
    }

    fn remove_batch<'a>(&'a self, _: &'a Owner, _: &'a BatchId) -> Answer<'a, bool> {
        refused()
    }

    fn template<'a>(&'a self, _: &'a BatchId) -> Answer<'a, Option<Template>> {
        refused()
    }

    fn row_values<'a>(&'a self, _: &'a BatchId, _: u64, _: u64) -> Answer<'a, Option<Vec<StoredRow>>> {
        refused()
    }

    fn pinned<'a>(&'a self, _: &'a BatchId, _: &'a str) -> Answer<'a, Option<[u8; 32]>> {
        refused()
    }

    fn pin<'a>(&'a self, _: &'a BatchId, _: Pin) -> Answer<'a, Option<[u8; 32]>> {
        refused()
    }
}
