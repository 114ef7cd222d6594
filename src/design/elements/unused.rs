//! Members of an element that change nothing, told to the caller: unknown ones, and effects of kinds that have none.

use serde_json::Value;

use crate::design::input::Input;

/// What one kind or another reads (design-format.md §5, §6), sorted.
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

/// What matters to the editor, to films and to their sound, but not to a still picture, sorted.
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

/// Effects that a flag turns on.
const FLAGS: &[&str] = &["blurEnabled", "brightnessEnabled", "sepiaEnabled", "grayscaleEnabled"];

/// Warns of what has no say in the picture of an element of this `kind`.
pub(super) fn warn(kind: &str, input: &mut Input<'_>) {
    let known = |key: &str| READ.binary_search(&key).is_ok() || METADATA.binary_search(&key).is_ok();
    for (key, value) in input.json.members() {
        let ignored = if !known(key) {
            format!("unknown property {key:.40?} of a {kind}; ignored")
        } else if is_effect_without_use(kind, key, value) {
            format!("{key} does nothing to a {kind}; drawn without, as the editor does")
        } else {
            continue;
        };
        // A long name of the caller's own stays out of the path, too.
        if known(key) || key.len() <= 40 { input.warn(key, ignored) } else { input.warn("…", ignored) }
    }
}

/// Figures and lines have a shadow only, groups and tables nothing (rendering.md §4, design-format.md §6.7, §6.8).
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
