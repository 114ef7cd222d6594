//! One PDF document of all rows of a batch.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::api::hex;
use super::calls::{create, finished, lines, manifest, path, request, unzipped};
use super::faults::{create as create_at, done};
use super::pictures::Pictures;
use super::program::{Program, Running, until};
use super::receiver::Receiver;
use super::service::{Service, service};
use super::{design, rows, tools};

const LOCAL: (&str, &str) = ("TENTER_ALLOW_ADDRESSES", "127.0.0.1");

/// A design with one page per row that contains the row's name as text.
fn call(rows: &[Value]) -> Value {
    json!({"design": design(), "rows": rows, "merge": "pdf", "vector": true, "fileName": "cards"})
}

/// The names `N1`, `N2`, … up to a number, without some of them.
fn names(count: u64, without: &[u64]) -> Vec<String> {
    (1..=count).filter(|row| !without.contains(row)).map(|row| format!("N{row}")).collect()
}

/// Checks that PDF readers accept the file, and returns the texts of its pages.
#[track_caller]
fn assert_pages(pdf: &[u8], words: &[String]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.pdf");
    std::fs::write(&file, pdf).expect("written");
    tools::read_by_all(&file);
    if let Some(found) = tools::words_by_page(&file) {
        assert_eq!(found, words);
    }
}

async fn file(service: &Service, link: &Value) -> super::service::Answer {
    service.get(link.as_str().expect("a link").trim_start_matches("http://render.test:8080")).await
}

#[tokio::test]
async fn document_contains_all_rows_except_failed_ones() {
    let service = service(&[]);
    let mut some = rows(30);
    some[6]["name"] = json!(["broken"]);
    some[19] = json!({"nmae": "misspelt"});
    some[29] = json!({"variables": {"name": "N30"}, "options": {"dpi": 300}});
    let batch = create(&service, &call(&some)).await;
    assert_eq!((&batch["format"], &batch["document"]), (&json!("pdf"), &Value::Null));
    assert_eq!(batch["counts"], json!({"scheduled": 29, "progress": 0, "done": 0, "error": 1}));
    let batch = finished(&service, &batch).await;
    assert_eq!(batch["counts"], json!({"scheduled": 0, "progress": 0, "done": 27, "error": 3}));

    let document = &batch["document"];
    let answer = file(&service, &document["url"]).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/pdf"));
    assert_eq!((&document["name"], &document["pages"]), (&json!("cards.pdf"), &json!(27)));
    assert_eq!((&document["bytes"], &document["sha256"]), (&json!(answer.body.len()), &json!(hex(&answer.body))));
    assert_eq!(document["fingerprint"].as_str().map(str::len), Some(64));
    assert_pages(&answer.body, &names(30, &[7, 20, 30]));

    let items = service.get(&path(&batch, "/items")).await.json();
    let items = items["items"].as_array().expect("items");
    let mut next = 1;
    for item in items {
        let place = (&item["first_page"], &item["page_count"], &item["url"], &item["sha256"]);
        if item["status"] == "done" {
            assert_eq!(place, (&json!(next), &json!(1), &document["url"], &document["sha256"]), "{item}");
            next += 1;
        } else {
            assert_eq!(place, (&Value::Null, &Value::Null, &Value::Null, &Value::Null), "{item}");
        }
    }
    for (row, words) in [
        (7, "row 7: name: found an array with 1 entry"),
        (20, "every row of a batch must fill all placeholders"),
        (30, "dpi: must be the same for every row of one PDF"),
    ] {
        let error = items[row - 1]["error"].as_str().expect("text");
        assert!(error.contains(words), "{error}");
    }
    let lines_told = manifest(&service, &batch).await;
    assert_eq!(lines_told.len(), 30);
    let last = &lines_told[28];
    assert_eq!((&last["row"], &last["firstPage"], &last["pageCount"]), (&json!(29), &json!(27), &json!(1)));
    assert_eq!((&last["file"], &last["url"]), (&json!("cards.pdf"), &document["url"]));
    assert_eq!(last["fingerprint"], document["fingerprint"]);
    assert!(last["timings"]["resolve"].is_number(), "{last}");
    let entries = unzipped(&service.get(&path(&batch, "/archive")).await.body);
    assert_eq!(entries.keys().collect::<Vec<_>>(), ["cards.pdf", "manifest.ndjson"]);
    assert_eq!(entries["cards.pdf"], answer.body);
    assert_eq!(lines(&entries["manifest.ndjson"]), lines_told);
}

