//! The placeholders of a text: `{{name}}` and `{name}`.

use std::borrow::Cow;

/// Maximum length of a placeholder's name, in bytes, which keeps the time for a text full of `{` linear.
const NAME_BYTES: usize = 200;

/// Tags of inline elements, with which an editor may cut a name.
const INLINE: &[&str] = &[
    "span", "strong", "b", "em", "i", "u", "s", "strike", "del", "sub", "sup", "a", "code", "font", "mark", "small",
    "big", "ins",
];

/// The parts of a text in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text without a placeholder.
    Text(&'a str),
    /// A placeholder.
    Placeholder(Placeholder<'a>),
}

/// A placeholder in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    /// As written, braces included.
    pub(super) written: &'a str,
    /// The name, without white space around it and tags inside it.
    pub(super) name: Cow<'a, str>,
    /// Two braces instead of one.
    pub(super) is_double: bool,
    /// Tags inside the braces, which stay in the text: those before the first letter of the name, and those after it.
    pub(super) tags: (String, String),
}

/// Splits `text` at its placeholders. `{name}` is any text between two braces that has no brace inside. `{{name}}` is a
/// name of letters, digits, `_`, `-` and `.`, with white space around it; with `markup`, tags of inline elements may
/// stand anywhere inside it, as where an editor has formatted a part of it.
pub(super) fn parts(text: &str, markup: bool) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(at) = rest[from..].find('{').map(|at| from + at) {
            let found = double(&rest[at..], markup).or_else(|| single(&rest[at..]));
            let Some(placeholder) = found else {
                from = at + 1;
                continue;
            };
            if at > 0 {
                let before = &rest[..at];
                rest = &rest[at..];
                return Some(Part::Text(before));
            }
            rest = &rest[placeholder.written.len()..];
            return Some(Part::Placeholder(placeholder));
        }
        Some(Part::Text(std::mem::take(&mut rest)))
    })
}

/// The `{name}` that `text`, which starts with a brace, starts with.
fn single(text: &str) -> Option<Placeholder<'_>> {
    let after = &text[1..];
    let end = after.bytes().take(NAME_BYTES + 1).position(|byte| matches!(byte, b'{' | b'}'))?;
    if after.as_bytes()[end] != b'}' {
        return None;
    }
    let (written, name) = (&text[..end + 2], Cow::Borrowed(&after[..end]));
    Some(Placeholder { written, name, is_double: false, tags: Default::default() })
}

/// The `{{name}}` that `text`, which starts with a brace, starts with. It ends at the next opening brace at the latest,
/// which keeps the time for a whole text linear.
fn double(text: &str, markup: bool) -> Option<Placeholder<'_>> {
    let mut scan = Scan { text, at: 1, markup, tags: Default::default(), named: false };
    scan.skip_tags()?;
    scan.expect('{')?;
    scan.skip_space()?;
    let mut name = Cow::Borrowed("");
    loop {
        let start = scan.at;
        let run = scan.rest().find(|c| !is_name_char(c)).unwrap_or(scan.rest().len());
        if run > 0 {
            let letters = &text[start..start + run];
            if name.is_empty() {
                name = Cow::Borrowed(letters)
            } else {
                name.to_mut().push_str(letters)
            }
            (scan.at, scan.named) = (start + run, true);
        }
        let before_tags = scan.at;
        scan.skip_tags()?;
        if scan.at == before_tags || name.len() > NAME_BYTES {
            break;
        }
    }
    scan.skip_space()?;
    scan.expect('}')?;
    scan.skip_tags()?;
    scan.expect('}')?;
    let found = !name.is_empty() && name.len() <= NAME_BYTES;
    found.then(|| Placeholder { written: &text[..scan.at], name, is_double: true, tags: scan.tags })
}

/// Whether names in double braces may contain `c`.
fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// A position in a placeholder.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    markup: bool,
    tags: (String, String),
    /// Whether a letter of the name was read.
    named: bool,
}

