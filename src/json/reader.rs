//! Typed reader for one JSON object (design-format.md §1). Null counts as absent, unknown keys are ignored, a numeric
//! string counts as its number, and any other type is a problem and counts as absent. In forgiving mode
//! ([`Problems::forgiving`]) numbers and flags are also accepted as text, every value is a flag as in JavaScript, and
//! other values of a wrong type are replaced by their defaults.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use super::Problems;
use crate::report::JsonPath;

/// Maximum length of an id, family or other name, in characters: ten times the longest in real designs.
const MAX_NAME_CHARS: usize = 1000;

/// Replacement of an unusable value in forgiving mode.
const DEFAULT: &str = "the default is used";

/// An object of the input with its path and the list for its problems.
#[derive(Debug)]
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
    at: JsonPath,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// Creates a reader for `value` with the path `at`. Adds a problem and returns `None` unless it is an object.
    pub fn new(value: &'a Value, at: JsonPath, problems: &'a mut Problems) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self { object, at, problems }),
            other => {
                problems.push(at, type_error(other, "an object"));
                None
            }
        }
    }

    /// Path of this object.
    pub fn at(&self) -> &JsonPath {
        &self.at
    }

    /// The value of `key`; `None` when missing or null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        #[cfg(test)]
        self.problems.asked.borrow_mut().insert(self.at.key(key).to_string());
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Whether `key` is present and null.
    pub fn is_null(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(Value::is_null)
    }

    /// Members that are not null, in the order written.
    pub fn members(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        self.object.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.as_str(), value))
    }

    /// The list of problems, for values that other code reads.
    pub fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Reports a problem with member `key`.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.at.key(key), message);
    }

    /// Reports that `value` of `key` is not `accepted`; the default replaces it.
    pub fn refuse(&mut self, key: &str, value: &Value, accepted: &str) {
        self.replace(key, value, accepted, DEFAULT);
    }

    /// Like [`Self::refuse`], where `replacement` describes what replaces the value.
    pub fn replace(&mut self, key: &str, value: &Value, accepted: &str, replacement: &str) {
        self.problems.push_value(self.at.key(key), type_error(value, accepted), replacement);
    }

    /// Reads a finite number, or a string that contains one.
    pub fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = as_number(value);
        if number.is_none() {
            self.refuse(key, value, "a number");
        }
        number
    }

    /// Like [`Self::number`], without a replacement: a value of a wrong type is a problem even in forgiving mode.
    pub fn exact_number(&mut self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = as_number(value);
        if number.is_none() {
            self.problem(key, type_error(value, "a number"));
        }
        number
    }

    /// Like [`Self::number`], with a default for absent values.
    pub fn number_or(&mut self, key: &str, default: f64) -> f64 {
        self.number(key).unwrap_or(default)
    }

    /// Reads a length; negative numbers count as 0.
    pub fn length_or(&mut self, key: &str, default: f64) -> f64 {
        self.number_or(key, default).max(0.0)
    }

    /// Reads `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        const ACCEPTED: &str = "true or false";
        let value = self.get(key)?;
        if let Value::Bool(flag) = value {
            return Some(*flag);
        }
        if !self.problems.is_forgiving() {
            self.refuse(key, value, ACCEPTED);
            return None;
        }
        let flag = is_true_in_javascript(value);
        let replacement = if flag { "read as true, as the editor does" } else { "read as false, as the editor does" };
        self.replace(key, value, ACCEPTED, replacement);
        Some(flag)
    }

    /// Like [`Self::flag`], with a default for absent values.
    pub fn flag_or(&mut self, key: &str, default: bool) -> bool {
        self.flag(key).unwrap_or(default)
    }

    /// Reads a string. In forgiving mode, a number or flag is converted to text as in JavaScript.
    pub fn string(&mut self, key: &str) -> Option<Cow<'a, str>> {
        match self.get(key)? {
            Value::String(string) => Some(string.into()),
            Value::Bool(flag) if self.problems.is_forgiving() => Some(flag.to_string().into()),
            Value::Number(number) if self.problems.is_forgiving() => Some(in_javascript(number).into()),
            value => {
                self.refuse(key, value, "a string");
                None
            }
        }
    }

    /// Reads a name, which messages may repeat; a long one is a problem.
    pub fn name(&mut self, key: &str) -> Option<Cow<'a, str>> {
        let name = self.string(key)?;
        if name.chars().nth(MAX_NAME_CHARS).is_some() {
            let chars = name.chars().count();
            self.problem(key, format!("this name has {chars} characters; the limit is {MAX_NAME_CHARS} (fixed)"));
            return None;
        }
        Some(name)
    }

    /// Reads one of the names in `accepted`, in any case. An empty string counts as absent.
    pub fn one_of<T: Copy>(&mut self, key: &str, accepted: &[(&str, T)]) -> Option<T> {
        self.one_of_or(key, accepted, DEFAULT)
    }

    /// Like [`Self::one_of`], where `replacement` describes what replaces any other value.
    pub fn one_of_or<T: Copy>(&mut self, key: &str, accepted: &[(&str, T)], replacement: &str) -> Option<T> {
        let value = self.get(key)?;
        let name = value.as_str();
        if name == Some("") {
            return None;
        }
        let found = name.and_then(|name| accepted.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)));
        if found.is_none() {
            let names: Vec<_> = accepted.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
            self.replace(key, value, &names.join(", "), replacement);
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Reads an object. An empty array counts as an empty object, as PHP writes it.
    pub fn object(&mut self, key: &str) -> Option<Reader<'_>> {
        match self.get(key)? {
            Value::Object(object) => Some(Reader { object, at: self.at.key(key), problems: self.problems }),
            Value::Array(entries) if entries.is_empty() => None,
            value => {
                self.refuse(key, value, "an object");
                None
            }
        }
    }

    /// The entries of an array that are not null, each with its index. Empty when absent; a value of another type is a
    /// problem even in forgiving mode.
    pub fn array(&mut self, key: &str) -> impl Iterator<Item = (usize, &'a Value)> + use<'a> {
        let entries: &'a [Value] = match self.get(key) {
            None => &[],
            Some(Value::Array(entries)) => entries,
            Some(other) => {
                self.problem(key, type_error(other, "an array"));
                &[]
            }
        };
        entries.iter().enumerate().filter(|(_, value)| !value.is_null())
    }

    /// Calls `each` with every object of an array and its index. Null entries are skipped.
    pub fn objects(&mut self, key: &str, mut each: impl FnMut(usize, Reader<'_>)) {
        if self.get(key).is_none() {
            return;
        }
        let array_at = self.at.key(key);
        for (index, value) in self.array(key) {
            if let Some(entry) = Reader::new(value, array_at.index(index), self.problems) {
                each(index, entry);
            }
        }
    }

    /// Reads an array of numbers; `None` when absent.
    pub fn numbers(&mut self, key: &str) -> Option<Vec<f64>> {
        self.entries(key, "a number", as_number)
    }

    /// Reads an array of strings; `None` when absent.
    pub fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        self.entries(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn entries<T>(&mut self, key: &str, accepted: &str, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
        let value = self.get(key)?;
        if !value.is_array() {
            self.refuse(key, value, "an array");
            return None;
        }
        let mut entries = Vec::new();
        for (index, value) in self.array(key) {
            match read(value) {
                Some(entry) => entries.push(entry),
                None => {
                    let at = self.at.key(key).index(index);
                    self.problems.push_value(at, type_error(value, accepted), "left out");
                }
            }
        }
        Some(entries)
    }
}

/// Converts a number or a numeric string to a finite number.
fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|it| it.is_finite())
}

