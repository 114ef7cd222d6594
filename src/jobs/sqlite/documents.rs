//! One document of all rows of a batch: the batch's job number 0. Its rows are never handed out, and end with it.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::items;
use super::jobs::{new_file, new_id};
use super::rows::{self, to_json};
use crate::jobs::job::Status;
use crate::jobs::moment::Moment;
use crate::jobs::store::{BadRow, NewBatch, Outcome, Report, RowEnd, RowPages};

/// Its place among the jobs of its batch, whose rows begin with 1.
pub(super) const ROW: u64 = 0;

/// Why a row has no pages in a document that is there. No worker of ours says so little.
const UNTOLD: &str = "the document was made without this row";

/// Has the document called `name` made of a batch with rows that can be read.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    batch: &NewBatch,
    seq: i64,
    name: &str,
    now: Moment,
) -> rusqlite::Result<()> {
    let id = new_id(transaction)?;
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, owner, status, created_at, file, link_base, batch, row)
             VALUES (?1, ?2, 'scheduled', ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.as_str(),
            &*batch.owner,
            now.micros(),
            new_file(&id, batch.extension)?,
            batch.link_base,
            seq,
            ROW,
        ])?;
    let job = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO documents (batch, job, name) VALUES (?1, ?2, ?3)")?
        .execute(params![seq, job, name])
        .map(drop)
}

/// How far a document is.
pub(super) struct Pace {
    /// While it is made: of its rows, in percent, and since when.
    pub(super) made: Option<(f64, Moment)>,
}

/// That of a batch, if it becomes a document.
pub(super) fn pace(connection: &Connection, batch: i64) -> rusqlite::Result<Option<Pace>> {
    let sql = "SELECT jobs.status, jobs.progress, jobs.started_at
               FROM documents JOIN jobs ON jobs.seq = documents.job WHERE documents.batch = ?1";
    connection
        .prepare_cached(sql)?
        .query_row([batch], |row| {
            let (percent, since) = (row.get(1)?, row.get::<_, Option<i64>>(2)?.map(Moment::from_micros));
            let under_way = rows::status(row, 0)? == Status::Progress;
            Ok(Pace { made: since.filter(|_| under_way).map(|since| (percent, since)) })
        })
        .optional()
}

/// What the end of document `seq` means for its rows and their batch: those that have not ended do so now.
pub(super) fn end(
    transaction: &Transaction<'_>,
    batch: i64,
    seq: i64,
    outcome: &Outcome,
    report: &Report,
    lifetime: Duration,
    now: Moment,
) -> rusqlite::Result<()> {
    let reason = match outcome {
        Outcome::Done(file) => {
            let pages: u64 = report.rows.iter().filter_map(|it| it.end.as_ref().ok()).map(|it| it.page_count).sum();
            transaction
                .prepare_cached(
                    "UPDATE documents SET bytes = ?2, sha256 = ?3, pages = ?4, fingerprint = ?5 WHERE batch = ?1",
                )?
                .execute(params![batch, file.bytes, file.sha256, pages, file.fingerprint])?;
            UNTOLD
        }
        Outcome::Error(reason) => reason,
    };
    for RowEnd { row, end } in &report.rows {
        match (end, outcome) {
            (Ok(pages), Outcome::Done(_)) => row_done(transaction, batch, *row, pages, now)?,
            (Ok(_), Outcome::Error(_)) => {} // pages of no document: as those that were not reached
            (Err(bad), _) => row_failed(transaction, batch, *row, bad, now)?,
        }
    }
    let sql = "UPDATE jobs SET status = 'error', error = ?2, completed_at = ?3, updated_at = ?3
               WHERE batch = ?1 AND status = 'scheduled'";
    transaction.prepare_cached(sql)?.execute(params![batch, reason, now.micros()])?;
    if let Outcome::Done(file) = outcome {
        let done = "SELECT seq FROM jobs WHERE batch = ?1 AND status = 'done' AND row > 0";
        let sql = format!("UPDATE items SET bytes = ?2, sha256 = ?3 WHERE job IN ({done})");
        transaction.prepare_cached(&sql)?.execute(params![batch, file.bytes, file.sha256])?;
        let sql = "UPDATE jobs SET (file, fingerprint) = (SELECT file, fingerprint FROM jobs WHERE seq = ?2)
                   WHERE batch = ?1 AND status = 'done' AND row > 0";
        transaction.prepare_cached(sql)?.execute(params![batch, seq])?;
    }
    let count = |status: Status| {
        let sql = "SELECT count(*) FROM jobs WHERE batch = ?1 AND status = ?2 AND row > 0";
        transaction.prepare_cached(sql)?.query_row(params![batch, status.as_str()], |row| row.get::<_, u64>(0))
    };
    let sql = "UPDATE batches SET done = ?2, failed = ?3 WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![batch, count(Status::Done)?, count(Status::Error)?])?;
    items::complete(transaction, batch, lifetime, now)
}

