//! Figures, lines, groups, order, tables.

use serde_json::json;

use super::*;

#[test]
fn fact_01_rotation_turns_about_the_top_left_corner() {
    let picture = draw_one(f(json!({"rotation": 90})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(50..100, 100..200));
    picture.has(50, 100, RED);
    picture.has(99, 199, RED);
}

#[test]
fn fact_02_stroke_lies_inside() {
    let picture = draw_one(f(json!({"stroke": "#0000ff", "strokeWidth": 20})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(100..200, 100..150));
    picture.has(119, 125, BLUE);
    picture.has(121, 125, RED);
}

#[test]
fn fact_03_opacity_counts_for_stroke_and_fill_apart() {
    let picture = draw_one(f(json!({"stroke": "#0000ff", "strokeWidth": 20, "opacity": 0.5})));
    picture.has(105, 125, [127, 63, 191]);
    picture.has(150, 125, [255, 127, 127]);
}

#[test]
fn fact_04_corner_radius_is_at_most_half_the_side() {
    let picture = draw_one(f(json!({"cornerRadius": 500})));
    picture.is_like(&draw_one(f(json!({"cornerRadius": 25}))));
    picture.has(100, 100, WHITE);
    // The topmost row is covered wholly from x ≈ 125 to 175; the arc leaves it slowly.
    let solid = runs(400, |x| is_near(picture.rgb(x, 100), RED));
    assert_eq!(solid.len(), 1);
    assert!(solid[0].start.abs_diff(125) <= 5 && solid[0].end.abs_diff(175) <= 5, "{solid:?}");
}

#[test]
fn fact_05_dashes_are_multiples_of_the_stroke() {
    let picture = draw_one(f(json!({"fill": "transparent", "stroke": "#000", "strokeWidth": 4, "dash": [4, 2]})));
    let top = picture.row(101);
    assert_eq!(top[..4], [100..116, 124..140, 148..164, 172..188]);
}

#[test]
fn fact_06_line_dashes_are_multiples_of_its_thickness() {
    let line = json!({"type": "line", "x": 50, "y": 50, "width": 200, "height": 10, "dash": [3, 1]});
    let picture = draw_one(line);
    assert_eq!(picture.row(55), [50..80, 90..120, 130..160, 170..200, 210..240]);
    assert_eq!(picture.bounds(), bounds(50..240, 50..60));
}

#[test]
fn fact_07_line_heads_all_reach_as_far() {
    for head in ["arrow", "triangle", "circle", "square", "bar"] {
        let line = json!({
            "type": "line", "x": 100, "y": 100, "width": 200, "height": 10, "startHead": head, "endHead": head,
        });
        let picture = draw_one(line);
        assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(95..305, 80..130), "{head}");
    }
}

#[test]
fn fact_08_group_opacity_is_multiplied_into_every_child() {
    let children = json!([f(json!({})), f(json!({"x": 150, "fill": "#0000ff"}))]);
    let picture = draw_one(json!({"type": "group", "opacity": 0.5, "children": children}));
    picture.has(175, 125, [127, 63, 191]);
    picture.has(125, 125, [255, 127, 127]);
}

#[test]
fn fact_09_always_on_top_beats_the_order() {
    let green = f(json!({"x": 0, "fill": "#00ff00", "alwaysOnTop": true}));
    let picture = draw(design(json!([green, f(json!({"x": 50}))])));
    picture.has(60, 125, GREEN);
    picture.has(120, 125, RED);
}

#[test]
fn fact_10_hidden_elements_are_not_drawn() {
    for hidden in ["visible", "showInExport"] {
        let picture = draw_one(f(json!({hidden: false})));
        assert!(picture.lines().is_empty(), "{hidden}");
    }
}

#[test]
fn fact_40_table_borders_lie_inside_and_on_the_grid() {
    let table = json!({
        "type": "table", "x": 20, "y": 20, "width": 300, "height": 200, "rows": 2, "cols": 2, "borderWidth": 20,
        "cells": [{"type": "tablecell"}, {"type": "tablecell"}, {"type": "tablecell"}, {"type": "tablecell"}],
    });
    let picture = draw_one(table);
    assert_eq!(picture.row(70), [20..40, 160..180, 300..320]);
    assert_eq!(picture.column(100), [20..40, 110..130, 200..220]);
}
