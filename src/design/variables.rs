//! Placeholders of a design, filled in before it is read (design-format.md §7).
//!
//! `{name}` in a text or a table cell becomes the value, escaped, so that it is drawn as written and never read as markup.
//! An element with a `src` whose `custom.variable`, or else whose `name`, names a variable gets the value as its address.
//! Values are not looked into again: a value that holds `{other}` shows just that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::DesignError;
use super::input::Warnings;
use crate::config::DesignLimits;
use crate::options::Variables;
use crate::report::{JsonPath, Problem, Warning, WarningCode, shown};

/// Elements that show a file of the caller's choice.
const WITH_SOURCE: &[&str] = &["image", "svg", "gif", "video"];

/// Longest name that a placeholder can have, in bytes. Keeps a text full of `{` from being searched again and again.
const NAME_BYTES: usize = 200;

/// Fills in the placeholders of `design`, which stands at `at`. Warns of placeholders that no variable fills, which stay
/// as they are, and of variables that fill none.
///
/// # Errors
/// When the values add more than `TENTER_MAX_VARIABLE_BYTES`; `design` is then partly filled in.
pub fn fill_in(
    design: &mut Value,
    at: &JsonPath,
    variables: &Variables,
    limits: &DesignLimits,
) -> Result<Vec<Warning>, DesignError> {
    let mut filling =
        Filling { variables, used: HashSet::new(), left: limits.variable_bytes, warnings: Warnings::default() };
    let pages = at.key("pages");
    for (index, page) in entries(design, "pages").enumerate() {
        filling.children(page, &pages.index(index)).map_err(|path| DesignError {
            problems: vec![Problem {
                path,
                message: format!(
                    "the values of variables, everywhere together, add more than {} bytes (TENTER_MAX_VARIABLE_BYTES)",
                    limits.variable_bytes
                ),
            }],
        })?;
    }
    for name in variables.names().filter(|name| !filling.used.contains(name)) {
        filling.warnings.push(Warning {
            code: WarningCode::VariableUnused,
            path: JsonPath::from("variables").key(name),
            element: Arc::default(),
            message: format!(
                "nothing in the design uses it: no text holds {{{name}}}, and no picture has custom.variable or the name \
                 \"{name}\""
            ),
        });
    }
    Ok(filling.warnings.into_vec())
}

/// Puts the value that is easiest to accept wherever some variable may put one: an empty text for one with a placeholder, an
/// address for a picture that a variable can name. What is wrong with `design` then, no values mend, because values reach
/// nothing else and a text is never refused for being shorter.
pub fn make_fillable(design: &mut Value) {
    entries(design, "pages").for_each(make_children_fillable);
}

/// As deep as the JSON, which `json::parse` bounds.
fn make_children_fillable(parent: &mut Value) {
    for element in entries(parent, "children") {
        match element.get("type").and_then(Value::as_str) {
            Some("text") => make_text_fillable(element),
            Some("group") => make_children_fillable(element),
            Some("table") => entries(element, "cells").for_each(make_text_fillable),
            Some(kind) if WITH_SOURCE.contains(&kind) => {
                if names_of(element).next().is_some()
                    && let Some(element) = element.as_object_mut()
                {
                    element.insert("src".into(), "data:,".into());
                }
            }
            _ => {}
        }
    }
}

fn make_text_fillable(holder: &mut Value) {
    if let Some(text) = holder.get_mut("text").filter(|it| it.as_str().is_some_and(|text| text.contains('{'))) {
        *text = "".into();
    }
}

/// By which a variable can be the address of `element`: its mark, then its name.
fn names_of(element: &Value) -> impl Iterator<Item = &str> {
    let marked = element.get("custom").and_then(|it| it.get("variable")).and_then(Value::as_str);
    let named = element.get("name").and_then(Value::as_str);
    [marked, named].into_iter().flatten()
}

/// The array `key` of an object; empty when it is none.
fn entries<'a>(value: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> + use<'a> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

struct Filling<'a> {
    variables: &'a Variables,
    used: HashSet<&'a str>,
    /// Bytes that values may still add.
    left: usize,
    warnings: Warnings,
}

/// The place where values became too much.
type TooMuch = JsonPath;

impl<'a> Filling<'a> {
    /// The elements of a page or group; as deep as the JSON, which `json::parse` bounds.
    fn children(&mut self, parent: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let at = at.key("children");
        for (index, element) in entries(parent, "children").enumerate() {
            self.element(element, &at.index(index))?;
        }
        Ok(())
    }

    fn element(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        match element.get("type").and_then(Value::as_str) {
            Some("text") => self.text(element, at),
            Some("group") => self.children(element, at),
            Some("table") => {
                let at = at.key("cells");
                for (index, cell) in entries(element, "cells").enumerate() {
                    self.text(cell, &at.index(index))?;
                }
                Ok(())
            }
            Some(kind) if WITH_SOURCE.contains(&kind) => self.source(element, at),
            _ => Ok(()),
        }
    }

    /// The member `text`.
    fn text(&mut self, holder: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let Some(text) = holder.get("text").and_then(Value::as_str).filter(|text| text.contains('{')) else {
            return Ok(());
        };
        let at = at.key("text");
        let mut filled = String::with_capacity(text.len());
        let mut told = HashSet::new();
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
                    if let Some(name) = name.filter(|name| is_word(name) && told.insert(*name)) {
                        let name = shown(name);
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

    /// The member `src`.
    fn source(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), TooMuch> {
        let found = names_of(element).find_map(|name| self.variables.get(name));
        let Some((name, value)) = found else {
            let marked = element.get("custom").and_then(|it| it.get("variable")).and_then(Value::as_str);
            if let Some(marked) = marked.map(|it| shown(it).into_owned()) {
                let message = format!("no variable is called \"{marked}\"; the design's own picture is drawn");
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
            element: shown(id).into(),
            message,
        });
    }
}

/// What stands between `{`, which is before `after`, and the next `}`; `None` when another `{` or nothing comes first.
fn placeholder(after: &str) -> Option<&str> {
    let end = after.bytes().take(NAME_BYTES + 1).position(|byte| matches!(byte, b'{' | b'}'))?;
    (after.as_bytes()[end] == b'}').then(|| &after[..end])
}

/// Whether someone means a placeholder by it: `{first_name}` and `{user.name}`, not `{}` or `{ a: b }`.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The value as text of the markup subset (rendering.md §9.9); plain texts read entities too.
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
        assert!(warnings[0].starts_with("variables.src: nothing in the design uses it"), "{}", warnings[0]);
    }

    #[test]
    fn variables_that_are_missing_are_told_once_a_text() {
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
                "pages[0].children[1].custom.variable (p): no variable is called \"avatar\"; the design's own picture is \
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
