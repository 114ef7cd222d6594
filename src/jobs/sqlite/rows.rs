//! Rows to values and back, and the one way a job ends.

use std::time::Duration;

use rusqlite::types::Type;
use rusqlite::{Row, Transaction, params};

use crate::jobs::job::{Job, JobId, Status};
use crate::jobs::moment::Moment;
use crate::jobs::names::{DONE, ERROR, PROGRESS, receiver};

/// What [`job`] reads, in its order.
pub(super) const JOB: &str =
    "id, status, output, error, created_at, started_at, completed_at, updated_at, progress, logs";

/// The first columns of `row` are [`JOB`].
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let moment = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Moment::from_micros));
    Ok(Job {
        id: job_id(row, 0)?,
        status: status(row, 1)?,
        output: row.get(2)?,
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

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<Status> {
    let all = [Status::Scheduled, Status::Progress, Status::Done, Status::Error];
    let text = row.get_ref(column)?.as_str()?;
    all.into_iter().find(|it| it.as_str() == text).ok_or_else(|| unreadable(column))
}

/// Somebody else wrote into the file.
pub(super) fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "not a value that this program writes".into())
}

/// Ends job `seq`: its input is dropped, its receiver is to be told, its expiry begins. A result that an attempt may have
/// left goes to the trash unless the job is done.
#[expect(clippy::too_many_arguments, reason = "the columns that an end fills, at the one place that fills them")]
pub(super) fn end(
    transaction: &Transaction<'_>,
    seq: i64,
    status: Status,
    output: Option<&str>,
    error: &str,
    logs: &str,
    lifetime: Duration,
    now: Moment,
) -> rusqlite::Result<()> {
    let progress = if status == Status::Done { Some(100.0) } else { None };
    transaction.prepare_cached(
        "UPDATE jobs SET status = ?2, output = ?3, error = ?4, logs = logs || ?5, completed_at = ?6, updated_at = ?6,
         expires_at = ?7, progress = coalesce(?8, progress) WHERE seq = ?1",
    )?
    .execute(params![
        seq,
        status.as_str(),
        output,
        error,
        logs,
        now.micros(),
        now.plus(lifetime).micros(),
        progress
    ])?;
    transaction.prepare_cached("DELETE FROM inputs WHERE job = ?1")?.execute([seq])?;
    if status == Status::Error {
        throw_away(transaction, "seq = ?1", seq, now)?;
    }
    announce(transaction, seq, now)
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
    let found = transaction.prepare_cached(&sql)?.query_row([seq], |row| Ok((job(row)?, row.get(10)?)));
    let (job, Some(url)): (Job, Option<String>) = found? else { return Ok(()) };
    let event = match job.status {
        Status::Scheduled => return Ok(()),
        Status::Progress => PROGRESS,
        Status::Done => DONE,
        Status::Error => ERROR,
    };
    let body = serde_json::to_string(&job).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    transaction
        .prepare_cached("UPDATE deliveries SET status = 'superseded' WHERE job = ?1 AND status = 'pending'")?
        .execute([seq])?;
    transaction
        .prepare_cached(
            "INSERT INTO deliveries (id, job, event, url, receiver, body, created_at, next_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )?
        .execute(params![uuid::Uuid::new_v4().to_string(), seq, event, url, receiver(&url), body, now.micros()])?;
    Ok(())
}
