//! Numbers of rows of batches by status. Each write of a row updates them, so that no call reads ten thousand rows.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::records::{STORED, stored_job};
use crate::jobs::batch::BatchId;
use crate::jobs::job::Status;
use crate::jobs::ledger::OpenBatch;
use crate::jobs::life::batch_record::{BatchProgress, BatchRecord, BatchShape, RowStats};
use crate::jobs::life::document::ROW;
use crate::jobs::life::limits::Unfinished;
use crate::jobs::life::record::JobRecord;
use crate::jobs::timestamp::Timestamp;

/// Inserts the counts of a batch before its rows.
pub(super) fn insert(transaction: &Transaction<'_>, seq: i64, batch: &BatchRecord) -> rusqlite::Result<()> {
    let shape = batch.shape();
    let sql = "INSERT INTO batch_counts (batch, owner, open, retrying, rows, bad, is_document, since)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    transaction
        .prepare_cached(sql)?
        .execute(params![
            seq,
            batch.owner,
            batch.is_open(),
            batch.retrying.then_some(batch.retried),
            shape.rows,
            shape.unreadable,
            shape.is_document,
            shape.since,
        ])
        .map(drop)
}

/// Updates the columns that depend on the record of a batch.
pub(super) fn update_batch(transaction: &Transaction<'_>, seq: i64, batch: &BatchRecord) -> rusqlite::Result<()> {
    // Rows begun before a completed batch was retried do not count for its progress.
    let sql =
        "UPDATE batch_counts SET open = ?2, retrying = ?3, since = ?4, started = iif(open OR NOT ?2, started, NULL)
               WHERE batch = ?1";
    let values = params![seq, batch.is_open(), batch.retrying.then_some(batch.retried), batch.since];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

/// Updates the counts after the record of a row or document was replaced.
pub(super) fn update_row(
    transaction: &Transaction<'_>,
    batch: i64,
    before: Status,
    row: &JobRecord,
) -> rusqlite::Result<()> {
    if before == row.status {
        return Ok(());
    }
    let change = |status: Status| i64::from(row.status == status) - i64::from(before == status);
    let begun = row.started.filter(|_| row.status == Status::Progress);
    let sql = "UPDATE batch_counts SET progress = progress + ?2, done = done + ?3, failed = failed + ?4,
                   started = coalesce(started, ?5), turn = coalesce(?5, turn) WHERE batch = ?1";
    let values = params![batch, change(Status::Progress), change(Status::Done), change(Status::Error), begun];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

/// Counts all rows of a batch after they were inserted.
pub(super) fn recount(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    let of =
        |status: Status| format!("(SELECT count(*) FROM records WHERE batch = ?1 AND status = '{}')", status.as_str());
    let sql = format!(
        "UPDATE batch_counts SET progress = {}, done = {}, failed = {} WHERE batch = ?1",
        of(Status::Progress),
        of(Status::Done),
        of(Status::Error)
    );
    transaction.prepare_cached(&sql)?.execute([seq]).map(drop)
}

/// Progress of the batch `seq`.
pub(super) fn progress(connection: &Connection, seq: i64, now: Timestamp) -> rusqlite::Result<BatchProgress> {
    let sql =
        "SELECT rows, bad, is_document, since, started, progress, done, failed FROM batch_counts WHERE batch = ?1";
    let (shape, mut stats) = connection.prepare_cached(sql)?.query_row([seq], |row| {
        let shape =
            BatchShape { rows: row.get(0)?, unreadable: row.get(1)?, is_document: row.get(2)?, since: row.get(3)? };
        let stats = RowStats {
            started: row.get(4)?,
            progress: row.get(5)?,
            done: row.get(6)?,
            error: row.get(7)?,
            document: None,
        };
        Ok((shape, stats))
    })?;
    if shape.is_document {
        let sql = format!("SELECT {STORED} FROM records WHERE batch = ?1 AND number = ?2");
        let document = connection.prepare_cached(&sql)?.query_row(params![seq, ROW], stored_job).optional()?;
        stats.document = document.map(|it| it.record.document_state());
    }
    stats.progress(&shape, now, |after| {
        let sql = "SELECT count(*) FROM records WHERE batch = ?1 AND completed > ?2";
        connection.prepare_cached(sql)?.query_row(params![seq, after], |row| row.get(0))
    })
}

/// Open batches whose rows have all ended, or whose retry has not finished; each with its `seq`.
pub(super) fn to_maintain(connection: &Connection) -> rusqlite::Result<Vec<(i64, OpenBatch)>> {
    let sql = "SELECT batch_counts.batch, records.id, retrying, unfinished = 0
               FROM batch_counts JOIN records ON records.seq = batch_counts.batch
               WHERE open AND (unfinished = 0 OR retrying IS NOT NULL)";
    let read = |row: &rusqlite::Row<'_>| {
        let open = OpenBatch {
            id: batch_id(row, 1)?,
            retrying: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
            have_rows_ended: row.get(3)?,
        };
        Ok((row.get(0)?, open))
    };
    connection.prepare_cached(sql)?.query_map([], read)?.collect()
}

/// Reads the id of a batch from the column `id` of its record.
pub(super) fn batch_id(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<BatchId> {
    use crate::jobs::life::key::Key;
    match Key::parse(row.get_ref(column)?.as_str()?) {
        Some(Key::Batch(id)) => Ok(id),
        _ => Err(super::records::unreadable(column, "the key of a batch is invalid")),
    }
}

/// Unfinished work of all and of `owner`.
pub(super) fn unfinished(connection: &Connection, owner: &str) -> rusqlite::Result<Unfinished> {
    let count = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
    let theirs = |sql: &str| connection.prepare_cached(sql)?.query_row([owner], |row| row.get::<_, u64>(0));
    let jobs = "SELECT count(*) FROM records WHERE kind = 'job' AND status IN ('scheduled', 'progress')";
    let rows = "SELECT coalesce(sum(unfinished), 0) FROM batch_counts WHERE open";
    Ok(Unfinished {
        jobs: count(jobs)?,
        of_owner: theirs(&format!("{jobs} AND owner = ?1"))?
            + theirs("SELECT count(*) FROM batch_counts WHERE open AND owner = ?1")?,
        rows: count(rows)?,
        rows_of_owner: theirs(&format!("{rows} AND owner = ?1"))?,
    })
}