impl<'a> Scan<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.at += self.rest().starts_with(c).then(|| c.len_utf8())?;
        Some(())
    }

    /// Skips white space, written as such or as `&nbsp;`, and tags.
    fn skip_space(&mut self) -> Option<()> {
        loop {
            let before = self.at;
            self.at += self.rest().len() - self.rest().trim_start().len();
            if self.markup && self.rest().starts_with("&nbsp;") {
                self.at += "&nbsp;".len();
            }
            self.skip_tags()?;
            if self.at == before {
                return Some(());
            }
        }
    }

    /// Collects the tags of inline elements at the current position; `None` for a tag of another element, which ends
    /// what could be a placeholder.
    fn skip_tags(&mut self) -> Option<()> {
        while self.markup && self.rest().starts_with('<') {
            let inside = &self.rest()[1..];
            let end = inside.find(['>', '<', '{', '}'])?;
            let name = inside[..end].strip_prefix('/').unwrap_or(&inside[..end]);
            let name = name.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default().to_ascii_lowercase();
            if inside.as_bytes()[end] != b'>' || !INLINE.contains(&name.as_str()) {
                return None;
            }
            let tag = &self.rest()[..end + 2];
            let tags = if self.named { &mut self.tags.1 } else { &mut self.tags.0 };
            tags.push_str(tag);
            self.at += tag.len();
        }
        Some(())
    }
}

/// Whether a name looks like a placeholder's: `{first_name}` and `{user.name}` do, `{}` and `{ a: b }` do not.
pub(super) fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_name_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in `text`, each with the tags around its value.
    fn names(text: &str) -> Vec<(String, usize, String)> {
        let named = parts(text, true).filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Placeholder(it) => {
                let tags = [it.tags.0, it.tags.1].join("|");
                Some((it.name.into_owned(), if it.is_double { 2 } else { 1 }, tags))
            }
        });
        named.collect()
    }

    fn one(name: &str, braces: usize, tags: &str) -> Vec<(String, usize, String)> {
        vec![(name.to_owned(), braces, tags.to_owned())]
    }

    #[test]
    fn names_stand_in_one_brace_or_two() {
        assert_eq!(names("Dear {first name}!"), one("first name", 1, "|"));
        for text in ["{{user.name-1_é}}", "{{ user.name-1_é }}", "{{\u{a0}user.name-1_é&nbsp;}}", "{{{user.name-1_é}}}"]
        {
            assert_eq!(names(text), one("user.name-1_é", 2, "|"), "{text}");
        }
        assert_eq!(names("{{a b}}"), one("a b", 1, "|"), "white space inside is not of a name in two braces");
        assert_eq!(names("{{}} {{ }} { {a"), [one("", 1, "|"), one(" ", 1, "|")].concat());
    }

    #[test]
    fn names_may_be_cut_by_inline_tags_which_stay() {
        assert_eq!(names("{{first_<b>name</b>}}"), one("first_name", 2, "|<b></b>"));
        assert_eq!(names("{{<b>na</b>me}}"), one("name", 2, "<b>|</b>"));
        let spans = "{<span style=\"color: red\">{</span> name<em>}</em>}";
        assert_eq!(names(spans), one("name", 2, "<span style=\"color: red\"></span>|<em></em>"));
        assert_eq!(names("<p>{{na</p><p>me}}</p>"), one("na</p><p>me", 1, "|"), "two blocks");
    }

    #[test]
    fn parts_together_are_the_text() {
        for text in ["", "{", "a{b}c{{d}}{{e", "{{<b>x</b>}} {", "{{{{x}}}}", "{a}}", "ä{ö}ü"] {
            let joined: String = parts(text, true)
                .map(|part| match part {
                    Part::Text(text) => text.to_owned(),
                    Part::Placeholder(it) => it.written.to_owned(),
                })
                .collect();
            assert_eq!(joined, text);
        }
    }

    #[test]
    fn text_full_of_braces_and_tags_takes_one_pass() {
        for text in ["{".repeat(1_000_000), "{{<b>".repeat(200_000), "{{a".repeat(300_000), "{{<b ".repeat(200_000)] {
            assert!(names(&text).is_empty());
        }
    }
}
