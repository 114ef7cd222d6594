//! What callers, workers and senders of webhooks ask for, over any ledger: once.
//!
//! In: the steps of a job from acceptance to removal, each a record loaded, changed as [`super::life`] says, and swapped. Not in: how
//! records are kept and found ([`super::ledger`]), what may happen to them (`life`), rendering, HTTP.
//!
//! A row of a batch is a job for the queue, with ticket, attempts and a file. Or all rows go into one document: that is then the
//! one job for the queue, and its rows end with it. Whatever is done here and broken off by a crash is found again: by the next
//! process that opens the ledger, or by [`Service::maintain`].

mod batches;
mod deliveries;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex as AsyncMutex;

use self::queue::InFlightJobs;
pub(super) use self::queue::{AFTER_DEATH, DOCUMENTS_AGAIN};
use super::batch::BatchId;
use super::job::{Job, JobId, Listing, Status};
use super::ledger::{Claim, EXPIRED_AT_ONCE, Inserted, Kind, Ledger, Removal, Stored, Swap};
use super::life::document::RowEnds;
use super::life::entry::{Entry, RecordKind};
use super::life::key::Key;
use super::life::limits::{Limits, Refusal};
use super::life::record::JobRecord;
use super::life::row_list::RowList;
use super::life::trash::Trash;
#[cfg(feature = "cluster")]
use super::nats::Nats;
#[cfg(feature = "cluster")]
use super::results::Results;
use super::sqlite::Sqlite;
use super::store::{Accepted, Counts, NewJob, Owner, StoreError};
use super::timestamp::{Clock, Timestamp};
use crate::cache::SharedLru;
#[cfg(feature = "cluster")]
use crate::config::Settings;
use crate::config::{BatchSettings, JobSettings, KeyLimits};
use crate::hash::ContentHash;

/// Lists of rows, and what became of rows of documents, that are at hand: whoever asks how far a batch is asks again and again.
const LISTS_BYTES: usize = 64 << 20;
/// Records read or written at once, for one page of a list or one sweep.
const PARALLEL: usize = 16;
/// A job's end is told by the ledger; should that be late, it is looked up.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Jobs and batches, over one ledger.
pub struct Service {
    ledger: Arc<dyn Ledger>,
    limits: Limits,
    clock: Clock,
    /// Names this process in records.
    holder: String,
    under_way: InFlightJobs,
    /// One look for work at a time: of two, the second would find what the first is about to begin.
    taking: AsyncMutex<()>,
    /// Deliveries that this process is making.
    sending: Mutex<HashMap<String, Claim>>,
    lists: SharedLru<ContentHash, Arc<RowList>>,
    ends: SharedLru<ContentHash, Arc<RowEnds>>,
}

/// The settings that decide what is accepted and how long it lives.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits<'a> {
    /// Of jobs, rows of batches included.
    pub jobs: &'a JobSettings,
    /// Of batches.
    pub batches: &'a BatchSettings,
    /// Of one owner.
    pub keys: &'a KeyLimits,
}

/// What a look at a record leads to.
enum Change<T> {
    /// It stays as it is.
    Leave(T),
    /// It becomes what it was made to be, unless somebody else was faster; then all begins again.
    Write(T, Trash),
}

impl<T> Change<T> {
    fn write(answer: T) -> Self {
        Self::Write(answer, Trash::new())
    }
}

/// Why something was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Its time was over.
    Expired,
    /// Its owner had removed it before.
    Removed,
}

/// Whether a change has to survive the death of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// It must.
    Disk,
    /// A restart finds it out again: who had begun what, how far it was, which call was under way.
    Process,
}

impl Service {
    /// Jobs in one SQLite file, which belongs to this process. Makes the file when it is missing, checks it, brings one of an older
    /// version up to date, and gives back what the last process left under way. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, is damaged, or was written by a newer version.
    pub fn embedded(file: &Path, limits: &StoreLimits<'_>, clock: Clock) -> Result<Self, StoreError> {
        let limits = Limits::new(limits.jobs, limits.batches, limits.keys);
        Ok(Self::over(Arc::new(Sqlite::open(file, limits, clock)?), limits))
    }

    /// Jobs on the NATS servers that the settings name, for several machines. `results`: the bucket, where bodies of jobs lie too.
    ///
    /// # Errors
    /// When no server can be reached within half a minute, refuses us, or has no JetStream.
    #[cfg(feature = "cluster")]
    pub async fn cluster(settings: &Settings, results: Results) -> Result<Self, StoreError> {
        let limits = Limits::new(&settings.jobs, &settings.batches, &settings.server.key_limits);
        let ledger = Nats::connect(settings, limits, results).await?;
        Ok(Self::over(Arc::new(ledger), limits))
    }

