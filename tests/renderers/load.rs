//! Load on a service whose render processes are killed all the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::{metric, program, renderers, signal, small, until, until_serving};

#[test]
#[expect(clippy::disallowed_methods, reason = "clients beside each other, and a hand that kills")]
fn no_request_is_lost_while_processes_are_killed() {
    let service = Arc::new(program().start());
    until_serving(&service, 2);
    let expected: Arc<Vec<_>> = Arc::new((0..8).map(|it| service.post("/api/render", &small(it)).body).collect());
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..3)
        .map(|client| {
            let (service, expected, done) = (service.clone(), expected.clone(), done.clone());
            std::thread::spawn(move || {
                let mut answers = BTreeMap::<u16, usize>::new();
                let mut number = client;
                while !done.load(Ordering::Relaxed) {
                    number += 1;
                    let answer = service.post("/api/render", &small(number % 8));
                    if answer.status == 200 {
                        assert!(answer.body == expected[number % 8], "a wrong picture");
                    }
                    *answers.entry(answer.status).or_default() += 1;
                }
                answers
            })
        })
        .collect();
    for round in 0..20 {
        std::thread::sleep(Duration::from_millis(500));
        let all = renderers(&service);
        if let Some(victim) = all.get(round % all.len().max(1)) {
            signal("KILL", *victim);
        }
    }
    done.store(true, Ordering::Relaxed);
    for client in clients {
        let answers = client.join().expect("no panic");
        assert!(answers.len() == 1 && answers.contains_key(&200), "{answers:?}");
    }
    assert_eq!(metric(&service, "tenter_renderer_culprits_total{reason=\"ended\"}"), 0.0);
    until_serving(&service, 2);
}

#[test]
fn jobs_and_batches_end_once_while_processes_are_killed() {
    let service = program().with("TENTER_JOB_WORKERS", "2").start();
    until_serving(&service, 2);
    let design = |number: usize| json!({"width": 20 + number % 7, "height": 20, "pages": [{"background": "tomato"}]});
    let jobs: Vec<_> = (0..60)
        .map(|number| {
            let answer = service.post("/api/renders", &json!({"design": design(number)}));
            assert_eq!(answer.status, 200);
            answer.json()["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    let rows: Vec<_> = (0..20).map(|row| json!({"name": format!("row {row}")})).collect();
    let text = json!({"type": "text", "text": "{name}", "width": 60, "height": 20});
    let design = json!({"width": 80, "height": 40, "pages": [{"children": [text]}]});
    let batches: Vec<_> = ["png", "pdf"]
        .iter()
        .map(|format| {
            let form = if *format == "pdf" { "merge" } else { "format" };
            let call = json!({"design": design, "rows": rows, form: format});
            let answer = service.post("/api/batches", &call);
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            answer.json()["id"].as_str().expect("an id").to_owned()
        })
        .collect();
    for round in 0..8 {
        std::thread::sleep(Duration::from_millis(400));
        let all = renderers(&service);
        if let Some(victim) = all.get(round % all.len().max(1)) {
            signal("KILL", *victim);
        }
    }
    for id in jobs {
        let ended = until("a job ends", || {
            let job = service.get(&format!("/api/renders/{id}")).json();
            matches!(job["status"].as_str(), Some("done" | "error")).then_some(job)
        });
        assert_eq!(ended["status"], "done", "{ended}");
    }
    for id in batches {
        let ended = until("a batch ends", || {
            let batch = service.get(&format!("/api/batches/{id}")).json();
            matches!(batch["status"].as_str(), Some("done" | "error")).then_some(batch)
        });
        assert_eq!((&ended["status"], &ended["counts"]["done"]), (&json!("done"), &json!(20)), "{ended}");
    }
}
