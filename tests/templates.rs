//! Templates over HTTP: stored ones and those of a folder, calls that name them, and signed picture URLs.

#[path = "support/service.rs"]
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tenter::jobs::Clock;
use tenter::server::sign_url;

use service::{Answer, Service, png_size, post, service, service_at};

const KEY: &str = "0123456789abcdef";

/// A design with one page, as wide as `width`, and a text with a variable.
fn design(width: u32) -> Value {
    let text = json!({"id": "t", "type": "text", "text": "{{name}}", "width": 20, "height": 10, "fontSize": 5});
    json!({"width": width, "height": 20, "pages": [{"id": "one", "children": [text]}], "custom": {"name": "Card"}})
}

async fn send(service: &Service, method: &str, path: &str, body: &Value) -> Answer {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    service.call(request.body(Body::from(body.to_string())).expect("a request")).await
}

async fn put(service: &Service, id: &str, body: &Value) -> Answer {
    send(service, "PUT", &format!("/api/templates/{id}"), body).await
}

/// Ids in the list, with the total number.
async fn listed(service: &Service, query: &str) -> (Vec<String>, u64) {
    let list = service.get(&format!("/api/templates?{query}")).await;
    assert_eq!(list.status, StatusCode::OK, "{:?}", list.body);
    let list = list.json();
    let ids = list["templates"].as_array().expect("a list").iter();
    let ids = ids.map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
    (ids, list["total"].as_u64().expect("a number"))
}

