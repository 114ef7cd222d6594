//! What receivers are told.

use std::time::Duration;

use tenter::jobs::{Delivery, DeliveryAttempt, DeliveryCapacity, DeliveryQuery, NewBatch, NewJob, NextAction, Owner};

use crate::batches::number;
use crate::{Bench, Engine, cases, done, failed, new_batch, new_job, until};

cases![
    receiver_hears_of_the_beginning_and_of_the_end,
    end_replaces_a_beginning_that_was_not_told,
    delivery_is_tried_again_after_its_time,
    delivery_that_was_given_up_is_begun_again_on_demand,
    receiver_has_a_bounded_number_of_calls,
    receiver_of_items_hears_of_rows_and_of_the_end,
    receiver_hears_of_a_row_in_the_order_of_its_ends,
    receiver_of_a_batch_hears_of_each_completion,
    deliveries_of_a_batch_are_paged,
];

const ROOM: DeliveryCapacity = DeliveryCapacity { total: 9, per_receiver: 9 };
const LEASE: Duration = Duration::from_secs(15);

fn with_webhook() -> NewJob {
    NewJob { webhook: Some("http://hook.test/".into()), ..new_job("") }
}

/// Waits for the next deliveries.
async fn due(bench: &Bench) -> Vec<Delivery> {
    until("something is to be told", async || {
        Some(bench.service.due_deliveries(ROOM, LEASE).await.expect("a ledger").0).filter(|due| !due.is_empty())
    })
    .await
}

async fn tells(bench: &Bench, delivery: &Delivery) {
    let tried = DeliveryAttempt { answer: Some(200), error: String::new(), next: NextAction::Delivered };
    bench.service.add_attempt(delivery, tried).await.expect("a ledger");
}

async fn statuses(bench: &Bench, job: &tenter::jobs::JobId) -> Vec<(&'static str, &'static str)> {
    let listed = bench.service.deliveries(&Owner::from(""), job).await.expect("a ledger").expect("a job");
    listed.iter().map(|it| (it.event, it.status)).collect()
}

async fn receiver_hears_of_the_beginning_and_of_the_end(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(with_webhook()).await.id;
    let fetched = bench.take().await;
    let first = due(&bench).await;
    assert_eq!(first.iter().map(|it| (it.event, it.attempts)).collect::<Vec<_>>(), [("job.progress", 0)]);
    tells(&bench, &first[0]).await;
    bench.finish(&fetched, done()).await;
    let second = due(&bench).await;
    assert_eq!(second[0].event, "job.done");
    let body: serde_json::Value = serde_json::from_str(&second[0].body).expect("JSON");
    assert_eq!(body, serde_json::to_value(bench.job(&id).await).expect("JSON"));
    tells(&bench, &second[0]).await;
    assert_eq!(statuses(&bench, &id).await, [("job.progress", "delivered"), ("job.done", "delivered")]);
}

async fn end_replaces_a_beginning_that_was_not_told(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(with_webhook()).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, done()).await;
    assert_eq!(due(&bench).await.iter().map(|it| it.event).collect::<Vec<_>>(), ["job.done"]);
    assert_eq!(statuses(&bench, &id).await, [("job.progress", "superseded"), ("job.done", "pending")]);
}

async fn delivery_is_tried_again_after_its_time(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(with_webhook()).await.id;
    bench.take().await;
    let first = due(&bench).await;
    let wait = Duration::from_millis(200);
    let again = DeliveryAttempt { answer: Some(503), error: "busy".into(), next: NextAction::RetryAfter(wait) };
    bench.service.add_attempt(&first[0], again).await.expect("a ledger");
    let second = due(&bench).await;
    assert_eq!((&second[0].id, second[0].attempts), (&first[0].id, 1));
    let listed = bench.service.deliveries(&Owner::from(""), &id).await.expect("a ledger").expect("a job");
    let first_try = listed[0].last_at.expect("tried");
    assert_eq!(
        (listed[0].answer, &*listed[0].error, listed[0].next_at),
        (Some(503), "busy", Some(first_try.plus(wait)))
    );
}

async fn delivery_that_was_given_up_is_begun_again_on_demand(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(with_webhook()).await.id;
    bench.take().await;
    let first = due(&bench).await;
    let gone = DeliveryAttempt { answer: Some(410), error: "gone".into(), next: NextAction::Failed };
    bench.service.add_attempt(&first[0], gone).await.expect("a ledger");
    assert_eq!(statuses(&bench, &id).await, [("job.progress", "failed")]);
    assert_eq!(bench.service.retry(&Owner::from("x"), &id, &first[0].id).await.expect("a ledger"), None);
    assert_eq!(bench.service.retry(&Owner::from(""), &id, "nothing").await.expect("a ledger"), None);
    let begun = bench.service.retry(&Owner::from(""), &id, &first[0].id).await.expect("a ledger").expect("a delivery");
    assert_eq!((begun.status, begun.attempts, begun.next_at.is_some()), ("pending", 0, true));
    assert_eq!(due(&bench).await[0].id, first[0].id);
}

