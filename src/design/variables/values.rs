//! The values of variables: those of the call, over those that the design has itself, with the values that they name
//! filled in.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::placeholders::{Part, parts};
use crate::options::Variables;
use crate::report::{JsonPath, Problem, truncated};

/// Member of a design with the current values of its variables.
pub(super) const CURRENT: &str = "variables";

/// Maximum number of values inside one another.
const MAX_DEPTH: usize = 32;

/// The values of one render.
pub(super) struct Values<'a> {
    given: Option<&'a Variables>,
    current: BTreeMap<&'a str, String>,
    /// Values in which others were filled in, with the names of those.
    composed: HashMap<&'a str, Composed<'a>>,
}

#[derive(Default)]
struct Composed<'a> {
    value: String,
    names: Vec<&'a str>,
}

impl<'a> Values<'a> {
    /// The values that the call has `given` and those of the design, whose member [`CURRENT`] is `current` and has the
    /// path `at`. `limit`: maximum number of bytes of all values in which others are filled in.
    ///
    /// # Errors
    /// Values that refer to each other in a cycle, or that together exceed the limit.
    pub(super) fn new(
        given: Option<&'a Variables>,
        current: Option<&'a Value>,
        at: &JsonPath,
        limit: usize,
    ) -> Result<Self, Problem> {
        let current = current.map(current_values).unwrap_or_default();
        let mut values = Self { given, current, composed: HashMap::new() };
        let mut composer = Composer { values: &values, at, left: limit, limit, done: HashMap::new() };
        let names: Vec<&str> = values.names().filter(|name| values.is_composed(name)).collect();
        for name in names {
            composer.compose(name, &mut Vec::new())?;
        }
        values.composed = composer.done;
        Ok(values)
    }

    /// Whether there are no values at all.
    pub(super) fn are_absent(&self) -> bool {
        self.given.is_none() && self.current.is_empty()
    }

    /// Name and value of a variable that the call has given.
    pub(super) fn given(&self, name: &str) -> Option<(&'a str, &str)> {
        let (name, _) = self.given?.get(name)?;
        self.get(name)
    }

    /// Name and value of a variable of the call or else of the design.
    pub(super) fn get(&self, name: &str) -> Option<(&'a str, &str)> {
        if let Some((name, composed)) = self.composed.get_key_value(name) {
            return Some((name, &composed.value));
        }
        self.written(name)
    }

    /// The names of the variables whose values are inside that of `name`.
    pub(super) fn names_inside(&self, name: &str) -> &[&'a str] {
        self.composed.get(name).map_or(&[], |it| &it.names)
    }

    fn written(&self, name: &str) -> Option<(&'a str, &str)> {
        if let Some((name, value)) = self.given.and_then(|given| given.get(name)) {
            return Some((name, value));
        }
        self.current.get_key_value(name).map(|(name, value)| (*name, value.as_str()))
    }

    fn names(&self) -> impl Iterator<Item = &'a str> {
        let own: Vec<&'a str> = self.current.keys().copied().collect();
        self.given.into_iter().flat_map(Variables::names).chain(own)
    }

    fn is_composed(&self, name: &str) -> bool {
        self.written(name).is_some_and(|(_, value)| value.contains("{{"))
    }
}

/// Fills values into values.
struct Composer<'v, 'a> {
    values: &'v Values<'a>,
    /// Path of the design's own values.
    at: &'v JsonPath,
    left: usize,
    limit: usize,
    done: HashMap<&'a str, Composed<'a>>,
}

impl<'a> Composer<'_, 'a> {
    /// Fills in the value of `name`. `path`: the names around it, outermost first.
    fn compose(&mut self, name: &'a str, path: &mut Vec<&'a str>) -> Result<(), Problem> {
        if self.done.contains_key(name) {
            return Ok(());
        }
        if path.contains(&name) {
            let start = path.iter().position(|it| *it == name).unwrap_or_default();
            let cycle: Vec<_> = path[start..].iter().chain([&name]).map(|it| truncated(it)).collect();
            let message = format!(
                "the values refer to each other in a cycle: {}; accepted: values that do not lead back to their own \
                 variable",
                cycle.join(" → ")
            );
            return Err(self.problem(name, message));
        }
        if path.len() >= MAX_DEPTH {
            let message = format!("values inside values are more than {MAX_DEPTH} deep; accepted: at most that many");
            return Err(self.problem(name, message));
        }
        let values = self.values;
        let Some((_, written)) = values.written(name) else { return Ok(()) };
        path.push(name);
        let mut composed = Composed::default();
        let mut seen = HashSet::new();
        for part in parts(written, false) {
            let piece = match part {
                Part::Text(text) => text,
                Part::Placeholder(it) if !it.is_double => it.written,
                Part::Placeholder(it) => match values.written(&it.name) {
                    None => it.written,
                    Some((inner, value)) => {
                        if seen.insert(inner) {
                            composed.names.push(inner);
                        }
                        if value.contains("{{") {
                            self.compose(inner, path)?;
                            let done = self.done.get(inner).map_or("", |it| it.value.as_str());
                            self.left = self.left.checked_sub(done.len()).ok_or_else(|| self.too_much(name))?;
                            composed.value.push_str(done);
                            continue;
                        }
                        value
                    }
                },
            };
            self.left = self.left.checked_sub(piece.len()).ok_or_else(|| self.too_much(name))?;
            composed.value.push_str(piece);
        }
        path.pop();
        self.done.insert(name, composed);
        Ok(())
    }

    fn too_much(&self, name: &str) -> Problem {
        let message = format!(
            "values that contain others have more than {} bytes together; the limit is TENTER_MAX_VARIABLE_BYTES",
            self.limit
        );
        self.problem(name, message)
    }

    fn problem(&self, name: &str, message: String) -> Problem {
        let is_given = self.values.given.is_some_and(|given| given.get(name).is_some());
        let of = if is_given { JsonPath::from("variables") } else { self.at.clone() };
        Problem { path: of.key(&truncated(name)), message }
    }
}

