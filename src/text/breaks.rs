//! Line break opportunities (rendering.md §9.4): at spaces, after hyphens, and around CJK characters and emoji only.

use std::ops::Range;

use icu_segmenter::LineSegmenter;
use icu_segmenter::options::LineBreakOptions;

use super::graphemes::stands_alone;
use super::shape::{ClusterKind, Paragraph};

/// A range of clusters without a break opportunity inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub clusters: Range<usize>,
    /// The token is spaces and tabs, which are dropped where a line wraps.
    pub space: bool,
    /// The token ends with a soft hyphen, which is shown when the line ends here.
    pub soft_hyphen: bool,
}

/// Punctuation that joins the word before it where it forms a token of its own.
const CLOSERS: &[char] = &[',', '.', ';', ':', '!', '?', ')', ']', '}', '\'', '"', '»', '›', '’', '”'];

/// The rules that decide where a line may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineBreaking {
    /// The rules of the editor (rendering.md §9.4).
    #[default]
    Editor,
    /// The rules of Unicode (UAX #14), with dictionaries for Thai, Lao, Khmer and Burmese.
    Unicode,
}

/// Splits all clusters of `paragraph` into tokens, in logical order and without gaps.
pub(super) fn tokens(paragraph: &Paragraph, rules: LineBreaking) -> Vec<Token> {
    match rules {
        LineBreaking::Editor => editor_tokens(paragraph),
        LineBreaking::Unicode => unicode_tokens(paragraph),
    }
}

/// Tokens by Unicode's rules: between two opportunities lie a word and the spaces after it.
fn unicode_tokens(paragraph: &Paragraph) -> Vec<Token> {
    let segmenter = LineSegmenter::new_dictionary(LineBreakOptions::default());
    let mut tokens = Vec::new();
    let mut start = 0;
    for end in segmenter.segment_str(&paragraph.text) {
        let rest = &paragraph.clusters[start..];
        // An opportunity inside a cluster (a ligature) is ignored.
        let count = rest.iter().take_while(|cluster| cluster.range.end <= end).count();
        let is_space = |at: &usize| matches!(paragraph.clusters[*at].kind, ClusterKind::Space | ClusterKind::Tab);
        let clusters = start..start + count;
        let spaces = clusters.clone().rev().take_while(is_space).count();
        let word = clusters.start..clusters.end - spaces;
        if !word.is_empty() {
            let soft_hyphen = paragraph.clusters[word.end - 1].kind == ClusterKind::SoftHyphen;
            tokens.push(Token { clusters: word.clone(), space: false, soft_hyphen });
        }
        if spaces > 0 {
            tokens.push(Token { clusters: word.end..clusters.end, space: true, soft_hyphen: false });
        }
        start = clusters.end;
    }
    tokens
}

fn editor_tokens(paragraph: &Paragraph) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word: Option<usize> = None;
    for (at, cluster) in paragraph.clusters.iter().enumerate() {
        let text = &paragraph.text[cluster.range.clone()];
        match cluster.kind {
            ClusterKind::Space | ClusterKind::Tab => {
                end_word(&mut tokens, &mut word, at, paragraph);
                match tokens.last_mut() {
                    Some(last) if last.space => last.clusters.end = at + 1,
                    _ => tokens.push(Token { clusters: at..at + 1, space: true, soft_hyphen: false }),
                }
            }
            ClusterKind::SoftHyphen | ClusterKind::ZeroWidthSpace => {
                word.get_or_insert(at);
                end_word(&mut tokens, &mut word, at + 1, paragraph);
                if let Some(last) = tokens.last_mut() {
                    last.soft_hyphen = cluster.kind == ClusterKind::SoftHyphen;
                }
            }
            ClusterKind::Text if stands_alone(text) => {
                end_word(&mut tokens, &mut word, at, paragraph);
                tokens.push(Token { clusters: at..at + 1, space: false, soft_hyphen: false });
            }
            ClusterKind::Text => {
                word.get_or_insert(at);
                if text == "-" && !between_digits(paragraph, at) && !next_is_hyphen(paragraph, at) {
                    end_word(&mut tokens, &mut word, at + 1, paragraph);
                }
            }
        }
    }
    end_word(&mut tokens, &mut word, paragraph.clusters.len(), paragraph);
    tokens
}

