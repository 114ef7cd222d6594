//! Shaped paragraphs to lines: wrapping, line boxes and baselines, alignment (rendering.md §9.2 to §9.5).

use std::sync::Arc;

use super::blocks::{Align, Block, ListMarker, Span, SpanStyle, TextBlocks, VerticalShift};
use super::breaks::{self, Token};
use super::families::FontSet;
use super::line::{self, Line, LineSlice};
use super::shape::{ClusterKind, Paragraph, Shaper};

/// Lines that come out this much wider than the box still fit (rendering.md §9.4).
const FIT_TOLERANCE: f64 = 0.02;

/// A tab stop every so many spaces of the element's font.
const TAB_SPACES: f64 = 8.0;

/// Something about a text that the caller should hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextWarning {
    /// No face has these characters.
    GlyphMissing {
        /// One grapheme.
        text: String,
        /// The family asked for.
        family: Arc<str>,
    },
}

/// Lays texts out with the fonts of one request. One for each thread at work.
pub struct Layouter {
    pub(super) shaper: Shaper,
}

/// A text whose glyphs and advances are known; may be laid out at several widths and sizes.
pub struct ShapedText {
    blocks: Vec<ShapedBlock>,
    pub(super) strut: Strut,
    /// Distance of tab stops, px.
    tab: f64,
    /// Clusters' advances without spaces, px, and the widest cluster: bounds for shrinking.
    ink_advance: f64,
    widest: f64,
    forced_lines: usize,
}

/// The line box that every line has at least.
#[derive(Clone, Debug)]
pub(super) struct Strut {
    pub style: Arc<SpanStyle>,
    /// Font units of the element's face over units per em.
    pub ascent_em: f64,
    pub descent_em: f64,
}

struct ShapedBlock {
    block: Block,
    paragraphs: Vec<ShapedParagraph>,
    marker: Option<Paragraph>,
}

struct ShapedParagraph {
    paragraph: Paragraph,
    tokens: Vec<Token>,
    /// `-` in the style of each soft hyphen's span.
    hyphens: Vec<(usize, Paragraph)>,
}

/// How to lay out a shaped text.
#[derive(Clone, Copy, Debug)]
pub struct LayoutOptions {
    /// px; rounded to a whole px before use, as the editor does.
    pub width: f64,
    /// Unless a block has its own.
    pub align: Align,
    /// Of every font size; advances scale with it.
    pub factor: f64,
    /// Keep as many lines as fit in this height, the last one ending in `…`.
    pub ellipsis_height: Option<f64>,
}

/// Lines in place: (0, 0) is the top-left of the element's box.
#[derive(Clone, Debug, Default)]
pub struct LaidOut {
    /// Top to bottom.
    pub lines: Vec<Line>,
    /// Sum of line heights and margins, px.
    pub height: f64,
    /// What lines were broken at, px.
    pub width: f64,
    /// Lines were left out.
    pub truncated: bool,
}

impl Layouter {
    /// With these fonts.
    pub fn new(fonts: FontSet) -> Self {
        Self { shaper: Shaper::new(fonts) }
    }

    /// The fonts it was made with.
    pub fn fonts(&self) -> &FontSet {
        &self.shaper.fonts
    }

    /// What was noticed since the last call.
    pub fn take_warnings(&mut self) -> Vec<TextWarning> {
        let missing = std::mem::take(&mut self.shaper.missing);
        missing.into_iter().map(|it| TextWarning::GlyphMissing { text: it.text, family: it.family }).collect()
    }

    /// Shapes all of `text`. Line breaks are `\n`, `\r\n`, `\r`, U+2028 and U+2029.
    pub fn shape(&mut self, text: &TextBlocks) -> ShapedText {
        let strut = self.strut(&text.base);
        let space = self.shaper.shape(&[Span { text: " ".into(), style: text.base.clone() }]);
        let tab = TAB_SPACES * space.clusters.first().map_or(0.0, |cluster| cluster.advance);
        let blocks: Vec<_> = text.blocks.iter().map(|block| self.shape_block(block, &text.base)).collect();
        let (mut ink_advance, mut widest, mut forced_lines) = (0.0, 0.0_f64, 0);
        for paragraph in blocks.iter().flat_map(|block| &block.paragraphs) {
            forced_lines += 1;
            for cluster in &paragraph.paragraph.clusters {
                let advance = cluster.advance + paragraph.paragraph.styles[cluster.span].letter_spacing;
                widest = widest.max(advance);
                if cluster.kind == ClusterKind::Text {
                    ink_advance += advance.max(0.0);
                }
            }
        }
        ShapedText { blocks, strut, tab, ink_advance, widest, forced_lines }
    }