#[tokio::test]
async fn document_is_rendered_again_when_rows_are_retried() {
    let service = service(&[LOCAL]);
    let pictures = Pictures::start();
    pictures.set_broken(true);
    let mut some = rows(5);
    some[1]["photo"] = pictures.url("a.png").into();
    let batch = create(&service, &call(&some)).await;
    let batch = finished(&service, &batch).await;
    let before = batch["document"]["url"].clone();
    assert_pages(&file(&service, &before).await.body, &names(5, &[2]));

    pictures.set_broken(false);
    let waiting = service.call(request(Method::POST, &path(&batch, "/retry"))).await.json();
    assert_eq!((&waiting["status"], &waiting["document"]), (&json!("scheduled"), &Value::Null));
    assert_eq!(waiting["counts"], json!({"scheduled": 5, "progress": 0, "done": 0, "error": 0}));
    assert_eq!(file(&service, &before).await.status, StatusCode::NOT_FOUND);
    let batch = finished(&service, &batch).await;
    assert_eq!(batch["counts"]["done"], 5);
    assert_ne!(batch["document"]["url"], before);
    assert_pages(&file(&service, &batch["document"]["url"]).await.body, &names(5, &[]));
    service.jobs.sweep().await;
    let files = std::fs::read_dir(service.folder.path().join("jobs")).expect("a folder").count();
    assert_eq!(files, 1, "what it was is gone");
}

#[tokio::test]
async fn document_without_pages_fails() {
    let service = service(&[]);
    let batch = create(&service, &call(&[json!({"nmae": "a"}), json!({"nmae": "b"})])).await;
    let batch = finished(&service, &batch).await;
    assert_eq!((&batch["counts"]["error"], &batch["document"]), (&json!(2), &Value::Null));
    let lines = manifest(&service, &batch).await;
    for line in &lines {
        let error = line["error"].as_str().expect("text");
        assert!(error.contains("must fill all placeholders"), "each says what is wrong with it: {error}");
    }
    assert_eq!(unzipped(&service.get(&path(&batch, "/archive")).await.body).len(), 1);
}

#[tokio::test]
async fn invalid_document_call_is_refused() {
    let service = service(&[]);
    let mut wrong = call(&rows(1));
    (wrong["format"], wrong["fileName"]) = ("jpeg".into(), "{name}".into());
    (wrong["webhook"], wrong["webhookItems"]) = ("http://a.test/".into(), true.into());
    let answer = service.post("/api/batches", &wrong.to_string()).await;
    let problems = answer.json()["problems"].clone();
    let paths: Vec<_> = problems.as_array().expect("a list").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(
        (answer.status, paths),
        (StatusCode::BAD_REQUEST, vec!["webhookItems".into(), "format".into(), "fileName".into()])
    );
    let zip =
        service.post("/api/batches", &json!({"design": design(), "rows": rows(1), "merge": "zip"}).to_string()).await;
    assert!(zip.status == StatusCode::BAD_REQUEST && zip.error().contains("accepted: pdf"), "{}", zip.error());
}

