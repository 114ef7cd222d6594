//! Accepting batches and telling about them.
//!
//! A batch is on record with its head; its rows lie in the bucket in one piece and become records, and messages, little by little
//! (`feed`), so that ten thousand of them hold nobody up. Counts are what the index has seen.

use std::sync::Arc;

use async_nats::jetstream::kv::{CreateErrorKind, Operation};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Nats;
use super::bodies::{self, BodyError};
use super::jobs::PARALLEL;
use super::places::{Earlier, Place};
use super::records::{Change, Found, StoredRecord};
use crate::jobs::batch::{Batch, BatchId, BatchListing, Item, ItemListing};
use crate::jobs::job::{JobId, Status};
use crate::jobs::life::batch_record::{BatchRecord, BatchSeed};
use crate::jobs::life::blob::{self, BlobRef, hex};
use crate::jobs::life::document::{self, DocumentEnd, RowEnds};
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::life::row_list::RowList;
use crate::jobs::names::result_stem;
use crate::jobs::store::{
    AcceptedBatch, Answer, BatchStore, ItemQuery, NewBatch, Outcome, Owner, Pin, Report, StoreError, StoredItems,
    StoredRow, Template,
};
use crate::report::with_causes;

/// Lists of rows that are at hand, in bytes: whoever asks how far a batch is asks again and again.
pub(super) const LISTS_BYTES: usize = 64 << 20;

