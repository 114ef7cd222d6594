//! The variables of a design, for forms and callers that fill it in.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::names_of;
use super::placeholders::{Part, is_word, parts};
use super::values::{CURRENT, current_values, scalar};
use crate::design::elements::bindable::{BINDINGS, MemberKind, bindings};
use crate::design::elements::{Element, VariableMembers};
use crate::report::JsonPath;

/// Maximum number of uses that are listed for each variable.
const MAX_USES: usize = 100;

/// A variable of a design.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DesignVariable {
    /// The name, as in `variables` of a call.
    pub name: String,
    /// Kind of the value, by the first use: `text`, `image`, `color`, `number`, `boolean` or `string`.
    pub kind: &'static str,
    /// The value that is drawn where the call has none: that of the design, or of the first member that is bound to the
    /// variable. `None` where there is no value, so that the placeholder is drawn as it is.
    pub value: Option<Value>,
    /// The places that use the variable, in paint order, at most 100.
    pub uses: Vec<VariableUse>,
}

/// A place in a design that uses a variable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VariableUse {
    /// Path of the member that the value goes into, in the design.
    pub path: String,
    /// `placeholder` in a text, `binding`, `custom.variable` or `name`.
    pub by: &'static str,
    /// Kind of the value at this place.
    pub kind: &'static str,
}

/// Lists the variables of `design` in the order of their first use, then those that only have a value.
pub fn list(design: &Value) -> Vec<DesignVariable> {
    let current = design.get(CURRENT).map(current_values).unwrap_or_default();
    let mut lister = Lister { current, found: Vec::new(), places: HashMap::new() };
    let pages = JsonPath::from("pages");
    for (index, page) in entries(design, "pages").enumerate() {
        lister.children(page, &pages.index(index));
    }
    let rest: Vec<_> = lister.current.keys().copied().filter(|name| !lister.places.contains_key(*name)).collect();
    for name in rest {
        lister.entry(name, MemberKind::Text);
    }
    lister.found
}

/// The entries of the array `key` of an object; none when it is not an array.
fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Name of a kind of value in listings.
fn kind_name(kind: MemberKind) -> &'static str {
    match kind {
        MemberKind::Text => "text",
        MemberKind::Image => "image",
        MemberKind::Color => "color",
        MemberKind::Number => "number",
        MemberKind::Flag => "boolean",
        MemberKind::Word => "string",
    }
}

struct Lister<'a> {
    current: BTreeMap<&'a str, String>,
    found: Vec<DesignVariable>,
    /// Positions in `found` by name.
    places: HashMap<String, usize>,
}

impl Lister<'_> {
    // Recursion is bounded by the depth of the JSON, which `JsonParser` limits.
    fn children(&mut self, parent: &Value, at: &JsonPath) {
        let at = at.key("children");
        for (index, element) in entries(parent, "children").enumerate() {
            self.element(element, &at.index(index));
        }
    }

    fn element(&mut self, element: &Value, at: &JsonPath) {
        for (member, kind, name) in bindings(element) {
            self.add(name, kind, "binding", at.key(member), element.get(member));
        }
        let kind = element.get("type").and_then(Value::as_str).unwrap_or_default();
        let is_bound = |member: &str| element.get(BINDINGS).and_then(|it| it.get(member)).is_some();
        match Element::variable_members(kind) {
            Some(VariableMembers::Text) if !is_bound("text") => self.text(element, at),
            Some(VariableMembers::OfChildren) => self.children(element, at),
            Some(VariableMembers::TextOfCells) => {
                let at = at.key("cells");
                entries(element, "cells").enumerate().for_each(|(index, cell)| self.text(cell, &at.index(index)));
            }
            Some(VariableMembers::Source) if !is_bound("src") => {
                let marked = element.get("custom").and_then(|it| it.get("variable")).is_some_and(Value::is_string);
                if let Some(name) = names_of(element).find(|name| !name.is_empty()) {
                    let by = if marked { "custom.variable" } else { "name" };
                    self.add(name, MemberKind::Image, by, at.key("src"), element.get("src"));
                }
            }
            Some(VariableMembers::Text | VariableMembers::Source | VariableMembers::None) | None => {}
        }
    }

    fn text(&mut self, holder: &Value, at: &JsonPath) {
        let text = holder.get("text").and_then(Value::as_str).unwrap_or_default();
        for part in parts(text, true) {
            if let Part::Placeholder(placeholder) = part
                && (placeholder.is_double || is_word(&placeholder.name))
            {
                self.add(&placeholder.name, MemberKind::Text, "placeholder", at.key("text"), None);
            }
        }
    }

    /// Adds a use of the variable `name` at `path`, whose `member` is the current value.
    fn add(&mut self, name: &str, kind: MemberKind, by: &'static str, path: JsonPath, member: Option<&Value>) {
        let variable = self.entry(name, kind);
        if variable.value.is_none() {
            variable.value = member.filter(|value| scalar(value).is_some()).cloned();
        }
        let new = VariableUse { path: path.as_str().to_owned(), by, kind: kind_name(kind) };
        if variable.uses.len() < MAX_USES && variable.uses.last() != Some(&new) {
            variable.uses.push(new);
        }
    }

    fn entry(&mut self, name: &str, kind: MemberKind) -> &mut DesignVariable {
        let at = *self.places.entry(name.to_owned()).or_insert_with(|| {
            let value = self.current.get(name).map(|it| it.as_str().into());
            self.found.push(DesignVariable { name: name.to_owned(), kind: kind_name(kind), value, uses: Vec::new() });
            self.found.len() - 1
        });
        &mut self.found[at]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_listed_with_kind_value_and_uses() {
        let design = json!({"variables": {"who": "all", "spare": 1}, "pages": [{"children": [
            {"type": "text", "text": "Dear {{who}}, {{<b>who</b>}} {greeting} { a: b }"},
            {"type": "group", "children": [
                {"type": "image", "src": "a.png", "bindings": {"src": "photo", "visible": "show"}, "visible": true},
                {"type": "image", "src": "b.png", "custom": {"variable": "logo"}, "name": "other"},
                {"type": "table", "cells": [{"text": "{{who}}"}]},
            ]},
        ]}]});
        let found = list(&design);
        let short: Vec<_> =
            found.iter().map(|it| (it.name.as_str(), it.kind, it.value.clone(), it.uses.len())).collect();
        assert_eq!(
            short,
            [
                ("who", "text", Some(json!("all")), 2),
                ("greeting", "text", None, 1),
                ("photo", "image", Some(json!("a.png")), 1),
                ("show", "boolean", Some(json!(true)), 1),
                ("logo", "image", Some(json!("b.png")), 1),
                ("spare", "text", Some(json!("1")), 0),
            ]
        );
        assert_eq!(found[0].uses[1].path, "pages[0].children[1].children[2].cells[0].text");
        assert_eq!(
            (found[4].uses[0].by, &*found[4].uses[0].path),
            ("custom.variable", "pages[0].children[1].children[1].src")
        );
    }
}
