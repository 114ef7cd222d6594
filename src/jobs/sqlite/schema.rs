//! The tables, and how an older file gets them.

use rusqlite::{Connection, TransactionBehavior};

use super::{WAL_BYTES, told};
use crate::jobs::store::StoreError;

/// What turns a file of version n, counted from 0 for an empty one, into one of n + 1. What was once released stays as it is.
const STEPS: [&str; 5] = [JOBS, BATCHES, FINGERPRINTS, DELIVERIES, DOCUMENTS];

/// What a file written by this program has.
pub(super) const VERSION: usize = STEPS.len();

/// Jobs, and what receivers are told of them.
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

/// Batches. A row of a batch is a job whose `batch` is set; what only rows have stands in `items`. Indices that serve single jobs
/// leave rows out, and the other way round, so that neither pays for the other's number.
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
    let wrong = |error: rusqlite::Error| told(place, &error);
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrong)?;
    if version > VERSION {
        let reason = format!("was written by a newer tenter (its format is {version}, ours {VERSION}); use that one");
        return Err(StoreError::Failed { place: place.to_owned(), reason });
    }
    connection.pragma_update(None, "journal_mode", "WAL").map_err(wrong)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES).map_err(wrong)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
    for step in &STEPS[version..] {
        transaction.execute_batch(step).map_err(wrong)?;
    }
    if version < VERSION {
        transaction.pragma_update(None, "user_version", VERSION).map_err(wrong)?;
    }
    // Also tells at the start when the folder cannot be written or the disk is full.
    transaction.commit().map_err(wrong)
}
