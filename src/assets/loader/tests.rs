use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::assets::testing::{local_limits, serve, serve_raw, tiny_png};
use crate::assets::{AssetError, AssetRequest, SnapshotEntry, SnapshotRecord};
use crate::report::JsonPath;

const TIMEOUTS: AssetTimeouts = AssetTimeouts { image: Duration::from_secs(30), font: Duration::from_secs(30) };

fn loader(limits: &AssetLimits) -> Loader {
    Loader::new(limits, Arc::new(Pool::new(1).expect("a thread"))).expect("a loader")
}

fn requests<U: AsRef<str>>(urls: &[U]) -> AssetRequests {
    let mut requests = AssetRequests::default();
    for (index, url) in urls.iter().enumerate() {
        requests.push(AssetRequest {
            url: url.as_ref().into(),
            kind: AssetKind::Image,
            at: JsonPath::root().key("children").index(index).key("src"),
            element: format!("el-{index}").into(),
        });
    }
    requests
}

fn font(url: &str, family: &str) -> AssetRequest {
    AssetRequest { url: url.into(), kind: AssetKind::Font, at: JsonPath::root(), element: family.into() }
}

fn png_url() -> String {
    format!("data:image/png;base64,{}", BASE64_STANDARD.encode(tiny_png()))
}

