//! Shaped paragraphs to lines: wrapping, line boxes and baselines, alignment (rendering.md §9.2 to §9.5).

use std::sync::Arc;

use super::blocks::{Align, Block, LineHeight, ListMarker, Marker, Span, SpanStyle, TextBlocks};
use super::breaks::{self, LineBreaking, Token};
use super::families::FontSet;
use super::line::{self, Line, LineSlice, Place, TabStops};
use super::shape::{self, Cluster, ClusterKind, LineMetrics, Paragraph, Shaper};
use super::shapes::{self, Shapes};
use std::ops::Range;

/// Lines that come out this much wider than the box still fit, where they are measured as a whole (rendering.md §9.4).
const FIT_TOLERANCE: f64 = 0.02;

/// Advances are those of a size that is smaller by less than this, px (see [`super::blocks::advance_size`]).
const ADVANCE_SIZE_LOSS: f64 = 0.03;

/// The editor measures a line as a whole where its words together are too wide by less than this, px.
const REMEASURED: f64 = 1.0;

/// A tab stop every so many spaces of the element's font, each with its letter spacing.
const TAB_SPACES: f64 = 8.0;

/// Something about a text that the caller should hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextWarning {
    /// No face has these characters.
    GlyphMissing {
        /// One grapheme, cut when it is long.
        text: String,
        /// The family asked for.
        family: Arc<str>,
    },
    /// Nor these many others.
    MoreMissing {
        /// Graphemes, counted once for each family.
        count: usize,
    },
}

/// Lays texts out with the fonts of one request. One for each thread at work.
pub struct Layouter {
    pub(super) shaper: Shaper,
    /// Where lines of texts that are shaped from now on may end. Default: as in the editor.
    pub breaking: LineBreaking,
    shapes: Shapes,
    /// Bytes of the longest text so far.
    longest: usize,
}

/// What shaping a text longer than this leaves behind is not worth keeping, in bytes of text.
const SWOLLEN: usize = 50_000;

/// A text whose glyphs and advances are known; may be laid out at several widths and sizes.
pub struct ShapedText {
    blocks: Vec<ShapedBlock>,
    pub(super) strut: Strut,
    tabs: TabStops,
    /// Clusters' advances without spaces, px, and the widest cluster: bounds for shrinking.
    ink_advance: f64,
    widest: f64,
    forced_lines: usize,
    /// One block, all in the element's style.
    is_plain: bool,
    /// All of it reads from right to left.
    rtl: bool,
    /// The smallest font size of all, px.
    least_size: f64,
    /// The smallest size given in px, which is rounded where the text shrinks; infinite when there is none.
    least_px_size: f64,
    /// The text itself, where its glyphs are others at other sizes (the axis `opsz`): it is shaped anew for each.
    optical: Option<TextBlocks>,
}

/// The line box that every line has at least.
#[derive(Clone, Debug)]
pub(super) struct Strut {
    pub style: Arc<SpanStyle>,
    /// Of the style's own face.
    pub metrics: LineMetrics,
}

impl Strut {
    /// Rounded to whole px at the drawn size (rendering.md §9.2).
    pub(super) fn ascent_descent(&self, factor: f64) -> (f64, f64) {
        self.metrics.ascent_descent(self.style.font_size * self.style.drawn_factor(factor))
    }
}

struct ShapedBlock {
    block: Block,
    paragraphs: Vec<ShapedParagraph>,
    /// The block's own, and the outer ones.
    markers: Vec<ShapedMarker>,
    /// Instead of the text's.
    strut: Option<Strut>,
}

/// What stands before a list item.
pub(super) struct ShapedMarker {
    /// In the item's style, but of normal weight, upright and without decorations.
    pub drawn: Paragraph,
    /// Advance width in the item's style, px.
    pub width: f64,
    /// Advance width of the space after it, px.
    pub gap: f64,
    /// Of a bullet: its glyph in the item's style; `None` for a number.
    pub bullet: Option<Paragraph>,
    /// Of the item.
    pub strut: Strut,
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
    /// Keep at most so many lines, likewise.
    pub max_lines: Option<usize>,
    /// Break words that are wider than the line; otherwise they stick out.
    pub split_words: bool,
}