/// The truth value of `value` in JavaScript.
fn is_true_in_javascript(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

/// The text of `number` in JavaScript, without the `.0` of a whole number.
fn in_javascript(number: &Number) -> String {
    match number.as_f64() {
        // Whole numbers of this size are exact in f64.
        Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
        _ => number.to_string(),
    }
}

fn type_error(found: &Value, accepted: &str) -> String {
    format!("found {}; accepted: {accepted}", describe(found))
}

/// Describes `value` for messages; long strings are truncated.
pub fn describe(value: &Value) -> String {
    const SHOWN: usize = 40;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => match text.char_indices().nth(SHOWN) {
            None => format!("{text:?}"),
            Some((end, _)) => format!("{:?}", format!("{}…", &text[..end])),
        },
        Value::Array(entries) if entries.is_empty() => "an empty array".to_owned(),
        Value::Array(entries) if entries.len() == 1 => "an array with 1 entry".to_owned(),
        Value::Array(entries) => format!("an array with {} entries", entries.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Applies `read` to `value`; returns its result and the problems as text.
    fn reading<T>(value: &Value, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
        let mut problems = Problems::new();
        let mut reader = Reader::new(value, "pages[0]".into(), &mut problems).expect("an object");
        let result = read(&mut reader);
        (result, problems.into_vec().iter().map(ToString::to_string).collect())
    }

    /// Like [`reading`] in forgiving mode; the second list has the replaced values.
    fn forgiving<T>(value: &Value, read: impl FnOnce(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
        let mut problems = Problems::forgiving();
        let result = read(&mut Reader::new(value, JsonPath::root(), &mut problems).expect("an object"));
        let (refused, replaced) = problems.into_refused_and_replaced();
        assert_eq!(refused, []);
        (result, replaced.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn forgiving_mode_replaces_wrong_values() {
        let value = json!({"a": "150%", "b": "false", "c": 0, "d": 5, "e": 2.0, "f": true, "g": "fish", "h": 7, "i": [4, "x"],
            "j": {}});
        let (found, replaced) = forgiving(&value, |r| {
            let accepted = [("arrow", 1), ("bar", 2)];
            let flags = [r.flag("b"), r.flag("c"), r.flag("f")];
            let texts = ["d", "e", "f", "j"].map(|key| r.string(key).map(Cow::into_owned));
            (r.number("a"), flags, texts, r.one_of("g", &accepted), r.object("h").is_some(), r.numbers("i"))
        });
        let texts = ["5", "2", "true"].map(|text| Some(text.to_owned()));
        let texts: Vec<_> = texts.into_iter().chain([None]).collect();
        assert_eq!((found.0, found.1), (None, [Some(true), Some(false), Some(true)]));
        assert_eq!((found.2.to_vec(), found.3, found.4, found.5), (texts, None, false, Some(vec![4.0])));
        assert_eq!(
            replaced,
            [
                "b: found \"false\"; accepted: true or false; read as true, as the editor does",
                "c: found the number 0; accepted: true or false; read as false, as the editor does",
                "j: found an object; accepted: a string; the default is used",
                "a: found \"150%\"; accepted: a number; the default is used",
                "g: found \"fish\"; accepted: arrow, bar; the default is used",
                "h: found the number 7; accepted: an object; the default is used",
                "i[1]: found \"x\"; accepted: a number; left out",
            ]
        );
    }

    #[test]
    fn number_accepts_numeric_strings_but_no_infinity() {
        let value = json!({"a": "100", "b": " -1.5e1 ", "c": 7, "d": null, "e": "NaN", "f": "inf", "g": "1e999", "h": "",
            "i": [1], "j": true, "k": "10px"});
        let (numbers, problems) = reading(&value, |r| {
            ["a", "b", "c", "d", "none", "e", "f", "g", "h", "i", "j", "k"].map(|key| r.number(key))
        });
        assert_eq!(numbers[..3], [Some(100.0), Some(-15.0), Some(7.0)]);
        assert_eq!(numbers[3..], [None; 9]);
        assert_eq!(problems.len(), 7);
        assert_eq!(problems[0], "pages[0].e: found \"NaN\"; accepted: a number");
        assert_eq!(problems[4], "pages[0].i: found an array with 1 entry; accepted: a number");
    }

    #[test]
    fn one_of_lists_what_is_accepted() {
        let accepted = [("", 0), ("arrow", 1), ("bar", 2)];
        let value = json!({"a": "Arrow", "b": "", "c": "x".repeat(1000), "d": 1});
        let (found, problems) = reading(&value, |r| ["a", "b", "c", "d"].map(|key| r.one_of(key, &accepted)));
        assert_eq!(found, [Some(1), None, None, None]);
        assert_eq!(problems[0], format!("pages[0].c: found \"{}…\"; accepted: arrow, bar", "x".repeat(40)));
        assert_eq!(problems[1], "pages[0].d: found the number 1; accepted: arrow, bar");
    }

    #[test]
    fn array_skips_null_and_keeps_indices() {
        let value = json!({"a": [null, {"x": 1}, 5, {"x": "?"}], "b": [1, null, "2", {}], "c": {}});
        let (found, problems) = reading(&value, |r| {
            let mut seen = Vec::new();
            r.objects("a", |index, mut entry| seen.push((index, entry.number("x"))));
            r.objects("c", |_, _| unreachable!("not an array"));
            (seen, r.numbers("b"), r.numbers("none"))
        });
        assert_eq!(found, (vec![(1, Some(1.0)), (3, None)], Some(vec![1.0, 2.0]), None));
        assert_eq!(
            problems,
            [
                "pages[0].a[2]: found the number 5; accepted: an object",
                "pages[0].a[3].x: found \"?\"; accepted: a number",
                "pages[0].c: found an object; accepted: an array",
                "pages[0].b[3]: found an object; accepted: a number",
            ]
        );
    }

    #[test]
    fn name_has_a_maximum_length() {
        let value = json!({"a": "é".repeat(1000), "b": "é".repeat(1001), "c": 5});
        let (found, problems) = reading(&value, |r| ["a", "b", "c", "d"].map(|key| r.name(key).map(|name| name.len())));
        assert_eq!(found, [Some(2000), None, None, None]);
        assert_eq!(
            problems,
            [
                "pages[0].b: this name has 1001 characters; the limit is 1000 (fixed)",
                "pages[0].c: found the number 5; accepted: a string",
            ]
        );
    }

    #[test]
    fn object_accepts_the_empty_array_of_php() {
        let value = json!({"a": [], "b": {"x": 1}, "c": [1], "d": null});
        let (found, problems) = reading(&value, |r| ["a", "b", "c", "d"].map(|key| r.object(key).is_some()));
        assert_eq!(found, [false, true, false, false]);
        assert_eq!(problems, ["pages[0].c: found an array with 1 entry; accepted: an object"]);
    }
}
