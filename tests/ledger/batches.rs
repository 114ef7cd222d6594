//! Batches, and their rows.

use std::time::Duration;

use tenter::hash::ContentHash;
use tenter::jobs::{
    AttemptReport, BatchId, BatchSubmitOutcome, FetchedJob, Idempotency, Item, ItemQuery, NewBatch, NewJob, Owner,
    PinnedAsset, RowCounts, Status, SubmitOutcome, Work,
};

use crate::{Bench, Engine, cases, done, failed, new_batch, new_job, until};

cases![
    batch_goes_from_scheduled_over_progress_to_done,
    rows_are_handed_out_in_their_order,
    rows_are_no_jobs,
    batch_is_its_owners_only,
    items_are_paged_and_chosen_by_status,
    row_that_cannot_be_read_ends_without_being_begun,
    batch_without_a_readable_row_is_over,
    batch_with_the_same_key_is_the_same_batch,
    batch_is_bounded_by_its_rows,
    batch_counts_as_a_job_of_its_owner,
    retry_begins_failed_rows_again_under_other_names,
    retry_of_nothing_does_nothing,
    removed_batch_is_gone_with_its_rows,
    batch_expires_as_a_whole,
    rows_survive_the_death_of_their_worker,
    pin_of_the_first_stands,
    template_and_values_are_read_by_workers,
    single_jobs_go_before_rows,
];

pub(crate) const ALL: ItemQuery = ItemQuery { status: None, after_row: 0, offset: 0, limit: 100 };

pub(crate) fn number(fetched: &FetchedJob) -> u64 {
    match &fetched.work {
        Work::Row { row, .. } => *row,
        Work::Job(_) | Work::Document { .. } => panic!("no row"),
    }
}

async fn items(bench: &Bench, id: &BatchId, which: ItemQuery) -> Vec<Item> {
    bench.service.items(&Owner::from(""), id, which).await.expect("a ledger").expect("a batch").listing.items
}

async fn batch_goes_from_scheduled_over_progress_to_done(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let fresh = bench.accept_batch(new_batch("", 2, 0)).await;
    assert_eq!((fresh.status, fresh.rows, fresh.rate), (Status::Scheduled, 2, None));
    assert_eq!((fresh.counts.scheduled, fresh.design_sha256), (2, "03".repeat(32)));
    let first = bench.take().await;
    let row = number(&first);
    let values = format!("{{\"variables\":{{\"n\":{row}}}}}").into();
    assert_eq!(first.work, Work::Row { batch: fresh.id.clone(), row, values });
    let begun = bench.batch(&fresh.id).await;
    assert_eq!((begun.status, begun.counts.progress), (Status::Progress, 1));
    let report = AttemptReport { timings: vec![("paint", 1.5)], ..AttemptReport::default() };
    assert!(bench.service.finish(&first.attempt_id, done(), report).await.expect("a ledger"));
    let second = bench.take().await;
    assert!(bench.finish(&second, failed()).await);
    let whole = bench.completed(&fresh.id).await;
    assert_eq!((whole.status, whole.rate), (Status::Done, None), "a failed row ends no batch in an error");
    assert_eq!(whole.counts, RowCounts { done: 1, error: 1, ..RowCounts::default() });
    assert!(whole.expires_at.is_some() && whole.started_at.is_some());
    let items = items(&bench, &fresh.id, ALL).await;
    let of = |fetched: &FetchedJob| items.iter().find(|it| it.row == number(fetched)).expect("an item");
    let (made, missing) = (of(&first), of(&second));
    assert_eq!((made.status, made.bytes, made.timings["paint"]), (Status::Done, Some(3), 1.5));
    assert_eq!(made.sha256.as_deref(), Some(&*"07".repeat(32)));
    assert_eq!((missing.status, &*missing.error), (Status::Error, "no picture"));
}

/// In a cluster rows are enqueued a few at a time, in any order among these.
async fn rows_are_handed_out_in_their_order(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    bench.accept_batch(new_batch("", 5, 0)).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(number(&bench.take().await));
    }
    if engine != Engine::Embedded {
        order.sort_unstable();
    }
    assert_eq!(order, [1, 2, 3, 4, 5]);
}

async fn rows_are_no_jobs(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    bench.accept_batch(new_batch("", 1, 0)).await;
    let fetched = bench.take().await;
    assert_eq!(bench.service.get(&Owner::from(""), &fetched.attempt_id.job).await.expect("a ledger"), None);
    assert_eq!(bench.service.list(&Owner::from(""), 0, 9).await.expect("a ledger").total, 0);
    assert!(!bench.service.remove(&Owner::from(""), &fetched.attempt_id.job).await.expect("a ledger"));
}

