//! Figures, lines, groups, stacking order and tables.

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
fn fact_03_opacity_applies_to_stroke_and_fill_separately() {
    let picture = draw_one(f(json!({"stroke": "#0000ff", "strokeWidth": 20, "opacity": 0.5})));
    picture.has(105, 125, [127, 63, 191]);
    picture.has(150, 125, [255, 127, 127]);
}

#[test]
fn fact_04_corner_radius_is_at_most_half_the_side() {
    let picture = draw_one(f(json!({"cornerRadius": 500})));
    picture.is_like(&draw_one(f(json!({"cornerRadius": 25}))));
    picture.has(100, 100, WHITE);
    // The top row is fully covered from x ≈ 125 to 175; the flat start of the arc makes the ends uncertain.
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
fn figures_are_stroked_in_units_of_their_outline() {
    // corrections.md F1: a bookmark of 199 x 238 units in a box of 115 x 90, stroked 8: 8 * 115 / 199 = 4.6 px at the
    // left.
    let bookmark = json!({
        "type": "figure", "subType": "bookmark", "x": 10, "y": 10, "width": 115, "height": 90,
        "fill": "#ff0000", "stroke": "#0000ff", "strokeWidth": 8,
    });
    let picture = draw_one(bookmark);
    picture.has(13, 50, BLUE);
    picture.has(15, 50, RED);
    // At the top 8 * 90 / 238 = 3.03 px.
    picture.has(60, 12, BLUE);
    picture.has(60, 14, RED);
}

#[test]
fn figures_have_gradients_in_units_of_their_outline() {
    // A line as long as the box is wide, but in units of the outline: 115 * 115 / 191 = 69.2 px from the left.
    let home = json!({
        "type": "figure", "subType": "home", "x": 0, "y": 0, "width": 115, "height": 90,
        "fill": "linear-gradient(90deg, #000000 0%, #ffffff 100%)",
    });
    let picture = draw_one(home);
    picture.has(34, 70, [127; 3]);
    picture.has(70, 70, WHITE);
    picture.has(113, 70, WHITE);
}

#[test]
fn figures_cast_shadows_in_units_of_their_outline() {
    let teewee = json!({
        "type": "figure", "subType": "teewee", "x": 20, "y": 20, "width": 80, "height": 60, "fill": "#ff0000",
        "shadowEnabled": true, "shadowBlur": 0, "shadowOffsetX": 20, "shadowOffsetY": 10, "shadowColor": "#0000ff",
    });
    // 20 * 80 / 207 = 7.7 px to the right, 10 * 60 / 138 = 4.3 px down.
    let picture = draw_one(teewee);
    picture.has(106, 78, BLUE);
    picture.has(109, 78, WHITE);
    picture.has(60, 83, BLUE);
    picture.has(60, 85, WHITE);
}

#[test]
fn arrows_are_stroked_in_px() {
    let picture = draw_one(f(json!({"subType": "upArrow", "stroke": "#0000ff", "strokeWidth": 10})));
    picture.has(150, 148, BLUE);
    picture.has(150, 143, BLUE);
    picture.has(150, 138, RED);
}

#[test]
fn gradient_stops_are_sorted_by_position() {
    let picture = draw_one(f(json!({"fill": "linear-gradient(90deg, #ff0000 80%, #0000ff 20%)"})));
    picture.has(110, 125, BLUE);
    picture.has(190, 125, RED);
    picture.has(149, 125, [127, 0, 128]);
}

#[test]
fn figures_of_negative_size_extend_to_the_opposite_side() {
    let picture = draw_one(f(json!({"x": 200, "width": -100})));
    picture.is_like(&draw_one(f(json!({}))));
}

#[test]
fn line_heads_cast_no_shadow() {
    let line = json!({
        "type": "line", "x": 100, "y": 50, "width": 200, "height": 4, "color": "#ff0000", "endHead": "circle",
        "shadowEnabled": true, "shadowBlur": 0, "shadowOffsetY": 40, "shadowColor": "#0000ff",
    });
    let picture = draw_one(line);
    picture.has(290, 44, RED);
    assert_eq!(picture.bounds_in(80..130, Ink::Any), bounds(100..300, 90..94));
}

#[test]
fn fact_06_line_dashes_are_multiples_of_its_thickness() {
    let line = json!({"type": "line", "x": 50, "y": 50, "width": 200, "height": 10, "dash": [3, 1]});
    let picture = draw_one(line);
    assert_eq!(picture.row(55), [50..80, 90..120, 130..160, 170..200, 210..240]);
    assert_eq!(picture.bounds(), bounds(50..240, 50..60));
}

#[test]
fn fact_07_all_line_heads_extend_equally_far() {
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
fn fact_09_always_on_top_overrides_the_stacking_order() {
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
