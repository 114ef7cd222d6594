//! What a front end knows of batches: heads, and what each row is like. Some two hundred bytes a row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::life::batch_record::{BatchRecord, RATE_WINDOW, Tally};
use crate::jobs::life::document;
use crate::jobs::life::record::JobRecord;
use crate::jobs::moment::Moment;
use crate::jobs::results::Area;

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
    rows: u64,
    bad: u64,
    /// Its rows become one document, which is the only one with a record.
    is_document: bool,
    created: i64,
    since: i64,
    expires: Option<i64>,
    open: bool,
    gone: bool,
    /// Since when failed rows are being made to wait.
    retrying: Option<i64>,
    telling: bool,
    needs: Vec<(Area, String)>,
}

struct KnownRow {
    id: JobId,
    revision: u64,
    status: Status,
    sent: bool,
    started: Option<i64>,
    completed: Option<i64>,
    to_retry: bool,
    /// Of a document: how far it is, 0 to 100, and how many rows went into it.
    percent: f64,
    went_in: Option<u64>,
    telling: bool,
    needs: Vec<(Area, String)>,
}

/// What there is to do for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs::nats) struct Care {
    /// Of its head, as it was seen.
    pub(in crate::jobs::nats) revision: u64,
    /// So many rows should be put into the queue.
    pub(in crate::jobs::nats) room: u64,
    /// All its rows have ended.
    pub(in crate::jobs::nats) over: bool,
    /// Since when failed rows are being made to wait.
    pub(in crate::jobs::nats) retrying: Option<Moment>,
}