async fn batch_is_its_owners_only(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("a", 1, 0)).await.id;
    let other = Owner::from("b");
    assert!(bench.service.batch(&other, &id).await.expect("a ledger").is_none());
    assert!(bench.service.items(&other, &id, ALL).await.expect("a ledger").is_none());
    assert_eq!(bench.service.retry_rows(&other, &id).await.expect("a ledger"), None);
    assert!(!bench.service.remove_batch(&other, &id).await.expect("a ledger"));
    assert_eq!(bench.service.batches(&other, 0, 9).await.expect("a ledger").total, 0);
    let listed = bench.service.batches(&Owner::from("a"), 0, 9).await.expect("a ledger");
    assert_eq!(listed.batches.iter().map(|it| &it.id).collect::<Vec<_>>(), [&id]);
}

async fn items_are_paged_and_chosen_by_status(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 5, 0)).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, done()).await;
    let numbers = async |which| items(&bench, &id, which).await.iter().map(|it| it.row).collect::<Vec<_>>();
    assert_eq!(numbers(ItemQuery { limit: 2, ..ALL }).await, [1, 2]);
    assert_eq!(numbers(ItemQuery { offset: 3, ..ALL }).await, [4, 5]);
    assert_eq!(numbers(ItemQuery { after_row: 4, ..ALL }).await, [5]);
    let ended = number(&fetched);
    assert_eq!(numbers(ItemQuery { status: Some(Status::Done), ..ALL }).await, [ended]);
    let waiting: Vec<_> = (1..=5).filter(|it| *it != ended).collect();
    let of_waiting = ItemQuery { status: Some(Status::Scheduled), offset: 1, limit: 2, ..ALL };
    assert_eq!(numbers(of_waiting).await, waiting[1..3]);
}

async fn row_that_cannot_be_read_ends_without_being_begun(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 1, 1)).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, failed()).await;
    let whole = bench.completed(&id).await;
    assert_eq!(whole.counts, RowCounts { error: 2, ..RowCounts::default() });
    let items = items(&bench, &id, ALL).await;
    assert_eq!(&*items[1].error, "row 2: is broken");
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(1), "and not the second");
}

async fn batch_without_a_readable_row_is_over(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 0, 2)).await.id;
    assert_eq!(bench.completed(&id).await.counts.error, 2);
    assert!(bench.takes_nothing().await);
}

async fn batch_with_the_same_key_is_the_same_batch(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let key = |digest| Some(Idempotency { key: "k".into(), hash: ContentHash::from_bytes([digest; 32]) });
    let with_key = |digest| NewBatch { idempotency: key(digest), ..new_batch("", 1, 0) };
    let first = bench.accept_batch(with_key(1)).await.id;
    let again = bench.service.accept_batch(with_key(1)).await.expect("a ledger");
    assert!(matches!(again, BatchSubmitOutcome::Replayed(batch) if batch.id == first));
    assert!(matches!(bench.service.accept_batch(with_key(2)).await, Ok(BatchSubmitOutcome::KeyReused)));
    let job = NewJob { idempotency: key(2), ..new_job("") };
    assert!(matches!(bench.service.accept(job).await, Ok(SubmitOutcome::New(_))), "jobs have keys of their own");
}

async fn batch_is_bounded_by_its_rows(engine: Engine) {
    let limited = Bench::with(engine, |settings| {
        settings.batches.queue = 6;
        settings.server.key_limits.rows = 4;
    });
    let Some(bench) = limited.await else { return };
    let accept = async |name: &str, rows| bench.service.accept_batch(new_batch(name, rows, 0)).await.expect("a ledger");
    assert!(matches!(accept("a", 7).await, BatchSubmitOutcome::QueueFull));
    assert!(matches!(accept("a", 5).await, BatchSubmitOutcome::RowsFull));
    assert!(matches!(accept("a", 4).await, BatchSubmitOutcome::New(_)));
    assert!(matches!(accept("b", 3).await, BatchSubmitOutcome::QueueFull));
    assert!(matches!(accept("b", 2).await, BatchSubmitOutcome::New(_)));
}

async fn batch_counts_as_a_job_of_its_owner(engine: Engine) {
    let Some(bench) = Bench::with(engine, |settings| settings.server.key_limits.jobs = 1).await else { return };
    bench.accept_batch(new_batch("a", 1, 0)).await;
    assert!(matches!(bench.service.accept_batch(new_batch("a", 1, 0)).await, Ok(BatchSubmitOutcome::OwnerFull)));
    assert!(matches!(bench.service.accept(new_job("a")).await, Ok(SubmitOutcome::OwnerFull)));
    assert!(matches!(bench.service.accept(new_job("b")).await, Ok(SubmitOutcome::New(_))));
}

async fn retry_begins_failed_rows_again_under_other_names(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 2, 0)).await.id;
    let failing = bench.take().await;
    bench.finish(&failing, failed()).await;
    bench.finish(&bench.take().await, done()).await;
    bench.completed(&id).await;
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(1));
    let waiting = bench.batch(&id).await;
    assert_eq!((waiting.status, waiting.counts.scheduled, waiting.counts.done), (Status::Scheduled, 1, 1));
    assert_eq!((waiting.completed_at, waiting.expires_at), (None, None));
    let again = bench.take().await;
    assert_eq!((&again.attempt_id.job, &again.work), (&failing.attempt_id.job, &failing.work));
    assert_ne!(again.file, failing.file, "the old name is in the trash");
    assert!(!bench.finish(&failing, done()).await, "nothing counts from before");
    assert!(bench.finish(&again, done()).await);
    assert_eq!(bench.completed(&id).await.counts.done, 2);
}