/// Starts a server of pictures and returns its URL with the number of requests so far. `/slow…` never answers,
/// `/missing…` answers 404, and any other path is a PNG whose `Cache-Control` is the first segment.
async fn images() -> (String, Arc<AtomicU32>) {
    async fn answer(State(request_count): State<Arc<AtomicU32>>, Path(path): Path<String>) -> Response {
        request_count.fetch_add(1, Ordering::SeqCst);
        match path.split('/').next() {
            Some("slow") => std::future::pending().await,
            Some("missing") => StatusCode::NOT_FOUND.into_response(),
            Some(control) => ([("cache-control", control)], tiny_png()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
    let request_count = Arc::new(AtomicU32::new(0));
    let server = serve(Router::new().route("/{*path}", get(answer)).with_state(request_count.clone())).await;
    (format!("http://{server}"), request_count)
}

fn pixels(set: &AssetSet, url: &str) -> Vec<u8> {
    match set.get(url) {
        Some(Ok(Asset::Picture(picture))) => picture.pixels.data().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn load_answers_for_every_url_once() {
    let (server, request_count) = images().await;
    let good = format!("{server}/public/a.png");
    let urls = [&good, &png_url(), "file:///etc/passwd", &good, "notacolor", &format!("{server}/missing")];
    let set = loader(&local_limits()).load(&requests(&urls), &TIMEOUTS, None).await;
    for url in [&good, &png_url()] {
        assert_eq!(pixels(&set, url).len(), 8);
    }
    assert_eq!(request_count.load(Ordering::SeqCst), 2, "one for each URL");
    let messages: Vec<String> = set.failures().iter().map(|error| format!("{} {error}", error.at)).collect();
    assert_eq!(
        messages,
        [
            "children[2].src image with id el-2 url: file:///etc/passwd: file: URLs are not supported here; \
             use http:, https:, or a data: URL in the design itself",
            "children[4].src image with id el-4 url: notacolor: it is not an absolute URL \
             (relative URL without a base); \
            use an http:, https: or data: URL",
            &format!(
                "children[5].src image with id el-5 url: {server}/missing: the server answered 404; 200 is needed"
            ),
        ]
    );
    assert!(set.get("https://never.asked/").is_none());
}

#[tokio::test]
async fn load_blocked_addresses_name_the_setting() {
    let loader = loader(&AssetLimits::default());
    let urls = ["http://127.0.0.1/a.png", "http://169.254.169.254/", "http://[::ffff:127.0.0.1]/", "http://localhost/"];
    let set = loader.load(&requests(&urls), &TIMEOUTS, None).await;
    assert_eq!(set.failures().len(), urls.len());
    for error in set.failures() {
        assert!(error.to_string().contains("TENTER_ALLOW_ADDRESSES"), "{error}");
        assert!(error.to_string().starts_with("image with id el-"), "{error}");
    }
}

#[tokio::test]
async fn load_reports_a_failure_for_each_request() {
    let set = loader(&AssetLimits::default()).load(&requests(&["", ""]), &TIMEOUTS, None).await;
    let elements: Vec<&str> = set.failures().iter().map(|error| &*error.element).collect();
    assert_eq!(elements, ["el-0", "el-1"]);
    assert_eq!(
        set.failures()[0].to_string(),
        "image with id el-0 url: (empty): it is not an absolute URL (relative URL without a base); \
        use an http:, https: or data: URL"
    );
    assert_eq!(set.get("").expect("requested").expect_err("empty").element.as_ref(), "el-0");
}

#[tokio::test]
async fn load_timeout_message_depends_on_the_kind() {
    let (server, _) = images().await;
    let mut requests = requests(&[format!("{server}/slow/a.png")]);
    requests.push(font(&format!("{server}/slow/a.ttf"), "Brand"));
    let timeouts = AssetTimeouts { image: Duration::from_millis(50), font: Duration::from_millis(40) };
    let set = loader(&local_limits()).load(&requests, &timeouts, None).await;
    let messages: Vec<String> = set.failures().iter().map(AssetError::to_string).collect();
    assert_eq!(
        messages,
        [
            format!(
                "Timeout loading asset image with id el-0 url: {server}/slow/a.png: \
                 not loaded within 0.05 s (assetLoadTimeout)"
            ),
            format!(
                "Timeout for loading font \"Brand\" url: {server}/slow/a.ttf: \
                 not loaded within 0.04 s (fontLoadTimeout)"
            ),
        ]
    );
    assert!(set.failures().iter().all(AssetError::is_timeout));
}

#[tokio::test]
async fn load_is_not_delayed_by_a_slow_asset() {
    let (server, _) = images().await;
    let slow = serve_raw(Vec::new(), Duration::ZERO, false).await;
    let good = format!("{server}/public/a.png");
    let mut requests = AssetRequests::default();
    requests.push(font(&format!("http://{slow}/"), "Brand"));
    requests.push(AssetRequest { kind: AssetKind::Image, ..font(&good, "el-0") });
    let timeouts = AssetTimeouts { font: Duration::from_millis(50), ..TIMEOUTS };
    let set = loader(&local_limits()).load(&requests, &timeouts, None).await;
    assert_eq!(set.failures().len(), 1);
    assert_eq!(pixels(&set, &good).len(), 8);
}

#[tokio::test]
async fn load_cache_follows_the_server() {
    let (server, request_count) = images().await;
    let loader = loader(&local_limits());
    for (control, times_asked) in [("max-age=100", 1), ("public", 1), ("no-store", 3), ("max-age=0", 3)] {
        request_count.store(0, Ordering::SeqCst);
        let urls = [format!("{server}/{control}/a.png")];
        for _ in 0..3 {
            assert_eq!(pixels(&loader.load(&requests(&urls), &TIMEOUTS, None).await, &urls[0]).len(), 8);
        }
        assert_eq!(request_count.load(Ordering::SeqCst), times_asked, "{control}");
    }
}

#[tokio::test]
async fn load_failures_are_not_cached() {
    let (server, request_count) = images().await;
    let loader = loader(&local_limits());
    for _ in 0..2 {
        loader.load(&requests(&[format!("{server}/missing")]), &TIMEOUTS, None).await;
    }
    assert_eq!(request_count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn load_not_modified_keeps_the_decoded_picture() {
    let request_count = Arc::new(AtomicU32::new(0));
    let counter = request_count.clone();
    let answer = get(move |headers: axum::http::HeaderMap| async move {
        counter.fetch_add(1, Ordering::SeqCst);
        match headers.contains_key("if-none-match") {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([("cache-control", "no-cache"), ("etag", "\"1\"")], tiny_png()).into_response(),
        }
    });
    let url = format!("http://{}/", serve(Router::new().route("/", answer)).await);
    let loader = loader(&local_limits());
    let mut ids = Vec::new();
    for _ in 0..3 {
        let set = loader.load(&requests(&[&url]), &TIMEOUTS, None).await;
        let Some(Ok(Asset::Picture(picture))) = set.get(&url) else { panic!("{set:?}") };
        ids.push(picture.pixels.id());
    }
    assert_eq!(request_count.load(Ordering::SeqCst), 3);
    assert!(ids.iter().all(|id| *id == ids[0]), "decoded once");
}

#[tokio::test]
async fn load_equal_data_urls_share_one_picture() {
    let loader = loader(&AssetLimits::default());
    let id = async || {
        let set = loader.load(&requests(&[png_url()]), &TIMEOUTS, None).await;
        let Some(Ok(Asset::Picture(picture))) = set.get(&png_url()) else { panic!("{set:?}") };
        picture.pixels.id()
    };
    assert_eq!(id().await, id().await);
}

#[tokio::test]
async fn load_reports_files_of_another_kind() {
    let url = "data:image/png;base64,aGVsbG8=";
    let mut requests = requests(&[url]);
    requests.push(font(url, "Brand"));
    let set = loader(&AssetLimits::default()).load(&requests, &TIMEOUTS, None).await;
    assert!(matches!(set.failures()[0].reason, Reason::Unreadable(_)), "{:?}", set.failures());
    let text = set.failures()[0].to_string();
    assert!(text.starts_with("image with id el-0 url: data:image/png;base64,… (30 characters): "), "{text}");
    assert!(set.failures()[1].to_string().starts_with("Timeout for loading font \"Brand\""), "{:?}", set.failures());
}

#[tokio::test]
async fn load_url_of_two_kinds_returns_the_one_that_decodes() {
    let url = png_url();
    let mut both = AssetRequests::default();
    both.push(font(&url, "Brand"));
    both.push(AssetRequest { kind: AssetKind::Image, ..font(&url, "el-0") });
    let set = loader(&AssetLimits::default()).load(&both, &TIMEOUTS, None).await;
    assert_eq!(pixels(&set, &url).len(), 8);
    assert_eq!(set.failures().len(), 1);
    assert_eq!(set.failures()[0].kind, AssetKind::Font);
}

#[tokio::test]
async fn load_can_be_dropped_and_shared() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let (server, request_count) = images().await;
    let loader = loader(&local_limits());
    let slow = requests(&[format!("{server}/slow/a.png")]);
    let mut dropped = Box::pin(assert_send(loader.load(&slow, &TIMEOUTS, None)));
    while request_count.load(Ordering::SeqCst) == 0 {
        assert!(futures_util::poll!(dropped.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(dropped);
    // Two concurrent loads of one URL send one request.
    request_count.store(0, Ordering::SeqCst);
    let wanted = requests(&[format!("{server}/no-store/a.png")]);
    let (a, b) = tokio::join!(loader.load(&wanted, &TIMEOUTS, None), loader.load(&wanted, &TIMEOUTS, None));
    assert!(a.failures().is_empty() && b.failures().is_empty());
    assert_eq!(request_count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn load_with_a_snapshot_fetches_once_despite_no_store() {
    let (server, request_count) = images().await;
    let loader = loader(&local_limits());
    let wanted = requests(&[format!("{server}/no-store/a.png#x")]);
    let record = Arc::new(SnapshotRecord::default());
    let snapshot = AssetSnapshot::new(1 << 20, record.clone());
    for _ in 0..3 {
        assert_eq!(loader.load(&wanted, &TIMEOUTS, Some(&snapshot)).await.failures().len(), 0);
    }
    assert_eq!(request_count.load(Ordering::SeqCst), 1);
    let entries = record.drain_new();
    assert_eq!((entries.len(), &*entries[0].url), (1, &*format!("{server}/no-store/a.png")));
    assert_eq!(entries[0].sha256, ContentHash::of(&tiny_png()));

    let other = SnapshotEntry { sha256: ContentHash::of(b"another picture"), ..entries[0].clone() };
    let changed = AssetSnapshot::new(1 << 20, Arc::new(SnapshotRecord::new([other])));
    let set = loader.load(&wanted, &TIMEOUTS, Some(&changed)).await;
    assert!(set.failures()[0].to_string().contains("has changed since the batch began"), "{}", set.failures()[0]);
}
