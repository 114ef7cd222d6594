//! Batches that become one document.

use super::batches::{ALL, failed_row, new_batch};
use super::*;
use crate::jobs::batch::{Document, RowCounts};
use crate::jobs::store::{ItemQuery, NewBatch, RowError, RowInput, RowOutcome, RowPages};

/// Rows that can be read, and where `bad` says so one after them that cannot.
fn merged(rows: u64, bad: bool) -> NewBatch {
    let batch = new_batch("", rows);
    let rows = batch.rows.into_iter().chain(bad.then(failed_row)).collect();
    let webhook = Some("http://hook.test/".to_owned());
    NewBatch { rows, document: Some("all.pdf".into()), format: "pdf", extension: "pdf", webhook, ..batch }
}

fn pages(row: u64, first_page: u64) -> RowOutcome {
    let timings = vec![("paint", 1.5)];
    RowOutcome { row, result: Ok(RowPages { first_page, page_count: 2, warnings: Vec::new(), timings }) }
}

fn no_picture(row: u64) -> RowOutcome {
    RowOutcome { row, result: Err(RowError { error: "no picture".into(), problems: Vec::new() }) }
}

impl Bench {
    async fn end(&self, fetched: &FetchedJob, outcome: Outcome, rows: Vec<RowOutcome>) {
        let report = AttemptReport { rows, ..AttemptReport::default() };
        assert!(self.store.finish(&fetched.attempt_id, outcome, report).await.expect("a store"));
    }

    async fn statuses(&self, id: &BatchId) -> Vec<(u64, Status, String)> {
        let items = self.items(id, ALL).await.listing.items;
        items.into_iter().map(|it| (it.row, it.status, it.error)).collect()
    }

    async fn of_status(&self, id: &BatchId, status: Status) -> u64 {
        self.items(id, ItemQuery { status: Some(status), ..ALL }).await.listing.total
    }
}

#[tokio::test]
async fn document_is_one_job_and_its_rows_end_with_it() {
    let bench = bench();
    let fresh = bench.accept_batch(merged(3, true)).await;
    assert_eq!(fresh.counts, RowCounts { scheduled: 3, error: 1, ..RowCounts::default() });
    assert_eq!((fresh.status, &fresh.document), (Status::Scheduled, &None));
    let fetched = bench.take().await;
    assert_eq!(fetched.work, Work::Document { batch: fresh.id.clone(), rows: 4 });
    assert!(matches!(bench.store.fetch(FetchFilter::ALL).await, Ok(Fetched::Empty(None))), "rows are not handed out");
    let begun = bench.batch(&fresh.id).await;
    assert_eq!((begun.status, begun.rate), (Status::Progress, None));
    assert_eq!(begun.counts, RowCounts { progress: 3, error: 1, ..RowCounts::default() });
    assert_eq!(bench.of_status(&fresh.id, Status::Progress).await, 3);
    assert_eq!(bench.of_status(&fresh.id, Status::Scheduled).await, 0);
    assert_eq!(bench.statuses(&fresh.id).await[0].1, Status::Progress);
    let counts = bench.store.counts().await.expect("a store");
    assert_eq!((counts.rows_progress, counts.rows_scheduled, counts.progress), (1, 2, 0));

    bench.pass(Duration::from_secs(4));
    bench.store.progress(&fetched.attempt_id, 25.0).await.expect("a store");
    let half = bench.batch(&fresh.id).await;
    assert_eq!((half.rate, half.time_left), (Some(0.25), Some(12.0)), "one of four rows in 4 s");

    bench.end(&fetched, done(), vec![pages(1, 1), no_picture(2), pages(3, 3)]).await;
    let whole = bench.batch(&fresh.id).await;
    assert_eq!((whole.status, whole.rate), (Status::Done, None));
    assert_eq!(whole.counts, RowCounts { done: 2, error: 2, ..RowCounts::default() });
    let document = Document {
        name: "all.pdf".into(),
        url: "http://here/files/a.png".into(),
        bytes: 3,
        sha256: "07".repeat(32),
        pages: 4,
        fingerprint: "f1".into(),
        file: fetched.file.clone(),
        link_base: "http://here".into(),
    };
    assert_eq!(whole.document, Some(document));
    let received = bench.received().await;
    assert_eq!((received.len(), received[0].0), (1, "batch.completed"));
    assert_eq!(received[0].1, serde_json::to_value(&whole).expect("JSON"));
    assert_eq!(
        received[0].1["document"].as_object().map(|it| it.len()),
        Some(6),
        "names inside the service are not part of it"
    );

    let found = bench.items(&fresh.id, ALL).await;
    let places: Vec<_> = found.listing.items.iter().map(|it| (it.first_page, it.page_count, it.bytes)).collect();
    assert_eq!(
        places,
        [(Some(1), Some(2), Some(3)), (None, None, None), (Some(3), Some(2), Some(3)), (None, None, None)]
    );
    assert_eq!([&found.files[0], &found.files[2]], [&fetched.file, &fetched.file]);
    assert_eq!(found.listing.items[0].timings["paint"], 1.5);
    let errors: Vec<_> = bench.statuses(&fresh.id).await.into_iter().map(|it| it.2).collect();
    assert_eq!(errors, ["", "no picture", "", "row 1: a: is broken"]);
    assert!(bench.store.expiry(&fetched.attempt_id.job, &fetched.file).await.expect("a store").is_some());
}

