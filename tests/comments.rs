//! Checks the form of the sources: doc comments of public items have more than three words, and lines fit `max_width`.

use std::fs;
use std::path::Path;

/// Number of words that a doc comment of a public item must exceed.
const FEW_WORDS: usize = 3;

#[test]
fn doc_comments_of_public_items_have_more_than_three_words() {
    let mut short = Vec::new();
    visit(Path::new("src"), &mut |path, source| {
        for (line, words) in public_doc_comments(source) {
            if words <= FEW_WORDS {
                short.push(format!("{}:{line}: a doc comment of {words} words", path.display()));
            }
        }
    });
    assert!(short.is_empty(), "say what the item is, in a sentence:\n{}", short.join("\n"));
}

#[test]
fn lines_are_not_wider_than_rustfmt_allows() {
    let rustfmt: toml::Table = fs::read_to_string("rustfmt.toml").expect("readable").parse().expect("TOML");
    let max_width = rustfmt["max_width"].as_integer().expect("a number") as usize;
    let mut wide = Vec::new();
    for folder in ["src", "tests", "benches"] {
        visit(Path::new(folder), &mut |path, source| {
            let widths = widths(source).into_iter().enumerate().filter(|(_, width)| *width > max_width);
            wide.extend(widths.map(|(at, width)| format!("{}:{}: {width} characters", path.display(), at + 1)));
        });
    }
    assert!(wide.is_empty(), "at most {max_width} characters, strings and URLs not counted:\n{}", wide.join("\n"));
}

/// Line and number of words of each doc comment at the top of a file (`//!`) or on an item that starts with `pub`.
fn public_doc_comments(source: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut lines = source.lines().map(str::trim).enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let Some(marker) = ["///", "//!"].into_iter().find(|it| line.starts_with(it)) else { continue };
        let mut words = count_words(&line[marker.len()..]);
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with(marker)) {
            words += count_words(&line[marker.len()..]);
        }
        if marker == "//!" {
            found.push((at + 1, words));
            continue;
        }
        while lines.peek().is_some_and(|(_, line)| line.starts_with("#[")) {
            while lines.next().is_some_and(|(_, line)| !line.ends_with(']')) {}
        }
        if lines.peek().is_some_and(|(_, line)| line.starts_with("pub ") || line.starts_with("pub(")) {
            found.push((at + 1, words));
        }
    }
    found
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Width of each line in characters, without the contents of string literals and without words that contain `://`.
fn widths(source: &str) -> Vec<usize> {
    let without_strings = without_strings(source);
    let url = |word: &&str| word.contains("://");
    let width =
        |line: &str| line.chars().count() - line.split(' ').filter(url).map(|it| it.chars().count()).sum::<usize>();
    without_strings.split('\n').map(width).collect()
}

/// `source` without the contents of its string literals, but with their line breaks.
fn without_strings(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let (taken, string) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if let Some(length) = char_literal(rest).or_else(|| identifier(rest)) {
            (length, false)
        } else if let Some(length) = string_literal(rest) {
            (length, true)
        } else {
            (c.len_utf8(), false)
        };
        if string {
            result.extend(rest[..taken].chars().filter(|c| *c == '\n'));
        } else {
            result.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    result
}

/// Length in bytes of the string literal at the start of `text`: `"…"` with escapes, or `r"…"` with any number of `#`.
fn string_literal(text: &str) -> Option<usize> {
    let prefix = text.len() - text.trim_start_matches(['b', 'r']).len();
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    let start = prefix + hashes + 1;
    if !text[prefix + hashes..].starts_with('"') {
        return None;
    }
    if text[..prefix].contains('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    let mut escaped = false;
    let end = text[start..].find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(end.map_or(text.len(), |at| start + at + 1))
}

/// Length in bytes of the character literal at the start of `text`; `None` for lifetimes.
fn char_literal(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let first = inside.chars().next()?;
    let length = if first == '\\' { inside[2..].find('\'')? + 2 } else { first.len_utf8() };
    inside[length..].starts_with('\'').then_some(length + 2)
}

/// Length in bytes of the identifier at the start of `text`, unless it is the prefix of a string literal.
fn identifier(text: &str) -> Option<usize> {
    let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (length > 0 && string_literal(text).is_none()).then_some(length)
}

#[test]
fn public_doc_comments_are_found_below_attributes() {
    let source = "//! One two.\n\n/// A.\n/// B c d.\n#[derive(\n    Debug\n)]\npub struct X {\n    /// Own.\n    own: u8,\n\
                  /// Of a.\n    pub(crate) a: u8,\n}\n";
    assert_eq!(public_doc_comments(source), [(1, 2), (3, 4), (11, 2)]);
}

#[test]
fn widths_do_not_count_strings_and_urls() {
    let source =
        "let a = (\"long \\\" text\", b, '\"', \"x\");\n// \"quoted\" https://a.b/c d\nr#\"two \" lines\nlong\"#;";
    assert_eq!(widths(source), ["let a = (, b, '\"', );".len(), "// \"quoted\"  d".len(), 0, 1]);
}

/// Calls `file` with every Rust file below `folder`.
fn visit(folder: &Path, file: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, file);
        } else if path.extension().is_some_and(|it| it == "rs") {
            file(&path, &fs::read_to_string(&path).expect("readable"));
        }
    }
}
