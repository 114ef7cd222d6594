//! Greedy line breaking: each line takes as many words as its width holds (rendering.md §9.4).

use std::ops::Range;
use std::sync::Arc;

use super::blocks::{Span, SpanStyle};
use super::breaks::Token;
use super::line::{self, LineSlice, TabStops};
use super::shape::{self, Cluster, ClusterKind, Paragraph, Shaper};
use super::shaped_text::{REMEASURE_EXCESS, ShapedParagraph, ShapedText};

/// A line measured as a whole fits although it is wider than the box by this much, px (rendering.md §9.4).
pub(super) const FIT_TOLERANCE: f64 = 0.02;

/// One line of a text before it is positioned.
pub(super) struct BrokenLine<'a> {
    pub(super) block: usize,
    pub(super) first_of_block: bool,
    pub(super) last_of_block: bool,
    pub(super) shaped: &'a ShapedParagraph,
    pub(super) slice: LineSlice<'a>,
    pub(super) left: f64,
    pub(super) right: f64,
}

impl BrokenLine<'_> {
    /// The line shaped again without its neighbours, when it begins or ends inside a word; else `None`.
    pub(super) fn reshaped(&self, shaper: &mut Shaper) -> Option<Paragraph> {
        let spans = self.slice.splits_word.then(|| self.shaped.spans(self.slice.clusters.clone()))?;
        // Bidi levels depend on the whole paragraph, so lines with right-to-left letters are not shaped again.
        (!spans.iter().any(|span| shape::has_rtl_letter(&span.text))).then(|| shaper.shape(&spans))
    }

    /// Style of the line's last character; `empty` for an empty line.
    pub(super) fn end_style(&self, empty: &Arc<SpanStyle>) -> Arc<SpanStyle> {
        let paragraph = &self.shaped.paragraph;
        let last = paragraph.clusters[self.slice.clusters.clone()].last();
        last.map_or(empty, |cluster| &paragraph.styles[cluster.span]).clone()
    }

    /// Removes whole words from the end until the rest fits into `room` px.
    pub(super) fn shorten(&mut self, room: f64, factor: f64, tabs: TabStops) {
        let slice = &mut self.slice;
        slice.suffix = None;
        let start = slice.clusters.start;
        let inside = |token: &&Token| token.clusters.start < slice.clusters.end && token.clusters.end > start;
        let tokens: Vec<_> = self.shaped.tokens.iter().filter(inside).cloned().collect();
        for token in tokens.iter().rev() {
            let end = token.clusters.end.min(slice.clusters.end);
            if !token.space && line_width(self.shaped, start..end, factor, tabs.scaled(factor)) <= room + FIT_TOLERANCE
            {
                slice.clusters.end = end;
                return;
            }
        }
        slice.clusters.end = start;
    }
}

impl ShapedText {
    /// Breaks the text into lines `width` px wide.
    pub(super) fn broken(
        &self,
        width: f64,
        factor: f64,
        split_words: bool,
        shaper: &mut Shaper,
    ) -> Vec<BrokenLine<'_>> {
        let mut lines = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let (mut left, mut right) = (block.block.indent_left * factor, width - block.block.indent_right * factor);
            if self.rtl {
                right -= block.block.indent_list * factor;
            } else {
                left += block.block.indent_list * factor;
            }
            let first = lines.len();
            for shaped in &block.paragraphs {
                let room = if block.block.no_wrap { f64::INFINITY } else { (right - left).max(0.0) };
                let room = LineRoom { width: room, split_words };
                let slices = break_lines(shaped, room, factor, self.tabs.scaled(factor), shaper);
                let line = |slice| BrokenLine {
                    block: index,
                    first_of_block: false,
                    last_of_block: false,
                    shaped,
                    slice,
                    left,
                    right,
                };
                lines.extend(slices.into_iter().map(line));
            }
            if let Some(line) = lines.get_mut(first) {
                line.first_of_block = true;
            }
            if let Some(line) = lines[first..].last_mut() {
                line.last_of_block = true;
            }
        }
        lines
    }
}

impl ShapedParagraph {
    /// Whether `clusters` fit on a line when they are measured as one string, with kerning across spaces. The editor
    /// does this when the sum of the words is slightly too wide and all of them have one font.
    fn fits_as_whole(
        &self,
        clusters: Range<usize>,
        hyphen: f64,
        room: LineRoom,
        factor: f64,
        shaper: &mut Shaper,
    ) -> bool {
        let paragraph = &self.paragraph;
        let Some(of_line) = paragraph.clusters.get(clusters) else { return false };
        let (Some(first), Some(last)) = (of_line.first(), of_line.last()) else { return false };
        let style = &paragraph.styles[first.span];
        let one_font = of_line.iter().all(|cluster| paragraph.styles[cluster.span].has_font_of(style));
        let text = &paragraph.text[first.range.start..last.range.end];
        if !one_font || text.contains('\t') {
            return false;
        }
        let text = text.replace(['\u{ad}', '\u{200b}'], "");
        let whole = shaper.width_of_whole(&[Span { text, style: style.clone() }], factor);
        whole + hyphen <= room.width + FIT_TOLERANCE
    }
}