/// Kills the process twice during the 15th row. The rows before it use the same assets afterwards.
#[test]
fn document_is_rendered_again_after_a_kill() {
    let pictures = Pictures::start();
    let receiver = Receiver::start();
    let program = Program::new().with(LOCAL.0, LOCAL.1);
    let mut service = program.start();
    let mut some = rows(30);
    some[2]["photo"] = pictures.url("first.png").into();
    some[4]["name"] = json!({});
    some[14]["photo"] = pictures.url("held.png").into();
    some[24] = json!({});
    let mut body = call(&some);
    body["webhook"] = receiver.url().into();
    pictures.set_held(true);
    let batch = create_at(&service, &body);
    for asked in [2, 3] {
        until("the 15th row waits for its picture", || (pictures.asked() == asked).then_some(()));
        let under_way = service.get(&batch).json();
        assert_eq!(under_way["status"], "progress");
        assert_eq!(under_way["counts"], json!({"scheduled": 0, "progress": 29, "done": 0, "error": 1}));
        service.kill();
        service = program.start();
    }
    until("it waits for its picture again", || (pictures.asked() == 4).then_some(()));
    pictures.set_held(false);
    let whole = done(&service, &batch);
    assert_eq!(whole["counts"], json!({"scheduled": 0, "progress": 0, "done": 28, "error": 2}));
    assert_eq!(pictures.asked(), 4, "the picture of the third row was kept");
    let link = whole["document"]["url"].as_str().expect("a link");
    let (_, name) = link.rsplit_once('/').expect("a path");
    assert_pages(&service.get(&format!("/files/{name}")).body, &names(30, &[5, 25]));
    let manifest = lines(&service.get(&format!("{batch}/manifest")).body);
    let places: Vec<_> = manifest.iter().filter_map(|it| it["firstPage"].as_u64()).collect();
    assert_eq!((manifest.len(), places), (30, (1..=28).collect()));
    assert_eq!(files(&program), BTreeSet::from([name.to_owned()]), "one file, and no other");
    let calls = until("the webhook is delivered", || Some(receiver.calls()).filter(|it| !it.is_empty()));
    let told: Vec<_> = calls.iter().map(|it| it.header("x-tenter-event").to_owned()).collect();
    assert_eq!((told, &calls[0].job()), (vec!["batch.completed".to_owned()], &whole), "field for field");
}

fn files(program: &Program) -> BTreeSet<String> {
    let files = std::fs::read_dir(program.folder().join("tenter-data/jobs")).expect("a folder");
    files.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn cancelled_document_leaves_no_files() {
    let pictures = Pictures::start();
    let program = Program::new().with(LOCAL.0, LOCAL.1).with("TENTER_JOB_WORKERS", "1");
    let service = program.start();
    let mut some = rows(9);
    some[4]["photo"] = pictures.url("held.png").into();
    pictures.set_held(true);
    let batch = create_at(&service, &call(&some));
    until("the fifth row waits for its picture", || (pictures.asked() == 1).then_some(()));
    assert_eq!(service.call("DELETE", &batch, "").status, 204);
    assert_eq!(service.get(&batch).status, 404);
    // The only worker is free at once, although the image has not arrived.
    let next = create_at(&service, &call(&rows(1)));
    assert_eq!(done(&service, &next)["counts"]["done"], 1);
    pictures.set_held(false);
    assert_eq!(files(&program).len(), 1);
}

/// A batch whose document takes seconds.
fn long_call() -> Value {
    let mut call = call(&rows(150));
    (call["vector"], call["pixelRatio"]) = (false.into(), 30.into());
    call
}

fn assert_single_job_is_answered(service: &Running) {
    let job = json!({"design": {"width": 9, "height": 9, "pages": [{}]}}).to_string();
    let answer = service.try_call("POST", "/api/renders", "prefer: wait\r\n", &job).expect("an answer").json();
    assert_eq!(answer["status"], "done");
}

/// With one worker and a long document, neither a single job nor another document waits for its end.
#[test]
fn other_jobs_run_between_the_rows_of_a_document() {
    let program = Program::new().with("TENTER_JOB_WORKERS", "1");
    let service = program.start();
    let long = create_at(&service, &long_call());
    until("it is begun", || (service.get(&long).json()["status"] == "progress").then_some(()));
    assert_single_job_is_answered(&service);
    let short = create_at(&service, &call(&rows(2)));
    done(&service, &short);
    let found = service.get(&long).json();
    assert_eq!(found["status"], "progress", "{found}");
    assert_eq!(done(&service, &long)["document"]["pages"], 150);
}

/// With one worker and three long documents, two of them alternate, the third waits, and a single job waits for none.
#[test]
fn single_jobs_run_between_many_documents() {
    let program = Program::new().with("TENTER_JOB_WORKERS", "1");
    let service = program.start();
    let documents: Vec<_> = (0..3).map(|_| create_at(&service, &long_call())).collect();
    let under_way = || documents.iter().filter(|it| service.get(it).json()["status"] == "progress").count();
    until("two are begun", || (under_way() == 2).then_some(()));
    assert_single_job_is_answered(&service);
    assert_eq!(under_way(), 2);
    for cancelled in &documents[..2] {
        assert_eq!(service.call("DELETE", cancelled, "").status, 204);
    }
    until("the third document begins", || (service.get(&documents[2]).json()["status"] == "progress").then_some(()));
}
