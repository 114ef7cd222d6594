//! Rich text: markup inside texts.

use serde_json::json;

use super::*;

#[test]
fn fact_50_list_items_hang_behind_their_bullet() {
    let picture = draw_one(text("<ul><li>H</li></ul>", json!({"fontSize": 40})));
    let columns = runs(400, |x| (0..300).any(|y| picture.is_inked(x, y, Ink::Seen)));
    // The bullet covers x 102.3 to 114.7.
    assert_eq!((columns[0].clone(), columns[1].start), (102..115, 138));
}

#[test]
fn fact_51_alignment_of_a_paragraph_is_its_style_not_its_class() {
    let second = |attribute: &str| {
        let markup = format!("<p>H</p><p {attribute}>H</p>");
        let picture = draw_one(text(&markup, json!({"fontSize": 40})));
        let lines = picture.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(picture.bounds_in(lines[0].clone(), Ink::Seen).x.start, 54);
        picture.bounds_in(lines[1].clone(), Ink::Seen).x
    };
    assert_eq!(second("class=\"ql-align-right\"").start, 54);
    // The box ends at x 390, and the letter 3.9 px before that.
    assert_eq!(second("style=\"text-align:right\"").end, 386);
}

#[test]
fn fact_54_void_elements_alone_are_drawn_as_typed() {
    let small = json!({"fontSize": 40});
    draw_one(text("H<br>H", small.clone())).is_like(&draw_one(text("H&lt;br&gt;H", small.clone())));
    assert_eq!(draw_one(text("H<br>H", small.clone())).lines().len(), 1);
    assert_eq!(draw_one(text("HH<br>H<sup>H</sup>", small)).lines().len(), 2);
}

#[test]
fn sub_and_sup_on_one_line_both_increase_its_height() {
    // After `rich-sub-sup` of the corpus. At font size 60 px, an H is 46 px wide and stands on the baseline.
    let foot = |markup: &str| {
        let picture = draw_one(text(markup, json!({"fontSize": 60})));
        // Only the columns of the letters at the start of the second line.
        let column = |y: &u32| (56..64).any(|x| picture.is_inked(x, *y, Ink::Seen));
        (0..300).rev().find(column).unwrap()
    };
    let plain = foot("<p>H</p><p>H</p>");
    let (sub, sup) = (foot("<p>H<sub>H</sub></p><p>H</p>"), foot("<p>H<sup>H</sup></p><p>H</p>"));
    let both = foot("<p>H<sub>H</sub><sup>H</sup></p><p>H</p>");
    // The shifts are 12.6 and 13 px before the baseline is rounded.
    assert_eq!((sub - plain, sup - plain, both - plain), (13, 13, 26));
}

#[test]
fn underline_outside_a_coloured_span_has_the_elements_colour() {
    // After design 00249 of the random set.
    let underlined = |markup: &str, more: Value| draw_one(text(markup, with(json!({"fontSize": 40}), more)));
    let red = "<span style='color: #ff0000'>HHHH</span>";
    let of_element = underlined(&format!("<u>{red}</u>"), json!({"fill": "#0000ff"})).solid(BLUE);
    assert_eq!(of_element.y.end - of_element.y.start, 4);
    let of_span = underlined("<span style='color: #ff0000'><u>HHHH</u></span>", json!({"fill": "#0000ff"}));
    assert_eq!(of_span.solid(BLUE).x.start, 400, "none");
}

#[test]
fn background_of_a_span_has_the_height_of_its_own_font() {
    // A `<span>` of 20 px around a letter of 40 px has a box of 19 px above and 5 px below the baseline.
    let markup =
        "<p>H <span style='background-color: #00ff00; font-size: 20px'>a<b style='font-size: 40px'> a</b></span></p>";
    let green = draw_one(text(markup, json!({"fontSize": 40, "fill": "#00000000"}))).solid(GREEN).y;
    assert_eq!(green.end - green.start, 24);
}

#[test]
fn backgrounds_of_spans_get_the_text_effects() {
    // After design 00288 of the random set.
    let markup = "<p><span style='background-color: #ff0000'>HH</span></p>";
    let gray = draw_one(text(markup, json!({"fontSize": 40, "grayscaleEnabled": true})));
    assert_eq!(gray.solid(RED).x.start, 400, "no red is left");
}

#[test]
fn right_to_left_lists_are_indented_on_the_right() {
    // Two levels indent by 2.1 em each; the bullet starts 7 px plus its own width to the right of the content.
    let picture = draw_one(text("<ul><li>\u{5d0}</li></ul>", json!({"fontSize": 40, "align": "right"})));
    let columns = runs(400, |x| (0..300).any(|y| picture.is_inked(x, y, Ink::Seen)));
    let bullet = columns.last().unwrap();
    // The content ends at x 390 - 84 = 306.
    assert!(bullet.start.abs_diff(306 + 7 + 12) <= 1 && columns[0].end <= 306, "{columns:?}");
}
