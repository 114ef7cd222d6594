//! Accepting jobs and telling about them.

use std::time::Duration;

use rusqlite::{OptionalExtension, Transaction, params};

use super::rows::{self, JOB};
use super::{Rules, Sqlite};
use crate::jobs::job::{Job, JobId, Listing};
use crate::jobs::moment::Moment;
use crate::jobs::names::result_stem;
use crate::jobs::store::{Accepted, Answer, Counts, Idempotency, JobStore, NewJob, Owner};

/// A worker that lost its job may still be storing the result: it is looked for after this time, when it must be there.
pub(super) const STORING: Duration = Duration::from_secs(120);

/// Jobs that expire in one transaction.
const BATCH: u64 = 500;

impl JobStore for Sqlite {
    fn accept(&self, job: NewJob) -> Answer<'_, Accepted> {
        let (rules, now) = (self.rules, self.now());
        Box::pin(async move {
            let accepted = self.write(move |transaction| accept(transaction, &job, &rules, now)).await?;
            if matches!(accepted, Accepted::New(_)) {
                self.signals.job.notify_one();
            }
            Ok(accepted)
        })
    }

    fn get<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, Option<Job>> {
        let (owner, id, now) = (owner.clone(), id.clone(), self.now());
        Box::pin(self.read(move |connection| {
            let sql = format!(
                "SELECT {JOB} FROM jobs
                 WHERE id = ?1 AND owner = ?2 AND batch IS NULL AND (expires_at IS NULL OR expires_at > ?3)"
            );
            connection
                .prepare_cached(&sql)?
                .query_row(params![id.as_str(), &*owner, now.micros()], rows::job)
                .optional()
        }))
    }

    fn list<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, Listing> {
        let (owner, now) = (owner.clone(), self.now());
        Box::pin(self.read(move |connection| {
            let alive = "owner = ?1 AND batch IS NULL AND (expires_at IS NULL OR expires_at > ?2)";
            let snapshot = connection.transaction()?; // page and total of one moment
            let total = snapshot
                .prepare_cached(&format!("SELECT count(*) FROM jobs WHERE {alive}"))?
                .query_row(params![&*owner, now.micros()], |row| row.get(0))?;
            let sql = format!("SELECT {JOB} FROM jobs WHERE {alive} ORDER BY seq DESC LIMIT ?3 OFFSET ?4");
            let renders = snapshot
                .prepare_cached(&sql)?
                .query_map(params![&*owner, now.micros(), limit, offset], rows::job)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Listing { renders, total })
        }))
    }

    fn remove<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, bool> {
        let (owner, now) = (owner.clone(), self.now());
        Box::pin(async move {
            let gone = id.clone();
            let removed = self
                .write(move |transaction| {
                    let sql = "SELECT seq, status, attempts FROM jobs
                               WHERE id = ?1 AND owner = ?2 AND batch IS NULL AND (expires_at IS NULL OR expires_at > ?3)";
                    let found = transaction
                        .query_row(sql, params![gone.as_str(), &*owner, now.micros()], |row| {
                            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, u32>(2)?))
                        })
                        .optional()?;
                    let Some((seq, status, attempts)) = found else { return Ok(false) };
                    if attempts > 0 {
                        let after = if status == "progress" { now.plus(STORING) } else { now };
                        rows::throw_away(transaction, "seq = ?1", seq, after)?;
                    }
                    transaction.execute("DELETE FROM jobs WHERE seq = ?1", [seq])?;
                    Ok(true)
                })
                .await?;
            if removed {
                self.signals.tell_ended(id);
            }
            Ok(removed)
        })
    }

    fn ended<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, ()> {
        Box::pin(async move {
            let signal = self.signals.of(id);
            let mut told = std::pin::pin!(signal.notified());
            // From here on an end is not missed; before, it is in the table.
            told.as_mut().enable();
            if self.get(owner, id).await?.is_none_or(|job| job.status.is_end()) {
                self.signals.tell_ended(id);
                return Ok(());
            }
            told.await;
            Ok(())
        })
    }

    fn expiry<'a>(&'a self, id: &'a JobId, file: &'a str) -> Answer<'a, Option<Moment>> {
        let (id, file, now) = (id.clone(), file.to_owned(), self.now());
        let if_it_ended_now = now.plus(self.rules.lifetime).micros();
        Box::pin(self.read(move |connection| {
            let sql = "SELECT coalesce(jobs.expires_at, batches.expires_at, ?3)
                       FROM jobs LEFT JOIN batches ON batches.seq = jobs.batch
                       WHERE jobs.id = ?1 AND jobs.file = ?2 AND jobs.status = 'done'";
            let found: Option<i64> = connection
                .prepare_cached(sql)?
                .query_row(params![id.as_str(), file, if_it_ended_now], |row| row.get(0))
                .optional()?;
            Ok(found.filter(|expires| *expires > now.micros()).map(Moment::from_micros))
        }))
    }

    fn expire(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            let mut expired = 0;
            loop {
                let now = self.now();
                let batch = self
                    .write(move |transaction| {
                        let of_batch = "SELECT seq FROM jobs WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
                        transaction.execute(
                            &format!("INSERT OR IGNORE INTO trash (file, not_before) SELECT file, ?1 FROM jobs WHERE seq IN ({of_batch})"),
                            params![now.micros(), BATCH],
                        )?;
                        let sql = format!("DELETE FROM jobs WHERE seq IN ({of_batch})");
                        Ok(transaction.execute(&sql, params![now.micros(), BATCH])? as u64)
                    })
                    .await?;
                expired += batch;
                if batch < BATCH {
                    return Ok(expired + self.expire_batches().await?);
                }
            }
        })
    }

    fn trash(&self, limit: u64) -> Answer<'_, Vec<String>> {
        let now = self.now();
        Box::pin(self.read(move |connection| {
            connection
                .prepare_cached("SELECT file FROM trash WHERE not_before <= ?1 LIMIT ?2")?
                .query_map(params![now.micros(), limit], |row| row.get(0))?
                .collect()
        }))
    }

    fn removed<'a>(&'a self, file: &'a str) -> Answer<'a, ()> {
        let file = file.to_owned();
        Box::pin(self.note(move |transaction| {
            transaction.prepare_cached("DELETE FROM trash WHERE file = ?1")?.execute([file]).map(drop)
        }))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(self.read(|connection| {
            let count = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get(0));
            let rows_progress = count("SELECT count(*) FROM jobs WHERE status = 'progress' AND batch IS NOT NULL")?;
            let rows_open: u64 =
                count("SELECT coalesce(sum(rows - done - failed), 0) FROM batches WHERE completed_at IS NULL")?;
            Ok(Counts {
                scheduled: count("SELECT count(*) FROM jobs WHERE status = 'scheduled' AND batch IS NULL")?,
                progress: count("SELECT count(*) FROM jobs WHERE status = 'progress' AND batch IS NULL")?,
                deliveries: count("SELECT count(*) FROM deliveries WHERE status = 'pending'")?,
                rows_scheduled: rows_open.saturating_sub(rows_progress),
                rows_progress,
            })
        }))
    }
}

