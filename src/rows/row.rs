//! One row of a batch, independent of its file format.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::json::{Problems, Reader, describe};
use crate::report::{JsonPath, Problem, truncated};

const VARIABLES: &str = "variables";
const OPTIONS: &str = "options";
const NAME: &str = "name";

/// The values of one row: variables of the design and render options.
///
/// As JSON, a row has one of two forms: the variables themselves, `{"first": "Ada", "age": 36}`, or, if `variables` or
/// `options` is an object, those two and a `name`: `{"variables": {"first": "Ada"}, "options": {"pixelRatio": 2}}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Number of the row, from 1.
    pub number: u64,
    /// Value of `{name}` in file names; overrides a variable of that name.
    pub name: Option<String>,
    /// Variables by name: strings, numbers, `true` and `false`.
    pub variables: Map<String, Value>,
    /// Options for this row alone, as in `exportOptions`; not validated here.
    pub options: Map<String, Value>,
}

impl Row {
    /// Reads a row from JSON. Null counts as absent.
    ///
    /// # Errors
    /// All problems of the row: not an object, values of other types, unknown members.
    pub fn read(number: u64, value: Value) -> Result<Self, BrokenRow> {
        let mut problems = Problems::new();
        let row = Self::read_into(number, &value, &mut problems);
        match row {
            Some(row) if problems.is_empty() => Ok(row),
            _ => Err(BrokenRow { number, line: None, problems: problems.into_vec() }),
        }
    }

    fn read_into(number: u64, value: &Value, problems: &mut Problems) -> Option<Self> {
        let mut json = Reader::new(value, JsonPath::root(), problems)?;
        let in_members = [VARIABLES, OPTIONS].iter().any(|key| json.get(key).is_some_and(Value::is_object));
        if !in_members {
            return Some(Self { number, variables: variables(&mut json), ..Self::default() });
        }
        let unknown = json.members().map(|(key, _)| key).filter(|key| ![VARIABLES, OPTIONS, NAME].contains(key));
        for key in unknown {
            let message = format!(
                "a row with {VARIABLES} or {OPTIONS} must not have other members; accepted: {VARIABLES}, \
                 {OPTIONS}, {NAME}"
            );
            json.problem(&truncated(key), message);
        }
        let name = json.name(NAME).map(Cow::into_owned);
        let options = json.object(OPTIONS).map(|mut options| {
            if options.get(VARIABLES).is_some() {
                options.problem(VARIABLES, format!("must not be inside {OPTIONS}; move {VARIABLES} next to {OPTIONS}"));
            }
            options.members().map(|(key, value)| (key.to_owned(), value.clone())).collect()
        });
        let variables = json.object(VARIABLES).map(|mut json| variables(&mut json));
        Some(Self { number, name, variables: variables.unwrap_or_default(), options: options.unwrap_or_default() })
    }

    /// The JSON from which [`Row::read`] reads this row.
    pub fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert(VARIABLES.into(), self.variables.clone().into());
        if !self.options.is_empty() {
            members.insert(OPTIONS.into(), self.options.clone().into());
        }
        if let Some(name) = &self.name {
            members.insert(NAME.into(), name.clone().into());
        }
        members.into()
    }

    /// Options for rendering this row: those of `all` rows, overridden by its own, with its variables merged into
    /// theirs. `all`: an object, or null for none; any other value is returned for its reader to refuse.
    pub fn options_over(&self, all: &Value) -> Value {
        let mut merged = match all {
            Value::Null => Map::new(),
            Value::Object(all) => all.clone(),
            other => return other.clone(),
        };
        merged.extend(self.options.clone());
        match merged.get_mut(VARIABLES) {
            Some(Value::Object(common)) => common.extend(self.variables.clone()),
            None | Some(Value::Null) => drop(merged.insert(VARIABLES.into(), self.variables.clone().into())),
            Some(_) => {} // its reader reports that it is no object
        }
        merged.into()
    }

    /// Whether the row has a value for `{name}` in file names.
    pub fn has(&self, name: &str) -> bool {
        (name == NAME && self.name.is_some()) || self.variables.contains_key(name)
    }

    /// The variable `name` as text; for `name`, the row's own name first.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        if let (NAME, Some(own)) = (name, &self.name) {
            return Some(own.clone());
        }
        self.variables.get(name).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }
}

