//! Accepting batches and telling about them.

use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::documents::{self, Pace};
use super::items::{self, ITEM};
use super::jobs::{STORING, new_file, new_id, no_randomness, owner_is_full};
use super::rows::{self, to_json};
use super::{Rules, Sqlite};
use crate::jobs::batch::{Batch, BatchId, BatchListing, Document, Item, ItemListing, RowCounts};
use crate::jobs::job::Status;
use crate::jobs::moment::Moment;
use crate::jobs::store::{
    AcceptedBatch, Answer, BatchStore, Idempotency, ItemQuery, NewBatch, NewRow, Owner, Pin, StoreError, StoredItems,
    StoredRow, Template,
};

/// Over which the rate of a batch is measured.
const RATE_WINDOW: Duration = Duration::from_secs(60);

/// Ending of the name by which the trash knows all pins of a batch.
const PINS: &str = "pins";

/// The columns that [`batch`] reads, in its order, of [`BATCHES`].
pub(super) const BATCH: &str = "batches.seq, batches.id, batches.rows, batches.done, batches.failed,
    (SELECT count(*) FROM jobs WHERE jobs.batch = batches.seq AND jobs.status = 'progress'),
    batches.format, batches.design_sha256, batches.created_at, batches.started_at, batches.completed_at,
    batches.expires_at, documents.name, documents.bytes, documents.sha256, documents.pages, documents.fingerprint,
    made.output, made.file, made.link_base";

/// How many those are.
const BATCH_COLUMNS: usize = 20;

/// Batches, and the document of each that has one.
pub(super) const BATCHES: &str = "batches LEFT JOIN documents ON documents.batch = batches.seq
    LEFT JOIN jobs AS made ON made.seq = documents.job";

/// Of rows that ended since ?2 the number, for [`rate`].
const ENDED_SINCE: &str = "SELECT count(*) FROM jobs WHERE batch = ?1 AND completed_at > ?2";

/// The first columns of `row` are [`BATCH`]. Without a rate, which takes a look at rows: [`rate`].
pub(super) fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let moment = |column: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(Moment::from_micros));
    let (all, done, error, progress): (u64, u64, u64, u64) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    let unfinished = all.saturating_sub(done + error);
    // Rows of a document are under way together: there is one job for all of them.
    let has_document = row.get_ref(12)? != ValueRef::Null;
    let progress = if has_document && progress > 0 { unfinished } else { progress };
    let counts = RowCounts { scheduled: unfinished.saturating_sub(progress), progress, done, error };
    let (started_at, completed_at) = (moment(9)?, moment(10)?);
    let status = match (started_at, completed_at) {
        (_, Some(_)) => Status::Done,
        (Some(_), None) => Status::Progress,
        (None, None) => Status::Scheduled,
    };
    Ok(Batch {
        id: items::batch_id(row, 1)?,
        status,
        rows: all,
        counts,
        rate: None,
        time_left: None,
        format: row.get(6)?,
        document: document(row)?,
        design_sha256: hex(&row.get(7)?),
        created_at: Moment::from_micros(row.get(8)?),
        started_at,
        completed_at,
        expires_at: moment(11)?,
    })
}

/// The one of all rows, once it is there.
fn document(row: &Row<'_>) -> rusqlite::Result<Option<Document>> {
    let Some(bytes) = row.get(13)? else { return Ok(None) };
    Ok(Some(Document {
        name: row.get(12)?,
        url: row.get(17)?,
        bytes,
        sha256: hex(&row.get(14)?),
        pages: row.get(15)?,
        fingerprint: row.get(16)?,
        file: row.get(18)?,
        link_base: row.get(19)?,
    }))
}

pub(super) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The batch with its rate and the time it has left, while it is under way.
fn with_rate(connection: &Connection, seq: i64, batch: Batch, now: Moment) -> rusqlite::Result<Batch> {
    let (Some(started), None) = (batch.started_at, batch.completed_at) else { return Ok(batch) };
    let (ended, window, left) = match documents::pace(connection, seq)? {
        Some(Pace { made: None }) => return Ok(batch), // it waits for another attempt
        Some(Pace { made: Some((percent, begun)) }) => {
            let all = batch.rows as f64;
            let ended = all * percent / 100.0;
            (ended, now.since(begun), all - ended)
        }
        None => {
            let window = now.since(started).min(RATE_WINDOW);
            let since = now.micros().saturating_sub(i64::try_from(window.as_micros()).unwrap_or(i64::MAX));
            let ended: u64 =
                connection.prepare_cached(ENDED_SINCE)?.query_row(params![seq, since], |row| row.get(0))?;
            (ended as f64, window, batch.counts.unfinished() as f64)
        }
    };
    if ended <= 0.0 || window.is_zero() {
        return Ok(batch);
    }
    let rate = ended / window.as_secs_f64();
    Ok(Batch { rate: Some(rate), time_left: Some(left / rate), ..batch })
}

