//! Pages: size, bleed, background and output formats.

use serde_json::json;

use super::*;

fn page(page: Value, options: Value) -> Value {
    json!({"schemaVersion": 4, "pages": [page], "exportOptions": options})
}

#[test]
fn fact_21_gradient_line_of_a_page_is_as_long_as_its_height() {
    let background = "linear-gradient(45deg, rgba(0,0,0,1) 0%, rgba(255,255,255,1) 100%)";
    let picture = draw(page(json!({"width": 300, "height": 100, "background": background}), json!({})));
    picture.has(75, 50, BLACK);
    picture.has(150, 50, [127, 127, 127]);
    picture.has(225, 50, WHITE);
}

#[test]
fn fact_22_background_picture_covers_the_page_from_its_middle() {
    // Green is twice the row number of the file, of which rows 33 to 66 of 100 are shown.
    let picture = draw(page(json!({"width": 600, "height": 100, "background": "file:green_rows.png"}), json!({})));
    for (y, green) in [(0, 66), (99, 132)] {
        let found = picture.rgb(0, y)[1];
        assert!(found.abs_diff(green) <= LEVELS, "row {y}: green is {found}, expected {green}");
    }
}

#[test]
fn fact_23_bleed_grows_the_picture_side_by_side() {
    let size = |bleed: Value| {
        let sheet = with(json!({"width": 200, "height": 100}), bleed);
        draw(page(sheet, json!({"includeBleed": true}))).size()
    };
    assert_eq!(size(json!({"bleed": 20})), (240, 140));
    assert_eq!(size(json!({"bleed": 10, "bleedLeft": 30, "bleedTop": 0})), (240, 110));
}

#[test]
fn fact_24_picture_size_is_rounded_half_up() {
    let size = |width: f64, height: f64, ratio: f64| {
        draw(page(json!({"width": width, "height": height}), json!({"pixelRatio": ratio}))).size()
    };
    assert_eq!(size(101.0, 51.0, 0.5), (51, 26));
    assert_eq!(size(100.5, 50.5, 1.0), (101, 51));
    assert_eq!(size(99.0, 99.0, 1.5), (149, 149));
}

#[test]
fn fact_25_jpeg_shows_white_where_nothing_is() {
    let sheet = json!({"width": 40, "height": 30, "background": "transparent"});
    let case = page(sheet, json!({"format": "jpeg"}));
    assert!(Painter::shared().encode(case.clone()).unwrap().starts_with(&[0xff, 0xd8]));
    let picture = draw(case);
    picture.has(0, 0, WHITE);
    picture.has(20, 15, WHITE);
}

#[test]
fn fact_26_background_ignored_leaves_nothing() {
    let picture = draw(page(json!({"width": 40, "height": 30}), json!({"ignoreBackground": true})));
    assert_eq!(picture.0.pixel(0, 0)[3], 0);
}
