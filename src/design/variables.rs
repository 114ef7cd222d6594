//! Substitution of variables in a design before it is read (design-format.md §7).
//!
//! `{name}` in a text or a table cell is replaced by the variable's value, escaped so that it is never parsed as
//! markup. An element with a `src` whose `custom.variable`, or else whose `name`, is the name of a variable gets the
//! value as its `src`. Values are not substituted again: a value that contains `{other}` is drawn as that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::DesignError;
use super::elements::{Element, VariableMembers};
use super::input::BoundedWarnings;
use crate::config::DesignLimits;
use crate::options::Variables;
use crate::report::{JsonPath, Problem, Warning, WarningCode, truncated};

/// Maximum length of a placeholder's name, in bytes, which keeps the time for a text full of `{` linear.
const NAME_BYTES: usize = 200;

/// Substitutes the placeholders of `design`, whose path is `at`. Returns warnings about placeholders without a
/// variable, which are left as they are, and about unused variables.
///
/// # Errors
/// The values add more than `TENTER_MAX_VARIABLE_BYTES`; some placeholders of `design` are then already substituted.
pub fn fill_in(
    design: &mut Value,
    at: &JsonPath,
    variables: &Variables,
    limits: &DesignLimits,
) -> Result<Vec<Warning>, DesignError> {
    let mut filler = PlaceholderFiller {
        variables,
        used: HashSet::new(),
        left: limits.variable_bytes,
        warnings: BoundedWarnings::default(),
    };
    let pages = at.key("pages");
    for (index, page) in entries(design, "pages").enumerate() {
        filler.children(page, &pages.index(index)).map_err(|path| DesignError {
            problems: vec![Problem {
                path,
                message: format!(
                    "the values of variables add more than {} bytes to the design; the limit is TENTER_MAX_VARIABLE_BYTES",
                    limits.variable_bytes
                ),
            }],
        })?;
    }
    for name in variables.names().filter(|name| !filler.used.contains(name)) {
        filler.warnings.push(Warning {
            code: WarningCode::VariableUnused,
            path: JsonPath::from("variables").key(name),
            element: Arc::default(),
            message: format!(
                "the design does not use this variable: no text contains {{{name}}}, and no image has \
                 custom.variable or name \"{name}\""
            ),
        });
    }
    Ok(filler.warnings.into_vec())
}

/// Replaces everything that a variable may change by a value that is valid: a text with a placeholder by an empty one,
/// the `src` of an image that a variable can set by a `data:` URL. Problems of `design` that remain are independent of
/// any values.
pub fn make_fillable(design: &mut Value) {
    entries(design, "pages").for_each(make_children_fillable);
}

// Recursion is bounded by the depth of the JSON, which `JsonParser` limits.
fn make_children_fillable(parent: &mut Value) {
    for element in entries(parent, "children") {
        match members_of(element) {
            VariableMembers::Text => make_text_fillable(element),
            VariableMembers::OfChildren => make_children_fillable(element),
            VariableMembers::TextOfCells => entries(element, "cells").for_each(make_text_fillable),
            VariableMembers::Source => {
                if names_of(element).next().is_some()
                    && let Some(element) = element.as_object_mut()
                {
                    element.insert("src".into(), "data:,".into());
                }
            }
            VariableMembers::None => {}
        }
    }
}

/// The members that variables change; none for an element of unknown type, which is refused when it is read.
fn members_of(element: &Value) -> VariableMembers {
    let kind = element.get("type").and_then(Value::as_str);
    kind.and_then(Element::variable_members).unwrap_or(VariableMembers::None)
}

fn make_text_fillable(holder: &mut Value) {
    if let Some(text) = holder.get_mut("text").filter(|it| it.as_str().is_some_and(|text| text.contains('{'))) {
        *text = "".into();
    }
}

/// The names under which a variable can set the `src` of `element`: `custom.variable`, then `name`.
fn names_of(element: &Value) -> impl Iterator<Item = &str> {
    let marked = element.get("custom").and_then(|it| it.get("variable")).and_then(Value::as_str);
    let named = element.get("name").and_then(Value::as_str);
    [marked, named].into_iter().flatten()
}

/// The entries of the array `key` of an object; none when it is not an array.
fn entries<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

struct PlaceholderFiller<'a> {
    variables: &'a Variables,
    used: HashSet<&'a str>,
    /// Bytes that values may still add.
    left: usize,
    warnings: BoundedWarnings,
}

/// The path at which the values exceeded the limit.
type TooMuch = JsonPath;

