//! The colours of a design that are given as inks, replaced by screen colours before it is read (room `inks`).

use serde_json::Value;

use super::ORDERED_MEMBERS;
use super::input::BoundedWarnings;
use crate::inks::{Cmyk, Inks, find_call, naive};
use crate::report::{JsonPath, Warning, WarningCode, truncated};

/// Members that hold colours, also inside a gradient.
const COLORS: &[&str] =
    &["background", "backgroundColor", "borderColor", "cellBackground", "color", "fill", "shadowColor", "stroke"];

/// Members with markup, whose style attributes may hold colours.
const MARKUP: &[&str] = &["placeholder", "text"];

/// Conversion of inks to sRGB, both `0.0..=1.0`.
pub type ToScreen<'a> = &'a dyn Fn(Cmyk) -> [f32; 3];

/// Replaces the colours of `design` that are given as inks. `at`: its path; `to_screen`: the conversion by a profile.
/// Without one the naive formula of CSS applies, with a warning.
pub fn replace(design: &mut Value, at: &JsonPath, to_screen: Option<ToScreen<'_>>) -> (Inks, Vec<Warning>) {
    let mut replacer =
        Replacer { to_screen, inks: Inks::default(), warnings: BoundedWarnings::default(), warned: false };
    replacer.value(design, at, None);
    (replacer.inks, replacer.warnings.into_vec())
}

/// Whether `design` may have a colour given as inks.
pub fn has_any(design: &Value) -> bool {
    match design {
        Value::String(text) => find_call(text).is_some(),
        Value::Array(entries) => entries.iter().any(has_any),
        Value::Object(members) => members.values().any(has_any),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct Replacer<'a> {
    to_screen: Option<ToScreen<'a>>,
    inks: Inks,
    warnings: BoundedWarnings,
    /// Whether the missing profile was reported.
    warned: bool,
}

impl Replacer<'_> {
    /// Replaces in `value`, the member `key`. Recursion is bounded by the depth of the JSON, which `JsonParser` limits.
    fn value(&mut self, value: &mut Value, at: &JsonPath, key: Option<&str>) {
        match value {
            Value::Array(entries) => {
                for (index, entry) in entries.iter_mut().enumerate().filter(|(_, it)| it.is_array() || it.is_object()) {
                    self.value(entry, &at.index(index), None);
                }
            }
            Value::Object(members) => {
                let are_colors = key.is_some_and(|it| ORDERED_MEMBERS.contains(&it));
                for (key, value) in members.iter_mut() {
                    match value {
                        Value::String(text) if find_call(text).is_some() => {
                            let at = at.key(&truncated(key));
                            if are_colors || COLORS.contains(&key.as_str()) {
                                *text = self.colors(text, &at);
                            } else if MARKUP.contains(&key.as_str()) {
                                *text = self.in_tags(text, &at);
                            }
                        }
                        Value::Array(_) | Value::Object(_) => self.value(value, &at.key(&truncated(key)), Some(key)),
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// `text` with the colours in its tags replaced.
    fn in_tags(&mut self, text: &str, at: &JsonPath) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('<') {
            let end = rest[open..].find('>').map_or(rest.len(), |end| open + end);
            out.push_str(&rest[..open]);
            out.push_str(&self.colors(&rest[open..end], at));
            rest = &rest[end..];
        }
        out + rest
    }

    fn colors(&mut self, text: &str, at: &JsonPath) -> String {
        let mut without_profile = false;
        let to_screen = self.to_screen;
        let replaced = self.inks.replace(text, |inks| match to_screen {
            Some(to_screen) => to_screen(inks),
            None => {
                without_profile = true;
                naive(inks)
            }
        });
        if without_profile && !std::mem::replace(&mut self.warned, true) {
            let message = "device-cmyk() is shown by the naive formula of CSS, as are all others of this design, \
                           because this service has no CMYK profile (TENTER_ICC_DIR)";
            self.warn(at, message);
        }
        replaced.unwrap_or_else(|_| {
            self.warn(at, "the design has too many different colours in device-cmyk(); this one is not read");
            text.to_owned()
        })
    }

    fn warn(&mut self, at: &JsonPath, message: &str) {
        let (path, element, message) = (at.clone(), Default::default(), message.to_owned());
        self.warnings.push(Warning { code: WarningCode::NotSupported, path, element, message });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::css_color;
    use crate::css_gradient::{Fill, parse_fill};

    fn replaced(mut value: Value) -> (Value, Inks, Vec<String>) {
        let (inks, warnings) = replace(&mut value, &JsonPath::root(), None);
        (value, inks, warnings.iter().map(ToString::to_string).collect())
    }

    fn inks_of(inks: &Inks, color: peniko::Color) -> Option<Cmyk> {
        let [r, g, b, _] = color.components;
        inks.of([r, g, b])
    }

    #[test]
    fn inks_are_read_in_members_that_hold_colours() {
        let value = json!({"pages": [{"background": "device-cmyk(0 0 0 1)", "children": [
            {"fill": "device-cmyk(0 1 0 0)", "name": "device-cmyk(0 0 0 1)", "colorsReplace": {"red": "device-cmyk(1 0 0 0)"}},
        ]}]});
        let (value, inks, warnings) = replaced(value);
        let (page, element) = (&value["pages"][0], &value["pages"][0]["children"][0]);
        let of = |text: &Value| inks_of(&inks, css_color::parse(text.as_str()?)?);
        assert_eq!(of(&page["background"]), Some([0.0, 0.0, 0.0, 1.0]));
        assert_eq!(of(&element["fill"]), Some([0.0, 1.0, 0.0, 0.0]));
        assert_eq!(of(&element["colorsReplace"]["red"]), Some([1.0, 0.0, 0.0, 0.0]));
        assert_eq!(element["name"], "device-cmyk(0 0 0 1)", "no colour");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(": device-cmyk() is shown by the naive formula"), "{warnings:?}");
    }

    #[test]
    fn inks_are_read_in_gradients_and_styles() {
        let value = json!({
            "fill": "linear-gradient(90deg, device-cmyk(1 0 0 0) 0%, red 100%)",
            "text": "device-cmyk(0 0 0 1) <span style=\"color: device-cmyk(0 1 0 0)\">x</span>",
        });
        let (value, inks, _) = replaced(value);
        let Some(Fill::Linear(gradient)) = parse_fill(value["fill"].as_str().expect("text")) else { panic!("{value}") };
        assert_eq!(inks_of(&inks, gradient.stops[0].color), Some([1.0, 0.0, 0.0, 0.0]));
        let text = value["text"].as_str().expect("text");
        assert!(text.starts_with("device-cmyk(0 0 0 1) <span style=\"color: color(srgb "), "{text}");
    }

    #[test]
    fn inks_are_shown_by_the_profile_where_there_is_one() {
        let mut value = json!({"fill": "device-cmyk(0 1 0 0)"});
        let (_, warnings) = replace(&mut value, &JsonPath::root(), Some(&|_| [0.0, 1.0, 0.0]));
        let color = css_color::parse(value["fill"].as_str().expect("text")).expect("a colour");
        assert_eq!((color.to_rgba8().to_u8_array(), warnings.len()), ([0, 255, 0, 255], 0));
        assert!(has_any(&json!([{"a": "x device-CMYK(("}])) && !has_any(&json!(["device-cmy", 5, null])));
    }
}
