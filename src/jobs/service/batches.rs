//! Batches: accepted, told about, completed, tried again, removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Change, Durability, Expiry, PARALLEL, Service, nonsense};
use crate::jobs::PINS;
use crate::jobs::batch::{Batch, BatchId, BatchListing, Item, ItemListing};
use crate::jobs::job::JobId;
use crate::jobs::ledger::{Inserted, Kind, ListedRow, OpenBatch, Removal, RowSet, Stored};
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::document::RowEnds;
use crate::jobs::life::document_items;
use crate::jobs::life::entry::{Entry, RecordKind};
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Refusal;
use crate::jobs::life::record::JobRecord;
use crate::jobs::life::row_list::RowList;
use crate::jobs::life::trash::{STORING, Trash};
use crate::jobs::names::result_stem;
use crate::jobs::store::{
    AcceptedBatch, ItemQuery, NewBatch, Owner, Pin, StoreError, StoredItems, StoredRow, Template,
};

/// Looks without news: they find what a crash left.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// News come in hundreds; each look is at all batches.
const NEWS: Duration = Duration::from_millis(5);
/// Before a batch is looked at again that could not be gone on with: its rows cannot be read, say.
const REST: Duration = Duration::from_secs(1);
/// After a retry has not come to its end for so long, whoever began it is dead.
const RETRYING: Duration = Duration::from_secs(30);

impl Service {
    /// Makes it a batch, with all of its rows or not at all. Durable when this returns.
    ///
    /// # Errors
    /// When the ledger fails; nothing was accepted then.
    pub async fn accept_batch(&self, batch: NewBatch) -> Result<AcceptedBatch, StoreError> {
        Ok(match self.ledger.insert_batch(&batch).await? {
            Inserted::New(record) => {
                let id = BatchId::parse(&record.id).ok_or_else(|| nonsense("a record is no batch", &record.id))?;
                // When no row can be read, all have ended.
                self.complete(&id).await?;
                let stored = self.load_batch(&id).await?;
                let stored = stored.ok_or_else(|| nonsense("a batch is gone that was just accepted", &id))?;
                AcceptedBatch::New(self.as_seen(&stored).await?)
            }
            Inserted::Again(record) => {
                let id = BatchId::parse(&record.id).ok_or_else(|| nonsense("a record is no batch", &record.id))?;
                let stored = self.load_batch(&id).await?;
                let stored = stored.ok_or_else(|| nonsense("a batch was removed while it was asked for", &id))?;
                AcceptedBatch::Again(self.as_seen(&stored).await?)
            }
            Inserted::OtherBody => AcceptedBatch::OtherBody,
            Inserted::Refused(Refusal::Queue) => AcceptedBatch::QueueFull,
            Inserted::Refused(Refusal::Rows) => AcceptedBatch::RowsFull,
            Inserted::Refused(Refusal::Owner) => AcceptedBatch::OwnerFull,
        })
    }