impl<'a> PlaceholderFiller<'a> {
    /// Substitutes in the elements of a page or group. Recursion is bounded by the depth of the JSON, which
    /// `JsonParser` limits.
    fn children(&mut self, parent: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let at = at.key("children");
        for (index, element) in entries(parent, "children").enumerate() {
            self.element(element, &at.index(index))?;
        }
        Ok(())
    }

    fn element(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        match members_of(element) {
            VariableMembers::Text => self.text(element, at),
            VariableMembers::OfChildren => self.children(element, at),
            VariableMembers::TextOfCells => {
                let at = at.key("cells");
                for (index, cell) in entries(element, "cells").enumerate() {
                    self.text(cell, &at.index(index))?;
                }
                Ok(())
            }
            VariableMembers::Source => self.source(element, at),
            VariableMembers::None => Ok(()),
        }
    }

    /// Substitutes placeholders in the member `text`.
    fn text(&mut self, holder: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let Some(text) = holder.get("text").and_then(Value::as_str).filter(|text| text.contains('{')) else {
            return Ok(());
        };
        let at = at.key("text");
        let mut filled = String::with_capacity(text.len());
        let mut reported = HashSet::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let name = placeholder(after);
            match name.and_then(|name| self.variables.get(name)) {
                Some((name, value)) => {
                    let value = escaped(value);
                    self.take(value.len(), &at)?;
                    filled.push_str(&value);
                    self.used.insert(name);
                    rest = &after[name.len() + 1..];
                }
                None => {
                    filled.push('{');
                    rest = after;
                    if let Some(name) = name.filter(|name| is_word(name) && reported.insert(*name)) {
                        let name = truncated(name);
                        let message = format!("no variable is called \"{name}\"; {{{name}}} is drawn as it is");
                        self.warn(holder, &at, message);
                    }
                }
            }
        }
        filled.push_str(rest);
        if let Some(text) = holder.get_mut("text") {
            *text = filled.into();
        }
        Ok(())
    }

    /// Sets the member `src` if a variable is assigned to the element.
    fn source(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let found = names_of(element).find_map(|name| self.variables.get(name));
        let Some((name, value)) = found else {
            let marked = element.get("custom").and_then(|it| it.get("variable")).and_then(Value::as_str);
            if let Some(marked) = marked.map(|it| truncated(it).into_owned()) {
                let message = format!("no variable is called \"{marked}\"; the image of the design is drawn");
                self.warn(element, &at.key("custom.variable"), message);
            }
            return Ok(());
        };
        self.used.insert(name);
        self.take(value.len(), at)?;
        if let Some(element) = element.as_object_mut() {
            element.insert("src".into(), value.into());
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize, at: &JsonPath) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| at.clone())?;
        Ok(())
    }

    fn warn(&mut self, holder: &Value, at: &JsonPath, message: String) {
        let id = holder.get("id").and_then(Value::as_str).unwrap_or_default();
        self.warnings.push(Warning {
            code: WarningCode::PlaceholderUnknown,
            path: at.clone(),
            element: truncated(id).into(),
            message,
        });
    }
}

/// The name between a `{`, which `after` follows, and the next `}`; `None` when there is none or another `{` comes
/// first.
fn placeholder(after: &str) -> Option<&str> {
    let end = after.bytes().take(NAME_BYTES + 1).position(|byte| matches!(byte, b'{' | b'}'))?;
    (after.as_bytes()[end] == b'}').then(|| &after[..end])
}

