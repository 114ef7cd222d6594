//! Batches and their rows.

use super::*;
use crate::hash::ContentHash;
use crate::jobs::batch::{Batch, Item, RowCounts};
use crate::jobs::store::{
    BatchSubmitOutcome, Delivery, DeliveryListing, DeliveryQuery, ItemPage, ItemQuery, NewBatch, NewRow, PinnedAsset,
    RowError,
};
use crate::report::Problem;

const EVERY: DeliveryQuery = DeliveryQuery { status: None, offset: 0, limit: 100 };
pub(super) const ALL: ItemQuery = ItemQuery { status: None, after_row: 0, offset: 0, limit: 100 };

fn row(number: u64) -> NewRow {
    NewRow { name: format!("{number}.png"), values: Ok(format!("{{\"variables\":{{\"n\":{number}}}}}").into()) }
}

pub(super) fn failed_row() -> NewRow {
    let problems = vec![Problem { path: "a".into(), message: "is broken".into() }];
    NewRow { name: "bad.png".into(), values: Err(RowError { error: "row 1: a: is broken".into(), problems }) }
}

pub(super) fn new_batch(owner: &str, rows: u64) -> NewBatch {
    NewBatch { owner: owner.into(), ..NewBatch::sample((1..=rows).map(row).collect()) }
}

fn failed() -> Outcome {
    Outcome::Error("no picture".into())
}

