//! The file: what is refused, what an older program wrote, what is found without a look at every row.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::config::{BatchSettings, JobSettings, KeyLimits};
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::ledger::Ledger as _;
use crate::jobs::service::Service;
use crate::jobs::store::{
    AttemptId, BatchSubmitOutcome, DeliveryQuery, FetchFilter, Fetched, ItemQuery, NewBatch, NewJob, NewRow, Owner,
    Work,
};

const EVERY: DeliveryQuery = DeliveryQuery { status: None, offset: 0, limit: 100 };
const ALL: ItemQuery = ItemQuery { status: None, after_row: 0, offset: 0, limit: 100 };

/// The moment at which tests take place: an hour after the last program of version 5 wrote the fixture.
fn clock() -> Clock {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_000_700);
    Arc::new(move || start)
}

fn limits() -> JobLimits {
    JobLimits::new(&JobSettings::default(), &BatchSettings::default(), &KeyLimits::default())
}

fn open(folder: &tempfile::TempDir) -> Result<Sqlite, StoreError> {
    Sqlite::open(&folder.path().join("jobs.db"), limits(), clock())
}

fn service(folder: &tempfile::TempDir) -> Service {
    Service::over(Arc::new(open(folder).expect("a ledger")), limits())
}

fn new_job(body: Bytes) -> NewJob {
    NewJob::new("", body, "png", "http://here")
}

fn older(folder: &tempfile::TempDir, statements: &[&str]) {
    let older = Connection::open(folder.path().join("jobs.db")).expect("a database");
    for statements in statements {
        older.execute_batch(statements).expect("what an older program wrote");
    }
}

#[test]
fn file_that_is_no_ledger_is_refused_with_advice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = || open(&folder).err().expect("refused");
    std::fs::write(folder.path().join("jobs.db"), b"not a database, but long enough to look like one")
        .expect("written");
    let damaged = refused();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
    assert!(damaged.to_string().contains("restore it from a backup"), "{damaged}");
    std::fs::remove_file(folder.path().join("jobs.db")).expect("removed");
    drop(open(&folder).expect("a new one"));
    let other = Connection::open(folder.path().join("jobs.db")).expect("a database");
    other.pragma_update(None, "user_version", schema::VERSION + 1).expect("written");
    assert!(refused().to_string().contains("newer tenter"));
}

#[tokio::test]
async fn full_disk_refuses_and_keeps_what_there_was() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = Arc::new(open(&folder).expect("a ledger"));
    let service = Service::over(ledger.clone(), limits());
    service.accept(new_job(Bytes::from_static(b"{}"))).await.expect("accepted");
    // The size of the file is bounded as a full disk bounds it, with the same code.
    let pages: i64 = ledger
        .run_blocking(&ledger.writer, |connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.pragma_update_and_check(None, "max_page_count", pages + 2, |row| row.get(0))
        })
        .await
        .expect("bounded");
    let refused = service.accept(new_job(Bytes::from(vec![b' '; 1 << 20]))).await.expect_err("full");
    assert!(matches!(refused, StoreError::Full { .. }), "{pages} pages: {refused}");
    let listing = service.list(&Owner::default(), 0, 9).await.expect("a ledger");
    assert_eq!(listing.total, 1);
    let Ok(Fetched::Job(fetched)) = service.fetch(FetchFilter::ALL).await else { panic!("a job") };
    assert_eq!(fetched.attempt_id, AttemptId { job: listing.renders[0].id.clone(), number: 1 });
}

#[tokio::test]
async fn file_of_the_first_version_is_read_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = "PRAGMA user_version = 1;
        INSERT INTO jobs (id, owner, status, created_at, file, link_base)
            VALUES ('abcabcabc', '', 'scheduled', 5, 'f.png', '');
        INSERT INTO jobs (id, owner, status, created_at, completed_at, expires_at, file, link_base, output)
            VALUES ('dedededed', '', 'done', 5, 5, 9000000000000000, 'g.png', '', 'http://here/g');
        INSERT INTO inputs (job, body) VALUES (1, x'7b7d');
        INSERT INTO deliveries (id, job, event, url, receiver, body, created_at, next_at)
            VALUES ('d', 1, 'job.progress', 'http://hook.test/', 'hook.test:80', '{}', 5, 5);";
    older(&folder, &[schema::JOBS, written]);
    let service = service(&folder);
    let id = JobId::parse("abcabcabc").expect("an id");
    assert_eq!(service.deliveries(&Owner::default(), &id).await.expect("a ledger").map(|it| it.len()), Some(1));
    let ended = JobId::parse("dedededed").expect("an id");
    let ended = service.get(&Owner::default(), &ended).await.expect("a ledger").expect("a job");
    assert_eq!((ended.output.as_deref(), ended.fingerprint), (Some("http://here/g"), None), "it was not recorded then");
    let Fetched::Job(fetched) = service.fetch(FetchFilter::ALL).await.expect("a ledger") else { panic!("a job") };
    assert_eq!((fetched.attempt_id.job, fetched.work, &*fetched.file), (id, Work::Job("{}".into()), "f.png"));
}

