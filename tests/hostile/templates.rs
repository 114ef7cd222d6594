//! Hostile values and names of template variables.

use axum::http::StatusCode;
use serde_json::json;

use super::*;

fn filled(children: Value, variables: Value) -> Value {
    with(&call(children), &json!({"variables": variables}))
}

#[tokio::test]
async fn values_that_expand_beyond_the_limit_are_refused() {
    let service = service(&[]);
    let value = "x".repeat(100_000);
    let children: Vec<_> = (0..500).map(|_| text("{a}{a}{a}{a}")).collect();
    let answer = service.render(filled(json!(children), json!({"a": value}))).await;
    let first = answer.json()["problems"][0]["path"].as_str().expect("a path").to_owned();
    assert_refused(&answer, StatusCode::BAD_REQUEST, &first, &["TENTER_MAX_VARIABLE_BYTES"]);
    assert!(first.starts_with("design.pages[0].children["), "{first}");
}

#[tokio::test]
async fn substituted_values_count_towards_the_text_limit() {
    let service = service(&[("TENTER_MAX_TEXT_CHARS", "10")]);
    let answer = service.render(filled(json!([text("{a}")]), json!({"a": "12345678901"}))).await;
    let path = "design.pages[0].children[0].text";
    assert_refused(&answer, StatusCode::BAD_REQUEST, path, &["TENTER_MAX_TEXT_CHARS"]);
}

#[tokio::test]
async fn values_cannot_reach_private_addresses() {
    let service = service(&[]);
    for src in ["http://127.0.0.1/", "http://169.254.169.254/latest/", "file:///etc/passwd"] {
        let marked = with(&image("data:,"), &json!({"custom": {"variable": "photo"}}));
        let answer = service.render(filled(json!([marked]), json!({"photo": src}))).await;
        assert_refused(&answer, StatusCode::UNPROCESSABLE_ENTITY, "design.pages[0].children[0]", &["image with id i"]);
    }
}

#[tokio::test]
async fn values_are_not_parsed_as_markup_or_placeholders() {
    let service = service(&[]);
    let value = "<b style='font-size:900px'>{a}</b><img src=x>&lt;&#0;";
    let drawn = service.render(filled(json!([text("{a}")]), json!({"a": value}))).await;
    let escaped = "&lt;b style=&#39;font-size:900px&#39;&gt;{a}&lt;/b&gt;&lt;img src=x&gt;&amp;lt;&amp;#0;";
    let written = service.render(call(json!([text(escaped)]))).await;
    assert_drawn(&drawn, "a value");
    assert_eq!(drawn.body, written.body, "the value is drawn as it is written");
}

#[tokio::test]
async fn variable_names_have_no_special_meaning() {
    let service = service(&[]);
    let long = "x".repeat(5000);
    let names = json!({"": 1, "__proto__": 2, "a}b": 4, "\u{0}": 5, "{": 6, "é": 7, long: 8});
    let answer = service.render(filled(json!([text("{} {__proto__} {a}b} {{} {é}")]), names)).await;
    assert_drawn(&answer, "names");
    for wrong in [json!([1]), json!("x"), json!(3), json!({"a": {}}), json!({"a": [1]})] {
        let answer = service.render(filled(json!([text("{a}")]), wrong.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {:?}", answer.body);
    }
}