/// Its number, unless it is another's, gone, or none.
pub(super) fn own(connection: &Connection, owner: &Owner, id: &BatchId, now: Moment) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT seq FROM batches WHERE id = ?1 AND owner = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
    let values = params![id.as_str(), &**owner, now.micros()];
    connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()
}

impl BatchStore for Sqlite {
    fn accept_batch(&self, batch: NewBatch) -> Answer<'_, AcceptedBatch> {
        let (rules, now) = (self.rules, self.now());
        Box::pin(async move {
            let accepted = self.write(move |transaction| accept(transaction, &batch, &rules, now)).await?;
            if matches!(accepted, AcceptedBatch::New(_)) {
                self.signals.job.notify_one();
                self.signals.delivery.notify_one(); // rows that cannot be read have ended already
            }
            Ok(accepted)
        })
    }

    fn batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<Batch>> {
        let (owner, id, now) = (owner.clone(), id.clone(), self.now());
        Box::pin(self.read(move |connection| {
            let snapshot = connection.transaction()?;
            let Some(seq) = own(&snapshot, &owner, &id, now)? else { return Ok(None) };
            let sql = format!("SELECT {BATCH} FROM {BATCHES} WHERE batches.seq = ?1");
            let found = snapshot.prepare_cached(&sql)?.query_row([seq], batch)?;
            with_rate(&snapshot, seq, found, now).map(Some)
        }))
    }

    fn batches<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, BatchListing> {
        let (owner, now) = (owner.clone(), self.now());
        Box::pin(self.read(move |connection| {
            let alive = "batches.owner = ?1 AND (batches.expires_at IS NULL OR batches.expires_at > ?2)";
            let snapshot = connection.transaction()?; // page and total of one moment
            let total = snapshot
                .prepare_cached(&format!("SELECT count(*) FROM batches WHERE {alive}"))?
                .query_row(params![&*owner, now.micros()], |row| row.get(0))?;
            let sql =
                format!("SELECT {BATCH} FROM {BATCHES} WHERE {alive} ORDER BY batches.seq DESC LIMIT ?3 OFFSET ?4");
            let found = snapshot
                .prepare_cached(&sql)?
                .query_map(params![&*owner, now.micros(), limit, offset], |row| Ok((row.get(0)?, batch(row)?)))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let batches = found.into_iter().map(|(seq, batch)| with_rate(&snapshot, seq, batch, now));
            Ok(BatchListing { batches: batches.collect::<rusqlite::Result<_>>()?, total })
        }))
    }

    fn items<'a>(&'a self, owner: &'a Owner, id: &'a BatchId, which: ItemQuery) -> Answer<'a, Option<StoredItems>> {
        let (owner, id, now) = (owner.clone(), id.clone(), self.now());
        Box::pin(self.read(move |connection| {
            let snapshot = connection.transaction()?;
            match own(&snapshot, &owner, &id, now)? {
                Some(seq) => read_items(&snapshot, seq, which).map(Some),
                None => Ok(None),
            }
        }))
    }

    fn retry_rows<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, Option<u64>> {
        let (owner, id, now) = (owner.clone(), id.clone(), self.now());
        Box::pin(async move {
            let retried = self
                .write(move |transaction| match own(transaction, &owner, &id, now)? {
                    Some(seq) => retry(transaction, seq, now).map(Some),
                    None => Ok(None),
                })
                .await?;
            self.signals.job.notify_one();
            Ok(retried)
        })
    }

    fn remove_batch<'a>(&'a self, owner: &'a Owner, id: &'a BatchId) -> Answer<'a, bool> {
        let (owner, id, now) = (owner.clone(), id.clone(), self.now());
        Box::pin(self.write(move |transaction| match own(transaction, &owner, &id, now)? {
            Some(seq) => forget(transaction, seq, now).map(|()| true),
            None => Ok(false),
        }))
    }

    fn template<'a>(&'a self, id: &'a BatchId) -> Answer<'a, Option<Template>> {
        let id = id.clone();
        Box::pin(self.read(move |connection| {
            let sql =
                "SELECT body, design_sha256 FROM batches JOIN templates ON templates.batch = batches.seq WHERE id = ?1";
            let read =
                |row: &Row<'_>| Ok(Template { body: row.get::<_, Vec<u8>>(0)?.into(), design_sha256: row.get(1)? });
            connection.prepare_cached(sql)?.query_row([id.as_str()], read).optional()
        }))
    }

    fn row_values<'a>(&'a self, id: &'a BatchId, after_row: u64, limit: u64) -> Answer<'a, Option<Vec<StoredRow>>> {
        let id = id.clone();
        Box::pin(self.read(move |connection| {
            let snapshot = connection.transaction()?;
            let sql = "SELECT seq FROM batches WHERE id = ?1";
            let seq: Option<i64> =
                snapshot.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0)).optional()?;
            seq.map(|seq| items::values(&snapshot, seq, after_row, limit)).transpose()
        }))
    }

    fn pinned<'a>(&'a self, id: &'a BatchId, key: &'a str) -> Answer<'a, Option<[u8; 32]>> {
        let (id, key) = (id.clone(), key.to_owned());
        Box::pin(self.read(move |connection| standing(connection, &id, &key)))
    }

    fn pin<'a>(&'a self, id: &'a BatchId, pin: Pin) -> Answer<'a, Option<[u8; 32]>> {
        let id = id.clone();
        Box::pin(self.write(move |transaction| {
            let sql = "INSERT INTO pins (batch, key, sha256) SELECT seq, ?2, ?3 FROM batches WHERE id = ?1
                       ON CONFLICT DO NOTHING";
            transaction.prepare_cached(sql)?.execute(params![id.as_str(), pin.key, pin.sha256])?;
            standing(transaction, &id, &pin.key)
        }))
    }
}

