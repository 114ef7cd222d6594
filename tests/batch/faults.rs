//! Failing rows, killed and stopped runs, and files that change during a run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};

use serde_json::json;

use super::pictures::Pictures;
use super::{Folder, card, read, wait};

const OUTPUT: [&str; 4] = ["card.json", "rows.csv", "-o", "out/{name}.png"];

fn resuming() -> Vec<&'static str> {
    [&OUTPUT[..], &["--resume"]].concat()
}

/// Starts a batch and waits until the manifest has `rows` rows; the image server blocks the others.
fn started(folder: &Folder, rows: usize) -> Child {
    let child = folder.command(&[&OUTPUT[..], &["--concurrency", "3"]].concat()).spawn().expect("runs");
    let lines = || std::fs::read_to_string(folder.path("out/manifest.ndjson")).map_or(0, |it| it.lines().count());
    wait("rows in the manifest", || lines() == rows);
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_rows_do_not_affect_others() {
    let folder = Folder::new();
    let pictures = Pictures::serve(u64::MAX, false).await;
    pictures.lose(&[3, 4, 5]);
    let mut rows = pictures.rows(20);
    rows += "too few\nrow 22,file:///etc/passwd\n";
    rows += &format!(",{}\n", pictures.url(1));
    folder.write("rows.csv", rows);
    let ended = folder.batch(&OUTPUT);
    ended.expect(5, "17 of 23 rows done, 6 failed");
    ended.expect(5, "error: 6 rows failed; see out/manifest.ndjson for the reasons, or retry them with --resume");
    let manifest = folder.manifest();
    let error = |row: u64| manifest[&row]["error"].as_str().unwrap_or_default().to_owned();
    let missing = format!(
        "row 4: pages[0].children[1]: image with id photo url: {}: the server answered 404; 200 is needed",
        pictures.url(4)
    );
    assert_eq!(error(4), missing);
    assert!(ended.stderr.contains(&missing), "{}", ended.stderr);
    assert_eq!(manifest[&4]["problems"][0]["path"], "pages[0].children[1]");
    assert_eq!(error(21), "row 21 (line 22): has 1 value; the first line has 2 names");
    assert!(error(22).contains("file: URLs are not supported"), "{}", error(22));
    assert_eq!(error(23), "row 23: name: is empty, but the file name contains it");
    assert_eq!((manifest.len(), folder.out().len()), (23, 17 + 2));

    // The images are available again: only failed rows are rendered, and permanent failures fail again.
    pictures.lose(&[]);
    pictures.take_asked();
    folder.batch(&resuming()).expect(5, "20 of 23 rows done (17 of them in an earlier run), 3 failed");
    assert_eq!(pictures.take_asked().into_keys().collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert_eq!(folder.manifest().len(), 23);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_run_is_resumed() {
    let folder = Folder::new();
    let pictures = Pictures::serve(20, false).await;
    folder.write("rows.csv", pictures.rows(60));
    let mut child = started(&folder, 20);
    child.kill().expect("running");
    child.wait().expect("ends");

    // The state after kills in the middle of a line, in the middle of a file, and between a file and its line.
    let torn = read(&folder.path("out/manifest.ndjson"));
    std::fs::write(folder.path("out/manifest.ndjson"), &torn[..torn.len() - 9]).expect("written");
    std::fs::write(folder.path("out/manifest.run.ndjson"), {
        let mut run = read(&folder.path("out/manifest.run.ndjson"));
        run.extend_from_slice(b"{\"kind\":\"ima");
        run
    })
    .expect("written");
    std::fs::write(folder.path("out/row 40.png.part"), "half").expect("written");
    let lost = folder.manifest_of(&torn, 7);
    std::fs::remove_file(folder.path(&lost)).expect("the file exists");
    let damaged = folder.manifest_of(&torn, 8);
    std::fs::write(folder.path(&damaged), "not a picture").expect("written");

    pictures.release(u64::MAX);
    pictures.take_asked();
    folder.batch(&resuming()).expect(0, "60 of 60 rows done (17 of them in an earlier run), 0 failed");
    folder.assert_whole(60);
    let asked = pictures.take_asked();
    assert_eq!(asked.len(), 43, "complete rows are not rendered again: {asked:?}");
    folder.batch(&resuming()).expect(0, "60 of 60 rows done (60 of them in an earlier run), 0 failed");
    assert_eq!(pictures.take_asked().len(), 0);
}

impl Folder {
    /// File name in line `at` of a manifest.
    fn manifest_of(&self, manifest: &[u8], at: usize) -> String {
        let line = manifest.split(|byte| *byte == b'\n').nth(at).expect("a line");
        let line: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        line["file"].as_str().expect("a file").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_run_finishes_started_rows() {
    let folder = Folder::new();
    let pictures = Pictures::serve(5, false).await;
    folder.write("rows.csv", pictures.rows(30));
    let mut child = started(&folder, 5);
    wait("three rows under way", || (6..=8).all(|row| pictures.has_asked(row)));
    let busy = folder.batch(&resuming());
    busy.expect(2, "another tenter process is working on this run");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("runs").success());
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    assert_eq!(line, "SIGINT: finishing 3 rows in progress; repeat the signal to cancel them\n");
    pictures.release(u64::MAX);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert_eq!(child.wait().expect("ends").code(), Some(4), "{rest}");
    assert!(rest.contains("8 of 30 rows done") && rest.contains("stopped by SIGINT; continue with --resume"), "{rest}");
    folder.batch(&resuming()).expect(0, "30 of 30 rows done (8 of them in an earlier run)");
    folder.assert_whole(30);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_is_resumed_only_with_the_same_inputs() {
    let folder = Folder::new();
    folder.write("rows.csv", "name\nAda\nBob\n");
    folder.batch(&OUTPUT).expect(0, "2 of 2 rows done");
    let before = read(&folder.path("out/manifest.ndjson"));
    folder.batch(&OUTPUT).expect(2, "out/manifest.ndjson exists from an earlier run: continue it with --resume");
    folder.write("other.json", card(json!({"type": "figure", "width": 9, "height": 9})));
    folder.write("other.csv", "name\nAda\nBob\nEve\n");
    for (arguments, what) in [
        (vec!["other.json", "rows.csv", "-o", "out/{name}.png"], "the template"),
        (vec!["card.json", "other.csv", "-o", "out/{name}.png"], "the file of the rows"),
        (vec!["card.json", "rows.csv", "-o", "out/{name}.png", "--options", r#"{"dpi": 300}"#], "the options"),
        (vec!["card.json", "rows.csv", "-o", "out/{row}.png"], "the output name"),
    ] {
        let resumed = folder.batch(&[&arguments[..], &["--resume"]].concat());
        resumed.expect(2, &format!("because this has changed: {what}. "));
    }
    assert!(read(&folder.path("out/manifest.ndjson")) == before);
    std::fs::remove_file(folder.path("out/manifest.run.ndjson")).expect("the file exists");
    folder.batch(&resuming()).expect(2, "out/manifest.run.ndjson is missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_use_the_same_version_of_an_image() {
    let folder = Folder::new();
    let pictures = Pictures::serve(u64::MAX, true).await;
    folder.write(
        "card.json",
        card(json!({"type": "image", "id": "logo", "src": pictures.url(1), "x": 60, "y": 0,
        "width": 20, "height": 20})),
    );
    let rows = |names: &str| {
        json!(names.chars().map(|it| json!({"name": "same", "file": it.to_string()})).collect::<Vec<_>>())
    };
    folder.write("rows.json", rows("abcdefgh"));
    let arguments = ["card.json", "rows.json", "-o", "out/{file}.png"];
    folder.batch(&arguments).expect(0, "8 of 8 rows done");
    let first = read(&folder.path("out/a.png"));
    assert!("bcdefgh".chars().all(|it| read(&folder.path(&format!("out/{it}.png"))) == first));
    assert_eq!(pictures.take_asked(), [(1, 1)].into());

    // The image at this URL has changed: no row may use the new one.
    std::fs::remove_file(folder.path("out/b.png")).expect("the file exists");
    let changed = folder.batch(&[&arguments[..], &["--resume"]].concat());
    changed.expect(5, "row 2: pages[0].children[1]: image with id logo");
    changed.expect(5, "the file has changed since the batch began");
}
