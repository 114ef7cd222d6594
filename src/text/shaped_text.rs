//! A shaped text: its glyphs and advances, not yet broken into lines.

use std::ops::Range;

use super::blocks::{Block, LineHeight, Span, TextBlocks};
use super::breaks::Token;
use super::graphemes;
use super::line::{self, ShapedMarker, TabStops};
use super::shape::{Cluster, Paragraph};
use super::strut::Strut;

/// Advances are taken at a font size that is smaller than the size drawn by less than this, px
/// (see [`super::blocks::advance_size`]).
const ADVANCE_SIZE_LOSS: f64 = 0.03;

/// When the summed widths of the words of a line exceed the width by less than this, px, the editor measures the line
/// again as one string, and that width decides.
pub(super) const REMEASURE_EXCESS: f64 = 1.0;

/// A text whose glyphs and advances are known. It can be laid out at several widths and sizes.
pub struct ShapedText {
    pub(super) blocks: Vec<ShapedBlock>,
    pub(super) strut: Strut,
    pub(super) tabs: TabStops,
    /// Sum of the clusters' advances without spaces, and the widest cluster, px: bounds for shrinking.
    pub(super) ink_advance: f64,
    pub(super) widest: f64,
    pub(super) forced_lines: usize,
    /// The text is one block, all in the element's style.
    pub(super) is_plain: bool,
    /// Every paragraph reads from right to left.
    pub(super) rtl: bool,
    /// The smallest font size of all spans, px.
    pub(super) min_size: f64,
    /// The smallest font size that markup gives in px, which is rounded where the text shrinks; infinite without one.
    pub(super) min_px_size: f64,
    /// The source text, when its glyphs depend on the size (axis `opsz`) and it has to be shaped again for each size.
    pub(super) optical: Option<TextBlocks>,
}

pub(super) struct ShapedBlock {
    pub(super) block: Block,
    pub(super) paragraphs: Vec<ShapedParagraph>,
    /// The markers before the first line: of the block itself, then of the items around it.
    pub(super) markers: Vec<ShapedMarker>,
    /// The block's own strut, which replaces that of the text.
    pub(super) strut: Option<Strut>,
}

pub(super) struct ShapedParagraph {
    pub(super) paragraph: Paragraph,
    pub(super) tokens: Vec<Token>,
    /// A shaped `-` for each span with a soft hyphen, by span number.
    pub(super) hyphens: Vec<(usize, Paragraph)>,
}

impl ShapedText {
    /// All paragraphs between forced line breaks, in reading order.
    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &Paragraph> {
        self.blocks.iter().flat_map(|block| &block.paragraphs).map(|shaped| &shaped.paragraph)
    }

    /// Number of whole lines of the element's line height that fit into `height` px; at least 1 (rendering.md §9.7).
    pub(super) fn visible_lines(&self, height: f64, factor: f64) -> usize {
        let style = &self.strut.style;
        let (ascent, descent) = self.strut.ascent_descent(factor);
        let line = match style.line_height {
            LineHeight::Auto => ascent + descent,
            _ => style.line_height_px(ascent, descent) * factor,
        };
        // Stored heights are rounded, so a missing thousandth of a line does not count.
        if line > 0.0 { ((height / line + 1e-3).floor() as usize).max(1) } else { usize::MAX }
    }

    /// The line height of all lines as a multiple of the font size; `None` where markup may make lines differ.
    pub(super) fn even_line_height(&self) -> Option<f64> {
        let LineHeight::Times(times) = self.strut.style.line_height else { return None };
        self.is_plain.then_some(times)
    }

    /// Font size of the element, px, before it is scaled to fit.
    pub fn font_size(&self) -> f64 {
        self.strut.style.font_size
    }

    /// A lower bound of the text's height at `factor`, px, which rules out sizes without laying them out.
    pub(crate) fn min_height(&self, width: f64, factor: f64) -> f64 {
        // Rounding to whole px changes a size by at most half a px, and advances are taken at a slightly smaller size.
        let rounding = 0.5 / self.min_px_size;
        let smaller = ADVANCE_SIZE_LOSS / self.min_size;
        let (factor, largest) = ((factor - rounding - smaller).max(0.0), factor + rounding);
        let width = width.round();
        let by_width = if self.widest * largest <= width {
            (self.ink_advance * factor / (width + REMEASURE_EXCESS)).ceil()
        } else {
            0.0
        };
        let min_line = |strut: &Strut| {
            let ascent_descent =
                (strut.metrics.ascent_em + strut.metrics.descent_em - 0.1) * strut.style.font_size * factor;
            let line = strut.style.line_height_px(0.0, 0.0).max(0.0) * factor;
            if line > 0.0 { line } else { ascent_descent }
        };
        let lines = self.blocks.iter().map(|block| min_line(block.strut.as_ref().unwrap_or(&self.strut)));
        by_width.max(self.forced_lines as f64) * lines.fold(f64::INFINITY, f64::min).min(min_line(&self.strut))
    }
}

impl ShapedParagraph {
    /// Whether a break before cluster `at` lies inside a word that was shaped as one.
    pub(super) fn is_inside_word(&self, at: usize) -> bool {
        let (Some(before), Some(after)) =
            (at.checked_sub(1).and_then(|at| self.paragraph.clusters.get(at)), self.paragraph.clusters.get(at))
        else {
            return false;
        };
        let text = |cluster: &Cluster| &self.paragraph.text[cluster.range.clone()];
        before.span == after.span && !graphemes::are_shaped_apart(text(before), text(after))
    }

    /// The text of `clusters`, one span for each style.
    pub(super) fn spans(&self, clusters: Range<usize>) -> Vec<Span> {
        let of_line = self.paragraph.clusters.get(clusters).unwrap_or_default();
        let span = |clusters: &[Cluster]| {
            let (first, last) = (clusters.first()?, clusters.last()?);
            let text = self.paragraph.text[first.range.start..last.range.end].to_owned();
            Some(Span { text, style: self.paragraph.styles[first.span].clone() })
        };
        of_line.chunk_by(|a, b| a.span == b.span).filter_map(span).collect()
    }

    /// The shaped `-` in the style of the cluster before `end`.
    pub(super) fn hyphen(&self, end: usize) -> Option<&Paragraph> {
        let span = self.paragraph.clusters.get(end.checked_sub(1)?)?.span;
        self.hyphens.iter().find(|(of, _)| *of == span).map(|(_, hyphen)| hyphen)
    }

    /// Advance width of the hyphen that ends a line before cluster `end`, px; 0 without one.
    pub(super) fn hyphen_width(&self, end: usize, factor: f64) -> f64 {
        let width = |hyphen: &Paragraph| {
            (0..hyphen.clusters.len()).fold(0.0, |pen, at| line::after(pen, hyphen, at, factor, TabStops::default()))
        };
        self.hyphen(end).map_or(0.0, width)
    }
}
