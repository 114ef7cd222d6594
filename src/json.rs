//! Reading untrusted JSON: every problem at once, each with its path.
//!
//! In: the guard before parsing, a reader over one object with coercions, the list of problems it fills, and a digest of
//! what a value says.
//! Not in: names of fields, what a design or an option means.
//! Imports: `report`.

mod digest;
mod guard;
mod reader;
mod surrogates;

use serde_json::Value;

use crate::report::{JsonPath, Problem};

pub use digest::{Canon, digest};
pub use reader::{Reader, describe};

/// Parses `bytes` (UTF-8, a byte order mark is allowed).
///
/// Arrays and objects may nest `max_depth` deep, the outermost counting 1; checked before anything is built, so a body
/// full of brackets costs one pass over it. Of duplicate keys the last counts; keys keep their order. Half of a surrogate
/// pair (`"\ud800"`), which JavaScript writes and no text holds, is read as U+FFFD.
///
/// # Errors
/// One problem at the root: too deep (naming `TENTER_MAX_JSON_DEPTH`), too many values, or not JSON, with line and column.
pub fn parse(bytes: &[u8], max_depth: usize) -> Result<Value, Problem> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let refused = |message| Problem { path: JsonPath::root(), message };
    guard::check(bytes, max_depth).map_err(|found| refused(found.to_string()))?;
    serde_json::from_slice(bytes)
        .or_else(|error| match surrogates::replaced(bytes) {
            Some(bytes) => serde_json::from_slice(&bytes),
            None => Err(error),
        })
        .map_err(|error| refused(format!("this is not JSON: {error}; accepted: one JSON object in UTF-8")))
}

/// What is wrong with the input, in the order found. Keeps the first [`Problems::KEPT`] and counts the rest, so that a
/// hostile body cannot make its own answer large.
#[derive(Debug, Default)]
pub struct Problems {
    refused: List,
    replaced: List,
    is_forgiving: bool,
    /// Every member that was asked for, with its path, so that tests can hold descriptions against readers.
    #[cfg(test)]
    asked: std::cell::RefCell<std::collections::BTreeSet<String>>,
}

impl Problems {
    /// How many of each list are told one by one.
    pub const KEPT: usize = 100;

    /// Nothing found yet; every wrong value will be a problem.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing found yet; a single value that cannot be used will be replaced by its default, and listed apart.
    pub fn forgiving() -> Self {
        Self { is_forgiving: true, ..Self::default() }
    }

    /// Adds something that makes the whole input unusable.
    pub fn push(&mut self, path: JsonPath, message: impl Into<String>) {
        self.refused.push(path, message.into());
    }

    /// Adds a value that cannot be used as it is written: where values are forgiven, one that is replaced as `replacement`
    /// says, else a problem.
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

    /// True when single values are forgiven.
    pub fn is_forgiving(&self) -> bool {
        self.is_forgiving
    }

    /// True when the input can be used.
    pub fn is_empty(&self) -> bool {
        self.refused.kept.is_empty()
    }

    /// All problems that were kept; when there were more, a last one at the root says how many.
    pub fn into_vec(self) -> Vec<Problem> {
        self.refused.into_vec()
    }

    /// [`Self::into_vec`], and the values that were replaced, bounded and counted likewise.
    pub fn into_refused_and_replaced(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.refused.into_vec(), self.replaced.into_vec())
    }
}

/// The first [`Problems::KEPT`] entries, and how many more there were.
#[derive(Debug, Default)]
struct List {
    kept: Vec<Problem>,
    dropped: usize,
}

impl List {
    fn push(&mut self, path: JsonPath, message: String) {
        if self.kept.len() < Problems::KEPT {
            self.kept.push(Problem { path, message });
        } else {
            self.dropped += 1;
        }
    }

    fn into_vec(mut self) -> Vec<Problem> {
        if self.dropped > 0 {
            self.kept.push(Problem { path: JsonPath::root(), message: format!("and {} more", self.dropped) });
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: &[u8]) -> String {
        parse(bytes, 10).expect_err("refused").message
    }

    #[test]
    fn parse_names_line_and_column() {
        let message = message(b"{\n  \"a\": ,\n}");
        assert!(message.contains("line 2 column 8"), "{message}");
    }

    #[test]
    fn parse_refuses_what_json_is_not() {
        for bad in [&b""[..], b"{\"a\":1e999}", b"\"\\ud80\"", b"NaN", b"\xff\xfe", b"{} {}", b"[1,]", b"'a'", b"]"] {
            assert!(message(bad).contains("this is not JSON"), "{bad:?}");
        }
    }

    #[test]
    fn parse_takes_byte_order_mark_and_last_duplicate() {
        let value = parse(b"\xEF\xBB\xBF{\"b\":1,\"a\":2,\"b\":3}", 10).expect("JSON");
        assert_eq!(value.to_string(), r#"{"b":3,"a":2}"#);
    }

    #[test]
    fn parse_reads_half_a_surrogate_pair_as_the_replacement_character() {
        let value = parse(br#"{"a":"x\ud800y","b":"\udc00","c":"\ud83d\ude00\ud83d"}"#, 10).expect("JSON");
        assert_eq!(value, serde_json::json!({"a": "x\u{fffd}y", "b": "\u{fffd}", "c": "😀\u{fffd}"}));
        assert!(message(br#"{"a":"\ud800",}"#).contains("line 1 column 15"));
    }

    #[test]
    fn parse_limits_depth_and_names_the_setting() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(10).as_bytes(), 10).is_ok());
        let message = message(nested(11).as_bytes());
        assert!(message.contains("10 (TENTER_MAX_JSON_DEPTH)"), "{message}");
        assert!(parse("[".repeat(50_000_000).as_bytes(), 100).is_err());
        assert!(parse(br#"["[[[[[[[[[[[[[[[\"[[[[[[["]"#, 10).is_ok(), "brackets in strings do not nest");
    }

    #[test]
    fn problems_are_bounded() {
        let mut problems = Problems::new();
        for index in 0..Problems::KEPT + 7 {
            problems.push(JsonPath::root().index(index), "wrong");
        }
        let all = problems.into_vec();
        assert_eq!(all.len(), Problems::KEPT + 1);
        assert_eq!(all[Problems::KEPT].message, "and 7 more");
    }

    #[test]
    fn problems_with_values_are_kept_apart_where_they_are_forgiven() {
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
