//! The operations on jobs and batches for callers, workers and webhook senders, written once for both ledgers.
//!
//! In: the steps of a job from submission to removal: load a record, change it as [`super::life`] says, replace it by
//! compare-and-set. Not in: how records are stored and found ([`super::ledger`]), the transitions (`life`), rendering,
//! HTTP.
//!
//! For the queue a row of a batch is a job, with tickets, attempts and a file. When all rows become one document, the
//! document is the only job of the batch, and its rows end with it. A step that a crash interrupts is completed by the
//! next process that opens the ledger, or by [`Service::maintain`].

mod batches;
mod deliveries;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

pub(super) use self::queue::DOCUMENTS_AGAIN;
use self::queue::InFlightJobs;
use super::batch::BatchId;
use super::job::{Job, JobId, Listing, Status};
use super::ledger::{Claim, EXPIRED_PAGE, Inserted, Ledger, ListKind, Removal, Stored, Swap};
use super::life::batch_record::BatchRecord;
use super::life::document::RowEnds;
use super::life::entry::{Entry, RecordKind};
use super::life::key::Key;
use super::life::limits::{JobLimits, Refusal};
use super::life::record::JobRecord;
use super::life::row_list::RowList;
use super::life::trash::Trash;
#[cfg(feature = "cluster")]
use super::nats::NatsLedger;
#[cfg(feature = "cluster")]
use super::results::Results;
use super::sqlite::Sqlite;
use super::store::{Counts, NewJob, Owner, StoreError, SubmitOutcome};
use super::template_records::TemplateRecords;
use super::timestamp::{Clock, Timestamp};
use crate::cache::SharedLru;
#[cfg(feature = "cluster")]
use crate::config::Settings;
use crate::config::{BatchSettings, JobSettings, KeyLimits};
use crate::hash::ContentHash;

/// Size of the caches of row lists and of ends of rows, in bytes each. Callers poll the items of a batch.
const LISTS_BYTES: usize = 64 << 20;
/// Records read or written at the same time, for one page of a list or one sweep.
const PARALLEL: usize = 16;
/// Interval between reads of a job that is waited for, in case a notification is late.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Jobs and batches, over one ledger.
pub struct Service {
    ledger: Arc<dyn Ledger>,
    limits: JobLimits,
    clock: Clock,
    /// Identifies this process in records.
    holder: String,
    in_flight: InFlightJobs,
    /// Serializes requests for work: a second one would find the job that the first is about to begin.
    taking: AsyncMutex<()>,
    /// Claims of the webhooks that this process is delivering.
    sending: Mutex<HashMap<String, Claim>>,
    lists: SharedLru<ContentHash, Arc<RowList>>,
    ends: SharedLru<ContentHash, Arc<RowEnds>>,
}

/// Settings that limit what is accepted and how long it is stored.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits<'a> {
    /// Settings of jobs and of rows of batches.
    pub jobs: &'a JobSettings,
    /// Settings of batches as a whole.
    pub batches: &'a BatchSettings,
    /// Limits of one owner.
    pub keys: &'a KeyLimits,
}

/// Decision about a record that was loaded.
enum Change<T> {
    /// The record is not written.
    Keep(T),
    /// The changed record is written. If another process was faster, it is loaded and decided about again.
    Write(T, Trash),
}

impl<T> Change<T> {
    fn write(answer: T) -> Self {
        Self::Write(answer, Trash::new())
    }
}

/// Why a record was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Its lifetime was over.
    Expired,
    /// Its owner had removed it.
    Removed,
}

/// Which crash a change must survive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// A crash of the machine.
    Disk,
    /// A crash of the process only: attempts, progress and leases, which a restart recovers.
    Process,
}

impl Service {
    /// Opens the embedded ledger: one SQLite file that belongs to this process. Creates, checks and migrates the file,
    /// and schedules jobs again that the last process did not finish. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, is damaged, or was written by a newer version.
    pub fn embedded(file: &Path, limits: &StoreLimits<'_>, clock: Clock) -> Result<Self, StoreError> {
        let limits = JobLimits::new(limits.jobs, limits.batches, limits.keys);
        Ok(Self::over(Arc::new(Sqlite::open(file, limits, clock)?), limits))
    }

