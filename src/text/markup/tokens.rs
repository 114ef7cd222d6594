//! Tokens of html5ever, and the source ranges of tags, which its tokens do not have.

use std::cell::RefCell;
use std::ops::Range;

use html5ever::buffer_queue::BufferQueue;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{RawData, RawKind};
use html5ever::tokenizer::{self, Tag, TagKind, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::{LocalName, TokenizerResult};

use super::elements::{self, ElementRole};
use super::tree::{BoundedBuilder, MarkupTree};

/// Maximum number of attributes that are read of one tag. The tokenizer compares every attribute with all others, and
/// no more than four are ever needed.
const MAX_ATTRIBUTES: usize = 64;

/// A token of a text. Comments, doctypes and errors are dropped.
#[derive(Debug)]
pub(super) enum MarkupToken {
    /// A start tag, with names in lower case.
    Start(Tag),
    End(LocalName),
    /// Text with entities decoded; never two in a row.
    Text(String),
}

/// The position of a tag in the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RawTag {
    /// The bytes from `<` up to and including `>`.
    pub range: Range<usize>,
    /// The tag is `<span>` or `</span>` without attributes.
    pub bare_span: bool,
    /// The offset after `MAX_ATTRIBUTES` attributes, if there are more.
    pub cut: Option<usize>,
    /// The text ends before the tag does.
    pub unfinished: bool,
}

/// All tags of `text` outside comments, in order, by the rules of HTML's tokenizer.
pub(super) fn tags(text: &str) -> Vec<RawTag> {
    let bytes = text.as_bytes();
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find('<') {
        let start = at + offset;
        let rest = &bytes[start..];
        if rest.starts_with(b"<!--") {
            at = text[start..].find("-->").map_or(text.len(), |end| start + end + 3);
        } else if let Some(tag) = tag(bytes, start) {
            at = tag.range.end;
            tags.push(tag);
        } else {
            at = start + 1;
        }
    }
    tags
}

/// The tag that begins with the `<` at `start`; `None` when no name follows and it is text or a comment.
fn tag(bytes: &[u8], start: usize) -> Option<RawTag> {
    let end_tag = bytes.get(start + 1) == Some(&b'/');
    let name_start = start + 1 + usize::from(end_tag);
    if !bytes.get(name_start)?.is_ascii_alphabetic() {
        return None;
    }
    let skip = |at: usize, stop: &dyn Fn(u8) -> bool| {
        bytes[at..].iter().position(|byte| stop(*byte)).map_or(bytes.len(), |offset| at + offset)
    };
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
    let mut at = skip(name_start, &|byte| space(byte) || matches!(byte, b'/' | b'>'));
    let is_span = bytes[name_start..at].eq_ignore_ascii_case(b"span");
    let (mut attributes, mut cut) = (0, None);
    loop {
        at = skip(at, &|byte| !space(byte) && byte != b'/');
        match bytes.get(at) {
            None => return Some(RawTag { range: start..at, bare_span: false, cut, unfinished: true }),
            Some(b'>') => {
                let bare_span = is_span && attributes == 0;
                return Some(RawTag { range: start..at + 1, bare_span, cut, unfinished: false });
            }
            Some(_) => {}
        }
        if attributes == MAX_ATTRIBUTES {
            cut = Some(at);
        }
        attributes += 1;
        // The first character belongs to the name even if it is `=`.
        at = skip(at + 1, &|byte| space(byte) || matches!(byte, b'/' | b'>' | b'='));
        let value = skip(at, &|byte| !space(byte));
        if bytes.get(value) != Some(&b'=') {
            continue;
        }
        at = skip(value + 1, &|byte| !space(byte));
        at = match bytes.get(at) {
            Some(quote @ (b'"' | b'\'')) => (skip(at + 1, &|byte| byte == *quote) + 1).min(bytes.len()),
            _ => skip(at, &|byte| space(byte) || byte == b'>'),
        };
    }
}

