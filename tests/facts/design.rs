//! Values of older schema versions, checked on the parsed design instead of a picture.

use serde_json::json;
use tenter::config::DesignLimits;
use tenter::design::Design;
use tenter::design::elements::Element;
use tenter::report::JsonPath;

use super::*;

fn first_element(design: Value) -> Element {
    let mut design = Design::from_value(&design, JsonPath::root(), &DesignLimits::default()).unwrap();
    design.pages.remove(0).children.remove(0)
}

#[test]
fn fact_36_letter_spacing_without_version_is_in_rem() {
    let text = json!({"type": "text", "text": "H", "fontSize": 60, "letterSpacing": 0.5});
    let element = first_element(json!({"pages": [{"children": [text]}]}));
    let Element::Text(text) = element else { panic!("not a text") };
    assert!((text.style.letter_spacing - 0.13333).abs() < 1e-5, "{}", text.style.letter_spacing);
}

#[test]
fn fact_37_filters_of_version_1_are_in_percent() {
    let image = json!({"type": "image", "src": "file:quadrants.png", "filters": {"contrast": {"intensity": 50}}});
    let element = first_element(json!({"schemaVersion": 1, "pages": [{"children": [image]}]}));
    let Element::Image(image) = element else { panic!("not an image") };
    assert_eq!(image.effects.filters.len(), 1);
    assert_eq!(image.effects.filters[0].intensity, 0.5);
}