impl Sqlite {
    /// Forgets batches that have expired, each in a step of its own; how many.
    pub(super) async fn expire_batches(&self) -> Result<u64, StoreError> {
        let mut expired = 0;
        loop {
            let now = self.now();
            let sql = "SELECT seq FROM batches WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 1";
            let gone = self.write(move |transaction| {
                let next: Option<i64> = transaction.query_row(sql, [now.micros()], |row| row.get(0)).optional()?;
                next.map(|seq| forget(transaction, seq, now)).transpose()
            });
            match gone.await? {
                Some(()) => expired += 1,
                None => return Ok(expired),
            }
        }
    }
}

fn standing(connection: &Connection, id: &BatchId, key: &str) -> rusqlite::Result<Option<[u8; 32]>> {
    let sql = "SELECT sha256 FROM pins JOIN batches ON batches.seq = pins.batch WHERE id = ?1 AND key = ?2";
    connection.prepare_cached(sql)?.query_row(params![id.as_str(), key], |row| row.get(0)).optional()
}

fn accept(
    transaction: &Transaction<'_>,
    batch: &NewBatch,
    rules: &Rules,
    now: Moment,
) -> rusqlite::Result<AcceptedBatch> {
    if let Some(call) = &batch.idempotency
        && let Some(before) = same_call(transaction, &batch.owner, call, now)?
    {
        return Ok(before);
    }
    let unfinished = "SELECT coalesce(sum(rows - done - failed), 0) FROM batches WHERE completed_at IS NULL";
    let more = batch.rows.len() as u64;
    let all: u64 = transaction.prepare_cached(unfinished)?.query_row([], |row| row.get(0))?;
    if all + more > rules.rows {
        return Ok(AcceptedBatch::QueueFull);
    }
    if rules.rows_of_owner > 0 {
        let sql = format!("{unfinished} AND owner = ?1");
        let theirs: u64 = transaction.prepare_cached(&sql)?.query_row([&*batch.owner], |row| row.get(0))?;
        if theirs + more > rules.rows_of_owner {
            return Ok(AcceptedBatch::RowsFull);
        }
    }
    if owner_is_full(transaction, &batch.owner, rules)? {
        return Ok(AcceptedBatch::OwnerFull);
    }
    let seq = insert(transaction, batch, now)?;
    for (row, number) in batch.rows.iter().zip(1..) {
        insert_row(transaction, batch, seq, row, number, now)?;
    }
    if let Some(name) = &batch.document
        && batch.rows.iter().any(|row| row.values.is_ok())
    {
        documents::insert(transaction, batch, seq, name, now)?;
    }
    items::complete(transaction, seq, rules.lifetime, now)?; // when no row could be read
    let sql = format!("SELECT {BATCH} FROM {BATCHES} WHERE batches.seq = ?1");
    Ok(AcceptedBatch::New(transaction.prepare_cached(&sql)?.query_row([seq], self::batch)?))
}

