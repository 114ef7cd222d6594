//! Text: baseline, line height, letter spacing, background, stroke, decorations, gradients.

use serde_json::json;

use super::*;

/// One past the last row of an `H` at font size 100 px, which is the row of its baseline.
fn foot(more: Value) -> u32 {
    draw_one(text("H", more)).bounds().y.end
}

#[test]
fn fact_27_baseline_of_liberation_sans() {
    let picture = draw_one(text("H", json!({"fontFamily": "Liberation Sans"})));
    let ink = picture.bounds();
    assert!(ink.y.end.abs_diff(145) <= 1 && ink.x.start.abs_diff(58) <= 1, "{ink:?}");
}

#[test]
fn fact_28_baseline_follows_the_line_height_and_is_rounded() {
    for (line_height, expected) in [(json!(1), 135), (json!(1.2), 145), (json!(2), 185), (json!("auto"), 143)] {
        assert_eq!(foot(json!({"lineHeight": line_height})), expected, "line height {line_height}");
    }
    for y in [50.25, 50.5, 50.75] {
        assert_eq!(foot(json!({"y": y})), 145, "y = {y}");
    }
}

#[test]
fn fact_29_letter_spacing_is_a_share_of_the_font_size() {
    let right = |spacing: f64| draw_one(text("HH", json!({"fontSize": 60, "letterSpacing": spacing}))).bounds().x.end;
    assert_eq!((right(0.5), right(0.0)), (165, 135));
}

#[test]
fn fact_30_letter_spacing_after_the_last_letter_counts() {
    let spaced = json!({"fontSize": 60, "letterSpacing": 0.5, "align": "right", "width": 300});
    assert_eq!(draw_one(text("HH", spaced)).bounds().x.end, 315);
}

#[test]
fn fact_31_background_is_the_line_and_its_padding() {
    let background = |more: Value| {
        let base = json!({"x": 150, "y": 150, "width": 200, "height": 120, "backgroundEnabled": true});
        draw_one(text("H", with(base, more)))
    };
    let picture = background(json!({}));
    assert_eq!(picture.solid(LIME), bounds(120..255, 120..300));
    // Corners of radius 30 meet the diagonal 8.8 px inside.
    picture.has(127, 127, WHITE);
    picture.has(130, 130, LIME);
    let bare = background(json!({"lineHeight": "auto", "backgroundPadding": 0}));
    assert_eq!(bare.solid(LIME), bounds(150..225, 150..267));
}

#[test]
fn fact_34_vertical_alignment_needs_its_option() {
    let foot = |align: &str, resizable: bool| {
        let mut case = design(json!([text("H", json!({"height": 200, "verticalAlign": align}))]));
        case["exportOptions"] = json!({"textVerticalResizeEnabled": resizable});
        draw(case).bounds().y.end
    };
    assert_eq!((foot("top", true), foot("middle", true), foot("bottom", true)), (145, 185, 225));
    assert_eq!((foot("middle", false), foot("bottom", false)), (145, 145));
}

#[test]
fn fact_47_decorations_cover_whole_rows() {
    for (line, rows) in [("underline", 134..140), ("line-through", 108..114), ("overline", 69..75)] {
        let picture = draw_one(text("nnn", json!({"fontSize": 60, "lineHeight": 2, "textDecoration": line})));
        // In this column, left of the first stem, the decoration is the only ink.
        assert_eq!(picture.column(51), [rows], "{line}");
    }
}

#[test]
fn fact_48_opacity_applies_to_stroke_and_fill_separately() {
    let style = json!({"stroke": "#ff0000", "strokeWidth": 20, "fill": "#0000ff", "opacity": 0.5});
    let picture = draw_one(text("H", style));
    // x 59.8 to 69.7 is the left stem; the stroke reaches 10 px beyond.
    picture.has(64, 100, [127, 63, 191]);
    picture.has(54, 100, [255, 127, 127]);
}

#[test]
fn fact_52_placeholder_is_drawn_faintly() {
    let picture = draw_one(text("", json!({"placeholder": "H", "fill": "#ff0000"})));
    picture.has(64, 100, [255, 102, 102]);
}

#[test]
fn fact_55_text_gradient_uses_the_css_gradient_line() {
    for angle in [45, 90] {
        let fill = format!("linear-gradient({angle}deg, rgba(0,0,0,1) 0%, rgba(255,255,255,1) 100%)");
        let element = text("HHHH", json!({"x": 100, "width": 400, "height": 120, "fill": fill}));
        let picture = draw(with(design(json!([element])), json!({"width": 600})));
        picture.has(265, 120, [106, 106, 106]);
    }
}

