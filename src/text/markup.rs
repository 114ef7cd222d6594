//! The rich-text HTML subset to blocks of styled spans (rendering.md §9.9).
//!
//! In: which texts are markup at all, the elements and inline styles known, margins, lists, white space.
//! Not in: line breaking, fonts, anything fetched. Imports: `blocks`, `transform`, `css_color`; html5ever's tokenizer.
//!
//! Only the tokenizer of html5ever is used: its tree builder takes time quadratic in the depth of a tree, and an editor's
//! text needs only the few of its repairs that show (`flow`). White space is kept as in `white-space: pre-wrap`, which is
//! what makes `\n` between two blocks one empty line.

mod elements;
mod flow;
mod style;
mod tokens;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use self::tokens::Token;
use super::blocks::{Block, SpanStyle, TextBlocks};
use super::transform::{self, Case};

/// A `text` field as the editor reads it: markup or plain, by its content alone (rendering.md §9.9).
///
/// `base`: the element's own style, in px. `case`: the element's `textTransform`; inline `text-transform` beats it.
/// Takes any text, in time and room linear in its length; elements nested deeper than 512 lend no style.
/// `TextBlocks::blocks` may be empty: `<p></p>` draws nothing and takes no room.
pub fn parse(text: &str, base: &Arc<SpanStyle>, case: Case) -> TextBlocks {
    read(text, base, Some(case))
}

/// As [`parse`], but no letter changes its case, not even where markup asks for it: on curves the editor draws texts as they
/// are written.
pub fn parse_as_written(text: &str, base: &Arc<SpanStyle>) -> TextBlocks {
    read(text, base, None)
}

/// `case`: `None` where letters keep theirs.
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
    flow::Flow::new(base, case).run(tokens)
}

fn plain(text: String, base: &Arc<SpanStyle>) -> TextBlocks {
    let mut blocks = TextBlocks::plain(text, base.clone());
    blocks.blocks.iter_mut().for_each(Block::take_last_break);
    blocks
}

/// The characters of `text` without its tags, entities decoded. A line ends between a `</p>` and what follows it; nothing
/// stands for other tags, so that `a<br>b` is `ab`.
pub(super) fn text_content(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '&']) {
        return Cow::Borrowed(text);
    }
    let tokens = tokens::tokenize(text, &tokens::tags(text));
    let mut content = String::new();
    let mut paragraph_ended = false;
    for token in tokens {
        match token {
            Token::Text(text) => {
                if paragraph_ended {
                    content.push('\n');
                }
                paragraph_ended = false;
                content.push_str(&text);
            }
            Token::End(name) => paragraph_ended |= &*name == "p",
            Token::Start(_) => {}
        }
    }
    Cow::Owned(content)
}

/// Void elements, bare `<span>`s, and unknown elements that nothing closes make no markup: `H<br>H` and `<a@b.com>` are
/// drawn as typed.
fn is_markup(tokens: &[Token]) -> bool {
    let closed: HashSet<&str> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::End(name) => Some(&**name),
            Token::Start(_) | Token::Text(_) => None,
        })
        .collect();
    tokens.iter().any(|token| match token {
        Token::Start(tag) if elements::is_void(&tag.name) => false,
        Token::Start(tag) if &*tag.name == "span" => !tag.attrs.is_empty(),
        Token::Start(tag) => elements::is_known(&tag.name) || closed.contains(&*tag.name),
        Token::End(_) | Token::Text(_) => false,
    })
}

#[cfg(test)]
mod tests;