fn insert(transaction: &Transaction<'_>, batch: &NewBatch, now: Moment) -> rusqlite::Result<i64> {
    let id = loop {
        let id = BatchId::random().map_err(no_randomness)?;
        if !transaction.prepare_cached("SELECT 1 FROM batches WHERE id = ?1")?.exists([id.as_str()])? {
            break id;
        }
    };
    let failed = batch.rows.iter().filter(|row| row.values.is_err()).count();
    transaction
        .prepare_cached(
            "INSERT INTO batches (id, owner, rows, failed, format, extension, design_sha256, link_base, webhook,
                 webhook_items, created_at, idempotency_key, body_digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            id.as_str(),
            &*batch.owner,
            batch.rows.len(),
            failed,
            batch.format,
            batch.extension,
            batch.template.design_sha256,
            batch.link_base,
            batch.webhook,
            batch.webhook_items,
            now.micros(),
            batch.idempotency.as_ref().map(|it| &it.key),
            batch.idempotency.as_ref().map(|it| it.digest),
        ])?;
    let seq = transaction.last_insert_rowid();
    transaction
        .prepare_cached("INSERT INTO templates (batch, body) VALUES (?1, ?2)")?
        .execute(params![seq, &*batch.template.body])?;
    Ok(seq)
}

fn insert_row(
    transaction: &Transaction<'_>,
    batch: &NewBatch,
    seq: i64,
    row: &NewRow,
    number: u64,
    now: Moment,
) -> rusqlite::Result<()> {
    let id = new_id(transaction)?;
    let file = if batch.document.is_some() { String::new() } else { new_file(&id, batch.extension)? };
    let (status, error, ended) = match &row.values {
        Ok(_) => (Status::Scheduled, "", None),
        Err(bad) => (Status::Error, &*bad.error, Some(now.micros())),
    };
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, owner, status, error, created_at, completed_at, file, link_base, batch, row)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            id.as_str(),
            &*batch.owner,
            status.as_str(),
            error,
            now.micros(),
            ended,
            file,
            batch.link_base,
            seq,
            number,
        ])?;
    let job = transaction.last_insert_rowid();
    let problems = match &row.values {
        Ok(values) => {
            let sql = "INSERT INTO inputs (job, body) VALUES (?1, ?2)";
            transaction.prepare_cached(sql)?.execute(params![job, &**values])?;
            "[]".to_owned()
        }
        Err(bad) => to_json(&bad.problems)?,
    };
    transaction
        .prepare_cached("INSERT INTO items (job, name, problems) VALUES (?1, ?2, ?3)")?
        .execute(params![job, row.name, problems])?;
    if row.values.is_err() {
        items::announce(transaction, seq, job, now)?;
    }
    Ok(())
}

/// What an earlier call with this key came to. A batch that has expired frees its key.
fn same_call(
    transaction: &Transaction<'_>,
    owner: &Owner,
    call: &Idempotency,
    now: Moment,
) -> rusqlite::Result<Option<AcceptedBatch>> {
    let sql = format!(
        "SELECT {BATCH}, batches.body_digest FROM {BATCHES} WHERE batches.owner = ?1 AND batches.idempotency_key = ?2"
    );
    let found = transaction
        .prepare_cached(&sql)?
        .query_row(params![&**owner, call.key], |row| {
            Ok((row.get::<_, i64>(0)?, batch(row)?, row.get::<_, [u8; 32]>(BATCH_COLUMNS)?))
        })
        .optional()?;
    let Some((seq, before, digest)) = found else { return Ok(None) };
    if before.expires_at.is_some_and(|it| it <= now) {
        transaction.execute("UPDATE batches SET idempotency_key = NULL WHERE seq = ?1", [seq])?;
        return Ok(None);
    }
    Ok(Some(if digest == call.digest { AcceptedBatch::Again(before) } else { AcceptedBatch::OtherBody }))
}