async fn retry_of_nothing_does_nothing(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 1, 0)).await.id;
    bench.finish(&bench.take().await, done()).await;
    let whole = bench.completed(&id).await;
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(0));
    assert_eq!(bench.batch(&id).await, whole);
}

async fn removed_batch_is_gone_with_its_rows(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 3, 0)).await.id;
    let finished = bench.take().await;
    bench.finish(&finished, done()).await;
    assert!(bench.service.remove_batch(&Owner::from(""), &id).await.expect("a ledger"));
    assert!(bench.service.batch(&Owner::from(""), &id).await.expect("a ledger").is_none());
    assert!(!bench.service.remove_batch(&Owner::from(""), &id).await.expect("a ledger"), "once");
    assert_eq!(bench.service.template(&id).await.expect("a ledger"), None);
    until("what waited is not begun", async || bench.takes_nothing().await.then_some(())).await;
    until("it is cleared away", async || {
        assert_eq!(bench.service.expire().await.expect("a ledger"), 0, "its time was not over");
        bench.service.trash(9).await.expect("a ledger").contains(&finished.file).then_some(())
    })
    .await;
    let counts = bench.service.counts().await.expect("a ledger");
    assert_eq!((counts.rows_scheduled, counts.rows_progress), (0, 0));
}

async fn batch_expires_as_a_whole(engine: Engine) {
    let short = Duration::from_millis(300);
    let Some(bench) = Bench::with(engine, |settings| settings.jobs.lifetime = short).await else { return };
    let id = bench.accept_batch(new_batch("", 1, 0)).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, done()).await;
    until("it is over", async || {
        bench.service.batch(&Owner::from(""), &id).await.expect("a ledger").is_none().then_some(())
    })
    .await;
    until("it is swept", async || (bench.service.expire().await.expect("a ledger") == 1).then_some(())).await;
    let mut trash = bench.service.trash(9).await.expect("a ledger");
    let mut expected = [fetched.file, format!("{id}.pins")];
    trash.sort();
    expected.sort();
    assert_eq!(trash, expected);
}

async fn rows_survive_the_death_of_their_worker(engine: Engine) {
    let Some(mut bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 1, 0)).await.id;
    let lost = bench.take().await;
    bench.restart(engine).await;
    let again = bench.take().await;
    assert_eq!((&again.attempt_id.job, again.attempt_id.number, &again.work), (&lost.attempt_id.job, 2, &lost.work));
    assert!(bench.finish(&again, done()).await);
    assert_eq!(bench.completed(&id).await.counts.done, 1);
}

async fn pin_of_the_first_stands(engine: Engine) {
    let Some(mut bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 1, 0)).await.id;
    let pin = |digest| PinnedAsset { key: "image u".into(), hash: ContentHash::from_bytes([digest; 32]) };
    assert_eq!(bench.service.asset_hash(&id, "image u").await.expect("a ledger"), None);
    assert_eq!(
        bench.service.put_asset_hash(&id, pin(1)).await.expect("a ledger"),
        Some(ContentHash::from_bytes([1; 32]))
    );
    assert_eq!(
        bench.service.put_asset_hash(&id, pin(2)).await.expect("a ledger"),
        Some(ContentHash::from_bytes([1; 32]))
    );
    bench.restart(engine).await;
    assert_eq!(
        bench.service.asset_hash(&id, "image u").await.expect("a ledger"),
        Some(ContentHash::from_bytes([1; 32]))
    );
    bench.service.remove_batch(&Owner::from(""), &id).await.expect("a ledger");
    assert_eq!(bench.service.put_asset_hash(&id, pin(1)).await.expect("a ledger"), None);
}

async fn template_and_values_are_read_by_workers(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(new_batch("", 2, 1)).await.id;
    let template = bench.service.template(&id).await.expect("a ledger").expect("a batch");
    assert_eq!((&template.body[..], template.design_hash), (&b"{\"design\":{}}"[..], ContentHash::from_bytes([3; 32])));
    let rows = bench.service.row_values(&id, 0, 9).await.expect("a ledger").expect("a batch");
    assert_eq!(
        rows.iter().map(|it| (it.row, it.values.is_ok())).collect::<Vec<_>>(),
        [(1, true), (2, true), (3, false)]
    );
    let rest = bench.service.row_values(&id, 1, 1).await.expect("a ledger").expect("a batch");
    assert_eq!(rest.iter().map(|it| it.row).collect::<Vec<_>>(), [2]);
}

async fn single_jobs_go_before_rows(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    bench.accept_batch(new_batch("", 3, 0)).await;
    let first = bench.take().await;
    bench.finish(&first, done()).await;
    let job = bench.accept(new_job("")).await.id;
    assert_eq!(bench.take().await.attempt_id.job, job);
}