    fn strut(&mut self, style: &Arc<SpanStyle>) -> Strut {
        let face = self.shaper.strut(style);
        let metrics = face.as_ref().and_then(|face| face.load());
        let (ascent_em, descent_em) =
            metrics.map_or((0.8, 0.2), |m| (m.ascent / m.units_per_em, m.descent / m.units_per_em));
        Strut { style: style.clone(), ascent_em, descent_em }
    }

    fn shape_block(&mut self, block: &Block, base: &Arc<SpanStyle>) -> ShapedBlock {
        let marker = match block.marker {
            Some(ListMarker::Number(number)) => {
                // Normal weight and style in the element's font (rendering.md §9.9).
                let style = SpanStyle { weight: 400.0, italic: false, decorations: Vec::new(), ..(**base).clone() };
                Some(self.shaper.shape(&[Span { text: format!("{number}. "), style: Arc::new(style) }]))
            }
            Some(ListMarker::Bullet) | None => None,
        };
        let paragraphs = split_lines(&block.spans).iter().map(|spans| self.shape_paragraph(spans)).collect();
        let block = Block { spans: Vec::new(), ..block.clone() };
        ShapedBlock { block, paragraphs, marker }
    }

    fn shape_paragraph(&mut self, spans: &[Span]) -> ShapedParagraph {
        let paragraph = self.shaper.shape(spans);
        let tokens = breaks::tokens(&paragraph);
        let mut hyphens: Vec<(usize, Paragraph)> = Vec::new();
        for cluster in paragraph.clusters.iter().filter(|cluster| cluster.kind == ClusterKind::SoftHyphen) {
            if !hyphens.iter().any(|(span, _)| *span == cluster.span) {
                let style = paragraph.styles[cluster.span].clone();
                hyphens.push((cluster.span, self.shaper.shape(&[Span { text: "-".into(), style }])));
            }
        }
        ShapedParagraph { paragraph, tokens, hyphens }
    }

    /// Breaks `text` into lines and puts them in place.
    pub fn lay_out(&mut self, text: &ShapedText, options: LayoutOptions) -> LaidOut {
        let LayoutOptions { align, factor, .. } = options;
        let width = options.width.round();
        let mut out = LaidOut { width, ..LaidOut::default() };
        let mut top = 0.0;
        for block in &text.blocks {
            let inner = &block.block;
            top += inner.margin_top * factor;
            let (left, right) = (inner.indent_left * factor, width - inner.indent_right * factor);
            for (nth, paragraph) in block.paragraphs.iter().enumerate() {
                for slice in break_lines(paragraph, (right - left).max(0.0), factor, text.tab) {
                    let align = inner.align.unwrap_or(align);
                    let mut line = line::place(&slice, &paragraph.paragraph, &text.strut, align, left, right, factor);
                    line.move_down(top);
                    if nth == 0 && out.lines.is_empty() | slice.first {
                        line.add_marker(inner.marker.as_ref(), block.marker.as_ref(), left, factor, &text.strut);
                    }
                    top += line.height;
                    out.lines.push(line);
                }
            }
            top += inner.margin_bottom * factor;
        }
        out.height = top;
        out
    }
}

impl ShapedText {
    /// A height that the text cannot go below at `factor`, px: spares laying out sizes that cannot fit.
    pub(crate) fn least_height(&self, width: f64, factor: f64) -> f64 {
        let width = width.round();
        let by_width = if self.widest * factor <= width {
            (self.ink_advance * factor / (width + FIT_TOLERANCE)).ceil()
        } else {
            0.0
        };
        let ascent_descent = (self.strut.ascent_em + self.strut.descent_em - 0.1) * self.strut.style.font_size * factor;
        let strut = self.strut.style.line_height_px(0.0, 0.0).max(0.0) * factor;
        let line = if strut > 0.0 { strut } else { ascent_descent };
        by_width.max(self.forced_lines as f64) * line
    }
}

