//! What a front end knows of batches: heads, and what each row is like. Some two hundred bytes a row.

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

/// Rows in the queue for each that is being rendered: what lies there is handed out before another batch has its turn, and the
/// queue must not run dry before a front end has looked again.
const QUEUED_PER_ROW: u64 = 4;
/// At least so many rows in the queue.
const LEAST_QUEUED: u64 = 32;

#[derive(Default)]
pub(super) struct Batches {
    all: HashMap<BatchId, KnownBatch>,
    /// Of one owner, oldest first.
    by_owner: HashMap<Arc<str>, BTreeSet<(i64, BatchId)>>,
}

/// Rows may be known before their head, which is written again after them.
#[derive(Default)]
struct KnownBatch {
    head: Option<KnownHead>,
    rows: BTreeMap<u64, KnownRow>,
    /// All rows up to this one are known.
    fed: u64,
    /// Known rows that wait without a message.
    unsent: BTreeSet<u64>,
    /// Known rows that wait with one.
    queued: u64,
    progress: u64,
    done: u64,
    error: u64,
}

/// The little that is kept of a head.
#[derive(Clone)]
struct KnownHead {
    revision: u64,
    owner: Arc<str>,
    shape: BatchShape,
    created: i64,
    expires: Option<i64>,
    open: bool,
    is_removed: bool,
    /// Since when failed rows are being made to wait.
    retrying: Option<i64>,
    telling: bool,
    needs: Vec<(Area, ContentHash)>,
}

struct KnownRow {
    id: JobId,
    revision: u64,
    status: Status,
    sent: bool,
    started: Option<i64>,
    completed: Option<i64>,
    to_retry: bool,
    state: DocumentState,
    telling: bool,
    needs: Vec<(Area, ContentHash)>,
}

/// A row as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownRowId {
    pub(crate) number: u64,
    /// `None`: it has no record yet, and is what was sent.
    pub(crate) id: Option<JobId>,
}

impl KnownBatch {
    fn count(&mut self, row: &KnownRow, add: bool) {
        let count = match row.status {
            Status::Scheduled if row.sent => &mut self.queued,
            Status::Scheduled => return,
            Status::Progress => &mut self.progress,
            Status::Done => &mut self.done,
            Status::Error => &mut self.error,
        };
        *count = if add { *count + 1 } else { count.saturating_sub(1) };
    }