impl Bench {
    pub(super) async fn accept_batch(&self, batch: NewBatch) -> Batch {
        match self.store.accept_batch(batch).await.expect("a store") {
            BatchSubmitOutcome::New(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn batch(&self, id: &BatchId) -> Batch {
        self.store.batch(&Owner::from(""), id).await.expect("a store").expect("a batch")
    }

    pub(super) async fn items(&self, id: &BatchId, which: ItemQuery) -> ItemPage {
        self.store.items(&Owner::from(""), id, which).await.expect("a store").expect("a batch")
    }

    async fn finish(&self, fetched: &FetchedJob, outcome: Outcome) {
        assert!(self.store.finish(&fetched.attempt_id, outcome, AttemptReport::default()).await.expect("a store"));
    }

    async fn deliveries(&self, id: &BatchId, which: DeliveryQuery) -> DeliveryListing {
        self.store.batch_deliveries(&Owner::from(""), id, which).await.expect("a store").expect("a batch")
    }

    /// Events in the outbox, and what they carry.
    pub(super) async fn received(&self) -> Vec<(&'static str, serde_json::Value)> {
        let due = self.store.due_deliveries(ROOM, Duration::from_secs(1)).await.expect("a store").0;
        due.into_iter().map(|it| (it.event, serde_json::from_str(&it.body).expect("JSON"))).collect()
    }
}

fn number(fetched: &FetchedJob) -> u64 {
    match &fetched.work {
        Work::Row { row, .. } => *row,
        Work::Job(_) | Work::Document { .. } => panic!("no row"),
    }
}

#[tokio::test]
async fn batch_goes_from_scheduled_over_progress_to_done() {
    let bench = bench();
    let fresh = bench.accept_batch(new_batch("", 2)).await;
    assert_eq!((fresh.status, fresh.rows, fresh.counts.scheduled, fresh.rate), (Status::Scheduled, 2, 2, None));
    assert_eq!(fresh.design_sha256, "03".repeat(32));
    let fetched = bench.take().await;
    let values = Bytes::from_static(b"{\"variables\":{\"n\":1}}");
    assert_eq!(fetched.work, Work::Row { batch: fresh.id.clone(), row: 1, values });
    assert_eq!(bench.batch(&fresh.id).await.counts, RowCounts { scheduled: 1, progress: 1, ..RowCounts::default() });
    bench.pass(Duration::from_secs(4));
    let warning = crate::report::Warning {
        code: crate::report::WarningCode::TextShrunk,
        path: "p".into(),
        element: "e".into(),
        message: "m".into(),
    };
    let report =
        AttemptReport { timings: vec![("paint", 1.5)], warnings: vec![warning.clone()], ..AttemptReport::default() };
    assert!(bench.store.finish(&fetched.attempt_id, done(), report).await.expect("a store"));
    let half = bench.batch(&fresh.id).await;
    assert_eq!((half.status, half.rate, half.time_left), (Status::Progress, Some(0.25), Some(4.0)));
    bench.finish(&bench.take().await, failed()).await;
    let whole = bench.batch(&fresh.id).await;
    assert_eq!((whole.status, whole.rate), (Status::Done, None), "a failed row ends no batch in an error");
    assert_eq!(whole.counts, RowCounts { done: 1, error: 1, ..RowCounts::default() });
    assert!(whole.expires_at.is_some());

    let ItemPage { listing, files, .. } = bench.items(&fresh.id, ALL).await;
    let Item { bytes, sha256, fingerprint, warnings, timings, .. } = &listing.items[0];
    assert_eq!((fingerprint.as_deref(), &listing.items[1].fingerprint), (Some("f1"), &None));
    assert_eq!((*bytes, sha256.as_deref()), (Some(3), Some(&*"07".repeat(32))));
    assert_eq!((&warnings[..], timings["paint"]), (&[warning][..], 1.5));
    assert_eq!(files[0], fetched.file);
    let errors = bench.items(&fresh.id, ItemQuery { status: Some(Status::Error), ..ALL }).await.listing;
    assert_eq!((errors.total, errors.items[0].row, &*errors.items[0].error), (1, 2, "no picture"));
    let second = bench.items(&fresh.id, ItemQuery { after_row: 1, ..ALL }).await.listing;
    assert_eq!(second.items.iter().map(|it| it.row).collect::<Vec<_>>(), [2]);
    assert!(bench.store.expiry(&fetched.attempt_id.job, &fetched.file).await.expect("a store").is_some());
}

#[tokio::test]
async fn rows_are_no_jobs_and_nobody_elses() {
    let bench = bench();
    let id = bench.accept_batch(new_batch("a", 1)).await.id;
    let fetched = bench.take().await;
    for name in ["a", "b"] {
        assert!(bench.store.get(&Owner::from(name), &fetched.attempt_id.job).await.expect("a store").is_none());
        assert_eq!(bench.store.list(&Owner::from(name), 0, 9).await.expect("a store").total, 0);
        assert!(!bench.store.remove(&Owner::from(name), &fetched.attempt_id.job).await.expect("a store"));
    }
    let other = Owner::from("b");
    assert!(bench.store.batch(&other, &id).await.expect("a store").is_none());
    assert!(bench.store.items(&other, &id, ALL).await.expect("a store").is_none());
    assert_eq!(bench.store.retry_rows(&other, &id).await.expect("a store"), None);
    assert!(!bench.store.remove_batch(&other, &id).await.expect("a store"));
    assert_eq!(bench.store.batches(&other, 0, 9).await.expect("a store").total, 0);
    assert_eq!(bench.store.batches(&Owner::from("a"), 0, 9).await.expect("a store").batches[0].id, id);
    let counts = bench.store.counts().await.expect("a store");
    assert_eq!(counts, Counts { rows_progress: 1, ..Counts::default() });
}

/// One worker: whatever is taken is finished before the next.
#[tokio::test]
async fn batch_holds_up_neither_others_nor_single_jobs() {
    let bench = bench();
    let large = bench.accept_batch(new_batch("a", 50)).await.id;
    let small = bench.accept_batch(new_batch("a", 2)).await.id;
    let others = bench.accept_batch(new_batch("b", 2)).await.id;
    let mut order = Vec::new();
    for step in 0..8 {
        if step == 1 {
            bench.accept(new_job("a")).await;
            bench.accept(new_job("b")).await;
        }
        let fetched = bench.take().await;
        order.push(match &fetched.work {
            Work::Job(_) => "job",
            Work::Row { batch, .. } if *batch == large => "large",
            Work::Row { batch, .. } if *batch == small => "small",
            Work::Row { batch, .. } if *batch == others => "others",
            Work::Row { .. } | Work::Document { .. } => panic!("another"),
        });
        bench.pass(Duration::from_millis(1));
        bench.finish(&fetched, done()).await;
    }
    assert_eq!(order, ["large", "job", "job", "small", "others", "large", "small", "others"]);
    // Two workers: an owner without running jobs comes first.
    let first = bench.take().await;
    bench.accept_batch(new_batch("b", 1)).await;
    bench.accept(new_job("a")).await;
    let second = bench.take().await;
    assert_eq!((number(&first), number(&second)), (3, 1));
}

#[tokio::test]
async fn batch_is_bounded_by_rows_and_keys() {
    let keys = KeyLimits { jobs: 1, rows: 5, ..KeyLimits::default() };
    let bench = Bench::new(JobSettings::default(), keys);
    let accept = async |owner, rows| bench.store.accept_batch(new_batch(owner, rows)).await.expect("a store");
    assert!(matches!(accept("a", 6).await, BatchSubmitOutcome::RowsFull));
    assert!(matches!(accept("a", 4).await, BatchSubmitOutcome::New(_)));
    assert!(matches!(accept("a", 2).await, BatchSubmitOutcome::RowsFull));
    assert!(matches!(accept("a", 1).await, BatchSubmitOutcome::OwnerFull), "a batch counts as a job");
    assert!(matches!(bench.store.accept(new_job("a")).await, Ok(SubmitOutcome::OwnerFull)));
    assert!(matches!(bench.store.accept(new_job("b")).await, Ok(SubmitOutcome::New(_))));
    let bench = super::bench();
    let most = BatchSettings::default().queue;
    let refused = bench.store.accept_batch(new_batch("", most + 1)).await.expect("a store");
    assert!(matches!(refused, BatchSubmitOutcome::QueueFull));
    assert_eq!(bench.store.batches(&Owner::from(""), 0, 9).await.expect("a store").total, 0, "nothing of it is left");
}

#[tokio::test]
async fn batch_with_the_same_key_is_the_same_batch() {
    let bench = bench();
    let with_key = |digest| NewBatch {
        idempotency: Some(Idempotency { key: "k".into(), hash: ContentHash::from_bytes([digest; 32]) }),
        ..new_batch("", 1)
    };
    let first = bench.accept_batch(with_key(1)).await;
    let again = bench.store.accept_batch(with_key(1)).await.expect("a store");
    assert!(matches!(again, BatchSubmitOutcome::Replayed(batch) if batch.id == first.id));
    assert!(matches!(bench.store.accept_batch(with_key(2)).await, Ok(BatchSubmitOutcome::KeyReused)));
    let job = NewJob { idempotency: with_key(2).idempotency, ..new_job("") };
    assert!(matches!(bench.store.accept(job).await, Ok(SubmitOutcome::New(_))), "jobs have keys of their own");
}

#[tokio::test]
async fn row_that_cannot_be_read_has_ended_before_it_began() {
    let bench = bench();
    let rows = vec![failed_row(), row(2)];
    let webhook = Some("http://hook.test/".to_owned());
    let batch = NewBatch { rows, webhook: webhook.clone(), webhook_items: true, ..new_batch("", 0) };
    let id = bench.accept_batch(batch).await.id;
    let items = bench.items(&id, ALL).await.listing.items;
    assert_eq!((items[0].status, &*items[0].error), (Status::Error, "row 1: a: is broken"));
    assert_eq!((items[0].problems.len(), items[1].status), (1, Status::Scheduled));
    assert_eq!(bench.received().await[0].0, "item.error");
    bench.finish(&bench.take().await, failed()).await;
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"), Some(1), "and not the first");

    let batch = NewBatch { rows: vec![failed_row()], webhook, ..new_batch("", 0) };
    let whole = bench.accept_batch(batch).await;
    assert_eq!((whole.status, whole.counts.error), (Status::Done, 1));
}

#[tokio::test]
async fn retry_renders_failed_rows_under_new_names() {
    let bench = bench();
    let webhook = Some("http://hook.test/".to_owned());
    let id = bench.accept_batch(NewBatch { webhook, ..new_batch("", 2) }).await.id;
    let failing = bench.take().await;
    bench.finish(&failing, failed()).await;
    bench.finish(&bench.take().await, done()).await;
    let received = bench.received().await;
    assert_eq!(received.len(), 1);
    assert_eq!(
        (received[0].0, &received[0].1),
        ("batch.completed", &serde_json::to_value(bench.batch(&id).await).expect("JSON"))
    );
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"), Some(1));
    let waiting = bench.batch(&id).await;
    assert_eq!((waiting.status, waiting.counts.scheduled, waiting.counts.done), (Status::Scheduled, 1, 1));
    assert_eq!((waiting.completed_at, waiting.expires_at), (None, None));
    let again = bench.take().await;
    assert_eq!((&again.attempt_id.job, again.attempt_id.number), (&failing.attempt_id.job, 2));
    assert_ne!(again.file, failing.file, "the old name is in the trash");
    assert_eq!(bench.store.trash(9).await.expect("a store"), [failing.file]);
    bench.finish(&again, done()).await;
    assert_eq!(bench.batch(&id).await.counts.done, 2);
    let received = bench.deliveries(&id, EVERY).await.deliveries;
    let received: Vec<_> = received.iter().map(|it| (it.row, it.delivery.event, it.delivery.status)).collect();
    assert_eq!(received, [(None, "batch.completed", "pending"); 2], "one for each time that it completes");
    assert_eq!(bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store"), Some(0));
    assert_eq!(bench.batch(&id).await.status, Status::Done, "nothing to do");
}

#[tokio::test]
async fn receiver_of_items_is_told_of_each_end() {
    let bench = bench();
    let webhook = Some("http://hook.test/".to_owned());
    let id = bench.accept_batch(NewBatch { webhook, webhook_items: true, ..new_batch("", 2) }).await.id;
    bench.finish(&bench.take().await, done()).await;
    bench.finish(&bench.take().await, failed()).await;
    let received = bench.received().await;
    assert_eq!(received.iter().map(|it| it.0).collect::<Vec<_>>(), ["item.done", "item.error", "batch.completed"]);
    assert_eq!((&received[0].1["batch"], &received[0].1["row"]), (&id.as_str().into(), &1.into()));
    assert_eq!(received[0].1["url"], "http://here/files/a.png");
}

/// It was away while a row failed and was mended: what comes late would otherwise be the last that it hears.
#[tokio::test]
async fn receiver_hears_of_a_row_and_of_a_batch_in_their_order() {
    let bench = bench();
    let webhook = Some("http://hook.test/".to_owned());
    let id = bench.accept_batch(NewBatch { webhook, webhook_items: true, ..new_batch("", 1) }).await.id;
    let due = async || bench.store.due_deliveries(ROOM, Duration::from_secs(15)).await.expect("a store").0;
    let tried = async |due: Vec<Delivery>, next: NextAction| {
        for delivery in &due {
            let tried = DeliveryAttempt { answer: None, error: String::new(), next };
            bench.store.add_attempt(delivery, tried).await.expect("a store");
        }
        due.iter().map(|it| it.event).collect::<Vec<_>>()
    };
    bench.finish(&bench.take().await, failed()).await;
    let first = tried(due().await, NextAction::RetryAfter(Duration::from_secs(60))).await;
    assert_eq!(first, ["item.error", "batch.completed"]);
    bench.store.retry_rows(&Owner::from(""), &id).await.expect("a store");
    bench.finish(&bench.take().await, done()).await;
    assert_eq!(due().await, [], "the failure is announced first");
    bench.pass(Duration::from_secs(60));
    assert_eq!(tried(due().await, NextAction::Delivered).await, ["item.error", "batch.completed"]);
    assert_eq!(tried(due().await, NextAction::Delivered).await, ["item.done", "batch.completed"]);
    assert_eq!(due().await, []);
}

#[tokio::test]
async fn deliveries_of_a_batch_are_paged_and_begun_again() {
    let bench = bench();
    let webhook = Some("http://hook.test/".to_owned());
    let batch = |owner: &str| NewBatch { webhook: webhook.clone(), webhook_items: true, ..new_batch(owner, 2) };
    let id = bench.accept_batch(batch("")).await.id;
    for _ in 0..2 {
        bench.finish(&bench.take().await, done()).await;
    }
    let other = bench.accept_batch(batch("b")).await.id;
    bench.finish(&bench.take().await, done()).await;
    let due = bench.store.due_deliveries(ROOM, Duration::from_secs(15)).await.expect("a store").0;
    let gone = DeliveryAttempt { answer: Some(410), error: "gone".into(), next: NextAction::Failed };
    bench.store.add_attempt(&due[1], gone).await.expect("a store");

    let all = bench.deliveries(&id, EVERY).await;
    let received: Vec<_> = all.deliveries.iter().map(|it| (it.row, it.delivery.event, it.delivery.status)).collect();
    let expected =
        [(Some(1), "item.done", "pending"), (Some(2), "item.done", "failed"), (None, "batch.completed", "pending")];
    assert_eq!((received, all.total), (expected.to_vec(), 3), "and none of another batch");
    let second = bench.deliveries(&id, DeliveryQuery { offset: 1, limit: 1, ..EVERY }).await;
    assert_eq!((&second.deliveries[..], second.total), (&all.deliveries[1..2], 3));
    let failed = bench.deliveries(&id, DeliveryQuery { status: Some("failed"), ..EVERY }).await;
    assert_eq!((&failed.deliveries[..], failed.total), (&all.deliveries[1..2], 1));

    let delivery = &all.deliveries[1].delivery.id;
    let again = async |name: &str, batch: &BatchId| {
        bench.store.retry_of_batch(&Owner::from(name), batch, delivery).await.expect("a store")
    };
    assert_eq!((again("b", &id).await, again("b", &other).await), (None, None), "another's");
    let begun = again("", &id).await.expect("a delivery");
    assert_eq!((begun.row, begun.delivery.status, begun.delivery.attempts), (Some(2), "pending", 0));
    let due = bench.store.due_deliveries(ROOM, Duration::from_secs(15)).await.expect("a store").0;
    assert_eq!(due.iter().map(|it| &it.id).collect::<Vec<_>>(), [delivery]);
    assert!(bench.store.batch_deliveries(&Owner::from("b"), &id, EVERY).await.expect("a store").is_none());
}

#[tokio::test]
async fn removed_batch_leaves_its_files_to_the_trash() {
    let bench = bench();
    let id = bench.accept_batch(new_batch("", 3)).await.id;
    let finished = bench.take().await;
    bench.finish(&finished, done()).await;
    let under_way = bench.take().await;
    assert!(bench.store.remove_batch(&Owner::from(""), &id).await.expect("a store"));
    assert!(bench.store.batch(&Owner::from(""), &id).await.expect("a store").is_none());
    assert!(
        matches!(bench.store.fetch(FetchFilter::ALL).await.expect("a store"), Fetched::Empty(None)),
        "what waited is not begun"
    );
    assert_eq!(bench.store.expire().await.expect("a store"), 0, "cleared away, and not expired");
    assert!(!bench.store.finish(&under_way.attempt_id, done(), AttemptReport::default()).await.expect("a store"));
    assert_eq!(bench.store.trash(9).await.expect("a store"), std::slice::from_ref(&finished.file));
    bench.pass(Duration::from_secs(200));
    let mut trash = bench.store.trash(9).await.expect("a store");
    let mut expected = vec![finished.file, under_way.file, format!("{id}.pins")];
    trash.sort();
    expected.sort();
    assert_eq!(trash, expected, "what may still be written comes later");
    assert_eq!(bench.store.counts().await.expect("a store"), Counts::default());
}

#[tokio::test]
async fn batch_expires_as_a_whole() {
    let bench = bench();
    let id = bench.accept_batch(new_batch("", 2)).await.id;
    let early = bench.take().await;
    bench.finish(&early, done()).await;
    bench.pass(JobSettings::default().lifetime * 2);
    assert_eq!(bench.store.expire().await.expect("a store"), 0, "rows live as long as their batch");
    assert!(bench.store.expiry(&early.attempt_id.job, &early.file).await.expect("a store").is_some());
    bench.finish(&bench.take().await, done()).await;
    bench.pass(JobSettings::default().lifetime);
    assert!(bench.store.batch(&Owner::from(""), &id).await.expect("a store").is_none(), "before the sweep");
    assert!(bench.store.expiry(&early.attempt_id.job, &early.file).await.expect("a store").is_none());
    assert_eq!(bench.store.expire().await.expect("a store"), 1);
    assert_eq!(bench.store.trash(9).await.expect("a store").len(), 3);
}

#[tokio::test]
async fn rows_survive_the_death_of_the_process() {
    let mut bench = bench();
    let id = bench.accept_batch(new_batch("", 2)).await.id;
    for attempt in 1..=3 {
        let fetched = bench.take().await;
        assert_eq!((number(&fetched), fetched.attempt_id.number), (1, attempt));
        bench.restart();
        if attempt < 3 {
            // While the first rests the second would be next.
            bench.pass(Duration::from_secs(10));
            assert!(matches!(bench.store.fetch(NOT_ALONE).await.expect("a store"), Fetched::RunAlone));
        }
    }
    let items = bench.items(&id, ALL).await.listing.items;
    assert_eq!((items[0].status, items[1].status), (Status::Error, Status::Scheduled));
    assert!(items[0].error.contains("TENTER_JOB_ATTEMPTS"), "{}", items[0].error);
    bench.finish(&bench.take().await, done()).await;
    assert_eq!(bench.batch(&id).await.counts, RowCounts { done: 1, error: 1, ..RowCounts::default() });
}

#[tokio::test]
async fn pin_of_the_first_stands() {
    let mut bench = bench();
    let id = bench.accept_batch(new_batch("", 1)).await.id;
    assert_eq!(bench.store.asset_hash(&id, "image u").await.expect("a store"), None);
    let pin = |digest| PinnedAsset { key: "image u".into(), hash: ContentHash::from_bytes([digest; 32]) };
    assert_eq!(bench.store.put_asset_hash(&id, pin(1)).await.expect("a store"), Some(ContentHash::from_bytes([1; 32])));
    assert_eq!(bench.store.put_asset_hash(&id, pin(2)).await.expect("a store"), Some(ContentHash::from_bytes([1; 32])));
    bench.restart();
    assert_eq!(bench.store.asset_hash(&id, "image u").await.expect("a store"), Some(ContentHash::from_bytes([1; 32])));
    assert_eq!(
        bench.store.template(&id).await.expect("a store").map(|it| it.design_hash),
        Some(ContentHash::from_bytes([3; 32]))
    );
    bench.store.remove_batch(&Owner::from(""), &id).await.expect("a store");
    assert_eq!(bench.store.put_asset_hash(&id, pin(1)).await.expect("a store"), None);
    assert_eq!(bench.store.template(&id).await.expect("a store"), None);
}
