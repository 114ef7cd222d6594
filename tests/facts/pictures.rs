//! Images and SVG: crop, fit, flip, border, clipping and document sizes.

use serde_json::{Value, json};

use super::*;

/// Image element with a file of 200 × 100 px: red and green above blue and yellow.
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

#[test]
fn image_flip_comes_before_the_crop() {
    let picture = draw_one(quadrants(json!({"flipX": true})));
    // The crop keeps the left part of the mirrored picture.
    for x in [55, 100, 145] {
        picture.has(x, 60, GREEN);
        picture.has(x, 140, YELLOW);
    }
    let picture = draw_one(quadrants(json!({"width": 200, "height": 50, "flipY": true})));
    picture.has(60, 75, BLUE);
    picture.has(240, 75, YELLOW);
    let picture = draw_one(quadrants(json!({"flipX": true, "cropX": 0.5, "cropWidth": 0.5})));
    picture.has(100, 60, RED);
}

#[test]
fn image_crop_beyond_the_picture_keeps_its_scale() {
    let beyond = json!({"width": 200, "stretchEnabled": true, "cropX": 0.5, "cropWidth": 1});
    let picture = draw_one(quadrants(beyond.clone()));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(50..150, 50..150));
    picture.has(145, 60, GREEN);
    let picture = draw_one(with(quadrants(beyond), json!({"flipX": true})));
    assert_eq!(picture.bounds_in(0..300, Ink::Any), bounds(50..150, 50..150));
    picture.has(145, 60, RED);
    let before = json!({"width": 200, "stretchEnabled": true, "cropX": -0.5, "cropWidth": 1});
    assert_eq!(draw_one(quadrants(before)).bounds_in(0..300, Ink::Any), bounds(150..250, 50..150));
}

#[test]
fn image_border_casts_no_shadow() {
    let square = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>\
                  <rect x='40' y='40' width='20' height='20' fill='red'/></svg>";
    let picture = draw_one(json!({
        "type": "svg", "src": square, "x": 50, "y": 50, "width": 100, "height": 100, "borderSize": 10,
        "borderColor": "#00ff00", "shadowEnabled": true, "shadowBlur": 0, "shadowOffsetX": 20, "shadowColor": "black",
    }));
    picture.has(100, 100, RED);
    picture.has(120, 100, BLACK);
    // A border drawn in the file's own units would be at 70 to 80.
    picture.has(75, 100, WHITE);
    picture.has(160, 100, WHITE);
}

/// An SVG that fills its 100 × 100 px, in a box of 100 × 200 px, with `quadrants.png` as its mask.
fn masked(more: Value) -> Value {
    let full = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>\
                <rect width='100' height='100'/></svg>";
    let base = json!({"type": "svg", "src": full, "x": 50, "y": 20, "width": 100, "height": 200,
        "maskSrc": "file:quadrants.png"});
    with(base, more)
}

#[test]
fn svg_mask_covers_the_box_and_is_not_mirrored() {
    // The mask is 400 × 200 px over a box of 100 × 200 px, which shows the middle 100 px: 50 px of each quadrant.
    for more in [json!({}), json!({"flipX": true, "flipY": true}), json!({"flipX": true, "brightnessEnabled": true})] {
        let picture = draw_one(masked(more));
        picture.has(55, 40, RED);
        picture.has(145, 40, GREEN);
        picture.has(55, 200, BLUE);
        picture.has(145, 200, YELLOW);
    }
}

#[test]
fn svg_mask_is_applied_before_the_crop() {
    // The crop stretches the upper half of the uncropped picture to twice its height.
    let picture = draw_one(masked(json!({"cropHeight": 0.5})));
    picture.has(55, 200, RED);
    picture.has(145, 200, GREEN);
    // The crop is reduced to the aspect ratio of the box: the left half of the masked box, half of red and green.
    let picture = draw_one(masked(json!({"stretchEnabled": false})));
    for x in [55, 145] {
        picture.has(x, 40, RED);
        picture.has(x, 200, BLUE);
    }
}

