//! The endpoints below `/api/renders`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tenter::jobs::Clock;

use super::design;
use super::service::{Answer, Service, png_size, post, service, service_at};

fn request(method: Method, path: &str, headers: &[(&'static str, &str)], body: &Value) -> Request<Body> {
    let mut request = post(path, &body.to_string());
    *request.method_mut() = method;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    request
}

async fn create(service: &Service, headers: &[(&'static str, &str)], body: &Value) -> Answer {
    service.call(request(Method::POST, "/api/renders", headers, body)).await
}

/// Awaits `calls` while a worker renders jobs.
async fn working<T>(service: &Service, calls: impl Future<Output = T>) -> T {
    tokio::select! {
        done = calls => done,
        () = service.jobs.run() => panic!("work ended by itself"),
    }
}

fn path_of(job: &Value) -> String {
    let output = job["output"].as_str().unwrap_or_else(|| panic!("{job}"));
    output.strip_prefix("http://render.test:8080").expect("the caller's host").to_owned()
}

#[tokio::test]
async fn job_is_scheduled_then_done_and_its_file_is_served() {
    let service = service(&[]);
    let answer = create(&service, &[], &json!({"design": design(), "pixelRatio": "2", "outputFormat": "url"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let fresh = answer.json();
    let id = fresh["id"].as_str().expect("an id").to_owned();
    let expected = json!({
        "id": id, "status": "scheduled", "output": null, "fingerprint": null, "error": "", "created_at": fresh["created_at"], "started_at": null,
        "completed_at": null, "updated_at": null, "progress": 0.0, "logs": "",
    });
    assert_eq!(fresh, expected);
    assert_eq!(service.get(&format!("/api/renders/{id}")).await.json(), fresh);

    let done = working(&service, async {
        loop {
            let job = service.get(&format!("/api/renders/{id}")).await.json();
            if job["status"] == "done" {
                break job;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!((&done["progress"], &done["error"]), (&json!(100.0), &json!("")));
    let logs = done["logs"].as_str().expect("logs");
    for part in ["attempt 1 began\n", "parse ", "paint ", "encode ", "stored in "] {
        assert!(logs.contains(part), "{part} in {logs}");
    }
    let file = service.get(&path_of(&done)).await;
    assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(png_size(&file.body), (60, 40));
    assert!(file.header("cache-control").starts_with("private, max-age=604"), "{}", file.header("cache-control"));
    let guessed = path_of(&done).replace(".png", "").rsplit_once('-').map(|(id, _)| format!("{id}-0.png"));
    assert_eq!(service.get(&guessed.expect("a name")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wait_holds_the_answer_until_the_end_or_the_limit() {
    let service = service(&[("TENTER_PREFER_WAIT", "0")]);
    let waited = create(&service, &[("prefer", "wait")], &json!({"design": design()})).await;
    assert_eq!((waited.header("preference-applied"), &waited.json()["status"]), ("wait", &json!("scheduled")));
    let service = super::service::service(&[]);
    let body = json!({"design": design(), "format": "jpg", "pageId": "two"});
    let waited = working(&service, create(&service, &[("prefer", "wait=50")], &body)).await;
    let job = waited.json();
    assert_eq!((waited.header("preference-applied"), &job["status"]), ("wait", &json!("done")), "{job}");
    assert!(path_of(&job).ends_with(".jpg"), "{job}");
    let plain = create(&service, &[], &body).await;
    assert_eq!(plain.header("preference-applied"), "");
}

#[tokio::test]
async fn request_errors_are_responses_and_design_errors_are_in_the_job() {
    let service = service(&[]);
    let bad = json!({"format": "gif", "pixelRatio": 0, "webhook": 5});
    let answer = create(&service, &[], &bad).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let problems = answer.json()["problems"].clone();
    let paths: Vec<_> = problems.as_array().expect("a list").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, ["pixelRatio", "webhook", "design"]);
    for format in ["gif", "mp4", "bmp"] {
        let answer = create(&service, &[], &json!({"design": design(), "format": format})).await;
        assert_eq!((answer.status, &answer.json()["problems"][0]["path"]), (StatusCode::BAD_REQUEST, &json!("format")));
    }
    let closed = create(&service, &[], &json!({"design": design(), "webhook": "http://169.254.169.254/"})).await;
    assert_eq!((closed.status, &closed.json()["problems"][0]["path"]), (StatusCode::BAD_REQUEST, &json!("webhook")));
    assert_eq!(service.post("/api/renders", "{").await.status, StatusCode::BAD_REQUEST);

    let waited = [("prefer", "wait")];
    let wrong = json!({"design": {"width": "wide", "pages": [{"children": [{"type": "hologram"}]}]}});
    let job = working(&service, create(&service, &waited, &wrong)).await.json();
    assert_eq!((&job["status"], &job["output"]), (&json!("error"), &Value::Null));
    let error = job["error"].as_str().expect("text");
    assert!(error.starts_with("design.width: found \"wide\"; accepted: a number"), "{error}");
    assert!(job["logs"].as_str().expect("logs").contains("Unknown element type: \"hologram\""), "{job}");
    let nobody = json!({"design": design(), "pageId": "three"});
    let job = working(&service, create(&service, &waited, &nobody)).await.json();
    let error = job["error"].as_str().expect("text");
    assert!(error.starts_with("pageId: No page for export with id three"), "{error}");
}

#[tokio::test]
async fn job_log_contains_warnings() {
    let service = service(&[]);
    let text = json!({"id": "t", "type": "text", "text": "a", "fontFamily": "No Such", "width": 20, "height": 9});
    let design = json!({"width": 30, "height": 20, "pages": [{"children": [text]}]});
    let body = json!({"design": design, "skipFontError": true});
    let job = working(&service, create(&service, &[("prefer", "wait")], &body)).await.json();
    let logs = job["logs"].as_str().expect("logs");
    assert!(logs.contains("warning design.pages[0].children[0]") && logs.contains("(t): "), "{logs}");
}

#[tokio::test]
async fn list_is_paged_newest_first() {
    let service = service(&[]);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, create(&service, &[], &json!({"design": design()})).await.json()["id"].clone());
    }
    let page = async |query: &str| service.get(&format!("/api/renders/list{query}")).await;
    let listed = |answer: &Answer| -> Vec<Value> {
        answer.json()["renders"].as_array().expect("a list").iter().map(|it| it["id"].clone()).collect()
    };
    let all = page("").await;
    assert_eq!((listed(&all), &all.json()["total"]), (ids.clone(), &json!(5)));
    assert_eq!(listed(&page("?page=2&per_page=2").await), ids[2..4]);
    assert!(listed(&page("?page=4000000000&per_page=100").await).is_empty());
    for wrong in ["?page=0", "?page=x", "?per_page=101", "?per_page=-1", "?page=99999999999999999999"] {
        assert_eq!(page(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn idempotency_key_gives_the_same_job_or_409() {
    let service = service(&[]);
    let key = [("idempotency-key", "order 7")];
    let first = create(&service, &key, &json!({"design": design()})).await;
    let again = create(&service, &key, &json!({"design": design()})).await;
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    let other = create(&service, &key, &json!({"design": design(), "pixelRatio": 2})).await;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert!(other.error().contains("another request body"), "{}", other.error());
    let long = "x".repeat(256);
    let answer = create(&service, &[("idempotency-key", &long)], &json!({"design": design()})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn remove_cancels_waiting_jobs_and_deletes_finished_ones() {
    let service = service(&[]);
    let waiting = create(&service, &[], &json!({"design": design()})).await.json()["id"].clone();
    let path = |id: &Value| format!("/api/renders/{}", id.as_str().expect("an id"));
    let remove = async |id: &Value| service.call(request(Method::DELETE, &path(id), &[], &Value::Null)).await.status;
    assert_eq!(remove(&waiting).await, StatusCode::NO_CONTENT);
    assert_eq!(service.get(&path(&waiting)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(remove(&waiting).await, StatusCode::NOT_FOUND);
    let done = working(&service, create(&service, &[("prefer", "wait")], &json!({"design": design()}))).await.json();
    let files = service.folder.path().join("jobs");
    let count = || std::fs::read_dir(&files).expect("a folder").count();
    assert_eq!(count(), 1);
    assert_eq!(remove(&done["id"]).await, StatusCode::NO_CONTENT);
    assert_eq!(service.get(&path_of(&done)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(count(), 0);
}

/// The job fetches an image that would take half a minute.
#[tokio::test]
async fn remove_cancels_a_running_render() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let source = format!("http://{}/a.png", silent.local_addr().expect("an address"));
    let service = service(&[("TENTER_ALLOW_ADDRESSES", "127.0.0.1"), ("TENTER_JOB_WORKERS", "1")]);
    let image = json!({"type": "image", "src": source, "width": 9, "height": 9});
    let slow = json!({"width": 9, "height": 9, "pages": [{"children": [image]}]});
    let id = create(&service, &[], &json!({"design": slow})).await.json()["id"].clone();
    let path = format!("/api/renders/{}", id.as_str().expect("an id"));
    working(&service, async {
        let (_fetch, _) = silent.accept().await.expect("the picture is asked for");
        assert_eq!(service.get(&path).await.json()["status"], "progress");
        let removed = service.call(request(Method::DELETE, &path, &[], &Value::Null)).await;
        assert_eq!(removed.status, StatusCode::NO_CONTENT);
        let next = create(&service, &[("prefer", "wait")], &json!({"design": design()})).await.json();
        assert_eq!(next["status"], "done", "the only worker is free again");
    })
    .await;
    assert_eq!(std::fs::read_dir(service.folder.path().join("jobs")).expect("a folder").count(), 1);
}

#[tokio::test]
async fn jobs_expire_with_their_files() {
    let later = Arc::new(AtomicU64::new(0));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock: Clock = Arc::new({
        let later = later.clone();
        move || start + Duration::from_secs(later.load(Ordering::SeqCst))
    });
    let service = service_at(&[], clock);
    let done = working(&service, create(&service, &[("prefer", "wait")], &json!({"design": design()}))).await.json();
    let path = format!("/api/renders/{}", done["id"].as_str().expect("an id"));
    later.store(7 * 24 * 3600 - 1, Ordering::SeqCst);
    assert_eq!(service.jobs.sweep().await, 0);
    let file = service.get(&path_of(&done)).await;
    assert_eq!((file.status, file.header("cache-control")), (StatusCode::OK, "private, max-age=1, immutable"));
    later.store(7 * 24 * 3600, Ordering::SeqCst);
    for path in [&path, &path_of(&done)] {
        assert_eq!(service.get(path).await.status, StatusCode::NOT_FOUND, "{path}, before the sweep");
    }
    assert_eq!(service.jobs.sweep().await, 1);
    assert_eq!(std::fs::read_dir(service.folder.path().join("jobs")).expect("a folder").count(), 0);
}

#[tokio::test]
async fn progress_follows_pages() {
    // Jobs have one page per file or a format with several pages; the pipeline reports progress for both.
    let service = service(&[]);
    let mut session = service.engine.admit().await.expect("a worker");
    let told = Arc::new(Mutex::new(Vec::new()));
    session.on_progress(Arc::new({
        let told = told.clone();
        move |done, total| told.lock().expect("no panic").push((done, total))
    }));
    let request = tenter::pipeline::RenderRequest {
        design: design(),
        at: "design".into(),
        options: Default::default(),
        format: tenter::output::FORMATS[0],
        pages: tenter::pipeline::Pages::All,
    };
    session.render(request).await.expect("pictures");
    assert_eq!(*told.lock().expect("no panic"), [(1, 2), (2, 2)]);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_errors() {
    let service = service(&[("TENTER_KEYS", "a=first,b=second")]);
    for path in ["/api/renders/list", "/api/renders/abc", "/api/renders/fp1f2rtva/deliveries"] {
        assert_eq!(service.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in
        ["/api/renders/abc", "/api/renders/fp1f2rtva", "/api/renders/fp1f2rtva/deliveries", "/files/fp1f2rtva-1.png"]
    {
        assert_eq!(service.get(&format!("{path}?KEY=first")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(service.get("/api/renders?KEY=first").await.status, StatusCode::METHOD_NOT_ALLOWED);
    let preflight = Request::options("/api/renders/fp1f2rtva")
        .header("origin", "https://editor.example.com")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-headers", "content-type, idempotency-key, prefer");
    let answer = service.call(preflight.body(Body::empty()).expect("a request")).await;
    assert!(answer.header("access-control-allow-methods").contains("DELETE"));
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
}
