//! A shaped text: glyphs and advances are known, lines are not.

use std::ops::Range;

use super::blocks::{Block, LineHeight, Span, TextBlocks};
use super::breaks::Token;
use super::graphemes;
use super::line::{self, ShapedMarker, TabStops};
use super::shape::{Cluster, Paragraph};
use super::strut::Strut;

/// Advances are those of a size that is smaller by less than this, px (see [`super::blocks::advance_size`]).
const ADVANCE_SIZE_LOSS: f64 = 0.03;

/// The editor measures a line as a whole where its words together are too wide by less than this, px.
pub(super) const REMEASURED: f64 = 1.0;

/// A text whose glyphs and advances are known; may be laid out at several widths and sizes.
pub struct ShapedText {
    pub(super) blocks: Vec<ShapedBlock>,
    pub(super) strut: Strut,
    pub(super) tabs: TabStops,
    /// Clusters' advances without spaces, px, and the widest cluster: bounds for shrinking.
    pub(super) ink_advance: f64,
    pub(super) widest: f64,
    pub(super) forced_lines: usize,
    /// One block, all in the element's style.
    pub(super) is_plain: bool,
    /// All of it reads from right to left.
    pub(super) rtl: bool,
    /// The smallest font size of all, px.
    pub(super) least_size: f64,
    /// The smallest size given in px, which is rounded where the text shrinks; infinite when there is none.
    pub(super) least_px_size: f64,
    /// The text itself, where its glyphs are others at other sizes (the axis `opsz`): it is shaped anew for each.
    pub(super) optical: Option<TextBlocks>,
}

pub(super) struct ShapedBlock {
    pub(super) block: Block,
    pub(super) paragraphs: Vec<ShapedParagraph>,
    /// The block's own, and the outer ones.
    pub(super) markers: Vec<ShapedMarker>,
    /// Instead of the text's.
    pub(super) strut: Option<Strut>,
}

pub(super) struct ShapedParagraph {
    pub(super) paragraph: Paragraph,
    pub(super) tokens: Vec<Token>,
    /// `-` in the style of each soft hyphen's span.
    pub(super) hyphens: Vec<(usize, Paragraph)>,
}

impl ShapedText {
    /// Characters between forced breaks, of all blocks in reading order.
    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &Paragraph> {
        self.blocks.iter().flat_map(|block| &block.paragraphs).map(|shaped| &shaped.paragraph)
    }

    /// Whole lines of the element's own height; at least one (rendering.md §9.7).
    pub(super) fn visible_lines(&self, height: f64, factor: f64) -> usize {
        let style = &self.strut.style;
        let (ascent, descent) = self.strut.ascent_descent(factor);
        let line = match style.line_height {
            LineHeight::Auto => ascent + descent,
            _ => style.line_height_px(ascent, descent) * factor,
        };
        // Heights are stored rounded; a thousandth of a line is no line.
        if line > 0.0 { ((height / line + 1e-3).floor() as usize).max(1) } else { usize::MAX }
    }

    /// The line height of all lines, as a multiple of the font size, where no markup makes them differ.
    pub(super) fn even_line_height(&self) -> Option<f64> {
        let LineHeight::Times(times) = self.strut.style.line_height else { return None };
        self.is_plain.then_some(times)
    }

    /// Of the element, px, before any shrinking.
    pub fn font_size(&self) -> f64 {
        self.strut.style.font_size
    }

    /// A height that the text cannot go below at `factor`, px: spares laying out sizes that cannot fit.
    pub(crate) fn least_height(&self, width: f64, factor: f64) -> f64 {
        // Rounding to whole px makes letters this much larger or smaller, and advances are of a size a little smaller.
        let rounding = 0.5 / self.least_px_size;
        let smaller = ADVANCE_SIZE_LOSS / self.least_size;
        let (factor, largest) = ((factor - rounding - smaller).max(0.0), factor + rounding);
        let width = width.round();
        let by_width = if self.widest * largest <= width {
            (self.ink_advance * factor / (width + REMEASURED)).ceil()
        } else {
            0.0
        };
        let least = |strut: &Strut| {
            let ascent_descent =
                (strut.metrics.ascent_em + strut.metrics.descent_em - 0.1) * strut.style.font_size * factor;
            let line = strut.style.line_height_px(0.0, 0.0).max(0.0) * factor;
            if line > 0.0 { line } else { ascent_descent }
        };
        let lines = self.blocks.iter().map(|block| least(block.strut.as_ref().unwrap_or(&self.strut)));
        by_width.max(self.forced_lines as f64) * lines.fold(f64::INFINITY, f64::min).min(least(&self.strut))
    }
}

impl ShapedParagraph {
    /// Whether a break before cluster `at` tears apart what was shaped together.
    pub(super) fn is_inside_word(&self, at: usize) -> bool {
        let (Some(before), Some(after)) =
            (at.checked_sub(1).and_then(|at| self.paragraph.clusters.get(at)), self.paragraph.clusters.get(at))
        else {
            return false;
        };
        let text = |cluster: &Cluster| &self.paragraph.text[cluster.range.clone()];
        before.span == after.span && !graphemes::parted(text(before), text(after))
    }

    /// What stands in `clusters`, element by element.
    pub(super) fn spans(&self, clusters: Range<usize>) -> Vec<Span> {
        let of_line = self.paragraph.clusters.get(clusters).unwrap_or_default();
        let span = |clusters: &[Cluster]| {
            let (first, last) = (clusters.first()?, clusters.last()?);
            let text = self.paragraph.text[first.range.start..last.range.end].to_owned();
            Some(Span { text, style: self.paragraph.styles[first.span].clone() })
        };
        of_line.chunk_by(|a, b| a.span == b.span).filter_map(span).collect()
    }

    /// The `-` of the style that ends before cluster `end`.
    pub(super) fn hyphen(&self, end: usize) -> Option<&Paragraph> {
        let span = self.paragraph.clusters.get(end.checked_sub(1)?)?.span;
        self.hyphens.iter().find(|(of, _)| *of == span).map(|(_, hyphen)| hyphen)
    }

    /// Its advance width, px.
    pub(super) fn hyphen_width(&self, end: usize, factor: f64) -> f64 {
        let width = |hyphen: &Paragraph| {
            (0..hyphen.clusters.len()).fold(0.0, |pen, at| line::after(pen, hyphen, at, factor, TabStops::default()))
        };
        self.hyphen(end).map_or(0.0, width)
    }
}