    pub(super) fn over(ledger: Arc<dyn Ledger>, limits: Limits) -> Self {
        Self {
            clock: ledger.clock(),
            ledger,
            limits,
            holder: uuid::Uuid::new_v4().simple().to_string(),
            under_way: InFlightJobs::default(),
            taking: AsyncMutex::default(),
            sending: Mutex::default(),
            lists: SharedLru::new(LISTS_BYTES, 1),
            ends: SharedLru::new(LISTS_BYTES, 1),
        }
    }

    /// The clock by which all processes that share the ledger tell times.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// Makes it a job. Durable when this returns.
    ///
    /// # Errors
    /// When the ledger fails; nothing was accepted then.
    pub async fn accept(&self, job: NewJob) -> Result<Accepted, StoreError> {
        Ok(match self.ledger.insert_job(&job).await? {
            Inserted::New(record) => Accepted::New(as_job(&record)?),
            Inserted::Again(record) => Accepted::Again(as_job(&record)?),
            Inserted::OtherBody => Accepted::OtherBody,
            Inserted::Refused(Refusal::Queue) => Accepted::QueueFull,
            Inserted::Refused(Refusal::Rows | Refusal::Owner) => Accepted::OwnerFull,
        })
    }

    /// One of `owner`'s jobs, unless it has expired.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn get(&self, owner: &Owner, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.owned_job(owner, id).await?.map(|it| as_job(&it.record)).transpose()
    }

    /// `limit` of `owner`'s jobs after the newest `offset`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn list(&self, owner: &Owner, offset: u64, limit: u64) -> Result<Listing, StoreError> {
        let (found, total) = self.ledger.page(owner, Kind::Job, offset, limit).await?;
        let renders = found.into_iter().filter_map(JobRecord::from_entry).map(|record| as_job(&record));
        Ok(Listing { renders: renders.collect::<Result<_, _>>()?, total })
    }

    /// Removes a job, finished or not. The name of its result, which may exist, goes into the trash. False when there is no such job.
    ///
    /// # Errors
    /// When the ledger fails; the job is then still there.
    pub async fn remove(&self, owner: &Owner, id: &JobId) -> Result<bool, StoreError> {
        loop {
            let Some(found) = self.owned_job(owner, id).await? else { return Ok(false) };
            if self.remove_job(found).await? {
                return Ok(true);
            }
        }
    }

    /// False when it has changed meanwhile.
    async fn remove_job(&self, found: Stored<JobRecord>) -> Result<bool, StoreError> {
        let Some(key) = found.record.key() else { return Ok(false) };
        let trash = found.record.trash_at_removal(self.now());
        let stored = Stored { revision: found.revision, record: Entry::Job(found.record) };
        self.ledger.remove(Removal { key: &key, stored: Some(&stored), trash }).await
    }

    /// Resolves once the job has ended or is gone.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn ended(&self, owner: &Owner, id: &JobId) -> Result<(), StoreError> {
        loop {
            let signal = self.ledger.ends().of(id);
            let mut told = std::pin::pin!(signal.notified());
            // From here on an end is not missed; before, it is on record.
            told.as_mut().enable();
            if self.get(owner, id).await?.is_none_or(|job| job.status.is_end()) {
                self.ledger.ends().notify(id);
                return Ok(());
            }
            if tokio::time::timeout(LOOK_AGAIN, told).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// When the result called `file` expires; `None` when it is no result of a finished job, or of a row that is done. Such a row
    /// lives as long as its batch; before that has completed, it expires when it would if it completed now.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn expiry(&self, id: &JobId, file: &str) -> Result<Option<Timestamp>, StoreError> {
        let Some(Stored { record, .. }) = self.load::<JobRecord>(&Key::Job(id.clone())).await? else { return Ok(None) };
        let now = self.now();
        if record.file.as_deref() != Some(file) || record.status != Status::Done || record.has_expired(now) {
            return Ok(None);
        }
        let expires = match record.row.as_ref().and_then(|row| row.batch()) {
            None => record.expires.map(Timestamp::from_micros),
            Some(batch) => match self.load_batch(&batch).await? {
                Some(batch) if batch.record.has_expired(now) => None,
                Some(batch) => {
                    Some(batch.record.expires.map_or_else(|| now.plus(self.limits.lifetime), Timestamp::from_micros))
                }
                None => None,
            },
        };
        Ok(expires)
    }

    /// Removes jobs and batches that have expired, how many; and clears away batches that their owners removed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn expire(&self) -> Result<u64, StoreError> {
        let mut expired = 0;
        loop {
            let keys = self.ledger.expired(self.now()).await?;
            let removing = keys.iter().map(|key| self.expire_one(key)).collect::<Vec<_>>();
            let removed = stream::iter(removing).buffer_unordered(PARALLEL);
            let removed: Vec<Option<Expiry>> = removed.try_collect().await?;
            expired += removed.iter().filter(|it| **it == Some(Expiry::Expired)).count() as u64;
            // What could not be removed now would be found again at once.
            if keys.len() < EXPIRED_AT_ONCE || removed.iter().all(Option::is_none) {
                break;
            }
        }
        self.ledger.sweep_blobs().await?;
        Ok(expired)
    }

    /// `None` when it is still there, or was not.
    async fn expire_one(&self, key: &Key) -> Result<Option<Expiry>, StoreError> {
        if let Key::Batch(batch) = key {
            return Ok(self.clear_batch(batch).await.unwrap_or_else(|error| {
                tracing::warn!(%batch, %error, "cannot remove a batch; trying again later");
                None
            }));
        }
        match self.load::<JobRecord>(key).await? {
            Some(found) if found.record.has_expired(self.now()) => {
                Ok(self.remove_job(found).await?.then_some(Expiry::Expired))
            }
            _ => Ok(None),
        }
    }

    /// Names of results whose jobs or batches are gone, at most `limit`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn trash(&self, limit: u64) -> Result<Vec<String>, StoreError> {
        self.ledger.trash(limit).await
    }

    /// That result is gone too.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn removed(&self, file: &str) -> Result<(), StoreError> {
        self.ledger.trash_removed(file).await
    }

    /// For gauges.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.ledger.counts().await
    }

    /// Whether a job could be accepted now, as far as is known without asking.
    ///
    /// # Errors
    /// When the ledger is away.
    pub fn reachable(&self) -> Result<(), StoreError> {
        self.ledger.reachable()
    }

    /// What has to be done all the time for jobs to be accepted and told about; until dropped.
    pub async fn maintain(&self) {
        futures_util::join!(self.ledger.maintain(), self.maintain_batches());
    }

    /// One of `owner`'s jobs, unless it has expired. Rows of batches are none.
    async fn owned_job(&self, owner: &Owner, id: &JobId) -> Result<Option<Stored<JobRecord>>, StoreError> {
        let (found, now) = (self.load::<JobRecord>(&Key::Job(id.clone())).await?, self.now());
        Ok(found.filter(|it| it.record.row.is_none() && it.record.owner == **owner && !it.record.has_expired(now)))
    }

    async fn load<R: RecordKind>(&self, key: &Key) -> Result<Option<Stored<R>>, StoreError> {
        let Some(Stored { record, revision }) = self.ledger.load(key).await? else { return Ok(None) };
        let record = R::from_entry(record);
        Ok(record.map(|record| Stored { record, revision }))
    }

    /// Its new revision, and the record again; `None` when it is no longer at `revision`.
    async fn swap<R: RecordKind>(
        &self,
        record: R,
        revision: u64,
        trash: Trash,
        durability: Durability,
    ) -> Result<Option<Stored<R>>, StoreError> {
        let entry = record.into_entry();
        let swap = Swap { entry: &entry, revision, trash, on_disk: durability == Durability::Disk };
        let Some(revision) = self.ledger.swap(swap).await? else { return Ok(None) };
        Ok(R::from_entry(entry).map(|record| Stored { record, revision }))
    }

    /// Changes a record as `change` says, which may be asked several times. Returns what it became, and the answer of
    /// `change`; `None` when there is no record.
    async fn change<R: RecordKind, T>(
        &self,
        key: &Key,
        durability: Durability,
        mut change: impl FnMut(&mut R) -> Change<T>,
    ) -> Result<Option<(Stored<R>, T)>, StoreError> {
        loop {
            let Some(Stored { mut record, revision }) = self.load::<R>(key).await? else { return Ok(None) };
            let (answer, trash) = match change(&mut record) {
                Change::Leave(answer) => return Ok(Some((Stored { record, revision }, answer))),
                Change::Write(answer, trash) => (answer, trash),
            };
            if let Some(stored) = self.swap(record, revision, trash, durability).await? {
                return Ok(Some((stored, answer)));
            }
        }
    }

    async fn load_batch(
        &self,
        id: &BatchId,
    ) -> Result<Option<Stored<super::life::batch_record::BatchRecord>>, StoreError> {
        self.load(&Key::Batch(id.clone())).await
    }
}

fn as_job(record: &JobRecord) -> Result<Job, StoreError> {
    record.to_job().ok_or_else(|| nonsense("a record is no job", &record.id))
}

/// A record that no version of ours wrote.
fn nonsense(what: &str, id: impl std::fmt::Display) -> StoreError {
    StoreError::Failed { place: "the records of jobs".into(), reason: format!("{what}: {id}") }
}
