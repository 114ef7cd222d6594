//! Helpers that render PDFs through `POST /api/render`.

use std::path::PathBuf;
use std::sync::OnceLock;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::service::{Answer, Service, service};
use crate::tools;

/// CMYK profile that comes with ghostscript.
const CMYK_PROFILE: &str = "/usr/share/color/icc/ghostscript/default_cmyk.icc";

/// A service with [`CMYK_PROFILE`] installed as the profile of both print conditions; `None` when that file does not
/// exist.
pub(crate) fn print_service() -> Option<Service> {
    // The folder is written once, because other tests may be reading it.
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let icc = tools::file(CMYK_PROFILE, "libgs-common")?;
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("icc");
        std::fs::create_dir_all(&folder).expect("a folder");
        for name in ["CoatedFOGRA39.icc", "USWebCoatedSWOP.icc"] {
            std::fs::write(folder.join(name), &icc).expect("written");
        }
        Some(folder)
    });
    let folder = folder.as_ref()?;
    Some(service(&[("TENTER_ICC_DIR", folder.to_str().expect("text"))]))
}

pub(crate) async fn call(service: &Service, design: &Value, options: Value) -> Answer {
    let body = json!({"design": design, "format": "pdf", "outputFormat": "file", "exportOptions": options});
    service.render(body).await
}

/// Renders a PDF, checks it with every reader and returns its file. Each test must use its own `name`.
pub(crate) async fn document(service: &Service, design: &Value, options: Value, name: &str) -> PathBuf {
    let answer = call(service, design, options).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/pdf");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("documents");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{name}.pdf"));
    std::fs::write(&file, &answer.body).expect("written");
    tools::read_by_all(&file);
    file
}

pub(crate) async fn refusal(service: &Service, design: &Value, options: Value) -> (StatusCode, String) {
    let answer = call(service, design, options).await;
    (answer.status, answer.error())
}

/// A card of 400 × 300 px with a bleed of 20 px, a text, a translucent figure and a gradient.
pub(crate) fn card() -> Value {
    let children = json!([
        {"id": "title", "type": "text", "text": "Aubergine", "x": 40, "y": 40, "width": 300, "height": 40, "fontSize": 30,
         "fontFamily": "Roboto", "fill": "#000000"},
        {"id": "star", "type": "figure", "subType": "star", "x": 200, "y": 120, "width": 150, "height": 150,
         "fill": "rgba(200,30,60,0.5)", "strokeWidth": 0},
        {"id": "box", "type": "figure", "subType": "rect", "x": -20, "y": 220, "width": 240, "height": 100,
         "fill": "linear-gradient(90deg, #ff0000 0%, #0000ff 100%)", "strokeWidth": 0},
    ]);
    json!({"width": 400, "height": 300, "custom": {"name": "Card"},
        "pages": [{"id": "front", "bleed": 20, "background": "#fff7e0", "children": children}]})
}

/// Pages of these sizes with the ids `a`, `b`, …
pub(crate) fn pages(sizes: &[(f64, f64)]) -> Value {
    let page = |(index, (width, height)): (usize, &(f64, f64))| {
        let id = char::from(b'a' + index as u8).to_string();
        json!({"id": id, "width": width, "height": height, "children": []})
    };
    json!({"width": 100, "height": 100, "pages": sizes.iter().enumerate().map(page).collect::<Vec<_>>()})
}
