use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::*;
use crate::assets::testing::{FONT, local_limits, serve};
use crate::config::{AssetLimits, HttpUrl};
use crate::pool::Pool;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Requests {
    sheets: Mutex<Vec<String>>,
    files: AtomicU32,
}

#[derive(serde::Deserialize)]
struct Family {
    family: String,
}

/// Starts a font service that has `Half` in upright 400 and 700 and, as the original, rejects requests for any other
/// face.
async fn service() -> (String, Arc<Requests>) {
    async fn sheet(State(requests): State<Arc<Requests>>, Query(Family { family }): Query<Family>) -> Response {
        requests.sheets.lock().push(family.clone());
        let face =
            |weight: u16| format!("@font-face{{font-weight:{weight};src:url(/f/{weight}.ttf) format('truetype')}}");
        match family.as_str() {
            "Half" | "Half:wght@400" => face(400).into_response(),
            "Half:wght@700" => face(700).into_response(),
            "Half:wght@400;700" => (face(400) + &face(700)).into_response(),
            "Empty" => "/* nothing */".into_response(),
            "Down" => StatusCode::NOT_IMPLEMENTED.into_response(),
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    }
    async fn file(State(requests): State<Arc<Requests>>) -> Vec<u8> {
        requests.files.fetch_add(1, Ordering::SeqCst);
        FONT.to_vec()
    }
    let requests = Arc::new(Requests::default());
    let router = Router::new().route("/css2", get(sheet)).route("/f/{name}", get(file)).with_state(requests.clone());
    (format!("http://{}/css2", serve(router).await), requests)
}

fn fonts(endpoint: &str, cache_directory: Option<&std::path::Path>) -> GoogleFonts {
    let limits = AssetLimits { tries: 1, ..local_limits() };
    let loader = Loader::new(&limits, Arc::new(Pool::new(1).expect("a thread"))).expect("a loader");
    let settings = FontSettings {
        google_fonts_url: HttpUrl::parse(endpoint),
        cache_directory: cache_directory.map(Into::into),
        ..FontSettings::default()
    };
    GoogleFonts::new(&settings, Arc::new(loader)).expect("settings").expect("an endpoint")
}

fn wish(weight: u16, italic: bool) -> FaceRequest {
    FaceRequest { italic, weight }
}

async fn weights(fonts: &GoogleFonts, family: &str, wishes: &[FaceRequest]) -> Vec<u16> {
    let faces = fonts.family(family, wishes, TIMEOUT).await.expect(family);
    faces.iter().map(|face| *face.weights.start()).collect()
}

#[test]
fn google_is_off_by_default() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let loader = Arc::new(Loader::new(&AssetLimits::default(), pool).expect("a loader"));
    assert!(GoogleFonts::new(&FontSettings::default(), loader.clone()).expect("settings").is_none());
    let settings = FontSettings { google_fonts_url: HttpUrl::parse("http://10.0.0.1/css2"), ..FontSettings::default() };
    let error = GoogleFonts::new(&settings, loader).expect_err("a closed network");
    assert_eq!(
        error.to_string(),
        "TENTER_GOOGLE_FONTS_URL: its address is in a closed network (private); to allow it, add it to \
        TENTER_ALLOW_ADDRESSES"
    );
}

#[tokio::test]
async fn google_sheet_url_sorts_faces() {
    let fonts = fonts("https://fonts.example/css2", None);
    let query = |wishes: &[FaceRequest]| {
        let url = fonts.sheet_url("Open Sans & Co", &wishes.iter().copied().collect());
        url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
    };
    assert_eq!(query(&[]), "family=Open Sans & Co");
    assert_eq!(query(&[wish(700, false), wish(400, false)]), "family=Open Sans & Co:wght@400;700");
    assert_eq!(
        query(&[wish(300, true), wish(700, false), wish(400, true)]),
        "family=Open Sans & Co:ital,wght@0,700;1,300;1,400"
    );
}

#[tokio::test]
async fn google_returns_the_available_faces() {
    let (endpoint, requests) = service().await;
    let fonts = fonts(&endpoint, None);
    assert_eq!(weights(&fonts, "Half", &[wish(700, false), wish(400, false)]).await, [400, 700]);
    assert_eq!(weights(&fonts, "Half", &[wish(700, false), wish(700, true)]).await, [400, 700]);
    assert_eq!(
        *requests.sheets.lock(),
        ["Half:wght@400;700", "Half:ital,wght@0,700;1,700", "Half", "Half:wght@700", "Half:ital,wght@1,700"]
    );
    assert_eq!(requests.files.load(Ordering::SeqCst), 2, "each file once");
}

#[tokio::test]
async fn google_missing_family_is_an_error_and_cached() {
    let (endpoint, requests) = service().await;
    let fonts = fonts(&endpoint, None);
    for _ in 0..2 {
        let error = fonts.family("Nope", &[wish(400, false)], TIMEOUT).await.expect_err("no such family");
        assert_eq!(
            error.to_string(),
            format!("Timeout for loading font \"Nope\" url: {endpoint}: font service: the family does not exist there")
        );
    }
    assert_eq!(requests.sheets.lock().len(), 2, "two requests the first time, none the second");
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        assert!(matches!(fonts.family(name, &[], TIMEOUT).await.expect_err(name).reason, Reason::FontService(_)));
    }
    let unusable = fonts.family("Empty", &[], TIMEOUT).await.expect_err("no faces");
    assert!(
        unusable.to_string().ends_with("font service: its style sheet names no TrueType, OpenType, WOFF or WOFF2 file"),
        "{unusable}"
    );
    let down = fonts.family("Down", &[], TIMEOUT).await.expect_err("501");
    assert!(matches!(down.reason, Reason::Status(501)), "{down:?}");
}

#[tokio::test]
async fn google_disk_cache_outlives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, requests) = service().await;
    for _ in 0..2 {
        let started = fonts(&endpoint, Some(folder.path()));
        assert_eq!(weights(&started, "Half", &[wish(700, false)]).await, [700]);
    }
    assert_eq!(requests.sheets.lock().len(), 1);
    assert_eq!(requests.files.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn google_damaged_file_is_downloaded_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, requests) = service().await;
    weights(&fonts(&endpoint, Some(folder.path())), "Half", &[]).await;
    for entry in std::fs::read_dir(folder.path()).expect("a folder").flatten() {
        let font = std::fs::read(entry.path()).expect("readable") == FONT;
        if font {
            std::fs::write(entry.path(), "spoilt").expect("written");
        }
    }
    weights(&fonts(&endpoint, Some(folder.path())), "Half", &[]).await;
    assert_eq!(requests.files.load(Ordering::SeqCst), 2);
}
