//! Digest of a JSON value that depends only on its content, not on its notation.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::hash::ContentHash;

/// Buffer size of the hash: updating it in small pieces is slower than hashing their bytes.
const BUFFER_BYTES: usize = 8 << 10;

/// Parameters of the function [`digest`].
pub struct DigestOptions<'a> {
    /// Names of members whose values are objects with a significant order of members.
    pub ordered: &'a [&'a str],
    /// Returns the index of a string that is hashed elsewhere; the index then replaces the string.
    pub reference: &'a dyn Fn(&str) -> Option<usize>,
}

/// SHA-256 of the content of `value`. White space, escapes and the order of members make no difference (except in
/// [`DigestOptions::ordered`]). Numbers are compared by type and value: `1e2` equals `100.0`, but not the integer
/// `100`.
///
/// Recurses to the depth of `value`, which `JsonParser` limits.
pub fn digest(value: &Value, options: &DigestOptions<'_>) -> ContentHash {
    let mut writer = HashWriter { hash: Sha256::new(), buffer: Vec::with_capacity(BUFFER_BYTES), options };
    writer.value(value, false);
    writer.hash.update(&writer.buffer);
    writer.hash.into()
}

/// The hash and its input. Every value begins with a byte for its kind, and variable-length data is preceded by its
/// length, so that different values have different input.
struct HashWriter<'a> {
    hash: Sha256,
    /// Bytes that are not hashed yet.
    buffer: Vec<u8>,
    options: &'a DigestOptions<'a>,
}

impl HashWriter<'_> {
    fn value(&mut self, value: &Value, ordered: bool) {
        match value {
            Value::Null => self.write(b"0"),
            Value::Bool(flag) => self.write(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => self.number(number),
            Value::String(text) => match (self.options.reference)(text) {
                Some(index) => self.prefix(b'@', index),
                None => self.text(text),
            },
            Value::Array(entries) => {
                self.prefix(b'[', entries.len());
                entries.iter().for_each(|entry| self.value(entry, false));
            }
            Value::Object(members) => self.object(members, ordered),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, ordered: bool) {
        self.prefix(if ordered { b'<' } else { b'{' }, members.len());
        let mut members: Vec<_> = members.iter().collect();
        if !ordered {
            members.sort_unstable_by_key(|(name, _)| *name);
        }
        for (name, value) in members {
            self.text(name);
            self.value(value, self.options.ordered.contains(&name.as_str()));
        }
    }

    fn number(&mut self, number: &Number) {
        let (kind, bytes) = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => (b'u', number.to_le_bytes()),
            (_, Some(number), _) => (b'i', number.to_le_bytes()),
            (.., number) => (b'd', number.unwrap_or(f64::NAN).to_le_bytes()),
        };
        self.write(&[kind]);
        self.write(&bytes);
    }

    fn text(&mut self, text: &str) {
        self.prefix(b'"', text.len());
        self.write(text.as_bytes());
    }

    fn prefix(&mut self, kind: u8, number: usize) {
        self.write(&[kind]);
        self.write(&(number as u64).to_le_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.hash.update(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > BUFFER_BYTES {
            self.hash.update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> ContentHash {
        let value = serde_json::from_str(text).expect("JSON");
        digest(&value, &DigestOptions { ordered: &["filters"], reference: &|text| (text == "reference").then_some(7) })
    }

    #[test]
    fn digest_ignores_notation() {
        assert_eq!(of(r#"{"a": 1, "b": [true, null]}"#), of("{\"b\":[true,null],\n\t\"a\":1}"));
        assert_eq!(of(r#"{"o": {"x": 1e2, "y": "é"}}"#), of(r#"{"o": {"y": "\u00e9", "x": 100.0}}"#));
    }

    #[test]
    fn digest_differs_for_different_values() {
        let texts = [
            "null",
            "true",
            "false",
            "0",
            "1",
            "-1",
            "1.0",
            "1.5",
            "\"\"",
            "\"1\"",
            "\"a\"",
            "[]",
            "{}",
            "[[]]",
            "[1,2]",
            "[2,1]",
            "[[1],2]",
            "[[1,2]]",
            "{\"a\":1}",
            "{\"a\":\"1\"}",
            "{\"b\":1}",
            "{\"a\":{}}",
            "{\"a\":{\"b\":1}}",
            "{\"a\":1,\"b\":1}",
            "[\"a\",\"b\"]",
            "[\"ab\"]",
            "[\"\",\"ab\"]",
            "\"reference\"",
            "18446744073709551615",
        ];
        let digests: std::collections::HashSet<_> = texts.iter().map(|text| of(text)).collect();
        assert_eq!(digests.len(), texts.len());
    }

    #[test]
    fn digest_depends_on_the_order_of_members_only_where_it_is_significant() {
        assert_eq!(of(r#"{"custom": {"a": 1, "b": 2}}"#), of(r#"{"custom": {"b": 2, "a": 1}}"#));
        assert_ne!(of(r#"{"filters": {"a": 1, "b": 2}}"#), of(r#"{"filters": {"b": 2, "a": 1}}"#));
        let below = r#"{"filters": {"a": {"x": 1, "y": 2}}}"#;
        assert_eq!(of(below), of(r#"{"filters": {"a": {"y": 2, "x": 1}}}"#));
    }

    #[test]
    fn digest_does_not_depend_on_buffer_boundaries() {
        let value = |length: usize| Value::from(vec!["x".repeat(length), "y".repeat(3)]);
        let options = DigestOptions { ordered: &[], reference: &|_| None };
        for length in [BUFFER_BYTES - 30, BUFFER_BYTES - 9, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES] {
            let mut whole = vec![b'['];
            whole.extend(2u64.to_le_bytes());
            for text in ["x".repeat(length), "y".repeat(3)] {
                whole.push(b'"');
                whole.extend((text.len() as u64).to_le_bytes());
                whole.extend(text.as_bytes());
            }
            assert_eq!(digest(&value(length), &options), ContentHash::of(&whole), "{length}");
        }
    }
}
