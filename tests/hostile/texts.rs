//! Hostile texts: extremely long ones, combining and control characters, unknown fonts.

use axum::http::StatusCode;
use serde_json::json;

use super::*;

#[tokio::test]
async fn texts_above_the_limit_are_refused() {
    let answer = service(&[]).element(text(&"a".repeat(1_000_000))).await;
    let (bad, path) = (StatusCode::BAD_REQUEST, "design.pages[0].children[0].text");
    assert_refused(&answer, bad, path, &["1000000 characters", "100000 (TENTER_MAX_TEXT_CHARS)"]);
}

/// Texts of at most 100 000 characters each.
fn texts() -> Vec<(&'static str, String)> {
    let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}";
    vec![
        ("one word", "a".repeat(100_000)),
        ("spaces", " ".repeat(100_000)),
        ("line breaks", "\n".repeat(100_000)),
        ("soft hyphens", "a\u{ad}".repeat(50_000)),
        ("controls", ('\0'..' ').collect::<String>() + "\u{7f}\u{85}" + &"\0".repeat(1000)),
        ("not characters", "\u{ffff}\u{fffe}\u{fdd0}".repeat(1000)),
        ("marks on one letter", "a".to_owned() + &"\u{301}".repeat(99_999)),
        ("selectors on one letter", "a".to_owned() + &"\u{fe0f}".repeat(99_999)),
        ("family of ten thousand", family.repeat(2500) + "\u{1f467}"),
        ("flags", "\u{1f1e6}".repeat(50_000)),
        ("right-to-left overrides", "\u{202e}".repeat(50_000) + "abc"),
        ("embeddings and changes", "\u{202b}".repeat(200) + "abc" + &"\u{5d0} a".repeat(30_000)),
        ("joining letters", "\u{627}\u{644}\u{633}".repeat(33_000)),
        ("no fonts for any", ('\u{20000}'..).take(40_000).collect()),
        ("half syllables", "\u{1100}".repeat(50_000) + &"\u{1161}".repeat(50_000)),
        ("open tags", "<b>".repeat(30_000)),
        ("tags crossed", "<b><i><u>x</b></i></u>".repeat(4000)),
        ("tags inside paragraphs", ("<b>".repeat(100) + "<p>").repeat(250)),
        ("lists in lists", "<ul><li>".repeat(9000) + "x"),
        ("angle brackets", "<".repeat(100_000)),
        ("attributes", "<span ".to_owned() + &"a=b ".repeat(24_000) + ">x"),
        ("an entity beyond numbers", format!("&#x{};", "9".repeat(90_000))),
        ("a style without end", format!("<span style=\"{}\">x</span>", "color:red;".repeat(9000))),
        ("sizes of sizes", "<span style=\"font-size:100em\">".repeat(100) + "x"),
        ("spans", "<span style=\"color:red\">a</span>".repeat(3000)),
    ]
}

#[tokio::test]
async fn longest_texts_are_drawn() {
    let service = service(&[]);
    for (case, long) in texts() {
        for overflow in ["change-font-size", "resize", "ellipsis"] {
            let mut request = call(json!([text(&long)]));
            request["exportOptions"] = json!({"textOverflow": overflow});
            assert_drawn(&service.render(request).await, &format!("{case}, {overflow}"));
        }
    }
}

#[tokio::test]
async fn texts_in_boxes_of_odd_widths_are_drawn() {
    let service = service(&[]);
    for (case, mut long) in texts() {
        // Each letter takes a line of its own, so a tenth of the text is enough.
        long.truncate(long.floor_char_boundary(10_000));
        for width in [0.0, 1e-9, 1e9] {
            let answer = service.element(with(&text(&long), &json!({ "width": width }))).await;
            assert_drawn(&answer, &format!("{case}, {width} px wide"));
        }
        let arc = service.element(with(&text(&long), &json!({"curveEnabled": true, "curvePower": 0.7}))).await;
        assert_drawn(&arc, &format!("{case}, on an arc"));
        let table = json!({"id": "t", "type": "table", "rows": 2, "cols": 2, "cells": [{"text": long}]});
        assert_drawn(&service.element(table).await, &format!("{case}, in a table"));
    }
}

#[tokio::test]
async fn missing_characters_are_listed_up_to_a_limit() {
    let rare: String = ('\u{20000}'..).take(40_000).collect();
    let mut request = call(json!([text(&rare)]));
    request["outputFormat"] = json!("dataURL");
    let answer = service(&[]).render(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let warnings = answer.json()["warnings"].clone();
    // One for each of 20 characters, one for all others, and one for the shrunk text.
    assert_eq!(warnings.as_array().map(Vec::len), Some(22));
    assert!(warnings[20]["message"].as_str().is_some_and(|it| it.contains("39980 more")), "{}", warnings[20]);
}

#[tokio::test]
async fn unknown_fonts_are_looked_up_once() {
    let numbers = 0..5000;
    let texts: Vec<_> =
        numbers.clone().map(|at| with(&text("a"), &json!({"fontFamily": format!("No {at}")}))).collect();
    let mut request = call(json!(texts));
    let font = |at| json!({"fontFamily": format!("No {at}"), "url": format!("data:font/ttf;base64,{at:08}")});
    request["design"]["fonts"] = json!(numbers.map(font).collect::<Vec<_>>());
    request["exportOptions"] = json!({"skipFontError": true});
    let answer = service(&[]).render(request).await;
    assert_drawn(&answer, "5000 families");
    assert_eq!(answer.header("x-tenter-warnings"), "5000");
}
