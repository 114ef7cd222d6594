//! Which glyphs stand for which characters, and what of it has to be said in so many words.

use std::borrow::Cow;
use std::ops::Range;

use kurbo::Vec2;

use super::text::{Placed, Shape};
use crate::scene::GlyphRun;

/// Readers take a gap (or an overlap) of a tenth of an em inside a word for its end; letter spacing makes such gaps.
const SPLITS: f64 = 0.07;

/// Neighbouring glyphs that stand for some characters together.
pub(super) struct Piece<'t> {
    pub(super) glyphs: Range<usize>,
    pub(super) text: Cow<'t, str>,
    /// The characters are what the glyphs stand for anyway.
    pub(super) literal: bool,
}

/// Glyphs that stand for the same characters, with those characters: controls and marks of layout left out.
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
        // The scene may be built by hand: an offset inside a character stands for nothing.
        let text = run.text.get(start..end).unwrap_or("");
        found.push((first..first + same.len(), text.trim_matches(is_layout)));
        first += same.len();
    }
    found
}

/// Characters that break or join lines and words and are not drawn.
fn is_layout(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Which part of `text` each of `count` glyphs stands for, in visual order: all of it for one, a character each for as
/// many as there are; else there is no telling.
pub(super) fn shares(text: &str, count: usize) -> Option<Vec<Range<usize>>> {
    if count == 1 && !text.is_empty() {
        return Some(std::iter::once(0..text.len()).collect());
    }
    let mut shares: Vec<_> = text.char_indices().map(|(at, c)| at..at + c.len_utf8()).collect();
    if text.chars().any(is_rtl) {
        shares.reverse();
    }
    (shares.len() == count).then_some(shares)
}

/// Hebrew, Arabic and their kin.
pub(super) fn is_rtl(c: char) -> bool {
    matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x10800..=0x10fff | 0x1e800..=0x1efff)
}

/// Pieces put together to what is written as one: where readers would see gaps inside a word, its characters are said.
pub(super) fn joined<'t>(pieces: &[Piece<'t>], placed: &[Placed], shape: Shape) -> Vec<Piece<'t>> {
    let is_space = |piece: &Piece<'_>| piece.text.chars().all(char::is_whitespace);
    // From where the pen is to where it should be: along the baseline and up, in ems.
    let jump = |pair: &[Placed]| {
        let ahead = shape.to_text(pair[1].at - pair[0].at) / shape.size;
        Vec2::new(ahead.x - pair[0].code.width, ahead.y)
    };
    let inner = |piece: &[Piece<'_>]| {
        let range = piece.first().map_or(0, |it| it.glyphs.start)..piece.last().map_or(0, |it| it.glyphs.end);
        placed[range].windows(2).map(jump)
    };
    // Where glyphs overlap, spaces are too narrow for readers to see: they are said with the words.
    let tight = pieces.windows(2).any(|pair| {
        let (last, next) = (placed[pair[0].glyphs.end - 1], placed[pair[1].glyphs.start]);
        jump(&[last, next]).x < -SPLITS && (is_space(&pair[0]) || is_space(&pair[1]))
    });
    let together = |piece: &Piece<'_>| tight || !is_space(piece);
    let mut words: Vec<Piece<'t>> = Vec::new();
    // Pictures of glyphs may be missing from between.
    let neighbours = |a: &Piece<'_>, b: &Piece<'_>| a.glyphs.end == b.glyphs.start;
    for word in pieces.chunk_by(|a, b| together(a) && together(b) && neighbours(a, b)) {
        let text = || word.iter().map(|piece| &*piece.text).collect::<String>();
        let (Some(first), Some(last)) = (word.first(), word.last()) else { continue };
        // Said characters are taken in the order written; readers turn those of right-to-left scripts around once more.
        // Marks above and below are moved back over their letters.
        let spaced = inner(word).any(|jump| jump.x.abs() > SPLITS || jump.y.abs() > SPLITS / 2.0);
        if spaced && !text().chars().any(is_rtl) {
            words.push(Piece { glyphs: first.glyphs.start..last.glyphs.end, text: text().into(), literal: false });
            continue;
        }
        for piece in word {
            match words.last_mut() {
                Some(open) if open.literal && piece.literal && neighbours(open, piece) => {
                    open.glyphs.end = piece.glyphs.end
                }
                _ => {
                    words.push(Piece { glyphs: piece.glyphs.clone(), text: piece.text.clone(), literal: piece.literal })
                }
            }
        }
    }
    words
}
