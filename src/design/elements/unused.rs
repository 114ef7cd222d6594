//! Warnings about members of elements that have no effect: unknown ones, and effects of kinds without any.

use serde_json::Value;

use crate::design::input::Input;

/// Members that at least one kind reads (design-format.md §5, §6), sorted.
const READ: &[&str] = &[
    "align",
    "alwaysOnTop",
    "backgroundColor",
    "backgroundCornerRadius",
    "backgroundEnabled",
    "backgroundOpacity",
    "backgroundPadding",
    "bindings",
    "blurEnabled",
    "blurRadius",
    "borderColor",
    "borderSize",
    "borderStyle",
    "borderWidth",
    "brightness",
    "brightnessEnabled",
    "cellBackground",
    "cellPadding",
    "cells",
    "children",
    "clipSrc",
    "colWidths",
    "color",
    "colorsReplace",
    "cols",
    "cornerRadius",
    "cropHeight",
    "cropWidth",
    "cropX",
    "cropY",
    "curveEnabled",
    "curvePower",
    "dash",
    "endHead",
    "fill",
    "filters",
    "fit",
    "flipX",
    "flipY",
    "focus",
    "fontFamily",
    "fontSize",
    "fontStyle",
    "fontWeight",
    "grayscaleEnabled",
    "height",
    "href",
    "id",
    "legacyBackground",
    "letterSpacing",
    "lineHeight",
    "link",
    "maskSrc",
    "maxFontSize",
    "maxLines",
    "minFontSize",
    "opacity",
    "placeholder",
    "rotation",
    "rowHeights",
    "rows",
    "sepiaEnabled",
    "shadowBlur",
    "shadowColor",
    "shadowEnabled",
    "shadowOffsetX",
    "shadowOffsetY",
    "shadowOpacity",
    "showInExport",
    "src",
    "startHead",
    "stretchEnabled",
    "stroke",
    "strokeLineJoin",
    "strokeWidth",
    "subType",
    "svgSource",
    "text",
    "textDecoration",
    "textOverflow",
    "textTransform",
    "type",
    "verticalAlign",
    "visible",
    "width",
    "x",
    "y",
];

/// Members for the editor, animations, video and sound, which have no effect on an image, sorted.
const METADATA: &[&str] = &[
    "animations",
    "contentEditable",
    "custom",
    "delay",
    "draggable",
    "duration",
    "endTime",
    "keepRatio",
    "locked",
    "name",
    "removable",
    "resizable",
    "selectable",
    "speed",
    "startTime",
    "styleEditable",
    "volume",
];

/// Flags that turn effects on.
const FLAGS: &[&str] = &["blurEnabled", "brightnessEnabled", "sepiaEnabled", "grayscaleEnabled", "shadowEnabled"];

/// The effects that a kind of element draws (rendering.md §4, design-format.md §6.7, §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrawnEffects {
    /// All effects and filters.
    All,
    /// The shadow, but no other effect.
    Shadow,
    /// Neither effects nor filters.
    None,
}

/// Adds a warning about each member that has no effect on an element of this `kind`.
pub(super) fn warn(kind: &str, effects: DrawnEffects, input: &mut Input<'_>) {
    let known = |key: &str| READ.binary_search(&key).is_ok() || METADATA.binary_search(&key).is_ok();
    for (key, value) in input.json.members() {
        let ignored = if !known(key) {
            format!("unknown property {key:.40?} of a {kind}; ignored")
        } else if is_effect_without_use(effects, key, value) {
            format!("{key} has no effect on a {kind}; ignored, as in the editor")
        } else {
            continue;
        };
        // A long unknown name is not put into the path either.
        if known(key) || key.len() <= 40 { input.warn(key, ignored) } else { input.warn("…", ignored) }
    }
}

/// True for an effect that is switched on for a kind that draws only these `effects`.
fn is_effect_without_use(effects: DrawnEffects, key: &str, value: &Value) -> bool {
    let is_drawn = match effects {
        DrawnEffects::All => true,
        DrawnEffects::Shadow => key == "shadowEnabled",
        DrawnEffects::None => false,
    };
    let is_on = match key {
        "filters" => value.as_object().is_some_and(|filters| !filters.is_empty()),
        key => FLAGS.contains(&key) && value == &Value::Bool(true),
    };
    is_on && !is_drawn
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::config::DesignLimits;
    use crate::design::Design;
    use crate::design::elements::Element;
    use crate::design::input::ReadState;
    use crate::json::{Problems, Reader};
    use crate::report::JsonPath;

    #[test]
    fn unused_names_are_sorted_and_apart() {
        assert!(READ.is_sorted() && METADATA.is_sorted());
        assert!(!READ.iter().any(|name| METADATA.contains(name)));
    }

    #[test]
    fn unused_members_are_those_that_no_kind_reads() {
        let mut asked = BTreeSet::new();
        for kind in Element::KINDS {
            let design = json!({"pages": [{"children": [{"type": kind, "x": 1}]}]});
            let mut problems = Problems::forgiving();
            let json = Reader::new(&design, JsonPath::root(), &mut problems).expect("an object");
            Design::read(json, ReadState::new(&design, &DesignLimits::default()));
            let members = problems.asked();
            let members = members.iter().filter_map(|path| path.strip_prefix("pages[0].children[0]."));
            asked.extend(members.filter(|name| !name.contains(['.', '['])).map(str::to_owned));
        }
        let is_listed = |it: &&String| READ.contains(&it.as_str()) || METADATA.contains(&it.as_str());
        let unlisted: Vec<_> = asked.iter().filter(|it| !is_listed(it)).collect();
        let unread: Vec<_> = READ.iter().filter(|it| !asked.contains(**it)).collect();
        assert_eq!((unlisted, unread), (Vec::<&String>::new(), Vec::<&&str>::new()));
    }

    #[test]
    fn unused_effects_are_those_of_shapes_groups_and_tables() {
        let unused = |effects, key| is_effect_without_use(effects, key, &Value::Bool(true));
        assert!(unused(DrawnEffects::Shadow, "blurEnabled") && unused(DrawnEffects::None, "shadowEnabled"));
        assert!(!unused(DrawnEffects::Shadow, "shadowEnabled") && !unused(DrawnEffects::All, "blurEnabled"));
        assert!(!unused(DrawnEffects::None, "visible"));
        assert!(!is_effect_without_use(DrawnEffects::None, "blurEnabled", &Value::Bool(false)));
        let filters = |json| is_effect_without_use(DrawnEffects::Shadow, "filters", &json);
        assert!(filters(json!({"warm": {"intensity": 1}})) && !filters(json!({})));
    }
}
