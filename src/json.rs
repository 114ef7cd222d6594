//! Reads untrusted JSON and reports all problems at once, each with its path.
//!
//! In: [`JsonParser`], which checks limits before it parses; [`Reader`], a typed reader for one object; [`Problems`],
//! the list that it fills; and a digest of a value. Imports: `report`, `hash`.

mod digest;
mod guard;
mod reader;
mod surrogates;

use serde_json::Value;

use crate::report::{JsonPath, Problem};

pub use digest::{DigestOptions, digest};
pub use reader::{Reader, describe};

/// Parser of JSON text with the limits of the service.
#[derive(Clone, Copy, Debug)]
pub struct JsonParser {
    max_depth: usize,
}

impl JsonParser {
    /// Creates a parser. `max_depth`: how deep arrays and objects may nest (`TENTER_MAX_JSON_DEPTH`), where the
    /// outermost counts as 1.
    pub const fn new(max_depth: usize) -> Self {
        Self { max_depth }
    }

    /// Parses `bytes` (UTF-8, with or without a byte order mark).
    ///
    /// The limits are checked before anything is allocated, so a body full of brackets costs one pass over it. Of
    /// duplicate keys the last counts; keys keep their order. An unpaired surrogate (`"\ud800"`), which JavaScript can
    /// write, is read as U+FFFD.
    ///
    /// # Errors
    /// One problem at the root: nested too deep (naming `TENTER_MAX_JSON_DEPTH`), too many values, or not JSON, with
    /// line and column.
    pub fn parse(self, bytes: &[u8]) -> Result<Value, Problem> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let refused = |message| Problem { path: JsonPath::root(), message };
        guard::check(bytes, self.max_depth).map_err(|exceeded| refused(exceeded.to_string()))?;
        serde_json::from_slice(bytes)
            .or_else(|error| match surrogates::replaced(bytes) {
                Some(bytes) => serde_json::from_slice(&bytes),
                None => Err(error),
            })
            .map_err(|error| refused(format!("this is not JSON: {error}; accepted: one JSON object in UTF-8")))
    }
}

/// List of problems in the input, in the order found. Stores the first [`Problems::MAX_LISTED`] and counts the rest, so
/// that a hostile request cannot make its own answer large.
#[derive(Debug, Default)]
pub struct Problems {
    refused: BoundedList,
    replaced: BoundedList,
    is_forgiving: bool,
    /// Every member that was asked for, with its path, so that tests can hold descriptions against readers.
    #[cfg(test)]
    asked: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl Problems {
    /// Maximum number of stored problems, and of replaced values.
    pub const MAX_LISTED: usize = 100;

    /// Creates an empty list; every wrong value will be a problem.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty list that replaces unusable values by their defaults and lists them separately.
    pub fn forgiving() -> Self {
        Self { is_forgiving: true, ..Self::default() }
    }

    /// Adds a problem that makes the whole input unusable.
    pub fn push(&mut self, path: JsonPath, message: impl Into<String>) {
        self.refused.push(path, message.into());
    }

    /// Adds an unusable value. In forgiving mode it is listed as replaced, as `replacement` describes; otherwise it is
    /// a problem.
    pub fn push_value(&mut self, path: JsonPath, message: impl Into<String>, replacement: &str) {
        let message = message.into();
        if self.is_forgiving {
            self.replaced.push(path, format!("{message}; {replacement}"));
        } else {
            self.refused.push(path, message);
        }
    }

    /// Paths of all members that readers asked for, whether they were there or not.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> std::collections::BTreeSet<String> {
        self.asked.borrow().clone()
    }

    /// Whether unusable values are replaced instead of refused.
    pub fn is_forgiving(&self) -> bool {
        self.is_forgiving
    }

    /// Whether there are no problems, so that the input can be used.
    pub fn is_empty(&self) -> bool {
        self.refused.entries.is_empty()
    }

    /// The stored problems; if there were more, a last one at the root has their number.
    pub fn into_vec(self) -> Vec<Problem> {
        self.refused.into_vec()
    }

