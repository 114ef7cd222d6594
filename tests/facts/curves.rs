//! Curved text, laid out along an arc.

use serde_json::json;

use super::*;

/// Renders a curved text of 40 px at (200, 200), in a box 400 px wide on a page of 800 × 600 px.
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
    // More letters than fit on the circle: the rest is dropped. The path has radius 160 about (400, 384.5).
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

#[test]
fn curve_ignores_text_transform() {
    // After designs 00266 and 00273 of the random set.
    let plain = curved("Hello", json!({}));
    plain.is_like(&curved("Hello", json!({"textTransform": "uppercase"})));
    curved("<b>Hello</b>", json!({})).is_like(&curved("<b style='text-transform: uppercase'>Hello</b>", json!({})));
}

#[test]
fn curve_is_centred_by_the_bounds_of_its_cells() {
    // After `text-curve` of the corpus: the bounds of the character cells are centred, not the circle. The text has a
    // wide letter at one end only.
    let background =
        json!({"backgroundEnabled": true, "backgroundPadding": 0, "backgroundCornerRadius": 0, "fill": "#0000"});
    let covered = curved("WWWWWWiii", background).solid(LIME).x;
    assert!((covered.start + covered.end).abs_diff(800) <= 1, "{covered:?}");
}

#[test]
fn curve_background_is_as_high_as_the_box_where_boxes_are_resized() {
    let background =
        json!({"backgroundEnabled": true, "backgroundPadding": 0, "backgroundCornerRadius": 0, "height": 200});
    let base = json!({
        "x": 200, "y": 200, "width": 400, "fontSize": 40, "lineHeight": 1.2, "curveEnabled": true, "curvePower": 0.5,
    });
    let case = with(design(json!([text("HHHHHH", with(base, background))])), json!({"width": 800, "height": 600}));
    let picture = draw(with(case, json!({"exportOptions": {"textVerticalResizeEnabled": true}})));
    assert_eq!(picture.solid(LIME).y, 200..400);
}

#[test]
fn curve_draws_line_breaks_between_blocks_as_spaces() {
    let spaced = curved("<p>HH</p>\n<p>HH</p>", json!({}));
    spaced.is_like(&curved("<p>HH</p><p> HH</p>", json!({})));
}

#[test]
fn curve_decorates_letter_by_letter_where_the_fill_is_a_gradient() {
    // Design 00303 of the random set: with a gradient, the underline has gaps between spaced letters; in one colour it
    // has none.
    let gaps = |fill: &str| {
        let look = json!({"fill": fill, "textDecoration": "underline", "letterSpacing": 0.5, "curvePower": 0});
        let picture = curved("iiii", look);
        // The underline is the only ink below the letters.
        let rows = picture.lines().last().unwrap().clone();
        picture.row(rows.end - 1).len()
    };
    assert_eq!((gaps("linear-gradient(90deg, #000 0%, #00f 100%)"), gaps("#000")), (4, 1));
}

#[test]
fn curve_cells_have_the_height_of_their_own_line() {
    // After `curve-big-span` of the corpus: the small letters' cells are not as high as the large one's.
    let top = |content: &str| curved(content, json!({"backgroundEnabled": true, "backgroundPadding": 0})).solid(LIME).y;
    let (mixed, plain) = (top("HHH<span style='font-size: 20px'>HHH</span>HHH"), top("HHHHHHH"));
    assert_eq!(mixed.start, plain.start);
}
