//! Changes to whole designs of older schema versions (design-format.md §9), made after all elements are read.

use super::elements::Element;
use super::elements::text::Text;
use super::schema_version::SchemaVersion;

/// Sets `legacy_background` on every text with a background in a design before version 3, which drew a single
/// rectangle.
pub(super) fn legacy_backgrounds(version: SchemaVersion, elements: &mut [Element]) {
    if version < SchemaVersion::JOINED_LINE_BACKGROUNDS {
        each_text(elements, &mut |text| text.legacy_background |= text.background_enabled);
    }
}

fn each_text(elements: &mut [Element], change: &mut impl FnMut(&mut Text)) {
    for element in elements {
        // Older schema versions have no other kind with texts or elements inside.
        match element {
            Element::Text(text) => change(text),
            Element::Group(group) => each_text(&mut group.children, change),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::design::Design;

    /// The elements of a one-page design.
    fn children(version: Option<u32>, children: &Value) -> Vec<Element> {
        let mut design = json!({"pages": [{"id": "p", "children": children}]});
        if let Some(version) = version {
            design["schemaVersion"] = version.into();
        }
        Design::parse(design.to_string().as_bytes(), &Default::default()).expect("a design").pages.remove(0).children
    }

    fn letter_spacing(version: Option<u32>, text: Value) -> f64 {
        match children(version, &json!([text])).remove(0) {
            Element::Text(text) => text.style.letter_spacing,
            other => panic!("not a text: {other:?}"),
        }
    }

    #[test]
    fn migrate_letter_spacing_from_rem() {
        // fixtures.md 36
        let text = json!({"type": "text", "letterSpacing": 0.5, "fontSize": 60});
        assert!((letter_spacing(None, text.clone()) - 0.133_33).abs() < 1e-5);
        assert!((letter_spacing(Some(0), text.clone()) - 0.133_33).abs() < 1e-5);
        assert_eq!(letter_spacing(Some(1), text.clone()), 0.5);
        assert_eq!(letter_spacing(Some(9), text), 0.5);
        assert_eq!(letter_spacing(None, json!({"type": "text", "letterSpacing": 7})), 8.0, "font size 14");
        assert_eq!(letter_spacing(None, json!({"type": "text", "letterSpacing": 7, "fontSize": 0})), 7.0);
    }

    #[test]
    fn migrate_filter_percent() {
        // fixtures.md 37
        let intensities = |version| {
            match children(
            version,
            &json!([{"type": "image", "src": "a.png", "filters": {"contrast": {"intensity": 50}, "warm": {"intensity": 0.5}}}]),
        )
        .remove(0)
        {
            Element::Image(image) => image.effects.filters.iter().map(|it| it.intensity).collect::<Vec<_>>(),
            other => panic!("not an image: {other:?}"),
        }
        };
        assert_eq!(intensities(Some(1)), [0.5, 0.5]);
        assert_eq!(intensities(None), [0.5, 0.5]);
        assert_eq!(intensities(Some(2)), [1.0, 0.5], "clamped to its range");
    }

    #[test]
    fn migrate_legacy_background_of_every_text_that_has_one() {
        let legacy = |version| {
            let elements = json!([
                {"type": "text", "text": "plain", "backgroundEnabled": true},
                {"type": "group", "children": [{"type": "text", "text": "<p>a</p>"}, {"type": "text", "backgroundEnabled": true}]},
            ]);
            let mut flags = Vec::new();
            each_text(&mut children(version, &elements), &mut |text| flags.push(text.legacy_background));
            flags
        };
        assert_eq!(legacy(Some(2)), [true, false, true]);
        assert_eq!(legacy(None), [true, false, true]);
        assert_eq!(legacy(Some(3)), [false; 3]);
    }
}
