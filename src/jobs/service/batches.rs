//! Batches: submission, listing, completion, retry, removal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Change, Durability, Expiry, PARALLEL, Service, invalid_record};
use crate::hash::ContentHash;
use crate::jobs::batch::{Batch, BatchId, BatchListing, Item, ItemListing};
use crate::jobs::job::JobId;
use crate::jobs::ledger::{Inserted, ListKind, ListedRow, OpenBatch, Removal, RowSet, Stored};
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::document::RowEnds;
use crate::jobs::life::document_items;
use crate::jobs::life::entry::{Entry, RecordKind};
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Refusal;
use crate::jobs::life::record::JobRecord;
use crate::jobs::life::row_list::RowList;
use crate::jobs::life::trash::{LATE_STORE_WINDOW, Trash};
use crate::jobs::names::result_stem;
use crate::jobs::results::assets_in_trash;
use crate::jobs::store::{
    BatchSubmitOutcome, ItemPage, ItemQuery, NewBatch, Owner, PinnedAsset, RowInput, StoreError, Template,
};

/// Interval between checks without a notification. They find what a crash interrupted.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Delay after a notification. Hundreds arrive at the same time, and each check reads all open batches.
const DEBOUNCE: Duration = Duration::from_millis(5);
/// Delay before a batch is checked again after an error.
const ERROR_DELAY: Duration = Duration::from_secs(1);
/// Age at which a retry that has not finished counts as interrupted.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

impl Service {
    /// Accepts a batch with all of its rows. It is durable when this returns.
    ///
    /// # Errors
    /// When the ledger fails; nothing is accepted then.
    pub async fn accept_batch(&self, batch: NewBatch) -> Result<BatchSubmitOutcome, StoreError> {
        Ok(match self.ledger.insert_batch(&batch).await? {
            Inserted::Created(record) => {
                let id =
                    BatchId::parse(&record.id).ok_or_else(|| invalid_record("a record is no batch", &record.id))?;
                // A batch without a readable row has ended.
                self.complete(&id).await?;
                let stored = self.load_batch(&id).await?;
                let stored = stored.ok_or_else(|| invalid_record("a batch is gone that was just accepted", &id))?;
                BatchSubmitOutcome::New(self.to_batch(&stored).await?)
            }
            Inserted::Existing(record) => {
                let id =
                    BatchId::parse(&record.id).ok_or_else(|| invalid_record("a record is no batch", &record.id))?;
                let stored = self.load_batch(&id).await?;
                let stored = stored.ok_or_else(|| invalid_record("a batch was removed while it was asked for", &id))?;
                BatchSubmitOutcome::Replayed(self.to_batch(&stored).await?)
            }
            Inserted::KeyReused => BatchSubmitOutcome::KeyReused,
            Inserted::Refused(Refusal::Queue) => BatchSubmitOutcome::QueueFull,
            Inserted::Refused(Refusal::Rows) => BatchSubmitOutcome::RowsFull,
            Inserted::Refused(Refusal::Owner) => BatchSubmitOutcome::OwnerFull,
        })
    }

