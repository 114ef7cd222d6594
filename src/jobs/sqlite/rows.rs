//! Rows to values and back, and the one way a job ends.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

use super::{documents, items};
use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::moment::Moment;
use crate::jobs::names::{DONE, ERROR, PROGRESS, receiver};
use crate::jobs::store::{Outcome, Report};

/// What [`job`] reads, in its order.
pub(super) const JOB: &str =
    "id, status, output, error, created_at, started_at, completed_at, updated_at, progress, logs, fingerprint";

/// The first columns of `row` are [`JOB`].
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let moment = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Moment::from_micros));
    Ok(Job {
        id: job_id(row, 0)?,
        status: status(row, 1)?,
        output: row.get(2)?,
        fingerprint: row.get(10)?,
        error: row.get(3)?,
        created_at: Moment::from_micros(row.get(4)?),
        started_at: moment(5)?,
        completed_at: moment(6)?,
        updated_at: moment(7)?,
        progress: row.get(8)?,
        logs: row.get(9)?,
    })
}

pub(super) fn job_id(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    JobId::parse(row.get_ref(column)?.as_str()?).ok_or_else(|| unreadable(column))
}

pub(super) fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let all = [Status::Scheduled, Status::Progress, Status::Done, Status::Error];
    let text = row.get_ref(column)?.as_str()?;
    all.into_iter().find(|it| it.as_str() == text).ok_or_else(|| unreadable(column))
}

/// Somebody else wrote into the file.
pub(super) fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "not a value that this program writes".into())
}

/// Ends job `seq`, be it a row of a batch, a document of rows or neither: its input is dropped (that of a row stays while it may be tried again), its
/// receiver is to be told, its expiry begins (that of a row with its batch's). A result that an attempt may have left goes to
/// the trash unless the job is done.
pub(super) fn end(
    transaction: &Transaction<'_>,
    seq: i64,
    outcome: &Outcome,
    report: &Report,
    lifetime: Duration,
    now: Moment,
) -> rusqlite::Result<()> {
    let (status, output, fingerprint, error) = match outcome {
        Outcome::Done(file) => (Status::Done, Some(&*file.link), Some(&*file.fingerprint), ""),
        Outcome::Error(error) => (Status::Error, None, None, &**error),
    };
    let progress = if status == Status::Done { Some(100.0) } else { None };
    let (batch, row): (Option<i64>, Option<u64>) = transaction
        .prepare_cached(
            "UPDATE jobs SET status = ?2, output = ?3, error = ?4, logs = logs || iif(batch IS NULL, ?5, ''),
             completed_at = ?6, updated_at = ?6, expires_at = iif(batch IS NULL, ?7, NULL),
             progress = coalesce(?8, progress), fingerprint = ?9 WHERE seq = ?1 RETURNING batch, row",
        )?
        .query_row(
            params![
                seq,
                status.as_str(),
                output,
                error,
                report.logs,
                now.micros(),
                now.plus(lifetime).micros(),
                progress,
                fingerprint
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    if status == Status::Error {
        throw_away(transaction, "seq = ?1", seq, now)?;
    }
    if batch.is_none() || status == Status::Done {
        transaction.prepare_cached("DELETE FROM inputs WHERE job = ?1")?.execute([seq])?;
    }
    match batch {
        Some(batch) if row == Some(documents::ROW) => {
            documents::end(transaction, batch, seq, outcome, report, lifetime, now)
        }
        Some(batch) => items::end(transaction, batch, seq, outcome, report, lifetime, now),
        None => announce(transaction, seq, now),
    }
}

/// Job `seq` of a batch, which has ended, waits as if it had been sent just now. `file`: another name for its result, since
/// the old one may be in the trash.
pub(super) fn wait_again(transaction: &Transaction<'_>, seq: i64, file: &str, now: Moment) -> rusqlite::Result<()> {
    let sql =
        "UPDATE jobs SET status = 'scheduled', output = NULL, error = '', attempts = 0, not_before = 0, progress = 0,
               created_at = ?2, completed_at = NULL, updated_at = ?2, file = ?3 WHERE seq = ?1";
    transaction.prepare_cached(sql)?.execute(params![seq, now.micros(), file]).map(drop)
}

/// Remembers that the result of the one job for which `condition` holds, with ?1 = `seq`, is to be removed from `after` on.
pub(super) fn throw_away(
    transaction: &Transaction<'_>,
    condition: &str,
    seq: i64,
    after: Moment,
) -> rusqlite::Result<usize> {
    let sql = format!("INSERT OR IGNORE INTO trash (file, not_before) SELECT file, ?2 FROM jobs WHERE {condition}");
    transaction.prepare_cached(&sql)?.execute(params![seq, after.micros()])
}

/// Puts the job as it is now into the outbox, when it has a receiver. What the receiver was to be told earlier and has not
/// been is no longer of interest.
pub(super) fn announce(transaction: &Transaction<'_>, seq: i64, now: Moment) -> rusqlite::Result<()> {
    let sql = format!("SELECT {JOB}, webhook FROM jobs WHERE seq = ?1");
    let found = transaction.prepare_cached(&sql)?.query_row([seq], |row| Ok((job(row)?, row.get(11)?)));
    let (job, Some(url)): (Job, Option<String>) = found? else { return Ok(()) };
    let event = match job.status {
        Status::Scheduled => return Ok(()),
        Status::Progress => PROGRESS,
        Status::Done => DONE,
        Status::Error => ERROR,
    };
    let body = to_json(&job)?;
    transaction
        .prepare_cached("UPDATE deliveries SET status = 'superseded' WHERE job = ?1 AND status = 'pending'")?
        .execute([seq])?;
    tell(transaction, About { job: Some(seq), batch: None }, event, &url, &body, now)
}

/// What a delivery is of: a job, a row and its batch, or a batch alone. It dies with them, and the next of the same waits for
/// it.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) job: Option<i64>,
    pub(super) batch: Option<i64>,
}

/// Puts an event into the outbox.
pub(super) fn tell(
    transaction: &Transaction<'_>,
    about: About,
    event: &str,
    url: &str,
    body: &str,
    now: Moment,
) -> rusqlite::Result<()> {
    let id = uuid::Uuid::new_v4().to_string();
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (id, job, batch, event, url, receiver, body, created_at, next_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )?
        .execute(params![id, about.job, about.batch, event, url, receiver(url), body, now.micros()])
        .map(drop)
}

pub(super) fn to_json(value: &impl serde::Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
