//! Rows of batches, while they are worked off.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::batches::{self, BATCH, BATCHES};
use super::rows::{self, About, to_json};
use crate::jobs::batch::{BatchId, Item, ToldItem};
use crate::jobs::job::Status;
use crate::jobs::moment::Moment;
use crate::jobs::names::{COMPLETED, ITEM_DONE, ITEM_ERROR};
use crate::jobs::store::{BadRow, Outcome, Report, StoredRow};

/// The columns that [`item`] reads, in its order, of `jobs` and `items`.
pub(super) const ITEM: &str = "jobs.row, jobs.id, items.name, jobs.status, items.bytes, items.sha256, items.warnings, \
                               items.timings, jobs.error, items.problems, jobs.fingerprint, items.first_page, \
                               items.page_count";

/// The first columns of `row` are [`ITEM`].
pub(super) fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    Ok(Item {
        row: row.get(0)?,
        id: rows::job_id(row, 1)?,
        name: row.get(2)?,
        status: rows::status(row, 3)?,
        url: None,
        bytes: row.get(4)?,
        sha256: row.get::<_, Option<[u8; 32]>>(5)?.map(|digest| batches::hex(&digest)),
        first_page: row.get(11)?,
        page_count: row.get(12)?,
        warnings: from_json(row, 6)?,
        timings: from_json(row, 7)?,
        error: row.get(8)?,
        problems: from_json(row, 9)?,
        fingerprint: row.get(10)?,
    })
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|_| rows::unreadable(column))
}

pub(super) fn batch_id(row: &Row<'_>, column: usize) -> rusqlite::Result<BatchId> {
    BatchId::parse(row.get_ref(column)?.as_str()?).ok_or_else(|| rows::unreadable(column))
}

/// What rows of a batch fill in, as it was sent.
pub(super) fn values(
    connection: &Connection,
    batch: i64,
    after_row: u64,
    limit: u64,
) -> rusqlite::Result<Vec<StoredRow>> {
    let sql = "SELECT jobs.row, inputs.body, jobs.error, items.problems
               FROM jobs JOIN items ON items.job = jobs.seq LEFT JOIN inputs ON inputs.job = jobs.seq
               WHERE batch = ?1 AND row > ?2 ORDER BY row LIMIT ?3";
    let read = |row: &Row<'_>| {
        let values = match row.get::<_, Option<Vec<u8>>>(1)? {
            Some(body) => Ok(body.into()),
            None => Err(BadRow { error: row.get(2)?, problems: from_json(row, 3)? }),
        };
        Ok(StoredRow { row: row.get(0)?, values })
    };
    connection.prepare_cached(sql)?.query_map(params![batch, after_row, limit], read)?.collect()
}

/// Of an owner's batches, the one whose turn it is: when it last was, and the first row that is due; or, where rows go into a
/// document, that.
pub(super) fn due(transaction: &Transaction<'_>, owner: &str, now: Moment) -> rusqlite::Result<Option<(i64, i64)>> {
    // Nearly always the first has one; those passed over have only rows that are under way or rest.
    let sql =
        "SELECT batches.seq, taken_at, documents.job FROM batches LEFT JOIN documents ON documents.batch = batches.seq
               WHERE completed_at IS NULL AND owner = ?1 ORDER BY taken_at, batches.seq";
    let mut open = transaction.prepare_cached(sql)?;
    let mut open = open.query([owner])?;
    while let Some(batch) = open.next()? {
        let document: Option<i64> = batch.get(2)?;
        let sql = match document {
            Some(_) => "SELECT seq FROM jobs WHERE seq = ?1 AND status = 'scheduled' AND not_before <= ?2",
            None => {
                "SELECT seq FROM jobs WHERE batch = ?1 AND status = 'scheduled' AND not_before <= ?2
                 ORDER BY row LIMIT 1"
            }
        };
        let of = document.map_or_else(|| batch.get(0), Ok)?;
        let seq: Option<i64> =
            transaction.prepare_cached(sql)?.query_row(params![of, now.micros()], |row| row.get(0)).optional()?;
        if let Some(seq) = seq {
            return Ok(Some((batch.get(1)?, seq)));
        }
    }
    Ok(None)
}

/// When the next row or document is due, if nothing is now.
pub(super) fn next_due(transaction: &Transaction<'_>) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT min(due) FROM (
                   SELECT min(jobs.not_before) AS due
                   FROM batches JOIN jobs ON jobs.batch = batches.seq AND jobs.status = 'scheduled'
                   WHERE batches.completed_at IS NULL
                       AND NOT EXISTS (SELECT 1 FROM documents WHERE documents.batch = batches.seq)
                   UNION ALL
                   SELECT min(jobs.not_before)
                   FROM batches JOIN documents ON documents.batch = batches.seq
                       JOIN jobs ON jobs.seq = documents.job AND jobs.status = 'scheduled'
                   WHERE batches.completed_at IS NULL)";
    transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// A row of this batch was begun: it has had its turn.
