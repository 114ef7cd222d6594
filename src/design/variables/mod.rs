//! Substitution of variables in a design before it is read (design-format.md §7).
//!
//! `{{name}}` and `{name}` in a text or a table cell are replaced by the variable's value, escaped so that it is never
//! parsed as markup. A member that an element's `bindings` name gets the value of its variable. An element with a `src`
//! whose `custom.variable`, or else whose `name`, is the name of a variable gets the value as its `src`. `{{name}}` has
//! the value that the design itself stores where the call has none.

mod list;
mod placeholders;
mod values;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::placeholders::{Part, Placeholder, is_word, parts};
use self::values::{CURRENT, Values};
use super::DesignError;
use super::elements::bindable::{MemberKind, bindings};
use super::elements::{Element, VariableMembers};
use super::input::BoundedWarnings;
use super::version::ReplacedPictures;
use crate::config::DesignLimits;
use crate::options::Variables;
use crate::report::{JsonPath, Problem, Warning, WarningCode, truncated};

pub use self::list::{DesignVariable, VariableUse, list};

/// Substitutes the placeholders and bindings of `design`, whose path is `at`, by the values that the call has `given`
/// and by those that the design stores. `replaced`: how pictures fit that replace others. Returns warnings about
/// placeholders without a value, which are left as they are, and about unused variables.
///
/// # Errors
/// Values that refer to each other in a cycle, that a bound member cannot have, or that add more than
/// `TENTER_MAX_VARIABLE_BYTES`; some placeholders of `design` are then already substituted.
pub fn fill_in(
    design: &mut Value,
    at: &JsonPath,
    given: Option<&Variables>,
    replaced: ReplacedPictures,
    limits: &DesignLimits,
) -> Result<Vec<Warning>, DesignError> {
    let current = design.get(CURRENT).cloned();
    let refused = |problem| DesignError { problems: vec![problem] };
    let values = Values::new(given, current.as_ref(), &at.key(CURRENT), limits.variable_bytes).map_err(refused)?;
    if values.are_absent() {
        return Ok(Vec::new());
    }
    let mut filler = PlaceholderFiller {
        values: &values,
        is_given: given.is_some(),
        replaced,
        used: HashSet::new(),
        left: limits.variable_bytes,
        limit: limits.variable_bytes,
        warnings: BoundedWarnings::default(),
    };
    let pages = at.key("pages");
    for (index, page) in entries(design, "pages").enumerate() {
        filler.children(page, &pages.index(index)).map_err(refused)?;
    }
    let mut used = filler.used;
    for name in used.clone() {
        used.extend(values.names_inside(name));
    }
    for name in given.into_iter().flat_map(Variables::names).filter(|name| !used.contains(name)) {
        filler.warnings.push(Warning {
            code: WarningCode::VariableUnused,
            path: JsonPath::from("variables").key(name),
            element: Arc::default(),
            message: format!(
                "the design does not use this variable: no text contains {{{{{name}}}}} or {{{name}}}, no element is \
                 bound to it, and no image has custom.variable or name \"{name}\""
            ),
        });
    }
    Ok(filler.warnings.into_vec())
}

/// Replaces everything that a variable may change by a value that is valid: a text with a placeholder by an empty one,
/// a bound member by its default, the `src` of an image that a variable can set by a `data:` URL. Problems of `design`
/// that remain are independent of any values.
pub fn make_fillable(design: &mut Value) {
    entries(design, "pages").for_each(make_children_fillable);
}

// Recursion is bounded by the depth of the JSON, which `JsonParser` limits.
fn make_children_fillable(parent: &mut Value) {
    for element in entries(parent, "children") {
        let bound: Vec<String> = bindings(element).map(|(member, ..)| member.to_owned()).collect();
        for member in bound {
            make_fillable_member(element, &member);
        }
        match members_of(element) {
            VariableMembers::Text => make_text_fillable(element),
            VariableMembers::OfChildren => make_children_fillable(element),
            VariableMembers::TextOfCells => entries(element, "cells").for_each(make_text_fillable),
            VariableMembers::Source => {
                if names_of(element).next().is_some() {
                    make_fillable_member(element, SOURCE);
                }
            }
            VariableMembers::None => {}
        }
    }
}

