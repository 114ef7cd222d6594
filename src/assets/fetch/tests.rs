use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;

use super::*;
use crate::assets::testing::{local_limits, serve, serve_raw};

const INCOMPLETE: &str = "the host closed the connection before it had sent a complete HTTP response";

fn fetcher(limits: &AssetLimits) -> Fetcher {
    Fetcher { back_off: Duration::from_millis(1), ..Fetcher::new(limits).expect("a fetcher") }
}

async fn fetch_with(fetcher: &Fetcher, url: &str) -> Result<Bytes, Reason> {
    match fetcher.get(&fetcher.parse(url)?, None).await? {
        Fetched::Body(bytes, _) => Ok(bytes),
        Fetched::NotModified(_) => panic!("304 without validators"),
    }
}

async fn fetch(limits: &AssetLimits, url: &str) -> Result<Bytes, Reason> {
    fetch_with(&fetcher(limits), url).await
}

async fn failure(limits: &AssetLimits, url: &str) -> String {
    fetch(limits, url).await.expect_err(url).to_string()
}

/// A resolver that returns `answers` one after the other, with the number of lookups so far.
fn scripted(answers: &[&[&str]]) -> (Lookup, Arc<AtomicU32>) {
    let request_count = Arc::new(AtomicU32::new(0));
    let answers =
        answers.iter().map(|ips| ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 0)).collect());
    let answers = Mutex::new(answers.collect::<VecDeque<Vec<SocketAddr>>>());
    let counter = request_count.clone();
    let lookup: Lookup = Arc::new(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        let answer = answers.lock().expect("no panic").pop_front().ok_or(io::ErrorKind::NotFound.into());
        Box::pin(std::future::ready(answer))
    });
    (lookup, request_count)
}

