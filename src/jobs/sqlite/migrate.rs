//! Files of versions 1 to 5 had a table for each kind of thing and a column for each of its properties. What stands
//! there becomes records; the old tables go.
//!
//! The values are written as JSON and read as records, so that what does not fit is an error here and not later.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Value, json};

use super::counts;
use super::records::{self, BATCH, JOB, Place, ROW, unreadable};
use crate::hash::ContentHash;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::record::JobRecord;
use crate::jobs::life::row_list::{RowList, SubmittedRow};
use crate::jobs::names::{COMPLETED, DONE, ERROR, ITEM_DONE, ITEM_ERROR, PROGRESS};

/// Tables that are no more, in an order in which none is referred to when it goes.
const OLD_TABLES: [&str; 8] =
    ["deliveries", "items", "documents", "inputs", "pins_of_batches", "templates", "jobs", "batches"];

/// Moves everything out of the old tables.
pub(super) fn to_records(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    for seq in numbers(transaction, "SELECT seq FROM jobs WHERE batch IS NULL ORDER BY seq", None)? {
        job(transaction, seq)?;
    }
    for seq in numbers(transaction, "SELECT seq FROM batches ORDER BY seq", None)? {
        batch(transaction, seq)?;
    }
    for table in OLD_TABLES {
        transaction.execute_batch(&format!("DROP TABLE {table};"))?;
    }
    Ok(())
}

fn numbers(transaction: &Transaction<'_>, sql: &str, of: Option<i64>) -> rusqlite::Result<Vec<i64>> {
    let mut statement = transaction.prepare_cached(sql)?;
    match of {
        Some(seq) => statement.query_map([seq], |row| row.get(0))?.collect(),
        None => statement.query_map([], |row| row.get(0))?.collect(),
    }
}

/// A row of `jobs`, as far as a record has the same.
fn fields(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<Value> {
    let sql = "SELECT id, owner, status, output, fingerprint, error, created_at, started_at, completed_at, updated_at,
                   expires_at, progress, logs, file, link_base, webhook, attempts, not_before FROM jobs WHERE seq = ?1";
    let read = |row: &Row<'_>| {
        let (file, status): (String, String) = (row.get(13)?, row.get(2)?);
        let (stem, extension) = file.rsplit_once('.').unwrap_or((&file, ""));
        let attempts: u32 = row.get(16)?;
        Ok(json!({
            "id": row.get::<_, String>(0)?,
            "owner": row.get::<_, String>(1)?,
            "status": status,
            "output": row.get::<_, Option<String>>(3)?,
            "fingerprint": row.get::<_, Option<String>>(4)?,
            "error": row.get::<_, String>(5)?,
            "created": row.get::<_, i64>(6)?,
            "started": row.get::<_, Option<i64>>(7)?,
            "completed": row.get::<_, Option<i64>>(8)?,
            "updated": row.get::<_, Option<i64>>(9)?,
            "expires": row.get::<_, Option<i64>>(10)?,
            "progress": row.get::<_, f64>(11)?,
            "logs": row.get::<_, String>(12)?,
            "stem": stem,
            "extension": extension,
            "one_file": true,
            "file": (status == "done").then_some(&file),
            "link_base": row.get::<_, String>(14)?,
            "webhook": row.get::<_, Option<String>>(15)?,
            "attempts": attempts,
            "begun": attempts,
            "holder": null,
            "due": row.get::<_, i64>(17)?,
            "key": null,
            "body": null,
            "sequence": 0,
            "deliveries": deliveries(transaction, "job", seq)?,
        }))
    };
    transaction.prepare_cached(sql)?.query_row([seq], read)
}

