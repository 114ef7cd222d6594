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

#[test]
fn curve_keeps_letters_as_they_are_written() {
    // 00266 and 00273 of the random set.
    let plain = curved("Hello", json!({}));
    plain.is_like(&curved("Hello", json!({"textTransform": "uppercase"})));
    curved("<b>Hello</b>", json!({})).is_like(&curved("<b style='text-transform: uppercase'>Hello</b>", json!({})));
}

#[test]
fn curve_stands_in_the_middle_by_what_it_covers() {
    // `text-curve` of the corpus: not the circle, but what the cells cover is centred. A wide letter at one end only.
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
fn curve_draws_breaks_of_lines_between_blocks_as_spaces() {
    let spaced = curved("<p>HH</p>\n<p>HH</p>", json!({}));
    spaced.is_like(&curved("<p>HH</p><p> HH</p>", json!({})));
}

#[test]
fn curve_decorates_letter_by_letter_where_the_fill_is_a_gradient() {
    // 00303 of the random set: between spaced letters the band has gaps, in one colour it has none.
    let gaps = |fill: &str| {
        let look = json!({"fill": fill, "textDecoration": "underline", "letterSpacing": 0.5, "curvePower": 0});
        let picture = curved("iiii", look);
        // The band is the only ink below the letters.
        let rows = picture.lines().last().unwrap().clone();
        picture.row(rows.end - 1).len()
    };
    assert_eq!((gaps("linear-gradient(90deg, #000 0%, #00f 100%)"), gaps("#000")), (4, 1));
}

#[test]
fn curve_has_a_cell_as_high_as_its_own_line() {
    // `curve-big-span`: the small letters do not count as high as the large one.
    let top = |content: &str| curved(content, json!({"backgroundEnabled": true, "backgroundPadding": 0})).solid(LIME).y;
    let (mixed, plain) = (top("HHH<span style='font-size: 20px'>HHH</span>HHH"), top("HHHHHHH"));
    assert_eq!(mixed.start, plain.start);
}