async fn receiver_has_a_bounded_number_of_calls(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    for _ in 0..3 {
        bench.accept(with_webhook()).await;
    }
    for _ in 0..3 {
        bench.take().await;
    }
    let room = DeliveryCapacity { total: 9, per_receiver: 2 };
    let first = until("something is to be told", async || {
        Some(bench.service.due_deliveries(room, LEASE).await.expect("a ledger").0).filter(|due| !due.is_empty())
    })
    .await;
    assert!(first.len() <= 2);
    tells(&bench, &first[0]).await;
    until("the others are told", async || {
        for delivery in bench.service.due_deliveries(room, LEASE).await.expect("a ledger").0 {
            tells(&bench, &delivery).await;
        }
        (bench.service.counts().await.expect("a ledger").deliveries <= 1).then_some(())
    })
    .await;
}

fn of_items(rows: u64) -> NewBatch {
    NewBatch { webhook: Some("http://hook.test/".into()), webhook_items: true, ..new_batch("", rows, 0) }
}

async fn receiver_of_items_hears_of_rows_and_of_the_end(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(of_items(2)).await.id;
    let made = bench.take().await;
    bench.finish(&made, done()).await;
    bench.finish(&bench.take().await, failed()).await;
    bench.completed(&id).await;
    let mut events = Vec::new();
    while events.len() < 3 {
        for delivery in due(&bench).await {
            if delivery.event == "item.done" {
                let body: serde_json::Value = serde_json::from_str(&delivery.body).expect("JSON");
                assert_eq!((&body["batch"], &body["row"]), (&id.as_str().into(), &number(&made).into()));
                assert_eq!(body["url"], "http://here/files/a.png");
            }
            tells(&bench, &delivery).await;
            events.push(delivery.event);
        }
    }
    events.sort_unstable();
    assert_eq!(events, ["batch.completed", "item.done", "item.error"]);
}

async fn receiver_hears_of_a_row_in_the_order_of_its_ends(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(of_items(1)).await.id;
    bench.finish(&bench.take().await, failed()).await;
    bench.completed(&id).await;
    assert_eq!(bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger"), Some(1));
    bench.finish(&bench.take().await, done()).await;
    bench.completed(&id).await;
    let mut events = Vec::new();
    while events.len() < 4 {
        for delivery in due(&bench).await {
            tells(&bench, &delivery).await;
            events.push(delivery.event);
        }
    }
    events.retain(|it| it.starts_with("item"));
    assert_eq!(events, ["item.error", "item.done"]);
}

async fn receiver_of_a_batch_hears_of_each_completion(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(NewBatch { webhook_items: false, ..of_items(1) }).await.id;
    for outcome in [failed(), done()] {
        bench.finish(&bench.take().await, outcome).await;
        let whole = bench.completed(&id).await;
        let told = due(&bench).await;
        assert_eq!(told.iter().map(|it| it.event).collect::<Vec<_>>(), ["batch.completed"]);
        let body: serde_json::Value = serde_json::from_str(&told[0].body).expect("JSON");
        assert_eq!(body, serde_json::to_value(&whole).expect("JSON"));
        tells(&bench, &told[0]).await;
        bench.service.retry_rows(&Owner::from(""), &id).await.expect("a ledger");
    }
}

async fn deliveries_of_a_batch_are_paged(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept_batch(of_items(2)).await.id;
    let mut ended = Vec::new();
    for _ in 0..2 {
        let fetched = bench.take().await;
        bench.finish(&fetched, done()).await;
        ended.push(number(&fetched));
    }
    bench.completed(&id).await;
    let every = DeliveryQuery { status: None, offset: 0, limit: 100 };
    let page = async |which| {
        let listed =
            bench.service.batch_deliveries(&Owner::from(""), &id, which).await.expect("a ledger").expect("a batch");
        (listed.deliveries.iter().map(|it| (it.row, it.delivery.event)).collect::<Vec<_>>(), listed.total)
    };
    let all = vec![(Some(ended[0]), "item.done"), (Some(ended[1]), "item.done"), (None, "batch.completed")];
    assert_eq!(page(every).await, (all.clone(), 3));
    assert_eq!(page(DeliveryQuery { offset: 1, limit: 1, ..every }).await, (all[1..2].to_vec(), 3));
    assert_eq!(page(DeliveryQuery { status: Some("failed"), ..every }).await, (Vec::new(), 0));
    let listed =
        bench.service.batch_deliveries(&Owner::from(""), &id, every).await.expect("a ledger").expect("a batch");
    let row = &listed.deliveries[0].delivery.id;
    let begun = bench.service.retry_of_batch(&Owner::from(""), &id, row).await.expect("a ledger").expect("a delivery");
    assert_eq!((begun.row, begun.delivery.status), (Some(ended[0]), "pending"));
    assert!(bench.service.retry_of_batch(&Owner::from("b"), &id, row).await.expect("a ledger").is_none());
}
