//! Markup in texts.

use serde_json::json;

use super::*;

#[test]
fn fact_50_list_items_hang_behind_their_bullet() {
    let picture = draw_one(text("<ul><li>H</li></ul>", json!({"fontSize": 40})));
    let columns = runs(400, |x| (0..300).any(|y| picture.is_inked(x, y, Ink::Seen)));
    // The bullet is 102.3 to 114.7.
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
    // The box ends at 390, and the letter 3.9 px before.
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
fn sub_and_sup_on_one_line_add_up_below_it() {
    // `rich-sub-sup` of the reference corpus. H is 46 px wide at 60 px, and its foot the baseline.
    let foot = |markup: &str| {
        let picture = draw_one(text(markup, json!({"fontSize": 60})));
        // Of the letters at the start of the second line alone.
        let column = |y: &u32| (56..64).any(|x| picture.is_inked(x, *y, Ink::Seen));
        (0..300).rev().find(column).unwrap()
    };
    let plain = foot("<p>H</p><p>H</p>");
    let (sub, sup) = (foot("<p>H<sub>H</sub></p><p>H</p>"), foot("<p>H<sup>H</sup></p><p>H</p>"));
    let both = foot("<p>H<sub>H</sub><sup>H</sup></p><p>H</p>");
    // 12.6 and 13 px, before the baseline is rounded.
    assert_eq!((sub - plain, sup - plain, both - plain), (13, 13, 26));
}
