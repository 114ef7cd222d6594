use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::*;
use crate::assets::testing::{FONT, local_limits, serve};
use crate::config::AssetLimits;
use crate::pool::Pool;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Asked {
    sheets: Mutex<Vec<String>>,
    files: AtomicU32,
}

#[derive(serde::Deserialize)]
struct Family {
    family: String,
}

/// Has `Half` in upright 400 and 700, and refuses a question with any face more, as the original does.
async fn service() -> (String, Arc<Asked>) {
    async fn sheet(State(asked): State<Arc<Asked>>, Query(Family { family }): Query<Family>) -> Response {
        asked.sheets.lock().expect("no panic").push(family.clone());
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
    async fn file(State(asked): State<Arc<Asked>>) -> Vec<u8> {
        asked.files.fetch_add(1, Ordering::SeqCst);
        FONT.to_vec()
    }
    let asked = Arc::new(Asked::default());
    let router = Router::new().route("/css2", get(sheet)).route("/f/{name}", get(file)).with_state(asked.clone());
    (format!("http://{}/css2", serve(router).await), asked)
}

fn fonts(endpoint: &str, cache_directory: Option<&std::path::Path>) -> GoogleFonts {
    let limits = AssetLimits { tries: 1, ..local_limits() };
    let loader = Loader::new(&limits, Arc::new(Pool::new(1).expect("a thread"))).expect("a loader");
    let settings = FontSettings {
        google_fonts_url: Some(endpoint.to_owned()),
        cache_directory: cache_directory.map(Into::into),
        ..FontSettings::default()
    };
    GoogleFonts::new(&settings, Arc::new(loader)).expect("settings").expect("an endpoint")
}

fn wish(weight: u16, italic: bool) -> FaceWish {
    FaceWish { italic, weight }
}

async fn weights(fonts: &GoogleFonts, family: &str, wishes: &[FaceWish]) -> Vec<u16> {
    let faces = fonts.family(family, wishes, TIMEOUT).await.expect(family);
    faces.iter().map(|face| *face.weights.start()).collect()
}

#[test]
fn google_is_off_by_default() {
    let pool = Arc::new(Pool::new(1).expect("a thread"));
    let loader = Arc::new(Loader::new(&AssetLimits::default(), pool).expect("a loader"));
    assert!(GoogleFonts::new(&FontSettings::default(), loader.clone()).expect("settings").is_none());
    let settings =
        FontSettings { google_fonts_url: Some("http://10.0.0.1/css2".to_owned()), ..FontSettings::default() };
    let error = GoogleFonts::new(&settings, loader).expect_err("a closed network");
    assert_eq!(
        error.to_string(),
        "TENTER_GOOGLE_FONTS_URL: its address is in a closed network (private); TENTER_ALLOW_ADDRESSES opens networks"
    );
}

#[tokio::test]
async fn google_question_sorts_faces() {
    let fonts = fonts("https://fonts.example/css2?key=k", None);
    let question = |wishes: &[FaceWish]| {
        let url = fonts.question("Open Sans & Co", &wishes.iter().copied().collect());
        url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("|")
    };
    assert_eq!(question(&[]), "key=k|family=Open Sans & Co");
    assert_eq!(question(&[wish(700, false), wish(400, false)]), "key=k|family=Open Sans & Co:wght@400;700");
    assert_eq!(
        question(&[wish(300, true), wish(700, false), wish(400, true)]),
        "key=k|family=Open Sans & Co:ital,wght@0,700;1,300;1,400"
    );
}

#[tokio::test]
async fn google_gives_the_faces_it_has() {
    let (endpoint, asked) = service().await;
    let fonts = fonts(&endpoint, None);
    assert_eq!(weights(&fonts, "Half", &[wish(700, false), wish(400, false)]).await, [400, 700]);
    assert_eq!(weights(&fonts, "Half", &[wish(700, false), wish(700, true)]).await, [400, 700]);
    assert_eq!(
        *asked.sheets.lock().expect("no panic"),
        ["Half:wght@400;700", "Half:ital,wght@0,700;1,700", "Half", "Half:wght@700", "Half:ital,wght@1,700"]
    );
    assert_eq!(asked.files.load(Ordering::SeqCst), 2, "each file once");
}

#[tokio::test]
async fn google_missing_family_is_an_error_and_remembered() {
    let (endpoint, asked) = service().await;
    let fonts = fonts(&endpoint, None);
    for _ in 0..2 {
        let error = fonts.family("Nope", &[wish(400, false)], TIMEOUT).await.expect_err("no such family");
        assert_eq!(
            error.to_string(),
            format!("Timeout for loading font \"Nope\" url: {endpoint}: font service: it has no such family")
        );
    }
    assert_eq!(asked.sheets.lock().expect("no panic").len(), 2, "two questions the first time, none the second");
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        assert!(matches!(fonts.family(name, &[], TIMEOUT).await.expect_err(name).reason, Reason::FontService(_)));
    }
    let unusable = fonts.family("Empty", &[], TIMEOUT).await.expect_err("no faces");
    assert!(
        unusable.to_string().ends_with("font service: a style sheet without a font file that we read"),
        "{unusable}"
    );
    let down = fonts.family("Down", &[], TIMEOUT).await.expect_err("501");
    assert!(matches!(down.reason, Reason::Status(501)), "{down:?}");
}

#[tokio::test]
async fn google_disk_outlives_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, asked) = service().await;
    for _ in 0..2 {
        let started = fonts(&endpoint, Some(folder.path()));
        assert_eq!(weights(&started, "Half", &[wish(700, false)]).await, [700]);
    }
    assert_eq!(asked.sheets.lock().expect("no panic").len(), 1);
    assert_eq!(asked.files.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn google_spoilt_file_is_downloaded_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, asked) = service().await;
    weights(&fonts(&endpoint, Some(folder.path())), "Half", &[]).await;
    for entry in std::fs::read_dir(folder.path()).expect("a folder").flatten() {
        let font = std::fs::read(entry.path()).expect("readable") == FONT;
        if font {
            std::fs::write(entry.path(), "spoilt").expect("written");
        }
    }
    weights(&fonts(&endpoint, Some(folder.path())), "Half", &[]).await;
    assert_eq!(asked.files.load(Ordering::SeqCst), 2);
}
