//! The built program: its output, the files it writes, and its exit codes.

#[path = "support/command.rs"]
mod command;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;

use command::tenter;

/// A temporary folder with `design.json`, a design with two pages of 30 × 20 px.
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
fn render_takes_the_format_from_options_or_the_extension() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let output = render(folder.path(), &["design.json", "-o", "a.png", "--options", r#"{"pixelRatio": 2}"#]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    assert_eq!(png_size(at("a.png")), (60, 40));

    std::fs::write(at("options.json"), r#"{"mimeType": "image/jpeg", "pageId": "two"}"#).expect("written");
    assert!(render(folder.path(), &["design.json", "-o", "b.png", "--options", "@options.json"]).status.success());
    assert!(
        std::fs::read(at("b.png")).expect("written").starts_with(&[0xff, 0xd8]),
        "options take precedence over the extension"
    );
}

#[test]
fn isolated_render_equals_one_of_this_process() {
    let folder = folder();
    let file = |name: &str| std::fs::read(folder.path().join(name)).expect("written");
    assert!(render(folder.path(), &["design.json", "-o", "a-{page}.png", "--all-pages"]).status.success());
    let isolated = render(folder.path(), &["design.json", "-o", "b-{page}.png", "--all-pages", "--isolate"]);
    assert_eq!((isolated.status.code(), stderr(&isolated).as_str()), (Some(0), ""));
    for page in 1..=2 {
        assert!(file(&format!("a-{page}.png")) == file(&format!("b-{page}.png")), "page {page}");
    }
    std::fs::write(folder.path().join("wrong.json"), r#"{"pages": [{"children": [{"type": "text", "width": "x"}]}]}"#)
        .expect("written");
    let messages = [&[][..], &["--isolate"]].map(|flags| {
        let output = render(folder.path(), &[&["wrong.json", "-o", "c.png"], flags].concat());
        (output.status.code(), stderr(&output))
    });
    assert_eq!(messages[0], messages[1]);
    assert!(messages[0].1.contains("pages[0].children[0].width") && !messages[0].1.contains("design."), "{messages:?}");
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
fn render_writes_all_pages_into_one_pdf_or_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let output = render(folder.path(), &["design.json", "-o", "a.pdf", "--vector", "--reproducible"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let file = std::fs::read(at("a.pdf")).expect("written");
    assert!(file.starts_with(b"%PDF-1.7") && file.ends_with(b"%%EOF"), "{file:?}");
    assert_eq!(render(folder.path(), &["design.json", "-o", "b.pdf", "--pages", "two,three"]).status.code(), Some(1));
    assert_eq!(render(folder.path(), &["design.json", "-o", "b-{page}.pdf", "--all-pages"]).status.code(), Some(2));
    assert_eq!(render(folder.path(), &["design.json", "-o", "b.pdf", "--cmyk"]).status.code(), Some(3), "no profile");
    // No partial file is left: neither the output nor the temporary file beside it.
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|it| it.file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a.pdf", "design.json"]);
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
    let unknown = "warning: pages[0].children[0].unknown (shadow): unknown property \"unknown\" of a figure; ignored";
    assert!(stderr(&output).contains(unknown), "{}", stderr(&output));
}

#[test]
fn exit_codes_distinguish_input_settings_assets_and_machine() {
    let folder = folder();
    let code = |arguments: &[&str]| {
        let output = render(folder.path(), arguments);
        (output.status.code(), stderr(&output))
    };
    let refused = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        code(&[name, "-o", "a.png"])
    };
    // 1: the input.
    let (one, message) = refused("empty.json", "{}");
    assert!(one == Some(1) && message.contains("error: pages: "), "{message}");
    assert_eq!(refused("broken.json", "{").0, Some(1));
    assert_eq!(code(&["design.json", "-o", "a.pdf", "--options", r#"{"pdfa": "2b"}"#]).0, Some(1));
    assert_eq!(code(&["design.json", "-o", "a.png", "--options", r#"{"pageId": "three"}"#]).0, Some(1));
    let (one, message) = code(&["design.json", "-o", "a.png", "--options", r#"{"pixelRatio": 0, "quality": 2}"#]);
    assert!(one == Some(1) && message.lines().count() == 2, "one line per problem: {message}");
    // 2: the command line or the settings.
    assert_eq!(code(&["design.json"]).0, Some(2));
    assert_eq!(code(&["missing.json", "-o", "a.png"]).0, Some(2));
    let (two, message) = code(&["design.json", "-o", "a.png", "--max-pages", "0"]);
    assert!(two == Some(2) && message.contains("TENTER_MAX_PAGES: found \"0\" (flag)"), "{message}");
    // 3: an asset. Local renders do not reach private addresses either.
    let children = json!([{"id": "pic", "type": "image", "src": "http://127.0.0.1:9/a.png", "width": 9, "height": 9}]);
    let design = json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": children}]}).to_string();
    let (three, message) = refused("asset.json", &design);
    assert!(three == Some(3) && message.contains("image with id pic url: http://127.0.0.1:9/a.png"), "{message}");
    // 4: the machine.
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
    assert!(printed == written, "regenerate it: cargo run -- settings --markdown > docs/settings.md");
}

#[test]
fn doctor_prints_what_to_change() {
    let folder = folder();
    let output = tenter(folder.path()).arg("doctor").env("TENTER_KEYS", "short").output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("data: ./tenter-data is writable"), "{text}");
    assert!(text.contains("key key-1 has fewer than 16 characters"), "{text}");
    let output = tenter(folder.path()).args(["doctor", "--data-dir", "design.json"]).output().expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAIL data: design.json is not writable"), "{text}");
}

#[test]
fn serve_refuses_unsafe_or_unsupported_settings() {
    let folder = folder();
    let refused = |arguments: &[&str]| {
        let output = tenter(folder.path()).arg("serve").args(arguments).output().expect("runs");
        (output.status.code(), stderr(&output))
    };
    let (code, message) = refused(&["--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && message.contains("TENTER_KEYS"), "{message}");
    let (code, message) = refused(&["--listen", "127.0.0.1:0", "--rasterizer", "gpu", "--gpu-adapters", "none such"]);
    assert!(code == Some(2) && message.contains("TENTER_RASTERIZER=gpu: "), "{message}");
}

#[test]
fn serve_listens_logs_and_stops_on_sigterm() {
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
    let health = tenter(folder.path()).args(["health", "--listen", &address]).output().expect("runs");
    assert_eq!((health.status.code(), stderr(&health).as_str()), (Some(0), ""));
    assert!(health.stdout.starts_with(br#"{"status":"ready""#));
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

#[test]
fn render_fills_in_variables_from_json_or_a_file() {
    let folder = folder();
    let children = json!([{"id": "t", "type": "text", "text": "{who}", "width": 30, "height": 20}]);
    let design = json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": children}]});
    std::fs::write(folder.path().join("design.json"), design.to_string()).expect("written");
    std::fs::write(folder.path().join("ada.json"), r#"{"who": "Ada"}"#).expect("written");
    for given in [r#"{"who": "Ada"}"#, "ada.json", "@ada.json"] {
        let output = render(folder.path(), &["design.json", "-o", "a.png", "--variables", given]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{given}");
    }
    let other = render(folder.path(), &["design.json", "-o", "b.png", "--variables", "{}"]);
    assert!(stderr(&other).contains("no variable is called \"who\""), "{}", stderr(&other));
    assert_eq!(other.status.code(), Some(0));
    let pictures = ["a.png", "b.png"].map(|name| std::fs::read(folder.path().join(name)).expect("written"));
    assert_ne!(pictures[0], pictures[1]);
    let wrong = render(folder.path(), &["design.json", "-o", "a.png", "--variables", r#"{"who": null, "x": []}"#]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("--variables.x: found"), "{}", stderr(&wrong));
}

#[test]
fn variables_are_printed_with_their_values() {
    let folder = folder();
    let children = json!([
        {"type": "image", "src": "data:,", "bindings": {"src": "photo"}},
        {"type": "text", "text": "Dear {{name}}"},
    ]);
    let design = json!({"pages": [{"children": children}]});
    std::fs::write(folder.path().join("template.json"), design.to_string()).expect("written");
    let run = |arguments: &[&str]| {
        let output = tenter(folder.path()).arg("variables").args(arguments).output().expect("runs");
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let listed = run(&["template.json"]);
    let names: Vec<_> = (0..2).map(|at| (&listed["variables"][at]["name"], &listed["variables"][at]["kind"])).collect();
    assert_eq!(names, [(&json!("photo"), &json!("image")), (&json!("name"), &json!("text"))]);
    assert_eq!(run(&["template.json", "--values"]), json!({"name": null, "photo": "data:,"}));
    let refused = tenter(folder.path()).args(["variables", "-"]).stdin(Stdio::null()).output().expect("runs");
    assert_eq!(refused.status.code(), Some(1), "no JSON");
}

#[test]
fn serve_sends_the_last_traces_before_it_ends() {
    let folder = folder();
    let collector = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/v1/traces", collector.local_addr().expect("an address"));
    let mut child = tenter(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--traces-url", &url])
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000") // an hour, so that traces are sent only at the end
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
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let head = format!("POST /api/render HTTP/1.1\r\nhost: x\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n");
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).expect("sent");
    stream.read_to_string(&mut String::new()).expect("an answer");
    assert!(!next("request").to_string().contains(trace), "log lines do not contain trace ids");
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(stopped.success());

    let (mut stream, _) = collector.accept().expect("the exporter");
    let mut request = Vec::new();
    let ids: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&trace[2 * at..2 * at + 2], 16).expect("hex")).collect();
    while !request.windows(16).any(|it| it == ids) {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).expect("more");
        assert_ne!(length, 0, "the caller's trace is continued: {:?}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&part[..length]);
    }
    assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n"));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("answered");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tenter(folder);
    command.args(["bench", "design.json"]).args(arguments);
    if !arguments.contains(&"--seconds") {
        command.args(["--seconds", "0.05"]);
    }
    command.output().expect("runs")
}

#[test]
fn bench_prints_json_for_each_design() {
    let folder = folder();
    let measured = |arguments: &[&str]| {
        let output = bench(folder.path(), arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        let line = String::from_utf8(output.stdout).expect("text");
        assert_eq!(line.lines().count(), 1, "{line}");
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON")
    };
    let warm = measured(&["--json", "--in-flight", "3"]);
    let number = |key: &str| warm[key].as_f64().unwrap_or_else(|| panic!("{key}: {warm}"));
    assert_eq!(
        (warm["width"].as_u64(), warm["height"].as_u64(), warm["in_flight"].as_u64()),
        (Some(30), Some(20), Some(3))
    );
    assert!(number("pages") >= 3.0 && number("pages_per_second") > 0.0);
    assert!(number("p50_ms") > 0.0 && number("p50_ms") <= number("p99_ms"));
    for (ratio, part) in [("ratio_to_encoding", "encoding_ms"), ("ratio_to_painting", "painting_ms")] {
        assert!((number(ratio) * number(part) / number("page_ms") - 1.0).abs() < 1e-9, "{ratio}: {warm}");
    }
    for stage in ["parse", "assets", "text", "plan", "paint", "encode"] {
        assert!(warm["stages_ms"][stage].as_f64().is_some_and(|ms| ms >= 0.0), "{stage}: {warm}");
    }
    assert!(number("file_bytes") > 50.0);

    let cold = measured(&["--json", "--cold", "--format", "jpeg"]);
    assert_eq!(
        (cold["cold"].as_bool(), cold["format"].as_str(), cold["threads"].as_u64()),
        (Some(true), Some("jpeg"), Some(1))
    );
    let raw = measured(&["--json", "--format", "raw"]);
    assert_eq!((raw["file_bytes"].as_u64(), raw["ratio_to_encoding"].is_null()), (Some(0), true));
}

#[test]
fn bench_prints_tables() {
    let folder = folder();
    let text = |arguments: &[&str]| {
        let output = bench(folder.path(), arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let table = text(&[]);
    assert!(
        table.contains("pages/s") && table.lines().any(|it| it.starts_with("design ") && it.contains("30x20")),
        "{table}"
    );
    let study = text(&["--study", "--seconds", "0.01"]);
    for format in ["raw", "jpeg", "png"] {
        assert!(study.contains(&format!("### {format}: ")), "{study}");
    }
    assert!(study.contains("| design | 30×20 | cpu | "), "{study}");
}

#[test]
fn bench_refuses_invalid_arguments() {
    let folder = folder();
    let code = |arguments: &[&str]| bench(folder.path(), arguments).status.code();
    assert_eq!(code(&["--seconds", "0"]), Some(2));
    assert_eq!(code(&["--cold", "--in-flight", "2"]), Some(2));
    assert_eq!(code(&["--format", "bmp"]), Some(1));
}

#[test]
fn health_without_a_service_names_the_address() {
    let folder = folder();
    let output = tenter(folder.path()).args(["health", "--listen", "127.0.0.1:9"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("nothing answers on 127.0.0.1:9 (TENTER_LISTEN)"), "{}", stderr(&output));
}

#[test]
fn sign_prints_the_url_with_its_signature() {
    let folder = folder();
    let sign = |arguments: &[&str]| {
        let mut command = tenter(folder.path());
        command.env("TENTER_URL_KEYS", "shop=0123456789abcdef,press=fedcba9876543210");
        let output = command.arg("sign").args(arguments).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned(), stderr(&output))
    };
    let (code, signed, _) = sign(&["https://example.com/i/card.png?name=Ada"]);
    let expected = "https://example.com/i/card.png?name=Ada&s=iJ6Ms8YcatzBQivzUtjQpUNJjzxJSthPIOcP213Y-_I";
    assert_eq!((code, signed.as_str()), (Some(0), expected));
    assert_ne!(sign(&["https://example.com/i/card.png?name=Ada", "--key", "press"]).1, expected);
    let (code, signed, _) = sign(&["/i/card.png", "--valid-for", "1 h"]);
    assert!(code == Some(0) && signed.starts_with("/i/card.png?_expires="), "{signed}");
    for (arguments, words) in [
        (&["/i/card.png", "--key", "other"][..], "no key called \"other\""),
        (&["/i/card.png", "--valid-for", "soon"], "accepted: a time"),
        (&["/files/card.png"], "has no /i/"),
    ] {
        let (code, _, error) = sign(arguments);
        assert!(code == Some(2) && error.contains(words), "{code:?} {error}");
    }
    let output = tenter(folder.path()).args(["sign", "/i/card.png"]).output().expect("runs");
    assert!(output.status.code() == Some(2) && stderr(&output).contains("TENTER_URL_KEYS"), "{}", stderr(&output));
}