pub(super) fn begun(transaction: &Transaction<'_>, batch: i64, now: Moment) -> rusqlite::Result<()> {
    let sql = "UPDATE batches SET taken_at = ?2, started_at = coalesce(started_at, ?2) WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![batch, now.micros()]).map(drop)
}

/// What the end of row `seq` means for itself and its batch.
pub(super) fn end(
    transaction: &Transaction<'_>,
    batch: i64,
    seq: i64,
    outcome: &Outcome,
    report: &Report,
    lifetime: Duration,
    now: Moment,
) -> rusqlite::Result<()> {
    let (done, bytes, sha256) = match outcome {
        Outcome::Done(file) => (1, Some(file.bytes), Some(file.sha256)),
        Outcome::Error(_) => (0, None, None),
    };
    let (warnings, problems) = (to_json(&report.warnings)?, to_json(&report.problems)?);
    let values = params![seq, bytes, sha256, warnings, timings_json(&report.timings)?, problems];
    transaction
        .prepare_cached(
            "UPDATE items SET bytes = ?2, sha256 = ?3, warnings = ?4, timings = ?5, problems = ?6 WHERE job = ?1",
        )?
        .execute(values)?;
    transaction
        .prepare_cached("UPDATE batches SET done = done + ?2, failed = failed + 1 - ?2 WHERE seq = ?1")?
        .execute(params![batch, done])?;
    announce(transaction, batch, seq, now)?;
    complete(transaction, batch, lifetime, now)
}

/// Stages and their ms, as items have them.
pub(super) fn timings_json(timings: &[(&'static str, f64)]) -> rusqlite::Result<String> {
    // To the µs: what is below is noise, and takes room in ten thousand lines.
    let to_micros = |ms: f64| (ms * 1000.0).round() / 1000.0;
    let timings: serde_json::Map<_, _> =
        timings.iter().map(|(stage, ms)| ((*stage).to_owned(), to_micros(*ms).into())).collect();
    to_json(&timings)
}

/// Tells the batch's receiver of a row that has ended, if it wants to know.
pub(super) fn announce(transaction: &Transaction<'_>, batch: i64, seq: i64, now: Moment) -> rusqlite::Result<()> {
    let sql = "SELECT webhook, id FROM batches WHERE seq = ?1 AND webhook_items AND webhook IS NOT NULL";
    let found = transaction
        .prepare_cached(sql)?
        .query_row([batch], |row| Ok((row.get::<_, String>(0)?, batch_id(row, 1)?)))
        .optional()?;
    let Some((url, id)) = found else { return Ok(()) };
    let sql = format!("SELECT {ITEM}, jobs.output FROM jobs JOIN items ON items.job = jobs.seq WHERE jobs.seq = ?1");
    let item =
        transaction.prepare_cached(&sql)?.query_row([seq], |row| Ok(Item { url: row.get(13)?, ..item(row)? }))?;
    let event = if item.status == Status::Done { ITEM_DONE } else { ITEM_ERROR };
    let body = to_json(&ToldItem { batch: id, item })?;
    rows::tell(transaction, About { job: Some(seq), batch: Some(batch) }, event, &url, &body, now)
}

/// Completes a batch whose last row has ended: its expiry begins, its receiver is to be told.
pub(super) fn complete(
    transaction: &Transaction<'_>,
    batch: i64,
    lifetime: Duration,
    now: Moment,
) -> rusqlite::Result<()> {
    let sql = "UPDATE batches SET completed_at = ?2, expires_at = ?3
               WHERE seq = ?1 AND completed_at IS NULL AND done + failed = rows RETURNING webhook";
    let completed: Option<Option<String>> = transaction
        .prepare_cached(sql)?
        .query_row(params![batch, now.micros(), now.plus(lifetime).micros()], |row| row.get(0))
        .optional()?;
    let Some(Some(url)) = completed else { return Ok(()) };
    let sql = format!("SELECT {BATCH} FROM {BATCHES} WHERE batches.seq = ?1");
    let told = transaction.prepare_cached(&sql)?.query_row(params![batch], batches::batch)?;
    rows::tell(transaction, About { job: None, batch: Some(batch) }, COMPLETED, &url, &to_json(&told)?, now)
}
