//! Limits per API key.

use axum::http::StatusCode;
use serde_json::json;

use super::design;
use super::service::{Answer, Service, post, service};

const KEYS: (&str, &str) = ("TENTER_KEYS", "shop=first,press=second");

async fn call(service: &Service, path: &str, bearer: &str) -> Answer {
    let mut request = post(path, &json!({"design": design()}).to_string());
    request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().expect("a header"));
    service.call(request).await
}

#[tokio::test]
async fn rate_of_a_key_is_429_with_headers_and_leaves_other_keys_alone() {
    let service = service(&[KEYS, ("TENTER_KEY_RATE", "2")]);
    let first = call(&service, "/api/render", "first").await;
    assert_eq!(
        (first.status, first.header("ratelimit-limit"), first.header("ratelimit-remaining")),
        (StatusCode::OK, "2", "1")
    );
    let second = call(&service, "/api/renders", "first").await;
    assert_eq!((second.status, second.header("ratelimit-remaining")), (StatusCode::OK, "0"));
    for path in ["/api/render", "/api/renders"] {
        let refused = call(&service, path, "first").await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(refused.error().contains("TENTER_KEY_RATE"), "{}", refused.error());
        let wait: u64 = refused.header("retry-after").parse().expect("seconds");
        assert!((1..=30).contains(&wait), "{wait}");
        assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("2", "0"));
    }
    assert_eq!(call(&service, "/api/render", "second").await.status, StatusCode::OK);
    assert_eq!(service.get("/api/renders/list?KEY=first").await.status, StatusCode::OK, "asking is free");
}

#[tokio::test]
async fn calls_of_a_key_at_once_are_bounded() {
    let service = service(&[KEYS, ("TENTER_KEY_CONCURRENCY", "1"), ("TENTER_WORKERS", "1")]);
    let at_work = service.engine.admit().await.expect("the only worker");
    let mut waiting = Box::pin(call(&service, "/api/render", "first"));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let refused = call(&service, "/api/render", "first").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert!(refused.error().contains("TENTER_KEY_CONCURRENCY"), "{}", refused.error());
    drop(at_work);
    assert_eq!(waiting.await.status, StatusCode::OK);
    assert_eq!(call(&service, "/api/render", "first").await.status, StatusCode::OK);
}

#[tokio::test]
async fn jobs_of_a_key_and_of_all_are_bounded_and_each_key_sees_its_own() {
    let service = service(&[KEYS, ("TENTER_KEY_JOBS", "2"), ("TENTER_JOB_QUEUE", "3")]);
    let job = call(&service, "/api/renders", "first").await.json();
    assert_eq!(call(&service, "/api/renders", "first").await.status, StatusCode::OK);
    for (key, setting) in [("first", "TENTER_KEY_JOBS"), ("second", ""), ("second", "TENTER_JOB_QUEUE")] {
        let answer = call(&service, "/api/renders", key).await;
        if setting.is_empty() {
            assert_eq!(answer.status, StatusCode::OK);
            continue;
        }
        assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "10"), "{key}");
        assert!(answer.error().contains(setting), "{}", answer.error());
    }
    let path = format!("/api/renders/{}", job["id"].as_str().expect("an id"));
    assert_eq!(service.get(&format!("{path}?KEY=first")).await.status, StatusCode::OK);
    assert_eq!(service.get(&format!("{path}?KEY=second")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.get("/api/renders/list?KEY=second").await.json()["total"], 1);
}
