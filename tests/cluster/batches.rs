//! Batches of a cluster: accepted here, rendered there, told everywhere, whatever breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::Cluster;
use super::bucket::{exchange, follow};
use super::faults::{Dice, within};
use super::pictures::Pictures;
use super::program::{Answer, Running, until};
use super::receiver::Receiver;

/// A page of 30 × 20 px with a text and, where `photo` is given, a picture.
fn design() -> Value {
    let text = json!({"type": "text", "text": "{name}", "width": 30, "height": 10, "fontSize": 8});
    let photo = json!({"type": "image", "name": "photo", "src": WHITE, "width": 8, "height": 8});
    json!({"width": 30, "height": 20, "pages": [{"background": "tomato", "children": [text, photo]}]})
}

/// One white pixel.
const WHITE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg==";

fn rows(count: usize) -> Vec<Value> {
    (1..=count).map(|row| json!({"name": format!("n{row}")})).collect()
}

fn create(front: &Running, key: &str, body: &Value) -> Option<Value> {
    let answer = front.try_call("POST", "/api/batches", &format!("idempotency-key: {key}\r\n"), &body.to_string())?;
    match answer.status {
        200 => Some(answer.json()),
        503 => None,
        status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn path(batch: &Value, rest: &str) -> String {
    format!("/api/batches/{}{rest}", batch["id"].as_str().expect("an id"))
}

fn get(front: &Running, batch: &Value, rest: &str) -> Option<Answer> {
    front.try_call("GET", &path(batch, rest), "", "").filter(|it| it.status == 200)
}

fn done(front: &Running, batch: &Value) -> Value {
    within(5, "a batch is done", || {
        let batch = get(front, batch, "")?.json();
        (batch["status"] == "done").then_some(batch)
    })
}

fn manifest(front: &Running, batch: &Value) -> Vec<Value> {
    let answer = until("the manifest is answered", || get(front, batch, "/manifest"));
    let text = String::from_utf8(answer.body).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn told<'a>(receiver: &Receiver, event: &'a str) -> impl Iterator<Item = Value> + use<'a> {
    let calls = receiver.calls().into_iter();
    calls.filter(move |call| call.header("x-tenter-event") == event).map(|call| call.job())
}

/// Objects of the bucket whose names have this prefix.
fn objects(cluster: &Cluster, prefix: &str) -> usize {
    let request = format!(
        "GET /pictures?list-type=2&prefix=tenter/test/{prefix} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    );
    let listed = exchange(cluster.bucket.server_address, &request);
    String::from_utf8_lossy(&listed).matches("<Key>").count()
}

#[test]
fn bad_rows_are_items_with_errors_and_a_retry_mends_what_can_be_mended() {
    let Some(cluster) = Cluster::start() else { return };
    let fronts = [cluster.program("serve").start(), cluster.program("serve").start()];
    let (receiver, pictures) = (Receiver::start(), Pictures::start());
    pictures.set_broken(true);
    let mut all = rows(100);
    for row in [7, 77] {
        all[row - 1]["photo"] = pictures.url(&format!("{row}.png")).into();
    }
    all[7]["name"] = json!(["broken"]);
    all[8] = json!({"nmae": "misspelt"});
    let body = json!({
        "design": design(), "rows": all, "fileName": "{row}", "webhook": receiver.url(), "webhookItems": true,
    });
    let batch = create(&fronts[0], "one", &body).expect("accepted");
    assert_eq!((&batch["rows"], &batch["status"]), (&json!(100), &json!("scheduled")));
    let again = create(&fronts[1], "one", &body).expect("accepted");
    assert_eq!(again["id"], batch["id"], "the same call at another front end");
    let waiting = until("rows are known elsewhere", || {
        let items = get(&fronts[1], &batch, "/items?page=2&per_page=30&status=scheduled")?.json();
        (items["total"] == 99).then_some(items)
    });
    // The eighth cannot be read, and has ended.
    let first: Vec<_> = waiting["items"].as_array().expect("items").iter().map(|it| it["row"].as_u64()).collect();
    assert_eq!(first, (32..62).map(Some).collect::<Vec<_>>());

    let _workers = [cluster.program("worker").start(), cluster.program("worker").start()];
    let finished = done(&fronts[1], &batch);
    assert_eq!(finished["counts"], json!({"scheduled": 0, "progress": 0, "done": 96, "error": 4}));
    let errors = get(&fronts[0], &batch, "/items?status=error").expect("an answer").json();
    let errors: Vec<_> =
        errors["items"].as_array().expect("items").iter().map(|it| (&it["row"], &it["error"])).collect();
    for ((row, error), (expected, words)) in errors.iter().zip([
        (7, "7.png: the server answered 404"),
        (8, "row 8: name: found an array with 1 entry"),
        (9, "no variable is called \"name\""),
        (77, "77.png: the server answered 404"),
    ]) {
        assert!(**row == expected && error.as_str().is_some_and(|it| it.contains(words)), "{row}: {error}");
    }
    until("the receiver is told of all", || {
        let items = told(&receiver, "item.done").chain(told(&receiver, "item.error"));
        let items: BTreeSet<u64> = items.filter_map(|it| it["row"].as_u64()).collect();
        (items.len() == 100 && told(&receiver, "batch.completed").count() == 1).then_some(())
    });
    assert!(told(&receiver, "item.done").all(|it| it["batch"] == batch["id"] && it["url"].is_string()));

    pictures.set_broken(false);
    let retried = fronts[0].call("POST", &path(&batch, "/retry"), "");
    assert_eq!((retried.status, &retried.json()["counts"]["error"]), (200, &json!(1)), "{}", retried.json());
    let finished = within(1, "the retry is over", || {
        let batch = get(&fronts[1], &batch, "")?.json();
        (batch["status"] == "done" && batch["counts"]["done"] == 98).then_some(batch)
    });
    assert_eq!(finished["counts"]["error"], 2);
    let lines = manifest(&fronts[0], &batch);
    assert_eq!(lines.iter().filter_map(|it| it["row"].as_u64()).collect::<Vec<_>>(), (1..=100).collect::<Vec<_>>());
    let (head, picture) = follow(lines[6]["url"].as_str().expect("a link"));
    assert!(head.starts_with("http/1.1 200") && picture.starts_with(b"\x89PNG"), "{head}");
    assert_eq!((&lines[6]["file"], &lines[6]["bytes"]), (&json!("7.png"), &json!(picture.len())));
    until("all are on record", || {
        Some(get(&fronts[1], &batch, "/deliveries?status=pending")?.json()).filter(|it| it["total"] == 0)
    });
    let page = get(&fronts[1], &batch, "/deliveries?page=2&per_page=60").expect("an answer").json();
    assert_eq!(
        page["deliveries"].as_array().map(Vec::len),
        Some(45),
        "103 of rows, three of them tried again, and two ends"
    );
    until("the second end is told", || (told(&receiver, "batch.completed").count() == 2).then_some(()));
    let archive = get(&fronts[0], &batch, "/archive").expect("an answer");
    assert_eq!(zip::ZipArchive::new(std::io::Cursor::new(&archive.body)).expect("a zip").len(), 99);

    assert_eq!((objects(&cluster, "jobs/"), objects(&cluster, "pins/")), (98, 2));
    assert_eq!(fronts[1].call("DELETE", &path(&batch, ""), "").status, 204);
    assert_eq!(fronts[0].get(&path(&batch, "")).status, 404);
    until("its files are gone", || (objects(&cluster, "jobs/") + objects(&cluster, "pins/") == 0).then_some(()));
    assert_eq!(fronts[0].get("/api/batches").json()["total"], 0);
}

#[test]
fn batches_and_single_jobs_share_workers_and_limits() {
    let Some(cluster) = Cluster::start() else { return };
    let front = || {
        let program = cluster.program("serve").with("TENTER_KEY_JOBS", "3").with("TENTER_KEY_ROWS", "150");
        program.with("TENTER_BATCH_QUEUE", "160").start()
    };
    let fronts = [front(), front()];
    let call = |at: usize, count: usize| {
        let body = json!({"design": design(), "rows": rows(count)}).to_string();
        fronts[at].call("POST", "/api/batches", &body)
    };
    let first = call(0, 100);
    assert_eq!(first.status, 200);
    let seen = |at: usize| fronts[at].get("/api/batches").json()["total"].as_u64();
    until("the other front end knows", || (seen(1) == Some(1)).then_some(()));
    let full = call(1, 60);
    assert!(full.status == 429 && full.json()["error"].to_string().contains("TENTER_KEY_ROWS"), "{}", full.json());
    let full = call(1, 61);
    assert!(full.status == 429 && full.json()["error"].to_string().contains("TENTER_BATCH_QUEUE"), "{}", full.json());
    let second = call(1, 40).json();
    until("the first front end knows", || (seen(0) == Some(2)).then_some(()));
    let single = super::submit(&fronts[0], "single", &super::small(1)).expect("a third");
    let refused = fronts[0].post("/api/renders", &super::small(2));
    assert!(
        refused.status == 429 && refused.json()["error"].to_string().contains("TENTER_KEY_JOBS"),
        "{}",
        refused.json()
    );

    let worker = cluster.program("worker").with("TENTER_JOB_WORKERS", "1").start();
    let job = super::ended(&fronts[0], &single);
    let (first, second) = (done(&fronts[0], &first.json()), done(&fronts[1], &second));
    assert!(job["completed_at"].as_str() < second["completed_at"].as_str(), "a single job comes before rows");
    assert!(second["completed_at"].as_str() < first["completed_at"].as_str(), "batches take turns");
    let metrics = String::from_utf8_lossy(&worker.get("/metrics").body).into_owned();
    assert!(metrics.contains("tenter_rows_scheduled 0"), "{metrics}");
}

const ROWS: usize = 400;

#[test]
fn batch_survives_kills_of_workers_front_ends_and_servers() {
    let Some(mut cluster) = Cluster::start() else { return };
    let receiver = Receiver::start();
    let front = cluster.program("serve");
    let mut fronts: Vec<Running> = (0..2).map(|_| front.start()).collect();
    let program = cluster.program("worker");
    let mut workers: Vec<Option<Running>> = (0..3).map(|_| Some(program.start())).collect();
    let body = json!({
        "design": design(), "rows": rows(ROWS), "webhook": receiver.url(), "webhookItems": true,
    });
    let batch = create(&fronts[0], "big", &body).expect("accepted");
    let mut dice = Dice::new(0x2545_f491_4f6c_dd1d);
    for fault in 0..8 {
        std::thread::sleep(Duration::from_millis(200 + dice.below(600)));
        match fault {
            // Whichever of them feeds the batch: both are killed once.
            1 | 5 => {
                fronts.remove(0).kill();
                fronts.push(front.start());
            }
            3 => {
                cluster.nats.kill();
                std::thread::sleep(Duration::from_millis(500 + dice.below(1000)));
                cluster.nats.start_again();
            }
            _ => {
                let victim = dice.below(3) as usize;
                if let Some(worker) = workers[victim].take() {
                    worker.kill();
                }
                workers[victim] = Some(program.start());
            }
        }
    }
    let finished = done(&fronts[1], &batch);
    assert_eq!(finished["counts"], json!({"scheduled": 0, "progress": 0, "done": ROWS, "error": 0}));
    let lines = manifest(&fronts[0], &batch);
    let numbers: Vec<_> = lines.iter().filter_map(|it| it["row"].as_u64()).collect();
    assert_eq!(numbers, (1..=ROWS as u64).collect::<Vec<_>>(), "each row once");
    let ids: BTreeSet<_> = lines.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids.len(), ROWS);
    for line in lines.iter().step_by(7) {
        let (head, picture) = follow(line["url"].as_str().expect("a link"));
        assert!(head.starts_with("http/1.1 200") && line["bytes"] == picture.len(), "{head} {line}");
    }
    let deliveries = within(3, "all are told", || {
        let mut deliveries = BTreeMap::<u64, BTreeSet<String>>::new();
        for call in receiver.calls().iter().filter(|it| it.header("x-tenter-event") == "item.done") {
            let row = call.job()["row"].as_u64().expect("a row");
            deliveries.entry(row).or_default().insert(call.header("x-tenter-delivery").to_owned());
        }
        let completed = told(&receiver, "batch.completed").count() > 0;
        (deliveries.len() == ROWS && completed).then_some(deliveries)
    });
    assert!(deliveries.values().all(|it| it.len() == 1), "one end a row, whoever tells it how often");
    let ends: BTreeSet<String> = receiver
        .calls()
        .iter()
        .filter(|it| it.header("x-tenter-event") == "batch.completed")
        .map(|it| it.header("x-tenter-delivery").to_owned())
        .collect();
    assert_eq!(ends.len(), 1, "a batch completes once");
}

#[test]
fn document_of_all_rows_outlives_its_workers_and_is_made_anew_by_a_retry() {
    let Some(cluster) = Cluster::start() else { return };
    let fronts = [cluster.program("serve").start(), cluster.program("serve").start()];
    let (receiver, pictures) = (Receiver::start(), Pictures::start());
    pictures.set_broken(true);
    let mut all = rows(300);
    all[6]["photo"] = pictures.url("7.png").into();
    all[7]["name"] = json!(["broken"]);
    let body = json!({
        "design": design(), "rows": all, "merge": "pdf", "fileName": "cards", "webhook": receiver.url(),
    });
    let batch = create(&fronts[0], "document", &body).expect("accepted");
    assert_eq!((&batch["format"], &batch["document"]), (&json!("pdf"), &Value::Null));
    let program = cluster.program("worker");
    let worker = program.start();
    let counts = until("it is begun", || {
        let batch = get(&fronts[1], &batch, "")?.json();
        (batch["status"] == "progress").then(|| batch["counts"].clone())
    });
    assert_eq!((&counts["progress"], &counts["error"]), (&json!(299), &json!(1)));
    worker.kill();
    let _workers = [program.start(), program.start()];
    let finished = done(&fronts[1], &batch);
    assert_eq!(finished["counts"], json!({"scheduled": 0, "progress": 0, "done": 298, "error": 2}));
    let document = &finished["document"];
    assert_eq!((&document["name"], &document["pages"]), (&json!("cards.pdf"), &json!(298)));
    let (_, first) = follow(document["url"].as_str().expect("a link"));
    assert!(first.starts_with(b"%PDF") && document["bytes"] == first.len(), "{document}");

    let errors = get(&fronts[0], &batch, "/items?status=error").expect("an answer").json();
    let errors: Vec<_> = errors["items"].as_array().expect("items").iter().map(|it| it["row"].as_u64()).collect();
    assert_eq!(errors, [Some(7), Some(8)]);
    let lines = manifest(&fronts[0], &batch);
    let pages: Vec<_> = lines.iter().filter_map(|it| it["firstPage"].as_u64()).collect();
    assert_eq!((lines.len(), pages), (300, (1..=298).collect()), "in the order of rows");
    assert_eq!((&lines[0]["fingerprint"], &lines[0]["sha256"]), (&document["fingerprint"], &document["sha256"]));

    pictures.set_broken(false);
    let retried = fronts[0].call("POST", &path(&batch, "/retry"), "").json();
    assert_eq!((&retried["counts"]["error"], &retried["document"]), (&json!(1), &Value::Null));
    let finished = done(&fronts[1], &batch);
    assert_eq!((&finished["counts"]["done"], &finished["document"]["pages"]), (&json!(299), &json!(299)));
    assert_ne!(finished["document"]["url"], document["url"]);
    let told = until("both ends are told", || {
        let told: Vec<Value> = told(&receiver, "batch.completed").collect();
        (told.len() == 2).then_some(told)
    });
    assert_eq!(told[1]["document"]["sha256"], finished["document"]["sha256"]);
    let listed = get(&fronts[0], &batch, "/deliveries").expect("an answer").json();
    assert_eq!((&listed["total"], &listed["deliveries"][0]["event"]), (&json!(2), &json!("batch.completed")));
    until("the first document is gone", || (objects(&cluster, "jobs/") == 1).then_some(()));
    assert_eq!(fronts[1].call("DELETE", &path(&batch, ""), "").status, 204);
    until("the second one, too", || (objects(&cluster, "jobs/") + objects(&cluster, "pins/") == 0).then_some(()));
}
