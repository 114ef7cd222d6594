//! Queries for what is due: work in its order, and webhooks by receiver. Each uses an index.

use rusqlite::{Connection, OptionalExtension, params};

use super::records::{STORED, stored, stored_job};
use crate::jobs::ledger::{Claim, Due, DueDelivery};
use crate::jobs::life::document::ROW;
use crate::jobs::life::order::Candidate;
use crate::jobs::store::{DeliveryCapacity, FetchFilter};
use crate::jobs::timestamp::Timestamp;

/// The claim of every entry: the records are the queue, and nothing has to be released.
pub(super) const NO_CLAIM: Claim = Claim(0);

/// The oldest job of an owner that is due.
const FIRST_JOB: &str = "SELECT seq FROM records
    WHERE kind = 'job' AND status = 'scheduled' AND owner = ?1 AND due <= ?2 ORDER BY seq LIMIT 1";
/// Number of an owner's jobs, rows and documents in progress.
const IN_PROGRESS: &str = "SELECT count(*) FROM records WHERE status = 'progress' AND owner = ?1";
/// An owner's open batches, the one whose rows were begun least recently first.
const TURNS: &str = "SELECT batch, turn FROM batch_counts WHERE open AND owner = ?1 ORDER BY turn, batch";
/// The first row of a batch that is due and whose number is at least `?3`.
const FIRST_ROW: &str = "SELECT seq FROM records
    WHERE batch = ?1 AND status = 'scheduled' AND due <= ?2 AND number >= ?3 ORDER BY number LIMIT 1";

/// Statements that run for each owner or batch.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[FIRST_JOB, IN_PROGRESS, TURNS, FIRST_ROW];

/// The first of everything that is due, without documents if `filter` excludes them.
pub(super) fn work(connection: &Connection, filter: FetchFilter, now: Timestamp) -> rusqlite::Result<Due> {
    let mut best: Option<Candidate> = None;
    let first_number = if filter.documents { ROW } else { ROW + 1 };
    // One owner after the other: there are few of them, and each may have many jobs.
    let mut after = (String::new(), ">=");
    loop {
        let (owner, beyond) = &after;
        let sql = format!(
            "SELECT min(owner) FROM (
                 SELECT * FROM (SELECT owner FROM records WHERE kind = 'job' AND status = 'scheduled' AND owner {beyond} ?1
                                ORDER BY owner LIMIT 1)
                 UNION ALL
                 SELECT * FROM (SELECT owner FROM batch_counts WHERE open AND owner {beyond} ?1
                                ORDER BY owner LIMIT 1))"
        );
        let next: Option<String> = connection.prepare_cached(&sql)?.query_row([owner], |row| row.get(0))?;
        let Some(next) = next else { break };
        if let Some(candidate) = of_owner(connection, &next, first_number, now)? {
            best = Some(best.map_or(candidate, |best| best.min(candidate)));
        }
        after = (next, ">");
    }
    let Some(Candidate { sequence, .. }) = best else {
        return Ok(Due::Nothing(later(connection, first_number)?.map(Timestamp::from_micros)));
    };
    let sql = format!("SELECT {STORED} FROM records WHERE seq = ?1");
    let found = connection.prepare_cached(&sql)?.query_row([sequence], stored_job)?;
    Ok(Due::Record(Box::new(found), NO_CLAIM))
}

fn of_owner(
    connection: &Connection,
    owner: &str,
    first_number: u64,
    now: Timestamp,
) -> rusqlite::Result<Option<Candidate>> {
    let job: Option<i64> =
        connection.prepare_cached(FIRST_JOB)?.query_row(params![owner, now.micros()], |row| row.get(0)).optional()?;
    let (is_row, turn, sequence) = match job {
        Some(seq) => (false, 0, seq),
        None => match row(connection, owner, first_number, now)? {
            Some((turn, seq)) => (true, turn, seq),
            None => return Ok(None),
        },
    };
    let in_progress = connection.prepare_cached(IN_PROGRESS)?.query_row([owner], |row| row.get(0))?;
    Ok(Some(Candidate { in_progress, is_row, turn, sequence }))
}

