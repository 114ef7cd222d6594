//! Property tests that render randomly changed small designs: the result is a picture or a refusal, never an internal
//! error.
//!
//! `PROPTEST_CASES` sets the number of cases, 64 by default.

use std::sync::OnceLock;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tenter::config::{DesignLimits, RasterizerChoice, Settings};
use tenter::error::Kind;
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::report::JsonPath;
use tokio::runtime::Runtime;

use super::{data_url, small_png};
use crate::mutate::{Mutation, every_field, mutate, mutation, scalar};

const CASES: u32 = 64;
/// Largest side of a page in px.
const SIDE: u32 = 48;

/// Default settings with few elements, so that repeated ones end early.
fn settings() -> Settings {
    let design = DesignLimits { elements: 500, ..DesignLimits::default() };
    Settings { design, ..Settings::default() }
}

fn engine() -> &'static (Engine, Runtime) {
    static ENGINE: OnceLock<(Engine, Runtime)> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine::new(&settings()).expect("an engine");
        (engine, tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
    })
}

/// Designs with every element type, every field and every image format, whose files can be loaded.
fn designs() -> [Value; 2] {
    let mut fields = every_field();
    give_files(&mut fields);
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'><style>.a{fill:#f00}</style>
        <filter id='f'><feGaussianBlur stdDeviation='1'/></filter><g opacity='.5'><path class='a' d='M0 0L9 9L0 9z'/>
        <text y='9' font-size='9' filter='url(#f)'>abc</text></g></svg>";
    let pictures = json!({"width": SIDE, "height": SIDE, "pages": [{"background": small_png(), "children": [
        {"type": "image", "src": small_png(), "width": 30, "height": 20, "rotation": 9, "cropX": 0.1, "cropWidth": 0.5,
            "cornerRadius": 4, "borderSize": 2, "flipX": true, "shadowEnabled": true, "blurEnabled": true, "blurRadius": 3},
        {"type": "svg", "src": data_url("image/svg+xml", svg.as_bytes()), "x": 5, "width": 30, "height": 20,
            "colorsReplace": {"#f00": "rgb(0, 0, 255)"}, "opacity": 0.5, "grayscaleEnabled": true},
        {"type": "group", "opacity": 0.5, "children": [
            {"type": "text", "text": "<p>Hé <b>x</b> <span style=\"font-size:2em\">א\u{301}👨‍👩‍👧</span></p>", "width": 40, "height": 20,
                "fontSize": 9, "curveEnabled": true, "curvePower": 0.4, "stroke": "red", "strokeWidth": 1},
            {"type": "line", "width": 40, "height": 3, "y": 30, "dash": [2, 1], "startHead": "arrow", "endHead": "bar"},
        ]},
        {"type": "table", "rows": 2, "cols": 2, "width": 40, "height": 30, "cells": [{"text": "ab"}, {"text": "c", "colSpan": 2}]},
    ]}]});
    [fields, pictures]
}

