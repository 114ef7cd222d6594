//! Limits checked in one pass over the raw bytes, before a parser allocates anything.

/// Maximum number of values (scalars, arrays, objects) of one body. A parsed value takes about 80 bytes where `0,`
/// takes two, so without this limit a body of a few megabytes could exhaust the memory. 20 000 elements
/// (`TENTER_MAX_ELEMENTS`) with every field of the format come to 1.2 million.
const MAX_VALUES: usize = 4_000_000;

/// A limit that the body exceeds.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum LimitExceeded {
    #[error("arrays and objects are nested too deep; the limit is {limit} (TENTER_MAX_JSON_DEPTH)")]
    TooDeep { limit: usize },
    #[error("this JSON has more than {MAX_VALUES} values, the limit (fixed)")]
    TooManyValues,
}

/// Counts brackets and commas outside strings. Invalid JSON may pass, as the parser refuses it.
pub(super) fn check(bytes: &[u8], max_depth: usize) -> Result<(), LimitExceeded> {
    let (mut depth, mut values) = (0_usize, 1_usize);
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match byte {
            b'"' => rest = after_string(tail),
            b'[' | b'{' => {
                (depth, values) = (depth + 1, values + 1);
                if depth > max_depth {
                    return Err(LimitExceeded::TooDeep { limit: max_depth });
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if values > MAX_VALUES {
            return Err(LimitExceeded::TooManyValues);
        }
    }
    Ok(())
}

/// The bytes after the closing quote of the string inside which `bytes` begins.
fn after_string(mut bytes: &[u8]) -> &[u8] {
    loop {
        match bytes.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
            Some(at) if bytes[at] == b'"' => return &bytes[at + 1..],
            Some(at) => bytes = bytes.get(at + 2..).unwrap_or_default(),
            None => return &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_reads_escapes_as_the_parser_does() {
        assert_eq!(check(br#"["a\"[", "\\", []]"#, 2), Ok(()));
        assert_eq!(check(br#"["\\", [[]]]"#, 2), Err(LimitExceeded::TooDeep { limit: 2 }));
        assert_eq!(check(b"\"abc\\", 2), Ok(()));
    }

    #[test]
    fn guard_counts_values() {
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert_eq!(check(many.as_bytes(), 2), Err(LimitExceeded::TooManyValues));
    }
}
