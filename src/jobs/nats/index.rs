//! What a front end knows of all jobs without asking: who has which, which are unfinished, when they expire. Some hundred bytes a
//! job, told by the bucket itself; a moment behind it. Decisions are made on records, never on this.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::record::Record;
use crate::jobs::job::JobId;
use crate::jobs::moment::Moment;
use crate::jobs::results::Area;

#[derive(Default)]
pub(super) struct Index {
    all: Mutex<All>,
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
    pub(super) fn saw(&self, record: &Record, revision: u64) {
        let Some(id) = JobId::parse(&record.id) else { return };
        if self.lock().saw(&id, record, revision) && record.status.is_end() {
            self.tell_ended(&id);
        }
    }

    /// The job is gone.
    pub(super) fn forget(&self, id: &JobId) {
        self.lock().forget(id);
        self.tell_ended(id);
    }

    /// A job was removed: `revision` is what that left in the bucket.
    pub(super) fn saw_removal(&self, id: &JobId, revision: u64, at: Moment) {
        let mut all = self.lock();
        all.markers.insert((at.micros(), revision));
        if all.jobs.get(id).is_none_or(|known| known.revision < revision) {
            all.forget(id);
            drop(all);
            self.tell_ended(id);
        }
    }

    /// Watching begins: what is up to `target` is being told.
    pub(super) fn begin(&self, target: u64) {
        self.lock().target = Some(target);
    }

    /// Watching came to `revision`.
    pub(super) fn watched(&self, revision: u64) {
        let mut all = self.lock();
        all.watched = all.watched.max(revision);
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

    pub(super) fn unfinished(&self) -> Vec<JobId> {
        self.lock().unfinished.iter().cloned().collect()
    }

    pub(super) fn telling(&self) -> Vec<JobId> {
        self.lock().telling.iter().cloned().collect()
    }

    /// What unfinished jobs need of the bucket.
    pub(super) fn needed(&self) -> HashSet<(Area, String)> {
        let all = self.lock();
        all.unfinished.iter().filter_map(|id| all.jobs.get(id)).flat_map(|known| known.needs.iter().cloned()).collect()
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
    fn saw(&mut self, id: &JobId, record: &Record, revision: u64) -> bool {
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