#[tokio::test]
async fn fetch_blocks_closed_addresses() {
    // Each message names the setting that allows the address.
    for (url, network) in [
        ("http://127.0.0.1/a.png", "loopback"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("http://[::ffff:127.0.0.1]/a.png", "loopback"),
    ] {
        let expected =
            format!("its address is in a closed network ({network}); to allow it, add it to TENTER_ALLOW_ADDRESSES");
        assert_eq!(failure(&AssetLimits::default(), url).await, expected, "{url}");
    }
}

#[tokio::test]
async fn fetch_blocks_names_of_closed_addresses() {
    let error = fetch(&AssetLimits::default(), "http://localhost:1/").await.expect_err("loopback");
    assert!(matches!(error, Reason::Blocked(BlockedAddress { network: "loopback" })), "{error:?}");
}

#[tokio::test]
async fn fetch_error_does_not_reveal_open_ports() {
    let open = serve(Router::new()).await.port();
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    for host in ["127.0.0.1", "localhost"] {
        let text = async |port| failure(&AssetLimits::default(), &format!("http://{host}:{port}/")).await;
        assert_eq!(text(open).await, text(closed).await);
    }
}

#[tokio::test]
async fn fetch_blocks_redirects_to_closed_addresses() {
    let redirects =
        Router::new().route("/{*to}", get(|Path(to): Path<String>| async move { Redirect::temporary(&to) }));
    let server = serve(redirects).await;
    // Only the address of the first server is allowed.
    let limits =
        AssetLimits { allow_addresses: vec!["127.0.0.1/32".parse().expect("a network")], ..AssetLimits::default() };
    for (to, network) in [
        ("http://127.0.0.2/", "loopback"),
        ("http://169.254.169.254/latest/", "link-local"),
        ("http://[::ffff:10.0.0.1]/", "private"),
        ("http://0/", "this host"),
    ] {
        let text = failure(&limits, &format!("http://{server}/{to}")).await;
        assert!(text.starts_with("redirected to http://"), "{text}");
        let end =
            format!(": its address is in a closed network ({network}); to allow it, add it to TENTER_ALLOW_ADDRESSES");
        assert!(text.ends_with(&end), "{text}");
    }
    let text = failure(&limits, &format!("http://{server}/https://name:secret@example.com/a?b")).await;
    assert_eq!(
        text,
        "redirected to https://example.com/a: URLs with a user name or password are not supported; remove the part \
         before @"
    );
    let text = failure(&limits, &format!("http://{server}/file:///etc/passwd")).await;
    assert_eq!(
        text,
        "redirected to file:///etc/passwd: file: URLs are not supported here; \
         use http:, https:, or a data: URL in the design itself"
    );
}

#[tokio::test]
async fn fetch_is_not_affected_by_dns_rebinding() {
    let port = serve(Router::new().route("/", get(|| async { "inside" }))).await.port();
    let (lookup, request_count) = scripted(&[&["127.0.0.2", "127.0.0.1"], &["127.0.0.1"]]);
    let limits = AssetLimits {
        allow_addresses: vec!["127.0.0.2/32".parse().expect("a network")],
        tries: 2,
        ..AssetLimits::default()
    };
    let fetcher = Fetcher { back_off: Duration::ZERO, ..Fetcher::with_lookup(&limits, lookup).expect("a fetcher") };
    // The first attempt may connect to the allowed address only, where no host answers; the second resolves to none.
    let error = fetch_with(&fetcher, &format!("http://rebind.test:{port}/")).await.expect_err("never inside");
    assert!(matches!(error, Reason::Blocked(BlockedAddress { network: "loopback" })), "{error:?}");
    assert_eq!(request_count.load(Ordering::SeqCst), 2, "one lookup per connection");
}

#[tokio::test]
async fn fetch_connects_to_the_checked_address() {
    let port = serve(Router::new().route("/", get(|| async { "found" }))).await.port();
    let (lookup, request_count) = scripted(&[&["10.0.0.1", "127.0.0.1"]]);
    let fetcher = Fetcher::with_lookup(&local_limits(), lookup).expect("a fetcher");
    let url = format!("http://mixed.test:{port}/");
    assert_eq!(fetch_with(&fetcher, &url).await.expect("by the open address"), "found");
    assert_eq!(request_count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn fetch_unknown_name() {
    let (lookup, _) = scripted(&[]);
    let limits = AssetLimits { tries: 1, ..AssetLimits::default() };
    let fetcher = Fetcher::with_lookup(&limits, lookup).expect("a fetcher");
    let error = fetch_with(&fetcher, "http://nowhere.test/").await.expect_err("no such host");
    assert_eq!(
        error.to_string(),
        "the host name has no address, or only addresses in a closed network; to allow a network, add it to \
         TENTER_ALLOW_ADDRESSES"
    );
}

#[tokio::test]
async fn fetch_redirects_are_bounded() {
    let countdown = |Path(left): Path<u32>| async move {
        match left {
            0 => "arrived".into_response(),
            // Servers send relative targets too.
            left => Redirect::permanent(&format!("{}", left - 1)).into_response(),
        }
    };
    let to_itself = get(|| async { Redirect::to("/loop") });
    let server = serve(Router::new().route("/{left}", get(countdown)).route("/loop", to_itself)).await;
    let limits = AssetLimits { redirects: 3, ..local_limits() };
    assert_eq!(fetch(&limits, &format!("http://{server}/3")).await.expect("three redirects"), "arrived");
    for path in ["4", "loop"] {
        assert_eq!(
            failure(&limits, &format!("http://{server}/{path}")).await,
            "more than 3 redirects (TENTER_ASSET_REDIRECTS)"
        );
    }
    let none = AssetLimits { redirects: 0, ..local_limits() };
    assert_eq!(failure(&none, &format!("http://{server}/1")).await, "more than 0 redirects (TENTER_ASSET_REDIRECTS)");
}

#[tokio::test]
async fn fetch_body_size_is_bounded() {
    let chunks = || futures_util::stream::iter((0..10).map(|_| Ok::<_, io::Error>("0123456789")));
    let router = Router::new()
        .route("/announced", get(|| async { "x".repeat(101) }))
        .route("/chunked", get(move || async move { Body::from_stream(chunks()) }));
    let server = serve(router).await;
    let limits = AssetLimits { bytes: 99, ..local_limits() };
    assert_eq!(
        failure(&limits, &format!("http://{server}/announced")).await,
        "the file is 101 bytes; the limit is 99 bytes (TENTER_ASSET_MAX_BYTES)"
    );
    assert_eq!(
        failure(&limits, &format!("http://{server}/chunked")).await,
        "the file is too large; the limit is 99 bytes (TENTER_ASSET_MAX_BYTES)"
    );
    let limits = AssetLimits { bytes: 100, ..local_limits() };
    assert_eq!(fetch(&limits, &format!("http://{server}/chunked")).await.expect("exactly the limit").len(), 100);
}

#[tokio::test]
async fn fetch_announced_length_is_not_allocated() {
    // The server announces as much as the limit allows, then closes the connection.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nabc", 50 << 20).into_bytes();
    let server = serve_raw(vec![head], Duration::ZERO, true).await;
    let limits = AssetLimits { tries: 2, ..local_limits() };
    assert_eq!(failure(&limits, &format!("http://{server}/")).await, INCOMPLETE);
}

#[tokio::test]
async fn fetch_slow_body_ends_at_the_timeout() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let drip = std::iter::once(head).chain((0..1000).map(|_| b"x".to_vec())).collect();
    let server = serve_raw(drip, Duration::from_millis(10), false).await;
    let limits = AssetLimits { timeout: Duration::from_millis(100), tries: 1, ..local_limits() };
    assert_eq!(failure(&limits, &format!("http://{server}/")).await, "not loaded within 0.1 s (TENTER_ASSET_TIMEOUT)");
}

#[tokio::test]
async fn fetch_rejects_other_protocols() {
    let server = serve_raw(vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()], Duration::ZERO, true).await;
    let limits = AssetLimits { tries: 1, ..local_limits() };
    assert_eq!(failure(&limits, &format!("http://{server}/")).await, INCOMPLETE);
}

#[tokio::test]
async fn fetch_tls_failure_is_named() {
    let server = serve_raw(vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()], Duration::ZERO, false).await;
    let limits = AssetLimits { tries: 1, ..local_limits() };
    let error = fetch(&limits, &format!("https://{server}/")).await.expect_err("plain HTTP there");
    assert!(matches!(error, Reason::Network(NetworkError::Tls(_))), "{error:?}");
}