/// Whether a name looks like a placeholder's: `{first_name}` and `{user.name}` do, `{}` and `{ a: b }` do not.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The value escaped for the markup subset (rendering.md §9.9); entities are decoded in plain texts too.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['&', '<', '>', '"', '\'']) {
        return value.into();
    }
    let mut out = String::with_capacity(value.len() + 16);
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(mut children: Value, variables: Value, bytes: usize) -> Result<(Value, Vec<String>), String> {
        let mut design = json!({"pages": [{"children": children.take()}]});
        let mut problems = crate::json::Problems::new();
        let variables = Variables::read(&variables, "variables".into(), &mut problems).expect("variables");
        let limits = DesignLimits { variable_bytes: bytes, ..DesignLimits::default() };
        let warnings = fill_in(&mut design, &JsonPath::root(), &variables, &limits).map_err(|it| it.to_string())?;
        Ok((design["pages"][0]["children"].take(), warnings.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn variables_fill_texts_cells_and_groups_escaped() {
        let children = json!([
            {"type": "text", "text": "Dear {name}, {{name}} {n}"},
            {"type": "group", "children": [{"type": "table", "cells": [{"text": "<b>{name}</b>"}]}]},
            {"type": "figure", "text": "{name}"},
        ]);
        let (filled, warnings) = fill(children, json!({"name": "<i>A & \"B\"</i> {n}", "n": 3}), 1000).expect("filled");
        let value = "&lt;i&gt;A &amp; &quot;B&quot;&lt;/i&gt; {n}";
        assert_eq!(filled[0]["text"], format!("Dear {value}, {{{value}}} 3"));
        assert_eq!(filled[1]["children"][0]["cells"][0]["text"], format!("<b>{value}</b>"));
        assert_eq!(filled[2]["text"], "{name}");
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn variables_change_sources_by_mark_then_by_name() {
        let children = json!([
            {"type": "image", "custom": {"variable": "avatar"}, "name": "logo", "src": "old"},
            {"type": "svg", "name": "logo"},
            {"type": "image", "name": "hero", "src": "old"},
            {"type": "text", "name": "logo", "text": "old"},
        ]);
        let values = json!({"avatar": "https://x/a.png?b=1&c=2", "logo": "data:,", "src": "unused"});
        let (filled, warnings) = fill(children, values, 1000).expect("filled");
        let sources: Vec<_> = (0..4).map(|at| filled[at]["src"].as_str()).collect();
        assert_eq!(sources, [Some("https://x/a.png?b=1&c=2"), Some("data:,"), Some("old"), None]);
        assert_eq!(filled[3]["text"], "old");
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("variables.src: the design does not use this variable"), "{}", warnings[0]);
    }

    #[test]
    fn variables_that_are_missing_are_reported_once_for_each_text() {
        let children = json!([
            {"id": "t", "type": "text", "text": "{who} {who} {a b} {} {\"json\": 1} {open {é.x}"},
            {"id": "p", "type": "image", "custom": {"variable": "avatar"}, "src": "old"},
        ]);
        let (filled, warnings) = fill(children.clone(), json!({}), 1000).expect("filled");
        assert_eq!(filled, children);
        assert_eq!(
            warnings,
            [
                "pages[0].children[0].text (t): no variable is called \"who\"; {who} is drawn as it is",
                "pages[0].children[0].text (t): no variable is called \"é.x\"; {é.x} is drawn as it is",
                "pages[0].children[1].custom.variable (p): no variable is called \"avatar\"; the image of the design is \
                 drawn",
            ]
        );
    }

    #[test]
    fn variables_may_add_so_many_bytes_everywhere_together() {
        let children = json!([{"type": "text", "text": "{a}{a}"}, {"type": "image", "name": "a"}]);
        assert!(fill(children.clone(), json!({"a": "<<"}), 18).is_ok());
        let refused = fill(children, json!({"a": "<<"}), 17).expect_err("18 bytes");
        assert!(refused.starts_with("pages[0].children[1]: ") && refused.contains("17 bytes"), "{refused}");
    }

    #[test]
    fn variables_cannot_mend_what_they_do_not_reach() {
        let wrong = |children: Value| {
            let mut design = json!({"pages": [{"children": children}]});
            make_fillable(&mut design);
            let limits = DesignLimits { text_chars: 5, ..DesignLimits::default() };
            let read = crate::design::Design::from_value(&design, JsonPath::root(), &limits);
            read.err().map(|error| error.to_string())
        };
        let mended = json!([
            {"type": "text", "text": "Dear {first name}"},
            {"type": "group", "children": [{"type": "table", "rows": 1, "cols": 1, "cells": [{"text": "Dear {name}"}]}]},
            {"type": "image", "name": "photo", "src": 5},
            {"type": "svg", "custom": {"variable": "logo"}},
        ]);
        assert_eq!(wrong(mended), None);
        for (children, words) in [
            (json!([{"type": "text", "text": "Dear all"}]), "pages[0].children[0].text: this text has 8 characters"),
            (json!([{"type": "group", "children": "{a}"}]), "pages[0].children[0].children: found"),
            (json!([{"type": "{kind}"}]), "pages[0].children[0]"),
        ] {
            let error = wrong(children).expect(words);
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn variables_in_a_text_of_braces_take_one_pass() {
        let text = "{".repeat(2_000_000);
        let (filled, warnings) = fill(json!([{"type": "text", "text": text}]), json!({"a": 1}), 10).expect("filled");
        assert_eq!((filled[0]["text"].as_str(), warnings.len()), (Some(&*text), 1));
    }
}
