//! Handing jobs out and taking their outcome.

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Sqlite, documents, items, log_line, rows};
use crate::jobs::moment::Moment;
use crate::jobs::store::{Answer, HandBack, Next, Outcome, Queue, Report, StoreError, Taken, Ticket, Work};

impl Queue for Sqlite {
    fn take(&self, alone: bool) -> Answer<'_, Next> {
        let now = self.now();
        Box::pin(async move {
            let next = self.note(move |transaction| take(transaction, alone, now)).await?;
            if let Next::Job(_) = next {
                self.signals.delivery.notify_one(); // its receiver may want to know
            }
            Ok(next)
        })
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.signals.job.notified())
    }

    fn progress<'a>(&'a self, ticket: &'a Ticket, percent: f64) -> Answer<'a, ()> {
        let (ticket, now) = (ticket.clone(), self.now());
        Box::pin(self.note(move |transaction| {
            let sql = "UPDATE jobs SET progress = ?3, updated_at = ?4
                       WHERE id = ?1 AND attempts = ?2 AND status = 'progress'";
            let values = params![ticket.id.as_str(), ticket.attempt, percent, now.micros()];
            transaction.prepare_cached(sql)?.execute(values).map(drop)
        }))
    }

    fn finish<'a>(&'a self, ticket: &'a Ticket, outcome: Outcome, report: Report) -> Answer<'a, bool> {
        let (mine, now, lifetime) = (ticket.clone(), self.now(), self.rules.lifetime);
        Box::pin(async move {
            let finished = self
                .write(move |transaction| {
                    let Some(seq) = held(transaction, &mine)? else { return Ok(false) };
                    rows::end(transaction, seq, &outcome, &report, lifetime, now)?;
                    Ok(true)
                })
                .await?;
            self.signals.tell_ended(&ticket.id);
            self.signals.delivery.notify_one();
            Ok(finished)
        })
    }

    fn hand_back<'a>(&'a self, ticket: &'a Ticket, why: HandBack) -> Answer<'a, ()> {
        let (ticket, now) = (ticket.clone(), self.now());
        Box::pin(async move {
            self.note(move |transaction| {
                let Some(seq) = held(transaction, &ticket)? else { return Ok(()) };
                let sql =
                    "UPDATE jobs SET status = 'scheduled', not_before = ?2, attempts = attempts - ?3, progress = 0,
                           updated_at = ?4, logs = logs || iif(batch IS NULL, ?5, '') WHERE seq = ?1";
                let (due, uncounted) = (now.plus(why.after), u32::from(!why.counts));
                let line = log_line(now, &why.note);
                transaction
                    .prepare_cached(sql)?
                    .execute(params![seq, due.micros(), uncounted, now.micros(), line])
                    .map(drop)
            })
            .await?;
            self.signals.job.notify_one();
            Ok::<_, StoreError>(())
        })
    }
}

/// The job, while this attempt at it is the current one.
fn held(transaction: &Transaction<'_>, ticket: &Ticket) -> rusqlite::Result<Option<i64>> {
    transaction
        .prepare_cached("SELECT seq FROM jobs WHERE id = ?1 AND attempts = ?2 AND status = 'progress'")?
        .query_row(params![ticket.id.as_str(), ticket.attempt], |row| row.get(0))
        .optional()
}

/// What could be begun next, in the order in which it should be.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Work of its owner that is under way.
    under_way: u64,
    /// Rows, and documents of them, come after single jobs.
    is_row: bool,
    /// Of a row, when one of its batch was last begun: batches take turns.
    turn: i64,
    /// Which, and how old.
    seq: i64,
}