fn end_word(tokens: &mut Vec<Token>, word: &mut Option<usize>, end: usize, paragraph: &Paragraph) {
    let Some(start) = word.take() else { return };
    if start == end {
        return;
    }
    let text = &paragraph.text[paragraph.clusters[start].range.start..paragraph.clusters[end - 1].range.end];
    match tokens.last_mut() {
        Some(last) if !last.space && !last.soft_hyphen && text.chars().all(|c| CLOSERS.contains(&c)) => {
            last.clusters.end = end
        }
        _ => tokens.push(Token { clusters: start..end, space: false, soft_hyphen: false }),
    }
}

fn between_digits(paragraph: &Paragraph, at: usize) -> bool {
    let digit = |index: Option<usize>| {
        let cluster = index.and_then(|index| paragraph.clusters.get(index));
        cluster.is_some_and(|cluster| paragraph.text[cluster.range.clone()].starts_with(|c: char| c.is_ascii_digit()))
    };
    digit(at.checked_sub(1)) && digit(at.checked_add(1))
}

fn next_is_hyphen(paragraph: &Paragraph, at: usize) -> bool {
    paragraph.clusters.get(at + 1).is_some_and(|cluster| &paragraph.text[cluster.range.clone()] == "-")
}

#[cfg(test)]
mod tests {
    use super::super::blocks::Span;
    use super::super::layout::tests::{layouter, style};
    use super::*;

    fn broken(text: &str) -> Vec<String> {
        broken_by(text, LineBreaking::Editor)
    }

    fn broken_by(text: &str, rules: LineBreaking) -> Vec<String> {
        let span = Span { text: text.into(), style: style("Roboto", 20.0) };
        let paragraph = layouter().shaper.shape(&[span]);
        let part = |token: &Token| {
            let (first, last) =
                (&paragraph.clusters[token.clusters.start], &paragraph.clusters[token.clusters.end - 1]);
            paragraph.text[first.range.start..last.range.end].to_owned()
        };
        tokens(&paragraph, rules).iter().map(part).collect()
    }

    #[test]
    fn breaks_at_spaces_and_hyphens_but_not_in_numbers_or_paths() {
        assert_eq!(broken("well-known 1-2  a/b?c"), ["well-", "known", " ", "1-2", "  ", "a/b?c"]);
    }

    #[test]
    fn breaks_between_cjk_characters_with_ascii_closers_kept() {
        assert_eq!(broken("漢字、(a)漢)b漢)"), ["漢", "字", "、", "(a)", "漢", ")b", "漢)"]);
    }

    #[test]
    fn breaks_at_zero_width_space_and_soft_hyphen() {
        assert_eq!(broken("ab\u{200b}cd\u{ad}ef"), ["ab\u{200b}", "cd\u{ad}", "ef"]);
    }

    #[test]
    fn breaks_by_unicode_keep_marks_with_their_characters_and_know_thai_words() {
        let unicode = |text| broken_by(text, LineBreaking::Unicode);
        assert_eq!(unicode("a  b-c d"), ["a", "  ", "b-", "c", " ", "d"]);
        assert_eq!(unicode("漢字、「か」"), ["漢", "字、", "「か」"]);
        assert_eq!(unicode("ภาษาไทย ครับ"), ["ภาษา", "ไทย", " ", "ครับ"]);
        assert_eq!(unicode("ab\u{ad}cd\u{200b}e"), ["ab\u{ad}", "cd\u{200b}", "e"]);
        assert!(unicode("").is_empty());
    }

    #[test]
    fn breaks_keep_thai_as_one_word() {
        assert_eq!(broken("สวัสดี ครับ").len(), 3);
    }
}