/// A row as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::jobs::nats) struct SeenRow {
    pub(in crate::jobs::nats) number: u64,
    /// `None`: it has no record yet, and is what was sent.
    pub(in crate::jobs::nats) id: Option<JobId>,
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

    /// Rows that are under way, done, and failed.
    fn counts(&self) -> (u64, u64, u64) {
        let Some(head) = self.head.as_ref().filter(|head| head.is_document) else {
            return (self.progress, self.done, self.error);
        };
        match self.rows.get(&document::ROW).map(|it| (it.status, it.went_in)) {
            None | Some((Status::Scheduled, _)) => (0, 0, head.bad),
            Some((Status::Progress, _)) => (head.rows.saturating_sub(head.bad), 0, head.bad),
            Some((Status::Done | Status::Error, went_in)) => {
                let done = went_in.unwrap_or(0);
                (0, done, head.rows.saturating_sub(done))
            }
        }
    }

    fn unfinished(&self) -> u64 {
        let (_, done, error) = self.counts();
        self.head.as_ref().map_or(0, |head| head.rows.saturating_sub(done + error))
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
        let stored = values.chain(ended.map(|it| &it.ends)).flat_map(|body| body.stored());
        let row = KnownRow {
            id: id.clone(),
            revision,
            status: record.status,
            sent: record.sequence > 0,
            started: record.started,
            completed: record.completed,
            to_retry: record.is_to_retry(i64::MAX),
            percent: record.progress,
            went_in: ended.map(|it| it.done),
            telling: record.pending().is_some(),
            needs: stored.map(|(area, name)| (area, name.to_owned())).collect(),
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
        let stored = head.template.stored().chain(head.list.stored());
        known.head = Some(KnownHead {
            revision,
            owner,
            rows: head.rows,
            bad: head.bad,
            is_document: head.document.is_some(),
            created: head.created,
            since: head.since,
            expires: head.expires,
            open: head.completed.is_none() && !head.gone,
            gone: head.gone,
            retrying: head.retrying.then_some(head.retried),
            telling: head.pending().next().is_some(),
            needs: stored.map(|(area, name)| (area, name.to_owned())).collect(),
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

    /// Batches whose rows have not all ended.
    pub(super) fn open(&self) -> Vec<BatchId> {
        let open = |known: &KnownBatch| known.head.as_ref().is_some_and(|head| head.open);
        self.all.iter().filter(|(_, known)| open(known)).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn care(&self, batch: &BatchId) -> Option<Care> {
        let known = self.all.get(batch)?;
        let head = known.head.as_ref()?;
        let wanted = (QUEUED_PER_ROW * known.progress).max(LEAST_QUEUED);
        // Half empty: one look for many rows.
        let room = if known.queued <= wanted / 2 { wanted - known.queued } else { 0 };
        Some(Care {
            revision: head.revision,
            room,
            over: known.unfinished() == 0,
            retrying: head.retrying.map(Moment::from_micros),
        })
    }

    /// The first `limit` rows that are not in the queue and have not been.
    pub(super) fn next(&mut self, batch: &BatchId, limit: u64) -> Vec<SeenRow> {
        let Some(known) = self.all.get_mut(batch) else { return Vec::new() };
        let rows = known.head.as_ref().map_or(0, |head| head.rows);
        while known.fed < rows && known.rows.contains_key(&(known.fed + 1)) {
            known.fed += 1;
        }
        let unsent = known.unsent.iter().filter_map(|number| {
            let row = known.rows.get(number)?;
            Some(SeenRow { number: *number, id: Some(row.id.clone()) })
        });
        let numbers = match known.head.as_ref().is_some_and(|head| head.is_document) {
            true => document::ROW..=document::ROW,
            false => known.fed + 1..=rows,
        };
        let missing = numbers.filter(|number| !known.rows.contains_key(number));
        let missing = missing.map(|number| SeenRow { number, id: None });
        unsent.chain(missing).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
    }

    /// Rows above `after` with that status; those without a record wait.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<SeenRow> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        let rows = known.head.as_ref().map_or(0, |head| head.rows);
        let seen = (after.saturating_add(1)..=rows).map(|number| (number, known.rows.get(&number)));
        let of_status = seen.filter(|(_, row)| {
            let is = row.map_or(Status::Scheduled, |row| row.status);
            status.is_none_or(|wanted| wanted == is)
        });
        of_status.map(|(number, row)| SeenRow { number, id: row.map(|row| row.id.clone()) }).collect()
    }

    /// Rows with a record.
    pub(super) fn recorded(&self, batch: &BatchId) -> Vec<JobId> {
        self.all.get(batch).map(|known| known.rows.values().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    /// Rows that a retry may begin again.
    pub(super) fn failed(&self, batch: &BatchId) -> Vec<(u64, JobId)> {
        let Some(known) = self.all.get(batch) else { return Vec::new() };
        known.rows.iter().filter(|(_, row)| row.to_retry).map(|(number, row)| (*number, row.id.clone())).collect()
    }

    pub(super) fn tally(&self, batch: &BatchId, now: Moment) -> Tally {
        let Some(known) = self.all.get(batch) else { return Tally::default() };
        let since = known.head.as_ref().map_or(0, |head| head.since);
        let started = known.rows.values().filter_map(|row| row.started).filter(|it| *it >= since).min();
        let recently = now.micros() - RATE_WINDOW.as_micros() as i64;
        let from = started.unwrap_or(since).max(recently);
        let (progress, done, error) = known.counts();
        let seconds = |from: i64| now.since(Moment::from_micros(from)).as_secs_f64();
        let of_document = known.rows.get(&document::ROW).filter(|it| it.status == Status::Progress);
        let (ended, over, left) = match of_document {
            Some(document) => {
                let went_in = progress as f64 * document.percent / 100.0;
                (went_in, document.started.map(seconds), progress as f64 - went_in)
            }
            None => {
                let lately = known.rows.values().filter(|row| row.completed.is_some_and(|it| it >= from)).count();
                (lately as f64, started.map(|_| seconds(from)), known.unfinished() as f64)
            }
        };
        let rate = over.filter(|it| *it > 0.0).map(|seconds| ended / seconds).filter(|it| *it > 0.0);
        Tally { progress, done, error, started, rate, left }
    }

    /// Newest first: ids of a page, and how many there are.
    pub(super) fn page(&self, owner: &str, offset: u64, limit: u64, now: Moment) -> (Vec<BatchId>, u64) {
        let Some(theirs) = self.by_owner.get(owner) else { return (Vec::new(), 0) };
        let alive = |id: &BatchId| {
            let head = self.all.get(id).and_then(|known| known.head.as_ref());
            head.is_some_and(|head| !head.gone && head.expires.is_none_or(|it| it > now.micros()))
        };
        let all: Vec<_> = theirs.iter().rev().map(|(_, id)| id.clone()).filter(alive).collect();
        let total = all.len() as u64;
        let skipped = all.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
        (skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(), total)
    }

    /// What is to be cleared away: expired, removed, or below a batch that there is no more.
    pub(super) fn to_clear(&self, now: Moment) -> Vec<BatchId> {
        let is_over = |known: &KnownBatch| match &known.head {
            Some(head) => head.gone || head.expires.is_some_and(|it| it <= now.micros()),
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
        let alive = || self.all.iter().filter(|(_, known)| known.head.as_ref().is_some_and(|head| !head.gone));
        let batches = alive().filter(|(_, known)| known.head.as_ref().is_some_and(|head| head.telling));
        let rows = alive().flat_map(|(batch, known)| {
            known.rows.values().filter(|row| row.telling).map(move |row| (batch.clone(), row.id.clone()))
        });
        (batches.map(|(id, _)| id.clone()).collect(), rows.collect())
    }

    /// What batches and their unfinished rows need of the bucket.
    pub(super) fn needed(&self) -> impl Iterator<Item = &(Area, String)> {
        self.all.values().flat_map(|known| {
            let of_rows = known.rows.values().flat_map(|row| &row.needs);
            known.head.iter().flat_map(|head| &head.needs).chain(of_rows)
        })
    }
}

#[cfg(test)]
mod tests;
