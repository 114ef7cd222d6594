//! Restarts after kills, and webhooks that must be delivered once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::calls::lines;
use super::pictures::Pictures;
use super::program::{Program, Running, until};
use super::receiver::Receiver;
use super::{design, rows};

pub(crate) fn create(service: &Running, body: &Value) -> String {
    let created = service.post("/api/batches", body);
    assert_eq!(created.status, 200, "{}", created.json());
    format!("/api/batches/{}", created.json()["id"].as_str().expect("an id"))
}

pub(crate) fn done(service: &Running, batch: &str) -> Value {
    until("the batch is done", || Some(service.get(batch).json()).filter(|it| it["status"] == "done"))
}

/// Kills the process three times. No row is lost or duplicated, and all rows use the asset of the first one.
#[test]
fn batch_continues_after_kills() {
    let pictures = Pictures::start();
    let receiver = Receiver::start();
    let program = Program::new().with("TENTER_ALLOW_ADDRESSES", "127.0.0.1").with("TENTER_JOB_WORKERS", "2");
    let mut service = program.start();
    let rows: Vec<_> = (0..120).map(|_| json!({"name": "same", "photo": pictures.url("a.png")})).collect();
    let body = json!({"design": design(), "rows": rows, "pixelRatio": 20, "webhook": receiver.url()});
    let batch = create(&service, &body);
    for least in [10, 40, 70] {
        until("some rows are done", || {
            let found = service.get(&batch).json();
            (found["counts"]["done"].as_u64()? >= least).then_some(())
        });
        assert_ne!(service.get(&batch).json()["status"], "done", "too late to be killed in the middle");
        service.kill();
        service = program.start();
    }
    let whole = done(&service, &batch);
    assert_eq!(whole["counts"], json!({"scheduled": 0, "progress": 0, "done": 120, "error": 0}));
    let manifest = lines(&service.get(&format!("{batch}/manifest")).body);
    let numbers: Vec<_> = manifest.iter().filter_map(|it| it["row"].as_u64()).collect();
    assert_eq!(numbers, (1..=120).collect::<Vec<_>>());
    let digests: BTreeSet<_> = manifest.iter().map(|it| it["sha256"].as_str().expect("a digest")).collect();
    assert_eq!((digests.len(), pictures.asked()), (1, 1));
    let links: BTreeSet<_> = manifest.iter().filter_map(|it| it["url"].as_str()?.rsplit('/').next()).collect();
    let files = std::fs::read_dir(program.folder().join("tenter-data/jobs")).expect("a folder");
    let files: BTreeSet<_> = files.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files.iter().map(String::as_str).collect::<BTreeSet<_>>(), links, "a file a row, and no other");
    until("the webhook is delivered", || (!receiver.calls().is_empty()).then_some(()));
    // A kill between a delivery and its record would repeat the delivery, but no kill follows the end of the batch.
    let told: Vec<_> = receiver.calls().iter().map(|it| it.header("x-tenter-event").to_owned()).collect();
    assert_eq!(told, ["batch.completed"]);
}

#[test]
fn webhooks_of_items_are_optional_and_the_end_is_delivered_once() {
    let program = Program::new().with("TENTER_ALLOW_ADDRESSES", "127.0.0.1").with("TENTER_WEBHOOK_SECRET", "hush");
    let service = program.start();
    let receiver = Receiver::start();
    let mut some = rows(3);
    some[1] = json!({"name": {}});
    let body = json!({"design": design(), "rows": some, "webhook": receiver.url(), "webhookItems": true});
    let batch = create(&service, &body);
    let whole = done(&service, &batch);
    let calls = until("all are delivered", || Some(receiver.calls()).filter(|it| it.len() >= 4));
    let mut events: Vec<_> = calls.iter().map(|it| it.header("x-tenter-event")).collect();
    events.sort_unstable();
    assert_eq!(events, ["batch.completed", "item.done", "item.done", "item.error"]);
    let completed = calls.iter().find(|it| it.header("x-tenter-event") == "batch.completed").expect("delivered");
    assert_eq!(completed.job(), whole, "field for field");
    assert!(completed.header("x-tenter-signature").starts_with("t="));
    let item = calls.iter().find(|it| it.header("x-tenter-event") == "item.error").expect("delivered").job();
    assert_eq!((&item["row"], &item["batch"], &item["url"]), (&json!(2), &whole["id"], &Value::Null));
    let made = calls.iter().find(|it| it.header("x-tenter-event") == "item.done").expect("delivered").job();
    assert_eq!(made["fingerprint"].as_str().map(str::len), Some(64), "{made}");

    let told = until("all are recorded", || {
        Some(service.get(&format!("{batch}/deliveries?status=delivered")).json()).filter(|it| it["total"] == 4)
    });
    let failed = &told["deliveries"][0];
    assert_eq!((&failed["event"], &failed["row"], &failed["answer"]), (&json!("item.error"), &json!(2), &json!(204)));
    let page = service.get(&format!("{batch}/deliveries?page=2&per_page=3")).json();
    assert_eq!((page["deliveries"].as_array().map(Vec::len), &page["total"]), (Some(1), &json!(4)));
    assert_eq!(
        (&page["deliveries"][0]["event"], &page["deliveries"][0]["row"]),
        (&json!("batch.completed"), &Value::Null)
    );
    let id = failed["id"].as_str().expect("an id");
    let begun = service.call("POST", &format!("{batch}/deliveries/{id}/retry"), "");
    assert_eq!((begun.status, begun.json()["status"].clone()), (200, json!("pending")));
    let again = until("it is delivered again", || receiver.calls().get(4).cloned());
    assert_eq!((again.header("x-tenter-delivery"), again.header("x-tenter-event")), (id, "item.error"));
    assert_eq!(service.call("POST", &format!("{batch}/deliveries/nothing/retry"), "").status, 404);
}

/// With two workers and a long batch, a single job does not wait for its end.
#[test]
fn single_job_precedes_waiting_rows() {
    let program = Program::new().with("TENTER_JOB_WORKERS", "1");
    let service = program.start();
    let batch = create(&service, &json!({"design": design(), "rows": rows(300), "pixelRatio": 10}));
    let job = json!({"design": {"width": 9, "height": 9, "pages": [{}]}}).to_string();
    let answer = service.try_call("POST", "/api/renders", "prefer: wait\r\n", &job).expect("an answer").json();
    assert_eq!(answer["status"], "done");
    let found = service.get(&batch).json();
    assert_ne!(found["status"], "done", "{found}");
    assert_eq!(service.call("DELETE", &batch, "").status, 204);
    assert_eq!(service.get(&batch).status, 404);
}