#[tokio::test]
async fn deliveries_of_rows_in_a_file_of_version_2_are_their_batchs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let written = "PRAGMA user_version = 2;
        INSERT INTO batches (id, owner, rows, format, extension, design_sha256, link_base, webhook, webhook_items, created_at)
            VALUES ('bcbcbcbcb', '', 1, 'png', 'png', zeroblob(32), '', 'http://hook.test/', 1, 5);
        INSERT INTO jobs (id, owner, status, created_at, file, link_base, batch, row)
            VALUES ('abcabcabc', '', 'error', 5, 'f.png', '', 1, 1);
        INSERT INTO items (job, name) VALUES (1, '1.png');
        INSERT INTO deliveries (id, job, event, url, receiver, body, created_at, next_at)
            VALUES ('d', 1, 'item.error', 'http://hook.test/', 'hook.test:80', '{}', 5, 5);";
    older(&folder, &[schema::JOBS, schema::BATCHES, written]);
    let service = service(&folder);
    let id = BatchId::parse("bcbcbcbcb").expect("an id");
    let listed = service.batch_deliveries(&Owner::default(), &id, EVERY).await.expect("a ledger").expect("a batch");
    let listed: Vec<_> = listed.deliveries.iter().map(|it| (it.row, it.delivery.event)).collect();
    assert_eq!(listed, [(Some(1), "item.error"), (None, "batch.completed")], "its only row had ended");
}

/// `fixtures/version-5.sql` is the dump of a file that the last program with that format wrote, which was then killed;
/// `fixtures/version-5.json` is what it had answered about it.
#[tokio::test]
async fn file_of_version_5_says_what_it_said_then() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    older(&folder, &[include_str!("fixtures/version-5.sql")]);
    let said: Value = serde_json::from_str(include_str!("fixtures/version-5.json")).expect("JSON");
    let service = service(&folder);
    for (name, said) in said["jobs"].as_object().expect("jobs") {
        let id = JobId::parse(said["id"].as_str().expect("an id")).expect("an id");
        let job = service.get(&Owner::default(), &id).await.expect("a ledger").expect("a job");
        assert_eq!(&serde_json::to_value(&job).expect("JSON"), said, "{name}");
    }
    for (name, said) in said["batches"].as_object().expect("batches") {
        let id = BatchId::parse(said["id"].as_str().expect("an id")).expect("an id");
        let batch = service.batch(&Owner::default(), &id).await.expect("a ledger").expect("a batch");
        let mut said = said.clone();
        if name == "open" {
            // A row was under way, and waits again.
            assert_eq!((&said["counts"]["progress"], &said["counts"]["scheduled"]), (&1.into(), &1.into()));
            (said["counts"]["progress"], said["counts"]["scheduled"]) = (0.into(), 2.into());
        }
        let mut now = serde_json::to_value(&batch).expect("JSON");
        for rate in ["rate", "time_left"] {
            (said[rate], now[rate]) = (Value::Null, Value::Null);
        }
        assert_eq!(now, said, "{name}");
    }
    for (name, said_items) in said["items"].as_object().expect("items") {
        let id = BatchId::parse(said["batches"][name]["id"].as_str().expect("an id")).expect("an id");
        let found = service.items(&Owner::default(), &id, ALL).await.expect("a ledger").expect("a batch").listing;
        let mut said_items = said_items["items"].as_array().expect("items").clone();
        for said in &mut said_items {
            said["url"] = Value::Null; // links are made when they are read
            if said["status"] == "progress" {
                said["status"] = "scheduled".into();
            }
        }
        assert_eq!(serde_json::to_value(&found.items).expect("JSON"), Value::from(said_items), "{name}");
    }
}