impl LayoutOptions {
    /// All lines at the size they were shaped in, over-wide words broken as the editor does.
    pub fn new(width: f64, align: Align) -> Self {
        Self { width, align, factor: 1.0, ellipsis_height: None, max_lines: None, split_words: true }
    }
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

impl LaidOut {
    /// A word that could not be broken sticks out of the box.
    pub(crate) fn is_too_wide(&self) -> bool {
        self.lines.iter().any(|line| line.x + line.width > self.width + FIT_TOLERANCE)
    }
}

impl Layouter {
    /// With these fonts.
    pub fn new(fonts: FontSet) -> Self {
        Self { shaper: Shaper::new(fonts), breaking: LineBreaking::default(), shapes: Shapes::new(), longest: 0 }
    }

    /// Bytes of the texts it keeps shaped, about.
    pub(super) fn kept_bytes(&self) -> usize {
        self.shapes.bytes()
    }

    /// True when its lists have grown for a text so long that most texts never use them again.
    pub(super) fn is_swollen(&self) -> bool {
        self.longest > SWOLLEN
    }

    /// The fonts it was made with.
    pub fn fonts(&self) -> &FontSet {
        &self.shaper.fonts
    }

    /// What was noticed since the last call.
    pub fn take_warnings(&mut self) -> Vec<TextWarning> {
        let missing = std::mem::take(&mut self.shaper.missing);
        let more = missing.more();
        let told = missing.first.into_iter().map(|it| TextWarning::GlyphMissing { text: it.text, family: it.family });
        told.chain((more > 0).then_some(TextWarning::MoreMissing { count: more })).collect()
    }

    /// Shapes all of `text`, or finds it shaped. Line breaks are `\n` and `\r`, so that `\r\n` is two.
    pub fn shape(&mut self, text: &TextBlocks) -> Arc<ShapedText> {
        let key = match self.shapes.get(text, self.breaking) {
            Ok(shaped) => return shaped,
            Err(key) => key,
        };
        self.longest = self.longest.max(shapes::length(text));
        let shaped = Arc::new(self.shape_anew(text));
        // A text with something missing is told of each time, and so shaped each time.
        if self.shaper.missing.is_empty() {
            self.shapes.put(key, (text, self.breaking), &shaped);
        }
        shaped
    }