    /// The result of [`Self::into_vec`], and the replaced values in the same form.
    pub fn into_refused_and_replaced(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.refused.into_vec(), self.replaced.into_vec())
    }
}

/// The first [`Problems::MAX_LISTED`] entries and the number of further ones.
#[derive(Debug, Default)]
struct BoundedList {
    entries: Vec<Problem>,
    dropped: usize,
}

impl BoundedList {
    fn push(&mut self, path: JsonPath, message: String) {
        if self.entries.len() < Problems::MAX_LISTED {
            self.entries.push(Problem { path, message });
        } else {
            self.dropped += 1;
        }
    }

    fn into_vec(mut self) -> Vec<Problem> {
        if self.dropped > 0 {
            self.entries.push(Problem { path: JsonPath::root(), message: format!("and {} more", self.dropped) });
        }
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8]) -> String {
        JsonParser::new(10).parse(bytes).expect_err("refused").message
    }

    #[test]
    fn parse_names_line_and_column() {
        let message = message(b"{\n  \"a\": ,\n}");
        assert!(message.contains("line 2 column 8"), "{message}");
    }

    #[test]
    fn parse_refuses_invalid_json() {
        for bad in [&b""[..], b"{\"a\":1e999}", b"\"\\ud80\"", b"NaN", b"\xff\xfe", b"{} {}", b"[1,]", b"'a'", b"]"] {
            assert!(message(bad).contains("this is not JSON"), "{bad:?}");
        }
    }

    #[test]
    fn parse_takes_byte_order_mark_and_last_duplicate() {
        let value = JsonParser::new(10).parse(b"\xEF\xBB\xBF{\"b\":1,\"a\":2,\"b\":3}").expect("JSON");
        assert_eq!(value.to_string(), r#"{"b":3,"a":2}"#);
    }

    #[test]
    fn parse_reads_half_a_surrogate_pair_as_the_replacement_character() {
        let value =
            JsonParser::new(10).parse(br#"{"a":"x\ud800y","b":"\udc00","c":"\ud83d\ude00\ud83d"}"#).expect("JSON");
        assert_eq!(value, serde_json::json!({"a": "x\u{fffd}y", "b": "\u{fffd}", "c": "😀\u{fffd}"}));
        assert!(message(br#"{"a":"\ud800",}"#).contains("line 1 column 15"));
    }

    #[test]
    fn parse_limits_depth_and_names_the_setting() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(JsonParser::new(10).parse(nested(10).as_bytes()).is_ok());
        let message = message(nested(11).as_bytes());
        assert!(message.contains("10 (TENTER_MAX_JSON_DEPTH)"), "{message}");
        assert!(JsonParser::new(100).parse("[".repeat(50_000_000).as_bytes()).is_err());
        assert!(
            JsonParser::new(10).parse(br#"["[[[[[[[[[[[[[[[\"[[[[[[["]"#).is_ok(),
            "brackets in strings do not nest"
        );
    }

    #[test]
    fn problems_are_bounded() {
        let mut problems = Problems::new();
        for index in 0..Problems::MAX_LISTED + 7 {
            problems.push(JsonPath::root().index(index), "wrong");
        }
        let all = problems.into_vec();
        assert_eq!(all.len(), Problems::MAX_LISTED + 1);
        assert_eq!(all[Problems::MAX_LISTED].message, "and 7 more");
    }

    #[test]
    fn replaced_values_are_listed_separately_in_forgiving_mode() {
        let both = |mut problems: Problems| {
            problems.push("a".into(), "missing");
            problems.push_value("b".into(), "wrong", "read as 1");
            let (refused, replaced) = problems.into_refused_and_replaced();
            [refused, replaced].map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(both(Problems::new()), [vec!["a: missing", "b: wrong"], vec![]]);
        assert_eq!(both(Problems::forgiving()), [vec!["a: missing"], vec!["b: wrong; read as 1"]]);
    }
}
