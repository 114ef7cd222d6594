//! What a front end knows of all jobs and batches without asking: who has which, which are unfinished, when they expire. Some
//! hundred bytes a job, told by the bucket itself; a moment behind it. Decisions are made on records, never on this.

mod batches;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use self::batches::Batches;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::life::batch_record::{BatchRecord, Tally};
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::moment::Moment;
use crate::jobs::results::Area;

pub(super) use self::batches::{Care, SeenRow};

#[derive(Default)]
pub(super) struct Index {
    all: Mutex<All>,
    /// Told when there may be something to do for a batch.
    batches_changed: Notify,
    /// Told when watching came to another revision.
    watched: Notify,
    /// Who waits for which job to end.
    waiting: Mutex<HashMap<JobId, Arc<Notify>>>,
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
    needs: Vec<(Area, String)>,
}

/// Ids of a page, and how many there are.
pub(super) struct Page {
    pub(super) ids: Vec<JobId>,
    pub(super) total: u64,
}

impl Index {
    /// A record as it is at `revision`; older news is ignored.
    pub(super) fn saw(&self, record: &JobRecord, revision: u64) {
        match record.key() {
            Some(Key::Job(id)) => {
                let is_news = self.lock().saw(&id, record, revision);
                if is_news && record.status.is_end() {
                    self.tell_ended(&id);
                }
            }
            Some(Key::Row(batch, id)) => {
                let is_news = self.lock().batches.saw_row(&batch, &id, record, revision);
                if is_news {
                    self.batches_changed.notify_one();
                }
            }
            _ => {}
        }
    }