    fn shape_anew(&mut self, text: &TextBlocks) -> ShapedText {
        let strut = self.strut(&text.base);
        let space = self.shaper.shape(&[Span { text: " ".into(), style: text.base.clone() }]);
        let space = space.clusters.first().map_or(0.0, |cluster| cluster.advance) * text.base.advance_factor(1.0);
        let every = TAB_SPACES * (space + text.base.letter_spacing);
        let tabs = TabStops { every: every.max(0.0), least: space / 2.0 };
        let blocks: Vec<_> = text.blocks.iter().map(|block| self.shape_block(block, text)).collect();
        let paragraphs = || blocks.iter().flat_map(|block| &block.paragraphs).map(|shaped| &shaped.paragraph);
        let optical = paragraphs().any(Paragraph::follows_size).then(|| text.clone());
        let (mut ink_advance, mut widest, mut forced_lines) = (0.0, 0.0_f64, 0);
        for paragraph in paragraphs() {
            forced_lines += 1;
            // Advances of one size say nothing of those of another where glyphs follow the size.
            let clusters = paragraph.clusters.iter().filter(|_| optical.is_none());
            for cluster in clusters {
                let spacing = paragraph.letter_spacing(cluster, 1.0);
                // Spacing in px does not shrink: as a bound it must not count for less than it is.
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
        let least_size = sizes.filter(|size| *size > 0.0).fold(text.base.font_size, f64::min);
        let px_sizes = spans.filter_map(|style| style.px_size).filter(|size| *size > 0.0);
        let least_px_size = px_sizes.fold(f64::INFINITY, f64::min);
        ShapedText {
            blocks,
            strut,
            tabs,
            ink_advance,
            widest,
            forced_lines,
            is_plain: text.is_plain(),
            rtl: text.rtl,
            least_size,
            least_px_size,
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

    /// The editor measures a marker in the item's style and draws it in a plain one. It measures with the letter spacing
    /// that it used last, which is `spacing`.
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

    /// Breaks `text` into lines and puts them in place.
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
            // Where the cut falls between two blocks the editor draws no `…` (rendering.md §9.7).
            ellipsis = lines.last_mut().filter(|_| same_block).map(|last| {
                // The style of what remains decides how wide the `…` is, and that decides what remains.
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
            let place = Place {
                left: line.left,
                right: line.right,
                align: if dots.is_some() && align == Align::Justify { Align::Left } else { align },
                factor,
            };
            let mut slice = LineSlice { suffix: dots.or(line.slice.suffix), ..line.slice.clone() };
            let strut = block.strut.as_ref().unwrap_or(&text.strut);
            let alone = line.alone(&mut self.shaper);
            if let Some(alone) = &alone {
                slice.clusters = 0..alone.clusters.len();
            }
            let mut placed = line::place(&slice, alone.as_ref().unwrap_or(&line.shaped.paragraph), strut, place);
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

/// One line of a text, not yet in place.
struct BrokenLine<'a> {
    block: usize,
    first_of_block: bool,
    last_of_block: bool,
    shaped: &'a ShapedParagraph,
    slice: LineSlice<'a>,
    left: f64,
    right: f64,
}

impl BrokenLine<'_> {
    /// What stands on it, shaped without what comes before and after, where that makes a difference.
    fn alone(&self, shaper: &mut Shaper) -> Option<Paragraph> {
        let spans = self.slice.apart.then(|| self.shaped.spans(self.slice.clusters.clone()))?;
        // The levels of letters from right to left are those of the whole paragraph.
        (!spans.iter().any(|span| shape::has_rtl_letter(&span.text))).then(|| shaper.shape(&spans))
    }

    /// Style of the line's last character; `empty` where there is none.
    fn end_style(&self, empty: &Arc<SpanStyle>) -> Arc<SpanStyle> {
        let paragraph = &self.shaped.paragraph;
        let last = paragraph.clusters[self.slice.clusters.clone()].last();
        last.map_or(empty, |cluster| &paragraph.styles[cluster.span]).clone()
    }

    /// Takes whole words from the end until what is left fits into `room` px.
    fn shorten(&mut self, room: f64, factor: f64, tabs: TabStops) {
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
    /// Characters between forced breaks, of all blocks in reading order.
    pub(super) fn paragraphs(&self) -> impl Iterator<Item = &Paragraph> {
        self.blocks.iter().flat_map(|block| &block.paragraphs).map(|shaped| &shaped.paragraph)
    }

    fn broken(&self, width: f64, factor: f64, split_words: bool, shaper: &mut Shaper) -> Vec<BrokenLine<'_>> {
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
                let room = Room { width: room, split_words };
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

    /// Whole lines of the element's own height; at least one (rendering.md §9.7).
    fn visible_lines(&self, height: f64, factor: f64) -> usize {
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
    fn is_inside_word(&self, at: usize) -> bool {
        let (Some(before), Some(after)) =
            (at.checked_sub(1).and_then(|at| self.paragraph.clusters.get(at)), self.paragraph.clusters.get(at))
        else {
            return false;
        };
        let text = |cluster: &Cluster| &self.paragraph.text[cluster.range.clone()];
        before.span == after.span && !breaks::parted(text(before), text(after))
    }

    /// What stands in `clusters`, element by element.
    fn spans(&self, clusters: Range<usize>) -> Vec<Span> {
        let of_line = self.paragraph.clusters.get(clusters).unwrap_or_default();
        let span = |clusters: &[Cluster]| {
            let (first, last) = (clusters.first()?, clusters.last()?);
            let text = self.paragraph.text[first.range.start..last.range.end].to_owned();
            Some(Span { text, style: self.paragraph.styles[first.span].clone() })
        };
        of_line.chunk_by(|a, b| a.span == b.span).filter_map(span).collect()
    }

    /// The `-` of the style that ends before cluster `end`.
    fn hyphen(&self, end: usize) -> Option<&Paragraph> {
        let span = self.paragraph.clusters.get(end.checked_sub(1)?)?.span;
        self.hyphens.iter().find(|(of, _)| *of == span).map(|(_, hyphen)| hyphen)
    }

    /// Whether `clusters` fit on a line when they are measured as one string, kerned also with spaces. The editor looks once
    /// more where the sum of words is a little too wide, if all of them are of one font.
    fn fits_as_whole(&self, clusters: Range<usize>, hyphen: f64, room: Room, factor: f64, shaper: &mut Shaper) -> bool {
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

    /// Its advance width, px.
    fn hyphen_width(&self, end: usize, factor: f64) -> f64 {
        let width = |hyphen: &Paragraph| {
            (0..hyphen.clusters.len()).fold(0.0, |pen, at| line::after(pen, hyphen, at, factor, TabStops::default()))
        };
        self.hyphen(end).map_or(0.0, width)
    }
}

/// For the words of a line.
#[derive(Clone, Copy)]
struct Room {
    /// px; infinite where lines do not wrap.
    width: f64,
    /// See [`LayoutOptions::split_words`].
    split_words: bool,
}

/// Greedy: as many tokens as fit; a word wider than the line is broken between clusters.
fn break_lines<'a>(
    shaped: &'a ShapedParagraph,
    room: Room,
    factor: f64,
    tabs: TabStops,
    shaper: &mut Shaper,
) -> Vec<LineSlice<'a>> {
    let paragraph = &shaped.paragraph;
    let advance = |at: usize| line::after(0.0, paragraph, at, factor, TabStops::default());
    // At a break nothing is kerned: by how much that makes the cluster before it wider, px.
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
    let mut start = 0; // of the line
    let mut end = 0; // after the last word that is on it
    let mut pen = 0.0; // after all that is on it, spaces too
    let finish = |start: usize, end: usize, hyphen: bool, lines: &mut Vec<LineSlice<'a>>| {
        let suffix = if hyphen { shaped.hyphen(end) } else { None };
        let apart = shaped.is_inside_word(start) || shaped.is_inside_word(end);
        lines.push(LineSlice { clusters: start..end, suffix, last: false, apart, tabs });
    };
    let mut soft = false;
    for token in &shaped.tokens {
        if token.space {
            pen = token.clusters.clone().fold(pen, |pen, at| line::after(pen, paragraph, at, factor, tabs));
            continue;
        }
        let token_width: f64 = token.clusters.clone().map(advance).sum();
        // A word wider than the line is cut into pieces that fill lines, which then flow like words.
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
            // A word may end at a soft hyphen only where the hyphen has room, also when it then does not end there.
            let hyphen = if last && token.soft_hyphen { shaped.hyphen_width(piece.end, factor) } else { 0.0 };
            let over = pen + width + hyphen - room.width;
            if over > 0.0
                && (end > start || pen > 0.0)
                && !(over < REMEASURED && shaped.fits_as_whole(start..piece.end, hyphen, room, factor, shaper))
            {
                // The word starts a new line; spaces between are dropped.
                finish(start, end.max(start), soft, &mut lines);
                start = piece.start;
                pen = 0.0;
            }
            pen += width;
            end = piece.end;
            soft = last && token.soft_hyphen;
        }
    }
    // All spaces are kept at the end of a paragraph.
    let all = paragraph.clusters.len();
    let apart = shaped.is_inside_word(start);
    lines.push(LineSlice { clusters: start..all, suffix: None, last: true, apart, tabs });
    lines
}

/// Of these clusters on one line, px.
fn line_width(shaped: &ShapedParagraph, clusters: Range<usize>, factor: f64, tabs: TabStops) -> f64 {
    let paragraph = &shaped.paragraph;
    clusters.fold(0.0, |pen, at| line::after(pen, paragraph, at, factor, tabs))
}

/// As wide as a space, but no place to break a line or to stretch it.
const UNBROKEN_SPACE: &str = "\u{a0}";

/// One list of spans for each line that `\n` and `\r` force. Vertical tabs and Unicode's separators of lines and
/// paragraphs are drawn as spaces, as the editor does.
fn split_lines(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut lines = vec![Vec::new()];
    for span in spans {
        let text = span.text.replace(['\u{b}', '\u{2028}', '\u{2029}'], UNBROKEN_SPACE);
        let part = |text: &str| Span { text: text.to_owned(), style: span.style.clone() };
        for (nth, text) in text.split(['\n', '\r']).enumerate() {
            if nth > 0 {
                // A line without anything is as high as the break that ends it.
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
    use super::super::blocks::VerticalShift;
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
        // A and V overlap by 7.4 px at 100 px: alone, A is 66.7 px wide.
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
        // At 100 px, H is 72.2, i 22.2 and the hyphen 33.3 px wide. It is left over of `iHHH-`, and three H fit behind it.
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
