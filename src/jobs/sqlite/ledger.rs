//! The traits of a ledger: each call is one transaction.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::records::{self, BATCH, JOB, Place, ROW, STORED, new_id, no_randomness, stored, stored_job};
use super::{Sqlite, counts, due};
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::ledger::{
    Blobs, Claim, Dispatch, Due, DueDelivery, EXPIRED_PAGE, EndSignals, Inserted, Ledger, ListKind, ListedRow,
    OpenBatch, Release, Removal, RowSet, Stored, Swap,
};
use crate::jobs::life::batch_record::{BatchProgress, BatchRecord, BatchSeed};
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::document;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::limits::JobLimits;
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::life::row_list::{RowList, SubmittedRow};
use crate::jobs::names::result_stem;
use crate::jobs::store::{
    Counts, DeliveryCapacity, FetchFilter, Idempotency, ItemQuery, NewBatch, NewJob, Owner, PinnedAsset, StoreError,
    StoreFuture,
};
use crate::jobs::timestamp::{Clock, Timestamp};

impl Ledger for Sqlite {
    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn insert_job<'a>(&'a self, job: &'a NewJob) -> StoreFuture<'a, Inserted<JobRecord>> {
        let (job, limits, now) = (job.clone(), self.limits, self.now());
        Box::pin(async move {
            let inserted = self.write(true, move |transaction| insert_job(transaction, &job, &limits, now)).await?;
            if matches!(inserted, Inserted::Created(_)) {
                self.work.notify_one();
            }
            Ok(inserted)
        })
    }

    fn insert_batch<'a>(&'a self, batch: &'a NewBatch) -> StoreFuture<'a, Inserted<BatchRecord>> {
        let (batch, limits, now) = (batch.clone(), self.limits, self.now());
        Box::pin(async move {
            let inserted = self.write(true, move |transaction| insert_batch(transaction, &batch, &limits, now)).await?;
            if matches!(inserted, Inserted::Created(_)) {
                self.work.notify_one();
                self.delivery.notify_one(); // rows that cannot be read have ended already
            }
            Ok(inserted)
        })
    }

    fn load<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>> {
        let key = key.clone();
        Box::pin(self.read(move |transaction| records::load(transaction, &key)))
    }

    fn swap<'a>(&'a self, swap: Swap<'a>) -> StoreFuture<'a, Option<u64>> {
        let Swap { entry, revision, trash, durable } = swap;
        let written = entry.clone();
        Box::pin(async move {
            let swapped =
                self.write(durable, move |transaction| records::swap(transaction, &written, revision, &trash)).await?;
            if swapped.is_some() {
                self.notify(entry);
            }
            Ok(swapped)
        })
    }

    fn remove<'a>(&'a self, removal: Removal<'a>) -> StoreFuture<'a, bool> {
        let Removal { key, stored, trash } = removal;
        let (id, revision) = (records::id_of(key), stored.map(|it| it.revision));
        Box::pin(async move {
            let removed = self
                .write(true, move |transaction| {
                    let sql = "SELECT seq FROM records WHERE id = ?1 AND revision = ?2";
                    let seq: Option<i64> =
                        transaction.query_row(sql, params![id, revision], |row| row.get(0)).optional()?;
                    let Some(seq) = seq else { return Ok(false) };
                    records::insert_trash(transaction, &trash)?;
                    transaction.execute("DELETE FROM records WHERE batch = ?1", [seq])?;
                    transaction.execute("DELETE FROM records WHERE seq = ?1", [seq])?;
                    Ok(true)
                })
                .await?;
            if let Key::Job(id) = key {
                self.end_signals.notify(id);
            }
            Ok(removed)
        })
    }

