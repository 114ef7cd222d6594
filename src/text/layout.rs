//! Shaped paragraphs to lines: wrapping, line boxes and baselines, alignment (rendering.md §9.2 to §9.5).

use std::sync::Arc;

use super::blocks::{Align, Block, ListMarker, Marker, Span, SpanStyle, TextBlocks};
use super::breaks::{self, LineBreaking};
use super::families::FontSet;
use super::line::{self, Line, LinePlacement, LineSlice, ShapedMarker, TabStops};
use super::shape::{ClusterKind, Paragraph, Shaper};
use super::shaped_text::{ShapedBlock, ShapedParagraph, ShapedText};
use super::shaped_text_cache::{self, ShapedTextCache};
use super::strut::Strut;
use super::wrap::FIT_TOLERANCE;

/// Distance of tab stops, in spaces of the element's font with letter spacing.
const TAB_SPACES: f64 = 8.0;

/// A problem of a text's layout that is reported to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextWarning {
    /// No available face has a glyph for these characters.
    GlyphMissing {
        /// The grapheme, shortened when it is long.
        text: String,
        /// The font family of the text.
        family: Arc<str>,
    },
    /// Further characters are missing beyond those reported one by one.
    MoreMissing {
        /// Number of graphemes, counted once per family.
        count: usize,
    },
}

/// Shapes and lays out texts with the fonts of one request. Each thread needs its own.
pub struct Layouter {
    pub(super) shaper: Shaper,
    /// Line breaking rules of texts shaped from now on. Default: those of the editor.
    pub breaking: LineBreaking,
    cache: ShapedTextCache,
    /// Length of the longest text shaped so far, bytes.
    longest: usize,
}

/// A layouter that has shaped a longer text than this, in bytes, is dropped because of the size of its buffers.
const MAX_REUSED_TEXT: usize = 50_000;

/// The width and the rules by which a shaped text is laid out.
#[derive(Clone, Copy, Debug)]
pub struct LayoutOptions {
    /// Width of the box, px; rounded to whole px before use, as the editor does.
    pub width: f64,
    /// Alignment of blocks that have none of their own.
    pub align: Align,
    /// Factor of every font size; advances scale with it.
    pub factor: f64,
    /// Lines beyond this height, px, are dropped, and the last one that remains ends in `…`.
    pub ellipsis_height: Option<f64>,
    /// Lines beyond this number are dropped likewise.
    pub max_lines: Option<usize>,
    /// Words wider than the line are broken; otherwise they overflow it.
    pub split_words: bool,
}

impl LayoutOptions {
    /// Options for all lines at the size in which they were shaped, with words wider than the line broken as in the
    /// editor.
    pub fn new(width: f64, align: Align) -> Self {
        Self { width, align, factor: 1.0, ellipsis_height: None, max_lines: None, split_words: true }
    }
}

/// The positioned lines of a text. (0, 0) is the top-left corner of the element's box.
#[derive(Clone, Debug, Default)]
pub struct LaidOut {
    /// The lines from top to bottom.
    pub lines: Vec<Line>,
    /// Height of the text, px: the sum of line heights and margins.
    pub height: f64,
    /// The width at which lines were broken, px.
    pub width: f64,
    /// Lines were dropped because of [`LayoutOptions::ellipsis_height`] or [`LayoutOptions::max_lines`].
    pub truncated: bool,
}

impl LaidOut {
    /// True when some line is wider than the box.
    pub(crate) fn is_too_wide(&self) -> bool {
        self.lines.iter().any(|line| line.x + line.width > self.width + FIT_TOLERANCE)
    }
}

impl Layouter {
    /// Creates a layouter for a set of fonts.
    pub fn new(fonts: FontSet) -> Self {
        Self {
            shaper: Shaper::new(fonts),
            breaking: LineBreaking::default(),
            cache: ShapedTextCache::new(),
            longest: 0,
        }
    }

    /// Estimated bytes of the cached shaped texts.
    pub(super) fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// True when a very long text has grown the buffers beyond what most texts need.
    pub(super) fn is_oversized(&self) -> bool {
        self.longest > MAX_REUSED_TEXT
    }

    /// The fonts that this layouter was created with.
    pub fn fonts(&self) -> &FontSet {
        &self.shaper.fonts
    }