/// Greedy: as many tokens as fit; a word wider than the line is broken between clusters.
fn break_lines<'a>(shaped: &'a ShapedParagraph, width: f64, factor: f64, tab: f64) -> Vec<LineSlice<'a>> {
    let paragraph = &shaped.paragraph;
    let limit = width + FIT_TOLERANCE;
    let advance = |at: usize| {
        let cluster = &paragraph.clusters[at];
        (cluster.advance + if drawn(cluster.kind) { paragraph.styles[cluster.span].letter_spacing } else { 0.0 })
            * factor
    };
    let mut lines: Vec<LineSlice<'a>> = Vec::new();
    let mut start = 0; // of the line
    let mut end = 0; // after the last word that is on it
    let mut pen = 0.0; // after all that is on it, spaces too
    let finish = |start: usize, end: usize, hyphen: bool, lines: &mut Vec<LineSlice<'a>>| {
        let cluster = end.checked_sub(1).map(|last| &paragraph.clusters[last]);
        let hyphen =
            if hyphen { cluster.and_then(|c| shaped.hyphens.iter().find(|(span, _)| *span == c.span)) } else { None };
        let first = lines.is_empty();
        lines.push(LineSlice {
            clusters: start..end,
            hyphen: hyphen.map(|(_, p)| p),
            last: false,
            first,
            tab: tab * factor,
        });
    };
    let mut soft = false;
    for token in &shaped.tokens {
        if token.space {
            for at in token.clusters.clone() {
                pen = match paragraph.clusters[at].kind {
                    ClusterKind::Tab => next_tab(pen, tab * factor),
                    _ => pen + advance(at),
                };
            }
            continue;
        }
        let token_width: f64 = token.clusters.clone().map(advance).sum();
        if pen + token_width > limit && (end > start || pen > 0.0) {
            // The word starts a new line; spaces between are dropped.
            finish(start, end.max(start), soft, &mut lines);
            start = token.clusters.start;
            pen = 0.0;
        }
        if token_width > limit {
            for at in token.clusters.clone() {
                if pen + advance(at) > limit && at > start && advance(at) > 0.0 {
                    finish(start, at, false, &mut lines);
                    start = at;
                    pen = 0.0;
                }
                pen += advance(at);
            }
        } else {
            pen += token_width;
        }
        end = token.clusters.end;
        soft = token.soft_hyphen;
    }
    // All spaces are kept at the end of a paragraph.
    let all = paragraph.clusters.len();
    let first = lines.is_empty();
    lines.push(LineSlice { clusters: start..all, hyphen: None, last: true, first, tab: tab * factor });
    lines
}

pub(super) fn next_tab(pen: f64, tab: f64) -> f64 {
    if tab <= 0.0 { pen } else { ((pen / tab).floor() + 1.0) * tab }
}

/// Soft hyphens and zero-width spaces take no letter spacing.
pub(super) fn drawn(kind: ClusterKind) -> bool {
    !matches!(kind, ClusterKind::SoftHyphen | ClusterKind::ZeroWidthSpace)
}

