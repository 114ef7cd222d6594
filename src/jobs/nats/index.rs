//! What a front end knows of all jobs and batches without asking: who has which, which are unfinished, when they expire. Some
//! hundred bytes a job, told by the bucket itself; a moment behind it. Decisions are made on records, never on this.

mod batches;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use self::batches::Batches;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::{EndSignals, Kind, OpenBatch};
use crate::jobs::life::batch_record::BatchProgress;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Unfinished;
use crate::jobs::life::record::JobRecord;
use crate::jobs::results::Area;
use crate::jobs::timestamp::Timestamp;

pub(super) use self::batches::KnownRowId;

#[derive(Default)]
pub(super) struct Index {
    all: Mutex<All>,
    /// Told when there may be something to do for a batch.
    batches_changed: Notify,
    /// Told when watching came to another revision.
    watched: Notify,
    ends: EndSignals,
}

#[derive(Default)]
struct All {
    jobs: HashMap<JobId, Known>,
    /// Of one owner, oldest first.
    by_owner: HashMap<Arc<str>, BTreeSet<(i64, JobId)>>,
    by_expiry: BTreeSet<(i64, JobId)>,
    unfinished: HashSet<JobId>,
    /// Jobs with a webhook that waits.
    telling: HashSet<JobId>,
    batches: Batches,
    /// Latest revision of the bucket that was seen by watching it.
    watched: u64,
    /// Everything up to here was there when watching began.
    target: Option<u64>,
    /// What deleted jobs leave in the bucket: revision, and when.
    markers: BTreeSet<(i64, u64)>,
}

/// The little that is kept of a record.
#[derive(Clone, Debug)]
struct Known {
    revision: u64,
    owner: Arc<str>,
    created: i64,
    expires: Option<i64>,
    /// While unfinished.
    needs: Vec<(Area, ContentHash)>,
}

impl Index {
    /// A record as it is at `revision`; older news is ignored.
    pub(super) fn saw(&self, record: &Entry, revision: u64) {
        let batch_is_news = match (record, record.key()) {
            (Entry::Job(record), Some(Key::Job(id))) => {
                let is_news = self.lock().saw(&id, record, revision);
                if is_news && record.status.is_end() {
                    self.ends.notify(&id);
                }
                false
            }
            (Entry::Job(record), Some(Key::Row(batch, id))) => {
                self.lock().batches.saw_row(&batch, &id, record, revision)
            }
            (Entry::Batch(record), Some(Key::Batch(id))) => self.lock().batches.saw_head(&id, record, revision),
            _ => false,
        };
        if batch_is_news {
            self.batches_changed.notify_one();
        }
    }

    /// There is something below a batch.
    pub(super) fn saw_pin(&self, batch: &BatchId) {
        self.lock().batches.saw_pin(batch);
    }

    /// It is gone; a batch with all that is below it.
    pub(super) fn forget(&self, key: &Key) {
        match key {
            Key::Job(id) => {
                self.lock().forget(id);
                self.ends.notify(id);
            }
            Key::Batch(id) => self.lock().batches.forget(id),
            Key::Row(..) | Key::Pin(..) => {}
        }
    }

    /// It was removed: `revision` is what that left in the bucket.
    pub(super) fn saw_removal(&self, key: &Key, revision: u64, at: Timestamp) {
        let mut all = self.lock();
        all.markers.insert((at.micros(), revision));
        match key {
            Key::Job(id) if all.jobs.get(id).is_none_or(|known| known.revision < revision) => {
                all.forget(id);
                drop(all);
                self.ends.notify(id);
            }
            Key::Batch(id) => all.batches.saw_removal(id, revision),
            _ => {}
        }
    }

    /// Forgets everything, to be told it all again.
    pub(super) fn begin_anew(&self) {
        *self.lock() = All::default();
    }

    /// Watching begins: what is up to `target` is being told.
    pub(super) fn begin(&self, target: u64) {
        self.lock().target = Some(target);
        self.watched.notify_waiters();
    }

    /// Watching came to `revision`.
    pub(super) fn watched(&self, revision: u64) {
        {
            let mut all = self.lock();
            all.watched = all.watched.max(revision);
        }
        self.watched.notify_waiters();
    }

    /// Resolves when everything up to `revision` has been seen by watching.
    pub(super) async fn has_watched(&self, revision: u64) {
        self.until(|| self.reached() >= revision).await;
    }

