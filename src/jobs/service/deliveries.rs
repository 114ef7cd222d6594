//! Webhooks: taken from the outbox under a lease, delivered at least once, listed and restarted.

use std::time::Duration;

use super::{Change, Durability, Service, invalid_record};
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::{DueDelivery, Release, RowSet, Stored};
use crate::jobs::life::delivery::{Lease, lease};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::store::{
    BatchDelivery, Delivery, DeliveryAttempt, DeliveryCapacity, DeliveryListing, DeliveryQuery, DeliveryRecord,
    NextAction, Owner, StoreError,
};
use crate::jobs::timestamp::Timestamp;

/// Delay of a delivery that waits for another one of its record.
const ORDER_DELAY: Duration = Duration::from_millis(300);

impl Service {
    /// Webhooks that are due, within `room`, and when others will be. Each is leased for `lease` and is due again
    /// unless [`Service::add_attempt`] is called.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn due_deliveries(
        &self,
        room: DeliveryCapacity,
        lease: Duration,
    ) -> Result<(Vec<Delivery>, Option<Timestamp>), StoreError> {
        let (found, mut next) = self.ledger.deliveries_due(room).await?;
        let mut due = Vec::new();
        for DueDelivery { stored, id, claim } in found {
            match self.lease(stored, &id, lease).await {
                Ok(Lease::Granted(delivery)) => {
                    let until = self.now().plus(lease);
                    next = Some(next.map_or(until, |next| next.min(until)));
                    self.sending.lock().insert(id, claim);
                    due.push(*delivery);
                }
                Ok(Lease::Later(wait)) => self.ledger.release(claim, Release::Nak(wait.max(ORDER_DELAY))).await,
                Ok(Lease::Obsolete) => self.ledger.release(claim, Release::Ack).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot look up a webhook; it is due again later");
                    self.ledger.release(claim, Release::Abandon).await;
                }
            }
        }
        Ok((due, next))
    }

    /// Leases a delivery. For [`Lease::Granted`] the lease is written.
    async fn lease(&self, stored: Stored, id: &str, time: Duration) -> Result<Lease, StoreError> {
        let mut found = Some(stored);
        let Some(key) = found.as_ref().and_then(|it| it.record.key()) else { return Ok(Lease::Obsolete) };
        loop {
            let current = match found.take() {
                Some(stored) => Some(stored),
                None => self.ledger.load(&key).await?,
            };
            let Some(Stored { mut record, revision }) = current else { return Ok(Lease::Obsolete) };
            let leased = lease(&key, record.deliveries_mut(), id, time, self.now());
            match leased {
                Lease::Granted(_) => {
                    if self.swap(record, revision, Vec::new(), Durability::Process).await?.is_some() {
                        return Ok(leased);
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Resolves when there may be new webhooks.
    pub async fn delivery_ready(&self) {
        self.ledger.delivery_ready().await;
    }

    /// Notes the outcome of an attempt.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn add_attempt(&self, delivery: &Delivery, attempt: DeliveryAttempt) -> Result<(), StoreError> {
        let (now, id) = (self.now(), &delivery.id);
        let changed = self
            .change(&delivery.record, Durability::Process, |entry: &mut Entry| {
                match entry.deliveries_mut().iter_mut().find(|it| it.id == *id) {
                    Some(found) => {
                        found.add_attempt(&attempt, now);
                        Change::write(found.is_pending())
                    }
                    None => Change::Keep(false),
                }
            })
            .await?;
        let claim = self.sending.lock().remove(id);
        if let Some(claim) = claim {
            let how = match (changed, attempt.next) {
                (Some((_, true)), NextAction::RetryAfter(after)) => Release::Nak(after),
                _ => Release::Ack,
            };
            self.ledger.release(claim, how).await;
        }
        Ok(())
    }

    /// Deliveries of one of `owner`'s jobs, oldest first; `None` when there is no such job.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn deliveries(&self, owner: &Owner, job: &JobId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        let found = self.owned_job(owner, job).await?;
        Ok(found.map(|it| it.record.deliveries.iter().map(|it| it.to_record()).collect()))
    }

    /// Makes a delivery of a job pending again, whatever its status; `None` when there is no such delivery.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn retry(&self, owner: &Owner, job: &JobId, id: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        match self.owned_job(owner, job).await? {
            Some(_) => self.restart_delivery(&Key::Job(job.clone()), id).await,
            None => Ok(None),
        }
    }

    /// Deliveries of one of `owner`'s batches and of its rows, oldest first; `None` when there is no such batch.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn batch_deliveries(
        &self,
        owner: &Owner,
        batch: &BatchId,
        which: DeliveryQuery,
    ) -> Result<Option<DeliveryListing>, StoreError> {
        let Some(Stored { record, revision }) = self.owned_batch(owner, batch).await? else { return Ok(None) };
        let of_end = record.deliveries.iter().map(|it| BatchDelivery { row: None, delivery: it.to_record() });
        let mut all: Vec<_> = of_end.collect();
        if record.webhook_items {
            for Stored { record, .. } in self.ledger.row_records(batch, RowSet::WithDeliveries, revision).await? {
                let row = record.row.as_ref().map(|it| it.number);
                all.extend(record.deliveries.iter().map(|it| BatchDelivery { row, delivery: it.to_record() }));
            }
        }
        all.retain(|it| which.status.is_none_or(|status| it.delivery.status == status));
        // The delivery of the batch comes after those of rows that ended at the same time.
        all.sort_by_key(|it| (it.delivery.created_at, it.row.unwrap_or(u64::MAX)));
        let total = all.len() as u64;
        let skipped = all.into_iter().skip(usize::try_from(which.offset).unwrap_or(usize::MAX));
        let deliveries = skipped.take(usize::try_from(which.limit).unwrap_or(usize::MAX)).collect();
        Ok(Some(DeliveryListing { deliveries, total }))
    }

    /// Makes a delivery of a batch or of one of its rows pending again; `None` when there is no such delivery.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn retry_of_batch(
        &self,
        owner: &Owner,
        batch: &BatchId,
        id: &str,
    ) -> Result<Option<BatchDelivery>, StoreError> {
        let Some(Stored { record, revision }) = self.owned_batch(owner, batch).await? else { return Ok(None) };
        if record.deliveries.iter().any(|it| it.id == id) {
            let begun = self.restart_delivery(&Key::Batch(batch.clone()), id).await?;
            return Ok(begun.map(|delivery| BatchDelivery { row: None, delivery }));
        }
        let rows = self.ledger.row_records(batch, RowSet::WithDeliveries, revision).await?;
        let row = rows.into_iter().find(|row| row.record.deliveries.iter().any(|it| it.id == id));
        let Some(Stored { record, .. }) = row else { return Ok(None) };
        let (Some(key), Some(part)) = (record.key(), &record.row) else {
            return Err(invalid_record("a record is no row", &record.id));
        };
        let begun = self.restart_delivery(&key, id).await?;
        Ok(begun.map(|delivery| BatchDelivery { row: Some(part.number), delivery }))
    }

    async fn restart_delivery(&self, key: &Key, id: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        let now = self.now();
        let changed = self.change(key, Durability::Process, |entry: &mut Entry| {
            match entry.deliveries_mut().iter_mut().find(|it| it.id == id) {
                Some(delivery) => {
                    delivery.restart(now);
                    Change::write(Some(delivery.to_record()))
                }
                None => Change::Keep(None),
            }
        });
        let Some((_, Some(begun))) = changed.await? else { return Ok(None) };
        self.ledger.publish_webhook(key, id, &format!("{id}-{}", now.micros())).await?;
        Ok(Some(begun))
    }
}
