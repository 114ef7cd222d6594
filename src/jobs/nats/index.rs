//! Index of all jobs and batches in the memory of a front end: by owner, by expiry, unfinished ones. It follows a watch
//! of the bucket of records, some milliseconds behind, and takes some hundred bytes a job. Decisions are made on
//! records, not on it.

mod batches;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use self::batches::Batches;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::{EndSignals, ListKind, OpenBatch};
use crate::jobs::life::batch_record::BatchProgress;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Unfinished;
use crate::jobs::life::record::JobRecord;
use crate::jobs::results::Area;
use crate::jobs::timestamp::Timestamp;

pub(super) use self::batches::IndexedRowId;

/// Index of the records. Updates with an older revision than that of the indexed record are ignored.
#[derive(Default)]
pub(super) struct Index {
    all: Mutex<All>,
    /// Notified when a batch or one of its rows has changed.
    batches_changed: Notify,
    /// Notified when the watch has reached another revision.
    watched: Notify,
    end_signals: EndSignals,
}

#[derive(Default)]
struct All {
    jobs: HashMap<JobId, IndexedJob>,
    /// Creation time and id of each owner's jobs.
    by_owner: HashMap<Arc<str>, BTreeSet<(i64, JobId)>>,
    by_expiry: BTreeSet<(i64, JobId)>,
    unfinished: HashSet<JobId>,
    with_pending_webhook: HashSet<JobId>,
    batches: Batches,
    /// Latest revision of the bucket that the watch has reached.
    revision: u64,
    /// Latest revision of the bucket when the watch began.
    target: Option<u64>,
    /// Time and revision of the tombstones that deletions leave in the bucket.
    tombstones: BTreeSet<(i64, u64)>,
}

/// The indexed fields of a job's record.
#[derive(Clone, Debug)]
struct IndexedJob {
    revision: u64,
    owner: Arc<str>,
    created: i64,
    expires: Option<i64>,
    /// Objects in the bucket of results that the job needs while it is unfinished.
    objects: Vec<(Area, ContentHash)>,
}

impl Index {
    /// Indexes a record as it is at `revision`.
    pub(super) fn apply(&self, record: &Entry, revision: u64) {
        let batch_changed = match (record, record.key()) {
            (Entry::Job(record), Some(Key::Job(id))) => {
                let changed = self.lock().apply(&id, record, revision);
                if changed && record.status.is_end() {
                    self.end_signals.notify(&id);
                }
                false
            }
            (Entry::Job(record), Some(Key::Row(batch, id))) => {
                self.lock().batches.apply_row(&batch, &id, record, revision)
            }
            (Entry::Batch(record), Some(Key::Batch(id))) => self.lock().batches.apply_batch(&id, record, revision),
            _ => false,
        };
        if batch_changed {
            self.batches_changed.notify_one();
        }
    }

    /// Notes that there is an asset hash of a batch, which may have no record any more.
    pub(super) fn apply_asset(&self, batch: &BatchId) {
        self.lock().batches.apply_asset(batch);
    }

    /// Removes a job, or a batch with its rows.
    pub(super) fn remove(&self, key: &Key) {
        match key {
            Key::Job(id) => {
                self.lock().remove(id);
                self.end_signals.notify(id);
            }
            Key::Batch(id) => self.lock().batches.remove(id),
            Key::Row(..) | Key::Pin(..) => {}
        }
    }

    /// Removes a record that was deleted from the bucket. `revision`: of the tombstone.
    pub(super) fn apply_removal(&self, key: &Key, revision: u64, at: Timestamp) {
        let mut all = self.lock();
        all.tombstones.insert((at.micros(), revision));
        match key {
            Key::Job(id) if all.jobs.get(id).is_none_or(|known| known.revision < revision) => {
                all.remove(id);
                drop(all);
                self.end_signals.notify(id);
            }
            Key::Batch(id) => all.batches.apply_removal(id, revision),
            _ => {}
        }
    }

    /// Removes everything, before all records are read again.
    pub(super) fn reset(&self) {
        *self.lock() = All::default();
    }

    /// Begins a watch that will yield all records up to the revision `target`.
    pub(super) fn begin_watch(&self, target: u64) {
        self.lock().target = Some(target);
        self.watched.notify_waiters();
    }