    /// Resolves when all jobs are known that there were when this process began.
    pub(super) async fn completed(&self) {
        self.until(|| self.is_complete()).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let mut told = std::pin::pin!(self.watched.notified());
            told.as_mut().enable();
            if is_so() {
                return;
            }
            told.await;
        }
    }

    /// The latest revision that was seen by watching.
    pub(super) fn reached(&self) -> u64 {
        self.lock().watched
    }

    /// Whether all jobs are known that there were when this process began.
    pub(super) fn is_complete(&self) -> bool {
        let all = self.lock();
        all.target.is_some_and(|target| all.watched >= target)
    }

    /// Newest first: keys of a page of `owner`'s records, and how many there are.
    pub(super) fn page(&self, owner: &str, kind: Kind, offset: u64, limit: u64, now: Timestamp) -> (Vec<Key>, u64) {
        let all = self.lock();
        let keys: Vec<_> = match kind {
            Kind::Job => all.alive_of(owner, now).into_iter().map(Key::Job).collect(),
            Kind::Batch => all.batches.alive_of(owner, now).into_iter().map(Key::Batch).collect(),
        };
        let total = keys.len() as u64;
        let skipped = keys.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
        (skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect(), total)
    }

    /// Jobs that have expired, and batches of which everything is to be cleared away.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<Key> {
        let all = self.lock();
        let jobs = all.by_expiry.iter().take_while(|(at, _)| *at <= now.micros()).map(|(_, id)| Key::Job(id.clone()));
        jobs.chain(all.batches.to_clear(now).into_iter().map(Key::Batch)).collect()
    }

    /// Jobs that have a message, or should.
    pub(super) fn unfinished(&self) -> Vec<Key> {
        self.lock().unfinished.iter().cloned().map(Key::Job).collect()
    }

    /// Rows that have a message, or should.
    pub(super) fn sent_rows(&self) -> Vec<Key> {
        self.lock().batches.sent().map(|(batch, id)| Key::Row(batch.clone(), id.clone())).collect()
    }

    /// What is unfinished, of all and of `owner`; jobs of all are counted by the servers.
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

    /// Rows of all batches that have not ended.
    pub(super) fn unfinished_rows(&self) -> u64 {
        self.lock().batches.unfinished(None).0
    }

    /// Rows that are being rendered.
    pub(super) fn rows_under_way(&self) -> u64 {
        self.lock().batches.under_way()
    }

    /// What has a webhook that waits.
    pub(super) fn telling(&self) -> Vec<Key> {
        let all = self.lock();
        let (batches, rows) = all.batches.telling();
        let jobs = all.telling.iter().cloned().map(Key::Job);
        let rows = rows.into_iter().map(|(batch, id)| Key::Row(batch, id));
        jobs.chain(batches.into_iter().map(Key::Batch)).chain(rows).collect()
    }

    /// What unfinished jobs, and batches, need of the bucket.
    pub(super) fn needed(&self) -> HashSet<(Area, ContentHash)> {
        let all = self.lock();
        let jobs = all.unfinished.iter().filter_map(|id| all.jobs.get(id)).flat_map(|known| &known.needs);
        jobs.chain(all.batches.needed()).cloned().collect()
    }

    /// Resolves when there may be something to do for a batch that was not there before.
    pub(super) async fn batches_changed(&self) {
        self.batches_changed.notified().await;
    }

    /// Batches that are not completed.
    pub(super) fn open_batches(&self) -> Vec<OpenBatch> {
        self.lock().batches.open()
    }

    /// The revision of a batch all of whose rows have ended.
    pub(super) fn over(&self, batch: &BatchId) -> Option<u64> {
        self.lock().batches.over(batch)
    }

    /// Rows that should be put into the queue now.
    pub(super) fn next_rows(&self, batch: &BatchId) -> Vec<KnownRowId> {
        self.lock().batches.next(batch)
    }

    /// Rows of a batch above `after`, in order, of one status or all.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<KnownRowId> {
        self.lock().batches.rows(batch, status, after)
    }

    /// Rows of a batch that have a record.
    pub(super) fn recorded_rows(&self, batch: &BatchId) -> Vec<JobId> {
        self.lock().batches.recorded(batch)
    }

    /// Ids of rows that a retry may begin again.
    pub(super) fn failed_rows(&self, batch: &BatchId) -> Vec<JobId> {
        self.lock().batches.failed(batch)
    }

    /// What the rows of a batch are like.
    pub(super) fn tally(&self, batch: &BatchId, now: Timestamp) -> BatchProgress {
        self.lock().batches.tally(batch, now)
    }

    /// Revisions that removals before `timestamp` left in the bucket; each is told once.
    pub(super) fn take_markers(&self, timestamp: Timestamp) -> Vec<u64> {
        let mut all = self.lock();
        let later = all.markers.split_off(&(timestamp.micros(), 0));
        std::mem::replace(&mut all.markers, later).into_iter().map(|(_, revision)| revision).collect()
    }

    /// Who waits for which job to end.
    pub(super) fn ends(&self) -> &EndSignals {
        &self.ends
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Newest first.
    fn alive_of(&self, owner: &str, now: Timestamp) -> Vec<JobId> {
        let alive = |id: &JobId| {
            self.jobs.get(id).is_some_and(|known| known.expires.is_none_or(|expires| expires > now.micros()))
        };
        let theirs = self.by_owner.get(owner).into_iter().flatten().rev();
        theirs.map(|(_, id)| id).filter(|id| alive(id)).cloned().collect()
    }

    /// False when this is old news.
    fn saw(&mut self, id: &JobId, record: &JobRecord, revision: u64) -> bool {
        if self.jobs.get(id).is_some_and(|known| known.revision >= revision) {
            return false;
        }
        self.forget(id);
        let owner: Arc<str> = match self.by_owner.get_key_value(record.owner.as_str()) {
            Some((owner, _)) => owner.clone(),
            None => record.owner.as_str().into(),
        };
        let unfinished = !record.status.is_end();
        let needs = record.body.iter().filter(|_| unfinished).flat_map(|body| body.objects()).collect();
        self.by_owner.entry(owner.clone()).or_default().insert((record.created, id.clone()));
        if let Some(expires) = record.expires {
            self.by_expiry.insert((expires, id.clone()));
        }
        if unfinished {
            self.unfinished.insert(id.clone());
        }
        if record.pending_delivery().is_some() {
            self.telling.insert(id.clone());
        }
        let known = Known { revision, owner, created: record.created, expires: record.expires, needs };
        self.jobs.insert(id.clone(), known);
        true
    }

    fn forget(&mut self, id: &JobId) {
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
        self.telling.remove(id);
    }
}
