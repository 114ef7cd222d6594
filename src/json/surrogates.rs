//! Replaces unpaired surrogates, which JavaScript writes where a text was cut inside a character.

/// The escape of U+FFFD, without the backslash.
const REPLACEMENT: &[u8] = b"ufffd";

/// Returns `json` with every escape of an unpaired surrogate replaced by that of U+FFFD, which has the same length, so
/// that positions in messages stay correct. `None` when there is none. Invalid JSON stays as it is.
pub(super) fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let mut result = None;
    let mut at = 0;
    while let Some(found) = json.get(at..)?.iter().position(|byte| *byte == b'\\') {
        let escape = at + found + 1;
        at = match unit(json, escape) {
            Some(0xD800..=0xDBFF) if is_low_half(json, escape + 5) => escape + 11,
            Some(0xD800..=0xDFFF) => {
                result.get_or_insert_with(|| json.to_vec())[escape..escape + 5].copy_from_slice(REPLACEMENT);
                escape + 5
            }
            // Skip one character, which may be the second backslash.
            _ => escape + 1,
        };
    }
    result
}

/// The UTF-16 code unit of an escape `uXXXX` at `at`, after its backslash.
fn unit(json: &[u8], at: usize) -> Option<u32> {
    let digits = json.get(at..at + 5)?.strip_prefix(b"u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|it| it.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u32::from_str_radix(digits, 16).ok()
}

fn is_low_half(json: &[u8], backslash: usize) -> bool {
    json.get(backslash) == Some(&b'\\') && matches!(unit(json, backslash + 1), Some(0xDC00..=0xDFFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogates_without_their_pair_are_replaced() {
        for (json, expected) in [
            (r"\ud800", r"\ufffd"),
            (r"\uDFFF\uD83D\uDE00", r"\ufffd\uD83D\uDE00"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\ud83d\n", r"\ufffd\n"),
            (r"\\\ud800\\ud800", r"\\\ufffd\\ud800"),
        ] {
            assert_eq!(replaced(json.as_bytes()).as_deref(), Some(expected.as_bytes()), "{json}");
        }
    }

    #[test]
    fn surrogates_in_pairs_and_broken_escapes_stay() {
        for json in
            [r"", r"a", r"\", r"\u", r"\ud8", r"\ud80g", r"\u+800", r"\\ud800", r"\ud83d\ude00", r"\u00e9", r"é\"]
        {
            assert_eq!(replaced(json.as_bytes()), None, "{json}");
        }
    }
}
