//! The embedded ledger: one SQLite file in `TENTER_DATA_DIR`, which belongs to one process.
//!
//! In: the file, its tables and their migration, transactions, and the recovery of interrupted jobs. Not in: the
//! transitions of jobs (`life`), rendering, webhooks, results. No other module uses rusqlite.
//!
//! | table | content |
//! | --- | --- |
//! | `records` | the JSON of a record, its revision, and the columns by which it is found |
//! | `batch_counts` | numbers of rows of a batch by status, updated with each row |
//! | `blobs` | bodies of unfinished jobs; templates and rows of batches; how the rows of documents ended |
//! | `idempotency` | idempotency keys and the records that they created |
//! | `pins` | the asset snapshots of batches: each asset by its key and the hash of its content |
//! | `template_records` | the JSON of the records of templates, by owner and id |
//! | `trash` | result files to delete, and from when on |
//!
//! One connection writes and one reads, each used by one call at a time on a blocking thread. In WAL mode readers see
//! the last commit and do not wait for the writer. Submissions and ends of jobs are synced to the disk before the call
//! returns (`synchronous=FULL`); attempts and progress, which a restart recovers, only survive a crash of the process.

mod counts;
mod due;
mod ledger;
mod migrate;
mod records;
mod recover;
mod schema;
mod templates;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::ledger::EndSignals;
use super::life::limits::JobLimits;
use super::store::StoreError;
use super::timestamp::{Clock, Timestamp};

/// Time to wait for another process that locks the file, such as a backup or the SQLite shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Size to which the write-ahead log is truncated after a checkpoint, in bytes.
const WAL_BYTES: i64 = 64 << 20;

/// A ledger in one file.
pub(super) struct Sqlite {
    // Closed in this order: the last connection that is closed checkpoints the write-ahead log and must be able to
    // write.
    reader: Arc<AsyncMutex<Connection>>,
    writer: Arc<AsyncMutex<Connection>>,
    place: Arc<str>,
    clock: Clock,
    limits: JobLimits,
    work: Notify,
    delivery: Notify,
    end_signals: EndSignals,
    /// The last write failed because of the disk, so that no job can be accepted.
    refuses_writes: AtomicBool,
}

impl Sqlite {
    /// Opens or creates `file`, checks it, migrates it, and schedules interrupted jobs again. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read or written, is damaged, or was written by a newer version.
    pub(super) fn open(file: &Path, limits: JobLimits, clock: Clock) -> Result<Self, StoreError> {
        let place: Arc<str> = file.display().to_string().into();
        let wrong = |error: rusqlite::Error| as_store_error(&place, &error);
        let mut writer =
            connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE).map_err(wrong)?;
        check(&writer, &place)?;
        schema::prepare(&mut writer, &place)?;
        let reader = connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(wrong)?;
        recover::recover(&mut writer, &limits, Timestamp::now(&clock)).map_err(wrong)?;
        Ok(Self {
            reader: Arc::new(AsyncMutex::new(reader)),
            writer: Arc::new(AsyncMutex::new(writer)),
            place,
            clock,
            limits,
            work: Notify::new(),
            delivery: Notify::new(),
            end_signals: EndSignals::default(),
            refuses_writes: AtomicBool::new(false),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// Runs a transaction that writes. `durable`: it must survive a crash of the machine; otherwise of the process
    /// only.
    async fn write<T: Send + 'static>(&self, durable: bool, work: impl Statements<T>) -> Result<T, StoreError> {
        let refuses = Arc::new(AtomicBool::new(false));
        let seen = refuses.clone();
        let written = self.run_blocking(&self.writer, move |connection| {
            let written = write(connection, durable, work);
            let on_disk = |error: &rusqlite::Error| error.sqlite_error_code().is_some_and(is_of_the_disk);
            seen.store(written.as_ref().is_err_and(on_disk), Ordering::Relaxed);
            written
        });
        let written = written.await;
        self.refuses_writes.store(refuses.load(Ordering::Relaxed), Ordering::Relaxed);
        written
    }

    /// Whether jobs can be stored. After a failure of the disk this writes, to find out whether it works again.
    async fn accepts_writes(&self) -> Result<(), StoreError> {
        if !self.refuses_writes.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.write(true, |transaction| {
            let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            transaction.pragma_update(None, "user_version", version)
        })
        .await
    }

    /// Runs a transaction that reads.
    async fn read<T: Send + 'static>(&self, work: impl Statements<T>) -> Result<T, StoreError> {
        self.run_blocking(&self.reader, move |connection| work(&connection.transaction()?)).await
    }

    /// Waits for the connection, and then uses a blocking thread.
    async fn run_blocking<T: Send + 'static>(
        &self,
        connection: &Arc<AsyncMutex<Connection>>,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut held = connection.clone().lock_owned().await;
        let done = tokio::task::spawn_blocking(move || work(&mut held)).await;
        match done {
            Ok(done) => done.map_err(|error| as_store_error(&self.place, &error)),
            Err(error) => Err(StoreError::Failed { place: self.place.to_string(), reason: error.to_string() }),
        }
    }
}

/// Runs `work` as a transaction that writes.
fn write<T>(connection: &mut Connection, durable: bool, work: impl Statements<T>) -> rusqlite::Result<T> {
    connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// True for failures of the disk, which an operator has to repair.
fn is_of_the_disk(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
    )
}

/// The statements of one transaction.
trait Statements<T>: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static {}
impl<T, F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static> Statements<T> for F {}

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
        Err(error) => Err(as_store_error(place, &error)),
    }
}

/// Classifies an error by its SQLite code.
fn as_store_error(place: &str, error: &rusqlite::Error) -> StoreError {
    let (place, reason) = (place.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full { place, reason },
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::ReadOnly { place, reason }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { place, reason },
        _ if matches!(error, rusqlite::Error::FromSqlConversionFailure(..)) => StoreError::Damaged { place, reason },
        _ => StoreError::Failed { place, reason },
    }
}
