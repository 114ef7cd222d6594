//! What a caller may fill in: the variables of a design, with what each stands for.
//!
//! The rules are those of `design::variables`: `{name}` and `{{name}}` in texts and table cells, `custom.variable` or
//! the name of an element with a source, and `bindings`. Nothing is substituted here.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Maximum number of fields that are listed for one template.
const MAX_FIELDS: usize = 500;
/// Maximum length of a field's name, in bytes.
const NAME_BYTES: usize = 200;
/// Maximum size of all fields of one template without their current values, and of all current values, in bytes: they
/// are in the record of the template, which NATS limits to 1 MiB.
const MAX_BYTES: usize = 64 << 10;
/// Size of a field in JSON besides its texts, in bytes.
const FIELD_BYTES: usize = 100;
/// Longest current value that is listed, in bytes; `data:` URLs are left out at any length.
const VALUE_BYTES: usize = 2000;

/// A variable of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// Name of the variable.
    pub name: String,
    /// What its value is.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Type of the first element that uses it, such as `text`.
    pub element_type: String,
    /// Id of that element; empty when it has none.
    pub element_id: String,
    /// The value that the design has without the variable, where it has one: the source of a picture, a bound member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_value: Option<String>,
}

/// Kind of the value of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// A text.
    Text,
    /// The address of a picture.
    ImageUrl,
    /// The address of a video.
    VideoUrl,
    /// A colour.
    Color,
    /// Whether an element is shown.
    Visibility,
}

/// Lists the variables of `design`, in the order in which they are drawn: at most 500 or 64 KiB, and 64 KiB of current
/// values; those of further fields are left out.
pub(super) fn fields(design: &Value) -> Vec<Field> {
    let mut lister = Lister { fields: Vec::new(), names: HashSet::new(), left: MAX_BYTES, left_for_values: MAX_BYTES };
    for page in entries(design, "pages") {
        lister.children(page);
    }
    lister.fields
}

struct Lister {
    fields: Vec<Field>,
    names: HashSet<String>,
    /// Bytes that further fields may take.
    left: usize,
    /// Bytes that further current values may take.
    left_for_values: usize,
}

impl Lister {
    // Recursion is bounded by the depth of the JSON, which `JsonParser` limits.
    fn children(&mut self, parent: &Value) {
        for element in entries(parent, "children") {
            self.element(element);
            self.children(element);
        }
    }

    fn element(&mut self, element: &Value) {
        let kind = text(element, "type");
        for holder in std::iter::once(element).chain(entries(element, "cells")) {
            for name in placeholders(text(holder, "text")) {
                self.add(element, name, FieldKind::Text, None);
            }
        }
        let source = match kind {
            "image" | "svg" | "gif" => Some(FieldKind::ImageUrl),
            "video" => Some(FieldKind::VideoUrl),
            _ => None,
        };
        if let Some(source) = source {
            let marked = element.get("custom").map(|it| text(it, "variable")).filter(|it| !it.is_empty());
            self.add(element, marked.unwrap_or_else(|| text(element, "name")), source, element.get("src"));
        }
        for (member, name) in element.get("bindings").and_then(Value::as_object).into_iter().flatten() {
            let bound = match member.as_str() {
                "src" => source.unwrap_or(FieldKind::ImageUrl),
                "fill" | "stroke" | "color" | "borderColor" | "backgroundColor" => FieldKind::Color,
                "visible" => FieldKind::Visibility,
                _ => FieldKind::Text,
            };
            self.add(element, name.as_str().unwrap_or_default(), bound, element.get(member));
        }
    }

    fn add(&mut self, element: &Value, name: &str, kind: FieldKind, current: Option<&Value>) {
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES;
        if !is_name || self.fields.len() == MAX_FIELDS || self.names.contains(name) {
            return;
        }
        let (element_type, element_id) = (shortened(text(element, "type")), shortened(text(element, "id")));
        let bytes = FIELD_BYTES + name.len() + element_type.len() + element_id.len();
        let Some(left) = self.left.checked_sub(bytes) else { return };
        self.left = left;
        self.names.insert(name.to_owned());
        let current = match current {
            Some(Value::String(text)) => Some(text.clone()),
            Some(value @ (Value::Bool(_) | Value::Number(_))) => Some(value.to_string()),
            _ => None,
        };
        let default_value =
            current.filter(|it| it.len() <= VALUE_BYTES.min(self.left_for_values) && !it.starts_with("data:"));
        self.left_for_values -= default_value.as_ref().map_or(0, String::len);
        self.fields.push(Field { name: name.to_owned(), kind, element_type, element_id, default_value });
    }
}

/// The names between braces, `{name}` or `{{ name }}`, that look like names.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('{')?;
            rest = after;
            let end = after.bytes().take(NAME_BYTES + 1).position(|it| matches!(it, b'{' | b'}'));
            let Some(end) = end.filter(|end| after.as_bytes()[*end] == b'}') else { continue };
            let name = after[..end].trim();
            rest = &after[end..];
            if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')) {
                return Some(name);
            }
        }
    })
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    text.chars().take(NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn listed(children: Value) -> Vec<(String, FieldKind, Option<String>)> {
        let fields = fields(&json!({"pages": [{"children": children}]}));
        fields.into_iter().map(|it| (it.name, it.kind, it.default_value)).collect()
    }

    #[test]
    fn fields_are_placeholders_sources_and_bindings() {
        let found = listed(json!([
            {"type": "text", "text": "Dear {first_name}, {{ first_name }} <b>{{last name}}</b> {} {\"a\": 1} {open {é.x}"},
            {"type": "group", "children": [{"type": "table", "cells": [{"text": "{price}"}]}]},
            {"type": "image", "custom": {"variable": "avatar"}, "name": "photo", "src": "https://x/a.png"},
            {"type": "svg", "name": "logo", "src": "data:,"},
            {"type": "figure", "name": "box", "fill": "red", "bindings": {"fill": "accent", "visible": "shown"}},
        ]));
        let of = |name: &str, kind, value: Option<&str>| (name.to_owned(), kind, value.map(str::to_owned));
        let expected = [
            of("first_name", FieldKind::Text, None),
            of("last name", FieldKind::Text, None),
            of("é.x", FieldKind::Text, None),
            of("price", FieldKind::Text, None),
            of("avatar", FieldKind::ImageUrl, Some("https://x/a.png")),
            of("logo", FieldKind::ImageUrl, None),
            of("accent", FieldKind::Color, Some("red")),
            of("shown", FieldKind::Visibility, None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn fields_are_bounded_and_take_one_pass() {
        assert_eq!(listed(json!([{"type": "text", "text": "{".repeat(2_000_000)}])), []);
        let many: String = (0..1000).map(|it| format!("{{n{it}}}")).collect();
        assert_eq!(listed(json!([{"type": "text", "text": many}])).len(), MAX_FIELDS);
        let image = |number: u32| json!({"type": "image", "name": format!("n{number}"), "src": "x".repeat(2000)});
        let large = fields(&json!({"pages": [{"children": (0..1000).map(image).collect::<Vec<_>>()}]}));
        let bytes = serde_json::to_vec(&large).expect("JSON").len();
        assert!(large.len() == MAX_FIELDS && bytes <= 2 * MAX_BYTES, "{} fields of {bytes} bytes", large.len());
    }
}