impl BatchStore for Nats {
    fn accept_batch(&self, batch: NewBatch) -> Answer<'_, AcceptedBatch> {
        Box::pin(async move {
            self.connected()?;
            self.complete().await?;
            let place = match &batch.idempotency {
                Some(call) => match self.place_of::<BatchRecord>("batch\0", &batch.owner, call).await? {
                    Ok(place) => place,
                    Err(Earlier::Same(head)) => return self.as_accepted(&head, AcceptedBatch::Again),
                    Err(Earlier::Other) => return Ok(AcceptedBatch::OtherBody),
                },
                None => self.new_place(None)?,
            };
            if let Some(full) = self.is_full(&batch) {
                self.give_up_place(place).await?;
                return Ok(full);
            }
            let head = self.head_of(&batch, &place).await?;
            if self.make_surely(&head, &place.id).await? {
                return self.as_accepted(&head, AcceptedBatch::New);
            }
            // By the same call at another front end, or by ourselves, in a try whose answer was lost.
            match self.look_up::<BatchRecord>(&BatchRecord::place(&place.id)).await? {
                Some(Found { record: theirs, .. }) if theirs.list == head.list => {
                    self.as_accepted(&theirs, AcceptedBatch::New)
                }
                Some(Found { record: theirs, .. }) if theirs.key.is_some() && theirs.key == head.key => {
                    self.as_accepted(&theirs, AcceptedBatch::Again)
                }
                _ => Err(self.failed("another batch has this id", &place.id)),
            }
        })
    }

    fn batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<Batch>> {
        Box::pin(async move {
            let found = self.own_batch_seen(owner, id).await?;
            found.map(|it| self.as_seen(&it.record)).transpose()
        })
    }

    fn batches<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, BatchListing> {
        Box::pin(async move {
            self.complete().await?;
            let (ids, total) = self.0.index.batches_page(owner, offset, limit, self.now());
            let reading = ids.iter().map(|id| self.batch(owner, id));
            let found: Vec<Option<Batch>> =
                stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok(BatchListing { batches: found.into_iter().flatten().collect(), total })
        })
    }

    fn items<'a>(&'a self, owner: &'a Owner, id: &'a BatchId, which: ItemQuery) -> Answer<'a, Option<StoredItems>> {
        Box::pin(async move {
            let Some(Found { record: head, .. }) = self.own_batch_seen(owner, id).await? else { return Ok(None) };
            if head.document.is_some() {
                return self.items_of_document(&head, id, which).await.map(Some);
            }
            let ItemQuery { status, after_row, offset, limit } = which;
            let rows = self.0.index.rows(id, status, after_row);
            let total = rows.len() as u64;
            let skipped = rows.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
            let page: Vec<_> = skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
            let list = match page.iter().any(|row| row.id.is_none()) {
                true => Some(self.list(&head).await?),
                false => None,
            };
            let reading = page.into_iter().map(|row| {
                let list = list.clone();
                async move {
                    match (row.id, list) {
                        (Some(row), _) => self.recorded_item(id, row).await,
                        (None, list) => list.and_then(|list| as_sent(&list, row.number)).map_or_else(
                            || Err(self.failed("a batch has lost a row", row.number)),
                            |item| Ok(Some((item, String::new()))),
                        ),
                    }
                }
            });
            let found: Vec<Option<(Item, String)>> =
                stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            let (items, files) = found.into_iter().flatten().unzip();
            Ok(Some(StoredItems { listing: ItemListing { items, total }, files, link_base: head.link_base }))
        })
    }

    fn retry_rows<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            if self.own_batch_seen(owner, id).await?.is_none() {
                return Ok(None);
            }
            if self.0.index.failed_rows(id).is_empty() {
                return Ok(Some(0));
            }
            let (place, now) = (Key::Batch(id.clone()), self.now());
            let begun = self.change_own(owner, &place, |head: &mut BatchRecord| match head.begin_retry(now) {
                true => Change::Write(Some(true)),
                false => Change::Leave(Some(false)),
            });
            match begun.await? {
                None => Ok(None),
                // Another call is at it.
                Some((_, false)) => Ok(Some(0)),
                Some((found, true)) => self.retry_failed(id, found).await.map(Some),
            }
        })
    }

    fn remove_batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, bool> {
        Box::pin(async move {
            let place = Key::Batch(id.clone());
            let removed = self.change_own(owner, &place, |head: &mut BatchRecord| {
                head.gone = true;
                head.deliveries.clear();
                Change::Write(Some(()))
            });
            if removed.await?.is_none() {
                return Ok(false);
            }
            // Should one stay, whoever gets it finds that its batch is gone.
            self.purge_messages(id)
                .await
                .unwrap_or_else(|error| tracing::debug!(%id, %error, "messages of a removed batch stay for now"));
            Ok(true)
        })
    }

    fn template<'a>(&'a self, id: &'a BatchId) -> Answer<'a, Option<Template>> {
        Box::pin(async move {
            let found = self.look_up::<BatchRecord>(&Key::Batch(id.clone())).await?;
            let Some(Found { record: head, .. }) = found.filter(|it| !it.record.gone) else { return Ok(None) };
            let design_sha256 = head.design_sha256();
            let design_sha256 = design_sha256.ok_or_else(|| self.failed("a batch has no design", id))?;
            Ok(Some(Template { body: self.stored(&head.template).await?, design_sha256 }))
        })
    }

    fn row_values<'a>(&'a self, id: &'a BatchId, after_row: u64, limit: u64) -> Answer<'a, Option<Vec<StoredRow>>> {
        Box::pin(async move {
            let found = self.look_up::<BatchRecord>(&Key::Batch(id.clone())).await?;
            let Some(Found { record: head, .. }) = found.filter(|it| !it.record.gone) else { return Ok(None) };
            let list = self.list(&head).await?;
            let last = after_row.saturating_add(limit).min(head.rows);
            let rows = (after_row + 1..=last).map(|row| {
                let sent = list.row(row).ok_or_else(|| self.failed("a batch has lost a row", row))?;
                let values = match (sent.values, sent.bad) {
                    (Some(values), _) => Ok(values.into()),
                    (None, Some(bad)) => Err(bad),
                    (None, None) => return Err(self.failed("a batch has lost a row", row)),
                };
                Ok(StoredRow { row, values })
            });
            rows.collect::<Result<_, _>>().map(Some)
        })
    }

    fn pinned<'a>(&'a self, id: &'a BatchId, key: &'a str) -> Answer<'a, Option<[u8; 32]>> {
        Box::pin(self.standing_pin(id, key))
    }

    fn pin<'a>(&'a self, id: &'a BatchId, pin: Pin) -> Answer<'a, Option<[u8; 32]>> {
        Box::pin(async move {
            let head = self.look_up::<BatchRecord>(&Key::Batch(id.clone())).await?;
            if head.is_none_or(|it| it.record.gone) {
                return Ok(None);
            }
            let place = pin_key(id, &pin.key).to_string();
            match self.0.layout.records.create(place, hex(&pin.sha256).into()).await {
                Ok(_) => Ok(Some(pin.sha256)),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => self.standing_pin(id, &pin.key).await,
                Err(error) => Err(self.failed("cannot note which file a batch is made of", with_causes(&error))),
            }
        })
    }
}

fn pin_key(batch: &BatchId, key: &str) -> Key {
    Key::Pin(batch.clone(), blob::digest(key.as_bytes()))
}

/// A row that has no record yet.
fn as_sent(list: &RowList, number: u64) -> Option<Item> {
    let row = list.row(number)?;
    Some(Item {
        row: number,
        id: JobId::parse(&row.id)?,
        name: row.name,
        status: Status::Scheduled,
        url: None,
        bytes: None,
        sha256: None,
        fingerprint: None,
        first_page: None,
        page_count: None,
        warnings: Vec::new(),
        timings: Default::default(),
        error: String::new(),
        problems: Vec::new(),
    })
}