    /// One of `owner`'s batches, unless it has expired.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, StoreError> {
        match self.owned_batch(owner, id).await? {
            Some(stored) => self.as_seen(&stored).await.map(Some),
            None => Ok(None),
        }
    }

    /// `limit` of `owner`'s batches after the newest `offset`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn batches(&self, owner: &Owner, offset: u64, limit: u64) -> Result<BatchListing, StoreError> {
        let (found, total) = self.ledger.page(owner, Kind::Batch, offset, limit).await?;
        let found: Vec<_> = found.into_iter().filter_map(BatchRecord::from_entry).collect();
        // Tallies of a list may be a moment old: no revision is asked for.
        let reading =
            found.into_iter().map(|record| async move { self.as_seen(&Stored { record, revision: 0 }).await });
        let batches = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
        Ok(BatchListing { batches, total })
    }

    /// Rows of one of `owner`'s batches, without their links, which are made when they are read. `None` when there is no such
    /// batch.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn items(
        &self,
        owner: &Owner,
        id: &BatchId,
        which: ItemQuery,
    ) -> Result<Option<StoredItems>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.owned_batch(owner, id).await? else { return Ok(None) };
        if batch.document.is_some() {
            return self.items_of_document(&batch, id, which).await.map(Some);
        }
        let (rows, total) = self.ledger.rows(id, which).await?;
        let list = match rows.iter().any(|row| row.record.is_none()) {
            true => Some(self.row_list(&batch).await?),
            false => None,
        };
        let lost = |number| nonsense("a batch has lost a row", number);
        let read = |ListedRow { number, record }: ListedRow| match (record, &list) {
            (Some(record), _) => Some((record.to_item()?, record.file.unwrap_or_default())),
            (None, Some(list)) => Some((list.row(number)?.into_item(number)?, String::new())),
            (None, None) => None,
        };
        let found = rows.into_iter().map(|row| (row.number, row));
        let found: Vec<(Item, String)> =
            found.map(|(number, row)| read(row).ok_or_else(|| lost(number))).collect::<Result<_, _>>()?;
        let (items, files) = found.into_iter().unzip();
        Ok(Some(StoredItems { listing: ItemListing { items, total }, files, link_base: batch.link_base }))
    }

    /// Rows of a document have no records: they are what was sent, and what became of it.
    async fn items_of_document(
        &self,
        batch: &BatchRecord,
        id: &BatchId,
        which: ItemQuery,
    ) -> Result<StoredItems, StoreError> {
        let record = match batch.document.as_ref().and_then(|it| JobId::parse(&it.id)) {
            Some(document) => self.load::<JobRecord>(&Key::Row(id.clone(), document)).await?.map(|it| it.record),
            None => None,
        };
        let ends = match record.as_ref().and_then(|it| it.row.as_ref()?.ended.as_ref()) {
            Some(ended) => Some(self.ends(id, &ended.ends).await?),
            None => None,
        };
        let list = self.row_list(batch).await?;
        let (rows, file) = (batch.rows, record.as_ref().and_then(|it| it.file.clone()).unwrap_or_default());
        // Ten thousand rows are read for one page of those that failed.
        let reading = tokio::task::spawn_blocking(move || {
            document_items::items(&list, rows, which, record.as_ref(), ends.as_deref())
        });
        let listing = reading.await.map_err(|error| nonsense("cannot list rows", error))?;
        let listing = listing.ok_or_else(|| nonsense("a batch has lost a row", id))?;
        let files = vec![file; listing.items.len()];
        Ok(StoredItems { listing, files, link_base: batch.link_base.clone() })
    }

    /// Rows that ended in `error` wait again, with no attempt counted; how many. Those whose values could not be read stay as they
    /// are. Where such rows are of a document, it is made anew, under another name, and all of its rows wait with them. `None` when
    /// there is no such batch.
    ///
    /// # Errors
    /// When the ledger fails; [`Service::maintain`] then goes on with what was begun.
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
                return Change::Leave(None);
            }
            match batch.begin_retry(now) {
                true => Change::write(Some(true)),
                false => Change::Leave(Some(false)),
            }
        });
        match begun.await? {
            None | Some((_, None)) => Ok(None),
            // Another call is at it.
            Some((_, Some(false))) => Ok(Some(0)),
            Some((begun, Some(true))) => self.retry_failed(id, &begun).await.map(Some),
        }
    }

    /// Makes the failed rows of a batch wait again, and says so in its record, at which this was noted to begin; how many.
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
            false => Change::Leave(()),
        })
        .await?;
        Ok(retried)
    }

    /// How many rows wait again with this one.
    async fn retry_row(&self, batch: &BatchRecord, list: &RowList, row: Stored<JobRecord>) -> Result<u64, StoreError> {
        let Some((key, id)) = row.record.key().zip(JobId::parse(&row.record.id)) else { return Ok(0) };
        let values = row.record.row.as_ref().and_then(|it| list.row(it.number)).and_then(|it| it.values);
        let values = match values {
            Some(values) => self.ledger.put_row_values(&key, values.into()).await?,
            None => None,
        };
        let stem = result_stem(&id).map_err(|error| nonsense("no randomness for a name", error))?;
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
            // A document is made anew of all rows that can be read.
            let waiting = if record.is_document() { batch.rows - batch.unreadable } else { 1 };
            record.retry(stem.clone(), values.clone(), now);
            // That the retry is under way is on the disk: after a crash it is gone on with.
            if self.swap(record, revision, trash, Durability::Process).await?.is_some() {
                return Ok(waiting);
            }
        }
    }

    /// Removes a batch with its rows, finished or not; rows under way are then nobody's. Callers see it no more when this returns;
    /// [`Service::expire`] clears it away. False when there is no such batch.
    ///
    /// # Errors
    /// When the ledger fails; the batch is then still there.
    pub async fn remove_batch(&self, owner: &Owner, id: &BatchId) -> Result<bool, StoreError> {
        let now = self.now();
        let key = Key::Batch(id.clone());
        let removed = self.change(&key, Durability::Disk, |batch: &mut BatchRecord| {
            if batch.owner != **owner || batch.has_expired(now) {
                return Change::Leave(false);
            }
            batch.remove();
            Change::write(true)
        });
        Ok(removed.await?.is_some_and(|(_, removed)| removed))
    }

    /// What the rows of a batch share, for a worker that has one of them; `None` when the batch is gone.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn template(&self, id: &BatchId) -> Result<Option<Template>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.load_batch(id).await?.filter(|it| !it.record.is_removed) else {
            return Ok(None);
        };
        let design_sha256 = *batch.design_hash().as_bytes();
        let body = self.ledger.blob(&Key::Batch(id.clone()), &batch.template).await?;
        Ok(Some(Template { body, design_sha256 }))
    }

    /// Rows of a batch with a number above `after_row` (0: all), at most `limit`, in order: for a worker that makes a document of
    /// them. `None` when the batch is gone.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn row_values(
        &self,
        id: &BatchId,
        after_row: u64,
        limit: u64,
    ) -> Result<Option<Vec<StoredRow>>, StoreError> {
        let Some(Stored { record: batch, .. }) = self.load_batch(id).await?.filter(|it| !it.record.is_removed) else {
            return Ok(None);
        };
        let list = self.row_list(&batch).await?;
        let last = after_row.saturating_add(limit).min(batch.rows);
        let rows = (after_row.saturating_add(1)..=last).map(|row| {
            let sent = list.row(row).ok_or_else(|| nonsense("a batch has lost a row", row))?;
            let values = match (sent.values, sent.error) {
                (Some(values), _) => Ok(values.into()),
                (None, Some(bad)) => Err(bad),
                (None, None) => return Err(nonsense("a batch has lost a row", row)),
            };
            Ok(StoredRow { row, values })
        });
        rows.collect::<Result<_, _>>().map(Some)
    }

    /// The digest under which `key` is pinned for this batch.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn pinned(&self, id: &BatchId, key: &str) -> Result<Option<[u8; 32]>, StoreError> {
        self.ledger.pinned(id, key).await
    }

    /// AssetSnapshot, unless the key has a pin already; what stands then, for everybody. The bytes are stored before this is called. `None`
    /// when the batch is gone.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn pin(&self, id: &BatchId, pin: Pin) -> Result<Option<[u8; 32]>, StoreError> {
        match self.load_batch(id).await?.filter(|it| !it.record.is_removed) {
            Some(_) => self.ledger.pin(id, pin).await.map(Some),
            None => Ok(None),
        }
    }

    /// Completes a batch whose last row has ended: its expiry begins, its receiver is to be told. In one step, at the revision at which
    /// its rows were counted, so that it happens once.
    pub(super) async fn complete(&self, id: &BatchId) -> Result<(), StoreError> {
        let Some((revision, tally)) = self.ledger.over(id).await? else { return Ok(()) };
        let found = self.load_batch(id).await?.filter(|it| it.revision == revision);
        let Some(Stored { record: mut batch, .. }) = found else { return Ok(()) };
        let made = match batch.document.as_ref().and_then(|it| JobId::parse(&it.id)) {
            // A ledger that is behind tells what was: a look later it knows.
            Some(document) => match self.load::<JobRecord>(&Key::Row(id.clone(), document)).await? {
                Some(found) if !found.record.status.is_end() => return Ok(()),
                found => found.and_then(|it| it.record.finished_document()),
            },
            None => None,
        };
        if !batch.complete(&tally, made, self.limits.lifetime, self.now()) {
            return Ok(());
        }
        if let Some(stored) = self.swap(batch, revision, Trash::new(), Durability::Disk).await? {
            tracing::info!(batch = %id, done = tally.done, failed = tally.error, "batch completed");
            self.announce(&Entry::Batch(stored.record)).await;
        }
        Ok(())
    }

    /// What batches need besides rendering: completed, gone on with after a crash, fed. For ever.
    pub(super) async fn maintain_batches(&self) {
        // Batches that failed are left alone for a while, and hold up no others.
        let mut resting: HashMap<BatchId, Instant> = HashMap::new();
        loop {
            // News or none: both are a reason to look.
            let _ = tokio::time::timeout(BETWEEN_LOOKS, self.ledger.batches_changed()).await;
            tokio::time::sleep(NEWS).await;
            let open = match self.ledger.open_batches().await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(%error, "cannot ask for batches that are open; trying again");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            resting.retain(|_, since| since.elapsed() < REST);
            for batch in open {
                if resting.contains_key(&batch.id) {
                    continue;
                }
                if let Err(error) = self.go_on_with(&batch).await {
                    tracing::warn!(batch = %batch.id, %error, "cannot go on with a batch; trying again");
                    resting.insert(batch.id, Instant::now());
                }
            }
        }
    }

    async fn go_on_with(&self, OpenBatch { id, retrying, is_over }: &OpenBatch) -> Result<(), StoreError> {
        match retrying {
            Some(since) if self.now().since(*since) > RETRYING => {
                let found = self.load_batch(id).await?;
                if let Some(found) = found.filter(|it| it.record.retrying) {
                    tracing::warn!(batch = %id, "a retry was broken off; going on with it");
                    self.retry_failed(id, &found).await?;
                }
                Ok(())
            }
            Some(_) => Ok(()),
            None if *is_over => self.complete(id).await,
            None => self.ledger.feed(id).await,
        }
    }

    /// Removes a batch that was removed or has expired, with everything that belongs to it. What its files are called is known to
    /// its rows only, which go after that is noted.
    pub(super) async fn clear_batch(&self, id: &BatchId) -> Result<Option<Expiry>, StoreError> {
        let key = Key::Batch(id.clone());
        let now = self.now();
        let Some(mut stored) = self.load_batch(id).await? else {
            // Written by somebody who did not know yet that the batch was gone.
            return self.ledger.remove(Removal { key: &key, stored: None, trash: Trash::new() }).await.map(|_| None);
        };
        if !stored.record.has_expired(now) {
            return Ok(None);
        }
        let why = if stored.record.is_removed { Expiry::Removed } else { Expiry::Expired };
        if !stored.record.is_removed {
            // From here on nobody has it rendered again.
            stored.record.remove();
            let Stored { record, revision } = stored;
            match self.swap(record, revision, Trash::new(), Durability::Disk).await? {
                Some(noted) => stored = noted,
                None => return Ok(None),
            }
        }
        let rows = self.ledger.row_records(id, RowSet::Recorded, stored.revision).await?;
        let (mut trash, mut is_busy) = (Trash::new(), false);
        for row in rows {
            let (files, busy) = row.record.trash_with_batch(now);
            trash.extend(files);
            is_busy |= busy;
        }
        trash.push((format!("{id}{PINS}"), now.plus(if is_busy { STORING } else { Duration::ZERO })));
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

    async fn as_seen(&self, stored: &Stored<BatchRecord>) -> Result<Batch, StoreError> {
        let none = || nonsense("a record is no batch", &stored.record.id);
        let id = BatchId::parse(&stored.record.id).ok_or_else(none)?;
        let tally = self.ledger.tally(&id, stored.revision).await?;
        stored.record.to_batch(&tally).ok_or_else(none)
    }

    /// The rows of a batch as they were sent.
    pub(super) async fn row_list(&self, batch: &BatchRecord) -> Result<Arc<RowList>, StoreError> {
        if let Some(list) = self.lists.get(&batch.list.hash) {
            return Ok(list);
        }
        let key = batch.key().ok_or_else(|| nonsense("a record is no batch", &batch.id))?;
        let list = Arc::new(RowList::new(self.ledger.blob(&key, &batch.list).await?));
        self.lists.put(batch.list.hash, list.clone(), list.size());
        Ok(list)
    }

    /// What became of the rows of a document.
    async fn ends(&self, batch: &BatchId, stored: &BlobRef) -> Result<Arc<RowEnds>, StoreError> {
        if let Some(ends) = self.ends.get(&stored.hash) {
            return Ok(ends);
        }
        let ends = RowEnds::read(&self.ledger.blob(&Key::Batch(batch.clone()), stored).await?);
        let ends = Arc::new(ends.ok_or_else(|| nonsense("what became of rows makes no sense", stored.hash))?);
        self.ends.put(stored.hash, ends.clone(), ends.size());
        Ok(ends)
    }
}
