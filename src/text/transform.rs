//! Letter case of texts (`textTransform`): upper case, lower case, capitalised words.

/// The letter case that is applied to a text before shaping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// Letters keep their case.
    #[default]
    None,
    /// All letters in upper case; ß becomes SS.
    Upper,
    /// All letters in lower case.
    Lower,
    /// The first letter of each word in upper case, the others unchanged.
    Capitalize,
}

/// Applies `case` to one run on its own, so that a run that begins inside a word is capitalised too (rendering.md
/// §9.5).
pub fn apply(case: Case, text: &str) -> String {
    match case {
        Case::None => text.to_owned(),
        Case::Upper => text.to_uppercase(),
        Case::Lower => text.to_lowercase(),
        Case::Capitalize => capitalize(text),
    }
}

/// Capitalises each letter after the start, white space or punctuation; an apostrophe is no boundary (rendering.md
/// §9.5).
fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut boundary = true;
    for c in text.chars() {
        if c.is_alphanumeric() {
            if boundary {
                out.extend(c.to_uppercase())
            } else {
                out.push(c)
            }
            boundary = false;
        } else {
            out.push(c);
            // Symbols and combining marks are neither letters nor word boundaries.
            boundary = c.is_whitespace() || (is_punctuation(c) && !matches!(c, '\'' | '’'));
        }
    }
    out
}

/// True for the common characters of general category P.
fn is_punctuation(c: char) -> bool {
    let symbol = matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~');
    (c.is_ascii_punctuation() && !symbol)
        || matches!(
            c,
            '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
                | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}'
                | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitalize_knows_apostrophes_hyphens_and_brackets() {
        assert_eq!(apply(Case::Capitalize, "o'clock x-ray (abc) don’t"), "O'clock X-Ray (Abc) Don’t");
    }

    #[test]
    fn capitalize_takes_no_symbol_for_punctuation() {
        assert_eq!(apply(Case::Capitalize, "a/b?c=d $e #f 1g"), "A/B?C=d $e #F 1g");
    }

    #[test]
    fn upper_case_of_sharp_s_is_two_letters() {
        assert_eq!(apply(Case::Upper, "Straße"), "STRASSE");
    }
}