/// Deliveries of a job or a row (`column` is `job`), or of the end of a batch (`batch`).
fn deliveries(transaction: &Transaction<'_>, column: &str, seq: i64) -> rusqlite::Result<Vec<Value>> {
    let of_end = if column == "batch" { "AND job IS NULL" } else { "" };
    let sql = format!(
        "SELECT id, event, url, body, status, attempts, created_at, next_at, leased_until, last_at, answer, error
         FROM deliveries WHERE {column} = ?1 {of_end} ORDER BY seq"
    );
    let read = |row: &Row<'_>| {
        let event = match row.get_ref(1)?.as_str()? {
            PROGRESS => "progress",
            DONE => "done",
            ERROR => "error",
            ITEM_DONE => "item_done",
            ITEM_ERROR => "item_error",
            COMPLETED => "completed",
            other => return Err(unreadable(1, format!("{other} is no event"))),
        };
        Ok(json!({
            "id": row.get::<_, String>(0)?,
            "event": event,
            "url": row.get::<_, String>(2)?,
            "body": row.get::<_, String>(3)?,
            "status": row.get::<_, String>(4)?,
            "attempts": row.get::<_, u32>(5)?,
            "created": row.get::<_, i64>(6)?,
            "next": row.get::<_, i64>(7)?,
            "leased_until": row.get::<_, i64>(8)?,
            "last": row.get::<_, Option<i64>>(9)?,
            "answer": row.get::<_, Option<u16>>(10)?,
            "error": row.get::<_, String>(11)?,
        }))
    };
    transaction.prepare_cached(&sql)?.query_map([seq], read)?.collect()
}

fn record<T: serde::de::DeserializeOwned>(value: Value) -> rusqlite::Result<T> {
    serde_json::from_value(value).map_err(|error| unreadable(0, error))
}

fn input(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT body FROM inputs WHERE job = ?1";
    transaction.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()
}

fn job(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    let mut value = fields(transaction, seq)?;
    let body = input(transaction, seq)?.map(|body| (ContentHash::of(&body), body));
    if let Some((hash, _)) = &body {
        value["body"] = json!(BlobRef::whole(*hash));
    }
    let entry = Entry::Job(record::<JobRecord>(value)?);
    let Entry::Job(JobRecord { id, .. }) = &entry else { return Ok(()) };
    let new = records::insert(transaction, &Place { id, kind: JOB, row: None }, &entry)?;
    if let Some((hash, body)) = body {
        records::put_blob(transaction, new, hash, &body)?;
    }
    note_calls(transaction, JOB, "jobs", seq, new)
}

/// The idempotency key that row `seq` of `table` has.
fn note_calls(transaction: &Transaction<'_>, kind: &str, table: &str, seq: i64, new: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO idempotency (kind, owner, key, digest, record)
         SELECT ?1, owner, idempotency_key, body_digest, ?3 FROM {table} WHERE seq = ?2 AND idempotency_key IS NOT NULL"
    );
    transaction.prepare_cached(&sql)?.execute(params![kind, seq, new]).map(drop)
}

/// The document of all rows of a batch.
struct OldDocument {
    job: i64,
    name: String,
    made: Option<(u64, ContentHash, u64, Option<String>)>,
}

fn document(transaction: &Transaction<'_>, batch: i64) -> rusqlite::Result<Option<OldDocument>> {
    let sql = "SELECT job, name, bytes, sha256, pages, fingerprint FROM documents WHERE batch = ?1";
    let read = |row: &Row<'_>| {
        let made = match row.get::<_, Option<u64>>(2)? {
            Some(bytes) => Some((bytes, ContentHash::from_bytes(row.get(3)?), row.get(4)?, row.get(5)?)),
            None => None,
        };
        Ok(OldDocument { job: row.get(0)?, name: row.get(1)?, made })
    };
    transaction.prepare_cached(sql)?.query_row([batch], read).optional()
}

/// A row of a batch as the old tables have it.
struct OldRow {
    number: u64,
    /// JSON of the record that the row gets.
    value: Value,
    sent: SubmittedRow,
    /// What became of it, where it has pages in a document, or could be read and has none.
    end: Option<Value>,
}