#[test]
fn text_effects_do_not_change_the_texts_background() {
    // rendering.md §4 and fixtures.md 16: (40, 80, 160) becomes 79.
    let behind = json!({"backgroundEnabled": true, "backgroundColor": "#ff0000", "backgroundPadding": 0});
    let letter = |more| draw_one(text("H", with(with(json!({"fill": "#2850a0"}), behind.clone()), more)));
    let grey = letter(json!({"grayscaleEnabled": true}));
    grey.has(64, 100, [79; 3]);
    grey.has(80, 80, RED);
    letter(json!({"brightnessEnabled": true, "brightness": 0.25})).has(64, 100, [104, 144, 224]);
    letter(json!({"filters": {"warm": {"intensity": 1}}})).has(64, 100, [70, 95, 160]);
    letter(json!({"filters": {"warm": {"intensity": 1}}, "grayscaleEnabled": true})).has(64, 100, [109, 94, 79]);
}

#[test]
fn last_line_break_of_a_text_adds_no_line() {
    // Design 00266 of the random set shows this through its gradient.
    let shown = |content: &str| {
        let look = json!({"fontSize": 40, "fill": "linear-gradient(180deg, #ff0000 0%, #0000ff 100%)"});
        draw_one(text(content, look))
    };
    shown("H\nH\n").is_like(&shown("H\nH"));
    // A pixel of the first letter, a fifth or a third of the way down.
    assert_ne!(shown("H\nH\n\n").rgb(56, 80), shown("H\nH").rgb(56, 80));
}

#[test]
fn rotated_glyphs_snap_to_quarter_px() {
    // After `text-rotation` of the corpus: a shift by 1/16 px changes nothing, a shift by 1/4 px does.
    let at = |x: f64| draw_one(text("H", json!({"x": 150.0 + x, "rotation": 30})));
    at(0.0).is_like(&at(1.0 / 16.0));
    let moved = at(0.25);
    assert!((0..300).any(|y| (0..400).any(|x| at(0.0).rgb(x, y) != moved.rgb(x, y))));
    // After a rotation by 90°, baselines lie on whole columns.
    let down = |x: f64| draw_one(text("H", json!({"x": 200.0 + x, "rotation": 90})));
    down(0.1).is_like(&down(0.2));
}

#[test]
fn blur_of_radius_zero_still_draws_through_a_bitmap() {
    // Design 00319 of the random set: the baseline is rounded to a whole px of the bitmap, not of the page.
    let at = |blur: bool| {
        let element =
            text("H", json!({"y": 50.94, "fontSize": 20, "lineHeight": 1.25, "blurEnabled": blur, "blurRadius": 0}));
        draw_one(element).bounds_in(0..300, Ink::Seen).y
    };
    // Ascent 19 and descent 5 px in 25 px: the baseline is 19.5 px below the top.
    assert_eq!((at(false).end, at(true).end), (70, 71));
}

#[test]
fn text_boxes_have_a_border_inside_along_their_background_or_box() {
    let bordered = |more: Value| {
        let border = json!({"fontSize": 40, "borderSize": 8, "borderColor": "#0000ff", "backgroundCornerRadius": 0});
        draw_one(text("H", with(border, more)))
    };
    // The line is 48 px high, the box 340 px wide.
    let plain = bordered(json!({}));
    assert_eq!(plain.solid(BLUE), bounds(50..390, 50..98));
    plain.has(384, 75, BLUE);
    plain.has(380, 75, WHITE);
    plain.has(200, 70, WHITE);
    let round = bordered(json!({"cornerRadius": 24}));
    round.has(51, 51, WHITE);
    round.has(51, 74, BLUE);
    // The background of the H is 30 px wide, with a padding of 24 px on each side.
    let background = json!({"backgroundEnabled": true, "backgroundPadding": 1, "backgroundColor": "#ffff00"});
    let filled = bordered(background);
    assert_eq!(filled.solid(BLUE), bounds(26..104, 26..122));
    filled.has(35, 70, YELLOW);
    // The box keeps its height, and the border does not move with the text in it.
    let tall = with(
        design(json!([text(
            "H",
            json!({"fontSize": 40, "borderSize": 8, "borderColor": "#0000ff",
            "verticalAlign": "bottom", "backgroundCornerRadius": 0})
        )])),
        json!({"exportOptions": {"textVerticalResizeEnabled": true}}),
    );
    assert_eq!(draw(tall).solid(BLUE), bounds(50..390, 50..290));
}