#[tokio::test]
async fn templates_have_versions_that_do_not_change() {
    let service = service(&[]);
    let first =
        put(&service, "cards%2Fa", &json!({"design": design(30), "tags": ["x"], "description": "A card"})).await;
    assert_eq!(first.status, StatusCode::CREATED, "{:?}", first.body);
    let first = first.json();
    for (member, value) in [
        ("id", json!("cards/a")),
        ("source", json!("store")),
        ("name", json!("Card")),
        ("tags", json!(["x"])),
        ("version", json!(1)),
        ("width", json!(30.0)),
        ("pages", json!(1)),
        ("preview", json!("/api/templates/cards%2Fa/preview")),
        ("fields", json!([{"name": "name", "type": "text", "element_type": "text", "element_id": "t"}])),
    ] {
        assert_eq!(first[member], value, "{member}");
    }
    // A design alone, which keeps name and tags.
    let second = put(&service, "cards%2Fa", &design(40)).await;
    assert_eq!((second.status, &second.json()["version"]), (StatusCode::OK, &json!(2)));
    assert_eq!(second.json()["tags"], json!(["x"]));

    let latest = service.get("/api/templates/cards%2Fa").await;
    assert_eq!(latest.header("cache-control"), "no-store");
    let latest = latest.json();
    assert_eq!((&latest["design"], &latest["version"], &latest["width"]), (&design(40), &json!(2), &json!(40.0)));
    let versions = latest["versions"].as_array().expect("versions").iter().map(|it| it["version"].as_u64());
    assert_eq!(versions.collect::<Vec<_>>(), [Some(1), Some(2)]);
    let pinned = service.get("/api/templates/cards%2Fa@1").await.json();
    assert_eq!((&pinned["design"], &pinned["version"], &pinned["width"]), (&design(30), &json!(1), &json!(30.0)));
    let missing = service.get("/api/templates/cards%2Fa@3").await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    let expected = "id: cards/a@3 does not exist; accepted: the versions 1 to 2 of cards/a";
    assert_eq!(missing.error(), expected);

    assert_eq!(
        send(&service, "DELETE", "/api/templates/cards%2Fa@1", &json!(null)).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(send(&service, "DELETE", "/api/templates/cards%2Fa", &json!(null)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(send(&service, "DELETE", "/api/templates/cards%2Fa", &json!(null)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/api/templates/cards%2Fa").await.status, StatusCode::NOT_FOUND);
    let files = std::fs::read_dir(service.folder.path().join("templates")).expect("a folder").count();
    assert_eq!(files, 0, "the designs are deleted too");
}

#[tokio::test]
async fn old_versions_and_templates_beyond_the_limits_are_not_kept() {
    let service = service(&[("TENTER_TEMPLATE_VERSIONS", "2"), ("TENTER_KEY_TEMPLATES", "1")]);
    for width in 1..=3 {
        assert!(put(&service, "a", &design(width)).await.status.is_success());
    }
    assert_eq!(service.get("/api/templates/a@1").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(service.get("/api/templates/a@2").await.json()["width"], 2.0);
    let files = std::fs::read_dir(service.folder.path().join("templates")).expect("a folder").count();
    assert_eq!(files, 2);
    let refused = put(&service, "b", &design(1)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.error().contains("TENTER_KEY_TEMPLATES"), "{}", refused.error());
}

#[tokio::test]
async fn list_has_pages_and_filters() {
    let service = service(&[]);
    for (id, name, tag) in [("b", "Birthday", "card"), ("a/z", "Letter", "mail"), ("c", "Invoice", "mail")] {
        assert!(
            put(&service, &id.replace('/', "%2F"), &json!({"design": design(1), "name": name, "tags": [tag]}))
                .await
                .status
                .is_success()
        );
    }
    let of = |ids: &[&str], total: u64| (ids.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>(), total);
    assert_eq!(listed(&service, "").await, of(&["a/z", "b", "c"], 3));
    assert_eq!(listed(&service, "per_page=2&page=2").await, of(&["c"], 3));
    assert_eq!(listed(&service, "name=BIRTH").await, of(&["b"], 1));
    assert_eq!(listed(&service, "name=a/Z").await, of(&["a/z"], 1), "the id counts too");
    assert_eq!(listed(&service, "tag=mail").await, of(&["a/z", "c"], 2));
    assert_eq!(listed(&service, "tag=mai").await, of(&[], 0));
}

#[tokio::test]
async fn bad_templates_are_refused_with_paths() {
    let service = service(&[]);
    let paths = async |id: &str, body: Value| {
        let answer = put(&service, id, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let problems = answer.json()["problems"].as_array().expect("problems").clone();
        problems.iter().map(|it| it["path"].as_str().expect("a path").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(paths("a", json!({})).await, ["design"]);
    assert_eq!(
        paths("a", json!({"design": 3, "name": "x".repeat(201), "tags": [""]})).await,
        ["name", "tags", "design"]
    );
    assert_eq!(paths("a", json!({"pages": []})).await, ["pages"]);
    assert_eq!(
        paths("a", json!({"design": {"pages": [{"children": [{"type": "no"}]}]}})).await,
        ["design.pages[0].children[0].type"]
    );
    for id in ["..%2Fa", "a%20b", "-a", &"a".repeat(129)] {
        assert_eq!(put(&service, id, &design(1)).await.status, StatusCode::NOT_FOUND, "{id}");
    }
    assert_eq!(listed(&service, "").await.1, 0);
}

#[tokio::test]
async fn calls_take_a_template_in_place_of_the_design() {
    let service = service(&[]);
    put(&service, "a", &design(30)).await;
    put(&service, "a", &design(40)).await;
    let width = async |call: Value| {
        let answer = service.render(call).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        png_size(&answer.body).0
    };
    assert_eq!(width(json!({"template": "a", "outputFormat": "file", "variables": {"name": "Ada"}})).await, 40);
    assert_eq!(width(json!({"outputFormat": "file", "template": "a@1", "variables": {"name": "Ada"}})).await, 30);

    let jobs = service.jobs.clone();
    let working = tokio::spawn(async move { jobs.run().await });
    let body = json!({"template": "a@1", "variables": {"name": "Ada"}}).to_string();
    let mut request = post("/api/renders", &body);
    request.headers_mut().insert("prefer", "wait".parse().expect("a header"));
    let job = service.call(request).await.json();
    assert_eq!(job["status"], "done", "{job}");
    let file = job["output"].as_str().expect("a link").rsplit('/').next().expect("a name").to_owned();
    assert_eq!(png_size(&service.get(&format!("/files/{file}")).await.body).0, 30);

    let rows = json!({"template": "a", "rows": [{"name": "Ada"}, {"name": "Zoë"}]});
    let batch = service.post("/api/batches", &rows.to_string()).await;
    assert_eq!((batch.status, &batch.json()["rows"]), (StatusCode::OK, &json!(2)), "{:?}", batch.body);
    let csv = Request::post("/api/batches?template=a@1&format=png").header("content-type", "text/csv");
    let csv = service.call(csv.body(Body::from("name\nAda\n")).expect("a request")).await;
    assert_eq!((csv.status, &csv.json()["rows"]), (StatusCode::OK, &json!(1)), "{:?}", csv.body);
    for (batch, width) in [(batch, 40), (csv, 30)] {
        let path = format!("/api/batches/{}/items", batch.json()["id"].as_str().expect("an id"));
        let begun = Instant::now();
        let item = loop {
            let item = service.get(&path).await.json()["items"][0].clone();
            if item["status"] == "done" {
                break item;
            }
            assert!(begun.elapsed() < Duration::from_secs(20) && item["status"] != "error", "{item}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let file = item["url"].as_str().expect("a link").rsplit('/').next().expect("a name").to_owned();
        assert_eq!(png_size(&service.get(&format!("/files/{file}")).await.body).0, width);
    }
    working.abort();
}

#[tokio::test]
async fn calls_with_unknown_templates_are_refused_with_the_path() {
    let service = service(&[]);
    put(&service, "a", &design(30)).await;
    let rows = json!([{"name": "Ada"}]);
    for (template, words) in [
        (json!("b"), "template: there is no template b; accepted: an id that GET /api/templates lists"),
        (json!("a@2"), "template: a@2 does not exist; accepted: the versions 1 to 1 of a"),
        (json!("a@x"), "template: found \"a@x\"; accepted: the id of a template, or id@version"),
        (json!(7), "template: found the number 7; accepted: the id of a template"),
    ] {
        for path in ["/api/render", "/api/renders", "/api/batches"] {
            let answer = service.post(path, &json!({"template": template, "rows": rows}).to_string()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {template}");
            assert!(answer.error().starts_with(words), "{}", answer.error());
            assert_eq!(answer.json()["problems"][0]["path"], "template");
        }
    }
    let both = json!({"template": "a", "design": design(1), "rows": rows}).to_string();
    for path in ["/api/render", "/api/renders", "/api/batches"] {
        assert_eq!(service.post(path, &both).await.error(), "template: stands beside design; accepted: one of both");
    }
    let csv = Request::post("/api/batches?template=b").header("content-type", "text/csv");
    let csv = service.call(csv.body(Body::from("name\nAda\n")).expect("a request")).await;
    assert_eq!((csv.status, &csv.json()["problems"][0]["path"]), (StatusCode::BAD_REQUEST, &json!("template")));
}

#[tokio::test]
async fn repeated_calls_give_the_same_job_when_the_template_has_changed() {
    let service = service(&[]);
    put(&service, "a", &design(30)).await;
    let submit = async |template: &str| {
        let mut request = post("/api/renders", &json!({"template": template}).to_string());
        request.headers_mut().insert("idempotency-key", "one".parse().expect("a header"));
        service.call(request).await
    };
    let first = submit("a").await.json()["id"].clone();
    put(&service, "a", &design(40)).await;
    let again = submit("a").await;
    assert_eq!((&again.json()["id"], again.header("idempotency-replayed")), (&first, "true"));
    assert_eq!(submit("a@1").await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn templates_belong_to_keys() {
    let service = service(&[("TENTER_KEYS", "shop=aaaa,press=bbbb")]);
    assert_eq!(put(&service, "a", &design(1)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(put(&service, "a?KEY=aaaa", &design(30)).await.status, StatusCode::CREATED);
    assert_eq!(listed(&service, "KEY=bbbb").await.1, 0);
    assert_eq!(service.get("/api/templates/a?KEY=bbbb").await.status, StatusCode::NOT_FOUND);
    assert_eq!(put(&service, "a?KEY=bbbb", &design(40)).await.json()["version"], 1);
    assert_eq!(service.get("/api/templates/a?KEY=aaaa").await.json()["width"], 30.0);
    let call = json!({"template": "a", "outputFormat": "file"}).to_string();
    assert_eq!(png_size(&service.post("/api/render?KEY=bbbb", &call).await.body).0, 40);
}

#[tokio::test]
async fn preview_is_a_small_picture_of_each_version() {
    let service = service(&[]);
    let large = json!({"width": 1600, "height": 800, "pages": [{"background": "red", "children": []}]});
    put(&service, "a", &large).await;
    put(&service, "a", &json!({"width": 60, "height": 30, "pages": [{"children": []}]})).await;
    let first = service.get("/api/templates/a@1/preview").await;
    assert_eq!((first.status, first.header("content-type")), (StatusCode::OK, "image/png"));
    assert_eq!(png_size(&first.body), (400, 200));
    assert_eq!(png_size(&service.get("/api/templates/a/preview").await.body), (60, 30));
    let again = service.get("/api/templates/a@1/preview").await;
    assert_eq!(again.body, first.body);
    let request = Request::get("/api/templates/a@1/preview").header("if-none-match", first.header("etag"));
    let known = service.call(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    let previews = std::fs::read_dir(service.folder.path().join("templates")).expect("a folder").flatten();
    assert_eq!(previews.filter(|it| it.path().extension().is_some_and(|it| it == "png")).count(), 2, "they are stored");
    assert_eq!(service.get("/api/templates/b/preview").await.status, StatusCode::NOT_FOUND);
}

/// A folder with templates, and a service that watches it.
fn folder_service(files: &[(&str, Value)]) -> (tempfile::TempDir, Service) {
    let root = tempfile::tempdir().expect("a folder");
    for (name, design) in files {
        write(&root, name, design);
    }
    let path = root.path().to_string_lossy().into_owned();
    let service = service(&[("TENTER_TEMPLATES_DIR", &path), ("TENTER_URL_KEYS", KEY)]);
    (root, service)
}

fn write(root: &tempfile::TempDir, name: &str, design: &Value) {
    let path = root.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
    std::fs::write(path, design.to_string()).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_is_listed_and_changes_are_served_within_a_second() {
    let (root, service) = folder_service(&[("a.json", design(30)), ("cards/b.json", design(31))]);
    let templates = service.templates.clone();
    let watching = tokio::spawn(async move { templates.watch().await });
    put(&service, "c", &design(32)).await;
    let all = ["a", "c", "cards/b"].map(str::to_owned).to_vec();
    assert_eq!(listed(&service, "").await, (all, 3));
    let file = service.get("/api/templates/cards%2Fb").await.json();
    assert_eq!((&file["source"], &file["version"], &file["versions"]), (&json!("folder"), &json!(null), &json!([])));

    let width = async || {
        let answer = service.render(json!({"template": "cards/b", "outputFormat": "file"})).await;
        png_size(&answer.body).0
    };
    assert_eq!(width().await, 31);
    write(&root, "cards/b.json", &design(100));
    let begun = Instant::now();
    assert_eq!(width().await, 100, "at once");
    write(&root, "new.json", &design(5));
    write(&root, "a.json", &design(300));
    loop {
        let listed = service.get("/api/templates").await.json();
        let of = |id: &str| {
            let all = listed["templates"].as_array().expect("a list");
            all.iter().find(|it| it["id"] == id).map(|it| it["width"].as_f64().expect("a width"))
        };
        if (of("a"), of("new")) == (Some(300.0), Some(5.0)) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never listed: {listed}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    watching.abort();

    let refused = put(&service, "a", &design(1)).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.error(), "a is a file in TENTER_TEMPLATES_DIR; change the file instead");
    assert_eq!(send(&service, "DELETE", "/api/templates/a", &json!(null)).await.status, StatusCode::CONFLICT);
    let pinned = service.render(json!({"template": "a@1"})).await;
    assert_eq!(pinned.error(), "template: a is a file, which has no versions; accepted: the id without a version");
}

#[tokio::test(flavor = "multi_thread")]
async fn thousand_templates_are_listed_in_pages() {
    let files: Vec<_> = (0..1000).map(|number| (format!("t{number:04}.json"), design(number + 1))).collect();
    let files: Vec<_> = files.iter().map(|(name, design)| (name.as_str(), design.clone())).collect();
    let (_root, service) = folder_service(&files);
    for number in 0..1000 {
        assert!(put(&service, &format!("s{number:04}"), &design(1)).await.status.is_success());
    }
    let begun = Instant::now();
    let mut found = 0;
    for page in 1..=10 {
        let (ids, total) = listed(&service, &format!("page={page}&name=t0")).await;
        assert_eq!(total, 1000);
        found += ids.len();
    }
    assert_eq!(found, 1000);
    eprintln!("1000 of 2000 templates in ten pages: {:?}", begun.elapsed());
}

#[tokio::test]
async fn files_that_no_template_names_are_removed_when_they_are_old() {
    let later = Arc::new(AtomicU64::new(0));
    let clock: Clock = Arc::new({
        let later = later.clone();
        move || SystemTime::now() + Duration::from_secs(later.load(Ordering::SeqCst))
    });
    let service = service_at(&[], clock);
    put(&service, "a", &design(30)).await;
    let folder = service.folder.path().join("templates");
    std::fs::write(folder.join("00000000000000000000000000000000.json"), "{}").expect("written");
    assert_eq!(service.templates.sweep().await, 0, "a call may be about to name it");
    later.store(3600, Ordering::SeqCst);
    assert_eq!(service.templates.sweep().await, 1);
    assert_eq!(service.get("/api/templates/a").await.json()["design"], design(30));
}

fn signed(url: &str) -> String {
    sign_url(url, KEY, None).expect("a URL of a picture")
}

#[tokio::test]
async fn signed_url_is_a_picture_in_each_format() {
    let (_root, service) = folder_service(&[("cards/a.json", design(30))]);
    for (ending, media_type) in [
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("webp", "image/webp"),
        ("pdf", "application/pdf"),
    ] {
        let answer = service.get(&signed(&format!("/i/cards/a.{ending}?name=Ada"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, media_type), "{:?}", answer.body);
        assert_eq!(answer.header("cache-control"), "public, max-age=3600");
        let cache = if ending == "jpeg" { "hit" } else { "miss" }; // it is the picture of "jpg"
        assert_eq!((answer.header("x-tenter-cache"), answer.header("x-tenter-warnings")), (cache, "0"));
    }
    let double = service.get(&signed("/i/cards/a.png?name=Ada&_pixelRatio=2")).await;
    assert_eq!(png_size(&double.body), (60, 40));
    put(&service, "stored", &design(50)).await;
    put(&service, "stored", &design(60)).await;
    assert_eq!(png_size(&service.get(&signed("/i/stored@1.png?name=Ada")).await.body).0, 50);

    let plain = service.get(&signed("/i/cards/a.png?name=Ada")).await;
    let known = Request::get(signed("/i/cards/a.png?name=Ada")).header("if-none-match", plain.header("etag"));
    let known = service.call(known.body(Body::empty()).expect("a request")).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(known.header("etag"), plain.header("etag"));
    let part = Request::get(signed("/i/cards/a.png?name=Ada")).header("range", "bytes=1-3");
    let part = service.call(part.body(Body::empty()).expect("a request")).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &b"PNG"[..]));

    for (url, status, words) in [
        ("/i/none.png", StatusCode::NOT_FOUND, "not found"),
        ("/i/cards/a.gif", StatusCode::NOT_FOUND, "not found"),
        ("/i/stored@7.png", StatusCode::BAD_REQUEST, "template: stored@7 does not exist"),
        ("/i/cards/a.png?_webhook=x", StatusCode::BAD_REQUEST, "_webhook: is no option"),
        ("/i/cards/a.png?_pixelRatio=-1", StatusCode::BAD_REQUEST, "_pixelRatio: found"),
    ] {
        let answer = service.get(&signed(url)).await;
        assert_eq!(answer.status, status, "{url}");
        assert!(answer.error().starts_with(words), "{}", answer.error());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_url_is_painted_once_for_ten_thousand_requests() {
    let (root, service) = folder_service(&[("a.json", design(30))]);
    let service = Arc::new(service);
    let url = signed("/i/a.png?name=Ada");
    let begun = Instant::now();
    let mut misses = 0;
    for _ in 0..100 {
        let calls = (0..100).map(|_| {
            let (service, url) = (service.clone(), url.clone());
            tokio::spawn(async move { service.get(&url).await })
        });
        for answer in futures_util::future::join_all(calls).await {
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, StatusCode::OK);
            misses += usize::from(answer.header("x-tenter-cache") == "miss");
        }
    }
    eprintln!("10000 requests of one signed URL: {:?}", begun.elapsed());
    assert_eq!(misses, 1);
    let metrics = String::from_utf8(service.get("/metrics").await.body.to_vec()).expect("text");
    assert!(metrics.contains("tenter_pictures_painted_total 1\n"), "{metrics}");
    assert!(metrics.contains("tenter_picture_hits_total 9999\n"), "{metrics}");
    // A changed template is another picture under the same URL.
    write(&root, "a.json", &design(200));
    let changed = service.get(&url).await;
    assert_eq!((changed.header("x-tenter-cache"), png_size(&changed.body).0), ("miss", 200));
}

#[tokio::test]
async fn signed_url_that_is_changed_or_expired_is_refused_before_anything_is_looked_up() {
    let later = Arc::new(AtomicU64::new(0));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock: Clock = Arc::new({
        let later = later.clone();
        move || start + Duration::from_secs(later.load(Ordering::SeqCst))
    });
    let service = service_at(&[("TENTER_URL_KEYS", KEY)], clock);
    put(&service, "a", &design(30)).await;
    let url = signed("/i/a.png?name=Ada&x=1");
    assert_eq!(service.get(&url).await.status, StatusCode::OK);
    let signature = url.rsplit("s=").next().expect("a signature").to_owned();
    for changed in [
        format!("/i/a.png?x=1&name=Ada&s={signature}"),
        format!("/i/a.png?name=Eve&x=1&s={signature}"),
        format!("/i/none.png?name=Ada&x=1&s={signature}"),
        format!("/i/a.png?name=Ada&x=1&s={}A", &signature[..42]),
        format!("/i/a.png?name=Ada&x=1&s={signature}&y=1"),
        "/i/a.png?name=Ada&x=1".to_owned(),
        "/i/none.png".to_owned(),
    ] {
        let answer = service.get(&changed).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{changed}");
        assert!(answer.error().starts_with("the signature of this URL is missing or wrong"), "{}", answer.error());
    }
    let expiring = sign_url("/i/a.png?name=Ada", KEY, Some(1_800_000_100)).expect("signed");
    later.store(40, Ordering::SeqCst);
    let answer = service.get(&expiring).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "public, max-age=60"));
    later.store(100, Ordering::SeqCst);
    let answer = service.get(&expiring).await;
    assert_eq!((answer.status, answer.error().as_str()), (StatusCode::FORBIDDEN, "this URL has expired"));

    let without = service_at(&[], tenter::jobs::system_clock());
    let answer = without.get(&url).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.error().contains("TENTER_URL_KEYS"), "{}", answer.error());
}

#[tokio::test]
async fn signed_url_shows_templates_of_the_key_that_signed_it() {
    let environment = [
        ("TENTER_KEYS", "shop=aaaa,press=bbbb"),
        ("TENTER_URL_KEYS", "shop=0123456789abcdef,shop=old-0123456789abcdef,press=fedcba9876543210"),
    ];
    let service = service(&environment);
    put(&service, "a?KEY=aaaa", &design(30)).await;
    for (key, status) in [
        (KEY, StatusCode::OK),
        ("old-0123456789abcdef", StatusCode::OK),
        ("fedcba9876543210", StatusCode::NOT_FOUND),
        ("another-key-of-nobody", StatusCode::FORBIDDEN),
    ] {
        let url = sign_url("/i/a.png?name=Ada", key, None).expect("signed");
        assert_eq!(service.get(&url).await.status, status, "{key}");
    }
}