/// The values in a design's member [`CURRENT`]: an object with a value, or an object with the member `value`, for each
/// name, or a list of objects with `name` and `value`.
pub(super) fn current_values(value: &Value) -> BTreeMap<&str, String> {
    let of = |value: &Value| scalar(value.get("value").unwrap_or(value));
    match value {
        Value::Object(members) => {
            members.iter().filter_map(|(name, value)| Some((name.as_str(), of(value)?))).collect()
        }
        Value::Array(entries) => entries.iter().filter_map(named_value).collect(),
        _ => BTreeMap::new(),
    }
}

fn named_value(entry: &Value) -> Option<(&str, String)> {
    Some((entry.get("name")?.as_str()?, scalar(entry.get("value")?)?))
}

/// A string, number, `true` or `false` as text.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Problems;

    fn variables(values: &Value) -> Variables {
        Variables::read(values, "variables".into(), &mut Problems::new()).expect("variables")
    }

    fn value(given: Option<Value>, current: &Value, name: &str) -> Result<Option<String>, String> {
        let given = given.map(|it| variables(&it));
        let values = Values::new(given.as_ref(), Some(current), &"design.variables".into(), 100);
        let values = values.map_err(|problem| problem.to_string())?;
        Ok(values.get(name).map(|(_, value)| value.to_owned()))
    }

    #[test]
    fn values_of_the_call_replace_those_of_the_design() {
        let current = json!({"a": "own", "b": {"value": 5}, "c": [1]});
        let get = |given, name| value(given, &current, name).expect("values");
        assert_eq!(get(None, "a").as_deref(), Some("own"));
        assert_eq!((get(None, "b").as_deref(), get(None, "c")), (Some("5"), None));
        assert_eq!(get(Some(json!({"a": "new"})), "a").as_deref(), Some("new"));
        assert_eq!(
            value(None, &json!([{"name": "a", "value": true}]), "a").as_ref().map(Option::as_deref),
            Ok(Some("true"))
        );
    }

    #[test]
    fn values_may_contain_others_but_not_themselves() {
        let whole = json!({"first": "Ada", "full": "{{first}} {{ last }} {{who}} {first}", "last": "L"});
        let full = value(Some(whole), &Value::Null, "full").expect("values");
        assert_eq!(full.as_deref(), Some("Ada L {{who}} {first}"));
        let cycle = value(Some(json!({"a": "{{b}}", "b": "x{{a}}"})), &Value::Null, "a").expect_err("a cycle");
        assert_eq!(
            cycle,
            "variables.a: the values refer to each other in a cycle: a → b → a; accepted: values that do not lead back \
             to their own variable"
        );
        let own = value(None, &json!({"a": "{{a}}"}), "a").expect_err("a cycle");
        assert!(own.starts_with("design.variables.a: "), "{own}");
    }

    #[test]
    fn values_inside_values_are_limited() {
        let doubling: serde_json::Map<_, _> =
            (0..30).map(|at| (format!("v{at}"), json!(format!("{{{{v{0}}}}}{{{{v{0}}}}}", at + 1)))).collect();
        let mut doubling = Value::from(doubling);
        doubling["v30"] = json!("x");
        let error = value(Some(doubling), &Value::Null, "v0").expect_err("2^30 bytes");
        assert!(error.contains("more than 100 bytes"), "{error}");
        let chain: serde_json::Map<_, _> =
            (0..40).map(|at| (format!("v{at:02}"), json!(format!("{{{{v{:02}}}}}", at + 1)))).collect();
        let error = value(Some(chain.into()), &Value::Null, "v00").expect_err("40 deep");
        assert!(error.contains("more than 32 deep"), "{error}");
    }
}
