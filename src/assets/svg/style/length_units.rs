//! Units of CSS lengths that do not depend on the element.

/// px of an absolute length or one in root font sizes (`rem`); `None` for other units.
pub(super) fn to_px(number: f64, unit: &str, root_font_size: f64) -> Option<f64> {
    let factor = match unit.to_ascii_lowercase().as_str() {
        "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        "q" => 96.0 / 101.6,
        "rem" => root_font_size,
        _ => return None,
    };
    Some(number * factor)
}
