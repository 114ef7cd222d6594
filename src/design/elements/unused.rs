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
    "flipX",
    "flipY",
    "fontFamily",
    "fontSize",
    "fontStyle",
    "fontWeight",
    "grayscaleEnabled",
    "height",
    "id",
    "legacyBackground",
    "letterSpacing",
    "lineHeight",
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
const FLAGS: &[&str] = &["blurEnabled", "brightnessEnabled", "sepiaEnabled", "grayscaleEnabled"];

/// Adds a warning about each member that has no effect on an element of this `kind`.
pub(super) fn warn(kind: &str, input: &mut Input<'_>) {
    let known = |key: &str| READ.binary_search(&key).is_ok() || METADATA.binary_search(&key).is_ok();
    for (key, value) in input.json.members() {
        let ignored = if !known(key) {
            format!("unknown property {key:.40?} of a {kind}; ignored")
        } else if is_effect_without_use(kind, key, value) {
            format!("{key} has no effect on a {kind}; ignored, as in the editor")
        } else {
            continue;
        };
        // A long unknown name is not put into the path either.
        if known(key) || key.len() <= 40 { input.warn(key, ignored) } else { input.warn("…", ignored) }
    }
}

/// True for an effect that is switched on for a kind that ignores it: figures and lines have only a shadow, groups and
/// tables no effects (rendering.md §4, design-format.md §6.7, §6.8).
fn is_effect_without_use(kind: &str, key: &str, value: &Value) -> bool {
    let on = match key {
        "filters" => value.as_object().is_some_and(|filters| !filters.is_empty()),
        "shadowEnabled" => value == &Value::Bool(true) && !matches!(kind, "figure" | "line"),
        key => FLAGS.contains(&key) && value == &Value::Bool(true),
    };
    on && matches!(kind, "figure" | "line" | "group" | "table")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_names_are_sorted_and_apart() {
        assert!(READ.is_sorted() && METADATA.is_sorted());
        assert!(!READ.iter().any(|name| METADATA.contains(name)));
    }

    #[test]
    fn unused_effects_are_those_of_shapes_groups_and_tables() {
        let on = Value::Bool(true);
        let unused = |kind, key| is_effect_without_use(kind, key, &on);
        assert!(unused("figure", "blurEnabled") && unused("table", "sepiaEnabled") && unused("group", "shadowEnabled"));
        assert!(!unused("figure", "shadowEnabled") && !unused("image", "blurEnabled") && !unused("figure", "visible"));
        assert!(!is_effect_without_use("figure", "blurEnabled", &Value::Bool(false)));
        let filters = |json| is_effect_without_use("line", "filters", &json);
        assert!(filters(serde_json::json!({"warm": {"intensity": 1}})) && !filters(serde_json::json!({})));
    }
}