fn old_row(transaction: &Transaction<'_>, seq: i64, batch: &Value) -> rusqlite::Result<OldRow> {
    let mut value = fields(transaction, seq)?;
    let values = input(transaction, seq)?;
    let is_error = value["status"] == "error";
    // Values that could not be read were not stored.
    let is_bad = is_error && values.is_none();
    let sql = "SELECT jobs.row, name, bytes, sha256, warnings, timings, problems, first_page, page_count
               FROM jobs JOIN items ON items.job = jobs.seq WHERE jobs.seq = ?1";
    let read = |row: &Row<'_>| {
        let from_json = |column: usize| {
            let text = row.get_ref(column)?.as_str()?;
            serde_json::from_str::<Value>(text).map_err(|error| unreadable(column, error))
        };
        let part = json!({
            "batch": batch["id"],
            "number": row.get::<_, u64>(0)?,
            "name": row.get::<_, String>(1)?,
            "bad": is_bad,
            "bytes": row.get::<_, Option<u64>>(2)?,
            "sha256": row.get::<_, Option<[u8; 32]>>(3)?.map(ContentHash::from_bytes),
            "warnings": from_json(4)?,
            "timings": from_json(5)?,
            "problems": from_json(6)?,
        });
        Ok((part, row.get::<_, Option<u64>>(7)?.zip(row.get::<_, Option<u64>>(8)?)))
    };
    let (part, pages): (Value, Option<(u64, u64)>) = transaction.prepare_cached(sql)?.query_row([seq], read)?;
    let number = part["number"].as_u64().unwrap_or_default();
    let bad = json!({"error": value["error"], "problems": part["problems"]});
    let end = match pages {
        Some((first_page, page_count)) => Some(json!({
            "row": number,
            "first_page": first_page,
            "page_count": page_count,
            "warnings": part["warnings"],
            "timings": part["timings"],
        })),
        None if is_error && !is_bad => Some(json!({"row": number, "bad": bad})),
        None => None,
    };
    let sent = SubmittedRow {
        id: text(&value["id"]),
        name: text(&part["name"]),
        values: values.map(|it| String::from_utf8_lossy(&it).into_owned()),
        error: if is_bad { Some(record(bad)?) } else { None },
    };
    value["row"] = part;
    if batch["webhook_items"] == true {
        value["webhook"] = batch["webhook"].clone();
    }
    Ok(OldRow { number, value, sent, end })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn batch(transaction: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    let sql =
        "SELECT id, owner, rows, done, failed, format, extension, design_sha256, link_base, webhook, webhook_items,
                   created_at, started_at, completed_at, expires_at, taken_at FROM batches WHERE seq = ?1";
    let (mut value, turn, started) = transaction.prepare_cached(sql)?.query_row([seq], |row| {
        let (created, completed): (i64, Option<i64>) = (row.get(11)?, row.get(13)?);
        let value = json!({
            "id": row.get::<_, String>(0)?,
            "owner": row.get::<_, String>(1)?,
            "rows": row.get::<_, u64>(2)?,
            "done": if completed.is_some() { row.get::<_, u64>(3)? } else { 0 },
            "failed": if completed.is_some() { row.get::<_, u64>(4)? } else { 0 },
            "format": row.get::<_, String>(5)?,
            "extension": row.get::<_, String>(6)?,
            "design_sha256": ContentHash::from_bytes(row.get(7)?),
            "link_base": row.get::<_, String>(8)?,
            "webhook": row.get::<_, Option<String>>(9)?,
            "webhook_items": row.get::<_, bool>(10)?,
            "created": created,
            "since": created,
            "retried": created,
            "completed": completed,
            "started": completed.and(row.get::<_, Option<i64>>(12)?),
            "expires": row.get::<_, Option<i64>>(14)?,
            "retrying": false,
            "gone": false,
            "key": null,
            "deliveries": deliveries(transaction, "batch", seq)?,
        });
        Ok((value, row.get::<_, i64>(15)?, row.get::<_, Option<i64>>(12)?))
    })?;
    let mut rows = Vec::new();
    for row in numbers(transaction, "SELECT seq FROM jobs WHERE batch = ?1 AND row > 0 ORDER BY row", Some(seq))? {
        rows.push(old_row(transaction, row, &value)?);
    }
    let list = RowList::write(&rows.iter().map(|it| it.sent.clone()).collect::<Vec<_>>());
    let sql = "SELECT body FROM templates WHERE batch = ?1";
    let template: Vec<u8> =
        transaction.prepare_cached(sql)?.query_row([seq], |row| row.get(0)).optional()?.unwrap_or_default();
    let ends: Vec<&Value> = rows.iter().filter_map(|it| it.end.as_ref()).collect();
    let ends_text: String = ends.iter().map(|end| format!("{end}\n")).collect();
    let hashes = [&list[..], &template[..], ends_text.as_bytes()].map(ContentHash::of);
    value["list"] = json!(BlobRef::whole(hashes[0]));
    value["template"] = json!(BlobRef::whole(hashes[1]));
    value["bad"] = json!(rows.iter().filter(|it| it.sent.error.is_some()).count());
    let document = document(transaction, seq)?;
    let total = match &document {
        Some(document) => {
            let ends_ref = json!(BlobRef::whole(hashes[2]));
            let total = record_of_document(transaction, document, &value, &ends, ends_ref)?;
            value["document"] = json!({"id": total["id"], "name": document.name});
            if let (Some((bytes, sha256, pages, fingerprint)), Some(_)) = (&document.made, value["completed"].as_i64())
            {
                value["made"] = json!({
                    "name": document.name,
                    "url": total["output"],
                    "bytes": bytes,
                    "sha256": sha256,
                    "pages": pages,
                    "fingerprint": fingerprint.as_deref().unwrap_or_default(),
                    "file": total["file"],
                });
            }
            Some(total)
        }
        None => None,
    };
    let new = records::insert_batch(transaction, &record::<BatchRecord>(value)?)?;
    records::put_blob(transaction, new, hashes[0], &list)?;
    records::put_blob(transaction, new, hashes[1], &template)?;
    records::put_blob(transaction, new, hashes[2], ends_text.as_bytes())?;
    match total {
        Some(total) => insert_row(transaction, new, 0, total)?,
        None => {
            for row in rows {
                insert_row(transaction, new, row.number, row.value)?;
            }
        }
    }
    counts::recount(transaction, new)?;
    let sql = "UPDATE batch_counts SET turn = ?2, started = ?3 WHERE batch = ?1";
    transaction.prepare_cached(sql)?.execute(params![new, turn, started])?;
    let sql = "INSERT INTO pins (batch, key, sha256) SELECT ?2, key, sha256 FROM pins_of_batches WHERE batch = ?1";
    transaction.prepare_cached(sql)?.execute(params![seq, new])?;
    note_calls(transaction, BATCH, "batches", seq, new)
}