    fn page<'a>(
        &'a self,
        owner: &'a Owner,
        kind: ListKind,
        offset: u64,
        limit: u64,
    ) -> StoreFuture<'a, (Vec<Entry>, u64)> {
        let (owner, now) = (owner.clone(), self.now());
        let kind = match kind {
            ListKind::Job => JOB,
            ListKind::Batch => BATCH,
        };
        Box::pin(self.read(move |transaction| {
            let alive = "batch IS NULL AND kind = ?1 AND owner = ?2 AND (expires IS NULL OR expires > ?3)";
            let total = transaction
                .prepare_cached(&format!("SELECT count(*) FROM records WHERE {alive}"))?
                .query_row(params![kind, &*owner, now.micros()], |row| row.get(0))?;
            let sql = format!("SELECT {STORED} FROM records WHERE {alive} ORDER BY seq DESC LIMIT ?4 OFFSET ?5");
            let found = transaction
                .prepare_cached(&sql)?
                .query_map(params![kind, &*owner, now.micros(), limit, offset], |row| Ok(stored(row)?.record))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((found, total))
        }))
    }

    fn rows<'a>(&'a self, batch: &'a BatchId, which: ItemQuery) -> StoreFuture<'a, (Vec<ListedRow>, u64)> {
        let batch = batch.clone();
        Box::pin(self.read(move |transaction| match records::batch_seq(transaction, &batch)? {
            Some(seq) => rows(transaction, seq, which),
            None => Ok((Vec::new(), 0)),
        }))
    }

    fn row_records<'a>(&'a self, batch: &'a BatchId, set: RowSet, _: u64) -> StoreFuture<'a, Vec<Stored<JobRecord>>> {
        let batch = batch.clone();
        Box::pin(self.read(move |transaction| {
            let Some(seq) = records::batch_seq(transaction, &batch)? else { return Ok(Vec::new()) };
            let of_set = match set {
                RowSet::WithRecord => "",
                RowSet::Failed => "AND (status = 'error' OR number = 0)",
                RowSet::WithDeliveries => "AND announced > 0",
            };
            let sql = format!("SELECT {STORED} FROM records WHERE batch = ?1 {of_set} ORDER BY number");
            transaction.prepare_cached(&sql)?.query_map([seq], stored_job)?.collect()
        }))
    }

    fn progress<'a>(&'a self, batch: &'a BatchId, _: u64) -> StoreFuture<'a, BatchProgress> {
        let (batch, now) = (batch.clone(), self.now());
        Box::pin(self.read(move |transaction| match records::batch_seq(transaction, &batch)? {
            Some(seq) => counts::progress(transaction, seq, now),
            None => Ok(BatchProgress::default()),
        }))
    }

    fn all_rows_ended<'a>(&'a self, batch: &'a BatchId) -> StoreFuture<'a, Option<(u64, BatchProgress)>> {
        let (batch, now) = (batch.clone(), self.now());
        Box::pin(self.read(move |transaction| {
            let sql = "SELECT seq, revision FROM records JOIN batch_counts ON batch_counts.batch = records.seq
                       WHERE records.id = ?1 AND open AND unfinished = 0 AND retrying IS NULL";
            let id = records::id_of(&Key::Batch(batch));
            let found: Option<(i64, u64)> =
                transaction.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((seq, revision)) = found else { return Ok(None) };
            Ok(Some((revision, counts::progress(transaction, seq, now)?)))
        }))
    }

    fn expired(&self, now: Timestamp) -> StoreFuture<'_, Vec<Key>> {
        Box::pin(self.read(move |transaction| {
            let sql = "SELECT id FROM records WHERE expires <= ?1 ORDER BY expires LIMIT ?2";
            let read = |row: &rusqlite::Row<'_>| {
                Key::parse(row.get_ref(0)?.as_str()?)
                    .ok_or_else(|| records::unreadable(0, "the key of a record is invalid"))
            };
            transaction.prepare_cached(sql)?.query_map(params![now.micros(), EXPIRED_PAGE], read)?.collect()
        }))
    }

    fn counts(&self) -> StoreFuture<'_, Counts> {
        let counts = self.read(|transaction| {
            let count = |sql: &str| transaction.prepare_cached(sql)?.query_row([], |row| row.get(0));
            let rows_progress = count("SELECT coalesce(sum(progress), 0) FROM batch_counts WHERE open")?;
            let unfinished: u64 = count("SELECT coalesce(sum(unfinished), 0) FROM batch_counts WHERE open")?;
            Ok(Counts {
                scheduled: count("SELECT count(*) FROM records WHERE kind = 'job' AND status = 'scheduled'")?,
                progress: count("SELECT count(*) FROM records WHERE kind = 'job' AND status = 'progress'")?,
                deliveries: count("SELECT coalesce(sum(pending), 0) FROM records WHERE delivery_due IS NOT NULL")?,
                rows_scheduled: unfinished.saturating_sub(rows_progress),
                rows_progress,
            })
        });
        Box::pin(async move {
            self.accepts_writes().await?;
            counts.await
        })
    }
}

