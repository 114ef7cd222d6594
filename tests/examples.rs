//! The designs in `examples/` are self-contained, render without warnings, and are small.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tenter::config::Settings;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::report::JsonPath;

const MAX_BYTES: u64 = 300 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn examples_render_without_warnings() {
    let engine = Engine::new(&Settings::default()).expect("the default settings start an engine");
    for path in designs() {
        let text = fs::read_to_string(&path).expect("readable");
        let design: Value = serde_json::from_str(&text).expect("JSON");
        let expected = design["pages"].as_array().map_or(0, Vec::len);
        let options = RenderOptions::default();
        let format = format_for(None, &options).expect("PNG");
        let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::All };
        let rendered = engine.render(request).await.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(rendered.pages.len(), expected, "{}", path.display());
        assert_eq!(rendered.warnings, [], "{}", path.display());
    }
}

#[test]
fn examples_reference_no_external_files() {
    for path in designs() {
        let size = fs::metadata(&path).expect("readable").len();
        assert!(size <= MAX_BYTES, "{} has {size} bytes; the limit is {MAX_BYTES}", path.display());
        let design: Value = serde_json::from_str(&fs::read_to_string(&path).expect("readable")).expect("JSON");
        visit(&design, &mut |key, text| {
            let outside = matches!(key, "src" | "url" | "clipSrc" | "maskSrc") && !text.starts_with("data:");
            assert!(!outside, "{}: {key} is {text:.80}", path.display());
        });
    }
}

fn designs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(folder).expect("readable").map(|it| it.expect("readable").path());
    let designs: Vec<_> = paths.filter(|it| it.extension().is_some_and(|it| it == "json")).collect();
    assert!(!designs.is_empty(), "there are examples");
    designs
}

/// Calls `text` with every string in `value` and its key.
fn visit(value: &Value, text: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(it) => text(key, it),
                    _ => visit(value, text),
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|it| visit(it, text)),
        _ => {}
    }
}
