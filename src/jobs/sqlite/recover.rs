//! Recovery at the start: what the last process did not finish.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::counts;
use super::records::{self, STORED, stored};
use crate::jobs::job::JobId;
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::JobLimits;
use crate::jobs::life::record::CRASH_DELAY;
use crate::jobs::life::trash::Trash;
use crate::jobs::timestamp::Timestamp;

/// Schedules jobs in progress again, or fails those with too many attempts; ends the leases of webhooks, which may or
/// may not have been received; completes batches whose rows have all ended.
pub(super) fn recover(connection: &mut Connection, limits: &JobLimits, now: Timestamp) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for Stored { record, revision } in matching(&transaction, "status = 'progress'")? {
        let Entry::Job(mut record) = record else { continue };
        record.worker_lost(limits.attempts, CRASH_DELAY, limits.lifetime, now);
        let mut trash = Trash::new();
        if record.status.is_end() {
            let (id, attempts) = (&record.id, record.attempts);
            tracing::error!(%id, attempts, "a job failed: the process died too often while it was rendered");
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
    for (seq, batch) in counts::to_maintain(&transaction)? {
        if batch.have_rows_ended && batch.retrying.is_none() {
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
    limits: &JobLimits,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Some(Stored { record: Entry::Batch(mut batch), revision }) = records::load(transaction, key)? else {
        return Ok(());
    };
    let id = batch.document.as_ref().and_then(|it| JobId::parse(&it.id));
    let document = match id.map(|id| records::load(transaction, &Key::Job(id))).transpose()?.flatten() {
        Some(Stored { record: Entry::Job(document), .. }) => document.finished_document(),
        _ => None,
    };
    if batch.complete(&counts::progress(transaction, seq, now)?, document, limits.lifetime, now) {
        records::swap(transaction, &Entry::Batch(batch), revision, &Trash::new())?;
    }
    Ok(())
}