    /// Returns the warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<TextWarning> {
        let missing = std::mem::take(&mut self.shaper.missing);
        let more = missing.more();
        let first = missing.first.into_iter().map(|it| TextWarning::GlyphMissing { text: it.text, family: it.family });
        first.chain((more > 0).then_some(TextWarning::MoreMissing { count: more })).collect()
    }

    /// Shapes all of `text`, or returns it from the cache. `\n` and `\r` each break a line, so that `\r\n` breaks
    /// twice.
    pub fn shape(&mut self, text: &TextBlocks) -> Arc<ShapedText> {
        let key = match self.cache.get(text, self.breaking) {
            Ok(shaped) => return shaped,
            Err(key) => key,
        };
        self.longest = self.longest.max(shaped_text_cache::length(text));
        let shaped = Arc::new(self.shape_anew(text));
        // A text with missing glyphs is shaped each time, so that each request gets the warning.
        if self.shaper.missing.is_empty() {
            self.cache.put(key, (text, self.breaking), &shaped);
        }
        shaped
    }

    fn shape_anew(&mut self, text: &TextBlocks) -> ShapedText {
        let strut = self.strut(&text.base);
        let space = self.shaper.shape(&[Span { text: " ".into(), style: text.base.clone() }]);
        let space = space.clusters.first().map_or(0.0, |cluster| cluster.advance) * text.base.advance_factor(1.0);
        let every = TAB_SPACES * (space + text.base.letter_spacing);
        let tabs = TabStops { every: every.max(0.0), min_distance: space / 2.0 };
        let blocks: Vec<_> = text.blocks.iter().map(|block| self.shape_block(block, text)).collect();
        let paragraphs = || blocks.iter().flat_map(|block| &block.paragraphs).map(|shaped| &shaped.paragraph);
        let optical = paragraphs().any(Paragraph::follows_size).then(|| text.clone());
        let (mut ink_advance, mut widest, mut forced_lines) = (0.0, 0.0_f64, 0);
        for paragraph in paragraphs() {
            forced_lines += 1;
            // With optical sizes, advances at one size do not bound those at another.
            let clusters = paragraph.clusters.iter().filter(|_| optical.is_none());
            for cluster in clusters {
                let spacing = paragraph.letter_spacing(cluster, 1.0);
                // Negative spacing in px does not scale, so it cannot be part of a bound for all sizes.
                let fixed = paragraph.styles[cluster.span].spacing_in_px && spacing < 0.0;
                let advance = if fixed { 0.0 } else { cluster.advance + spacing };
                widest = widest.max(advance);
                if cluster.kind == ClusterKind::Text {
                    ink_advance += advance.max(0.0);
                }
            }
        }
        let spans = text.blocks.iter().flat_map(|block| block.spans.iter().map(|span| &span.style).chain(&block.strut));
        let sizes = text.blocks.iter().flat_map(|block| &block.spans).map(|span| span.style.font_size);
        let min_size = sizes.filter(|size| *size > 0.0).fold(text.base.font_size, f64::min);
        let px_sizes = spans.filter_map(|style| style.px_size).filter(|size| *size > 0.0);
        let min_px_size = px_sizes.fold(f64::INFINITY, f64::min);
        ShapedText {
            blocks,
            strut,
            tabs,
            ink_advance,
            widest,
            forced_lines,
            is_plain: text.is_plain(),
            rtl: text.rtl,
            min_size,
            min_px_size,
            optical,
        }
    }

    fn strut(&self, style: &Arc<SpanStyle>) -> Strut {
        Strut { style: style.clone(), metrics: self.shaper.metrics(style) }
    }

    fn shape_block(&mut self, block: &Block, text: &TextBlocks) -> ShapedBlock {
        let markers = block.marker.iter().chain(block.outer_markers.iter().map(|(marker, _)| marker));
        let last = text.blocks.iter().rev().find_map(|block| block.spans.last()).map(|span| span.style.letter_spacing);
        let markers = markers.map(|marker| self.shape_marker(marker, text.rtl, last.unwrap_or(0.0))).collect();
        let lines = split_lines(&block.spans);
        let paragraphs = lines.iter().map(|spans| self.shape_paragraph(spans, text.rtl)).collect();
        let strut = block.strut.as_ref().map(|style| self.strut(style));
        let block = Block { spans: Vec::new(), ..block.clone() };
        ShapedBlock { block, paragraphs, markers, strut }
    }

    /// Shapes a list marker. The editor measures it in the item's style and draws it in a plain one. It measures with
    /// the letter spacing of the text before it, which is `spacing`.
    fn shape_marker(&mut self, marker: &Marker, rtl: bool, spacing: f64) -> ShapedMarker {
        let of_item = SpanStyle { letter_spacing: spacing, spacing_in_px: false, ..(*marker.style).clone() };
        let plain = SpanStyle {
            weight: 400.0,
            italic: false,
            decorations: Vec::new(),
            px_size: None,
            ..(*marker.style).clone()
        };
        let text = match marker.kind {
            ListMarker::Number(number) => format!("{number}."),
            ListMarker::Bullet => "•".to_owned(),
        };
        let of_item = Arc::new(of_item);
        let measured = self.shaper.shape(&[Span { text: text.clone(), style: of_item.clone() }]);
        let space = self.shaper.shape(&[Span { text: " ".into(), style: of_item }]);
        let width = |paragraph: &Paragraph| {
            (0..paragraph.clusters.len()).fold(0.0, |pen, at| line::after(pen, paragraph, at, 1.0, TabStops::default()))
        };
        ShapedMarker {
            width: width(&measured),
            gap: width(&space),
            bullet: (marker.kind == ListMarker::Bullet).then_some(measured),
            drawn: self.shaper.shape_towards(&[Span { text, style: plain.into() }], rtl),
            strut: self.strut(&marker.style),
        }
    }

    fn shape_paragraph(&mut self, spans: &[Span], rtl: bool) -> ShapedParagraph {
        let paragraph = self.shaper.shape_towards(spans, rtl);
        let tokens = breaks::tokens(&paragraph, self.breaking);
        let mut hyphens: Vec<(usize, Paragraph)> = Vec::new();
        for cluster in paragraph.clusters.iter().filter(|cluster| cluster.kind == ClusterKind::SoftHyphen) {
            if !hyphens.iter().any(|(span, _)| *span == cluster.span) {
                let style = paragraph.styles[cluster.span].clone();
                hyphens.push((cluster.span, self.shaper.shape(&[Span { text: "-".into(), style }])));
            }
        }
        ShapedParagraph { paragraph, tokens, hyphens }
    }

    /// Breaks `text` into lines and positions them.
    pub fn lay_out(&mut self, text: &ShapedText, options: LayoutOptions) -> LaidOut {
        match text.optical.as_ref().filter(|it| it.base.optical_factor != options.factor) {
            Some(blocks) => {
                let drawn = self.shape_anew(&blocks.drawn_at(options.factor));
                self.lay_out_shaped(&drawn, options)
            }
            None => self.lay_out_shaped(text, options),
        }
    }

    fn lay_out_shaped(&mut self, text: &ShapedText, options: LayoutOptions) -> LaidOut {
        let LayoutOptions { align, factor, .. } = options;
        let width = options.width.round();
        let mut lines = text.broken(width, factor, options.split_words, &mut self.shaper);
        let by_height = options.ellipsis_height.map_or(usize::MAX, |height| text.visible_lines(height, factor));
        let visible = by_height.min(options.max_lines.unwrap_or(usize::MAX)).max(1);
        let truncated = lines.len() > visible;
        let mut ellipsis = None;
        if truncated {
            let same_block = lines[visible].block == lines[visible - 1].block;
            lines.truncate(visible);
            // Where the first dropped line starts a block the editor draws no `…` (rendering.md §9.7).
            ellipsis = lines.last_mut().filter(|_| same_block).map(|last| {
                // The width of the `…` depends on the style of the last remaining word, and the remaining words on that
                // width.
                let mut style = last.end_style(&text.strut.style);
                loop {
                    let dots = self.shaper.shape(&[Span { text: "…".into(), style: style.clone() }]);
                    let width = dots.clusters.iter().map(|c| c.advance + style.letter_spacing).sum::<f64>();
                    let room = last.right - last.left - width * style.drawn_factor(factor);
                    last.shorten(room, factor, text.tabs);
                    let remaining = last.end_style(&text.strut.style);
                    if Arc::ptr_eq(&remaining, &style) || last.slice.clusters.is_empty() {
                        break dots;
                    }
                    style = remaining;
                }
            });
        }
        let count = lines.len();
        let mut out = LaidOut { width, truncated, ..LaidOut::default() };
        let mut top = 0.0;
        for (at, line) in lines.iter().enumerate() {
            let block = &text.blocks[line.block];
            if line.first_of_block {
                top += block.block.margin_top * factor;
            }
            let dots = ellipsis.as_ref().filter(|_| at + 1 == count);
            let align = block.block.align.unwrap_or(align);
            let place = LinePlacement {
                left: line.left,
                right: line.right,
                align: if dots.is_some() && align == Align::Justify { Align::Left } else { align },
                factor,
            };
            let mut slice = LineSlice { suffix: dots.or(line.slice.suffix), ..line.slice.clone() };
            let strut = block.strut.as_ref().unwrap_or(&text.strut);
            let reshaped = line.reshaped(&mut self.shaper);
            if let Some(reshaped) = &reshaped {
                slice.clusters = 0..reshaped.clusters.len();
            }
            let mut placed = line::place(&slice, reshaped.as_ref().unwrap_or(&line.shaped.paragraph), strut, place);
            placed.move_down(top);
            if line.first_of_block {
                let own = block.block.marker.iter().map(|_| if text.rtl { line.right } else { line.left });
                let edge = |indent: f64| if text.rtl { width - indent * factor } else { indent * factor };
                let edges = own.chain(block.block.outer_markers.iter().map(|(_, indent)| edge(*indent)));
                for (marker, content_edge) in block.markers.iter().zip(edges) {
                    placed.add_marker(marker, content_edge, factor, text.rtl);
                }
            }
            top += placed.height;
            out.lines.push(placed);
            if line.last_of_block {
                top += block.block.margin_bottom * factor;
            }
        }
        out.height = top;
        out
    }
}