#[tokio::test]
async fn file_of_version_5_is_worked_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    older(&folder, &[include_str!("fixtures/version-5.sql")]);
    let said: Value = serde_json::from_str(include_str!("fixtures/version-5.json")).expect("JSON");
    let id = |kind: &str, name: &str| said[kind][name]["id"].as_str().expect("an id").to_owned();
    let service = service(&folder);
    let counts = service.counts().await.expect("a ledger");
    assert_eq!((counts.scheduled, counts.rows_scheduled, counts.rows_progress), (1, 4, 0));
    let mut works = Vec::new();
    while let Fetched::Job(fetched) = service.fetch(FetchFilter::ALL).await.expect("a ledger") {
        works.push(match &fetched.work {
            Work::Job(body) => {
                assert!(body.starts_with(b"{"), "its body");
                format!("job {}", fetched.attempt_id.job)
            }
            Work::Row { batch, row, values } => {
                assert!(values.starts_with(b"{"), "its values");
                format!("row {row} of {batch}, attempt {}", fetched.attempt_id.number)
            }
            Work::Document { batch, rows } => format!("{rows} rows of {batch}"),
        });
    }
    let (open, document) = (id("batches", "open"), id("batches", "waiting document"));
    let expected = [
        format!("job {}", id("jobs", "scheduled")),
        format!("3 rows of {document}"),
        format!("row 3 of {open}, attempt 1"),
    ];
    assert_eq!(works, expected, "the row that was under way rests");
    let again = NewJob {
        idempotency: Some(crate::jobs::store::Idempotency {
            key: "done".into(),
            hash: ContentHash::from_bytes([0; 32]),
        }),
        ..new_job(Bytes::from_static(b"{}"))
    };
    assert!(matches!(service.accept(again).await, Ok(crate::jobs::store::SubmitOutcome::KeyReused)), "keys stay");
    let failed = BatchId::parse(&id("batches", "batch")).expect("an id");
    let retried = service.retry_rows(&Owner::default(), &failed).await.expect("a ledger");
    assert_eq!(retried, Some(2), "of three failed rows one cannot be read");
    let made = BatchId::parse(&id("batches", "document")).expect("an id");
    assert_eq!(service.retry_rows(&Owner::default(), &made).await.expect("a ledger"), Some(3), "rendered again");
    assert_eq!(service.row_values(&made, 0, 9).await.expect("a ledger").map(|it| it.len()), Some(4));
    let trash = service.trash(9).await.expect("a ledger");
    assert_eq!(trash.len(), 3, "those of removed and failed ones, and the document that is rendered again: {trash:?}");
}

/// The plans of the statements that find what is due, with ten thousand rows waiting.
#[tokio::test]
async fn next_due_row_is_found_from_an_index() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ledger = Arc::new(open(&folder).expect("a ledger"));
    let service = Service::over(ledger.clone(), limits());
    let rows = (1..=10_000).map(|row| NewRow { name: format!("{row}.png"), values: Ok("{}".into()) });
    let batch = NewBatch { owner: Owner::default(), ..NewBatch::sample(rows.collect()) };
    let accepted = service.accept_batch(batch).await.expect("a ledger");
    assert!(matches!(accepted, BatchSubmitOutcome::New(batch) if batch.counts.scheduled == 10_000));
    let plans = ledger
        .read(|transaction| {
            let mut plans = Vec::new();
            for sql in due::STATEMENTS {
                let mut statement = transaction.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let unset = vec![rusqlite::types::Null; statement.parameter_count()];
                let lines = statement.query_map(rusqlite::params_from_iter(unset), |row| row.get::<_, String>(3))?;
                plans.push((*sql, lines.collect::<rusqlite::Result<Vec<_>>>()?.join("\n")));
            }
            Ok(plans)
        })
        .await
        .expect("plans");
    for (sql, plan) in plans {
        assert!(!plan.contains("SCAN records"), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
    let Ok(Fetched::Job(first)) = service.fetch(FetchFilter::ALL).await else { panic!("a row") };
    assert!(matches!(first.work, Work::Row { row: 1, .. }));
    let found = ledger.load(&crate::jobs::life::key::Key::Job(first.attempt_id.job)).await.expect("a ledger");
    let crate::jobs::life::entry::Entry::Job(record) = found.expect("a record").record else { panic!("a row") };
    assert_eq!(record.status, Status::Progress);
}