fn accept(transaction: &Transaction<'_>, job: &NewJob, rules: &Rules, now: Moment) -> rusqlite::Result<Accepted> {
    if let Some(before) = job.idempotency.as_ref().map(|it| same_call(transaction, job, it, now)).transpose()?.flatten()
    {
        return Ok(before);
    }
    let unfinished = "SELECT count(*) FROM jobs WHERE status IN ('scheduled', 'progress') AND batch IS NULL";
    let all: u64 = transaction.prepare_cached(unfinished)?.query_row([], |row| row.get(0))?;
    if all >= rules.queue {
        return Ok(Accepted::QueueFull);
    }
    if owner_is_full(transaction, &job.owner, rules)? {
        return Ok(Accepted::OwnerFull);
    }
    let id = new_id(transaction)?;
    let file = new_file(&id, job.extension)?;
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, owner, status, created_at, file, link_base, webhook, idempotency_key, body_digest)
             VALUES (?1, ?2, 'scheduled', ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id.as_str(),
            &*job.owner,
            now.micros(),
            file,
            job.link_base,
            job.webhook,
            job.idempotency.as_ref().map(|it| &it.key),
            job.idempotency.as_ref().map(|it| it.digest),
        ])?;
    let seq = transaction.last_insert_rowid();
    transaction.prepare_cached("INSERT INTO inputs (job, body) VALUES (?1, ?2)")?.execute(params![seq, &*job.body])?;
    let sql = format!("SELECT {JOB} FROM jobs WHERE seq = ?1");
    Ok(Accepted::New(transaction.prepare_cached(&sql)?.query_row([seq], rows::job)?))
}

/// Whether this owner has as many jobs and batches that are unfinished as may be.
pub(super) fn owner_is_full(transaction: &Transaction<'_>, owner: &Owner, rules: &Rules) -> rusqlite::Result<bool> {
    if rules.of_owner == 0 {
        return Ok(false);
    }
    let sql =
        "SELECT (SELECT count(*) FROM jobs WHERE status IN ('scheduled', 'progress') AND batch IS NULL AND owner = ?1)
               + (SELECT count(*) FROM batches WHERE completed_at IS NULL AND owner = ?1)";
    let theirs: u64 = transaction.prepare_cached(sql)?.query_row([&**owner], |row| row.get(0))?;
    Ok(theirs >= rules.of_owner)
}

/// What an earlier call with this key came to. A job that has expired frees its key.
fn same_call(
    transaction: &Transaction<'_>,
    job: &NewJob,
    call: &Idempotency,
    now: Moment,
) -> rusqlite::Result<Option<Accepted>> {
    let sql = format!("SELECT {JOB}, body_digest, seq, expires_at FROM jobs WHERE owner = ?1 AND idempotency_key = ?2");
    let found = transaction
        .prepare_cached(&sql)?
        .query_row(params![&*job.owner, call.key], |row| {
            Ok((rows::job(row)?, row.get::<_, [u8; 32]>(11)?, row.get::<_, i64>(12)?, row.get::<_, Option<i64>>(13)?))
        })
        .optional()?;
    let Some((before, digest, seq, expires)) = found else { return Ok(None) };
    if expires.is_some_and(|it| it <= now.micros()) {
        transaction.execute("UPDATE jobs SET idempotency_key = NULL WHERE seq = ?1", [seq])?;
        return Ok(None);
    }
    Ok(Some(if digest == call.digest { Accepted::Again(before) } else { Accepted::OtherBody }))
}

/// One that no job and no row has.
pub(super) fn new_id(transaction: &Transaction<'_>) -> rusqlite::Result<JobId> {
    loop {
        let id = JobId::random().map_err(no_randomness)?;
        let mut taken = transaction.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?;
        if !taken.exists([id.as_str()])? {
            return Ok(id);
        }
    }
}

/// A name for a result, which nobody guesses.
pub(super) fn new_file(id: &JobId, extension: &str) -> rusqlite::Result<String> {
    Ok(format!("{}.{extension}", result_stem(id).map_err(no_randomness)?))
}

pub(super) fn no_randomness(error: getrandom::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(error.to_string().into())
}