impl Dispatch for Sqlite {
    fn next_due(&self, filter: FetchFilter) -> StoreFuture<'_, Due> {
        let now = self.now();
        Box::pin(self.read(move |transaction| due::work(transaction, filter, now)))
    }

    fn work_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.work.notified())
    }

    fn reachable(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.accepts_writes())
    }

    fn deliveries_due(&self, room: DeliveryCapacity) -> StoreFuture<'_, (Vec<DueDelivery>, Option<Timestamp>)> {
        let now = self.now();
        Box::pin(self.read(move |transaction| due::deliveries(transaction, room, now)))
    }

    fn delivery_ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.delivery.notified())
    }

    fn release(&self, _: Claim, _: Release) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn end_signals(&self) -> &EndSignals {
        &self.end_signals
    }

    fn open_batches(&self) -> StoreFuture<'_, Vec<OpenBatch>> {
        Box::pin(
            self.read(|transaction| Ok(counts::to_maintain(transaction)?.into_iter().map(|(_, open)| open).collect())),
        )
    }
}

impl Blobs for Sqlite {
    fn blob<'a>(&'a self, key: &'a Key, blob: &'a BlobRef) -> StoreFuture<'a, Bytes> {
        let (id, digest) = (records::id_of(key), blob.hash.to_string());
        Box::pin(async move {
            let missing = StoreError::Damaged {
                place: self.place.to_string(),
                reason: format!("what the record {id} was sent is missing"),
            };
            let found: Option<Vec<u8>> = self
                .read(move |transaction| {
                    let sql = "SELECT blobs.body FROM records JOIN blobs ON blobs.record = records.seq
                               WHERE records.id = ?1 AND digest = ?2";
                    transaction.prepare_cached(sql)?.query_row(params![id, digest], |row| row.get(0)).optional()
                })
                .await?;
            found.map(Bytes::from).ok_or(missing)
        })
    }

    fn put_blob<'a>(&'a self, key: &'a Key, bytes: Bytes) -> StoreFuture<'a, BlobRef> {
        let id = records::id_of(key);
        Box::pin(self.write(true, move |transaction| {
            let hash = ContentHash::of(&bytes);
            let sql =
                "INSERT OR IGNORE INTO blobs (record, digest, body) SELECT seq, ?2, ?3 FROM records WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, hash.to_string(), &*bytes])?;
            Ok(BlobRef::whole(hash))
        }))
    }

    fn asset_hash<'a>(&'a self, batch: &'a BatchId, key: &'a str) -> StoreFuture<'a, Option<ContentHash>> {
        let (batch, key) = (batch.clone(), key.to_owned());
        Box::pin(self.read(move |transaction| asset_hash(transaction, &batch, &key)))
    }

    fn put_asset_hash<'a>(&'a self, batch: &'a BatchId, pin: PinnedAsset) -> StoreFuture<'a, ContentHash> {
        let batch = batch.clone();
        Box::pin(self.write(true, move |transaction| {
            let sql = "INSERT INTO pins (batch, key, sha256) SELECT seq, ?2, ?3 FROM records WHERE id = ?1
                       ON CONFLICT DO NOTHING";
            let id = records::id_of(&Key::Batch(batch.clone()));
            transaction.prepare_cached(sql)?.execute(params![id, pin.key, pin.hash.as_bytes()])?;
            // It is missing when the batch was removed meanwhile.
            Ok(asset_hash(transaction, &batch, &pin.key)?.unwrap_or(pin.hash))
        }))
    }

    fn trash(&self, limit: u64) -> StoreFuture<'_, Vec<String>> {
        let now = self.now();
        Box::pin(self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT file FROM trash WHERE not_before <= ?1 LIMIT ?2")?
                .query_map(params![now.micros(), limit], |row| row.get(0))?
                .collect()
        }))
    }

    fn remove_from_trash<'a>(&'a self, file: &'a str) -> StoreFuture<'a, ()> {
        let file = file.to_owned();
        Box::pin(self.write(false, move |transaction| {
            transaction.prepare_cached("DELETE FROM trash WHERE file = ?1")?.execute([file]).map(drop)
        }))
    }
}

