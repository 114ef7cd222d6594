//! What callers see of a cluster while all goes well, and while servers are away.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use serde_json::json;

use super::bucket::{exchange, follow};
use super::faults::within;
use super::program::until;
use super::receiver::Receiver;
use super::{Cluster, Program, ended, small, submit};

#[test]
fn job_is_accepted_here_rendered_there_and_told_everywhere() {
    let Some(cluster) = Cluster::start() else { return };
    let fronts = [cluster.program("serve").start(), cluster.program("serve").start()];
    let receiver = Receiver::start();
    let mut body = small(3);
    body["webhook"] = json!(receiver.url());
    let id = submit(&fronts[0], "one", &body).expect("accepted");
    assert_eq!(fronts[1].get(&format!("/api/renders/{id}")).json()["status"], "scheduled", "front ends paint no jobs");
    let worker = cluster.program("worker").start();
    let job = ended(&fronts[1], &id);
    assert_eq!((&job["status"], &job["error"]), (&json!("done"), &json!("")), "{job}");
    let (head, picture) = follow(job["output"].as_str().expect("a link"));
    assert!(head.starts_with("http/1.1 200") && picture.starts_with(b"\x89PNG"), "{head}");
    for front in &fronts {
        let listed = until("it is listed", || front.all_jobs().first().cloned().filter(|it| it["status"] == "done"));
        assert_eq!(listed["id"], id.as_str());
    }
    let told = until("the receiver is told", || {
        let calls = receiver.calls();
        calls.into_iter().find(|call| call.header("x-tenter-event") == "job.done")
    });
    assert_eq!(told.job(), job, "field for field");
    let on_record = until("the delivery is on record", || {
        let listed = fronts[1].get(&format!("/api/renders/{id}/deliveries")).json();
        let done = listed["deliveries"].as_array()?.iter().find(|it| it["event"] == "job.done").cloned();
        done.filter(|it| it["status"] == "delivered")
    });
    assert_eq!(on_record["id"], told.header("x-tenter-delivery"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(worker.get(path).status, 200, "{path}");
    }
    assert_eq!(worker.get("/api/renders/list").status, 404, "a worker answers no calls");
    assert_eq!(fronts[0].call("DELETE", &format!("/api/renders/{id}"), "").status, 204);
    assert_eq!(fronts[1].get(&format!("/api/renders/{id}")).status, 404);
}

#[test]
fn same_key_at_two_front_ends_makes_one_job() {
    let Some(cluster) = Cluster::start() else { return };
    let fronts = [cluster.program("serve").start(), cluster.program("serve").start()];
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..16)
            .map(|at| {
                scope.spawn({
                    let front = &fronts[at % 2];
                    move || submit(front, "storm", &small(1))
                })
            })
            .collect();
        calls.into_iter().map(|it| it.join().expect("no panic").expect("accepted")).collect()
    });
    assert_eq!(ids.len(), 1);
    let other = fronts[1].try_call("POST", "/api/renders", "idempotency-key: storm\r\n", &small(2).to_string());
    assert_eq!(other.expect("an answer").status, 409);
    // A key is free again once its job is gone.
    let id = ids.first().expect("one");
    assert_eq!(fronts[1].call("DELETE", &format!("/api/renders/{id}"), "").status, 204);
    assert_ne!(submit(&fronts[0], "storm", &small(2)).expect("accepted"), *id);
}

#[test]
fn limits_hold_over_all_front_ends() {
    let Some(cluster) = Cluster::start() else { return };
    let front = || {
        cluster
            .program("serve")
            .with("TENTER_JOB_QUEUE", "5")
            .with("TENTER_KEY_JOBS", "3")
            .with("TENTER_KEYS", "a=one,b=two")
            .start()
    };
    let fronts = [front(), front()];
    let create = |at: usize, key: &str| {
        let headers = format!("authorization: Bearer {key}\r\n");
        let answer = fronts[at % 2].try_call("POST", "/api/renders", &headers, &small(at).to_string());
        answer.expect("an answer")
    };
    for at in 0..3 {
        assert_eq!(create(at, "one").status, 200);
    }
    let refused = create(3, "one");
    assert_eq!(refused.status, 429);
    assert!(
        refused.head.contains("retry-after:")
            && refused.json()["error"].as_str().is_some_and(|it| it.contains("TENTER_KEY_JOBS"))
    );
    assert_eq!((create(0, "two").status, create(1, "two").status), (200, 200));
    let refused = create(2, "two");
    assert!(
        refused.status == 429 && refused.json()["error"].as_str().is_some_and(|it| it.contains("TENTER_JOB_QUEUE")),
        "{}",
        refused.json()
    );
    // What ends makes room.
    let _worker = cluster.program("worker").start();
    until("there is room", || (create(0, "one").status == 200).then_some(()));
}

