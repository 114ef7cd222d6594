//! Mapping of glyphs to characters, and the spans of text that need an `ActualText` entry.

use std::borrow::Cow;
use std::ops::Range;

use kurbo::Vec2;

use super::text_matrix::{PlacedCode, TextMatrix};
use crate::scene::GlyphRun;

/// Maximum gap or overlap between glyphs of a word, in em. Readers end a word at about a tenth of an em, which letter
/// spacing can exceed.
const MAX_GAP_EM: f64 = 0.07;

/// Adjacent glyphs and the characters that they represent together.
pub(super) struct TextSpan<'t> {
    pub(super) glyphs: Range<usize>,
    pub(super) text: Cow<'t, str>,
    /// True when the glyphs' own mapping gives these characters, so that no `ActualText` is needed.
    pub(super) literal: bool,
}

/// The clusters of `run`: ranges of its glyphs with their characters, without control and layout characters at the
/// ends.
pub(super) fn clusters(run: &GlyphRun) -> Vec<(Range<usize>, &str)> {
    let mut starts: Vec<usize> = run.glyphs.iter().map(|glyph| glyph.cluster as usize).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut found = Vec::new();
    let mut first = 0;
    for same in run.glyphs.chunk_by(|a, b| a.cluster == b.cluster) {
        let start = same[0].cluster as usize;
        let next = starts.partition_point(|it| *it <= start);
        let end = starts.get(next).copied().unwrap_or(run.text.len());
        // A scene built by hand may have offsets inside a character, which map to no text.
        let text = run.text.get(start..end).unwrap_or("");
        found.push((first..first + same.len(), text.trim_matches(is_layout)));
        first += same.len();
    }
    found
}

/// True for characters that control line breaks, joining or direction and have no glyph.
fn is_layout(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}');
    let is_direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_format || is_direction
}

/// The range of `text` that each of `count` glyphs represents, in visual order.
///
/// A single glyph represents all of it; as many glyphs as characters represent one each. `None` for any other number.
pub(super) fn text_ranges(text: &str, count: usize) -> Option<Vec<Range<usize>>> {
    if count == 1 && !text.is_empty() {
        return Some(std::iter::once(0..text.len()).collect());
    }
    let mut ranges: Vec<_> = text.char_indices().map(|(at, c)| at..at + c.len_utf8()).collect();
    if text.chars().any(is_rtl) {
        ranges.reverse();
    }
    (ranges.len() == count).then_some(ranges)
}

/// True for characters in the blocks of right-to-left scripts such as Hebrew and Arabic.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x10800..=0x10fff | 0x1e800..=0x1efff)
}

/// Merges spans that are written together. Words with gaps that readers would split at become spans with `ActualText`.
pub(super) fn merge_spans<'t>(
    spans: &[TextSpan<'t>],
    placed: &[PlacedCode],
    text_matrix: TextMatrix,
) -> Vec<TextSpan<'t>> {
    let is_space = |span: &TextSpan<'_>| span.text.chars().all(char::is_whitespace);
    // Vector from the pen to the next glyph, in em: x along the baseline, y up.
    let jump = |pair: &[PlacedCode]| {
        let ahead = text_matrix.to_text(pair[1].at - pair[0].at) / text_matrix.size;
        Vec2::new(ahead.x - pair[0].code.width, ahead.y)
    };
    let jumps = |word: &[TextSpan<'_>]| {
        let range = word.first().map_or(0, |it| it.glyphs.start)..word.last().map_or(0, |it| it.glyphs.end);
        placed[range].windows(2).map(jump)
    };
    // Readers miss spaces that overlap with glyphs, so the spaces become part of the `ActualText` of the words.
    let tight = spans.windows(2).any(|pair| {
        let (last, next) = (placed[pair[0].glyphs.end - 1], placed[pair[1].glyphs.start]);
        jump(&[last, next]).x < -MAX_GAP_EM && (is_space(&pair[0]) || is_space(&pair[1]))
    });
    let in_word = |span: &TextSpan<'_>| tight || !is_space(span);
    let mut words: Vec<TextSpan<'t>> = Vec::new();
    // Spans of colour glyphs may have been taken out from between.
    let adjacent = |a: &TextSpan<'_>, b: &TextSpan<'_>| a.glyphs.end == b.glyphs.start;
    for word in spans.chunk_by(|a, b| in_word(a) && in_word(b) && adjacent(a, b)) {
        let text = || word.iter().map(|span| &*span.text).collect::<String>();
        let (Some(first), Some(last)) = (word.first(), word.last()) else { continue };
        // Right-to-left words get no `ActualText`, because readers reverse its characters once more. Vertical jumps
        // come from combining marks above and below their letters.
        let spaced = jumps(word).any(|jump| jump.x.abs() > MAX_GAP_EM || jump.y.abs() > MAX_GAP_EM / 2.0);
        if spaced && !text().chars().any(is_rtl) {
            words.push(TextSpan { glyphs: first.glyphs.start..last.glyphs.end, text: text().into(), literal: false });
            continue;
        }
        for span in word {
            match words.last_mut() {
                Some(open) if open.literal && span.literal && adjacent(open, span) => open.glyphs.end = span.glyphs.end,
                _ => {
                    words.push(TextSpan { glyphs: span.glyphs.clone(), text: span.text.clone(), literal: span.literal })
                }
            }
        }
    }
    words
}