/// Starts a server that answers with `statuses` in turn and then with 200. Returns its address and the number of
/// requests so far.
async fn flaky(statuses: &'static [u16]) -> (SocketAddr, Arc<AtomicU32>) {
    let request_count = Arc::new(AtomicU32::new(0));
    let counter = request_count.clone();
    let answer = get(move || async move {
        let index = counter.fetch_add(1, Ordering::SeqCst) as usize;
        let status = statuses.get(index).copied().unwrap_or(200);
        (StatusCode::from_u16(status).expect("a status"), "body")
    });
    (serve(Router::new().route("/", answer)).await, request_count)
}

#[tokio::test]
async fn fetch_repeats_requests_after_5xx_only() {
    let limits = AssetLimits { tries: 3, ..local_limits() };
    for (statuses, expected, tries) in [
        (&[503, 500][..], Ok(b"body".to_vec()), 3),
        (&[502, 502, 502], Err("the server answered 502; 200 is needed".to_owned()), 3),
        (&[404], Err("the server answered 404; 200 is needed".to_owned()), 1),
        (&[204], Err("the server answered 204; 200 is needed".to_owned()), 1),
        (&[304], Err("the server answered 304; 200 is needed".to_owned()), 1),
        // A redirect without a target.
        (&[302], Err("the server answered 302; 200 is needed".to_owned()), 1),
    ] {
        let (server, request_count) = flaky(statuses).await;
        let outcome = fetch(&limits, &format!("http://{server}/")).await.map_err(|error| error.to_string());
        assert_eq!(outcome, expected.map(Bytes::from), "{statuses:?}");
        assert_eq!(request_count.load(Ordering::SeqCst), tries, "{statuses:?}");
    }
}

#[tokio::test]
async fn fetch_request_headers() {
    let echo = get(|headers: HeaderMap| async move { format!("{headers:?}") });
    let server = serve(Router::new().route("/", echo)).await;
    let body = fetch(&local_limits(), &format!("http://{server}/")).await.expect("ok");
    let text = String::from_utf8(body.into()).expect("UTF-8");
    for part in [concat!("\"user-agent\": \"tenter/", env!("CARGO_PKG_VERSION")), "\"accept-encoding\": \"identity\""] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("referer") && !text.contains("cookie"), "{text}");
}

#[tokio::test]
async fn fetch_sends_headers_only_to_the_host_they_are_for() {
    use crate::config::{Given, Settings};

    let echo = || get(|headers: HeaderMap| async move { format!("{headers:?}") });
    let other = serve(Router::new().route("/", echo())).await;
    let routes = Router::new()
        .route("/", echo())
        .route("/same", get(|| async { Redirect::temporary("/") }))
        .route("/away", get(move || async move { Redirect::temporary(&format!("http://{other}/")) }));
    let server = serve(routes).await;
    let mut given = Given::default();
    let headers = format!("* User-Agent: shop/1 | http://{server} Authorization: Bearer hush");
    given.environment.insert("TENTER_ASSET_HEADERS".into(), headers);
    let headers = Settings::load(&given).expect("settings").settings.assets.headers;
    let limits = AssetLimits { headers, ..local_limits() };
    let sent = async |path: &str| {
        let body = fetch(&limits, &format!("http://{server}{path}")).await.expect("ok");
        String::from_utf8(body.into()).expect("UTF-8")
    };
    for path in ["/", "/same"] {
        let text = sent(path).await;
        assert!(text.contains("\"authorization\": \"Bearer hush\""), "{text}");
        assert_eq!(text.matches("user-agent").count(), 1, "{text}");
    }
    let text = sent("/away").await;
    assert!(text.contains("\"user-agent\": \"shop/1\"") && !text.contains("hush"), "{text}");
}

#[tokio::test]
async fn fetch_revalidates_with_validators() {
    let answer = get(|headers: HeaderMap| async move {
        let known = headers.get(header::IF_NONE_MATCH).is_some_and(|etag| etag == "\"1\"");
        if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::ETAG, "\"1\""), (header::CACHE_CONTROL, "max-age=5")], "body").into_response()
        }
    });
    let server = serve(Router::new().route("/", answer)).await;
    let fetcher = fetcher(&local_limits());
    let url = fetcher.parse(&format!("http://{server}/")).expect("a URL");
    let Ok(Fetched::Body(_, first)) = fetcher.get(&url, None).await else { panic!("a body") };
    let Ok(Fetched::NotModified(second)) = fetcher.get(&url, Some(&first)).await else { panic!("not modified") };
    assert_eq!(second, first, "the 304 had no new headers");
}