    /// Notes that the watch has reached `revision`.
    pub(super) fn set_revision(&self, revision: u64) {
        {
            let mut all = self.lock();
            all.revision = all.revision.max(revision);
        }
        self.watched.notify_waiters();
    }

    /// Resolves when the watch has reached `revision`.
    pub(super) async fn wait_for(&self, revision: u64) {
        self.until(|| self.revision() >= revision).await;
    }

    /// Resolves when the index has all records that existed when the watch began.
    pub(super) async fn wait_until_complete(&self) {
        self.until(|| self.is_complete()).await;
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut notified = std::pin::pin!(self.watched.notified());
            notified.as_mut().enable();
            if condition() {
                return;
            }
            notified.await;
        }
    }

    /// The latest revision that the watch has reached.
    pub(super) fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Whether the index has all records that existed when the watch began.
    pub(super) fn is_complete(&self) -> bool {
        let all = self.lock();
        all.target.is_some_and(|target| all.revision >= target)
    }

    /// Newest first: keys of a page of `owner`'s records, and how many there are.
    pub(super) fn page(&self, owner: &str, kind: ListKind, offset: u64, limit: u64, now: Timestamp) -> (Vec<Key>, u64) {
        let all = self.lock();
        let keys: Vec<_> = match kind {
            ListKind::Job => all.visible_to(owner, now).into_iter().map(Key::Job).collect(),
            ListKind::Batch => all.batches.visible_to(owner, now).into_iter().map(Key::Batch).collect(),
        };
        let total = keys.len() as u64;
        let skipped = keys.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
        (skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(), total)
    }

    /// Jobs and batches that have expired or were removed.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<Key> {
        let all = self.lock();
        let jobs = all.by_expiry.iter().take_while(|(at, _)| *at <= now.micros()).map(|(_, id)| Key::Job(id.clone()));
        jobs.chain(all.batches.removable(now).into_iter().map(Key::Batch)).collect()
    }

    /// Jobs that must have a message.
    pub(super) fn unfinished_jobs(&self) -> Vec<Key> {
        self.lock().unfinished.iter().cloned().map(Key::Job).collect()
    }

    /// Rows that must have a message.
    pub(super) fn rows_with_message(&self) -> Vec<Key> {
        self.lock().batches.with_message().map(|(batch, id)| Key::Row(batch.clone(), id.clone())).collect()
    }

    /// Unfinished work of all and of `owner`, without the jobs of all, which the servers count.
    pub(super) fn unfinished_of(&self, owner: &str) -> Unfinished {
        let all = self.lock();
        let ((rows, _), (rows_of_owner, batches)) = (all.batches.unfinished(None), all.batches.unfinished(Some(owner)));
        let theirs = all.by_owner.get(owner).into_iter().flatten();
        let jobs = theirs.filter(|(_, id)| all.unfinished.contains(id)).count() as u64;
        Unfinished { jobs: 0, of_owner: jobs + batches, rows, rows_of_owner }
    }

    /// Whether `owner` has batches that are not completed.
    pub(super) fn has_open_batches(&self, owner: &str) -> bool {
        self.lock().batches.unfinished(Some(owner)).1 > 0
    }

    /// Number of rows of all batches that have not ended.
    pub(super) fn unfinished_rows(&self) -> u64 {
        self.lock().batches.unfinished(None).0
    }

    pub(super) fn rows_in_progress(&self) -> u64 {
        self.lock().batches.in_progress()
    }

    /// Keys of the records with a webhook to deliver.
    pub(super) fn with_pending_webhook(&self) -> Vec<Key> {
        let all = self.lock();
        let (batches, rows) = all.batches.with_pending_webhook();
        let jobs = all.with_pending_webhook.iter().cloned().map(Key::Job);
        let rows = rows.into_iter().map(|(batch, id)| Key::Row(batch, id));
        jobs.chain(batches.into_iter().map(Key::Batch)).chain(rows).collect()
    }

    /// Objects in the bucket of results that unfinished jobs and batches need.
    pub(super) fn referenced_objects(&self) -> HashSet<(Area, ContentHash)> {
        let all = self.lock();
        let jobs = all.unfinished.iter().filter_map(|id| all.jobs.get(id)).flat_map(|known| &known.objects);
        jobs.chain(all.batches.objects()).cloned().collect()
    }

    /// Resolves when a batch or one of its rows has changed.
    pub(super) async fn batches_changed(&self) {
        self.batches_changed.notified().await;
    }

    /// Batches that are not completed.
    pub(super) fn open_batches(&self) -> Vec<OpenBatch> {
        self.lock().batches.open()
    }

    /// The revision of an open batch all of whose rows have ended.
    pub(super) fn all_rows_ended(&self, batch: &BatchId) -> Option<u64> {
        self.lock().batches.all_rows_ended(batch)
    }

    /// Rows that are to be enqueued now.
    pub(super) fn rows_to_enqueue(&self, batch: &BatchId) -> Vec<IndexedRowId> {
        self.lock().batches.rows_to_enqueue(batch)
    }

    /// Rows of a batch with a number above `after`, in order, of one status or all.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<IndexedRowId> {
        self.lock().batches.rows(batch, status, after)
    }

    pub(super) fn rows_with_record(&self, batch: &BatchId) -> Vec<JobId> {
        self.lock().batches.with_record(batch)
    }

    /// Ids of rows that a retry schedules again.
    pub(super) fn failed_rows(&self, batch: &BatchId) -> Vec<JobId> {
        self.lock().batches.failed(batch)
    }

    pub(super) fn progress(&self, batch: &BatchId, now: Timestamp) -> BatchProgress {
        self.lock().batches.progress(batch, now)
    }

    /// Takes the revisions of tombstones from before `timestamp`.
    pub(super) fn take_tombstones(&self, timestamp: Timestamp) -> Vec<u64> {
        let mut all = self.lock();
        let later = all.tombstones.split_off(&(timestamp.micros(), 0));
        std::mem::replace(&mut all.tombstones, later).into_iter().map(|(_, revision)| revision).collect()
    }

    pub(super) fn end_signals(&self) -> &EndSignals {
        &self.end_signals
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock()
    }
}

