//! Rich text: the editor's subset of HTML, read into blocks of styled spans (rendering.md §9.9).
//!
//! In: which texts are markup at all, the elements and inline styles known, margins, lists, white space.
//! Not in: line breaking, fonts, anything fetched. Imports: `blocks`, `transform`, `css_color`; html5ever.
//!
//! html5ever reads the text: `tokens` decide whether it is markup, `tree` repairs misnested tags as browsers do, within
//! limits, and `flow` turns the tree to blocks. White space is preserved as in `white-space: pre-wrap`, so that `\n`
//! between two blocks is an empty line.

mod elements;
mod flow;
mod style;
mod tokens;
mod tree;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use self::tokens::MarkupToken;
use super::blocks::{Block, SpanStyle, TextBlocks};
use super::transform::{self, Case};

/// Parses a `text` field as the editor does: as markup or plain text, by its content alone (rendering.md §9.9).
///
/// `base`: the element's own style, in px. `case`: the element's `textTransform`; inline `text-transform` beats it.
/// Accepts any text, in time and memory linear in its length: elements nested deeper than 512 levels and those after
/// half a million have no effect. `TextBlocks::blocks` may be empty: `<p></p>` has no lines.
pub fn parse(text: &str, base: &Arc<SpanStyle>, case: Case) -> TextBlocks {
    read(text, base, Some(case))
}

/// Parses like [`parse`], but keeps the case of all letters, also where markup sets `text-transform`, as the editor
/// does for curved texts.
pub fn parse_as_written(text: &str, base: &Arc<SpanStyle>) -> TextBlocks {
    read(text, base, None)
}

/// `case`: `None` where all letters keep their case.
fn read(text: &str, base: &Arc<SpanStyle>, case: Option<Case>) -> TextBlocks {
    let own_case = case.unwrap_or(Case::None);
    if !text.contains(['<', '&']) {
        return plain(transform::apply(own_case, text), base);
    }
    let tags = tokens::tags(text);
    let tokens = tokens::tokenize(text, &tags);
    if !is_markup(&tokens) {
        return plain(transform::apply(own_case, &tokens::literal(text, &tags)), base);
    }
    flow::Flow::new(base, case).run(&tokens::tree(text, &tags))
}

fn plain(text: String, base: &Arc<SpanStyle>) -> TextBlocks {
    let mut blocks = TextBlocks::plain(text, base.clone());
    blocks.blocks.iter_mut().for_each(Block::take_last_break);
    blocks
}

/// The characters of `text` without tags, with entities decoded. A `</p>` before more text becomes a line break; other
/// tags become nothing, so that `a<br>b` is `ab`.
pub(super) fn text_content(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '&']) {
        return Cow::Borrowed(text);
    }
    let tokens = tokens::tokenize(text, &tokens::tags(text));
    let mut content = String::new();
    let mut paragraph_ended = false;
    for token in tokens {
        match token {
            MarkupToken::Text(text) => {
                if paragraph_ended {
                    content.push('\n');
                }
                paragraph_ended = false;
                content.push_str(&text);
            }
            MarkupToken::End(name) => paragraph_ended |= &*name == "p",
            MarkupToken::Start(_) => {}
        }
    }
    Cow::Owned(content)
}

/// Whether a text is markup. Void elements, `<span>`s without attributes and unknown elements without an end tag do not
/// make it so: `H<br>H` and `<a@b.com>` are drawn as typed.
fn is_markup(tokens: &[MarkupToken]) -> bool {
    let closed: HashSet<&str> = tokens
        .iter()
        .filter_map(|token| match token {
            MarkupToken::End(name) => Some(&**name),
            MarkupToken::Start(_) | MarkupToken::Text(_) => None,
        })
        .collect();
    tokens.iter().any(|token| match token {
        MarkupToken::Start(tag) if elements::is_void(&tag.name) => false,
        MarkupToken::Start(tag) if &*tag.name == "span" => !tag.attrs.is_empty(),
        MarkupToken::Start(tag) => elements::is_known(&tag.name) || closed.contains(&*tag.name),
        MarkupToken::End(_) | MarkupToken::Text(_) => false,
    })
}

#[cfg(test)]
mod tests;