#[test]
fn pictures_inside_designs_go_through_the_bucket_and_come_out_whole() {
    let Some(cluster) = Cluster::start() else { return };
    let front = cluster.program("serve").start();
    let _worker = cluster.program("worker").start();
    // Noise does not compress, so that it is long enough to be taken out.
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 128, 128);
    encoder.set_color(png::ColorType::Rgb);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..128 * 128 * 3).map(|_| random()).collect();
    encoder.write_header().and_then(|mut it| it.write_image_data(&noise)).expect("a picture");
    let src =
        format!("data:image/png;base64,{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes));
    assert!(src.len() > 16 << 10, "{}", src.len());
    let image = json!({"type": "image", "src": src, "width": 128, "height": 128});
    let body = json!({"design": {"width": 128, "height": 128, "pages": [{"children": [image]}]}});
    let here = front.post("/api/render", &json!({"design": body["design"], "outputFormat": "file"}));
    assert_eq!(here.status, 200, "the classic call is painted by the front end itself");
    let ids: Vec<_> = ["a", "b"].iter().map(|key| submit(&front, key, &body).expect("accepted")).collect();
    for id in &ids {
        let job = ended(&front, id);
        assert_eq!(job["status"], "done", "{job}");
        let (_, there) = follow(job["output"].as_str().expect("a link"));
        assert!(there == here.body, "the same picture, {} and {} bytes", there.len(), here.body.len());
    }
    let request =
        "GET /pictures?list-type=2&prefix=tenter/test/blobs/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let listed = String::from_utf8_lossy(&exchange(cluster.bucket.server_address, request)).into_owned();
    assert_eq!(listed.matches("<Key>").count(), 1, "one blob for both: {listed}");
}

#[test]
fn servers_away_are_503_until_they_are_back_and_jobs_are_still_there() {
    let Some(mut cluster) = Cluster::start() else { return };
    let front = cluster.program("serve").start();
    let worker = cluster.program("worker").with("TENTER_JOB_WORKERS", "1").start();
    until("all are ready", || {
        (front.get("/readyz").status == 200 && worker.get("/readyz").status == 200).then_some(())
    });
    let ids: Vec<_> = (0..20).map(|at| submit(&front, &format!("{at}"), &small(at)).expect("accepted")).collect();
    cluster.nats.kill();
    until("readiness says so", || {
        (front.get("/readyz").status == 503 && worker.get("/readyz").status == 503).then_some(())
    });
    let refused = front.post("/api/renders", &small(0));
    assert!(refused.status == 503 && refused.head.contains("retry-after:"), "{}", refused.head);
    assert_eq!(front.get("/livez").status, 200, "nobody is to start it anew for that");
    assert_eq!(front.post("/api/render", &small(0)).status, 200, "the classic call needs no queue");
    cluster.nats.start_again();
    for id in &ids {
        assert_eq!(ended(&front, id)["status"], "done");
    }
    until("all are ready", || {
        (front.get("/readyz").status == 200 && worker.get("/readyz").status == 200).then_some(())
    });
}

#[test]
fn worker_that_is_stopped_finishes_or_hands_back() {
    let Some(cluster) = Cluster::start() else { return };
    let front = cluster.program("serve").start();
    let worker = cluster.program("worker").start();
    let ids: Vec<_> = (0..40).map(|at| submit(&front, &format!("{at}"), &small(at)).expect("accepted")).collect();
    let log = worker.stop();
    assert!(log.contains("\"abandoned\":0"), "{log}");
    let _worker = cluster.program("worker").start();
    for id in &ids {
        let job = ended(&front, id);
        assert_eq!(job["status"], "done", "{job}");
        assert!(!job["logs"].as_str().expect("logs").contains("died"), "a stop is no death: {job}");
    }
}

#[test]
fn settings_that_cannot_work_are_told_at_the_start() {
    let refused = Program::new().with("TENTER_NATS_URL", "nats://127.0.0.1:1").refuses();
    assert!(refused.contains("TENTER_RESULTS: not set, but jobs are on nats://127.0.0.1:1"), "{refused}");
    let refused = Program::of("worker").refuses();
    assert!(refused.contains("--nats-url nats://host:4222"), "{refused}");
}

/// Publishes the advisory about a message that reached its maximum of deliveries; a thousand deliveries would take too
/// long.
#[test]
fn message_that_the_server_gives_up_is_replaced() {
    let Some(cluster) = Cluster::start() else { return };
    let front = cluster.program("serve").start();
    let id = submit(&front, "one", &small(1)).expect("accepted");
    let advisory =
        json!({"stream": "tenter-work", "consumer": "workers", "stream_seq": 1, "deliveries": 1000}).to_string();
    let subject = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.tenter-work.workers";
    let spoken = format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n{advisory}\r\nPING\r\n", advisory.len());
    let mut line = TcpStream::connect(cluster.nats.address).expect("the server listens");
    line.write_all(spoken.as_bytes()).expect("it reads");
    within(3, "the job gets another message", || front.log().contains("the message of a job is missing").then_some(()));
    let _worker = cluster.program("worker").start();
    assert_eq!(ended(&front, &id)["status"], "done");
}