    /// One of `owner`'s batches, unless it has expired.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, StoreError> {
        match self.owned_batch(owner, id).await? {
            Some(stored) => self.to_batch(&stored).await.map(Some),
            None => Ok(None),
        }
    }

    /// The `limit` newest batches of `owner` after the first `offset`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn batches(&self, owner: &Owner, offset: u64, limit: u64) -> Result<BatchListing, StoreError> {
        let (found, total) = self.ledger.page(owner, ListKind::Batch, offset, limit).await?;
        let found: Vec<_> = found.into_iter().filter_map(BatchRecord::from_entry).collect();
        // Counts in a list may be slightly old: revision 0 waits for nothing.
        let reading =
            found.into_iter().map(|record| async move { self.to_batch(&Stored { record, revision: 0 }).await });
        let batches = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        Ok(BatchListing { batches, total })
    }

    /// Rows of one of `owner`'s batches, without their links, which the caller makes. `None` when there is no such
    /// batch.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn items(&self, owner: &Owner, id: &BatchId, which: ItemQuery) -> Result<Option<ItemPage>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.owned_batch(owner, id).await? else { return Ok(None) };
        if batch.document.is_some() {
            return self.items_of_document(&batch, id, which).await.map(Some);
        }
        let (rows, total) = self.ledger.rows(id, which).await?;
        let list = match rows.iter().any(|row| row.record.is_none()) {
            true => Some(self.row_list(&batch).await?),
            false => None,
        };
        let lost = |number| invalid_record("a batch has lost a row", number);
        let read = |ListedRow { number, record }: ListedRow| match (record, &list) {
            (Some(record), _) => Some((record.to_item()?, record.file.unwrap_or_default())),
            (None, Some(list)) => Some((list.row(number)?.into_item(number)?, String::new())),
            (None, None) => None,
        };
        let found = rows.into_iter().map(|row| (row.number, row));
        let found: Vec<(Item, String)> =
            found.map(|(number, row)| read(row).ok_or_else(|| lost(number))).collect::<Result<_, _>>()?;
        let (items, files) = found.into_iter().unzip();
        Ok(Some(ItemPage { listing: ItemListing { items, total }, files, link_base: batch.link_base }))
    }

    /// Rows of a document have no records; their items are made from the submitted rows and the ends of rows.
    async fn items_of_document(
        &self,
        batch: &BatchRecord,
        id: &BatchId,
        which: ItemQuery,
    ) -> Result<ItemPage, StoreError> {
        let record = match batch.document.as_ref().and_then(|it| JobId::parse(&it.id)) {
            Some(document) => self.load::<JobRecord>(&Key::Row(id.clone(), document)).await?.map(|it| it.record),
            None => None,
        };
        let ends = match record.as_ref().and_then(|it| it.row.as_ref()?.ended.as_ref()) {
            Some(ended) => Some(self.row_ends(id, &ended.ends).await?),
            None => None,
        };
        let list = self.row_list(batch).await?;
        let (rows, file) = (batch.rows, record.as_ref().and_then(|it| it.file.clone()).unwrap_or_default());
        // A page of failed rows parses all rows of the batch, up to ten thousand.
        let reading = tokio::task::spawn_blocking(move || {
            document_items::items(&list, rows, which, record.as_ref(), ends.as_deref())
        });
        let listing = reading.await.map_err(|error| invalid_record("cannot list rows", error))?;
        let listing = listing.ok_or_else(|| invalid_record("a batch has lost a row", id))?;
        let files = vec![file; listing.items.len()];
        Ok(ItemPage { listing, files, link_base: batch.link_base.clone() })
    }

    /// Schedules failed rows again and returns their number. Rows whose values could not be read stay failed. A
    /// document with failed rows is made again of all rows, under another file name. `None` when there is no such
    /// batch.
    ///
    /// # Errors
    /// When the ledger fails; [`Service::maintain`] then finishes the retry.
    pub async fn retry_rows(&self, owner: &Owner, id: &BatchId) -> Result<Option<u64>, StoreError> {
        let Some(stored) = self.owned_batch(owner, id).await? else { return Ok(None) };
        let failed = self.ledger.row_records(id, RowSet::Failed, stored.revision).await?;
        if !failed.iter().any(|it| it.record.is_to_retry(i64::MAX)) {
            return Ok(Some(0));
        }
        let now = self.now();
        let key = Key::Batch(id.clone());
        let begun = self.change(&key, Durability::Disk, |batch: &mut BatchRecord| {
            if batch.owner != **owner || batch.has_expired(now) {
                return Change::Keep(None);
            }
            match batch.begin_retry(now) {
                true => Change::write(Some(true)),
                false => Change::Keep(Some(false)),
            }
        });
        match begun.await? {
            None | Some((_, None)) => Ok(None),
            // Another call is retrying the batch.
            Some((_, Some(false))) => Ok(Some(0)),
            Some((begun, Some(true))) => self.retry_failed(id, &begun).await.map(Some),
        }
    }

    /// Schedules the failed rows of a batch again and ends the retry in its record; returns their number. `begun`: the
    /// record that notes the beginning of the retry.
    async fn retry_failed(&self, id: &BatchId, begun: &Stored<BatchRecord>) -> Result<u64, StoreError> {
        let failed = self.ledger.row_records(id, RowSet::Failed, begun.revision).await?;
        let list = self.row_list(&begun.record).await?;
        let retrying = failed.into_iter().map(|row| self.retry_row(&begun.record, &list, row));
        let retried = stream::iter(retrying.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let retried = retried.try_fold(0, async |sum, one| Ok(sum + one)).await?;
        self.change(&Key::Batch(id.clone()), Durability::Disk, |batch: &mut BatchRecord| match batch.retrying {
            true => {
                batch.retrying = false;
                Change::write(())
            }
            false => Change::Keep(()),
        })
        .await?;
        Ok(retried)
    }

    /// The number of rows that are scheduled with this record: 0, 1, or the rows of a document.
    async fn retry_row(&self, batch: &BatchRecord, list: &RowList, row: Stored<JobRecord>) -> Result<u64, StoreError> {
        let Some((key, id)) = row.record.key().zip(JobId::parse(&row.record.id)) else { return Ok(0) };
        let values = row.record.row.as_ref().and_then(|it| list.row(it.number)).and_then(|it| it.values);
        let values = match values {
            Some(values) => self.ledger.put_row_values(&key, values.into()).await?,
            None => None,
        };
        let stem = result_stem(&id).map_err(|error| invalid_record("no randomness for a name", error))?;
        let mut found = Some(row);
        loop {
            let current = match found.take() {
                Some(row) => Some(row),
                None => self.load::<JobRecord>(&key).await?,
            };
            let Some(Stored { mut record, revision }) = current else { return Ok(0) };
            if !record.is_to_retry(batch.retried) {
                return Ok(0);
            }
            let now = self.now();
            let trash = record.file.iter().map(|file| (file.clone(), now)).collect();
            // A document is made again of all readable rows.
            let scheduled = if record.is_document() { batch.rows - batch.unreadable } else { 1 };
            record.retry(stem.clone(), values.clone(), now);
            // After a crash the retry is repeated, since its beginning is on the disk.
            if self.swap(record, revision, trash, Durability::Process).await?.is_some() {
                return Ok(scheduled);
            }
        }
    }

    /// Removes a batch with its rows, finished or not. Calls do not return it from then on; [`Service::expire`] deletes
    /// its rows and files. False when there is no such batch.
    ///
    /// # Errors
    /// When the ledger fails; the batch then stays.
    pub async fn remove_batch(&self, owner: &Owner, id: &BatchId) -> Result<bool, StoreError> {
        let now = self.now();
        let key = Key::Batch(id.clone());
        let removed = self.change(&key, Durability::Disk, |batch: &mut BatchRecord| {
            if batch.owner != **owner || batch.has_expired(now) {
                return Change::Keep(false);
            }
            batch.remove();
            Change::write(true)
        });
        Ok(removed.await?.is_some_and(|(_, removed)| removed))
    }

    /// The template of a batch, for a worker with one of its rows; `None` when the batch was removed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn template(&self, id: &BatchId) -> Result<Option<Template>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.load_batch(id).await?.filter(|it| !it.record.is_removed) else {
            return Ok(None);
        };
        let design_hash = batch.design_hash();
        let body = self.ledger.blob(&Key::Batch(id.clone()), &batch.template).await?;
        Ok(Some(Template { body, design_hash }))
    }

    /// The first `limit` rows of a batch with a number above `after_row`, for a worker that makes a document of them.
    /// `None` when the batch was removed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn row_values(
        &self,
        id: &BatchId,
        after_row: u64,
        limit: u64,
    ) -> Result<Option<Vec<RowInput>>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.load_batch(id).await?.filter(|it| !it.record.is_removed) else {
            return Ok(None);
        };
        let list = self.row_list(&batch).await?;
        let last = after_row.saturating_add(limit).min(batch.rows);
        let rows = (after_row.saturating_add(1)..=last).map(|row| {
            let sent = list.row(row).ok_or_else(|| invalid_record("a batch has lost a row", row))?;
            let values = match (sent.values, sent.error) {
                (Some(values), _) => Ok(values.into()),
                (None, Some(bad)) => Err(bad),
                (None, None) => return Err(invalid_record("a batch has lost a row", row)),
            };
            Ok(RowInput { row, values })
        });
        rows.collect::<Result<_, _>>().map(Some)
    }

    /// Hash of the asset called `key` in the snapshot of a batch.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn asset_hash(&self, id: &BatchId, key: &str) -> Result<Option<ContentHash>, StoreError> {
        self.ledger.asset_hash(id, key).await
    }

    /// Adds an asset to the snapshot of a batch, unless it is there already, and returns the hash that the snapshot has
    /// then. The bytes must have been stored. `None` when the batch was removed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn put_asset_hash(&self, id: &BatchId, pin: PinnedAsset) -> Result<Option<ContentHash>, StoreError> {
        match self.load_batch(id).await?.filter(|it| !it.record.is_removed) {
            Some(_) => self.ledger.put_asset_hash(id, pin).await.map(Some),
            None => Ok(None),
        }
    }

    /// Completes a batch whose last row has ended, in one compare-and-set on the revision at which its rows were
    /// counted, so that it happens once.
    pub(super) async fn complete(&self, id: &BatchId) -> Result<(), StoreError> {
        let Some((revision, rows)) = self.ledger.all_rows_ended(id).await? else { return Ok(()) };
        let found = self.load_batch(id).await?.filter(|it| it.revision == revision);
        let Some(Stored { record: mut batch, .. }) = found else { return Ok(()) };
        let document = match batch.document.as_ref().and_then(|it| JobId::parse(&it.id)) {
            // The counts may be older than the record; a later check completes the batch.
            Some(id_of_document) => match self.load::<JobRecord>(&Key::Row(id.clone(), id_of_document)).await? {
                Some(found) if !found.record.status.is_end() => return Ok(()),
                found => found.and_then(|it| it.record.finished_document()),
            },
            None => None,
        };
        if !batch.complete(&rows, document, self.limits.lifetime, self.now()) {
            return Ok(());
        }
        if let Some(stored) = self.swap(batch, revision, Trash::new(), Durability::Disk).await? {
            tracing::info!(batch = %id, done = rows.done, failed = rows.error, "batch completed");
            self.publish_webhooks(&Entry::Batch(stored.record)).await;
        }
        Ok(())
    }

    /// Completes open batches, enqueues their rows, and finishes interrupted retries. Runs until it is dropped.
    pub(super) async fn maintain_batches(&self) {
        // Batches with an error are skipped for a while, so that they delay no others.
        let mut failed: HashMap<BatchId, Instant> = HashMap::new();
        loop {
            // The check is due after the notification and after the timeout.
            let _ = tokio::time::timeout(CHECK_INTERVAL, self.ledger.batches_changed()).await;
            tokio::time::sleep(DEBOUNCE).await;
            let open = match self.ledger.open_batches().await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(%error, "cannot list open batches; trying again");
                    tokio::time::sleep(ERROR_DELAY).await;
                    continue;
                }
            };
            failed.retain(|_, since| since.elapsed() < ERROR_DELAY);
            for batch in open {
                if failed.contains_key(&batch.id) {
                    continue;
                }
                if let Err(error) = self.maintain_batch(&batch).await {
                    tracing::warn!(batch = %batch.id, %error, "cannot complete a batch or enqueue its rows; trying again");
                    failed.insert(batch.id, Instant::now());
                }
            }
        }
    }

    async fn maintain_batch(&self, OpenBatch { id, retrying, have_rows_ended }: &OpenBatch) -> Result<(), StoreError> {
        match retrying {
            Some(since) if self.now().since(*since) > RETRY_TIMEOUT => {
                let found = self.load_batch(id).await?;
                if let Some(found) = found.filter(|it| it.record.retrying) {
                    tracing::warn!(batch = %id, "a retry was interrupted; finishing it");
                    self.retry_failed(id, &found).await?;
                }
                Ok(())
            }
            Some(_) => Ok(()),
            None if *have_rows_ended => self.complete(id).await,
            None => self.ledger.enqueue_rows(id).await,
        }
    }

    /// Deletes a removed or expired batch with everything that belongs to it. Its file names are noted first, since
    /// only its rows have them.
    pub(super) async fn delete_batch(&self, id: &BatchId) -> Result<Option<Expiry>, StoreError> {
        let key = Key::Batch(id.clone());
        let now = self.now();
        let Some(mut stored) = self.load_batch(id).await? else {
            // Rows were written by a process that did not know yet that the batch was deleted.
            return self.ledger.remove(Removal { key: &key, stored: None, trash: Trash::new() }).await.map(|_| None);
        };
        if !stored.record.has_expired(now) {
            return Ok(None);
        }
        let why = if stored.record.is_removed { Expiry::Removed } else { Expiry::Expired };
        if !stored.record.is_removed {
            // From here on no retry can begin.
            stored.record.remove();
            let Stored { record, revision } = stored;
            match self.swap(record, revision, Trash::new(), Durability::Disk).await? {
                Some(noted) => stored = noted,
                None => return Ok(None),
            }
        }
        let rows = self.ledger.row_records(id, RowSet::WithRecord, stored.revision).await?;
        let (mut trash, mut is_busy) = (Trash::new(), false);
        for row in rows {
            let (files, busy) = row.record.trash_with_batch(now);
            trash.extend(files);
            is_busy |= busy;
        }
        trash.push((assets_in_trash(id), now.plus(if is_busy { LATE_STORE_WINDOW } else { Duration::ZERO })));
        let stored = Stored { record: Entry::Batch(stored.record), revision: stored.revision };
        Ok(self.ledger.remove(Removal { key: &key, stored: Some(&stored), trash }).await?.then_some(why))
    }

    /// One of `owner`'s batches, unless it has expired.
    pub(super) async fn owned_batch(
        &self,
        owner: &Owner,
        id: &BatchId,
    ) -> Result<Option<Stored<BatchRecord>>, StoreError> {
        let (found, now) = (self.load_batch(id).await?, self.now());
        Ok(found.filter(|it| it.record.owner == **owner && !it.record.has_expired(now)))
    }

    async fn to_batch(&self, stored: &Stored<BatchRecord>) -> Result<Batch, StoreError> {
        let none = || invalid_record("a record is no batch", &stored.record.id);
        let id = BatchId::parse(&stored.record.id).ok_or_else(none)?;
        let rows = self.ledger.progress(&id, stored.revision).await?;
        stored.record.to_batch(&rows).ok_or_else(none)
    }

    /// The submitted rows of a batch.
    pub(super) async fn row_list(&self, batch: &BatchRecord) -> Result<Arc<RowList>, StoreError> {
        if let Some(list) = self.lists.get(&batch.list.hash) {
            return Ok(list);
        }
        let key = batch.key().ok_or_else(|| invalid_record("a record is no batch", &batch.id))?;
        let list = Arc::new(RowList::new(self.ledger.blob(&key, &batch.list).await?));
        self.lists.put(batch.list.hash, list.clone(), list.size());
        Ok(list)
    }

    /// How the rows of a document ended.
    async fn row_ends(&self, batch: &BatchId, stored: &BlobRef) -> Result<Arc<RowEnds>, StoreError> {
        if let Some(ends) = self.ends.get(&stored.hash) {
            return Ok(ends);
        }
        let ends = RowEnds::read(&self.ledger.blob(&Key::Batch(batch.clone()), stored).await?);
        let ends = Arc::new(ends.ok_or_else(|| invalid_record("the ends of rows cannot be read", stored.hash))?);
        self.ends.put(stored.hash, ends.clone(), ends.size());
        Ok(ends)
    }
}
