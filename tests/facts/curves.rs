//! Text on an arc.

use serde_json::json;

use super::*;

/// A text of 40 px on an arc at (200, 200), in a box 400 px wide on a page of 800 × 600 px.
fn curved(content: &str, more: Value) -> Picture {
    let base = json!({
        "x": 200, "y": 200, "width": 400, "height": 48, "fontSize": 40, "lineHeight": 1.2, "curveEnabled": true,
        "curvePower": 0.5,
    });
    let element = text(content, with(base, more));
    draw(with(design(json!([element])), json!({"width": 800, "height": 600})))
}

#[test]
fn fact_35_curve_of_power_one_half_has_a_radius_of_four_sizes() {
    // More letters than fit: the ring is full and the rest is dropped. Path radius 160 about (400, 384.5).
    let ring = curved(&"I".repeat(200), json!({"height": 400})).bounds();
    for (found, expected) in [ring.x.start, ring.x.end, ring.y.start, ring.y.end].into_iter().zip([225, 575, 209, 560])
    {
        assert!(found.abs_diff(expected) <= 1, "{ring:?}");
    }
}

#[test]
fn fact_53_curve_ignores_the_height_of_its_box() {
    let background = json!({"backgroundEnabled": true, "backgroundCornerRadius": 0});
    for height in [10, 48, 400] {
        let box_of = with(background.clone(), json!({"height": height}));
        assert_eq!(curved("HHHHHH", box_of.clone()).solid(LIME), bounds(292..508, 188..282), "height {height}");
        let bare = curved("HHHHHH", with(box_of, json!({"backgroundPadding": 0})));
        assert_eq!(bare.solid(LIME), bounds(304..496, 200..270), "height {height}");
    }
}