/// One list of spans for each line that `\n` and its kin force.
fn split_lines(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut lines = vec![Vec::new()];
    for span in spans {
        let text = span.text.replace("\r\n", "\n");
        for (nth, part) in text.split(['\n', '\r', '\u{2028}', '\u{2029}']).enumerate() {
            if nth > 0 {
                lines.push(Vec::new());
            }
            if let Some(line) = lines.last_mut()
                && !part.is_empty()
            {
                line.push(Span { text: part.to_owned(), style: span.style.clone() });
            }
        }
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::blocks::LineHeight;
    use super::super::families::FontLibrary;
    use super::*;
    use crate::config::FontSettings;

    pub(in super::super) fn layouter() -> Layouter {
        let library = FontLibrary::new(&FontSettings::default()).expect("bundled fonts need no folder");
        Layouter::new(FontSet::new(Arc::new(library)))
    }

    pub(in super::super) fn style(family: &str, font_size: f64) -> Arc<SpanStyle> {
        Arc::new(SpanStyle {
            family: family.into(),
            font_size,
            weight: 400.0,
            italic: false,
            color: None,
            background: None,
            decorations: Vec::new(),
            letter_spacing: 0.0,
            line_height: LineHeight::Times(1.2),
            shift: VerticalShift::None,
            link: None,
        })
    }

    fn options(width: f64, align: Align) -> LayoutOptions {
        LayoutOptions { width, align, factor: 1.0, ellipsis_height: None }
    }

    fn lines(text: &str, width: f64) -> Vec<String> {
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain(text, style("Liberation Sans", 100.0)));
        let out = layouter.lay_out(&shaped, options(width, Align::Left));
        out.lines.iter().map(|line| line.runs.iter().map(|run| run.text.as_ref()).collect()).collect()
    }

    #[test]
    fn wrapping_is_greedy_and_drops_spaces_only_where_it_wraps() {
        // H is 72.2 px, a space 27.8 px.
        assert_eq!(lines("HH  HH H", 250.0), ["HH", "HH H"]);
        assert_eq!(lines("HH \n H", 250.0), ["HH ", " H"]);
        assert_eq!(lines("", 250.0), [""]);
        assert_eq!(lines("H\n\nH", 250.0), ["H", "", "H"]);
    }

    #[test]
    fn wrapping_breaks_words_that_are_wider_than_the_line() {
        assert_eq!(lines("H HHHHH", 220.0), ["H", "HHH", "HH"]);
        assert_eq!(lines("HHH", 1.0), ["H", "H", "H"]);
    }

    #[test]
    fn wrapping_width_is_rounded() {
        // "HH" in Liberation Sans 100 px is 144.43 px wide.
        assert_eq!(lines("HH", 144.4), ["H", "H"]);
        assert_eq!(lines("HH", 144.5), ["HH"]);
    }

    #[test]
    fn wrapping_shows_soft_hyphens_where_the_line_ends() {
        assert_eq!(lines("HH\u{ad}HH", 250.0), ["HH\u{ad}-", "HH"]);
        assert_eq!(lines("HH\u{ad}HH", 400.0), ["HH\u{ad}HH"]);
    }

    #[test]
    fn baseline_is_centred_in_the_line_box_with_rounded_metrics() {
        // rendering.md §9.2: Liberation Sans 100 px, line height 1.2: H bottom at 95 below the top.
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain("H\nH", style("Liberation Sans", 100.0)));
        let out = layouter.lay_out(&shaped, options(300.0, Align::Left));
        assert_eq!(out.lines[0].baseline, 95.0);
        assert_eq!(out.lines[1].baseline, 215.0);
        assert_eq!(out.height, 240.0);
    }

    #[test]
    fn alignment_counts_trailing_letter_spacing_and_overflowing_lines_start_left() {
        let mut layouter = layouter();
        let base = SpanStyle { letter_spacing: 10.0, ..(*style("Liberation Sans", 100.0)).clone() };
        let shaped = layouter.shape(&TextBlocks::plain("HH", Arc::new(base)));
        let out = layouter.lay_out(&shaped, options(300.0, Align::Right));
        assert!((out.lines[0].runs[0].x - (300.0 - 164.43)).abs() < 0.01, "{}", out.lines[0].runs[0].x);
        let out = layouter.lay_out(&shaped, options(10.0, Align::Right));
        assert_eq!(out.lines[0].runs[0].x, 0.0);
    }

    #[test]
    fn justify_stretches_spaces_but_not_on_the_last_line() {
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain("H H H HH", style("Liberation Sans", 100.0)));
        let out = layouter.lay_out(&shaped, options(300.0, Align::Justify));
        assert_eq!(out.lines.len(), 2);
        assert!((out.lines[0].width - 300.0).abs() < 0.01);
        assert!(out.lines[1].width < 200.0);
    }

    #[test]
    fn bidi_lines_run_in_visual_order_but_left_is_left() {
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain("אבג ab", style("Liberation Sans", 20.0)));
        let out = layouter.lay_out(&shaped, options(300.0, Align::Left));
        assert_eq!(out.lines[0].runs[0].text.trim(), "ab");
        assert_eq!(out.lines[0].runs[0].x, 0.0);
    }
}
