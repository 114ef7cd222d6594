//! The embedded ledger: one SQLite file in `TENTER_DATA_DIR`, which belongs to one process.
//!
//! In: opening and checking the file, what a restart means for jobs that were under way, and how statements reach it. Not in: what may
//! happen to a job (`life`), rendering, sending, results.
//! The only place that knows rusqlite.
//!
//! | table | what |
//! | --- | --- |
//! | `records` | a row a record: its JSON, its revision, and the columns by which it is found |
//! | `batch_counts` | what the rows of a batch are like, kept with each write of a row |
//! | `blobs` | bodies of unfinished jobs; templates and rows of batches; what became of the rows of a document |
//! | `idempotency`, `pins`, `trash` | keys of calls; which bytes a batch's assets are; names of results to remove |
//!
//! One connection writes and one reads, each used by one call at a time on a blocking thread; readers see the last commit
//! and never wait for a writer (WAL). Accepting and finishing a job are on the disk before they return (`synchronous=FULL`);
//! what a restart can find out again (who had taken what, how far it was) is only safe from the death of the process.

mod counts;
mod due;
mod ledger;
mod migrate;
mod records;
mod recover;
mod schema;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::ledger::EndSignals;
use super::life::limits::Limits;
use super::store::StoreError;
use super::timestamp::{Clock, Timestamp};

/// For another process to let go of the file: a backup, or somebody's shell.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes to which the log of changes is cut back after it has grown with a burst.
const WAL_BYTES: i64 = 64 << 20;

/// The ledger.
pub(super) struct Sqlite {
    // Closed in this order: the last to close folds the log of changes into the file, and must be able to write.
    reader: Arc<AsyncMutex<Connection>>,
    writer: Arc<AsyncMutex<Connection>>,
    place: Arc<str>,
    clock: Clock,
    limits: Limits,
    work: Notify,
    delivery: Notify,
    ends: EndSignals,
}

impl Sqlite {
    /// Opens `file`, makes it when it is missing, checks it, and gives back what the last process left under way. Blocks.
    ///
    /// # Errors
    /// When it cannot be read or written, is damaged, or was written by a newer version.
    pub(super) fn open(file: &Path, limits: Limits, clock: Clock) -> Result<Self, StoreError> {
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
            ends: EndSignals::default(),
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// All of `work` or nothing of it. `on_disk`: it survives the death of the machine, and not only that of the process.
    async fn write<T: Send + 'static>(&self, on_disk: bool, work: impl Work<T>) -> Result<T, StoreError> {
        self.on(&self.writer, move |connection| {
            connection.pragma_update(None, "synchronous", if on_disk { "FULL" } else { "NORMAL" })?;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
        .await
    }

    /// All that `work` reads is of one moment.
    async fn read<T: Send + 'static>(&self, work: impl Work<T>) -> Result<T, StoreError> {
        self.on(&self.reader, move |connection| work(&connection.transaction()?)).await
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
            Ok(done) => done.map_err(|error| as_store_error(&self.place, &error)),
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
        Err(error) => Err(as_store_error(place, &error)),
    }
}

/// SQLite's codes as errors of the store.
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