fn insert_row(transaction: &Transaction<'_>, batch: i64, number: u64, value: Value) -> rusqlite::Result<()> {
    let entry = Entry::Job(record::<JobRecord>(value)?);
    let Entry::Job(JobRecord { id, .. }) = &entry else { return Ok(()) };
    let place = Place { id, kind: ROW, row: Some((batch, number)) };
    records::insert(transaction, &place, &entry).map(drop)
}

fn record_of_document(
    transaction: &Transaction<'_>,
    document: &OldDocument,
    batch: &Value,
    ends: &[&Value],
    ends_ref: Value,
) -> rusqlite::Result<Value> {
    let mut value = fields(transaction, document.job)?;
    let made = document.made.as_ref();
    let has_ended = matches!(value["status"].as_str(), Some("done" | "error"));
    let done = ends.iter().filter(|it| it.get("bad").is_none()).count();
    value["row"] = json!({
        "batch": batch["id"],
        "number": 0,
        "name": document.name,
        "bad": false,
        "bytes": made.map(|it| it.0),
        "sha256": made.map(|it| it.1),
        "warnings": [],
        "timings": {},
        "problems": [],
        "of": batch["rows"],
    });
    if has_ended {
        value["row"]["ended"] = json!({
            "done": done,
            "failed": ends.len() - done,
            "pages": made.map_or(0, |it| it.2),
            "ends": ends_ref,
        });
    }
    Ok(value)
}
