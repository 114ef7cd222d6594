//! Render processes: what they may reach, and what happens when they end, hang or take too much memory.

mod load;
mod ends;
#[path = "../support/program.rs"]
mod program;

use std::process::Command;

use serde_json::{Value, json};

use self::program::{Program, Running, until};

/// A service with two render processes and one worker in each.
fn program() -> Program {
    Program::new()
        .with("TENTER_RASTERIZER", "cpu")
        .with("TENTER_RENDERERS", "2")
        .with("TENTER_THREADS", "2")
        .with("TENTER_WORKERS", "2")
        .with("TENTER_QUEUE", "100")
}

/// A call for a small page. Pages of different numbers have different colours.
fn small(number: usize) -> Value {
    let color = format!("#{:06x}", number % 0x100_0000);
    json!({
        "design": {"width": 40, "height": 30, "pages": [{"background": color}]},
        "outputFormat": "file", "format": "png",
    })
}

/// A call that takes a renderer some seconds: many large blurred shadows.
fn slow() -> Value {
    let text = |index: usize| {
        json!({
            "type": "text", "id": format!("text-{index}"), "x": 10 * index, "y": 10 * index, "width": 1500, "height": 200,
            "text": "Slow", "fontSize": 180, "shadowEnabled": true, "shadowBlur": 90 + index, "shadowColor": "black",
        })
    };
    let children: Vec<_> = (0..200).map(text).collect();
    json!({
        "design": {"width": 3000, "height": 3000, "pages": [{"children": children}]},
        "outputFormat": "file", "format": "png",
    })
}

/// Process ids of the render processes of `service`.
fn renderers(service: &Running) -> Vec<u32> {
    let children = format!("/proc/{0}/task", service.pid());
    let mut all = Vec::new();
    for task in std::fs::read_dir(children).expect("a running process").flatten() {
        let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|it| it.parse::<u32>().ok()));
    }
    all.sort_unstable();
    all
}

/// Waits until `count` processes serve.
fn until_serving(service: &Running, count: usize) -> Vec<u32> {
    let wanted = format!("tenter_renderers{{state=\"serving\"}} {count}\n");
    until("all renderers serve", || {
        let metrics = String::from_utf8_lossy(&service.get("/metrics").body).into_owned();
        (metrics.contains(&wanted)).then(|| renderers(service))
    })
}

fn signal(name: &str, pid: u32) {
    // The process may have ended meanwhile.
    let _ =
        Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(std::process::Stdio::null()).status();
}

/// Value of the metric that begins with `name`; 0 if there is none.
fn metric(service: &Running, name: &str) -> f64 {
    let metrics = String::from_utf8_lossy(&service.get("/metrics").body).into_owned();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map_or(0.0, |text| text.parse().expect("a number"))
}

#[test]
fn processes_paint_the_same_bytes_as_the_service_itself() {
    let page = include_str!("../../examples/social-post.json");
    let design: Value = serde_json::from_str(page).expect("JSON");
    let call = json!({"design": design, "outputFormat": "file", "format": "png"});
    let with = program().start();
    let without = Program::new().with("TENTER_RASTERIZER", "cpu").with("TENTER_RENDERERS", "0").start();
    let (one, other) = (with.post("/api/render", &call), without.post("/api/render", &call));
    assert_eq!((one.status, other.status), (200, 200));
    assert!(one.body == other.body, "the bytes differ");
    assert_eq!(renderers(&with).len(), 2);
    assert_eq!(renderers(&without).len(), 0);
    let ready = with.get("/health/ready").json();
    assert_eq!(ready["renderers"]["serving"], 2, "{ready}");
    assert_eq!(without.get("/health/ready").json()["renderers"], Value::Null);
}

#[test]
fn settings_that_cannot_work_are_reported_at_the_start() {
    let reason = program().with("TENTER_FONT_DIR", "/nowhere/fonts").refuses();
    assert!(reason.contains("/nowhere/fonts"), "{reason}");
}

#[test]
fn processes_reach_neither_network_nor_files_nor_programs() {
    let output = Command::new(env!("CARGO_BIN_EXE_tenter")).args(["renderer", "--probe"]).env_clear().output();
    let output = output.expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    if ["files", "system_calls"].iter().any(|it| report["confinement"][it]["level"] == "none") {
        eprintln!("skipped: this kernel cannot confine processes: {report}");
        return;
    }
    let attempts = report["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 7, "{report}");
    for attempt in attempts {
        assert_eq!(attempt["outcome"], "refused", "{report}");
    }
}