/// Tokenizes `text`, whose tags are `tags`. Text after an unfinished tag is dropped, as in a browser.
pub(super) fn tokenize(text: &str, tags: &[RawTag]) -> Vec<MarkupToken> {
    collect(&complete_tags(text, tags), TokenizerOpts::default())
}

/// The element tree of `text`, whose tags are `tags`, from the same tokens.
pub(super) fn tree(text: &str, tags: &[RawTag]) -> MarkupTree {
    feed(&complete_tags(text, tags), BoundedBuilder::new(), TokenizerOpts::default()).into_tree()
}

/// `text` without unfinished tags and without surplus attributes, in parts.
fn complete_tags<'t>(text: &'t str, tags: &[RawTag]) -> Vec<&'t str> {
    let mut source = Vec::new();
    let mut from = 0;
    for tag in tags {
        if tag.unfinished {
            source.push(&text[from..tag.range.start]);
            from = tag.range.end;
        } else if let Some(cut) = tag.cut {
            source.extend([&text[from..cut], ">"]);
            from = tag.range.end;
        }
    }
    source.push(&text[from..]);
    source
}

/// The characters drawn for a text that is not markup: without bare `<span>`s, other tags as typed, entities decoded
/// once.
pub(super) fn literal(text: &str, tags: &[RawTag]) -> String {
    let mut source = Vec::new();
    let mut from = 0;
    let mut end = text.len();
    for tag in tags {
        if tag.bare_span {
            source.push(&text[from..tag.range.start]);
            from = tag.range.end;
        } else if tag.unfinished {
            end = tag.range.start;
        }
    }
    source.push(&text[from..end]);
    // In the RCDATA state only entities are special.
    let options = TokenizerOpts { initial_state: Some(RawData(RawKind::Rcdata)), ..TokenizerOpts::default() };
    let text = collect(&source, options).into_iter().filter_map(|token| match token {
        MarkupToken::Text(text) => Some(text),
        MarkupToken::Start(_) | MarkupToken::End(_) => None,
    });
    text.collect()
}

#[derive(Default)]
struct Collector {
    tokens: RefCell<Vec<MarkupToken>>,
}

fn collect(source: &[&str], options: TokenizerOpts) -> Vec<MarkupToken> {
    feed(source, Collector::default(), options).tokens.into_inner()
}

/// Passes the tokens of `source` to `sink`.
fn feed<S: TokenSink>(source: &[&str], sink: S, options: TokenizerOpts) -> S {
    let input = BufferQueue::default();
    for part in source.iter().filter(|part| !part.is_empty()) {
        input.push_back(StrTendril::from_slice(part));
    }
    let tokenizer = Tokenizer::new(sink, options);
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink
}

impl TokenSink for Collector {
    type Handle = ();

    fn process_token(&self, token: tokenizer::Token, _line: u64) -> TokenSinkResult<()> {
        let mut tokens = self.tokens.borrow_mut();
        match token {
            tokenizer::CharacterTokens(text) => match tokens.last_mut() {
                Some(MarkupToken::Text(last)) => last.push_str(&text),
                _ => tokens.push(MarkupToken::Text(text.to_string())),
            },
            tokenizer::TagToken(tag) if tag.kind == TagKind::EndTag => tokens.push(MarkupToken::End(tag.name)),
            tokenizer::TagToken(tag) => {
                let hidden = elements::role(&tag.name) == ElementRole::Hidden;
                let kind = if &*tag.name == "script" { RawKind::ScriptData } else { RawKind::Rawtext };
                tokens.push(MarkupToken::Start(tag));
                if hidden {
                    return TokenSinkResult::RawData(kind);
                }
            }
            tokenizer::DoctypeToken(_)
            | tokenizer::CommentToken(_)
            | tokenizer::NullCharacterToken
            | tokenizer::EOFToken
            | tokenizer::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}