fn row_done(
    transaction: &Transaction<'_>,
    batch: i64,
    row: u64,
    pages: &RowPages,
    now: Moment,
) -> rusqlite::Result<()> {
    let Some(job) = row_ended(transaction, batch, row, Status::Done, "", now)? else { return Ok(()) };
    let sql = "UPDATE items SET first_page = ?2, page_count = ?3, warnings = ?4, timings = ?5, problems = '[]' WHERE job = ?1";
    let RowPages { first_page, page_count, warnings, timings } = pages;
    let values = params![job, first_page, page_count, to_json(warnings)?, items::timings_json(timings)?];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}

fn row_failed(transaction: &Transaction<'_>, batch: i64, row: u64, bad: &BadRow, now: Moment) -> rusqlite::Result<()> {
    let Some(job) = row_ended(transaction, batch, row, Status::Error, &bad.error, now)? else { return Ok(()) };
    let sql = "UPDATE items SET problems = ?2 WHERE job = ?1";
    transaction.prepare_cached(sql)?.execute(params![job, to_json(&bad.problems)?]).map(drop)
}

/// The row's job; `None` when it had ended before.
fn row_ended(
    transaction: &Transaction<'_>,
    batch: i64,
    row: u64,
    status: Status,
    error: &str,
    now: Moment,
) -> rusqlite::Result<Option<i64>> {
    let sql = "UPDATE jobs SET status = ?3, error = ?4, completed_at = ?5, updated_at = ?5
               WHERE batch = ?1 AND row = ?2 AND status = 'scheduled' RETURNING seq";
    let values = params![batch, row, status.as_str(), error, now.micros()];
    transaction.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

/// Has the document of a batch made anew, under another name, of all rows that can be read: how many those are. `None` when
/// rows of this batch have files of their own.
pub(super) fn retry(
    transaction: &Transaction<'_>,
    batch: i64,
    extension: &str,
    now: Moment,
) -> rusqlite::Result<Option<u64>> {
    let sql =
        "SELECT jobs.seq, jobs.id FROM documents JOIN jobs ON jobs.seq = documents.job WHERE documents.batch = ?1";
    let found = transaction
        .prepare_cached(sql)?
        .query_row([batch], |row| Ok((row.get(0)?, rows::job_id(row, 1)?)))
        .optional()?;
    let Some((seq, id)): Option<(i64, _)> = found else { return Ok(None) };
    rows::throw_away(transaction, "seq = ?1", seq, now)?;
    rows::wait_again(transaction, seq, &new_file(&id, extension)?, now)?;
    let sql = "UPDATE documents SET bytes = NULL, sha256 = NULL, pages = NULL, fingerprint = NULL WHERE batch = ?1";
    transaction.prepare_cached(sql)?.execute([batch])?;
    let readable = "SELECT jobs.seq FROM jobs JOIN inputs ON inputs.job = jobs.seq WHERE batch = ?1";
    let sql = format!(
        "UPDATE jobs SET status = 'scheduled', error = '', completed_at = NULL, updated_at = ?2, file = '',
             fingerprint = NULL WHERE seq IN ({readable})"
    );
    let waiting = transaction.prepare_cached(&sql)?.execute(params![batch, now.micros()])?;
    let sql = format!(
        "UPDATE items SET bytes = NULL, sha256 = NULL, first_page = NULL, page_count = NULL, warnings = '[]',
         timings = '{{}}', problems = '[]' WHERE job IN ({readable})"
    );
    transaction.prepare_cached(&sql)?.execute([batch])?;
    let sql =
        "UPDATE batches SET done = 0, failed = rows - ?2, started_at = NULL, completed_at = NULL, expires_at = NULL
               WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![batch, waiting])?;
    Ok(Some(waiting as u64))
}