/// A no-break space: as wide as a space, but lines are neither broken nor stretched at it.
const UNBROKEN_SPACE: &str = "\u{a0}";

/// Splits spans at `\n` and `\r` into one list for each line. Vertical tabs and Unicode's separators of lines and
/// paragraphs are drawn as spaces, as the editor does.
fn split_lines(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut lines = vec![Vec::new()];
    for span in spans {
        let text = span.text.replace(['\u{b}', '\u{2028}', '\u{2029}'], UNBROKEN_SPACE);
        let part = |text: &str| Span { text: text.to_owned(), style: span.style.clone() };
        for (nth, text) in text.split(['\n', '\r']).enumerate() {
            if nth > 0 {
                // An empty line has the height of the line break that ends it.
                if let Some(line) = lines.last_mut().filter(|line| line.is_empty()) {
                    line.push(part(""));
                }
                lines.push(Vec::new());
            }
            if let Some(line) = lines.last_mut()
                && !text.is_empty()
            {
                line.push(part(text));
            }
        }
    }
    if let (Some(line), Some(span)) = (lines.last_mut().filter(|line| line.is_empty()), spans.last()) {
        line.push(Span { text: String::new(), style: span.style.clone() });
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::blocks::{LineHeight, VerticalShift};
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
            px_size: None,
            optical_factor: 1.0,
            weight: 400.0,
            italic: false,
            color: None,
            background: None,
            decorations: Vec::new(),
            letter_spacing: 0.0,
            spacing_in_px: false,
            line_height: LineHeight::Times(1.2),
            shift: VerticalShift::None,
            link: None,
        })
    }

    fn options(width: f64, align: Align) -> LayoutOptions {
        LayoutOptions::new(width, align)
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
    fn wrapping_looks_at_lines_as_wholes_where_their_words_are_a_little_too_wide() {
        // Liberation Sans kerns `A` and the space by 5.57 px at 100 px: words add up to 66.7 + 27.8 + 66.7 = 161.2 px.
        let whole = layouter()
            .shaper
            .width_of_whole(&[Span { text: "A A".into(), style: style("Liberation Sans", 100.0) }], 1.0);
        assert!((150.0..150.5).contains(&whole), "{whole}");
        // At 10 px, 16.1 and 15.0 px: a line of 16 px is less than 1 px too narrow.
        let lines = |text: &str, size: f64| {
            let mut layouter = layouter();
            let shaped = layouter.shape(&TextBlocks::plain(text, style("Liberation Sans", size)));
            layouter.lay_out(&shaped, options(16.0, Align::Left)).lines.len()
        };
        assert_eq!((lines("A A", 10.0), lines("H H", 10.0)), (1, 2));
    }

    #[test]
    fn words_are_not_kerned_where_they_are_broken() {
        // A and V overlap by 7.4 px at 100 px: reshaped, A is 66.7 px wide.
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain("AV", style("Liberation Sans", 100.0)));
        let out = layouter.lay_out(&shaped, options(100.0, Align::Left));
        assert_eq!(out.lines.len(), 2);
        assert!((out.lines[0].width - 66.7).abs() < 0.05, "{}", out.lines[0].width);
        // Together they are 126 px.
        assert_eq!(layouter.lay_out(&shaped, options(127.0, Align::Left)).lines.len(), 1);
    }

    #[test]
    fn empty_lines_are_as_high_as_the_break_that_ends_them() {
        let mut layouter = layouter();
        let (base, large) = (style("Liberation Sans", 20.0), style("Liberation Sans", 40.0));
        let span = |text: &str, style: &Arc<SpanStyle>| Span { text: text.into(), style: style.clone() };
        let block = Block::of(vec![span("\n\n", &large), span("a", &base)]);
        let shaped = layouter.shape(&TextBlocks { blocks: vec![block], base: base.clone(), rtl: false });
        let out = layouter.lay_out(&shaped, options(300.0, Align::Left));
        assert_eq!(out.lines.iter().map(|line| line.height).collect::<Vec<_>>(), [48.0, 48.0, 24.0]);
    }

    #[test]
    fn pieces_of_wide_words_flow_like_words() {
        // At 100 px, H is 72.2, i 22.2 and the hyphen 33.3 px wide. It is left over of `iHHH-`, and three H fit behind
        // it.
        assert_eq!(lines("iHHH-HHHH", 260.0), ["iHHH", "-HHH", "H"]);
    }

    #[test]
    fn soft_hyphens_need_room_where_a_word_may_end() {
        // H is 72.2 px wide, the hyphen 33.3 px: the second H would fit, with a hyphen it does not.
        assert_eq!(lines("H\u{ad}H\u{ad}i", 150.0), ["H\u{ad}-", "H\u{ad}i"]);
    }

    #[test]
    fn stretches_of_one_style_stand_from_right_to_left() {
        let mut layouter = layouter();
        let (base, bold) = (style("Liberation Sans", 20.0), style("Liberation Serif", 20.0));
        let span = |text: &str, style: &Arc<SpanStyle>| Span { text: text.into(), style: style.clone() };
        let block = Block::of(vec![span("ab ", &base), span("cd ", &bold), span("\u{5d0}", &base)]);
        let text = TextBlocks { blocks: vec![block], base: base.clone(), rtl: true };
        let shaped = layouter.shape(&text);
        let out = layouter.lay_out(&shaped, options(300.0, Align::Left));
        let texts: Vec<_> = out.lines[0].runs.iter().map(|run| run.text.trim().to_owned()).collect();
        let words: Vec<_> = texts.iter().filter(|it| !it.is_empty()).map(String::as_str).collect();
        assert_eq!(words, ["\u{5d0}", "cd", "ab"]);
    }

    #[test]
    fn lines_are_as_high_as_the_font_asked_for() {
        // Roboto has no Hebrew: the letters come from Liberation Serif, the metrics do not.
        let mut layouter = layouter();
        let mut line = |text: &str| {
            let base = SpanStyle { line_height: LineHeight::Auto, ..(*style("Roboto", 100.0)).clone() };
            let shaped = layouter.shape(&TextBlocks::plain(text, Arc::new(base)));
            let out = layouter.lay_out(&shaped, options(300.0, Align::Left));
            (out.lines[0].height, out.lines[0].baseline)
        };
        assert_eq!(line("a"), line("\u{5d0}"));
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
