//! What later releases of the editor draw differently (documented changes; docs/design-json.md, "Behaviour by
//! version"). Each test draws a design as the last release before the change and as the first one with it.

use serde_json::{Value, json};

use super::*;

/// Renders `element` as this release.
fn drawn_as(sdk: &str, element: &Value) -> Picture {
    draw(with(design(json!([element])), json!({"exportOptions": {"sdk": sdk}})))
}

#[test]
fn figure_strokes_are_in_page_px_from_4_6() {
    let bookmark = json!({"type": "figure", "subType": "bookmark", "x": 100, "y": 100, "width": 115, "height": 90,
        "fill": "#ffff00", "stroke": "#0000ff", "strokeWidth": 8});
    // corrections.md F1: the natural width is 199, so that the band is 8 · 115 / 199 = 4.6 px wide until then.
    let [before, after] = ["4.5", "4.6"].map(|sdk| drawn_as(sdk, &bookmark));
    before.has(106, 120, YELLOW);
    after.has(106, 120, BLUE);
    after.has(110, 120, YELLOW);
}

#[test]
fn the_background_of_a_text_casts_its_one_shadow_from_4_13() {
    let shadow = json!({"fontSize": 40, "text": "H", "backgroundEnabled": true, "backgroundPadding": 0,
        "backgroundCornerRadius": 0, "backgroundColor": "#ffffff", "shadowEnabled": true, "shadowBlur": 0,
        "shadowColor": "#ff0000", "shadowOffsetX": 100, "shadowOffsetY": 0});
    // The line is 48 px high and the H 30 px wide: its corner is empty.
    let [before, after] = ["4.12", "4.13"].map(|sdk| drawn_as(sdk, &text("H", shadow.clone())));
    before.has(152, 52, WHITE);
    after.has(152, 52, RED);
    assert_eq!(after.solid(RED).y, 50..98);
    assert!(before.solid(RED).y.len() < 40, "the letter's: {:?}", before.solid(RED));
    // The shadow of the letter, with a small offset, would be on the background.
    let near = with(shadow, json!({"shadowOffsetX": 2}));
    assert!(drawn_as("4.12", &text("H", near.clone())).row(60).iter().any(|run| run.len() > 2));
    let picture = drawn_as("4.13", &text("H", near));
    // The H is 30.08 px wide.
    assert_eq!(picture.solid(RED).x, 81..82, "only beside the background");
}

#[test]
fn letters_without_a_background_cast_the_shadow_in_every_version() {
    let shadow = json!({"shadowEnabled": true, "shadowBlur": 0, "shadowColor": "#ff0000", "shadowOffsetX": 100});
    let [before, after] = ["4.4", "4.24"].map(|sdk| drawn_as(sdk, &text("H", shadow.clone())));
    after.is_like(&before);
}

#[test]
fn a_word_wider_than_its_box_makes_the_text_smaller_from_4_16() {
    let word = text("HHHHHHHH", json!({}));
    assert_eq!(drawn_as("4.15", &word).lines().len(), 2);
    let smaller = drawn_as("4.16", &word);
    assert_eq!(smaller.lines().len(), 1);
    assert!(smaller.bounds().x.end <= 390, "{:?}", smaller.bounds());
    let options = json!({"exportOptions": {"sdk": "4.16", "textSplitAllowed": true}});
    assert_eq!(draw(with(design(json!([word])), options)).lines().len(), 2);
}

#[test]
fn elements_decide_how_their_texts_fit_from_4_16() {
    let limited = text("HH HH HH HH", json!({"fontSize": 60, "maxLines": 1, "textOverflow": "ellipsis"}));
    let warned = |sdk: &str| {
        let case = with(design(json!([limited])), json!({"exportOptions": {"sdk": sdk}}));
        Painter::shared().render(case).unwrap().1.len()
    };
    assert_eq!((warned("4.15"), warned("4.16")), (2, 0), "two members without effect");
    assert_eq!(drawn_as("4.16", &limited).lines().len(), 1);
}

#[test]
fn table_cells_are_rich_text_from_4_20() {
    let table = json!({"type": "table", "x": 50, "y": 50, "width": 300, "height": 200, "rows": 1, "cols": 1,
        "borderWidth": 0, "fontFamily": "DejaVu Sans", "fontSize": 40,
        "cells": [{"text": "<p>HH</p><p><span style=\"color: #ff0000\">HH</span></p>"}]});
    let [before, after] = ["4.19", "4.20"].map(|sdk| drawn_as(sdk, &table));
    assert_eq!((before.lines().len(), after.lines().len()), (2, 2));
    assert!(before.solid(RED).x.is_empty() || before.solid(RED).y.len() <= 1, "{:?}", before.solid(RED));
    assert!(after.solid(RED).y.len() > 20, "{:?}", after.solid(RED));
}