    fn shape(&self) -> BatchShape {
        self.head
            .as_ref()
            .map_or(BatchShape { rows: 0, unreadable: 0, is_document: false, since: 0 }, |head| head.shape)
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
    /// False when this is old news.
    pub(super) fn saw_row(&mut self, batch: &BatchId, id: &JobId, record: &JobRecord, revision: u64) -> bool {
        let Some(part) = &record.row else { return false };
        let known = self.all.entry(batch.clone()).or_default();
        if known.rows.get(&part.number).is_some_and(|row| row.revision >= revision) {
            return false;
        }
        let unfinished = !record.status.is_end();
        let values = record.body.iter().filter(|_| unfinished);
        let ended = part.ended.as_ref();
        let stored = values.chain(ended.map(|it| &it.ends)).flat_map(|body| body.objects());
        let row = KnownRow {
            id: id.clone(),
            revision,
            status: record.status,
            sent: record.sequence > 0,
            started: record.started,
            completed: record.completed,
            to_retry: record.is_to_retry(i64::MAX),
            state: record.document_state(),
            telling: record.pending_delivery().is_some(),
            needs: stored.collect(),
        };
        known.count(&row, true);
        match row.status == Status::Scheduled && !row.sent {
            true => known.unsent.insert(part.number),
            false => known.unsent.remove(&part.number),
        };
        if let Some(before) = known.rows.insert(part.number, row) {
            known.count(&before, false);
        }
        true
    }

    /// False when this is old news.
    pub(super) fn saw_head(&mut self, batch: &BatchId, head: &BatchRecord, revision: u64) -> bool {
        let known = self.all.entry(batch.clone()).or_default();
        if known.head.as_ref().is_some_and(|it| it.revision >= revision) {
            return false;
        }
        let owner: Arc<str> = match self.by_owner.get_key_value(head.owner.as_str()) {
            Some((owner, _)) => owner.clone(),
            None => head.owner.as_str().into(),
        };
        self.by_owner.entry(owner.clone()).or_default().insert((head.created, batch.clone()));
        let stored = head.template.objects().chain(head.list.objects());
        known.head = Some(KnownHead {
            revision,
            owner,
            shape: head.shape(),
            created: head.created,
            expires: head.expires,
            open: head.is_open(),
            is_removed: head.is_removed,
            retrying: head.retrying.then_some(head.retried),
            telling: head.pending_deliveries().next().is_some(),
            needs: stored.collect(),
        });
        true
    }

    /// A pin: all that is to be known is that there is something below this batch.
    pub(super) fn saw_pin(&mut self, batch: &BatchId) {
        self.all.entry(batch.clone()).or_default();
    }

    /// Forgets a batch with all that is below it.
    pub(super) fn forget(&mut self, batch: &BatchId) {
        let Some(KnownBatch { head: Some(head), .. }) = self.all.remove(batch) else { return };
        if let Some(theirs) = self.by_owner.get_mut(&head.owner) {
            theirs.remove(&(head.created, batch.clone()));
            if theirs.is_empty() {
                self.by_owner.remove(&head.owner);
            }
        }
    }

    /// Forgets a batch that was removed at `revision`, unless it was made anew since.
    pub(super) fn saw_removal(&mut self, batch: &BatchId, revision: u64) {
        let known = self.all.get(batch).and_then(|it| it.head.as_ref());
        if known.is_none_or(|head| head.revision < revision) {
            self.forget(batch);
        }
    }

    /// Batches that are not completed.
    pub(super) fn open(&self) -> Vec<OpenBatch> {
        let open = self.all.iter().filter_map(|(id, known)| {
            let head = known.head.as_ref().filter(|head| head.open)?;
            let retrying = head.retrying.map(Timestamp::from_micros);
            Some(OpenBatch { id: id.clone(), retrying, is_over: known.unfinished() == 0 })
        });
        open.collect()
    }

    /// The revision of a batch that is not completed and all of whose rows have ended.
    pub(super) fn over(&self, batch: &BatchId) -> Option<u64> {
        let known = self.all.get(batch)?;
        let head = known.head.as_ref().filter(|head| head.open && head.retrying.is_none())?;
        (known.unfinished() == 0).then_some(head.revision)
    }

    /// The first rows that are not in the queue and have not been, as many as there should be there.
    pub(super) fn next(&mut self, batch: &BatchId) -> Vec<KnownRowId> {
        let Some(known) = self.all.get_mut(batch) else { return Vec::new() };
        let wanted = (QUEUED_PER_ROW * known.progress).max(LEAST_QUEUED);
        // Half empty: one look for many rows.
        let room = if known.queued <= wanted / 2 { wanted - known.queued } else { 0 };
        let rows = known.head.as_ref().map_or(0, |head| head.shape.rows);
        while known.fed < rows && known.rows.contains_key(&(known.fed + 1)) {
            known.fed += 1;
        }
        let unsent = known.unsent.iter().filter_map(|number| {
            let row = known.rows.get(number)?;
            Some(KnownRowId { number: *number, id: Some(row.id.clone()) })
        });
        let numbers = match known.head.as_ref().is_some_and(|head| head.shape.is_document) {
            true => document::ROW..=document::ROW,
            false => known.fed + 1..=rows,
        };
        let missing = numbers.filter(|number| !known.rows.contains_key(number));
        let missing = missing.map(|number| KnownRowId { number, id: None });
        unsent.chain(missing).take(usize::try_from(room).unwrap_or(usize::MAX)).collect()
    }

    /// Rows above `after` with that status; those without a record wait.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<KnownRowId> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        let rows = known.head.as_ref().map_or(0, |head| head.shape.rows);
        let seen = (after.saturating_add(1)..=rows).map(|number| (number, known.rows.get(&number)));
        let of_status = seen.filter(|(_, row)| {
            let is = row.map_or(Status::Scheduled, |row| row.status);
            status.is_none_or(|wanted| wanted == is)
        });
        of_status.map(|(number, row)| KnownRowId { number, id: row.map(|row| row.id.clone()) }).collect()
    }