/// The first row or document of an owner's batches that is due: the `turn` of its batch, and its `seq`.
fn row(
    connection: &Connection,
    owner: &str,
    first_number: u64,
    now: Timestamp,
) -> rusqlite::Result<Option<(i64, i64)>> {
    // Nearly always it is in the first batch. A batch that is skipped has only rows in progress or rows that are due
    // later.
    let mut open = connection.prepare_cached(TURNS)?;
    let mut open = open.query([owner])?;
    while let Some(batch) = open.next()? {
        let values = params![batch.get::<_, i64>(0)?, now.micros(), first_number];
        let seq: Option<i64> = connection.prepare_cached(FIRST_ROW)?.query_row(values, |row| row.get(0)).optional()?;
        if let Some(seq) = seq {
            return Ok(Some((batch.get(1)?, seq)));
        }
    }
    Ok(None)
}

/// When the next entry is due.
fn later(connection: &Connection, first_number: u64) -> rusqlite::Result<Option<i64>> {
    let job = "SELECT min(due) FROM records WHERE kind = 'job' AND status = 'scheduled'";
    let job: Option<i64> = connection.prepare_cached(job)?.query_row([], |row| row.get(0))?;
    let row = "SELECT min(records.due) FROM batch_counts JOIN records ON records.batch = batch_counts.batch
               WHERE open AND records.status = 'scheduled' AND number >= ?1";
    let row: Option<i64> = connection.prepare_cached(row)?.query_row([first_number], |row| row.get(0))?;
    Ok([job, row].into_iter().flatten().min())
}

/// Webhooks that are due, the oldest first, and when others will be. One receiver after the other: there are few of
/// them, and each may have many webhooks.
pub(super) fn deliveries(
    connection: &Connection,
    room: DeliveryCapacity,
    now: Timestamp,
) -> rusqlite::Result<(Vec<DueDelivery>, Option<Timestamp>)> {
    let (mut chosen, mut next) = (Vec::new(), None);
    let mut after = (String::new(), ">=");
    loop {
        let (receiver, beyond) = &after;
        let sql = format!(
            "SELECT receiver FROM records WHERE delivery_due IS NOT NULL AND receiver {beyond} ?1
             ORDER BY receiver LIMIT 1"
        );
        let found: Option<String> =
            connection.prepare_cached(&sql)?.query_row([receiver], |row| row.get(0)).optional()?;
        let Some(receiver) = found else { break };
        chosen.extend(deliveries_to(connection, &receiver, room.per_receiver, now)?);
        let later = "SELECT min(delivery_due) FROM records WHERE delivery_due > ?2 AND receiver = ?1";
        let later: Option<i64> =
            connection.prepare_cached(later)?.query_row(params![receiver, now.micros()], |row| row.get(0))?;
        next = [next, later].into_iter().flatten().min();
        after = (receiver, ">");
    }
    chosen.sort_by_key(|(due, _)| *due);
    chosen.truncate(room.total);
    Ok((chosen.into_iter().map(|(_, it)| it).collect(), next.map(Timestamp::from_micros)))
}

/// Webhooks that are due at one receiver, as many as it may get at the same time.
fn deliveries_to(
    connection: &Connection,
    receiver: &str,
    room: usize,
    now: Timestamp,
) -> rusqlite::Result<Vec<(i64, DueDelivery)>> {
    let sql = "SELECT count(*) FROM records WHERE receiver = ?1 AND leased_until > 0 AND leased_until > ?2";
    let under_way: usize =
        connection.prepare_cached(sql)?.query_row(params![receiver, now.micros()], |row| row.get(0))?;
    // The webhook of a batch comes after those of rows that ended at the same time.
    let sql = format!(
        "SELECT {STORED}, delivery_due FROM records WHERE receiver = ?1 AND delivery_due <= ?2
         ORDER BY delivery_due, kind = 'batch', seq LIMIT ?3"
    );
    let values = params![receiver, now.micros(), room.saturating_sub(under_way)];
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_map(values, |row| Ok((row.get::<_, i64>(3)?, stored(row)?)))?;
    let mut due = Vec::new();
    for found in found {
        let (at, stored) = found?;
        if let Some(first) = stored.record.deliveries().iter().find(|it| it.is_pending()) {
            due.push((at, DueDelivery { id: first.id.clone(), stored, claim: NO_CLAIM }));
        }
    }
    Ok(due)
}
