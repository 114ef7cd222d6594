//! Index of batches and their rows, about two hundred bytes a row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::OpenBatch;
use crate::jobs::life::batch_record::{BatchProgress, BatchRecord, BatchShape, RowStats};
use crate::jobs::life::document::{self, DocumentState};
use crate::jobs::life::record::JobRecord;
use crate::jobs::results::Area;
use crate::jobs::timestamp::Timestamp;

/// Rows in the queue for each row in progress. More would delay other batches; with fewer the queue could run empty
/// before the next rows are enqueued.
const QUEUED_PER_ROW: u64 = 4;
/// Smallest number of rows in the queue to aim at.
const MIN_QUEUED: u64 = 32;

#[derive(Default)]
pub(super) struct Batches {
    all: HashMap<BatchId, IndexedBatch>,
    /// Creation time and id of each owner's batches.
    by_owner: HashMap<Arc<str>, BTreeSet<(i64, BatchId)>>,
}

/// A batch and its rows. Rows may be indexed before the record of the batch, whose current revision may be later than
/// theirs.
#[derive(Default)]
struct IndexedBatch {
    record: Option<IndexedBatchRecord>,
    rows: BTreeMap<u64, IndexedRow>,
    /// All rows up to this number have records.
    enqueued_up_to: u64,
    /// Numbers of scheduled rows with a record and without a message.
    without_message: BTreeSet<u64>,
    /// Number of scheduled rows with a message.
    queued: u64,
    progress: u64,
    done: u64,
    error: u64,
}

/// The indexed fields of a batch's record.
#[derive(Clone)]
struct IndexedBatchRecord {
    revision: u64,
    owner: Arc<str>,
    shape: BatchShape,
    created: i64,
    expires: Option<i64>,
    open: bool,
    is_removed: bool,
    /// When a retry that has not finished began.
    retrying: Option<i64>,
    has_pending_webhook: bool,
    objects: Vec<(Area, ContentHash)>,
}

/// The indexed fields of a row's record.
struct IndexedRow {
    id: JobId,
    revision: u64,
    status: Status,
    has_message: bool,
    started: Option<i64>,
    completed: Option<i64>,
    to_retry: bool,
    state: DocumentState,
    has_pending_webhook: bool,
    objects: Vec<(Area, ContentHash)>,
}

/// Number and id of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexedRowId {
    pub(crate) number: u64,
    /// `None` while it has no record.
    pub(crate) id: Option<JobId>,
}

impl IndexedBatch {
    fn count(&mut self, row: &IndexedRow, add: bool) {
        let count = match row.status {
            Status::Scheduled if row.has_message => &mut self.queued,
            Status::Scheduled => return,
            Status::Progress => &mut self.progress,
            Status::Done => &mut self.done,
            Status::Error => &mut self.error,
        };
        *count = if add { *count + 1 } else { count.saturating_sub(1) };
    }

    fn shape(&self) -> BatchShape {
        self.record
            .as_ref()
            .map_or(BatchShape { rows: 0, unreadable: 0, is_document: false, since: 0 }, |record| record.shape)
    }

    fn stats(&self) -> RowStats {
        let (progress, done, error) = (self.progress, self.done, self.error);
        let document = self.rows.get(&document::ROW).map(|it| it.state);
        RowStats { progress, done, error, started: None, document }
    }

    fn unfinished(&self) -> u64 {
        self.stats().unfinished(&self.shape())
    }
}

impl Batches {
    /// False when the index has this revision or a later one.
    pub(super) fn apply_row(&mut self, batch: &BatchId, id: &JobId, record: &JobRecord, revision: u64) -> bool {
        let Some(part) = &record.row else { return false };
        let known = self.all.entry(batch.clone()).or_default();
        if known.rows.get(&part.number).is_some_and(|row| row.revision >= revision) {
            return false;
        }
        let unfinished = !record.status.is_end();
        let values = record.body.iter().filter(|_| unfinished);
        let ended = part.ended.as_ref();
        let objects = values.chain(ended.map(|it| &it.ends)).flat_map(|body| body.objects());
        let row = IndexedRow {
            id: id.clone(),
            revision,
            status: record.status,
            has_message: record.sequence > 0,
            started: record.started,
            completed: record.completed,
            to_retry: record.is_to_retry(i64::MAX),
            state: record.document_state(),
            has_pending_webhook: record.pending_delivery().is_some(),
            objects: objects.collect(),
        };
        known.count(&row, true);
        match row.status == Status::Scheduled && !row.has_message {
            true => known.without_message.insert(part.number),
            false => known.without_message.remove(&part.number),
        };
        if let Some(before) = known.rows.insert(part.number, row) {
            known.count(&before, false);
        }
        true
    }

