//! Results in a bucket of an S3 server (moto) whose network connection can be cut.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::bucket::{Bucket, bucket, follow};
use super::design;
use super::program::{Program, Running, until};
use super::service::png_size;

fn program(bucket: &Bucket) -> Program {
    Program::new()
        .with("TENTER_RESULTS", "s3://pictures/tenter/test")
        .with("TENTER_S3_ENDPOINT", &bucket.endpoint())
        .with("TENTER_S3_ACCESS_KEY_ID", "somebody")
        .with("TENTER_S3_SECRET_ACCESS_KEY", "hush-hush")
}

fn ended(service: &Running, id: &Value) -> Value {
    let path = format!("/api/renders/{}", id.as_str().expect("an id"));
    until("a job ends", || {
        Some(service.get(&path).json()).filter(|job| matches!(job["status"].as_str(), Some("done" | "error")))
    })
}

#[test]
fn bucket_keeps_results_of_both_calls_behind_presigned_links() {
    let Some(bucket) = bucket() else { return };
    let service = program(&bucket).start();
    let created = service.post("/api/renders", &json!({"design": design()})).json();
    let job = ended(&service, &created["id"]);
    let link = job["output"].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
    assert!(link.contains("/pictures/tenter/test/jobs/") && link.contains("X-Amz-Expires=604800"), "{link}");
    let (head, body) = follow(&link);
    assert!(head.starts_with("http/1.1 200") && head.contains("content-type: image/png"), "{head}");
    assert_eq!(png_size(&body), (30, 20));

    let classic =
        service.post("/api/render", &json!({"design": design(), "outputFormat": "url", "format": "jpeg"})).json();
    let url = classic["url"].as_str().unwrap_or_else(|| panic!("{classic}"));
    assert!(url.contains("/pictures/tenter/test/files/") && url.contains("X-Amz-Expires=86400"), "{url}");
    assert!(follow(url).0.contains("content-type: image/jpeg"));

    let removed = service.call("DELETE", &format!("/api/renders/{}", created["id"].as_str().expect("an id")), "");
    assert_eq!(removed.status, 204);
    assert!(follow(&link).0.starts_with("http/1.1 404"));
    assert!(!service.stop().contains("hush-hush"), "the bucket's key stands in the log");
}

#[test]
fn jobs_survive_an_unreachable_bucket() {
    let Some(bucket) = bucket() else { return };
    let program = program(&bucket);
    let service = program.start();
    let ids: Vec<_> = (0..30)
        .map(|at| {
            bucket.line.cut.store((10..30).contains(&at), Ordering::SeqCst);
            service.post("/api/renders", &json!({"design": design()})).json()["id"].clone()
        })
        .collect();
    let again = |log: &str| log.contains("cannot be stored; trying again later");
    until("a job waits for the bucket", || again(&service.log()).then_some(()));
    assert!(service.all_jobs().iter().all(|job| job["status"] != "error"));
    bucket.line.cut.store(false, Ordering::SeqCst);
    for id in &ids {
        let job = ended(&service, id);
        assert_eq!(job["status"], "done", "{job}");
        let (head, body) = follow(job["output"].as_str().expect("a link"));
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(png_size(&body), (30, 20));
    }
    assert_eq!(service.all_jobs().len(), ids.len());
}