    /// Connects to the ledger of a cluster: the NATS servers that the settings name. `results`: the bucket, where large
    /// bodies of jobs are stored too.
    ///
    /// # Errors
    /// When no server can be reached within half a minute, refuses the login, or has no JetStream.
    #[cfg(feature = "cluster")]
    pub async fn cluster(settings: &Settings, results: Results) -> Result<Self, StoreError> {
        let limits = JobLimits::new(&settings.jobs, &settings.batches, &settings.server.key_limits);
        let ledger = NatsLedger::connect(settings, limits, results).await?;
        Ok(Self::over(Arc::new(ledger), limits))
    }

    pub(super) fn over(ledger: Arc<dyn Ledger>, limits: JobLimits) -> Self {
        Self {
            clock: ledger.clock(),
            ledger,
            limits,
            holder: uuid::Uuid::new_v4().simple().to_string(),
            in_flight: InFlightJobs::default(),
            taking: AsyncMutex::default(),
            sending: Mutex::default(),
            lists: SharedLru::new(LISTS_BYTES, 1),
            ends: SharedLru::new(LISTS_BYTES, 1),
        }
    }

    /// The clock that all processes of the ledger share.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The records of templates.
    pub fn template_records(&self) -> TemplateRecords {
        TemplateRecords(self.ledger.clone())
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// Accepts a job. It is durable when this returns.
    ///
    /// # Errors
    /// When the ledger fails; nothing is accepted then.
    pub async fn accept(&self, job: NewJob) -> Result<SubmitOutcome, StoreError> {
        Ok(match self.ledger.insert_job(&job).await? {
            Inserted::Created(record) => SubmitOutcome::New(as_job(&record)?),
            Inserted::Existing(record) => SubmitOutcome::Replayed(as_job(&record)?),
            Inserted::KeyReused => SubmitOutcome::KeyReused,
            Inserted::Refused(Refusal::Queue) => SubmitOutcome::QueueFull,
            Inserted::Refused(Refusal::Rows | Refusal::Owner) => SubmitOutcome::OwnerFull,
        })
    }

    /// One of `owner`'s jobs, unless it has expired.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn get(&self, owner: &Owner, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.owned_job(owner, id).await?.map(|it| as_job(&it.record)).transpose()
    }