/// The editor multiplies image and mask on a canvas of floor(20.9) × floor(40.3) px, which it stretches to the box.
#[test]
fn image_clip_is_a_bitmap_of_whole_px() {
    // The mask ends at 6.5 of the 20 columns.
    let mask = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'>\
        <rect width='65' height='100'/></svg>";
    let size = json!({"x": 10, "y": 10, "width": 20.9, "height": 40.3, "cropWidth": 0.1, "cropHeight": 0.1});
    let picture = draw_one(with(quadrants(json!({"clipSrc": mask})), size));
    // Sharp outer edges: 10 to 50.3 covers the centres of the rows up to 49.
    assert_eq!(picture.bounds_in(0..60, Ink::Any), bounds(10..18, 10..50));
    picture.has(14, 20, RED);
    // Column 6 of the canvas, half covered, is centred at 16.7925; column 5, covered, at 15.7475.
    picture.has(16, 20, [255, 92, 92]);
    picture.has(17, 20, [255, 214, 214]);
}

/// SVG element of a red square of 50 × 50 px in a document with these attributes.
fn sized(attributes: &str, more: Value) -> Value {
    let src = format!(
        "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' {attributes}><rect width='50' height='50' fill='red'/></svg>"
    );
    with(json!({"type": "svg", "src": src, "x": 50, "y": 50, "width": 100, "height": 100}), more)
}

/// After `public--svg-sizes` of the reference designs.
#[test]
fn svg_without_a_size_has_that_of_its_view_box_or_of_the_page() {
    let red = |attributes: &str| draw_one(sized(attributes, json!({}))).bounds_in(0..300, Ink::Any);
    assert_eq!(red("viewBox='0 0 200 100'"), bounds(50..75, 50..100));
    // A document of 100 × 50 px is scaled to twice its height about the middle.
    assert_eq!(red("width='100' viewBox='0 0 200 50'"), bounds(50..75, 75..125));
    // Without a size the document takes that of the page, 400 × 300 px, so the square shrinks to 1/4 and 1/3.
    assert_eq!(red(""), bounds(50..63, 50..67));
}

#[test]
fn image_fit_covers_contains_or_fills_the_box() {
    let fitted = |more: Value| draw_one(quadrants(more));
    let cover = fitted(json!({"fit": "cover"}));
    assert_eq!(cover.bounds_in(0..300, Ink::Any), bounds(50..150, 50..150));
    cover.has(60, 60, RED);
    cover.has(140, 60, GREEN);
    cover.has(140, 140, YELLOW);
    let contain = fitted(json!({"fit": "contain"}));
    assert_eq!(contain.bounds_in(0..300, Ink::Any), bounds(50..150, 75..125));
    contain.has(60, 80, RED);
    contain.has(140, 120, YELLOW);
    fitted(json!({"fit": "fill"})).is_like(&fitted(json!({"stretchEnabled": true})));
}

#[test]
fn image_focus_is_as_near_to_the_middle_as_the_picture_allows() {
    let focused = |x: f64| draw_one(quadrants(json!({"focus": {"x": x}})));
    focused(0.0).is_like(&draw_one(quadrants(json!({}))));
    // A quarter of 200 px: the box shows x 0–100 of the picture.
    focused(0.25).has(140, 60, RED);
    focused(0.3).has(140, 60, GREEN);
    focused(1.0).has(60, 60, GREEN);
    // The focus is a point of the picture, which is then mirrored.
    draw_one(quadrants(json!({"focus": {"x": 1.0}, "flipX": true}))).has(60, 60, GREEN);
    // The crop comes first: its right half is green and yellow.
    draw_one(quadrants(json!({"focus": {"x": 0.0}, "cropX": 0.5, "cropWidth": 0.5}))).has(60, 60, GREEN);
}

#[test]
fn image_replaced_by_a_variable_fills_its_frame_unstretched_from_4_22() {
    let photo = quadrants(json!({"src": "file:rings.png", "stretchEnabled": true, "bindings": {"src": "photo"}}));
    let drawn = |sdk: &str| {
        let options = json!({"sdk": sdk, "variables": {"photo": "file:quadrants.png"}});
        draw(with(design(json!([photo])), json!({"exportOptions": options})))
    };
    drawn("4.21").is_like(&draw_one(quadrants(json!({"stretchEnabled": true}))));
    drawn("4.22").is_like(&draw_one(quadrants(json!({"fit": "cover"}))));
}