impl Sqlite {
    /// Notifies the tasks that wait for the new state of a record.
    fn notify(&self, entry: &Entry) {
        match entry {
            Entry::Job(record) if record.status.is_end() => {
                if let Some(id) = JobId::parse(&record.id) {
                    self.end_signals.notify(&id);
                }
            }
            Entry::Job(record) if record.holder.is_none() => self.work.notify_one(),
            Entry::Job(_) | Entry::Batch(_) => {}
        }
        if entry.deliveries().iter().any(|it| it.is_pending()) {
            self.delivery.notify_one();
        }
    }
}

fn asset_hash(connection: &Connection, batch: &BatchId, key: &str) -> rusqlite::Result<Option<ContentHash>> {
    let sql = "SELECT sha256 FROM pins JOIN records ON records.seq = pins.batch WHERE records.id = ?1 AND key = ?2";
    let id = records::id_of(&Key::Batch(batch.clone()));
    connection
        .prepare_cached(sql)?
        .query_row(params![id, key], |row| row.get(0).map(ContentHash::from_bytes))
        .optional()
}

fn rows(connection: &Connection, seq: i64, which: ItemQuery) -> rusqlite::Result<(Vec<ListedRow>, u64)> {
    let ItemQuery { status, after_row, offset, limit } = which;
    let status = status.map(|it| it.as_str());
    // Without a status every value of the column is: the two take different indices.
    let of_status = if status.is_some() { "AND status = ?3" } else { "AND ?3 IS NULL" };
    let chosen = format!("batch = ?1 AND number > ?2 {of_status}");
    let total = connection
        .prepare_cached(&format!("SELECT count(*) FROM records WHERE {chosen}"))?
        .query_row(params![seq, after_row, status], |row| row.get(0))?;
    let sql = format!("SELECT {STORED}, number FROM records WHERE {chosen} ORDER BY number LIMIT ?4 OFFSET ?5");
    let found = connection
        .prepare_cached(&sql)?
        .query_map(params![seq, after_row, status, limit, offset], |row| {
            Ok(ListedRow { number: row.get(3)?, record: Some(stored_job(row)?.record) })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((found, total))
}

/// The record that an earlier call with this idempotency key inserted, and whether that call had the same body. An
/// expired record frees its key.
fn earlier_call(
    transaction: &Transaction<'_>,
    kind: &str,
    owner: &Owner,
    call: &Idempotency,
    now: Timestamp,
) -> rusqlite::Result<Option<(Entry, bool)>> {
    let sql = "SELECT records.kind, body, revision, digest FROM idempotency
               JOIN records ON records.seq = idempotency.record
               WHERE idempotency.kind = ?1 AND idempotency.owner = ?2 AND idempotency.key = ?3";
    let found = transaction
        .prepare_cached(sql)?
        .query_row(params![kind, &**owner, call.key], |row| Ok((stored(row)?.record, row.get::<_, [u8; 32]>(3)?)))
        .optional()?;
    let Some((before, digest)) = found else { return Ok(None) };
    if before.has_expired(now) {
        let sql = "DELETE FROM idempotency WHERE kind = ?1 AND owner = ?2 AND key = ?3";
        transaction.execute(sql, params![kind, &**owner, call.key])?;
        return Ok(None);
    }
    Ok(Some((before, digest == *call.hash.as_bytes())))
}

fn insert_key(
    transaction: &Transaction<'_>,
    kind: &str,
    owner: &Owner,
    call: &Idempotency,
    seq: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO idempotency (kind, owner, key, digest, record) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![kind, &**owner, call.key, call.hash.as_bytes(), seq]).map(drop)
}

fn insert_job(
    transaction: &Transaction<'_>,
    job: &NewJob,
    limits: &JobLimits,
    now: Timestamp,
) -> rusqlite::Result<Inserted<JobRecord>> {
    if let Some(call) = &job.idempotency {
        match earlier_call(transaction, JOB, &job.owner, call, now)? {
            Some((Entry::Job(before), true)) => return Ok(Inserted::Existing(before)),
            Some(_) => return Ok(Inserted::KeyReused),
            None => {}
        }
    }
    if let Some(refusal) = limits.refuse_job(counts::unfinished(transaction, &job.owner)?) {
        return Ok(Inserted::Refused(refusal));
    }
    let id = new_id(transaction)?;
    let hash = ContentHash::of(&job.body);
    let seed = JobSeed {
        body: Some(BlobRef::whole(hash)),
        one_file: true,
        ..JobSeed::new(&id, result_stem(&id).map_err(no_randomness)?, now)
    };
    let record = JobRecord::new(job, seed);
    let entry = Entry::Job(record.clone());
    let seq = records::insert(transaction, &Place { id: id.as_str(), kind: JOB, row: None }, &entry)?;
    records::put_blob(transaction, seq, hash, &job.body)?;
    if let Some(call) = &job.idempotency {
        insert_key(transaction, JOB, &job.owner, call, seq)?;
    }
    Ok(Inserted::Created(record))
}

fn insert_batch(
    transaction: &Transaction<'_>,
    batch: &NewBatch,
    limits: &JobLimits,
    now: Timestamp,
) -> rusqlite::Result<Inserted<BatchRecord>> {
    if let Some(call) = &batch.idempotency {
        match earlier_call(transaction, BATCH, &batch.owner, call, now)? {
            Some((Entry::Batch(before), true)) => return Ok(Inserted::Existing(before)),
            Some(_) => return Ok(Inserted::KeyReused),
            None => {}
        }
    }
    let unfinished = counts::unfinished(transaction, &batch.owner)?;
    if let Some(refusal) = limits.refuse_batch(batch.rows.len() as u64, unfinished) {
        return Ok(Inserted::Refused(refusal));
    }
    let id: BatchId = loop {
        let id = BatchId::random().map_err(no_randomness)?;
        if records::batch_seq(transaction, &id)?.is_none() {
            break id;
        }
    };
    let submitted = SubmittedRow::of_rows(&batch.rows, || new_id(transaction))?;
    let list = RowList::write(&submitted);
    let (list_hash, template_hash) = (ContentHash::of(&list), ContentHash::of(&batch.template.body));
    let readable = batch.rows.iter().any(|row| row.values.is_ok());
    let document = match &batch.document {
        Some(_) => Some(new_id(transaction)?),
        None => None,
    };
    let seed = BatchSeed {
        id,
        key: None,
        template: BlobRef::whole(template_hash),
        list: BlobRef::whole(list_hash),
        document,
        now,
    };
    let record = BatchRecord::new(batch, seed);
    let seq = records::insert_batch(transaction, &record)?;
    records::put_blob(transaction, seq, list_hash, &list)?;
    records::put_blob(transaction, seq, template_hash, &batch.template.body)?;
    if let Some(call) = &batch.idempotency {
        insert_key(transaction, BATCH, &batch.owner, call, seq)?;
    }
    match &record.document {
        // Without a readable row there is no document to make.
        Some(_) if !readable => {}
        Some(planned) => insert_row(transaction, &record, seq, document::ROW, planned.as_row(), now)?,
        None => {
            for (row, number) in submitted.into_iter().zip(1..) {
                insert_row(transaction, &record, seq, number, row, now)?;
            }
        }
    }
    counts::recount(transaction, seq)?;
    Ok(Inserted::Created(record))
}

fn insert_row(
    transaction: &Transaction<'_>,
    batch: &BatchRecord,
    seq: i64,
    number: u64,
    row: SubmittedRow,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let id = JobId::parse(&row.id).ok_or_else(|| records::unreadable(0, "the id of a row is invalid"))?;
    let stem = result_stem(&id).map_err(no_randomness)?;
    let seed = JobSeed { one_file: true, ..JobSeed::new(&id, stem, now) };
    let record = JobRecord::of_row(batch, number, row, seed);
    let place = Place { id: id.as_str(), kind: ROW, row: Some((seq, number)) };
    records::insert(transaction, &place, &Entry::Job(record)).map(drop)
}