    /// The head of a batch as it is at `revision`; older news is ignored.
    pub(super) fn saw_head(&self, head: &BatchRecord, revision: u64) {
        if let Some(id) = BatchId::parse(&head.id)
            && self.lock().batches.saw_head(&id, head, revision)
        {
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
                self.tell_ended(id);
            }
            Key::Batch(id) => self.lock().batches.forget(id),
            Key::Row(..) | Key::Pin(..) => {}
        }
    }

    /// It was removed: `revision` is what that left in the bucket.
    pub(super) fn saw_removal(&self, key: &Key, revision: u64, at: Moment) {
        let mut all = self.lock();
        all.markers.insert((at.micros(), revision));
        match key {
            Key::Job(id) if all.jobs.get(id).is_none_or(|known| known.revision < revision) => {
                all.forget(id);
                drop(all);
                self.tell_ended(id);
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

    /// Newest first.
    pub(super) fn page(&self, owner: &str, offset: u64, limit: u64, now: Moment) -> Page {
        let all = self.lock();
        let Some(theirs) = all.by_owner.get(owner) else { return Page { ids: Vec::new(), total: 0 } };
        let alive = |id: &JobId| {
            all.jobs.get(id).is_some_and(|known| known.expires.is_none_or(|expires| expires > now.micros()))
        };
        let mut total = 0;
        let mut ids = Vec::new();
        for (_, id) in theirs.iter().rev().filter(|(_, id)| alive(id)) {
            if total >= offset && (ids.len() as u64) < limit {
                ids.push(id.clone());
            }
            total += 1;
        }
        Page { ids, total }
    }

    pub(super) fn expired(&self, now: Moment) -> Vec<JobId> {
        let all = self.lock();
        all.by_expiry.iter().take_while(|(at, _)| *at <= now.micros()).map(|(_, id)| id.clone()).collect()
    }

    /// Jobs that have a message, or should.
    pub(super) fn unfinished(&self) -> Vec<Key> {
        self.lock().unfinished.iter().cloned().map(Key::Job).collect()
    }

    /// Rows that have a message, or should.
    pub(super) fn sent_rows(&self) -> Vec<Key> {
        self.lock().batches.sent().map(|(batch, id)| Key::Row(batch.clone(), id.clone())).collect()
    }

    /// How many jobs and batches of `owner` are unfinished: nothing is looked up while there are no batches.
    pub(super) fn unfinished_of(&self, owner: &str) -> (u64, u64) {
        let all = self.lock();
        let (_, batches) = all.batches.unfinished(Some(owner));
        let theirs = all.by_owner.get(owner).into_iter().flatten();
        let jobs = theirs.filter(|(_, id)| all.unfinished.contains(id)).count();
        (jobs as u64, batches)
    }

    /// How many rows are unfinished, of `owner` or of all.
    pub(super) fn unfinished_rows(&self, owner: Option<&str>) -> u64 {
        self.lock().batches.unfinished(owner).0
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
    pub(super) fn needed(&self) -> HashSet<(Area, String)> {
        let all = self.lock();
        let jobs = all.unfinished.iter().filter_map(|id| all.jobs.get(id)).flat_map(|known| &known.needs);
        jobs.chain(all.batches.needed()).cloned().collect()
    }

    /// Resolves when there may be something to do for a batch that was not there before.
    pub(super) async fn batches_changed(&self) {
        self.batches_changed.notified().await;
    }

    /// Batches whose rows have not all ended.
    pub(super) fn open_batches(&self) -> Vec<BatchId> {
        self.lock().batches.open()
    }

    /// What there is to do for a batch.
    pub(super) fn care(&self, batch: &BatchId) -> Option<Care> {
        self.lock().batches.care(batch)
    }

    /// The first `limit` rows that should be put into the queue.
    pub(super) fn next_rows(&self, batch: &BatchId, limit: u64) -> Vec<SeenRow> {
        self.lock().batches.next(batch, limit)
    }

    /// Rows of a batch above `after`, in order, of one status or all.
    pub(super) fn rows(&self, batch: &BatchId, status: Option<Status>, after: u64) -> Vec<SeenRow> {
        self.lock().batches.rows(batch, status, after)
    }

    /// Rows of a batch that have a record.
    pub(super) fn recorded_rows(&self, batch: &BatchId) -> Vec<JobId> {
        self.lock().batches.recorded(batch)
    }

    /// Numbers and ids of rows that a retry may begin again.
    pub(super) fn failed_rows(&self, batch: &BatchId) -> Vec<(u64, JobId)> {
        self.lock().batches.failed(batch)
    }

    /// What the rows of a batch are like.
    pub(super) fn tally(&self, batch: &BatchId, now: Moment) -> Tally {
        self.lock().batches.tally(batch, now)
    }

    /// Newest first: ids of a page of `owner`'s batches, and how many there are.
    pub(super) fn batches_page(&self, owner: &str, offset: u64, limit: u64, now: Moment) -> (Vec<BatchId>, u64) {
        self.lock().batches.page(owner, offset, limit, now)
    }

    /// Batches of which everything is to be cleared away.
    pub(super) fn batches_to_clear(&self, now: Moment) -> Vec<BatchId> {
        self.lock().batches.to_clear(now)
    }

    /// Revisions that removals before `moment` left in the bucket; each is told once.
    pub(super) fn take_markers(&self, moment: Moment) -> Vec<u64> {
        let mut all = self.lock();
        let later = all.markers.split_off(&(moment.micros(), 0));
        std::mem::replace(&mut all.markers, later).into_iter().map(|(_, revision)| revision).collect()
    }

    /// Told when the job ends or goes.
    pub(super) fn of(&self, id: &JobId) -> Arc<Notify> {
        self.waiting().entry(id.clone()).or_default().clone()
    }

    pub(super) fn tell_ended(&self, id: &JobId) {
        let waiting = self.waiting().remove(id);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Arc<Notify>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
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
        let stored = record.body.iter().filter(|_| unfinished).flat_map(|body| body.stored());
        let needs = stored.map(|(area, name)| (area, name.to_owned())).collect();
        self.by_owner.entry(owner.clone()).or_default().insert((record.created, id.clone()));
        if let Some(expires) = record.expires {
            self.by_expiry.insert((expires, id.clone()));
        }
        if unfinished {
            self.unfinished.insert(id.clone());
        }
        if record.pending().is_some() {
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
