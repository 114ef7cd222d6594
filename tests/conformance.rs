//! Renders every design of the reference corpus, when `../shared/corpus` is there, to `target/conformance/<set>/<name>.png`.
//!
//! Fails when one gives no picture or one of another size than its reference. How close they are is a matter for an image
//! comparison outside of this test.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tenter::config::Settings;
use tenter::json::Problems;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::report::JsonPath;

const CORPUS: &str = "../shared/corpus";

#[test]
fn conformance_every_design_gives_a_picture_of_its_size() {
    let corpus = Path::new(CORPUS);
    if !corpus.is_dir() {
        println!("skipped: there is no {CORPUS}");
        return;
    }
    let engine = Engine::new(&Settings::default()).expect("the default settings start an engine");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let designs = designs(corpus);
    assert!(!designs.is_empty(), "{CORPUS} holds no designs");
    let tasks: Vec<_> = designs
        .into_iter()
        .map(|folder| {
            let engine = engine.clone();
            runtime.spawn(async move {
                render(&engine, &folder).await.map_err(|why| format!("{}: {why}", folder.display()))
            })
        })
        .collect();
    let outcomes = tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic"));
    let (done, failures): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    let failures: Vec<_> = failures.into_iter().filter_map(Result::err).collect();
    println!("{} designs rendered, {} failed", done.len(), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// `<set>/<name>`, sorted.
fn designs(corpus: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| {
        let mut paths: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let folders = entries(corpus).into_iter().filter(|it| it.is_dir()).flat_map(|set| entries(&set));
    folders.filter(|folder| folder.join("design.json").is_file()).collect()
}

async fn render(engine: &Engine, folder: &Path) -> Result<(), String> {
    let design = read_json(&folder.join("design.json"))?;
    let attributes = folder.join("attrs.json");
    let mut options = RenderOptions::default();
    if attributes.is_file() {
        let mut problems = Problems::new();
        options = RenderOptions::read(&read_json(&attributes)?, JsonPath::root(), &mut problems);
        assert!(problems.is_empty(), "{}: {:?}", attributes.display(), problems.into_vec());
    }
    let format = format_for(None, &RenderOptions::default()).map_err(|error| error.to_string())?;
    let pages = Pages::of(&options, format);
    let request = RenderRequest { design, at: JsonPath::root(), options, format, pages };
    // All designs are submitted at once: wait for a place as a patient client would.
    let rendered = loop {
        match engine.admit().await {
            Ok(mut session) => break session.render(request).await,
            Err(tenter::error::Error::Busy { .. }) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            Err(error) => break Err(error),
        }
    };
    let picture = rendered.map_err(|error| error.to_string())?.pages.remove(0).bytes;
    let out =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/conformance").join(last_two(folder)).with_extension("png");
    fs::create_dir_all(out.parent().expect("has a set")).map_err(|error| error.to_string())?;
    fs::write(&out, &picture).map_err(|error| error.to_string())?;
    let (ours, theirs) = (size(&picture)?, size(&read(&folder.join("reference.png"))?)?);
    if ours == theirs { Ok(()) } else { Err(format!("is {ours:?}, its reference {theirs:?}")) }
}

fn last_two(folder: &Path) -> PathBuf {
    let names: Vec<_> = folder.components().collect();
    names[names.len() - 2..].iter().collect()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_json(path: &Path) -> Result<Value, String> {
    tenter::json::parse(&read(path)?, 100).map_err(|problem| problem.to_string())
}

/// Width and height from a PNG's header.
fn size(png: &[u8]) -> Result<(u32, u32), String> {
    let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().map_err(|error| error.to_string())?;
    Ok((reader.info().width, reader.info().height))
}