/// What is due and comes first: of the owner with the fewest under way, single jobs before rows, the oldest job, the batch
/// that has waited longest for its turn.
fn take(transaction: &Transaction<'_>, alone: bool, now: Moment) -> rusqlite::Result<Next> {
    let mut best: Option<Candidate> = None;
    // Owners one after the other, from the indices: there are few, and they may have many jobs.
    let mut after = (String::new(), ">=");
    loop {
        let (owner, beyond) = &after;
        let sql = format!(
            "SELECT min(owner) FROM (
                 SELECT * FROM (SELECT owner FROM jobs WHERE status = 'scheduled' AND batch IS NULL AND owner {beyond} ?1
                                ORDER BY owner LIMIT 1)
                 UNION ALL
                 SELECT * FROM (SELECT owner FROM batches WHERE completed_at IS NULL AND owner {beyond} ?1
                                ORDER BY owner LIMIT 1))"
        );
        let next: Option<String> = transaction.prepare_cached(&sql)?.query_row([owner], |row| row.get(0))?;
        let Some(next) = next else { break };
        let due = match due_job(transaction, &next, now)? {
            Some(seq) => Some((false, 0, seq)),
            None => items::due(transaction, &next, now)?.map(|(turn, seq)| (true, turn, seq)),
        };
        if let Some((is_row, turn, seq)) = due {
            let under_way = "SELECT count(*) FROM jobs WHERE status = 'progress' AND owner = ?1";
            let under_way: u64 = transaction.prepare_cached(under_way)?.query_row([&next], |row| row.get(0))?;
            let candidate = Candidate { under_way, is_row, turn, seq };
            best = Some(match best {
                Some(best) => best.min(candidate),
                None => candidate,
            });
        }
        after = (next, ">");
    }
    let Some(Candidate { seq, .. }) = best else {
        let sql = "SELECT min(not_before) FROM jobs WHERE status = 'scheduled' AND batch IS NULL";
        let job: Option<i64> = transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        let due = [job, items::next_due(transaction)?].into_iter().flatten().min();
        return Ok(Next::Nothing(due.map(Moment::from_micros)));
    };
    let attempts: u32 =
        transaction.prepare_cached("SELECT attempts FROM jobs WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
    if attempts > 0 && !alone {
        return Ok(Next::Alone);
    }
    begin(transaction, seq, attempts + 1, now).map(|taken| Next::Job(Box::new(taken)))
}

fn due_job(transaction: &Transaction<'_>, owner: &str, now: Moment) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT seq FROM jobs WHERE status = 'scheduled' AND batch IS NULL AND owner = ?1 AND not_before <= ?2
               ORDER BY seq LIMIT 1";
    transaction.prepare_cached(sql)?.query_row(params![owner, now.micros()], |row| row.get(0)).optional()
}

fn begin(transaction: &Transaction<'_>, seq: i64, attempt: u32, now: Moment) -> rusqlite::Result<Taken> {
    let line = log_line(now, &format!("attempt {attempt} began"));
    let batch: Option<i64> = transaction
        .prepare_cached(
            "UPDATE jobs SET status = 'progress', attempts = ?2, started_at = ?3, updated_at = ?3,
             logs = logs || iif(batch IS NULL, ?4, '') WHERE seq = ?1 RETURNING batch",
        )?
        .query_row(params![seq, attempt, now.micros(), line], |row| row.get(0))?;
    match batch {
        Some(batch) => items::begun(transaction, batch, now)?,
        None => rows::announce(transaction, seq, now)?,
    }
    transaction
        .prepare_cached(
            "SELECT jobs.id, inputs.body, jobs.file, jobs.link_base, jobs.created_at, jobs.row, batches.id, batches.rows
             FROM jobs LEFT JOIN inputs ON inputs.job = jobs.seq LEFT JOIN batches ON batches.seq = jobs.batch
             WHERE jobs.seq = ?1",
        )?
        .query_row([seq], |row| {
            let body = || row.get::<_, Vec<u8>>(1).map(Into::into);
            let work = match (batch, row.get(5)?) {
                (Some(_), Some(documents::ROW)) => {
                    Work::Document { batch: items::batch_id(row, 6)?, rows: row.get(7)? }
                }
                (Some(_), Some(number)) => {
                    Work::Row { batch: items::batch_id(row, 6)?, row: number, values: body()? }
                }
                (None, _) => Work::Job(body()?),
                (Some(_), None) => return Err(rows::unreadable(5)),
            };
            Ok(Taken {
                ticket: Ticket { id: rows::job_id(row, 0)?, attempt },
                work,
                file: row.get(2)?,
                link_base: row.get(3)?,
                created_at: Moment::from_micros(row.get(4)?),
                traceparent: None,
            })
        })
}
