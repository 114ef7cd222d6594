//! Images: crop, fit, flip, border.

use serde_json::json;

use super::*;

/// 200 × 100 px: red, green over blue, yellow.
fn quadrants(more: Value) -> Value {
    let base = json!({"type": "image", "src": "file:quadrants.png", "x": 50, "y": 50, "width": 100, "height": 100});
    with(base, more)
}

#[test]
fn fact_11_image_is_cropped_to_the_box_from_the_top_left() {
    let picture = draw_one(quadrants(json!({})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(50..150, 50..150));
    picture.has(60, 60, RED);
    picture.has(140, 60, RED);
    picture.has(60, 140, BLUE);
    picture.has(140, 140, BLUE);
}

#[test]
fn fact_12_image_is_stretched_on_demand() {
    let picture = draw_one(quadrants(json!({"stretchEnabled": true})));
    picture.has(95, 60, RED);
    picture.has(105, 60, GREEN);
    picture.has(140, 140, YELLOW);
}

#[test]
fn fact_13_image_crop_is_a_share_of_the_source() {
    let picture = draw_one(quadrants(json!({"cropX": 0.5, "cropWidth": 0.5})));
    for x in [55, 100, 145] {
        picture.has(x, 60, GREEN);
        picture.has(x, 140, YELLOW);
    }
}

#[test]
fn fact_14_image_is_flipped_in_its_box_before_it_is_turned() {
    let picture = draw_one(quadrants(json!({"width": 200, "flipX": true, "rotation": 90, "x": 200, "y": 50})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(100..200, 50..250));
    picture.has(110, 60, YELLOW);
    picture.has(190, 60, GREEN);
    picture.has(110, 240, BLUE);
    picture.has(190, 240, RED);
}

#[test]
fn fact_15_image_border_lies_inside_and_takes_half_its_width_off_the_corners() {
    let picture = draw_one(quadrants(json!({"width": 200, "borderSize": 20, "cornerRadius": 40})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(50..250, 50..150));
    // An arc of radius 30 meets the diagonal 30 · (1 − 1/√2) = 8.8 px inside.
    for (x, y) in [(57, 57), (242, 57), (57, 142), (242, 142)] {
        picture.has(x, y, WHITE);
    }
    for (x, y) in [(60, 60), (239, 60), (60, 139), (239, 139), (69, 100), (100, 69)] {
        picture.has(x, y, BLACK);
    }
    picture.has(71, 90, RED);
    picture.has(100, 71, RED);
}
