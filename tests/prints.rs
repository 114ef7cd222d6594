//! Fingerprints: equal fingerprints mean equal bytes, and everything that the bytes depend on changes the fingerprint.
//! Also the result cache, which must not change any response.

#[path = "support/service.rs"]
mod service;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path as Name, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use service::{Answer, Service, service};

/// Server of files that may change, with headers that forbid caching.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<HashMap<String, Vec<u8>>>>);

impl Files {
    fn set(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut files = self.0.lock().expect("no panic");
        match bytes {
            Some(bytes) => drop(files.insert(name.to_owned(), bytes)),
            None => drop(files.remove(name)),
        }
    }

    /// Serves the files and returns the start of their URLs.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/{name}", axum::routing::get(file)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }
}

async fn file(State(files): State<Files>, Name(name): Name<String>) -> Response {
    match files.0.lock().expect("no panic").get(&name) {
        Some(bytes) => ([(header::CACHE_CONTROL, "max-age=0"), (header::ETAG, "no")], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn example(name: &str) -> Value {
    serde_json::from_slice(&read(&format!("examples/{name}.json"))).expect("JSON")
}

const LOCAL: (&str, &str) = ("TENTER_ALLOW_ADDRESSES", "127.0.0.0/8");
const CPU: (&str, &str) = ("TENTER_RASTERIZER", "cpu");
const CACHE: (&str, &str) = ("TENTER_RESULT_CACHE_BYTES", "64 MiB");

fn call(design: &Value, format: &str, options: &Value) -> Value {
    json!({"design": design, "format": format, "outputFormat": "file", "exportOptions": options})
}

async fn rendered(service: &Service, call: &Value) -> Answer {
    let answer = service.render(call.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let fingerprint = answer.header("x-tenter-fingerprint");
    assert!(fingerprint.len() == 64 && fingerprint.bytes().all(|it| it.is_ascii_hexdigit()), "{fingerprint:?}");
    answer
}

async fn fingerprint(service: &Service, call: &Value) -> String {
    rendered(service, call).await.header("x-tenter-fingerprint").to_owned()
}

/// The same JSON with object members in the opposite order, except where the order has a meaning.
fn with_members_reversed(value: &Value) -> Value {
    match value {
        Value::Array(entries) => entries.iter().map(with_members_reversed).collect(),
        Value::Object(members) => {
            let reversed = members.iter().rev().map(|(name, value)| match name.as_str() {
                "filters" | "colorsReplace" => (name.clone(), value.clone()),
                _ => (name.clone(), with_members_reversed(value)),
            });
            Value::Object(reversed.collect())
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn equal_fingerprints_mean_equal_bytes() {
    let cold = [
        CPU,
        ("TENTER_THREADS", "1"),
        ("TENTER_ASSET_CACHE_BYTES", "0"),
        ("TENTER_PICTURE_CACHE_BYTES", "0"),
        ("TENTER_DRAWING_CACHE_BYTES", "0"),
        ("TENTER_TEXT_CACHE_BYTES", "0"),
    ];
    let (warm, cold) = (service(&[CPU, ("TENTER_THREADS", "4")]), service(&cold));
    let none = json!({});
    let reproducible = json!({"reproducible": true});
    let vector = json!({"reproducible": true, "vector": true});
    let mut seen = BTreeMap::new();
    for (name, format, options) in [
        ("social-post", "png", &none),
        ("social-post", "jpeg", &none),
        ("social-post", "webp", &none),
        ("event-ticket", "pdf", &reproducible),
        ("event-ticket", "pdf", &vector),
    ] {
        let design = example(name);
        let first = rendered(&warm, &call(&design, format, options)).await;
        let again = rendered(&warm, &call(&with_members_reversed(&design), format, options)).await;
        let cold = rendered(&cold, &call(&design, format, options)).await;
        let of = first.header("x-tenter-fingerprint");
        for other in [&again, &cold] {
            assert_eq!(other.header("x-tenter-fingerprint"), of, "{name} {format}");
            assert!(other.body == first.body, "{name} {format}: the same fingerprint, and other bytes");
        }
        assert_eq!(first.header("x-tenter-cache"), "", "the result cache is off");
        assert_eq!(seen.insert(of.to_owned(), (name, format)), None, "{name} {format}");
    }
}

/// A design with a text, an image, a filter and an SVG with replaced colours, whose files are at `base`.
fn poster(base: &str) -> Value {
    let filters = json!({"sepia": {"intensity": 0.5}, "contrast": {"intensity": 0.3}});
    json!({
        "width": 60, "height": 40, "unit": "px", "custom": {"name": "Poster", "tags": {"a": 1, "b": 2}},
        "fonts": [{"fontFamily": "Own", "url": format!("{base}/font")}],
        "pages": [{"id": "one", "children": [
            {"id": "text", "type": "text", "text": "Hi {name}", "width": 50, "height": 12, "fontSize": 9, "fontFamily": "Own"},
            {"id": "photo", "type": "image", "src": format!("{base}/photo"), "y": 12, "width": 30, "height": 20,
             "filters": filters},
            {"id": "mark", "type": "svg", "src": format!("{base}/mark"), "x": 30, "y": 12, "width": 20, "height": 20,
             "colorsReplace": {"#ff0000": "#00ff00", "red": "blue"}},
        ]}, {"id": "two", "children": []}],
    })
}

const MARK: &str =
    "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><path d='M0 0h8v8z' fill='red'/></svg>";

async fn files() -> (Files, String) {
    let files = Files::default();
    files.set("photo", Some(png(200)));
    files.set("mark", Some(MARK.into()));
    files.set("font", Some(read("assets/fonts/Roboto-Regular.ttf")));
    let base = files.serve().await;
    (files, base)
}

/// PNG of two px of this grey level.
fn png(grey: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[grey, 0]).expect("px");
    drop(writer);
    bytes
}

/// `call` with `value` at this JSON pointer.
fn with(call: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = call.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = changed.pointer_mut(parent).expect(pointer);
    match parent {
        Value::Array(entries) => entries[name.parse::<usize>().expect("an index")] = value,
        parent => parent[name] = value,
    }
    changed
}

#[tokio::test]
async fn fingerprint_changes_with_every_input() {
    let (files, base) = files().await;
    let service = service(&[CPU, LOCAL]);
    let options = json!({"variables": {"name": "Ada"}, "minImageDpi": 0});
    let plain = call(&poster(&base), "png", &options);
    let of_plain = fingerprint(&service, &plain).await;

    let mut seen = BTreeMap::from([(of_plain.clone(), "as it was".to_owned())]);
    let text = "/design/pages/0/children/0";
    let turned_filters = json!({"contrast": {"intensity": 0.3}, "sepia": {"intensity": 0.5}});
    for (pointer, value) in [
        (&*format!("{text}/text"), json!("Ho {name}")),
        (&*format!("{text}/x"), json!(1)),
        ("/design/width", json!(61)),
        ("/design/custom/name", json!("Placard")),
        ("/design/pages/0/children/1/filters", turned_filters),
        ("/design/pages/0/children/2/colorsReplace", json!({"red": "blue", "#ff0000": "#00ff00"})),
        ("/exportOptions/variables/name", json!("Bob")),
        ("/exportOptions/pixelRatio", json!(2)),
        ("/exportOptions/pageId", json!("two")),
        ("/exportOptions/ignoreBackground", json!(true)),
        ("/exportOptions/textOverflow", json!("resize")),
        ("/exportOptions/lineBreaking", json!("unicode")),
        ("/exportOptions/dpi", json!(300)),
        ("/exportOptions/compression", json!("small")),
        ("/exportOptions/quality", json!(0.5)),
        ("/format", json!("webp")),
        ("/format", json!("jpeg")),
    ] {
        let of = fingerprint(&service, &with(&plain, pointer, value)).await;
        assert_eq!(seen.insert(of, pointer.to_owned()), None, "{pointer}");
    }
    let bold = read("assets/fonts/Roboto-Bold.ttf");
    for (name, bytes) in [("photo", png(201)), ("mark", MARK.replace("8z", "7z").into()), ("font", bold)] {
        files.set(name, Some(bytes));
        let of = fingerprint(&service, &plain).await;
        assert_eq!(seen.insert(of, name.to_owned()), None, "{name}");
    }
    files.set("photo", None);
    let without = with(&plain, "/exportOptions/skipImageError", json!(true));
    assert_eq!(seen.insert(fingerprint(&service, &without).await, "no photo".into()), None);
}

#[tokio::test]
async fn fingerprint_ignores_what_does_not_affect_the_bytes() {
    let (_, base) = files().await;
    let service = service(&[CPU, LOCAL]);
    let plain = call(&poster(&base), "png", &json!({"variables": {"name": "Ada"}, "minImageDpi": 0}));
    let of_plain = fingerprint(&service, &plain).await;
    for (pointer, value) in [
        ("/exportOptions/minImageDpi", json!(1000)),
        ("/exportOptions/assetLoadTimeout", json!(9999)),
        ("/exportOptions/fontLoadTimeout", json!(9999)),
        ("/exportOptions/skipImageError", json!(true)),
        ("/exportOptions/pageId", json!("one")),
        ("/exportOptions/variables/other", json!("unused")),
        ("/outputFormat", json!("dataURL")),
        ("/design/custom/tags", json!({"b": 2, "a": 1})),
    ] {
        assert_eq!(fingerprint(&service, &with(&plain, pointer, value)).await, of_plain, "{pointer}");
    }
}

#[tokio::test]
async fn fingerprint_includes_the_operators_fonts() {
    let folder = tempfile::tempdir().expect("a folder");
    let plain = call(&example("social-post"), "png", &json!({}));
    let mut seen = BTreeMap::new();
    for name in ["none", "Roboto-Regular.ttf", "Roboto-Bold.ttf"] {
        if name != "none" {
            fs::write(folder.path().join("own.ttf"), read(&format!("assets/fonts/{name}"))).expect("written");
        }
        let path = folder.path().to_str().expect("UTF-8").to_owned();
        let of = fingerprint(&service(&[CPU, ("TENTER_FONT_DIR", &path)]), &plain).await;
        assert_eq!(seen.insert(of, name), None, "{name}");
    }
}

#[tokio::test]
async fn fingerprint_of_a_pdf_includes_the_date() {
    let service = service(&[CPU]);
    let design = json!({"width": 30, "height": 20, "pages": [{}, {}]});
    let of = async |options: Value| fingerprint(&service, &call(&design, "pdf", &options)).await;
    let at = |date: &str| json!({"creationDate": date});
    assert_eq!(of(json!({"reproducible": true})).await, of(at("1970-01-01T00:00:00Z")).await);
    assert_eq!(of(at("2026-11-23T10:00:00Z")).await, of(at("2026-11-23T11:00:00+01:00")).await);
    assert_ne!(of(at("2026-11-23T10:00:00Z")).await, of(at("2026-11-23T10:00:01Z")).await);
    assert_ne!(of(json!({})).await, of(json!({"reproducible": true})).await);
    let one = json!({"reproducible": true, "pageIds": ["page-0"]});
    assert_ne!(of(one).await, of(json!({"reproducible": true})).await);
}

#[tokio::test]
async fn job_record_has_its_fingerprint() {
    let service = service(&[CPU]);
    let design = json!({"width": 30, "height": 20, "pages": [{}]});
    let of = fingerprint(&service, &call(&design, "png", &json!({}))).await;
    let jobs = service.jobs.clone();
    let running = tokio::spawn(async move { jobs.run().await });
    let request = service::post("/api/renders", &json!({"design": design}).to_string());
    let (mut head, body) = request.into_parts();
    head.headers.insert("prefer", "wait".parse().expect("a header"));
    let job = service.call(axum::http::Request::from_parts(head, body)).await.json();
    assert_eq!((&job["status"], &job["fingerprint"]), (&json!("done"), &json!(of)), "{job}");
    let logs = job["logs"].as_str().expect("text");
    assert!(logs.contains(&format!("fingerprint {of}, painted by cpu\n")), "{logs}");
    running.abort();
}

/// Request of the classic call with a JSON response, so that warnings can be compared.
fn json_call(design: &Value, format: &str, options: &Value) -> Value {
    json!({"design": design, "format": format, "exportOptions": options})
}

#[tokio::test]
async fn result_cache_gives_the_same_responses_as_painting() {
    let (_, base) = files().await;
    let (with, without) = (service(&[CPU, LOCAL, CACHE]), service(&[CPU, LOCAL]));
    let reproducible = json!({"reproducible": true});
    for (design, format, options) in [
        (example("social-post"), "png", json!({})),
        (example("event-ticket"), "pdf", json!({"reproducible": true, "vector": true})),
        (example("event-ticket"), "pdf", reproducible),
        // These designs cause warnings about variables, enlarged images and shrunk texts.
        (poster(&base), "jpeg", json!({"variables": {"none": "x"}, "minImageDpi": 300})),
    ] {
        let call = json_call(&design, format, &options);
        let painted = without.render(call.clone()).await;
        assert_eq!(painted.status, StatusCode::OK, "{:?}", painted.body);
        let (first, again) = (with.render(call.clone()).await, with.render(call.clone()).await);
        assert_eq!((first.header("x-tenter-cache"), again.header("x-tenter-cache")), ("miss", "hit"));
        for answer in [&first, &again] {
            assert_eq!(answer.status, StatusCode::OK);
            assert!(answer.json() == painted.json(), "{format}: picture or warnings differ");
            for header in ["x-tenter-fingerprint", "x-tenter-warnings", "x-tenter-rasterizer", "x-rendered-by"] {
                assert_eq!(answer.header(header), painted.header(header), "{format} {header}");
            }
        }
        let timing = again.header("server-timing");
        assert!(timing.contains("assets;") && !timing.contains("paint;") && !timing.contains("encode;"), "{timing}");
    }
    let warned =
        with.render(json_call(&poster(&base), "jpeg", &json!({"variables": {"none": "x"}, "minImageDpi": 300}))).await;
    assert_ne!(warned.json()["warnings"], json!([]), "nothing was compared");
    let metrics = String::from_utf8(with.get("/metrics").await.body.to_vec()).expect("UTF-8");
    assert!(metrics.contains("tenter_result_cache_hits_total 5\n"), "{metrics}");
    assert!(metrics.contains("tenter_result_cache_misses_total 4\n"), "{metrics}");
    let cached_bytes =
        metrics.lines().find_map(|line| line.strip_prefix("tenter_result_cache_bytes ")).expect("a gauge");
    assert!((10_000..64 << 20).contains(&cached_bytes.parse::<u64>().expect("a number")), "{cached_bytes}");
}

#[tokio::test]
async fn result_cache_notices_changed_files_and_stores_no_incomplete_results() {
    let (files, base) = files().await;
    let service = service(&[CPU, LOCAL, CACHE]);
    let plain = call(&poster(&base), "png", &json!({"minImageDpi": 0, "skipImageError": true}));
    let cache = async |call: &Value| rendered(&service, call).await.header("x-tenter-cache").to_owned();
    assert_eq!((cache(&plain).await, cache(&plain).await), ("miss".into(), "hit".into()));

    files.set("photo", Some(png(9)));
    assert_eq!((cache(&plain).await, cache(&plain).await), ("miss".into(), "hit".into()), "another photo");
    files.set("photo", None);
    assert_eq!((cache(&plain).await, cache(&plain).await), ("miss".into(), "miss".into()), "the file may return");
    let strict = with(&plain, "/exportOptions/skipImageError", json!(false));
    assert_eq!(service.render(strict.clone()).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    files.set("photo", Some(png(9)));
    assert_eq!(cache(&plain).await, "hit", "the same photo as before");
}

/// The cache key includes everything that decides whether the request succeeds and which warnings it gets.
#[tokio::test]
async fn result_cache_key_includes_options_that_affect_warnings() {
    let service = service(&[CPU, CACHE]);
    let design = json!({"width": 30, "height": 20, "pages": [{"children": [
        {"type": "text", "text": "Hi {name}", "width": 20, "fontFamily": "No Such Family"},
    ]}]});
    let lenient = call(&design, "png", &json!({"skipFontError": true}));
    // The font is different, and the text shrinks.
    assert_eq!(rendered(&service, &lenient).await.header("x-tenter-warnings"), "2");
    assert_eq!(rendered(&service, &lenient).await.header("x-tenter-cache"), "hit");
    let strict = service.render(call(&design, "png", &json!({}))).await;
    assert_eq!(strict.status, StatusCode::UNPROCESSABLE_ENTITY, "{:?}", strict.body);
    // The same picture with two more warnings: about the unused variable and about the unfilled placeholder.
    let unused =
        rendered(&service, &call(&design, "png", &json!({"skipFontError": true, "variables": {"a": "b"}}))).await;
    assert_eq!((unused.header("x-tenter-cache"), unused.header("x-tenter-warnings")), ("miss", "4"));
}

#[tokio::test]
async fn result_cache_returns_a_repeated_pdf_with_its_first_date() {
    let service = service(&[CPU, CACHE]);
    let dated = call(&json!({"width": 30, "height": 20, "pages": [{}]}), "pdf", &json!({}));
    let (first, again) = (rendered(&service, &dated).await, rendered(&service, &dated).await);
    assert_eq!(again.header("x-tenter-cache"), "hit");
    assert_eq!(again.header("x-tenter-fingerprint"), first.header("x-tenter-fingerprint"));
    assert!(again.body == first.body);
}