/// Replaces the source of every image with a small data URL, because tests use no network.
fn give_files(value: &mut Value) {
    match value {
        Value::Array(entries) => entries.iter_mut().for_each(give_files),
        Value::Object(members) => {
            for (key, member) in members {
                if matches!(key.as_str(), "src" | "clipSrc" | "maskSrc") && member.is_string() {
                    *member = small_png().into();
                }
                give_files(member);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Limits the size of the pages, whatever the mutations made of it.
fn shrink_pages(design: &mut Value) {
    let Some(members) = design.as_object_mut() else { return };
    members.extend([("width".to_owned(), json!(SIDE)), ("height".to_owned(), json!(SIDE))]);
    for page in members.get_mut("pages").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(page) = page.as_object_mut() {
            page.retain(|key, _| !matches!(key.as_str(), "width" | "height"));
        }
    }
}

const OPTIONS: &[&str] = &[
    "ignoreBackground",
    "textOverflow",
    "missingHeight",
    "textVerticalResizeEnabled",
    "cssGradients",
    "quality",
    "sdk",
    "pageId",
    "dpi",
    "skipImageError",
    "skipFontError",
];

fn options() -> impl Strategy<Value = Value> {
    let known = prop_oneof![
        Just(json!({"skipImageError": true, "skipFontError": true})),
        Just(json!({"skipImageError": true, "skipFontError": true, "textOverflow": "resize", "missingHeight": "auto"})),
        Just(json!({"skipImageError": true, "skipFontError": true, "textOverflow": "ellipsis", "pixelRatio": 0.3})),
        Just(json!({"textVerticalResizeEnabled": true, "cssGradients": true, "pixelRatio": 1.3})),
    ];
    (known, prop::collection::vec((prop::sample::select(OPTIONS), scalar()), 0..3)).prop_map(|(mut known, more)| {
        let more = more.into_iter().map(|(key, value)| (key.to_owned(), value));
        known.as_object_mut().expect("an object").extend(more);
        known
    })
}

/// Renders a design. An error must be the caller's or an asset's fault, and have a message.
fn check((engine, runtime): &(Engine, Runtime), mut design: Value, options: &Value, jpeg: bool) {
    shrink_pages(&mut design);
    let options = RenderOptions::read(options, "exportOptions".into(), &mut Problems::new());
    let name = if jpeg { "jpeg" } else { "png" };
    let format = format_for(Some((name, "format".into())), &options).expect("a format that is built");
    let text = design.to_string();
    let Ok(design) = tenter::json::JsonParser::new(100).parse(text.as_bytes()) else { return };
    let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::First };
    match runtime.block_on(engine.render(request)) {
        Ok(rendered) => assert!(!rendered.pages[0].bytes.is_empty()),
        Err(error) => {
            assert!(matches!(error.kind(), Kind::Invalid | Kind::Asset), "{error}\n{text}");
            assert!(error.problems().iter().all(|problem| !problem.message.is_empty()));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(CASES);
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn mutated_designs_are_rendered_or_refused(
        which in 0..2_usize,
        changes in prop::collection::vec((any::<usize>(), mutation()), 1..6),
        options in options(),
        jpeg in any::<bool>(),
    ) {
        check(engine(), mutated(which, changes), &options, jpeg);
    }
}

/// The design with this index after all changes.
fn mutated(which: usize, changes: Vec<(usize, Mutation)>) -> Value {
    let mut design = designs()[which].clone();
    for (mut place, mutation) in changes {
        mutate(&mut design, &mut place, &mutation);
    }
    design
}

/// Renders changed designs on a GPU that compares every page with the CPU's picture. Skipped without an adapter, unless
/// `GPU_COLUMN=required` makes that a failure.
#[cfg(feature = "gpu")]
#[test]
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn mutated_designs_pass_the_check_of_gpu_pages() {
    let mut settings = settings();
    settings.render.rasterizer = RasterizerChoice::Gpu;
    (settings.gpu.allow_software, settings.gpu.check) = (true, 1);
    // Software adapters share the CPU cores with the other tests.
    (settings.gpu.timeout, settings.render.deadline) = (Duration::from_secs(120), Duration::from_secs(240));
    let gpu = match Engine::new(&settings) {
        Ok(engine) => (engine, Runtime::new().expect("a runtime")),
        Err(why) => {
            let required = std::env::var("GPU_COLUMN").is_ok_and(|it| it == "required");
            assert!(!required, "no GPU: {why}");
            return println!("skipped: {why}");
        }
    };
    let changes = prop::collection::vec((any::<usize>(), mutation()), 0..4);
    let cases = (0..2_usize, changes, options());
    let result = TestRunner::new(config()).run(&cases, |(which, changes, options)| {
        let before = gpu.0.paint_report().differing;
        check(&gpu, mutated(which, changes), &options, false);
        prop_assert_eq!(gpu.0.paint_report().differing, before, "the GPU's page differs from the CPU's");
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let report = gpu.0.paint_report();
    println!("{} pages of {:?} checked, left to the CPU: {:?}", report.checked, report.pages, report.fallbacks);
    assert!(report.checked > 0, "{report:?}");
}

#[test]
fn unchanged_designs_are_rendered() {
    let options = RenderOptions { skip_font_error: true, ..RenderOptions::default() };
    for design in designs() {
        let format = format_for(None, &options).expect("PNG");
        let request =
            RenderRequest { design, at: JsonPath::root(), options: options.clone(), format, pages: Pages::First };
        let (engine, runtime) = engine();
        let rendered = runtime.block_on(engine.render(request)).unwrap_or_else(|error| panic!("{error}"));
        assert!(rendered.pages[0].bytes.starts_with(b"\x89PNG"));
    }
}