    /// False when the index has this revision or a later one.
    pub(super) fn apply_batch(&mut self, batch: &BatchId, record: &BatchRecord, revision: u64) -> bool {
        let known = self.all.entry(batch.clone()).or_default();
        if known.record.as_ref().is_some_and(|it| it.revision >= revision) {
            return false;
        }
        let owner: Arc<str> = match self.by_owner.get_key_value(record.owner.as_str()) {
            Some((owner, _)) => owner.clone(),
            None => record.owner.as_str().into(),
        };
        self.by_owner.entry(owner.clone()).or_default().insert((record.created, batch.clone()));
        let objects = record.template.objects().chain(record.list.objects());
        known.record = Some(IndexedBatchRecord {
            revision,
            owner,
            shape: record.shape(),
            created: record.created,
            expires: record.expires,
            open: record.is_open(),
            is_removed: record.is_removed,
            retrying: record.retrying.then_some(record.retried),
            has_pending_webhook: record.pending_deliveries().next().is_some(),
            objects: objects.collect(),
        });
        true
    }

    /// Notes that there is an asset hash of this batch.
    pub(super) fn apply_asset(&mut self, batch: &BatchId) {
        self.all.entry(batch.clone()).or_default();
    }

    pub(super) fn remove(&mut self, batch: &BatchId) {
        let Some(IndexedBatch { record: Some(record), .. }) = self.all.remove(batch) else { return };
        if let Some(theirs) = self.by_owner.get_mut(&record.owner) {
            theirs.remove(&(record.created, batch.clone()));
            if theirs.is_empty() {
                self.by_owner.remove(&record.owner);
            }
        }
    }

    /// Removes a batch whose record was deleted at `revision`, unless it was created again later.
    pub(super) fn apply_removal(&mut self, batch: &BatchId, revision: u64) {
        let known = self.all.get(batch).and_then(|it| it.record.as_ref());
        if known.is_none_or(|record| record.revision < revision) {
            self.remove(batch);
        }
    }

    /// Batches that are not completed.
    pub(super) fn open(&self) -> Vec<OpenBatch> {
        let open = self.all.iter().filter_map(|(id, known)| {
            let record = known.record.as_ref().filter(|record| record.open)?;
            let retrying = record.retrying.map(Timestamp::from_micros);
            Some(OpenBatch { id: id.clone(), retrying, have_rows_ended: known.unfinished() == 0 })
        });
        open.collect()
    }

    /// The revision of an open batch all of whose rows have ended.
    pub(super) fn all_rows_ended(&self, batch: &BatchId) -> Option<u64> {
        let known = self.all.get(batch)?;
        let record = known.record.as_ref().filter(|record| record.open && record.retrying.is_none())?;
        (known.unfinished() == 0).then_some(record.revision)
    }

    /// The first rows without a message, up to [`QUEUED_PER_ROW`] in the queue for each in progress.
    pub(super) fn rows_to_enqueue(&mut self, batch: &BatchId) -> Vec<IndexedRowId> {
        let Some(known) = self.all.get_mut(batch) else { return Vec::new() };
        let wanted = (QUEUED_PER_ROW * known.progress).max(MIN_QUEUED);
        // Only when half of them are missing, so that rows are enqueued several at a time.
        let room = if known.queued <= wanted / 2 { wanted - known.queued } else { 0 };
        let rows = known.record.as_ref().map_or(0, |record| record.shape.rows);
        while known.enqueued_up_to < rows && known.rows.contains_key(&(known.enqueued_up_to + 1)) {
            known.enqueued_up_to += 1;
        }
        let without_message = known.without_message.iter().filter_map(|number| {
            let row = known.rows.get(number)?;
            Some(IndexedRowId { number: *number, id: Some(row.id.clone()) })
        });
        let numbers = match known.record.as_ref().is_some_and(|record| record.shape.is_document) {
            true => document::ROW..=document::ROW,
            false => known.enqueued_up_to + 1..=rows,
        };
        let missing = numbers.filter(|number| !known.rows.contains_key(number));
        let missing = missing.map(|number| IndexedRowId { number, id: None });
        without_message.chain(missing).take(usize::try_from(room).unwrap_or(usize::MAX)).collect()
    }