/// Reads the members that are strings, numbers, `true` or `false`; reports the others as problems.
fn variables(json: &mut Reader<'_>) -> Map<String, Value> {
    let mut read = Map::new();
    for (name, value) in json.members() {
        match value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => drop(read.insert(name.to_owned(), value.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let found = describe(value);
                json.problem(&truncated(name), format!("found {found}; accepted: a string, a number, true, false"));
            }
        }
    }
    read
}

/// A row that cannot be used; later rows are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRow {
    /// Number of the row, from 1.
    pub number: u64,
    /// Number of its first line in the file, from 1, if known.
    pub line: Option<u64>,
    /// All problems, at least one; paths are relative to the row.
    pub problems: Vec<Problem>,
}

impl BrokenRow {
    pub(super) fn new(number: u64, line: Option<u64>, path: &str, message: impl Into<String>) -> Self {
        Self { number, line, problems: vec![Problem { path: path.into(), message: message.into() }] }
    }

    /// A row of more than `limit` bytes.
    pub(super) fn too_long(number: u64, line: Option<u64>, limit: usize) -> Self {
        Self::new(
            number,
            line,
            "",
            format!("longer than {limit} bytes, the limit of a row (TENTER_BATCH_MAX_ROW_BYTES)"),
        )
    }
}

impl fmt::Display for BrokenRow {
    /// Formats the first problem and the number of further ones: `row 7 (line 8): price: found …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}", self.number)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        match &self.problems[..] {
            [] => Ok(()),
            [first, rest @ ..] => {
                match first.path.as_str() {
                    "" => write!(f, ": {}", first.message)?,
                    _ => write!(f, ": {first}")?,
                }
                if rest.is_empty() { Ok(()) } else { write!(f, " (and {} more)", rest.len()) }
            }
        }
    }
}

impl std::error::Error for BrokenRow {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Row, Vec<String>> {
        Row::read(3, value).map_err(|broken| broken.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn row_is_its_variables_or_has_members() {
        let flat = read(json!({"first": "Ada", "age": 36, "vip": true, "gone": null})).expect("a row");
        let inside = read(json!({"variables": {"first": "Ada", "age": 36, "vip": true}})).expect("a row");
        assert_eq!(flat, inside);
        assert_eq!(Value::from(flat.variables), json!({"first": "Ada", "age": 36, "vip": true}));
        let words = read(json!({"variables": "none", "name": "Ada"})).expect("variables called so");
        assert_eq!((words.variables.len(), words.name), (2, None));
    }

    #[test]
    fn row_survives_a_json_round_trip() {
        for row in [json!({"a": 1}), json!({}), json!({"variables": {"a": "x"}, "options": {"dpi": 300}, "name": "n"})]
        {
            let row = read(row).expect("a row");
            assert_eq!(read(row.to_json()), Ok(row));
        }
    }

    #[test]
    fn row_problems_are_reported_together() {
        assert_eq!(
            read(json!({"variables": {"a": [1], "b": {}}, "options": {"variables": {}}, "nmae": "x", "name": 7})),
            Err(vec![
                "nmae: a row with variables or options must not have other members; accepted: variables, options, name"
                    .to_owned(),
                "name: found the number 7; accepted: a string".to_owned(),
                "options.variables: must not be inside options; move variables next to options".to_owned(),
                "variables.a: found an array with 1 entry; accepted: a string, a number, true, false".to_owned(),
                "variables.b: found an object; accepted: a string, a number, true, false".to_owned(),
            ])
        );
        let broken = Row::read(7, json!([1])).expect_err("an array");
        let message = BrokenRow { line: Some(8), ..broken }.to_string();
        assert_eq!(message, "row 7 (line 8): found an array with 1 entry; accepted: an object");
    }

    #[test]
    fn row_options_override_those_of_all_rows() {
        let row = read(json!({"variables": {"a": 1}, "options": {"dpi": 300}})).expect("a row");
        let all = json!({"dpi": 72, "quality": 0.5, "variables": {"a": 0, "b": 2}});
        assert_eq!(row.options_over(&all), json!({"dpi": 300, "quality": 0.5, "variables": {"a": 1, "b": 2}}));
        assert_eq!(row.options_over(&Value::Null), json!({"dpi": 300, "variables": {"a": 1}}));
        assert_eq!(row.options_over(&json!([])), json!([]));
    }
}
