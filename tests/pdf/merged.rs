//! One PDF document made of several requests, through the pipeline's own interface.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use tenter::config::{RasterizerChoice, Settings};
use tenter::error::{Error, Kind};
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{AddedPages, Engine, MergedDocument, Pages, RenderRequest, RenderedPage, Session, format_for};
use tenter::report::JsonPath;
use tokio::sync::mpsc;

use crate::tools;

fn engine() -> Engine {
    let mut settings = Settings::default();
    (settings.render.threads, settings.render.workers) = (1, 1);
    settings.render.rasterizer = RasterizerChoice::Cpu;
    Engine::new(&settings).unwrap()
}

fn options(vector: bool) -> RenderOptions {
    let value = json!({"format": "pdf", "vector": vector, "reproducible": true});
    RenderOptions::read(&value, JsonPath::root(), &mut Problems::new())
}

/// A request for `pages` pages, each with `name` and the page number as its text.
fn request(name: &str, pages: usize, options: RenderOptions) -> RenderRequest {
    let page = |number: usize| {
        let text = json!({"id": "t", "type": "text", "text": format!("{name} {number}"), "width": 90, "height": 20,
            "fontSize": 12, "fontFamily": "Roboto"});
        json!({"id": number.to_string(), "children": [text]})
    };
    let design = json!({"width": 100, "height": 30, "pages": (1..=pages).map(page).collect::<Vec<_>>()});
    let format = format_for(None, &options).unwrap();
    RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::All }
}

async fn session(engine: &Engine) -> Session {
    engine.admit().await.unwrap()
}

async fn add(engine: &Engine, document: &mut MergedDocument, request: RenderRequest) -> Result<AddedPages, Error> {
    document.add(&mut session(engine).await, request).await
}

async fn finish(engine: &Engine, document: MergedDocument) -> RenderedPage {
    document.finish(&mut session(engine).await).await.unwrap().expect("pages")
}

/// A vector document with one page for each name.
async fn document_of(engine: &Engine, names: &[&str]) -> RenderedPage {
    let mut document = MergedDocument::new(options(true));
    for name in names {
        add(engine, &mut document, request(name, 1, options(true))).await.unwrap();
    }
    finish(engine, document).await
}

/// Words of each page of `made`, after every reader accepted the file. Each test must use its own `name`.
fn words(made: &RenderedPage, name: &str) -> Option<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("merged");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.pdf"));
    std::fs::write(&file, &made.bytes).unwrap();
    tools::read_by_all(&file);
    tools::words_by_page(&file)
}

#[tokio::test]
async fn merged_pages_are_in_the_order_of_requests() {
    let engine = engine();
    let mut document = MergedDocument::new(options(true));
    let ada = add(&engine, &mut document, request("Ada", 2, options(true))).await.unwrap();
    let eve = add(&engine, &mut document, request("Eve", 1, options(true))).await.unwrap();
    assert_eq!(((ada.first, ada.count), (eve.first, eve.count), document.pages()), ((0, 2), (2, 1), 3));
    let made = finish(&engine, document).await;
    assert_eq!(made.rasterizer, "pdf");
    if let Some(words) = words(&made, "order") {
        assert_eq!(words, ["Ada 1", "Ada 2", "Eve 1"]);
    }
    assert_eq!(engine.queue_usage().working, 0);
}

#[tokio::test]
async fn merged_documents_may_have_raster_pages() {
    let engine = engine();
    let mut document = MergedDocument::new(options(false));
    for name in ["Ada", "Eve"] {
        add(&engine, &mut document, request(name, 2, options(false))).await.unwrap();
    }
    let made = finish(&engine, document).await;
    assert_eq!(made.rasterizer, "cpu");
    if let Some(words) = words(&made, "pictures") {
        assert_eq!(words, ["", "", "", ""]);
    }
}

#[tokio::test]
async fn merged_document_is_unchanged_by_a_refused_request() {
    let engine = engine();
    let mut document = MergedDocument::new(options(true));
    add(&engine, &mut document, request("Ada", 1, options(true))).await.unwrap();
    let mut broken = request("Bob", 1, options(true));
    broken.design["pages"][0]["width"] = json!("wide");
    assert_eq!(add(&engine, &mut document, broken).await.unwrap_err().kind(), Kind::Invalid);
    let other = add(&engine, &mut document, request("Bob", 1, options(false))).await.unwrap_err();
    assert!(
        other
            .to_string()
            .starts_with("exportOptions.vector: must be the same for every row of one PDF (the document has true)"),
        "{other}"
    );
    add(&engine, &mut document, request("Eve", 1, options(true))).await.unwrap();
    let made = finish(&engine, document).await;
    let without = document_of(&engine, &["Ada", "Eve"]).await;
    assert!(made.bytes == without.bytes, "nothing of the refused request is in the file");
    assert_eq!(made.fingerprint, without.fingerprint);
    if let Some(words) = words(&made, "refused") {
        assert_eq!(words, ["Ada 1", "Eve 1"]);
    }
}

#[tokio::test]
async fn merged_request_that_is_cancelled_is_rolled_back() {
    let engine = engine();
    let mut document = MergedDocument::new(options(true));
    add(&engine, &mut document, request("Ada", 1, options(true))).await.unwrap();
    let mut session = session(&engine).await;
    let (progress, mut reported) = mpsc::unbounded_channel();
    session.on_progress(Arc::new(move |done, _| progress.send(done).unwrap()));
    tokio::select! {
        biased;
        Some(done) = reported.recv() => assert!(done < 30, "{done} pages"),
        all = document.add(&mut session, request("Bob", 30, options(true))) => panic!("not dropped: {all:?}"),
    }
    drop(session);
    add(&engine, &mut document, request("Eve", 2, options(true))).await.unwrap();
    assert_eq!(document.pages(), 3);
    let made = finish(&engine, document).await;
    if let Some(words) = words(&made, "dropped") {
        assert_eq!(words, ["Ada 1", "Eve 1", "Eve 2"]);
    }
}

#[tokio::test]
async fn merged_fingerprint_covers_all_requests() {
    let engine = engine();
    let made = document_of(&engine, &["Ada", "Eve"]).await;
    let again = document_of(&engine, &["Ada", "Eve"]).await;
    assert!(made.bytes == again.bytes);
    assert_eq!(made.fingerprint, again.fingerprint);
    for names in [&["Eve", "Ada"][..], &["Ada"], &["Ada", "Eve", "Eve"], &["Ada", "Bob"]] {
        assert_ne!(document_of(&engine, names).await.fingerprint, made.fingerprint, "{names:?}");
    }
}

#[tokio::test]
async fn merged_document_without_pages_is_none() {
    let engine = engine();
    let mut document = MergedDocument::new(options(true));
    assert!(add(&engine, &mut document, request("Ada", 1, options(false))).await.is_err());
    assert!(document.finish(&mut session(&engine).await).await.unwrap().is_none());
}
