//! The embedded store: one SQLite file in `TENTER_DATA_DIR`, which belongs to one process.
//!
//! In: opening and checking the file, what a restart means for jobs that were under way, and how statements reach it; the
//! four traits in a file each. Not in: rendering, sending, results.
//! The only place that knows rusqlite.
//!
//! One connection writes and one reads, each used by one call at a time on a blocking thread; readers see the last commit
//! and never wait for a writer (WAL). Accepting and finishing a job are on the disk before they return (`synchronous=FULL`);
//! what a restart can find out again (who had taken what, how far it was) is only safe from the death of the process.

mod batches;
mod documents;
mod items;
mod jobs;
mod outbox;
mod queue;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior, params};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::job::JobId;
use super::moment::{Clock, Moment};
use super::store::{Outcome, Report, StoreError};
use crate::config::{BatchSettings, JobSettings, KeyLimits};
use crate::report::counted;

/// For another process to let go of the file: a backup, or somebody's shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes to which the log of changes is cut back after it has grown with a burst.
const WAL_BYTES: i64 = 64 << 20;

/// Rest before a job is tried again during which the process died, times the attempts up to then.
const AFTER_DEATH: Duration = Duration::from_secs(1);

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    // Closed in this order: the last to close folds the log of changes into the file, and must be able to write.
    reader: Arc<AsyncMutex<Connection>>,
    writer: Arc<AsyncMutex<Connection>>,
    place: Arc<str>,
    clock: Clock,
    rules: Rules,
    signals: Arc<Signals>,
}

/// The settings that a store applies.
#[derive(Clone, Copy, Debug)]
pub struct StoreLimits<'a> {
    /// Of jobs, rows of batches included.
    pub jobs: &'a JobSettings,
    /// Of batches.
    pub batches: &'a BatchSettings,
    /// Of one owner.
    pub keys: &'a KeyLimits,
}

/// What the settings say about jobs, as far as the store applies it.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Unfinished jobs, of all owners.
    queue: u64,
    /// Unfinished jobs and batches of one owner; 0 is no limit.
    of_owner: u64,
    /// Unfinished rows of batches, of all owners.
    rows: u64,
    /// Unfinished rows of one owner's batches; 0 is no limit.
    rows_of_owner: u64,
    attempts: u32,
    lifetime: Duration,
}

/// Who waits inside this process, and for what.
#[derive(Default)]
struct Signals {
    job: Notify,
    delivery: Notify,
    ended: Mutex<HashMap<JobId, Arc<Notify>>>,
}

impl Signals {
    fn of(&self, id: &JobId) -> Arc<Notify> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).entry(id.clone()).or_default().clone()
    }

    fn tell_ended(&self, id: &JobId) {
        let waiting = self.ended.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        if let Some(waiting) = waiting {
            waiting.notify_waiters();
        }
    }
}

impl Sqlite {
    /// Opens `file`, makes it when it is missing, checks it, and gives back what the last process left under way. Blocks.
    ///
    /// # Errors
    /// When it cannot be read or written, is damaged, or was written by a newer version.
    pub fn open(file: &Path, limits: &StoreLimits<'_>, clock: Clock) -> Result<Self, StoreError> {
        let place: Arc<str> = file.display().to_string().into();
        let wrong = |error: rusqlite::Error| told(&place, &error);
        let mut writer =
            connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).map_err(wrong)?;
        check(&writer, &place)?;
        schema::prepare(&mut writer, &place)?;
        let reader = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(wrong)?;
        let StoreLimits { jobs, batches, keys } = limits;
        let rules = Rules {
            queue: jobs.queue,
            of_owner: keys.jobs,
            rows: batches.queue,
            rows_of_owner: keys.rows,
            attempts: jobs.attempts,
            lifetime: jobs.lifetime,
        };
        recover(&mut writer, &rules, Moment::now(&clock)).map_err(wrong)?;
        Ok(Self {
            reader: Arc::new(AsyncMutex::new(reader)),
            writer: Arc::new(AsyncMutex::new(writer)),
            place,
            clock,
            rules,
            signals: Arc::default(),
        })
    }

    fn now(&self) -> Moment {
        Moment::now(&self.clock)
    }

    /// All of `work` or nothing of it, and on the disk.
    async fn write<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, StoreError> {
        self.transaction("FULL", work).await
    }

    /// All of `work` or nothing of it. Survives the death of the process, but perhaps not that of the machine.
    async fn note<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, StoreError> {
        self.transaction("NORMAL", work).await
    }

    async fn transaction<T: Send + 'static>(
        &self,
        synchronous: &'static str,
        work: impl Work<T>,
    ) -> Result<T, StoreError> {
        self.on(&self.writer, move |connection| {
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.on(&self.reader, work).await
    }

    /// Waiting for the connection costs no thread; using it costs one.
    async fn on<T: Send + 'static>(
        &self,
        connection: &Arc<AsyncMutex<Connection>>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut held = connection.clone().lock_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&mut held)).await;
        match done {
            Ok(done) => done.map_err(|error| told(&self.place, &error)),
            Err(error) => Err(StoreError::Failed { place: self.place.to_string(), reason: error.to_string() }),
        }
    }
}

/// Statements of one transaction.
trait Work<T>: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static {}
impl<T, F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static> Work<T> for F {}

fn connect(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn check(connection: &Connection, place: &str) -> Result<(), StoreError> {
    let found: rusqlite::Result<String> = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(word) if word == "ok" => Ok(()),
        Ok(reason) => Err(StoreError::Damaged { place: place.to_owned(), reason }),
        Err(error) => Err(told(place, &error)),
    }
}

/// The process before this one died, or was stopped, with jobs under way: they wait again, or, when that happened too often,
/// end.
fn recover(connection: &mut Connection, rules: &Rules, now: Moment) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let left: Vec<(i64, String, u32)> = {
        let mut statement = transaction.prepare("SELECT seq, id, attempts FROM jobs WHERE status = 'progress'")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for (seq, id, attempts) in left {
        if attempts >= rules.attempts {
            let times = counted(attempts.into(), "time");
            let error = format!("given up: the service died {times} while it rendered this (TENTER_JOB_ATTEMPTS)");
            tracing::error!(%id, attempts, "a job during which the process died too often is given up");
            let report = Report { logs: log_line(now, &error), ..Report::default() };
            rows::end(&transaction, seq, &Outcome::Error(error), &report, rules.lifetime, now)?;
        } else {
            let line = log_line(now, &format!("the service died during attempt {attempts}; waiting for another"));
            let due = now.plus(AFTER_DEATH * attempts);
            transaction.execute(
                "UPDATE jobs SET status = 'scheduled', updated_at = ?2, not_before = ?3, progress = 0, logs = logs || ?4
                 WHERE seq = ?1",
                params![seq, now.micros(), due.micros(), line],
            )?;
        }
    }
    // Whatever was being sent was perhaps not received.
    transaction.execute("UPDATE deliveries SET leased_until = 0 WHERE status = 'pending'", [])?;
    transaction.commit()
}

/// One line of a job's log.
fn log_line(now: Moment, text: &str) -> String {
    format!("{now} {text}\n")
}

/// SQLite's codes in our words.
fn told(place: &str, error: &rusqlite::Error) -> StoreError {
    let (place, reason) = (place.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { place, reason },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { place, reason }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { place, reason },
        _ => StoreError::Failed { place, reason },
    }
}
