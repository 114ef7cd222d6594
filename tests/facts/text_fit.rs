//! Texts and their boxes: wrapping, shrinking, cutting.

use serde_json::json;

use super::*;

fn with_overflow(element: Value, overflow: &str) -> Picture {
    let case = with(design(json!([element])), json!({"height": 600}));
    draw(with(case, json!({"exportOptions": {"textOverflow": overflow}})))
}

fn four_words() -> Value {
    text("HH HH HH HH", json!({"width": 200, "height": 120}))
}

#[test]
fn fact_32_text_too_tall_shrinks() {
    let small = text("HH HH HH HH", json!({"width": 200, "height": 120, "fontSize": 50}));
    let picture = draw_one(four_words());
    assert_eq!(picture.lines(), [61..97, 121..157]);
    picture.is_like(&draw_one(small));
}

#[test]
fn fact_33_text_too_tall_grows_or_is_cut() {
    let grown = with_overflow(four_words(), "resize");
    assert_eq!(grown.lines().iter().map(|line| line.end).collect::<Vec<_>>(), [145, 265, 385, 505]);
    let background = json!({"backgroundEnabled": true, "backgroundPadding": 0, "backgroundCornerRadius": 0});
    assert_eq!(with_overflow(with(four_words(), background), "resize").bounds().y, 50..530);
    with_overflow(four_words(), "ellipsis").is_like(&with_overflow(text("…", json!({})), "resize"));
}

#[test]
fn fact_45_words_too_wide_are_broken_and_shrunk_whatever_the_option() {
    for split in [true, false] {
        let mut case = design(json!([text("HHHHHHHH", json!({"width": 200, "height": 120}))]));
        case["exportOptions"] = json!({"textSplitAllowed": split});
        let picture = draw(case);
        assert_eq!(picture.lines().len(), 2);
        assert_eq!(picture.bounds(), bounds(55..233, 61..157));
    }
}

#[test]
fn fact_46_width_is_rounded_before_wrapping() {
    // The word is 150.39 px wide.
    let lines = |width: f64| draw_one(text("HH", json!({"width": width, "height": 400}))).lines().len();
    assert_eq!((lines(150.4), lines(150.5)), (2, 1));
}

#[test]
fn fact_49_ellipsis_follows_the_last_whole_word() {
    let shown =
        |content: &str| with_overflow(text(content, json!({"fontSize": 40, "width": 200, "height": 48})), "ellipsis");
    shown("HH HH HH").is_like(&shown("HH HH…"));
    shown("HHHHHHHHHHHHHHHH").is_like(&shown("…"));
}