#[tokio::test]
async fn document_that_fails_takes_its_rows_along() {
    let bench = bench();
    let id = bench.accept_batch(merged(3, true)).await.id;
    let fetched = bench.take().await;
    bench.end(&fetched, Outcome::Error("no ink".into()), vec![pages(1, 1), no_picture(2)]).await;
    let errors: Vec<_> = bench.statuses(&id).await.into_iter().map(|it| it.2).collect();
    assert_eq!(errors, ["no ink", "no picture", "no ink", "row 1: a: is broken"]);
    let whole = bench.batch(&id).await;
    assert_eq!((whole.status, whole.counts.error, whole.document), (Status::Done, 4, None));
    assert_eq!(bench.store.trash(9).await.expect("a store"), [fetched.file]);
}

#[tokio::test]
async fn document_of_no_readable_row_is_none() {
    let bench = bench();
    let whole = bench.accept_batch(merged(0, true)).await;
    assert_eq!((whole.status, whole.counts.error, whole.document), (Status::Done, 1, None));
    assert!(matches!(bench.store.fetch(FetchFilter::ALL).await, Ok(Fetched::Empty(None))));
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &whole.id).await.expect("a store"), Some(0));
}

#[tokio::test]
async fn document_is_made_anew_of_all_rows() {
    let bench = bench();
    let id = bench.accept_batch(merged(2, true)).await.id;
    let first = bench.take().await;
    bench.end(&first, done(), vec![pages(1, 1), no_picture(2)]).await;
    assert_eq!(
        bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"),
        Some(2),
        "the good one waits too"
    );
    let waiting = bench.batch(&id).await;
    assert_eq!((waiting.status, &waiting.document), (Status::Scheduled, &None));
    assert_eq!(waiting.counts, RowCounts { scheduled: 2, error: 1, ..RowCounts::default() });
    assert_eq!((waiting.completed_at, waiting.expires_at), (None, None));
    let items = bench.items(&id, ALL).await.listing.items;
    assert_eq!((items[0].first_page, items[0].bytes, &*items[1].error), (None, None, ""));
    assert_eq!(bench.store.trash(9).await.expect("a store"), std::slice::from_ref(&first.file));

    let again = bench.take().await;
    assert_eq!((&again.attempt_id.job, again.attempt_id.number), (&first.attempt_id.job, 2));
    assert_ne!(again.file, first.file);
    let values = bench.store.row_values(&id, 0, 9).await.expect("a store").expect("a batch");
    assert_eq!(values.len(), 3);
    assert_eq!(values[0], RowInput { row: 1, values: Ok("{\"variables\":{\"n\":1}}".into()) });
    assert!(values[2].values.as_ref().is_err_and(|it| it.error.contains("is broken")));
    assert_eq!(bench.store.row_values(&id, 1, 1).await.expect("a store").map(|it| it[0].row), Some(2));
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"), Some(0), "it is being made");
    bench.end(&again, done(), vec![pages(1, 1), pages(2, 3)]).await;
    let whole = bench.batch(&id).await;
    assert_eq!((whole.counts.done, whole.document.map(|it| (it.pages, it.file))), (2, Some((4, again.file))));
    bench.pass(Duration::from_secs(2));
    for end in ["first", "second"] {
        let due = bench.store.due_deliveries(ROOM, Duration::from_secs(1)).await.expect("a store").0;
        assert_eq!(due.len(), 1, "once for each time that it completes, in their order: the {end}");
        let received = DeliveryAttempt { answer: Some(200), error: String::new(), next: NextAction::Delivered };
        bench.store.add_attempt(&due[0], received).await.expect("a store");
    }
    assert!(bench.received().await.is_empty());
}

