//! The table of records: the JSON of each record, and the columns by which it is found.

use rusqlite::types::{Type, Value as SqlValue};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

use super::counts;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::Stored;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::delivery;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::life::trash::Trash;

/// Values of the column `kind`.
pub(super) const JOB: &str = "job";
pub(super) const ROW: &str = "row";
pub(super) const BATCH: &str = "batch";

/// The columns that [`stored`] reads.
pub(super) const STORED: &str = "kind, body, revision";

/// Value of the column `id`. Jobs and rows share one space of ids, so that a row is found by its id alone.
pub(super) fn id_of(key: &Key) -> String {
    match key {
        Key::Job(id) | Key::Row(_, id) => id.to_string(),
        Key::Batch(_) | Key::Pin(..) => key.to_string(),
    }
}

/// Reads a record. The first columns of `row` are [`STORED`].
pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let body = row.get_ref(1)?.as_str()?;
    let record = match row.get_ref(0)?.as_str()? {
        BATCH => serde_json::from_str(body).map(Entry::Batch),
        _ => serde_json::from_str(body).map(Entry::Job),
    };
    Ok(Stored { record: record.map_err(|error| unreadable(1, error))?, revision: row.get(2)? })
}

/// Reads the record of a job or row. The first columns of `row` are [`STORED`].
pub(super) fn stored_job(row: &Row<'_>) -> rusqlite::Result<Stored<JobRecord>> {
    match stored(row)? {
        Stored { record: Entry::Job(record), revision } => Ok(Stored { record, revision }),
        Stored { record: Entry::Batch(_), .. } => Err(unreadable(0, "a batch stands where a job should")),
    }
}

/// The error of a value that this program does not write.
pub(super) fn unreadable(
    column: usize,
    reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason.into())
}

pub(super) fn load(connection: &Connection, key: &Key) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {STORED} FROM records WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id_of(key)], stored).optional()
}

/// Column `seq` of a batch; `None` when there is no such batch.
pub(super) fn batch_seq(connection: &Connection, batch: &BatchId) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT seq FROM records WHERE id = ?1";
    let id = id_of(&Key::Batch(batch.clone()));
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

/// Columns that are computed from a record, in the order of [`values_of`].
const COMPUTED: [&str; 10] = [
    "status",
    "due",
    "completed",
    "expires",
    "receiver",
    "delivery_due",
    "leased_until",
    "pending",
    "announced",
    "body",
];

/// Values of the columns [`COMPUTED`].
fn values_of(entry: &Entry) -> rusqlite::Result<[SqlValue; COMPUTED.len()]> {
    let deliveries = entry.deliveries();
    let (status, due, completed, expires, body) = match entry {
        Entry::Job(it) => (it.status, it.due, it.completed, it.expires, to_json(it)?),
        Entry::Batch(it) => {
            let status = if it.completed.is_some() { Status::Done } else { Status::Scheduled };
            // A removed batch counts as expired.
            (status, 0, it.completed, if it.is_removed { Some(0) } else { it.expires }, to_json(it)?)
        }
    };
    let count = |count: usize| SqlValue::from(i64::try_from(count).unwrap_or(i64::MAX));
    Ok([
        status.as_str().to_owned().into(),
        due.into(),
        completed.into(),
        expires.into(),
        deliveries.last().map(|it| it.receiver()).into(),
        delivery::next_due(deliveries).into(),
        delivery::leased_until(deliveries).into(),
        count(deliveries.iter().filter(|it| it.is_pending()).count()),
        count(deliveries.len()),
        body.into(),
    ])
}

pub(super) fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Columns of a record that never change.
pub(super) struct Place<'a> {
    pub(super) id: &'a str,
    pub(super) kind: &'static str,
    /// For a row: column `seq` of its batch, and its number among the rows.
    pub(super) row: Option<(i64, u64)>,
}

