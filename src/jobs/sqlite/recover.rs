//! What a start means for what the last process left under way.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::counts;
use super::records::{self, STORED, stored};
use crate::jobs::job::JobId;
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::Limits;
use crate::jobs::life::trash::Trash;
use crate::jobs::service::AFTER_DEATH;
use crate::jobs::timestamp::Timestamp;

/// The process before this one died, or was stopped, with jobs under way: they wait again, or, when that happened too often, end. What
/// was being sent was perhaps not received. A batch may have been about to be completed.
pub(super) fn recover(connection: &mut Connection, limits: &Limits, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for Stored { record, revision } in matching(&transaction, "status = 'progress'")? {
        let Entry::Job(mut record) = record else { continue };
        record.worker_lost(limits.attempts, AFTER_DEATH, limits.lifetime, now);
        let mut trash = Trash::new();
        if record.status.is_end() {
            let (id, attempts) = (&record.id, record.attempts);
            tracing::error!(%id, attempts, "a job during which the process died too often is given up");
            trash = record.trash_at_end(now);
        }
        records::swap(&transaction, &Entry::Job(record), revision, &trash)?;
    }
    for Stored { mut record, revision } in matching(&transaction, "leased_until > 0")? {
        for delivery in record.deliveries_mut() {
            delivery.leased_until = 0;
        }
        records::swap(&transaction, &record, revision, &Trash::new())?;
    }
    for (seq, batch) in counts::in_need(&transaction)? {
        if batch.is_over && batch.retrying.is_none() {
            complete(&transaction, seq, &Key::Batch(batch.id), limits, now)?;
        }
    }
    transaction.commit()
}

fn matching(transaction: &Transaction<'_>, condition: &str) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = transaction.prepare(&format!("SELECT {STORED} FROM records WHERE {condition}"))?;
    statement.query_map([], stored)?.collect()
}

fn complete(
    transaction: &Transaction<'_>,
    seq: i64,
    key: &Key,
    limits: &Limits,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Some(Stored { record: Entry::Batch(mut batch), revision }) = records::load(transaction, key)? else {
        return Ok(());
    };
    let document = batch.document.as_ref().and_then(|it| JobId::parse(&it.id));
    let made = match document.map(|id| records::load(transaction, &Key::Job(id))).transpose()?.flatten() {
        Some(Stored { record: Entry::Job(document), .. }) => document.finished_document(),
        _ => None,
    };
    if batch.complete(&counts::tally(transaction, seq, now)?, made, limits.lifetime, now) {
        records::swap(transaction, &Entry::Batch(batch), revision, &Trash::new())?;
    }
    Ok(())
}
