//! `tenter batch` as a user runs it: rows to files, failing rows, kills, and resumed runs.

mod faults;
mod isolated;
mod merged;
mod pictures;
mod rows;
#[path = "../support/tools.rs"]
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A temporary folder with `card.json`, whose text is `{name}` and whose image comes from the variable `photo`.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        let photo = json!({"type": "image", "name": "photo", "id": "photo", "src": BLUE, "x": 60, "y": 0,
            "width": 20, "height": 20});
        folder.write("card.json", card(photo));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, contents: impl ToString) {
        std::fs::write(self.path(name), contents.to_string()).expect("written");
    }

    #[expect(clippy::disallowed_methods, reason = "removes inherited settings from the child process")]
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenter"));
        // Settings in the developer's environment must not change the test.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENTER_")) {
            command.env_remove(name);
        }
        // Mesa's device selection layer writes to standard error.
        command.env("NODEVICE_SELECT", "1").env("TENTER_RASTERIZER", "cpu");
        // These tests load images from this machine, and the images have one px.
        command.env("TENTER_ALLOW_ADDRESSES", "127.0.0.1").env("TENTER_MIN_IMAGE_DPI", "0");
        command.arg("batch").args(arguments).current_dir(self.0.path()).stderr(Stdio::piped());
        command
    }

    fn batch(&self, arguments: &[&str]) -> Ended {
        let Output { status, stderr, .. } = self.command(arguments).output().expect("runs");
        Ended { code: status.code(), stderr: String::from_utf8_lossy(&stderr).into_owned() }
    }

    /// File names in the folder `out`, sorted; empty when the folder does not exist.
    fn out(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("out")).into_iter().flatten();
        let mut names: Vec<_> =
            entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }

    /// Lines of the manifest by row. Panics when a row has two.
    fn manifest(&self) -> BTreeMap<u64, Value> {
        let mut lines = BTreeMap::new();
        for line in std::fs::read_to_string(self.path("out/manifest.ndjson")).expect("a manifest").lines() {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let row = line["row"].as_u64().expect("a row");
            assert!(lines.insert(row, line).is_none(), "row {row} twice");
        }
        lines
    }

    /// Fails unless the manifest has `rows` rows, all of them done, with files of the size and hash that it names.
    fn assert_whole(&self, rows: u64) {
        let manifest = self.manifest();
        assert_eq!(manifest.keys().copied().collect::<Vec<_>>(), (1..=rows).collect::<Vec<_>>());
        for (row, line) in manifest {
            assert_eq!(line["status"], "done", "row {row}: {line}");
            let file = std::fs::read(self.path(line["file"].as_str().expect("a file"))).expect("the file exists");
            assert_eq!(line["bytes"], file.len(), "row {row}");
            assert_eq!(line["sha256"], tenter::hash::ContentHash::of(&file).to_string(), "row {row}");
        }
        assert!(self.out().iter().all(|name| !name.ends_with(".part")), "{:?}", self.out());
    }
}

struct Ended {
    code: Option<i32>,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn expect(&self, code: i32, words: &str) {
        assert!(self.code == Some(code) && self.stderr.contains(words), "{:?}, {words:?}: {}", self.code, self.stderr);
    }
}

/// SVG of one blue px as a data URL.
const BLUE: &str = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'><rect width='1' \
                    height='1' fill='blue'/></svg>";

/// A design of 80 × 20 px with the text `{name}` and the image `picture`.
fn card(picture: Value) -> Value {
    let text = json!({"type": "text", "id": "text", "text": "{name}", "width": 60, "height": 20, "fontSize": 12});
    json!({"width": 80, "height": 20, "pages": [{"id": "one", "children": [text, picture]}]})
}

/// Waits until `until` returns true, for at most a minute; then panics with `what`.
fn wait(what: &str, mut until: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if until() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("timed out after a minute: {what}");
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
