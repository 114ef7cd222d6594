//! Handing jobs out and taking their outcome.

use futures_util::future::BoxFuture;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Sqlite, log_line, rows};
use crate::jobs::job::Status;
use crate::jobs::moment::Moment;
use crate::jobs::store::{Answer, HandBack, Next, Outcome, Queue, StoreError, Taken, Ticket};

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

    fn finish<'a>(&'a self, ticket: &'a Ticket, outcome: Outcome, logs: String) -> Answer<'a, bool> {
        let (mine, now, lifetime) = (ticket.clone(), self.now(), self.rules.lifetime);
        Box::pin(async move {
            let finished = self
                .write(move |transaction| {
                    let Some(seq) = held(transaction, &mine)? else { return Ok(false) };
                    let (status, output, error) = match &outcome {
                        Outcome::Done(output) => (Status::Done, Some(output.as_str()), ""),
                        Outcome::Error(error) => (Status::Error, None, error.as_str()),
                    };
                    rows::end(transaction, seq, status, output, error, &logs, lifetime, now)?;
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
                           updated_at = ?4, logs = logs || ?5 WHERE seq = ?1";
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

/// The oldest job that is due, of the owner with the fewest under way.
fn take(transaction: &Transaction<'_>, alone: bool, now: Moment) -> rusqlite::Result<Next> {
    let mut best: Option<(u64, i64)> = None;
    // Owners one after the other, from the index: there are few, and they may have many jobs.
    let mut after = (String::new(), ">=");
    loop {
        let (owner, beyond) = &after;
        let sql =
            format!("SELECT owner FROM jobs WHERE status = 'scheduled' AND owner {beyond} ?1 ORDER BY owner LIMIT 1");
        let next: Option<String> = transaction.prepare_cached(&sql)?.query_row([owner], |row| row.get(0)).optional()?;
        let Some(next) = next else { break };
        let due =
            "SELECT seq FROM jobs WHERE status = 'scheduled' AND owner = ?1 AND not_before <= ?2 ORDER BY seq LIMIT 1";
        let due: Option<i64> =
            transaction.prepare_cached(due)?.query_row(params![next, now.micros()], |row| row.get(0)).optional()?;
        if let Some(seq) = due {
            let under_way = "SELECT count(*) FROM jobs WHERE status = 'progress' AND owner = ?1";
            let under_way: u64 = transaction.prepare_cached(under_way)?.query_row([&next], |row| row.get(0))?;
            best = Some(best.map_or((under_way, seq), |best| best.min((under_way, seq))));
        }
        after = (next, ">");
    }
    let Some((_, seq)) = best else {
        let sql = "SELECT min(not_before) FROM jobs WHERE status = 'scheduled'";
        let due: Option<i64> = transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        return Ok(Next::Nothing(due.map(Moment::from_micros)));
    };
    let attempts: u32 =
        transaction.prepare_cached("SELECT attempts FROM jobs WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
    if attempts > 0 && !alone {
        return Ok(Next::Alone);
    }
    begin(transaction, seq, attempts + 1, now).map(|taken| Next::Job(Box::new(taken)))
}

fn begin(transaction: &Transaction<'_>, seq: i64, attempt: u32, now: Moment) -> rusqlite::Result<Taken> {
    let line = log_line(now, &format!("attempt {attempt} began"));
    transaction
        .prepare_cached(
            "UPDATE jobs SET status = 'progress', attempts = ?2, started_at = ?3, updated_at = ?3, logs = logs || ?4
             WHERE seq = ?1",
        )?
        .execute(params![seq, attempt, now.micros(), line])?;
    rows::announce(transaction, seq, now)?;
    transaction
        .prepare_cached(
            "SELECT id, body, file, link_base, created_at FROM jobs JOIN inputs ON inputs.job = jobs.seq WHERE seq = ?1",
        )?
        .query_row([seq], |row| {
            Ok(Taken {
                ticket: Ticket { id: rows::job_id(row, 0)?, attempt },
                body: row.get::<_, Vec<u8>>(1)?.into(),
                file: row.get(2)?,
                link_base: row.get(3)?,
                created_at: Moment::from_micros(row.get(4)?),
                traceparent: None,
            })
        })
}