impl All {
    /// The jobs of `owner` that have not expired at `now`, newest first.
    fn visible_to(&self, owner: &str, now: Timestamp) -> Vec<JobId> {
        let is_visible = |id: &JobId| {
            self.jobs.get(id).is_some_and(|known| known.expires.is_none_or(|expires| expires > now.micros()))
        };
        let theirs = self.by_owner.get(owner).into_iter().flatten().rev();
        theirs.map(|(_, id)| id).filter(|id| is_visible(id)).cloned().collect()
    }

    /// False when the index has this revision or a later one.
    fn apply(&mut self, id: &JobId, record: &JobRecord, revision: u64) -> bool {
        if self.jobs.get(id).is_some_and(|known| known.revision >= revision) {
            return false;
        }
        self.remove(id);
        let owner: Arc<str> = match self.by_owner.get_key_value(record.owner.as_str()) {
            Some((owner, _)) => owner.clone(),
            None => record.owner.as_str().into(),
        };
        let unfinished = !record.status.is_end();
        let objects = record.body.iter().filter(|_| unfinished).flat_map(|body| body.objects()).collect();
        self.by_owner.entry(owner.clone()).or_default().insert((record.created, id.clone()));
        if let Some(expires) = record.expires {
            self.by_expiry.insert((expires, id.clone()));
        }
        if unfinished {
            self.unfinished.insert(id.clone());
        }
        if record.pending_delivery().is_some() {
            self.with_pending_webhook.insert(id.clone());
        }
        let known = IndexedJob { revision, owner, created: record.created, expires: record.expires, objects };
        self.jobs.insert(id.clone(), known);
        true
    }

    fn remove(&mut self, id: &JobId) {
        let Some(known) = self.jobs.remove(id) else { return };
        if let Some(theirs) = self.by_owner.get_mut(&known.owner) {
            theirs.remove(&(known.created, id.clone()));
            if theirs.is_empty() {
                self.by_owner.remove(&known.owner);
            }
        }
        if let Some(expires) = known.expires {
            self.by_expiry.remove(&(expires, id.clone()));
        }
        self.unfinished.remove(id);
        self.with_pending_webhook.remove(id);
    }
}
