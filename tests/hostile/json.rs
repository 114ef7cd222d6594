//! Hostile JSON bodies: invalid JSON, wrong types, and too many or too deeply nested values.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;

const BAD: StatusCode = StatusCode::BAD_REQUEST;

#[tokio::test]
async fn invalid_json_is_refused_with_its_position() {
    let service = service(&[]);
    for (body, word) in [
        ("{", "line 1 column 1"),
        ("\u{0}", "this is not JSON"),
        (r#"{"design": {"pages": [{"id": "\ud80 short"}]}}"#, "escape"),
        (r#"{"design": {"width": NaN}}"#, "this is not JSON"),
        (r#"{"design": {"width": 1e999}}"#, "out of range"),
    ] {
        assert_refused(&service.post("/api/render", body).await, BAD, "", &[word, "JSON"]);
    }
}

#[tokio::test]
async fn wrong_types_are_all_reported_with_their_paths() {
    let bad = json!({"type": "group", "children": "none"});
    let mut request = call(json!([bad, {"type": "hologram"}, 5]));
    request["exportOptions"] = json!({"pixelRatio": "x", "quality": [1]});
    let options = service(&[]).render(request.clone()).await;
    assert_refused(&options, BAD, "exportOptions.pixelRatio", &["\"x\"", "accepted: a number"]);
    request["exportOptions"] = Value::Null;
    let answer = service(&[]).render(request).await;
    let body = answer.json();
    let problems = body["problems"].as_array().expect("problems");
    let mut found: Vec<_> = problems.iter().map(|it| it["path"].as_str().expect("a path")).collect();
    found.sort_unstable();
    let child = |rest: &str| format!("design.pages[0].children{rest}");
    let mut expected = ["[0].children", "[1].type", "[2]"].map(child);
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(problems.iter().all(|it| it["message"].as_str().is_some_and(|it| it.contains("accepted: "))), "{body}");
}

#[tokio::test]
async fn wrong_values_are_drawn_with_the_default_and_a_warning_each() {
    let bad = json!({"id": 5, "type": "text", "text": "a\u{fffd}b", "x": "a", "width": {}, "fontSize": "big", "opacity": [1],
        "visible": "false", "align": 3, "filters": 7, "textDecoration": {}});
    let answer = service(&[]).element(bad).await;
    assert_drawn(&answer, "wrong values");
    assert_eq!(answer.header("x-tenter-warnings"), "9");
    let lone = r#"{"design": {"width": 64, "height": 64, "pages": [{"id": "\ud800 lone"}]}, "outputFormat": "file"}"#;
    assert_drawn(&service(&[]).post("/api/render", lone).await, "half of a surrogate pair");
}

#[tokio::test]
async fn unknown_types_and_missing_pages_list_the_accepted_values() {
    let service = service(&[]);
    let answer = service.element(json!({"type": "hologram"})).await;
    assert_refused(&answer, BAD, "design.pages[0].children[0].type", &["hologram", "accepted: text, image"]);
    let answer = service.render(json!({"design": {"pages": []}})).await;
    assert_refused(&answer, BAD, "design.pages", &["No page", "at least one page"]);
    let answer = service.render(json!({"design": {"pages": vec![json!({}); 1001]}})).await;
    assert_refused(&answer, BAD, "design.pages", &["1001", "1000 (TENTER_MAX_PAGES)"]);
}

#[tokio::test]
async fn last_of_duplicate_keys_counts() {
    let body =
        |widths: &str| format!(r#"{{"design": {{{widths}, "height": 64, "pages": [{{}}]}}, "outputFormat": "file"}}"#);
    let service = service(&[]);
    assert_drawn(&service.post("/api/render", &body(r#""width": "?", "width": 64"#)).await, "the last key counts");
    let answer = service.post("/api/render", &body(r#""width": 64, "width": "?""#)).await;
    assert_refused(&answer, BAD, "design.width", &["\"?\""]);
}

#[tokio::test]
async fn elements_above_the_limit_are_refused() {
    let service = service(&[]);
    let many = |count: usize| call(json!(vec![json!({"type": "figure", "width": 9, "height": 9}); count]));
    assert_drawn(&service.render(many(20_000)).await, "20 000 elements");
    let answer = service.render(many(20_001)).await;
    assert_refused(&answer, BAD, "design.pages[0].children[20000].type", &["20000 (TENTER_MAX_ELEMENTS)"]);
    for (rows, cols) in [(1000.0, 1000.0), (1e9, 3.0), (1e308, 1e308)] {
        let answer = service.element(json!({"id": "t", "type": "table", "rows": rows, "cols": cols})).await;
        assert_refused(&answer, BAD, "design.pages[0].children[0].cells", &["TENTER_MAX_ELEMENTS"]);
    }
}

#[tokio::test]
async fn groups_nest_up_to_the_json_depth_limit() {
    let nested = |depth: usize| {
        let group = |inner: Value, _| json!({"type": "group", "children": [inner]});
        call(json!([(0..depth).fold(figure(), group)]))
    };
    let service = service(&[]);
    // Levels: body, design, pages, page, children and element; each group adds two.
    assert_drawn(&service.render(nested(47)).await, "100 levels");
    let answer = service.render(nested(48)).await;
    assert_refused(&answer, BAD, "", &["100 (TENTER_MAX_JSON_DEPTH)"]);
}

#[tokio::test]
async fn values_are_counted_before_they_are_built() {
    let service = service(&[("TENTER_REQUEST_MAX_BYTES", "64 MiB")]);
    let body = format!(r#"{{"design": {{"pages": [{{}}], "x": [{}0]}}}}"#, "0,".repeat(5_000_000));
    assert_refused(&service.post("/api/render", &body).await, BAD, "", &["values"]);
}

#[tokio::test]
async fn very_long_names_are_refused_and_not_echoed() {
    let service = service(&[]);
    let long = "x".repeat(1_000_000);
    for (member, at) in [("id", ".id"), ("fontFamily", ".fontFamily"), ("type", ".type")] {
        let answer = service.element(with(&text("a"), &json!({ member: long }))).await;
        assert_refused(&answer, BAD, &format!("design.pages[0].children[0]{at}"), &[]);
    }
    let answer = service.render(with(&call(json!([])), &json!({"format": long}))).await;
    assert_refused(&answer, BAD, "format", &["accepted: png"]);
    let answer = service.render(with(&call(json!([])), &json!({"exportOptions": {"pageId": long}}))).await;
    assert_refused(&answer, BAD, "exportOptions.pageId", &["the design has page"]);
    let answer = service.element(image(&format!("http://127.0.0.1/{long}"))).await;
    assert_refused(
        &answer,
        StatusCode::UNPROCESSABLE_ENTITY,
        "design.pages[0].children[0]",
        &["TENTER_ALLOW_ADDRESSES"],
    );
}

#[tokio::test]
async fn thousands_of_problems_are_reported_in_part() {
    let bad = json!({"id": "x", "type": "hologram"});
    let answer = service(&[]).render(call(json!(vec![bad; 5000]))).await;
    assert_refused(&answer, BAD, "design.pages[0].children[0].type", &[]);
    assert_eq!(answer.json()["problems"][100]["message"], "and 4900 more");
}
