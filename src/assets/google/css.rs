//! Parser for the `@font-face` rules of a font service's style sheet. It supports the CSS that such sheets use:
//! comments, quotes and `url()`.

use std::ops::RangeInclusive;

use url::Url;

/// Values of `format()` that `decode` supports. Sources in others, such as `embedded-opentype` and `svg`, are skipped.
const SUPPORTED_FORMATS: &[&str] = &["truetype", "opentype", "woff", "woff2"];

/// A `@font-face` rule that has a file in a supported format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FaceRule {
    /// Absolute URL of the first file in a supported format.
    pub(super) url: Url,
    /// Value of `font-weight`: a single weight, or the range of a variable font.
    pub(super) weights: RangeInclusive<u16>,
    /// True when `font-style` is not normal.
    pub(super) italic: bool,
    /// True when `unicode-range` is absent or contains `A`. Of a family that is split by script, this file comes first.
    pub(super) latin: bool,
}

/// Parses the rules of `css` and returns those with Latin letters first, otherwise in order. `base`: URL of the sheet.
pub(super) fn parse(css: &str, base: &Url) -> Vec<FaceRule> {
    let css = without_comments(css);
    let mut rest = css.as_str();
    let mut rules = Vec::new();
    while let Some(at) = find_ignoring_case(rest, "@font-face") {
        rest = &rest[at + "@font-face".len()..];
        let Some(open) = find_outside(rest, '{') else { break };
        let body = &rest[open + 1..];
        let end = find_outside(body, '}').unwrap_or(body.len());
        rules.extend(rule(&body[..end], base));
        rest = &body[end..];
    }
    rules.sort_by_key(|rule| !rule.latin);
    rules
}

fn rule(body: &str, base: &Url) -> Option<FaceRule> {
    let (mut url, mut weights, mut italic, mut latin) = (None, 400..=400, false, true);
    for declaration in split_outside(body, ';') {
        let Some((name, value)) = declaration.split_once(':') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "src" => url = split_outside(value, ',').find_map(|source| source_url(source, base)),
            "font-weight" => weights = weight_range(value).unwrap_or(weights),
            "font-style" => italic = !value.eq_ignore_ascii_case("normal"),
            "unicode-range" => latin = split_outside(value, ',').any(|range| range_contains(range, 'A')),
            _ => {}
        }
    }
    Some(FaceRule { url: url?, weights, italic, latin })
}

/// URL of a source such as `url("…") format("woff2")`; `None` for `local()` and formats that are not supported.
fn source_url(source: &str, base: &Url) -> Option<Url> {
    let (url, rest) = source.trim().strip_prefix("url(")?.split_once(')')?;
    let format = rest.trim().strip_prefix("format(").and_then(|format| format.split_once(')'));
    let is_supported = |format: &str| SUPPORTED_FORMATS.contains(&unquoted(format).to_ascii_lowercase().as_str());
    if format.is_some_and(|(format, _)| !is_supported(format)) {
        return None;
    }
    base.join(unquoted(url)).ok()
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

fn weight_range(value: &str) -> Option<RangeInclusive<u16>> {
    let weight = |word: &str| match word.to_ascii_lowercase().as_str() {
        "normal" => Some(400),
        "bold" => Some(700),
        number => {
            number.parse::<f32>().ok().filter(|weight| (1.0..=1000.0).contains(weight)).map(|weight| weight as u16)
        }
    };
    let mut words = value.split_ascii_whitespace();
    let first = weight(words.next()?)?;
    let last = words.next().map_or(Some(first), weight)?;
    Some(first.min(last)..=first.max(last))
}

/// True when the `unicode-range` entry `range` contains `c`; its forms are `U+41`, `U+0-FF` and `U+4??`.
fn range_contains(range: &str, c: char) -> bool {
    let Some(range) = range.trim().strip_prefix(['U', 'u']).and_then(|range| range.strip_prefix('+')) else {
        return false;
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let code = |digits: &str, wildcard: &str| u32::from_str_radix(&digits.trim().replace('?', wildcard), 16).ok();
    let (first, last) = (code(first, "0"), code(last, "F"));
    first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&u32::from(c)))
}

fn without_comments(css: &str) -> String {
    let mut stripped = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(start) = rest.find("/*") {
        stripped.push_str(&rest[..start]);
        rest = rest[start + 2..].split_once("*/").map_or("", |(_, rest)| rest);
    }
    stripped + rest
}

fn find_ignoring_case(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// Byte offset of the first `stop` outside quotes and parentheses.
fn find_outside(text: &str, stop: char) -> Option<usize> {
    let (mut quote, mut depth) = (None, 0u32);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = (c != open).then_some(open),
            (None, '"' | '\'') => quote = Some(c),
            (None, _) if c == stop && depth == 0 => return Some(at),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn split_outside(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = find_outside(text, separator) else { return rest.take() };
        rest = Some(&text[at + separator.len_utf8()..]);
        Some(&text[..at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(css: &str) -> Vec<(String, RangeInclusive<u16>, bool, bool)> {
        let base = Url::parse("https://fonts.example/css2?family=A").expect("a URL");
        parse(css, &base).into_iter().map(|it| (it.url.to_string(), it.weights, it.italic, it.latin)).collect()
    }

    #[test]
    fn css_google_sheet() {
        let css = "
            /* cyrillic */
            @font-face {
              font-family: 'Roboto';
              font-style: italic;
              font-weight: 100 900;
              font-display: swap;
              src: url(https://fonts.gstatic.com/s/roboto/v1/a.woff2) format('woff2');
              unicode-range: U+0301, U+0400-045F, U+0490-0491;
            }
            /* latin */
            @font-face {
              font-family: 'Roboto';
              font-style: italic;
              font-weight: 100 900;
              src: url(https://fonts.gstatic.com/s/roboto/v1/b.woff2) format('woff2');
              unicode-range: U+0000-00FF, U+0131;
            }";
        assert_eq!(
            rules(css),
            [
                ("https://fonts.gstatic.com/s/roboto/v1/b.woff2".to_owned(), 100..=900, true, true),
                ("https://fonts.gstatic.com/s/roboto/v1/a.woff2".to_owned(), 100..=900, true, false),
            ]
        );
    }

    #[test]
    fn css_mirror_spellings() {
        let css = "@FONT-FACE{font-weight:bold;src:local('A'),url('/a.eot') format('embedded-opentype'),\
                   url( \"../f/a;b.ttf\" )format(truetype)}@font-face{src:url(c.otf)";
        assert_eq!(
            rules(css),
            [
                ("https://fonts.example/f/a;b.ttf".to_owned(), 700..=700, false, true),
                ("https://fonts.example/c.otf".to_owned(), 400..=400, false, true),
            ]
        );
    }

    #[test]
    fn css_without_usable_faces_is_empty() {
        for css in
            ["", "@font-face", "@font-face{", "@font-face{src:local(A)}", "/* @font-face{src:url(a.ttf)}", "a{b:c}"]
        {
            assert_eq!(rules(css), [], "{css}");
        }
    }

    #[test]
    fn css_unicode_range_wildcards() {
        assert!(range_contains(" U+4? ", 'A'));
        assert!(range_contains("u+41", 'A'));
        assert!(!range_contains("U+42-5A", 'A'));
        assert!(!range_contains("U+", 'A'));
        assert!(!range_contains("41", 'A'));
    }
}
