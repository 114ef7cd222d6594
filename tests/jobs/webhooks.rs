//! Webhooks: requests to the receiver, and retries when it fails.

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::design;
use super::program::{Program, Running, until};
use super::receiver::Receiver;

fn program() -> Program {
    Program::new()
        .with("TENTER_ALLOW_ADDRESSES", "127.0.0.1")
        .with("TENTER_WEBHOOK_RETRIES", "50 ms, 50 ms, 100 ms, 100 ms, 200 ms")
}

fn create(service: &Running, receiver: &Receiver) -> String {
    let created = service.post("/api/renders", &json!({"design": design(), "webhook": receiver.url()}));
    assert_eq!(created.status, 200, "{}", created.json());
    created.json()["id"].as_str().expect("an id").to_owned()
}

fn deliveries(service: &Running, id: &str) -> Vec<Value> {
    let listed = service.get(&format!("/api/renders/{id}/deliveries")).json();
    listed["deliveries"].as_array().unwrap_or_else(|| panic!("{listed}")).clone()
}

/// Waits until the last delivery exists and is not pending.
fn settled(service: &Running, id: &str, event: &str) -> Value {
    until("a delivery settles", || {
        deliveries(service, id).into_iter().find(|it| it["event"] == event && it["status"] != "pending")
    })
}

#[test]
fn receiver_gets_the_whole_job_signed() {
    let service = program().with("TENTER_WEBHOOK_SECRET", "hush").start();
    let receiver = Receiver::start();
    let id = create(&service, &receiver);
    let settled = settled(&service, &id, "job.done");
    assert_eq!(
        (&settled["status"], &settled["answer"], &settled["attempts"]),
        (&json!("delivered"), &json!(204), &json!(1))
    );
    let calls = receiver.calls();
    let call = calls.last().expect("a call");
    assert_eq!((call.header("content-type"), call.header("x-tenter-event")), ("application/json", "job.done"));
    assert_eq!(call.header("x-tenter-delivery"), settled["id"]);
    assert_eq!(call.job(), service.get(&format!("/api/renders/{id}")).json(), "field for field");
    let (time, digest) = call.header("x-tenter-signature").split_once(',').expect("two parts");
    let time = time.strip_prefix("t=").expect("a time");
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").expect("a key");
    mac.update(format!("{time}.{}", call.body).as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, format!("v1={expected}"));
    assert!(!service.stop().contains("hush"), "the secret stands in the log");
}

#[test]
fn failed_webhook_is_retried_and_can_be_retried_by_the_owner() {
    let service = program().start();
    let receiver = Receiver::start();
    receiver.answer_next([500, 503, 429, 500, 502, 500, 500, 500, 500, 500, 500, 500]);
    let id = create(&service, &receiver);
    let failed = settled(&service, &id, "job.done");
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(6)), "one try and five more");
    assert_eq!(failed["error"].as_str().map(|it| it.contains("2xx is needed")), Some(true), "{failed}");
    assert_eq!(service.get(&format!("/api/renders/{id}")).json()["status"], "done", "the job does not mind");
    until("the receiver accepts requests again", || {
        // These requests use up the remaining error responses.
        let path = format!("/api/renders/{id}/deliveries/{}/retry", failed["id"].as_str().expect("an id"));
        assert_eq!(service.call("POST", &path, "").status, 200);
        (settled(&service, &id, "job.done")["status"] == "delivered").then_some(())
    });
    let known: std::collections::BTreeSet<_> = receiver
        .calls()
        .iter()
        .filter(|it| it.header("x-tenter-event") == "job.done")
        .map(|it| it.header("x-tenter-delivery").to_owned())
        .collect();
    assert_eq!(known.len(), 1, "every try has the id of the delivery");
    let unknown = service.call("POST", &format!("/api/renders/{id}/deliveries/nothing/retry"), "");
    assert_eq!(unknown.status, 404);
}

#[test]
fn webhook_is_not_retried_after_a_refusal_or_redirect() {
    let service = program().start();
    for status in [410, 302] {
        let receiver = Receiver::start();
        receiver.answer_next([status, status, status]);
        let id = create(&service, &receiver);
        let failed = settled(&service, &id, "job.done");
        assert_eq!(
            (&failed["status"], &failed["answer"], &failed["attempts"]),
            (&json!("failed"), &json!(status), &json!(1))
        );
    }
}

/// The address is checked when the connection is made, since a name may resolve to any address.
#[test]
fn receiver_in_a_closed_network_is_not_called() {
    let service = Program::new().start();
    let receiver = Receiver::start();
    let webhook = format!("http://localhost:{}/", receiver.address.port());
    let created = service.post("/api/renders", &json!({"design": design(), "webhook": webhook})).json();
    let id = created["id"].as_str().unwrap_or_else(|| panic!("{created}"));
    let failed = settled(&service, id, "job.done");
    assert_eq!((&failed["status"], &failed["answer"]), (&json!("failed"), &Value::Null));
    assert!(failed["error"].as_str().expect("text").contains("closed network"), "{failed}");
    assert!(receiver.calls().is_empty());
}
