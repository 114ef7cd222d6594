//! Batches that become one document.

use tenter::jobs::{
    AttemptReport, BatchId, FetchFilter, Fetched, FetchedJob, ItemQuery, NewBatch, Outcome, Owner, RowCounts, RowError,
    RowOutcome, RowPages, Status, Work,
};

use crate::batches::ALL;
use crate::{Bench, Engine, cases, done, new_batch, until};

cases![
    document_is_one_job_and_its_rows_end_with_it,
    rows_of_a_document_are_in_progress_while_it_is_made,
    document_that_fails_takes_its_rows_along,
    document_of_no_readable_row_is_none,
    document_is_made_anew_of_all_rows,
    document_survives_the_death_of_its_worker,
    document_that_cannot_be_begun_keeps_its_status_and_holds_up_no_other_work,
];

fn merged(rows: u64, bad: u64) -> NewBatch {
    NewBatch { document: Some("all.pdf".into()), format: "pdf", extension: "pdf", ..new_batch("", rows, bad) }
}

fn pages(row: u64, first_page: u64) -> RowOutcome {
    let pages = RowPages { first_page, page_count: 2, warnings: Vec::new(), timings: vec![("paint", 1.5)] };
    RowOutcome { row, result: Ok(pages) }
}

fn no_picture(row: u64) -> RowOutcome {
    RowOutcome { row, result: Err(RowError { error: "no picture".into(), problems: Vec::new() }) }
}

async fn end(bench: &Bench, fetched: &FetchedJob, outcome: Outcome, rows: Vec<RowOutcome>) {
    let report = AttemptReport { rows, ..AttemptReport::default() };
    assert!(bench.service.finish(&fetched.attempt_id, outcome, report).await.expect("a ledger"));
}

async fn errors(bench: &Bench, id: &BatchId) -> Vec<String> {
    let found = bench.service.items(&Owner::from(""), id, ALL).await.expect("a ledger").expect("a batch");
    found.listing.items.into_iter().map(|it| it.error).collect()
}

async fn document_is_one_job_and_its_rows_end_with_it(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let fresh = bench.accept_batch(merged(3, 1)).await;
    assert_eq!(fresh.counts, RowCounts { scheduled: 3, error: 1, ..RowCounts::default() });
    let fetched = bench.take().await;
    assert_eq!(fetched.work, Work::Document { batch: fresh.id.clone(), rows: 4 });
    assert!(bench.takes_nothing().await, "rows are not handed out");
    end(&bench, &fetched, done(), vec![pages(1, 1), no_picture(2), pages(3, 3)]).await;
    let whole = bench.completed(&fresh.id).await;
    assert_eq!(whole.counts, RowCounts { done: 2, error: 2, ..RowCounts::default() });
    let document = whole.document.expect("a document");
    assert_eq!((document.name.as_str(), document.pages, document.bytes), ("all.pdf", 4, 3));
    assert_eq!((&document.file, document.url.as_str()), (&fetched.file, "http://here/files/a.png"));
    let found = bench.service.items(&Owner::from(""), &fresh.id, ALL).await.expect("a ledger").expect("a batch");
    let places: Vec<_> = found.listing.items.iter().map(|it| (it.first_page, it.page_count)).collect();
    assert_eq!(places, [(Some(1), Some(2)), (None, None), (Some(3), Some(2)), (None, None)]);
    assert_eq!(errors(&bench, &fresh.id).await, ["", "no picture", "", "row 4: is broken"]);
}

async fn rows_of_a_document_are_in_progress_while_it_is_made(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(3, 1)).await.id;
    let fetched = bench.take().await;
    bench.service.progress(&fetched.attempt_id, 25.0).await.expect("a ledger");
    let begun = bench.batch(&id).await;
    assert_eq!(
        (begun.status, begun.counts),
        (Status::Progress, RowCounts { progress: 3, error: 1, ..RowCounts::default() })
    );
    assert!(begun.rate.is_some_and(|it| it > 0.0));
    let of = async |status| {
        let which = ItemQuery { status: Some(status), ..ALL };
        bench.service.items(&Owner::from(""), &id, which).await.expect("a ledger").expect("a batch").listing.total
    };
    assert_eq!((of(Status::Progress).await, of(Status::Scheduled).await, of(Status::Error).await), (3, 0, 1));
}