/// Inserts a record and returns its `seq`. Rows are counted by [`counts::recount`] after the last one.
pub(super) fn insert(transaction: &Transaction<'_>, place: &Place<'_>, entry: &Entry) -> rusqlite::Result<i64> {
    let sql = format!(
        "INSERT INTO records (id, kind, owner, batch, number, revision, {}) VALUES (?1, ?2, ?3, ?4, ?5, 1, {})",
        COMPUTED.join(", "),
        (6..6 + COMPUTED.len()).map(|at| format!("?{at}")).collect::<Vec<_>>().join(", "),
    );
    let (batch, number) = place.row.unzip();
    let fixed: [SqlValue; 5] = [
        place.id.to_owned().into(),
        place.kind.to_owned().into(),
        entry.owner().to_owned().into(),
        batch.into(),
        number.map(|it| i64::try_from(it).unwrap_or(i64::MAX)).into(),
    ];
    let values = fixed.into_iter().chain(values_of(entry)?);
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(transaction.last_insert_rowid())
}

/// Inserts a batch without its rows and returns its `seq`.
pub(super) fn insert_batch(transaction: &Transaction<'_>, batch: &BatchRecord) -> rusqlite::Result<i64> {
    let id = batch.key().map(|key| id_of(&key)).ok_or_else(|| unreadable(0, "a batch without an id"))?;
    let entry = Entry::Batch(batch.clone());
    let seq = insert(transaction, &Place { id: &id, kind: BATCH, row: None }, &entry)?;
    counts::insert(transaction, seq, batch)?;
    Ok(seq)
}

/// Replaces a record and returns its new revision; `None` when it is no longer at `revision`.
pub(super) fn swap(
    transaction: &Transaction<'_>,
    entry: &Entry,
    revision: u64,
    trash: &Trash,
) -> rusqlite::Result<Option<u64>> {
    let Some(id) = entry.key().map(|key| id_of(&key)) else { return Ok(None) };
    let sql = "SELECT seq, status, batch FROM records WHERE id = ?1 AND revision = ?2";
    let before: Option<(i64, Status, Option<i64>)> = transaction
        .prepare_cached(sql)?
        .query_row(params![id, revision], |row| Ok((row.get(0)?, status(row, 1)?, row.get(2)?)))
        .optional()?;
    let Some((seq, before, batch)) = before else { return Ok(None) };
    let columns = COMPUTED.iter().zip(3..).map(|(column, at)| format!(", {column} = ?{at}")).collect::<String>();
    let sql = format!("UPDATE records SET revision = ?2{columns} WHERE seq = ?1");
    let revision = revision + 1;
    let fixed = [seq, i64::try_from(revision).unwrap_or(i64::MAX)].map(SqlValue::from);
    transaction.prepare_cached(&sql)?.execute(params_from_iter(fixed.into_iter().chain(values_of(entry)?)))?;
    match (entry, batch) {
        (Entry::Batch(record), _) => counts::update_batch(transaction, seq, record)?,
        (Entry::Job(record), Some(batch)) => counts::update_row(transaction, batch, before, record)?,
        (Entry::Job(record), None) if record.status.is_end() && !before.is_end() => {
            transaction.prepare_cached("DELETE FROM blobs WHERE record = ?1")?.execute([seq])?;
        }
        (Entry::Job(_), None) => {}
    }
    insert_trash(transaction, trash)?;
    Ok(Some(revision))
}

/// Notes files for deletion.
pub(super) fn insert_trash(transaction: &Transaction<'_>, trash: &Trash) -> rusqlite::Result<()> {
    for (file, from) in trash {
        let sql = "INSERT OR IGNORE INTO trash (file, not_before) VALUES (?1, ?2)";
        transaction.prepare_cached(sql)?.execute(params![file, from.micros()])?;
    }
    Ok(())
}

pub(super) fn put_blob(
    transaction: &Transaction<'_>,
    seq: i64,
    hash: ContentHash,
    body: &[u8],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO blobs (record, digest, body) VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(sql)?.execute(params![seq, hash.to_string(), body]).map(drop)
}

/// An id that no job and no row has.
pub(super) fn new_id(transaction: &Transaction<'_>) -> rusqlite::Result<JobId> {
    loop {
        let id = JobId::random().map_err(no_randomness)?;
        if !transaction.prepare_cached("SELECT 1 FROM records WHERE id = ?1")?.exists([id.as_str()])? {
            return Ok(id);
        }
    }
}

pub(super) fn no_randomness(error: getrandom::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.to_string().into())
}

pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let all = [Status::Scheduled, Status::Progress, Status::Done, Status::Error];
    let text = row.get_ref(column)?.as_str()?;
    all.into_iter().find(|it| it.as_str() == text).ok_or_else(|| unreadable(column, "the status of a job is invalid"))
}
