//! Fitting text into its box: wrapping, shrinking, clipping and ellipsis.

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

#[test]
fn inline_sizes_in_px_are_whole_px_where_a_text_shrinks() {
    // After `rich-overflow-shrink` of the corpus: at 25.5 px the inline 50 px become 49 px, and 58.8 + 2 · 30.6 px is
    // exactly the height of the box; at 49.04 px the lines would be too high, and the text would shrink to 25 px.
    let markup = "<p>H <span style=\"font-size: 50px\">HH</span></p><p>H</p><p>H</p>";
    let picture = draw_one(text(markup, json!({"fontSize": 26, "height": 120})));
    let lines = picture.lines();
    // Capitals are 0.729 em high: 35.7 and 18.6 px, rounded to whole px (at 48 px they would be 35 px).
    let heights: Vec<_> = lines.iter().map(|rows| rows.end - rows.start).collect();
    assert_eq!(heights, [36, 18, 18]);
    assert_eq!(lines[2].start - lines[1].start, 31);
}

#[test]
fn strokes_and_shadows_shrink_with_the_letters() {
    // After designs 00246 and 00273 of the random set. The text shrinks from 100 to 50 px.
    let shown = |size: f64, factor: f64| {
        let effects = json!({
            "fontSize": size, "width": 200, "height": 120, "stroke": "#ff0000", "strokeWidth": 8.0 * factor,
            "shadowEnabled": true, "shadowBlur": 4.0 * factor, "shadowOffsetX": 20.0 * factor, "shadowColor": "#0000ff",
        });
        draw_one(text("HH HH HH HH", effects))
    };
    shown(100.0, 1.0).is_like(&shown(50.0, 0.5));
}

#[test]
fn texts_that_fit_at_no_size_are_one_px_high() {
    // After `text-no-height-shrinks` of the corpus, with `height: 0`. At 1 px, eight letters are 6 px wide.
    let ink = draw_one(text("HHHHHHHH", json!({"height": 0}))).bounds_in(0..300, Ink::Any);
    assert!(ink.x.start == 50 && (56..=57).contains(&ink.x.end), "{ink:?}");
}

#[test]
fn line_heights_in_px_do_not_shrink() {
    // After design 00218 of the random set. The 60 px line leaves 60 of 120 px for two lines of 1.2 font sizes each.
    let shown = |unit: &str| {
        let markup = format!("<p style=\"line-height: 60{unit}\">H</p><p>H</p><p>H</p>");
        draw_one(text(&markup, json!({"fontSize": 40, "height": 120}))).lines()
    };
    let lines = shown("px");
    assert_eq!((lines.len(), lines[2].start - lines[1].start), (3, 30));
    // At that font size, 60 % of 40 px is 24 px.
    let shrunk = draw_one(text("<p style='line-height: 60%'>H</p><p>H</p>", json!({"fontSize": 80, "height": 72})));
    let full = draw_one(text("<p style='line-height: 24px'>H</p><p>H</p>", json!({"fontSize": 40, "height": 72})));
    shrunk.is_like(&full);
}