impl Nats {
    /// One of `owner`'s batches, unless it has expired; the index has seen its rows as they were then.
    pub(super) async fn own_batch_seen(
        &self,
        owner: &Owner,
        id: &BatchId,
    ) -> Result<Option<Found<BatchRecord>>, StoreError> {
        self.complete().await?;
        let (found, now) = (self.look_up::<BatchRecord>(&Key::Batch(id.clone())).await?, self.now());
        let found = found.filter(|it| it.record.owner == **owner && !it.record.has_expired(now));
        if let Some(found) = &found {
            self.caught_up(found.revision).await?;
        }
        Ok(found)
    }

    fn as_seen(&self, head: &BatchRecord) -> Result<Batch, StoreError> {
        let now = self.now();
        let tally = match BatchId::parse(&head.id) {
            Some(id) => self.0.index.tally(&id, now),
            None => Default::default(),
        };
        head.batch(&tally).ok_or_else(|| self.failed("a record is no batch", &head.id))
    }

    fn as_accepted(&self, head: &BatchRecord, how: fn(Batch) -> AcceptedBatch) -> Result<AcceptedBatch, StoreError> {
        self.as_seen(head).map(how)
    }

    /// By what this front end has seen: two calls of the same moment at two of them may both be let in.
    fn is_full(&self, batch: &NewBatch) -> Option<AcceptedBatch> {
        let (index, rules, more) = (&self.0.index, &self.0.rules, batch.rows.len() as u64);
        if index.unfinished_rows(None) + more > rules.rows {
            return Some(AcceptedBatch::QueueFull);
        }
        if rules.rows_of_owner > 0 && index.unfinished_rows(Some(&batch.owner)) + more > rules.rows_of_owner {
            return Some(AcceptedBatch::RowsFull);
        }
        let (jobs, batches) = index.unfinished_of(&batch.owner);
        (rules.of_owner > 0 && jobs + batches >= rules.of_owner).then_some(AcceptedBatch::OwnerFull)
    }

    /// The head, with all that it names stored.
    async fn head_of(&self, batch: &NewBatch, place: &Place) -> Result<BatchRecord, StoreError> {
        let id = || JobId::random();
        let list = RowList::write(&batch.rows, id).map_err(|error| self.failed("no randomness for an id", error))?;
        let failed = |error: BodyError| self.failed("cannot store what was sent (TENTER_RESULTS)", error);
        let list = bodies::store(&self.0.results, list).await.map_err(failed)?;
        let template = bodies::store(&self.0.results, batch.template.body.clone()).await.map_err(failed)?;
        let document = id().map_err(|error| self.failed("no randomness for an id", error))?;
        let document = batch.document.is_some().then_some(document);
        let (id, key, now) = (place.id.clone().into(), place.key.clone(), self.now());
        let seed = BatchSeed { id, key, template, list, document, now };
        Ok(BatchRecord::new(batch, seed))
    }

    /// The rows of a batch as they were sent.
    pub(super) async fn list(&self, head: &BatchRecord) -> Result<Arc<RowList>, StoreError> {
        let key = &head.list.digest;
        if let Some(list) = self.0.lists.get(key) {
            return Ok(list);
        }
        let list = Arc::new(RowList::new(self.stored(&head.list).await?));
        self.0.lists.put(key.clone(), list.clone(), list.size());
        Ok(list)
    }

    async fn stored(&self, body: &BlobRef) -> Result<bytes::Bytes, StoreError> {
        let read = bodies::load(&self.0.results, body).await;
        read.map_err(|error| self.failed("cannot read what was sent (TENTER_RESULTS)", error))
    }

    /// A row that has a record, and the name of its file; `None` when it was removed this moment.
    async fn recorded_item(&self, batch: &BatchId, id: JobId) -> Result<Option<(Item, String)>, StoreError> {
        let found = self.find(&Key::Row(batch.clone(), id)).await?;
        Ok(found.and_then(|it| Some((it.record.item()?, it.record.file.unwrap_or_default()))))
    }