/// The width available to the words of a line.
#[derive(Clone, Copy)]
struct LineRoom {
    /// Width of the line, px; infinite where lines do not wrap.
    width: f64,
    /// The same as [`LayoutOptions::split_words`].
    split_words: bool,
}

/// Breaks a paragraph greedily: as many tokens per line as fit. A word wider than the line is broken between clusters.
fn break_lines<'a>(
    shaped: &'a ShapedParagraph,
    room: LineRoom,
    factor: f64,
    tabs: TabStops,
    shaper: &mut Shaper,
) -> Vec<LineSlice<'a>> {
    let paragraph = &shaped.paragraph;
    let advance = |at: usize| line::after(0.0, paragraph, at, factor, TabStops::default());
    // By how much the cluster before a break becomes wider, px, because it is not kerned with the next one.
    let widened = |at: usize| {
        let (Some(cluster), Some(next)) = (paragraph.clusters.get(at), paragraph.clusters.get(at + 1)) else {
            return 0.0;
        };
        // Letters of a ligature share its advance.
        let whole = |it: &Cluster| it.kind == ClusterKind::Text && !it.glyphs.is_empty();
        let more =
            if whole(cluster) && whole(next) { paragraph.advance_at_end(cluster) - cluster.advance } else { 0.0 };
        more * paragraph.styles[cluster.span].advance_factor(factor)
    };
    let mut lines: Vec<LineSlice<'a>> = Vec::new();
    // First cluster of the line, end of its last word, and the pen after all of it with spaces.
    let mut start = 0;
    let mut end = 0;
    let mut pen = 0.0;
    let finish = |start: usize, end: usize, hyphen: bool, lines: &mut Vec<LineSlice<'a>>| {
        let suffix = if hyphen { shaped.hyphen(end) } else { None };
        let splits_word = shaped.is_inside_word(start) || shaped.is_inside_word(end);
        lines.push(LineSlice { clusters: start..end, suffix, last: false, splits_word, tabs });
    };
    let mut soft = false;
    for token in &shaped.tokens {
        if token.space {
            pen = token.clusters.clone().fold(pen, |pen, at| line::after(pen, paragraph, at, factor, tabs));
            continue;
        }
        let token_width: f64 = token.clusters.clone().map(advance).sum();
        // A word wider than the line is cut into pieces that each fill a line and are then placed like words.
        let mut pieces = vec![token.clusters.clone()];
        if token_width > room.width && room.split_words {
            let (mut from, mut width) = (token.clusters.start, 0.0);
            for at in token.clusters.clone() {
                if at > from && advance(at) > 0.0 && width + advance(at) + widened(at) > room.width {
                    pieces.insert(pieces.len() - 1, from..at);
                    (from, width) = (at, 0.0);
                }
                width += advance(at);
            }
            if let Some(last) = pieces.last_mut() {
                last.start = from;
            }
        }
        let count = pieces.len();
        for (nth, piece) in pieces.into_iter().enumerate() {
            let last = nth + 1 == count;
            let more = if last { 0.0 } else { widened(piece.end - 1) };
            let width: f64 = piece.clone().map(advance).sum::<f64>() + more;
            // A token with a soft hyphen must fit with the hyphen, even if the line does not end there.
            let hyphen = if last && token.soft_hyphen { shaped.hyphen_width(piece.end, factor) } else { 0.0 };
            let over = pen + width + hyphen - room.width;
            if over > 0.0
                && (end > start || pen > 0.0)
                && !(over < REMEASURE_EXCESS && shaped.fits_as_whole(start..piece.end, hyphen, room, factor, shaper))
            {
                // The word starts a new line, and the spaces before it are dropped.
                finish(start, end.max(start), soft, &mut lines);
                start = piece.start;
                pen = 0.0;
            }
            pen += width;
            end = piece.end;
            soft = last && token.soft_hyphen;
        }
    }
    // The last line of a paragraph keeps its trailing spaces.
    let all = paragraph.clusters.len();
    let splits_word = shaped.is_inside_word(start);
    lines.push(LineSlice { clusters: start..all, suffix: None, last: true, splits_word, tabs });
    lines
}

/// Width of these clusters on one line, px.
fn line_width(shaped: &ShapedParagraph, clusters: Range<usize>, factor: f64, tabs: TabStops) -> f64 {
    let paragraph = &shaped.paragraph;
    clusters.fold(0.0, |pen, at| line::after(pen, paragraph, at, factor, tabs))
}
