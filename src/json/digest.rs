//! A JSON value as one number: the same for the same contents, however they were written down.

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// Handed to the hash at once: many small pieces cost more than their bytes.
const PIECE_BYTES: usize = 8 << 10;

/// How [`digest`] looks at a value.
pub struct Canon<'a> {
    /// Names of members that are objects in which the order of members means something.
    pub ordered: &'a [&'a str],
    /// The place of a string among those that are hashed elsewhere; it then stands for the string.
    pub elsewhere: &'a dyn Fn(&str) -> Option<usize>,
}

/// SHA-256 of what `value` says. White space, escapes and the order of members make no difference (except in
/// [`Canon::ordered`]); numbers count as read, so that `1e2` is `100.0`, but not `100`, which has another text.
///
/// Recurses as deep as `value`, which `json::parse` bounds.
pub fn digest(value: &Value, canon: &Canon<'_>) -> [u8; 32] {
    let mut feed = Feed { hash: Sha256::new(), piece: Vec::with_capacity(PIECE_BYTES), canon };
    feed.value(value, false);
    feed.hash.update(&feed.piece);
    feed.hash.finalize().into()
}

/// Every value begins with a byte for its kind; whatever varies in length is preceded by its length, so that no two
/// values are written alike.
struct Feed<'a> {
    hash: Sha256,
    /// Not handed to the hash yet.
    piece: Vec<u8>,
    canon: &'a Canon<'a>,
}

impl Feed<'_> {
    fn value(&mut self, value: &Value, ordered: bool) {
        match value {
            Value::Null => self.write(b"0"),
            Value::Bool(flag) => self.write(if *flag { b"t" } else { b"f" }),
            Value::Number(number) => self.number(number),
            Value::String(text) => match (self.canon.elsewhere)(text) {
                Some(place) => self.head(b'@', place),
                None => self.text(text),
            },
            Value::Array(entries) => {
                self.head(b'[', entries.len());
                entries.iter().for_each(|entry| self.value(entry, false));
            }
            Value::Object(members) => self.object(members, ordered),
        }
    }

    fn object(&mut self, members: &Map<String, Value>, ordered: bool) {
        self.head(if ordered { b'<' } else { b'{' }, members.len());
        let mut members: Vec<_> = members.iter().collect();
        if !ordered {
            members.sort_unstable_by_key(|(name, _)| *name);
        }
        for (name, value) in members {
            self.text(name);
            self.value(value, self.canon.ordered.contains(&name.as_str()));
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
        self.head(b'"', text.len());
        self.write(text.as_bytes());
    }

    fn head(&mut self, kind: u8, number: usize) {
        self.write(&[kind]);
        self.write(&(number as u64).to_le_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.piece.len() + bytes.len() > PIECE_BYTES {
            self.hash.update(&self.piece);
            self.piece.clear();
        }
        if bytes.len() > PIECE_BYTES {
            self.hash.update(bytes);
        } else {
            self.piece.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> [u8; 32] {
        let value = serde_json::from_str(text).expect("JSON");
        digest(&value, &Canon { ordered: &["filters"], elsewhere: &|text| (text == "elsewhere").then_some(7) })
    }

    #[test]
    fn digest_does_not_see_how_a_value_was_written() {
        assert_eq!(of(r#"{"a": 1, "b": [true, null]}"#), of("{\"b\":[true,null],\n\t\"a\":1}"));
        assert_eq!(of(r#"{"o": {"x": 1e2, "y": "é"}}"#), of(r#"{"o": {"y": "\u00e9", "x": 100.0}}"#));
    }

    #[test]
    fn digest_tells_values_apart() {
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
            "\"elsewhere\"",
            "18446744073709551615",
        ];
        let digests: std::collections::HashSet<_> = texts.iter().map(|text| of(text)).collect();
        assert_eq!(digests.len(), texts.len());
    }

    #[test]
    fn digest_sees_the_order_where_it_means_something() {
        assert_eq!(of(r#"{"custom": {"a": 1, "b": 2}}"#), of(r#"{"custom": {"b": 2, "a": 1}}"#));
        assert_ne!(of(r#"{"filters": {"a": 1, "b": 2}}"#), of(r#"{"filters": {"b": 2, "a": 1}}"#));
        let below = r#"{"filters": {"a": {"x": 1, "y": 2}}}"#;
        assert_eq!(of(below), of(r#"{"filters": {"a": {"y": 2, "x": 1}}}"#));
    }

    #[test]
    fn digest_does_not_depend_on_where_pieces_end() {
        let value = |length: usize| Value::from(vec!["x".repeat(length), "y".repeat(3)]);
        let canon = Canon { ordered: &[], elsewhere: &|_| None };
        for length in [PIECE_BYTES - 30, PIECE_BYTES - 9, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let mut whole = vec![b'['];
            whole.extend(2u64.to_le_bytes());
            for text in ["x".repeat(length), "y".repeat(3)] {
                whole.push(b'"');
                whole.extend((text.len() as u64).to_le_bytes());
                whole.extend(text.as_bytes());
            }
            assert_eq!(digest(&value(length), &canon), <[u8; 32]>::from(Sha256::digest(&whole)), "{length}");
        }
    }
}