async fn document_that_fails_takes_its_rows_along(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(3, 1)).await.id;
    let fetched = bench.take().await;
    end(&bench, &fetched, Outcome::Error("no ink".into()), vec![pages(1, 1), no_picture(2)]).await;
    assert_eq!(errors(&bench, &id).await, ["no ink", "no picture", "no ink", "row 4: is broken"]);
    let whole = bench.completed(&id).await;
    assert_eq!((whole.status, whole.counts.error, whole.document), (Status::Done, 4, None));
}

async fn document_of_no_readable_row_is_none(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(0, 1)).await.id;
    let whole = bench.completed(&id).await;
    assert_eq!((whole.counts.error, whole.document), (1, None));
    assert!(bench.takes_nothing().await);
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(0));
}

async fn document_is_made_anew_of_all_rows(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(2, 1)).await.id;
    let first = bench.take().await;
    end(&bench, &first, done(), vec![pages(1, 1), no_picture(2)]).await;
    bench.completed(&id).await;
    assert_eq!(
        bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"),
        Some(2),
        "the good one waits too"
    );
    let waiting = bench.batch(&id).await;
    assert_eq!((waiting.status, &waiting.document), (Status::Scheduled, &None));
    assert_eq!(waiting.counts, RowCounts { scheduled: 2, error: 1, ..RowCounts::default() });
    assert_eq!(errors(&bench, &id).await, ["", "", "row 3: is broken"]);
    assert_eq!(bench.service.trash(9).await.expect("a ledger"), std::slice::from_ref(&first.file));
    let again = bench.take().await;
    assert_eq!(again.attempt_id.job, first.attempt_id.job);
    assert_ne!(again.file, first.file);
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(0), "it is being made");
    end(&bench, &again, done(), vec![pages(1, 1), pages(2, 3)]).await;
    let whole = bench.completed(&id).await;
    assert_eq!((whole.counts.done, whole.document.map(|it| (it.pages, it.file))), (2, Some((4, again.file))));
}

async fn document_survives_the_death_of_its_worker(engine: Engine) {
    let Some(mut bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(1, 0)).await.id;
    let lost = bench.take().await;
    bench.restart(engine).await;
    let again = bench.take().await;
    assert_eq!((&again.attempt_id.job, again.attempt_id.number), (&lost.attempt_id.job, 2));
    end(&bench, &again, done(), vec![pages(1, 1)]).await;
    assert_eq!(bench.completed(&id).await.counts.done, 1);
}

async fn document_that_cannot_be_begun_keeps_its_status_and_holds_up_no_other_work(engine: Engine) {
    const NO_DOCUMENTS: FetchFilter = FetchFilter { documents: false, ..FetchFilter::ALL };
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(merged(2, 0)).await.id;
    let behind = bench.accept_batch(new_batch("", 1, 0)).await.id;
    let fetched = until("the row of the other batch is due", async || {
        match bench.service.fetch(NO_DOCUMENTS).await.expect("a ledger") {
            Fetched::Job(fetched) => Some(fetched),
            Fetched::Empty(None) => None,
            // When only the document is due, another look finds nothing at any known time.
            next @ (Fetched::Empty(Some(_)) | Fetched::RunAlone) => panic!("{next:?}"),
        }
    })
    .await;
    assert!(matches!(&fetched.work, Work::Row { batch, .. } if *batch == behind), "{:?}", fetched.work);
    assert!(matches!(bench.service.fetch(NO_DOCUMENTS).await.expect("a ledger"), Fetched::Empty(None)));
    let waiting = bench.batch(&id).await;
    assert_eq!((waiting.status, waiting.counts.scheduled), (Status::Scheduled, 2));
    let begun = bench.take().await;
    assert_eq!((begun.work, begun.attempt_id.number), (Work::Document { batch: id, rows: 2 }, 1));
}