    /// Rows with a number above `after` and that status. Rows without a record are scheduled.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<IndexedRowId> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        let rows = known.record.as_ref().map_or(0, |record| record.shape.rows);
        let seen = (after.saturating_add(1)..=rows).map(|number| (number, known.rows.get(&number)));
        let of_status = seen.filter(|(_, row)| {
            let is = row.map_or(Status::Scheduled, |row| row.status);
            status.is_none_or(|wanted| wanted == is)
        });
        of_status.map(|(number, row)| IndexedRowId { number, id: row.map(|row| row.id.clone()) }).collect()
    }

    pub(super) fn with_record(&self, batch: &BatchId) -> Vec<JobId> {
        self.all.get(batch).map(|known| known.rows.values().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    /// Rows that a retry schedules again.
    pub(super) fn failed(&self, batch: &BatchId) -> Vec<JobId> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        known.rows.values().filter(|row| row.to_retry).map(|row| row.id.clone()).collect()
    }

    pub(super) fn progress(&self, batch: &BatchId, now: Timestamp) -> BatchProgress {
        let Some(known) = self.all.get(batch) else { return BatchProgress::default() };
        let shape = known.shape();
        let started = known.rows.values().filter_map(|row| row.started).filter(|it| *it >= shape.since).min();
        let ended_after = |from: i64| {
            let lately = known.rows.values().filter(|row| row.completed.is_some_and(|it| it > from)).count();
            Ok::<_, Infallible>(lately as u64)
        };
        let Ok(progress) = RowStats { started, ..known.stats() }.progress(&shape, now, ended_after);
        progress
    }

    /// Batches that calls of `owner` return, newest first.
    pub(super) fn visible_to(&self, owner: &str, now: Timestamp) -> Vec<BatchId> {
        let is_visible = |id: &BatchId| {
            let record = self.all.get(id).and_then(|known| known.record.as_ref());
            record.is_some_and(|record| !record.is_removed && record.expires.is_none_or(|it| it > now.micros()))
        };
        let theirs = self.by_owner.get(owner).into_iter().flatten().rev();
        theirs.map(|(_, id)| id).filter(|id| is_visible(id)).cloned().collect()
    }

    /// Batches that are expired or removed, or have no record but rows or asset hashes.
    pub(super) fn removable(&self, now: Timestamp) -> Vec<BatchId> {
        let is_removable = |known: &IndexedBatch| match &known.record {
            Some(record) => record.is_removed || record.expires.is_some_and(|it| it <= now.micros()),
            None => true,
        };
        self.all.iter().filter(|(_, known)| is_removable(known)).map(|(id, _)| id.clone()).collect()
    }

    /// Number of rows that have not ended, and of open batches, of `owner` or of all.
    pub(super) fn unfinished(&self, owner: Option<&str>) -> (u64, u64) {
        let theirs = self.all.values().filter(|known| {
            let record = known.record.as_ref();
            record.is_some_and(|record| record.open && owner.is_none_or(|owner| *record.owner == *owner))
        });
        theirs.fold((0, 0), |(rows, batches), known| (rows + known.unfinished(), batches + 1))
    }

    /// Number of rows of open batches in progress.
    pub(super) fn in_progress(&self) -> u64 {
        self.all.values().filter(|known| known.record.as_ref().is_some_and(|it| it.open)).map(|it| it.progress).sum()
    }

    /// Unfinished rows with a message.
    pub(super) fn with_message(&self) -> impl Iterator<Item = (&BatchId, &JobId)> {
        let open = self.all.iter().filter(|(_, known)| known.record.as_ref().is_some_and(|record| record.open));
        open.flat_map(|(batch, known)| {
            known.rows.values().filter(|row| row.has_message && !row.status.is_end()).map(move |row| (batch, &row.id))
        })
    }

    /// Batches, and rows, with a webhook to deliver.
    pub(super) fn with_pending_webhook(&self) -> (Vec<BatchId>, Vec<(BatchId, JobId)>) {
        let existing_batches =
            || self.all.iter().filter(|(_, known)| known.record.as_ref().is_some_and(|record| !record.is_removed));
        let batches = existing_batches()
            .filter(|(_, known)| known.record.as_ref().is_some_and(|record| record.has_pending_webhook));
        let rows = existing_batches().flat_map(|(batch, known)| {
            known.rows.values().filter(|row| row.has_pending_webhook).map(move |row| (batch.clone(), row.id.clone()))
        });
        (batches.map(|(id, _)| id.clone()).collect(), rows.collect())
    }

    /// Objects in the bucket of results that batches and their unfinished rows need.
    pub(super) fn objects(&self) -> impl Iterator<Item = &(Area, ContentHash)> {
        self.all.values().flat_map(|known| {
            let of_rows = known.rows.values().flat_map(|row| &row.objects);
            known.record.iter().flat_map(|record| &record.objects).chain(of_rows)
        })
    }
}

#[cfg(test)]
mod tests;