/// Member with the URL of an image.
const SOURCE: &str = "src";

/// Member that says how a picture fits its box.
const FIT: &str = "fit";

/// Kinds of elements whose picture can cover the box.
const COVERING: &[&str] = &["image", "gif", "video"];

fn make_fillable_member(element: &mut Value, member: &str) {
    let Some(element) = element.as_object_mut() else { return };
    if member == SOURCE {
        element.insert(SOURCE.into(), "data:,".into());
    } else {
        element.remove(member);
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

struct PlaceholderFiller<'v, 'a> {
    values: &'v Values<'a>,
    /// Whether the call has values, so that placeholders without one deserve a warning.
    is_given: bool,
    replaced: ReplacedPictures,
    used: HashSet<&'a str>,
    /// Bytes that values may still add.
    left: usize,
    limit: usize,
    warnings: BoundedWarnings,
}

impl PlaceholderFiller<'_, '_> {
    /// Substitutes in the elements of a page or group. Recursion is bounded by the depth of the JSON, which
    /// `JsonParser` limits.
    fn children(&mut self, parent: &mut Value, at: &JsonPath) -> Result<(), Problem> {
        let at = at.key("children");
        for (index, element) in entries(parent, "children").enumerate() {
            self.element(element, &at.index(index))?;
        }
        Ok(())
    }

    fn element(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), Problem> {
        let bound = self.bound(element, at)?;
        let is_free = |member: &str| !bound.contains_key(member);
        match members_of(element) {
            VariableMembers::Text if is_free("text") => self.text(element, at)?,
            VariableMembers::OfChildren => self.children(element, at)?,
            VariableMembers::TextOfCells => {
                let at = at.key("cells");
                for (index, cell) in entries(element, "cells").enumerate() {
                    self.text(cell, &at.index(index))?;
                }
            }
            VariableMembers::Source if is_free(SOURCE) => self.source(element, at)?,
            VariableMembers::Text | VariableMembers::Source | VariableMembers::None => {}
        }
        if let Some(source) = bound.get(SOURCE).and_then(Value::as_str) {
            self.replace_picture(element, source);
        }
        if let Some(element) = element.as_object_mut() {
            element.extend(bound);
        }
        Ok(())
    }

    /// Sets the `src` of `element`. With [`ReplacedPictures::Cover`], another picture than before is not cropped or
    /// stretched as that was.
    fn replace_picture(&self, element: &mut Value, source: &str) {
        let is_other = element.get(SOURCE).and_then(Value::as_str) != Some(source);
        let covers = element.get("type").and_then(Value::as_str).is_some_and(|kind| COVERING.contains(&kind));
        let Some(element) = element.as_object_mut() else { return };
        if is_other && covers && self.replaced == ReplacedPictures::Cover {
            for member in ["cropX", "cropY", "cropWidth", "cropHeight"] {
                element.remove(member);
            }
            if element.get(FIT).is_none_or(Value::is_null) {
                element.insert(FIT.into(), "cover".into());
            }
        }
        element.insert(SOURCE.into(), source.into());
    }

    /// The values of the members of `element` that are bound to variables with a value.
    fn bound(&mut self, element: &Value, at: &JsonPath) -> Result<Map<String, Value>, Problem> {
        let mut bound = Map::new();
        for (member, kind, name) in bindings(element) {
            let Some((name, value)) = self.values.get(name) else { continue };
            self.used.insert(name);
            self.take(value.len(), at)?;
            let Some(value) = member_value(kind, value) else {
                let accepted = if kind == MemberKind::Flag { "true or false" } else { "a number" };
                return Err(Problem {
                    path: JsonPath::from("variables").key(&truncated(name)),
                    message: format!("found {:?}; accepted: {accepted}, for {}", truncated(value), at.key(member)),
                });
            };
            bound.insert(member.to_owned(), value);
        }
        Ok(bound)
    }

    /// Substitutes placeholders in the member `text`.
    fn text(&mut self, holder: &mut Value, at: &JsonPath) -> Result<(), Problem> {
        let Some(text) = holder.get("text").and_then(Value::as_str).filter(|text| text.contains('{')) else {
            return Ok(());
        };
        let at = at.key("text");
        let mut filled = String::with_capacity(text.len());
        let mut reported = HashSet::new();
        for part in parts(text, true) {
            let placeholder = match part {
                Part::Text(text) => {
                    filled.push_str(text);
                    continue;
                }
                Part::Placeholder(placeholder) => placeholder,
            };
            let Placeholder { written, name, is_double, tags } = placeholder;
            // Single braces are a convention of callers, which the design's own values do not follow.
            let found = if is_double { self.values.get(&name) } else { self.values.given(&name) };
            match found {
                Some((name, value)) => {
                    let value = escaped(value);
                    self.take(value.len(), &at)?;
                    filled.extend([&tags.0, &*value, &tags.1]);
                    self.used.insert(name);
                }
                None => {
                    filled.push_str(written);
                    if self.is_given && is_word(&name) && reported.insert(name.clone()) {
                        let (name, written) = (truncated(&name), truncated(written));
                        let message = format!("no variable is called \"{name}\"; {written} is drawn as it is");
                        self.warn(holder, &at, message);
                    }
                }
            }
        }
        if let Some(text) = holder.get_mut("text") {
            *text = filled.into();
        }
        Ok(())
    }

    /// Sets the member `src` if a variable is assigned to the element.
    fn source(&mut self, element: &mut Value, at: &JsonPath) -> Result<(), Problem> {
        if !self.is_given {
            return Ok(());
        }
        let found = names_of(element).find_map(|name| self.values.given(name));
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
        self.replace_picture(element, value);
        Ok(())
    }

    fn take(&mut self, bytes: usize, at: &JsonPath) -> Result<(), Problem> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| Problem {
            path: at.clone(),
            message: format!(
                "the values of variables add more than {} bytes to the design; the limit is TENTER_MAX_VARIABLE_BYTES",
                self.limit
            ),
        })?;
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

/// The JSON of a bound member of this kind; `None` when it cannot have the value.
fn member_value(kind: MemberKind, value: &str) -> Option<Value> {
    match kind {
        MemberKind::Text => Some(escaped(value).into()),
        MemberKind::Image | MemberKind::Color | MemberKind::Word => Some(value.into()),
        MemberKind::Number => value.trim().parse::<f64>().ok().filter(|it| it.is_finite()).map(Value::from),
        MemberKind::Flag => match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true.into()),
            "false" | "0" | "no" | "off" | "" => Some(false.into()),
            _ => None,
        },
    }
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
        let warnings = fill_in(&mut design, &JsonPath::root(), Some(&variables), ReplacedPictures::Cover, &limits)
            .map_err(|it| it.to_string())?;
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
        assert_eq!(filled[0]["text"], format!("Dear {value}, {value} 3"));
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

    #[test]
    fn variables_replace_names_that_tags_cut() {
        let text = "<p>Dear {{first_<b>name</b>}}, {{ who }} {{none}} {{<i>last</i>}}</p>";
        let values = json!({"first_name": "Ada", "who": "<you>", "last": "L"});
        let (filled, warnings) = fill(json!([{"type": "text", "text": text}]), values, 1000).expect("filled");
        assert_eq!(filled[0]["text"], "<p>Dear Ada<b></b>, &lt;you&gt; {{none}} <i>L</i></p>");
        let unknown = "pages[0].children[0].text: no variable is called \"none\"; {{none}} is drawn as it is";
        assert_eq!(warnings, [unknown]);
    }

    #[test]
    fn variables_set_bound_members_to_values_of_their_kind() {
        let children = json!([
            {"type": "text", "text": "{{a}}", "bindings": {"text": "note", "fill": "brand", "fontSize": "size"}},
            {"type": "group", "bindings": {"visible": "show"}, "children": [
                {"type": "image", "src": "old", "name": "photo", "bindings": {"src": "face", "opacity": "none"}},
                {"type": "figure", "fill": "red", "bindings": {"id": "brand", "fill": 5}},
            ]},
        ]);
        let values = json!({"note": "a <b> {{c}}", "brand": "#00ff00", "size": "12.5", "show": "false", "face": "new",
            "photo": "unused"});
        let (filled, warnings) = fill(children, values, 1000).expect("filled");
        assert_eq!(filled[0]["text"], "a &lt;b&gt; {{c}}", "a value is not substituted again");
        assert_eq!((&filled[0]["fill"], &filled[0]["fontSize"]), (&json!("#00ff00"), &json!(12.5)));
        let (group, image) = (&filled[1], &filled[1]["children"][0]);
        assert_eq!((&group["visible"], &image["src"], image.get("opacity")), (&json!(false), &json!("new"), None));
        assert_eq!(filled[1]["children"][1]["fill"], "red");
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("variables.photo: the design does not use"), "{warnings:?}");
    }

    #[test]
    fn variables_that_a_bound_member_cannot_have_are_refused() {
        let refused = |member: &str, value: &str| {
            let children = json!([{"type": "text", "bindings": {member: "v"}}]);
            fill(children, json!({"v": value}), 1000).expect_err(value)
        };
        let flag = refused("visible", "maybe");
        assert_eq!(flag, "variables.v: found \"maybe\"; accepted: true or false, for pages[0].children[0].visible");
        let number = refused("fontSize", "NaN");
        assert_eq!(number, "variables.v: found \"NaN\"; accepted: a number, for pages[0].children[0].fontSize");
        let cycle = fill(json!([]), json!({"a": "{{b}}", "b": "{{a}}"}), 1000).expect_err("a cycle");
        assert!(cycle.starts_with("variables.a: the values refer to each other in a cycle"), "{cycle}");
    }

    #[test]
    fn variables_have_the_values_of_the_design_where_the_call_has_none() {
        let filled = |given: Option<Value>| {
            let mut design = json!({"variables": {"who": "all", "tone": "red"}, "pages": [{"children": [
                {"type": "text", "text": "Dear {{who}} {who}", "fill": "blue", "bindings": {"fill": "tone"}},
            ]}]});
            let mut problems = crate::json::Problems::new();
            let given = given.map(|it| Variables::read(&it, "variables".into(), &mut problems).expect("variables"));
            let warnings = fill_in(
                &mut design,
                &JsonPath::root(),
                given.as_ref(),
                ReplacedPictures::Cover,
                &DesignLimits::default(),
            );
            let text = &design["pages"][0]["children"][0];
            (format!("{} {}", text["text"], text["fill"]), warnings.expect("filled").len())
        };
        assert_eq!(filled(None), ("\"Dear all {who}\" \"red\"".to_owned(), 0));
        assert_eq!(filled(Some(json!({"tone": "lime"}))), ("\"Dear all {who}\" \"lime\"".to_owned(), 1));
        assert_eq!(filled(Some(json!({"who": "Ada"}))), ("\"Dear Ada Ada\" \"red\"".to_owned(), 0));
    }

    #[test]
    fn variables_replace_pictures_without_their_crop() {
        let picture = json!({"type": "image", "src": "old", "name": "photo", "cropX": 0.5, "stretchEnabled": true});
        let svg = json!({"type": "svg", "src": "old", "name": "photo", "cropX": 0.5});
        let replaced = |value: &str| fill(json!([picture, svg]), json!({"photo": value}), 1000).expect("filled").0;
        let other = replaced("new");
        assert_eq!((other[0].get("cropX"), &other[0]["fit"]), (None, &json!("cover")));
        assert_eq!((&other[1]["cropX"], other[1].get("fit")), (&json!(0.5), None), "an SVG is stretched as before");
        let same = replaced("old");
        assert_eq!((&same[0]["cropX"], same[0].get("fit")), (&json!(0.5), None), "the same picture");
    }
}