#[tokio::test]
async fn document_survives_the_death_of_the_process_and_then_is_given_up() {
    let mut bench = bench();
    let id = bench.accept_batch(merged(2, false)).await.id;
    for attempt in 1..=3 {
        let fetched = bench.take().await;
        assert_eq!(fetched.attempt_id.number, attempt);
        bench.store.progress(&fetched.attempt_id, 50.0).await.expect("a store");
        bench.restart();
        if attempt < 3 {
            let waiting = bench.batch(&id).await;
            assert_eq!((waiting.counts.scheduled, waiting.rate), (2, None));
            let due = fetched.created_at.plus(Duration::from_secs(10 * u64::from(attempt - 1) + u64::from(attempt)));
            assert!(matches!(bench.store.fetch(FetchFilter::ALL).await, Ok(Fetched::Empty(Some(at))) if at == due));
            bench.pass(Duration::from_secs(10));
            assert!(matches!(bench.store.fetch(NOT_ALONE).await, Ok(Fetched::RunAlone)));
        }
    }
    let whole = bench.batch(&id).await;
    assert_eq!((whole.status, whole.counts.error), (Status::Done, 2));
    for (_, _, error) in bench.statuses(&id).await {
        assert!(error.contains("TENTER_JOB_ATTEMPTS"), "{error}");
    }
    assert_eq!(bench.received().await.len(), 1);
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"), Some(2));
    assert_eq!(bench.take().await.attempt_id.number, 4);
}

#[tokio::test]
async fn document_takes_turns_as_a_row() {
    let bench = bench();
    let document = bench.accept_batch(merged(9, false)).await.id;
    let rows = bench.accept_batch(new_batch("", 2)).await.id;
    bench.accept(new_job("")).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        let fetched = bench.take().await;
        order.push(match fetched.work {
            Work::Job(_) => "job",
            Work::Document { batch, .. } if batch == document => "document",
            Work::Row { batch, .. } if batch == rows => "row",
            other => panic!("{other:?}"),
        });
        bench.pass(Duration::from_millis(1));
    }
    assert_eq!(order, ["job", "document", "row", "row"]);
}

#[tokio::test]
async fn removed_document_leaves_its_file_to_the_trash() {
    let bench = bench();
    let id = bench.accept_batch(merged(2, false)).await.id;
    let fetched = bench.take().await;
    assert!(bench.store.remove_batch(&Owner::from(""), &id).await.expect("a store"));
    assert_eq!(bench.store.row_values(&id, 0, 9).await.expect("a store"), None);
    assert_eq!(bench.store.expire().await.expect("a store"), 0, "cleared away, and not expired");
    assert!(!bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store"));
    bench.pass(Duration::from_secs(200));
    let mut trash = bench.store.trash(9).await.expect("a store");
    let mut expected = [fetched.file, format!("{id}.pins")];
    trash.sort();
    expected.sort();
    assert_eq!(trash, expected);
    assert_eq!(bench.store.counts().await.expect("a store"), Counts::default());
}

#[tokio::test]
async fn document_expires_with_its_batch() {
    let bench = bench();
    let id = bench.accept_batch(merged(1, false)).await.id;
    let fetched = bench.take().await;
    bench.end(&fetched, done(), vec![pages(1, 1)]).await;
    bench.pass(JobSettings::default().lifetime);
    assert!(bench.store.batch(&Owner::from(""), &id).await.expect("a store").is_none());
    assert!(bench.store.expiry(&fetched.attempt_id.job, &fetched.file).await.expect("a store").is_none());
    assert_eq!(bench.store.expire().await.expect("a store"), 1);
    assert!(bench.store.trash(9).await.expect("a store").contains(&fetched.file));
}
