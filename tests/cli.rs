//! The built program: what it prints, what it writes, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

#[expect(clippy::disallowed_methods, reason = "what a child inherits is taken away from it")]
fn tenter(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenter"));
    // The tester's own settings must not decide what is tested.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENTER_")) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    // Mesa's layer that chooses among adapters writes to standard error by itself.
    command.env("NODEVICE_SELECT", "1");
    command
}

/// A folder with `design.json`: two pages of 30 × 20 px.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pages = json!([{"id": "one", "children": []}, {"id": "two", "children": []}]);
    let design = json!({"width": 30, "height": 20, "pages": pages});
    std::fs::write(folder.path().join("design.json"), design.to_string()).expect("written");
    folder
}

fn render(folder: &Path, arguments: &[&str]) -> Output {
    tenter(folder).arg("render").args(arguments).output().expect("runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn png_size(path: PathBuf) -> (u32, u32) {
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let reader = png::Decoder::new(BufReader::new(file)).read_info().expect("a PNG");
    (reader.info().width, reader.info().height)
}

#[test]
fn render_takes_the_format_from_options_or_the_ending() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let output = render(folder.path(), &["design.json", "-o", "a.png", "--options", r#"{"pixelRatio": 2}"#]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(png_size(at("a.png")), (60, 40));

    std::fs::write(at("options.json"), r#"{"mimeType": "image/jpeg", "pageId": "two"}"#).expect("written");
    assert!(render(folder.path(), &["design.json", "-o", "b.png", "--options", "@options.json"]).status.success());
    assert!(std::fs::read(at("b.png")).expect("written").starts_with(&[0xff, 0xd8]), "options win over the ending");
}

#[test]
fn render_all_pages_numbers_them() {
    let folder = folder();
    assert!(render(folder.path(), &["design.json", "-o", "out-{page}.png", "--all-pages"]).status.success());
    assert_eq!(png_size(folder.path().join("out-1.png")), (30, 20));
    assert_eq!(png_size(folder.path().join("out-2.png")), (30, 20));
    let unnamed = render(folder.path(), &["design.json", "-o", "out.png", "--all-pages"]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(stderr(&unnamed).contains("{page}"), "{}", stderr(&unnamed));
}

#[test]
fn render_reads_and_writes_standard_streams() {
    let folder = folder();
    let mut child = tenter(folder.path())
        .args(["render", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let design = std::fs::read(folder.path().join("design.json")).expect("read");
    child.stdin.take().expect("a pipe").write_all(&design).expect("taken");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    assert!(output.stdout.starts_with(b"\x89PNG"));
}

#[test]
fn render_prints_warnings_and_succeeds() {
    let folder = folder();
    let children = json!([{"id": "shadow", "type": "figure", "width": 9, "height": 9, "filters": {},
        "x": 1e300, "y": 0, "unknown": true}]);
    let design = json!({"schemaVersion": 9, "width": 30, "height": 20, "pages": [{"id": "one", "children": children}]});
    std::fs::write(folder.path().join("design.json"), design.to_string()).expect("written");
    let output = render(folder.path(), &["design.json", "-o", "a.png"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: schemaVersion: "), "{}", stderr(&output));
}

#[test]
fn exit_codes_tell_who_can_fix_it() {
    let folder = folder();
    let code = |arguments: &[&str]| {
        let output = render(folder.path(), arguments);
        (output.status.code(), stderr(&output))
    };
    let refused = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        code(&[name, "-o", "a.png"])
    };
    // 1: the input
    let (one, message) = refused("empty.json", "{}");
    assert!(one == Some(1) && message.contains("error: pages: "), "{message}");
    assert_eq!(refused("broken.json", "{").0, Some(1));
    assert_eq!(code(&["design.json", "-o", "a.pdf"]).0, Some(1));
    assert_eq!(code(&["design.json", "-o", "a.png", "--options", r#"{"pageId": "three"}"#]).0, Some(1));
    let (one, message) = code(&["design.json", "-o", "a.png", "--options", r#"{"pixelRatio": 0, "quality": 2}"#]);
    assert!(one == Some(1) && message.lines().count() == 2, "one line a problem: {message}");
    // 2: the command line and the settings
    assert_eq!(code(&["design.json"]).0, Some(2));
    assert_eq!(code(&["missing.json", "-o", "a.png"]).0, Some(2));
    let (two, message) = code(&["design.json", "-o", "a.png", "--max-pages", "0"]);
    assert!(two == Some(2) && message.contains("TENTER_MAX_PAGES: found \"0\" (flag)"), "{message}");
    // 3: an asset; local renders do not reach private addresses either
    let children = json!([{"id": "pic", "type": "image", "src": "http://127.0.0.1:9/a.png", "width": 9, "height": 9}]);
    let design = json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": children}]}).to_string();
    let (three, message) = refused("asset.json", &design);
    assert!(three == Some(3) && message.contains("image with id pic url: http://127.0.0.1:9/a.png"), "{message}");
    // 4: the machine
    assert_eq!(code(&["design.json", "-o", "no/such/folder/a.png"]).0, Some(4));
}

#[test]
fn settings_print_values_and_sources_and_mask_secrets() {
    let folder = folder();
    std::fs::write(folder.path().join("tenter.toml"), "max_pages = 7\n").expect("written");
    let output = tenter(folder.path())
        .args(["settings", "--config", "tenter.toml", "--queue", "3"])
        .env("TENTER_KEYS", "shop=very-secret-key")
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for line in [
        "TENTER_MAX_PAGES = 7  (tenter.toml)",
        "TENTER_QUEUE = 3  (flag)",
        "TENTER_KEYS = shop=***  (environment)",
        "TENTER_LINK_LIFETIME = 24 h  (default)",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("very-secret-key"));
}

#[test]
fn settings_docs_are_up_to_date() {
    let output = tenter(Path::new(env!("CARGO_MANIFEST_DIR"))).args(["settings", "--markdown"]).output().expect("runs");
    let written = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md")).expect("docs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed == written, "write it anew: cargo run -- settings --markdown > docs/settings.md");
}

#[test]
fn doctor_says_what_to_do() {
    let folder = folder();
    let output = tenter(folder.path()).arg("doctor").env("TENTER_KEYS", "short").output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("data: ./tenter-data can be written"), "{text}");
    assert!(text.contains("key key-1 has fewer than 16 characters"), "{text}");
    let output = tenter(folder.path()).args(["doctor", "--data-dir", "design.json"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL data: design.json cannot be written"), "{text}");
}

#[test]
fn serve_refuses_what_is_not_safe_or_not_built() {
    let folder = folder();
    let refused = |arguments: &[&str]| {
        let output = tenter(folder.path()).arg("serve").args(arguments).output().expect("runs");
        (output.status.code(), stderr(&output))
    };
    let (code, message) = refused(&["--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && message.contains("TENTER_KEYS"), "{message}");
    let (code, message) = refused(&["--listen", "127.0.0.1:0", "--rasterizer", "gpu", "--gpu-adapters", "none such"]);
    assert!(code == Some(2) && message.contains("TENTER_RASTERIZER = gpu: "), "{message}");
}

#[test]
fn serve_listens_logs_and_stops_when_asked() {
    let folder = folder();
    let mut child = tenter(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut next = |message: &str| loop {
        let line = lines.next().expect("more lines").expect("text");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line["message"] == message {
            return line;
        }
    };
    let address = next("listening")["address"].as_str().expect("an address").to_owned();
    next("ready");
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    let request = b"POST /api/render?KEY=hush HTTP/1.1\r\nhost: x\r\nx-request-id: r-1\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    let line = next("request");
    assert_eq!((&line["id"], &line["path"], &line["status"]), (&json!("r-1"), &json!("/api/render"), &json!(415)));
    assert!(!line.to_string().contains("hush"), "{line}");
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(stopped.success());
    next("stopped");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