    /// Rows with a record.
    pub(super) fn recorded(&self, batch: &BatchId) -> Vec<JobId> {
        self.all.get(batch).map(|known| known.rows.values().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    /// Rows that a retry may begin again.
    pub(super) fn failed(&self, batch: &BatchId) -> Vec<JobId> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        known.rows.values().filter(|row| row.to_retry).map(|row| row.id.clone()).collect()
    }

    pub(super) fn tally(&self, batch: &BatchId, now: Timestamp) -> BatchProgress {
        let Some(known) = self.all.get(batch) else { return BatchProgress::default() };
        let shape = known.shape();
        let started = known.rows.values().filter_map(|row| row.started).filter(|it| *it >= shape.since).min();
        let ended_after = |from: i64| {
            let lately = known.rows.values().filter(|row| row.completed.is_some_and(|it| it > from)).count();
            Ok::<_, Infallible>(lately as u64)
        };
        let Ok(tally) = RowStats { started, ..known.stats() }.progress(&shape, now, ended_after);
        tally
    }

    /// Newest first.
    pub(super) fn alive_of(&self, owner: &str, now: Timestamp) -> Vec<BatchId> {
        let alive = |id: &BatchId| {
            let head = self.all.get(id).and_then(|known| known.head.as_ref());
            head.is_some_and(|head| !head.is_removed && head.expires.is_none_or(|it| it > now.micros()))
        };
        let theirs = self.by_owner.get(owner).into_iter().flatten().rev();
        theirs.map(|(_, id)| id).filter(|id| alive(id)).cloned().collect()
    }

    /// What is to be cleared away: expired, removed, or below a batch that there is no more.
    pub(super) fn to_clear(&self, now: Timestamp) -> Vec<BatchId> {
        let is_over = |known: &KnownBatch| match &known.head {
            Some(head) => head.is_removed || head.expires.is_some_and(|it| it <= now.micros()),
            None => true,
        };
        self.all.iter().filter(|(_, known)| is_over(known)).map(|(id, _)| id.clone()).collect()
    }

    /// Rows that have not ended, and batches, of `owner` or of all.
    pub(super) fn unfinished(&self, owner: Option<&str>) -> (u64, u64) {
        let theirs = self.all.values().filter(|known| {
            let head = known.head.as_ref();
            head.is_some_and(|head| head.open && owner.is_none_or(|owner| *head.owner == *owner))
        });
        theirs.fold((0, 0), |(rows, batches), known| (rows + known.unfinished(), batches + 1))
    }

    /// Rows that are being rendered.
    pub(super) fn under_way(&self) -> u64 {
        self.all.values().filter(|known| known.head.as_ref().is_some_and(|it| it.open)).map(|it| it.progress).sum()
    }

    /// Rows with a message in the queue, or under way with one.
    pub(super) fn sent(&self) -> impl Iterator<Item = (&BatchId, &JobId)> {
        let open = self.all.iter().filter(|(_, known)| known.head.as_ref().is_some_and(|head| head.open));
        open.flat_map(|(batch, known)| {
            known.rows.values().filter(|row| row.sent && !row.status.is_end()).map(move |row| (batch, &row.id))
        })
    }

    /// Batches, and rows, with a webhook that waits.
    pub(super) fn telling(&self) -> (Vec<BatchId>, Vec<(BatchId, JobId)>) {
        let alive = || self.all.iter().filter(|(_, known)| known.head.as_ref().is_some_and(|head| !head.is_removed));
        let batches = alive().filter(|(_, known)| known.head.as_ref().is_some_and(|head| head.telling));
        let rows = alive().flat_map(|(batch, known)| {
            known.rows.values().filter(|row| row.telling).map(move |row| (batch.clone(), row.id.clone()))
        });
        (batches.map(|(id, _)| id.clone()).collect(), rows.collect())
    }

    /// What batches and their unfinished rows need of the bucket.
    pub(super) fn needed(&self) -> impl Iterator<Item = &(Area, ContentHash)> {
        self.all.values().flat_map(|known| {
            let of_rows = known.rows.values().flat_map(|row| &row.needs);
            known.head.iter().flat_map(|head| &head.needs).chain(of_rows)
        })
    }
}

#[cfg(test)]
mod tests;
