//! The tables, and how an older file gets them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{WAL_BYTES, as_store_error, migrate};
use crate::jobs::store::StoreError;

/// What turns a file of version n, counted from 0 for an empty one, into one of n + 1. What was once released stays as
/// it is.
const STEPS: [MigrationStep; 7] = [
    MigrationStep::Sql(JOBS),
    MigrationStep::Sql(BATCHES),
    MigrationStep::Sql(FINGERPRINTS),
    MigrationStep::Sql(DELIVERIES),
    MigrationStep::Sql(DOCUMENTS),
    MigrationStep::Records(RECORDS),
    MigrationStep::Sql(TEMPLATES),
];

/// What a file written by this program has.
pub(super) const VERSION: usize = STEPS.len();

enum MigrationStep {
    Sql(&'static str),
    /// The tables of records; then what stands in the older ones is moved there.
    Records(&'static str),
}

impl MigrationStep {
    fn run(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        match self {
            Self::Sql(statements) => transaction.execute_batch(statements),
            Self::Records(statements) => {
                transaction.execute_batch(statements)?;
                migrate::to_records(transaction)
            }
        }
    }
}

/// Every job, row and batch as a record: its JSON, and the columns by which it is found. Indices that serve single jobs
/// leave rows out, and the other way round, so that neither pays for the other's number.
const RECORDS: &str = "
ALTER TABLE pins RENAME TO pins_of_batches;
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    batch INTEGER REFERENCES records (seq) ON DELETE CASCADE,
    number INTEGER,
    status TEXT NOT NULL,
    due INTEGER NOT NULL,
    completed INTEGER,
    expires INTEGER,
    receiver TEXT,
    delivery_due INTEGER,
    leased_until INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    announced INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX records_by_owner ON records (kind, owner, seq, expires) WHERE batch IS NULL;
CREATE INDEX records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
CREATE INDEX records_under_way ON records (owner) WHERE status = 'progress';
CREATE INDEX jobs_by_state ON records (status, owner, seq, due) WHERE kind = 'job';
CREATE UNIQUE INDEX rows_of_batches ON records (batch, number) WHERE batch IS NOT NULL;
CREATE INDEX rows_by_state ON records (batch, status, number, due) WHERE batch IS NOT NULL;
CREATE INDEX rows_by_completion ON records (batch, completed) WHERE batch IS NOT NULL AND completed IS NOT NULL;
CREATE INDEX records_to_deliver ON records (receiver, delivery_due) WHERE delivery_due IS NOT NULL;
CREATE INDEX records_leased ON records (receiver, leased_until) WHERE leased_until > 0;
CREATE TABLE batch_counts (
    batch INTEGER PRIMARY KEY REFERENCES records (seq) ON DELETE CASCADE,
    owner TEXT NOT NULL,
    open INTEGER NOT NULL,
    retrying INTEGER,
    rows INTEGER NOT NULL,
    bad INTEGER NOT NULL,
    is_document INTEGER NOT NULL,
    since INTEGER NOT NULL,
    started INTEGER,
    turn INTEGER NOT NULL DEFAULT 0,
    progress INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    unfinished INTEGER GENERATED ALWAYS AS
        (iif(is_document, iif(done + failed > 0, 0, rows - bad), rows - done - failed)) VIRTUAL
) STRICT;
CREATE INDEX batches_with_work ON batch_counts (owner, turn, batch) WHERE open;
CREATE TABLE blobs (
    record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (record, digest)
) STRICT;
CREATE TABLE idempotency (
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    record INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
    PRIMARY KEY (kind, owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_record ON idempotency (record);
CREATE TABLE pins (
    batch INTEGER NOT NULL REFERENCES records (seq) ON DELETE CASCADE,
    key TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (batch, key)
) STRICT, WITHOUT ROWID;
";

/// Records of templates, as JSON.
const TEMPLATES: &str = "
CREATE TABLE template_records (
    seq INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (owner, id)
) STRICT;
";

/// Jobs and their webhooks.
pub(super) const JOBS: &str = "
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    output TEXT,
    error TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    updated_at INTEGER,
    expires_at INTEGER,
    progress REAL NOT NULL DEFAULT 0,
    logs TEXT NOT NULL DEFAULT '',
    file TEXT NOT NULL,
    link_base TEXT NOT NULL,
    webhook TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    body_digest BLOB
) STRICT;
CREATE UNIQUE INDEX jobs_by_idempotency ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_by_owner ON jobs (owner, seq, expires_at);
CREATE INDEX jobs_by_status ON jobs (status, owner, seq, not_before);
CREATE INDEX jobs_by_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE inputs (
    job INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    event TEXT NOT NULL,
    url TEXT NOT NULL,
    receiver TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER,
    answer INTEGER,
    error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deliveries_by_job ON deliveries (job, seq);
CREATE INDEX deliveries_pending ON deliveries (receiver, next_at) WHERE status = 'pending';
CREATE INDEX deliveries_leased ON deliveries (receiver, leased_until);
CREATE TABLE trash (
    file TEXT PRIMARY KEY,
    not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Batches. A row of a batch is a job whose `batch` is set; what only rows have stands in `items`. Indices that serve
/// single jobs leave rows out, and the other way round, so that neither pays for the other's number.
pub(super) const BATCHES: &str = "
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    rows INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    format TEXT NOT NULL,
    extension TEXT NOT NULL,
    design_sha256 BLOB NOT NULL,
    link_base TEXT NOT NULL,
    webhook TEXT,
    webhook_items INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    expires_at INTEGER,
    taken_at INTEGER NOT NULL DEFAULT 0,
    idempotency_key TEXT,
    body_digest BLOB
) STRICT;
CREATE UNIQUE INDEX batches_by_idempotency ON batches (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX batches_by_owner ON batches (owner, seq, expires_at);
CREATE INDEX batches_open ON batches (owner, taken_at) WHERE completed_at IS NULL;
CREATE INDEX batches_by_expiry ON batches (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE templates (
    batch INTEGER PRIMARY KEY REFERENCES batches (seq) ON DELETE CASCADE,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE pins (
    batch INTEGER NOT NULL REFERENCES batches (seq) ON DELETE CASCADE,
    key TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    PRIMARY KEY (batch, key)
) STRICT, WITHOUT ROWID;
ALTER TABLE jobs ADD COLUMN batch INTEGER REFERENCES batches (seq) ON DELETE CASCADE;
ALTER TABLE jobs ADD COLUMN row INTEGER;
CREATE TABLE items (
    job INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
    name TEXT NOT NULL,
    bytes INTEGER,
    sha256 BLOB,
    warnings TEXT NOT NULL DEFAULT '[]',
    timings TEXT NOT NULL DEFAULT '{}',
    problems TEXT NOT NULL DEFAULT '[]'
) STRICT;
DROP INDEX jobs_by_owner;
DROP INDEX jobs_by_status;
CREATE INDEX jobs_by_owner ON jobs (owner, seq, expires_at) WHERE batch IS NULL;
CREATE INDEX jobs_by_status ON jobs (status, owner, seq, not_before) WHERE batch IS NULL;
CREATE INDEX jobs_under_way ON jobs (owner, batch) WHERE status = 'progress';
CREATE UNIQUE INDEX rows_by_number ON jobs (batch, row) WHERE batch IS NOT NULL;
CREATE INDEX rows_by_status ON jobs (batch, status, row, not_before) WHERE batch IS NOT NULL;
CREATE INDEX rows_by_end ON jobs (batch, completed_at) WHERE batch IS NOT NULL;
ALTER TABLE deliveries RENAME TO deliveries_of_jobs;
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    job INTEGER REFERENCES jobs (seq) ON DELETE CASCADE,
    batch INTEGER REFERENCES batches (seq) ON DELETE CASCADE,
    event TEXT NOT NULL,
    url TEXT NOT NULL,
    receiver TEXT NOT NULL,
    body TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    leased_until INTEGER NOT NULL DEFAULT 0,
    last_at INTEGER,
    answer INTEGER,
    error TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO deliveries (seq, id, job, event, url, receiver, body, status, attempts, created_at, next_at, leased_until, last_at,
        answer, error)
    SELECT seq, id, job, event, url, receiver, body, status, attempts, created_at, next_at, leased_until, last_at, answer, error
    FROM deliveries_of_jobs;
DROP TABLE deliveries_of_jobs;
CREATE INDEX deliveries_by_job ON deliveries (job, seq);
CREATE INDEX deliveries_by_batch ON deliveries (batch, seq) WHERE batch IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (receiver, next_at) WHERE status = 'pending';
CREATE INDEX deliveries_leased ON deliveries (receiver, leased_until);
";

/// What results were made of, also those of rows. Jobs that ended before have none.
const FINGERPRINTS: &str = "ALTER TABLE jobs ADD COLUMN fingerprint TEXT;";

/// A delivery of a row is one of its batch too, so that a batch has a list of all of them.
const DELIVERIES: &str = "
UPDATE deliveries SET batch = (SELECT jobs.batch FROM jobs WHERE jobs.seq = deliveries.job)
    WHERE job IN (SELECT seq FROM jobs WHERE batch IS NOT NULL);
CREATE INDEX deliveries_by_status ON deliveries (batch, status, seq) WHERE batch IS NOT NULL;
CREATE INDEX deliveries_of_ends ON deliveries (batch, seq) WHERE job IS NULL;
";

/// Documents of all rows of a batch, each a job of that batch with the row 0; and where the pages of rows are in them.
const DOCUMENTS: &str = "
CREATE TABLE documents (
    batch INTEGER PRIMARY KEY REFERENCES batches (seq) ON DELETE CASCADE,
    job INTEGER NOT NULL UNIQUE REFERENCES jobs (seq) ON DELETE CASCADE,
    name TEXT NOT NULL,
    bytes INTEGER,
    sha256 BLOB,
    pages INTEGER,
    fingerprint TEXT
) STRICT;
ALTER TABLE items ADD COLUMN first_page INTEGER;
ALTER TABLE items ADD COLUMN page_count INTEGER;
";

/// Makes the tables in a new file, and those that an older one does not have.
pub(super) fn prepare(connection: &mut Connection, place: &str) -> Result<(), StoreError> {
    let wrong = |error: rusqlite::Error| as_store_error(place, &error);
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrong)?;
    if version > VERSION {
        let reason = format!("was written by a newer tenter (its format is {version}, ours {VERSION}); use that one");
        return Err(StoreError::Failed { place: place.to_owned(), reason });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrong)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(wrong)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
    for step in &STEPS[version..] {
        step.run(&transaction).map_err(wrong)?;
    }
    if version < VERSION {
        transaction.pragma_update(None, "user_version", VERSION).map_err(wrong)?;
    }
    // Fails at the start of the process when the folder cannot be written or the disk is full.
    transaction.commit().map_err(wrong)
}
