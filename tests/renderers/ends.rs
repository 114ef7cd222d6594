//! Render processes that end: by signals, by memory, with their service.

use std::time::Duration;

use super::{metric, program, renderers, signal, slow, small, until, until_serving};

/// Posts [`slow`] beside the test.
#[expect(clippy::disallowed_methods, reason = "waits for an answer while the test goes on")]
fn in_background(
    service: &std::sync::Arc<super::Running>,
    call: serde_json::Value,
) -> std::thread::JoinHandle<super::program::Answer> {
    let service = service.clone();
    std::thread::spawn(move || service.post("/api/render", &call))
}

/// The beginning of the body, which is a picture if the call succeeded.
fn text(answer: &super::program::Answer) -> String {
    String::from_utf8_lossy(&answer.body[..answer.body.len().min(500)]).into_owned()
}

#[test]
fn killed_process_costs_its_request_a_second_try_and_no_blame() {
    let service = std::sync::Arc::new(program().start());
    until_serving(&service, 2);
    let answer = in_background(&service, slow());
    std::thread::sleep(Duration::from_millis(500));
    for pid in renderers(&service) {
        signal("KILL", pid);
    }
    let answer = answer.join().expect("no panic");
    assert_eq!(answer.status, 200, "{}", text(&answer));
    until_serving(&service, 2);
    assert_eq!(metric(&service, "tenter_renderer_culprits_total{reason=\"ended\"}"), 0.0);
}

#[test]
fn request_that_ends_two_processes_is_refused_and_others_are_not() {
    let service = std::sync::Arc::new(program().start());
    until_serving(&service, 2);
    let answer = in_background(&service, slow());
    // An illegal instruction, as a bug may execute one, in whichever process has the request.
    for round in 1..=2 {
        std::thread::sleep(Duration::from_millis(500));
        for pid in renderers(&service) {
            signal("ILL", pid);
        }
        let replaced = || metric(&service, "tenter_renderer_restarts_total{reason=\"signal\"}") >= f64::from(2 * round);
        until("the ends are noticed", || replaced().then_some(()));
        until_serving(&service, 2);
    }
    assert_eq!(service.post("/api/render", &small(1)).status, 200);
    let answer = answer.join().expect("no panic");
    let text = text(&answer);
    assert_eq!(answer.status, 422, "{text}");
    assert!(text.contains("request ended the renderer"), "{text}");
    assert_eq!(metric(&service, "tenter_renderer_culprits_total{reason=\"ended\"}"), 1.0);
    assert!(metric(&service, "tenter_renderer_restarts_total{reason=\"signal\"}") >= 2.0);
}

#[test]
fn process_with_too_much_memory_is_ended_and_the_request_names_the_limit() {
    let service = program().with("TENTER_RENDERER_MEMORY", "200 MiB").with("TENTER_MAX_MEGAPIXELS", "400").start();
    until_serving(&service, 2);
    let large = serde_json::json!({
        "design": {"width": 19_000, "height": 19_000, "pages": [{"background": "teal"}]},
        "outputFormat": "file", "format": "png",
    });
    let answer = service.post("/api/render", &large);
    let text = text(&answer);
    assert_eq!(answer.status, 422, "{text}");
    assert!(text.contains("TENTER_RENDERER_MEMORY"), "{text}");
    until_serving(&service, 2);
    assert_eq!(service.post("/api/render", &small(2)).status, 200);
    assert!(metric(&service, "tenter_renderer_restarts_total{reason=\"memory\"}") >= 1.0);
}

#[test]
fn process_that_does_not_answer_is_replaced() {
    let service = std::sync::Arc::new(program().start());
    let stopped = until_serving(&service, 2)[0];
    signal("STOP", stopped);
    until("the process is replaced", || (!renderers(&service).contains(&stopped)).then_some(()));
    until_serving(&service, 2);
    assert_eq!(service.post("/api/render", &small(3)).status, 200);
    assert!(metric(&service, "tenter_renderer_restarts_total{reason=\"unresponsive\"}") >= 1.0);
}

#[test]
fn processes_end_with_their_service() {
    let service = program().start();
    let all = until_serving(&service, 2);
    service.kill();
    let alive = |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    until("the processes end", || (!all.iter().any(alive)).then_some(()));
}