    /// The `limit` newest jobs of `owner` after the first `offset`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn list(&self, owner: &Owner, offset: u64, limit: u64) -> Result<Listing, StoreError> {
        let (found, total) = self.ledger.page(owner, ListKind::Job, offset, limit).await?;
        let renders = found.into_iter().filter_map(JobRecord::from_entry).map(|record| as_job(&record));
        Ok(Listing { renders: renders.collect::<Result<_, _>>()?, total })
    }

    /// Removes a job, finished or not, and puts its files into the trash. False when there is no such job.
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

    /// False when the record has changed meanwhile.
    async fn remove_job(&self, found: Stored<JobRecord>) -> Result<bool, StoreError> {
        let Some(key) = found.record.key() else { return Ok(false) };
        let trash = found.record.trash_at_removal(self.now());
        let stored = Stored { revision: found.revision, record: Entry::Job(found.record) };
        self.ledger.remove(Removal { key: &key, stored: Some(&stored), trash }).await
    }

    /// Resolves when the job has ended or was removed.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn ended(&self, owner: &Owner, id: &JobId) -> Result<(), StoreError> {
        loop {
            let signal = self.ledger.end_signals().subscribe(id);
            let mut ended = std::pin::pin!(signal.notified());
            // From here on a notification is not missed. An earlier end is in the record.
            ended.as_mut().enable();
            if self.get(owner, id).await?.is_none_or(|job| job.status.is_end()) {
                self.ledger.end_signals().notify(id);
                return Ok(());
            }
            if tokio::time::timeout(POLL_INTERVAL, ended).await.is_ok() {
                return Ok(());
            }
        }
    }

    /// When the result called `file` expires; `None` when it is not the result of a finished job or row. A row expires
    /// with its batch; until the batch has completed, this is the time at which it would expire if it completed now.
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

    /// Removes expired jobs and batches, and deletes the rest of batches that were removed. Returns the number of
    /// expired ones.
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
            // Without progress the next page would have the same keys.
            if keys.len() < EXPIRED_PAGE || removed.iter().all(Option::is_none) {
                break;
            }
        }
        self.ledger.sweep_blobs().await?;
        Ok(expired)
    }

    /// `None` when there is no such record, or it was not removed.
    async fn expire_one(&self, key: &Key) -> Result<Option<Expiry>, StoreError> {
        if let Key::Batch(batch) = key {
            return Ok(self.delete_batch(batch).await.unwrap_or_else(|error| {
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

    /// Names of files that may be deleted now, at most `limit`.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn trash(&self, limit: u64) -> Result<Vec<String>, StoreError> {
        self.ledger.trash(limit).await
    }

    /// Notes that a file has been deleted.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn remove_from_trash(&self, file: &str) -> Result<(), StoreError> {
        self.ledger.remove_from_trash(file).await
    }

    /// Numbers of jobs, rows and webhooks, for metrics.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.ledger.counts().await
    }

    /// Whether the ledger is connected and takes writes. Sends no request.
    ///
    /// # Errors
    /// When it is not, or does not.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        self.ledger.reachable().await
    }

    /// Background work of a process that accepts jobs: the ledger's, and the completion of batches. Runs until it is
    /// dropped.
    pub async fn maintain(&self) {
        futures_util::join!(self.ledger.maintain(), self.maintain_batches());
    }

    /// One of `owner`'s single jobs, unless it has expired.
    async fn owned_job(&self, owner: &Owner, id: &JobId) -> Result<Option<Stored<JobRecord>>, StoreError> {
        let (found, now) = (self.load::<JobRecord>(&Key::Job(id.clone())).await?, self.now());
        Ok(found.filter(|it| it.record.row.is_none() && it.record.owner == **owner && !it.record.has_expired(now)))
    }

    async fn load<R: RecordKind>(&self, key: &Key) -> Result<Option<Stored<R>>, StoreError> {
        let Some(Stored { record, revision }) = self.ledger.load(key).await? else { return Ok(None) };
        let record = R::from_entry(record);
        Ok(record.map(|record| Stored { record, revision }))
    }

    /// Compare-and-set: the record with its new revision; `None` when it is no longer at `revision`.
    async fn swap<R: RecordKind>(
        &self,
        record: R,
        revision: u64,
        trash: Trash,
        durability: Durability,
    ) -> Result<Option<Stored<R>>, StoreError> {
        let entry = record.into_entry();
        let swap = Swap { entry: &entry, revision, trash, durable: durability == Durability::Disk };
        let Some(revision) = self.ledger.swap(swap).await? else { return Ok(None) };
        Ok(R::from_entry(entry).map(|record| Stored { record, revision }))
    }

    /// Loads a record, changes it, and replaces it by compare-and-set, until no other process interferes. `change` may
    /// be called several times. Returns the record and the answer of the last call; `None` when there is no record.
    async fn change<R: RecordKind, T>(
        &self,
        key: &Key,
        durability: Durability,
        mut change: impl FnMut(&mut R) -> Change<T>,
    ) -> Result<Option<(Stored<R>, T)>, StoreError> {
        loop {
            let Some(Stored { mut record, revision }) = self.load::<R>(key).await? else { return Ok(None) };
            let (answer, trash) = match change(&mut record) {
                Change::Keep(answer) => return Ok(Some((Stored { record, revision }, answer))),
                Change::Write(answer, trash) => (answer, trash),
            };
            if let Some(stored) = self.swap(record, revision, trash, durability).await? {
                return Ok(Some((stored, answer)));
            }
        }
    }

    async fn load_batch(&self, id: &BatchId) -> Result<Option<Stored<BatchRecord>>, StoreError> {
        self.load(&Key::Batch(id.clone())).await
    }
}

fn as_job(record: &JobRecord) -> Result<Job, StoreError> {
    record.to_job().ok_or_else(|| invalid_record("a record is no job", &record.id))
}

/// The error of a record that this program does not write.
fn invalid_record(what: &str, id: impl std::fmt::Display) -> StoreError {
    StoreError::Failed { place: "the records of jobs".into(), reason: format!("{what}: {id}") }
}