    /// Rows of a document have no records: they are what was sent, and what became of it.
    async fn items_of_document(
        &self,
        head: &BatchRecord,
        id: &BatchId,
        which: ItemQuery,
    ) -> Result<StoredItems, StoreError> {
        let wanted = head.document.as_ref().and_then(|it| JobId::parse(&it.id));
        let record = match wanted {
            Some(document) => self.find(&Key::Row(id.clone(), document)).await?.map(|it| it.record),
            None => None,
        };
        let ended = record.as_ref().and_then(|it| it.row.as_ref()?.ended.as_ref());
        let ends = match ended {
            Some(ended) => Some(self.ends(&ended.ends).await?),
            None => None,
        };
        let list = self.list(head).await?;
        let (rows, file) = (head.rows, record.as_ref().and_then(|it| it.file.clone()).unwrap_or_default());
        // Ten thousand rows are read for one page of those that failed.
        let reading =
            tokio::task::spawn_blocking(move || document::items(&list, rows, which, record.as_ref(), ends.as_deref()));
        let listing = reading.await.map_err(|error| self.failed("cannot list rows", error))?;
        let listing = listing.ok_or_else(|| self.failed("a batch has lost a row", id))?;
        let files = vec![file; listing.items.len()];
        Ok(StoredItems { listing, files, link_base: head.link_base.clone() })
    }

    /// What became of the rows of a document.
    async fn ends(&self, stored: &BlobRef) -> Result<Arc<RowEnds>, StoreError> {
        if let Some(ends) = self.0.ends.get(&stored.digest) {
            return Ok(ends);
        }
        let ends = RowEnds::read(&self.stored(stored).await?);
        let ends = Arc::new(ends.ok_or_else(|| self.failed("what became of rows makes no sense", &stored.digest))?);
        self.0.ends.put(stored.digest.clone(), ends.clone(), ends.size());
        Ok(ends)
    }

    /// Stores what became of the rows of a document that has ended.
    pub(super) async fn store_ends(&self, outcome: &Outcome, report: &Report) -> Result<DocumentEnd, StoreError> {
        let ends = bodies::store(&self.0.results, RowEnds::write(&report.rows)).await;
        let ends = ends.map_err(|error| self.failed("cannot store what became of rows (TENTER_RESULTS)", error))?;
        Ok(DocumentEnd::new(&report.rows, matches!(outcome, Outcome::Done(_)), ends))
    }

    /// Makes the failed rows of a batch wait again, and says so in its head, at which this was noted to begin; how many.
    pub(super) async fn retry_failed(&self, id: &BatchId, begun: Found<BatchRecord>) -> Result<u64, StoreError> {
        let Found { record: head, revision } = begun;
        self.caught_up(revision).await?;
        let list = self.list(&head).await?;
        let failed = self.0.index.failed_rows(id);
        let retrying = failed.iter().map(|(number, row)| self.retry_row(&head, &list, id, *number, row));
        let retried = stream::iter(retrying.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let retried = retried.try_fold(0, async |sum, one| Ok(sum + one)).await?;
        self.change(&Key::Batch(id.clone()), |head: &mut BatchRecord| match head.retrying {
            true => {
                head.retrying = false;
                Change::Write(())
            }
            false => Change::Leave(()),
        })
        .await?;
        Ok(retried)
    }

    async fn retry_row(
        &self,
        head: &BatchRecord,
        list: &RowList,
        batch: &BatchId,
        number: u64,
        id: &JobId,
    ) -> Result<u64, StoreError> {
        let values = if number == document::ROW {
            None
        } else {
            let values = list.row(number).and_then(|row| row.values);
            let values = values.ok_or_else(|| self.failed("a batch has lost a row", number))?;
            let values = bodies::store(&self.0.results, values.into()).await;
            Some(values.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))?)
        };
        let stem = result_stem(id).map_err(|error| self.failed("no randomness for a name", error))?;
        let now = self.now();
        let place = Key::Row(batch.clone(), id.clone());
        let changed = self.change(&place, |record: &mut JobRecord| {
            if !record.is_to_retry(head.retried) {
                return Change::Leave(None);
            }
            let before = record.file.clone();
            record.retry(stem.clone(), values.clone(), now);
            Change::Write(Some(before))
        });
        let Some((_, Some(before))) = changed.await? else { return Ok(0) };
        if let Some(file) = before {
            self.throw_away(&file, now).await?;
        }
        // A document is made anew of all rows.
        Ok(if number == document::ROW { head.rows - head.bad } else { 1 })
    }

    async fn standing_pin(&self, batch: &BatchId, key: &str) -> Result<Option<[u8; 32]>, StoreError> {
        self.connected()?;
        let entry = self.0.layout.records.entry(pin_key(batch, key).to_string()).await;
        let failed = |reason: String| self.failed("cannot read which file a batch is made of", reason);
        let entry = entry.map_err(|error| failed(with_causes(&error)))?;
        let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
        let digest = std::str::from_utf8(&entry.value).ok().and_then(blob::from_hex);
        digest.map(Some).ok_or_else(|| failed(format!("{} is no digest", entry.key)))
    }
}