fn read_items(connection: &Connection, seq: i64, which: ItemQuery) -> rusqlite::Result<StoredItems> {
    let ItemQuery { status, after_row, offset, limit } = which;
    let link_base = "SELECT link_base FROM batches WHERE seq = ?1";
    let link_base = connection.prepare_cached(link_base)?.query_row([seq], |row| row.get(0))?;
    // Without a status every value of the column is: the two take different indices.
    let of_status = if status.is_some() { "AND status = ?3" } else { "AND ?3 IS NULL" };
    // While a document is made its rows are in progress, and wait in the table.
    let is_made = documents::pace(connection, seq)?.is_some_and(|it| it.made.is_some());
    let swapped = |status: Status| match status {
        Status::Scheduled if is_made => Status::Progress,
        Status::Progress if is_made => Status::Scheduled,
        other => other,
    };
    let status = status.map(swapped).map(Status::as_str);
    let chosen = format!("batch = ?1 AND row > ?2 {of_status}");
    let total = connection
        .prepare_cached(&format!("SELECT count(*) FROM jobs WHERE {chosen}"))?
        .query_row(params![seq, after_row, status], |row| row.get(0))?;
    let sql = format!(
        "SELECT {ITEM}, jobs.file FROM jobs JOIN items ON items.job = jobs.seq WHERE {chosen} ORDER BY row LIMIT ?4 OFFSET ?5"
    );
    let found: Vec<_> = connection
        .prepare_cached(&sql)?
        .query_map(params![seq, after_row, status, limit, offset], |row| {
            let item = items::item(row)?;
            Ok((Item { status: swapped(item.status), ..item }, row.get(13)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let (items, files) = found.into_iter().unzip();
    Ok(StoredItems { listing: ItemListing { items, total }, files, link_base })
}

/// Failed rows that can be read wait again; in a document, all that can be read.
fn retry(transaction: &Transaction<'_>, seq: i64, now: Moment) -> rusqlite::Result<u64> {
    let extension: String =
        transaction.query_row("SELECT extension FROM batches WHERE seq = ?1", [seq], |row| row.get(0))?;
    let failed: Vec<_> = {
        let sql = "SELECT seq, id FROM jobs WHERE batch = ?1 AND status = 'error'
                   AND EXISTS (SELECT 1 FROM inputs WHERE inputs.job = jobs.seq)";
        let mut statement = transaction.prepare_cached(sql)?;
        let rows = statement.query_map([seq], |row| Ok((row.get::<_, i64>(0)?, rows::job_id(row, 1)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    if failed.is_empty() {
        return Ok(0);
    }
    if let Some(waiting) = documents::retry(transaction, seq, &extension, now)? {
        return Ok(waiting);
    }
    for (job, id) in &failed {
        rows::wait_again(transaction, *job, &new_file(id, &extension)?, now)?;
        let sql = "UPDATE items SET warnings = '[]', timings = '{}', problems = '[]' WHERE job = ?1";
        transaction.prepare_cached(sql)?.execute([job])?;
    }
    let sql = "UPDATE batches SET failed = failed - ?2, started_at = iif(completed_at IS NULL, started_at, NULL),
               completed_at = NULL, expires_at = NULL WHERE seq = ?1";
    transaction.execute(sql, params![seq, failed.len()])?;
    Ok(failed.len() as u64)
}

/// A batch and its rows are no more; what they may have left is in the trash, from when nobody can be writing it.
fn forget(transaction: &Transaction<'_>, seq: i64, now: Moment) -> rusqlite::Result<()> {
    let later = now.plus(STORING).micros();
    let sql = "INSERT OR IGNORE INTO trash (file, not_before)
               SELECT file, iif(status = 'progress', ?3, ?2) FROM jobs WHERE batch = ?1 AND attempts > 0";
    transaction.execute(sql, params![seq, now.micros(), later])?;
    let sql = "INSERT OR IGNORE INTO trash (file, not_before) SELECT id || ?2, iif(EXISTS
                   (SELECT 1 FROM jobs WHERE batch = ?1 AND status = 'progress'), ?4, ?3) FROM batches WHERE seq = ?1";
    transaction.execute(sql, params![seq, format!(".{PINS}"), now.micros(), later])?;
    transaction.execute("DELETE FROM jobs WHERE batch = ?1", [seq])?;
    transaction.execute("DELETE FROM batches WHERE seq = ?1", [seq]).map(drop)
}
