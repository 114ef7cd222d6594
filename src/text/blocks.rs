//! Text before layout: blocks of styled spans. Plain text is one block, markup may be several.

use std::sync::Arc;

use peniko::Color;

/// The content of a text element: its blocks in reading order, and its base style.
#[derive(Clone, Debug, PartialEq)]
pub struct TextBlocks {
    /// Blocks from top to bottom.
    pub blocks: Vec<Block>,
    /// Style of the element, which gives every line its minimum height (the strut), and tab stops.
    pub base: Arc<SpanStyle>,
    /// Every paragraph has the base direction right to left; otherwise its first letter decides.
    pub rtl: bool,
}

/// A block of text, whose lines are broken at `\n` and where they exceed the width.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Spans in reading order.
    pub spans: Vec<Span>,
    /// The block ended with a line break, which adds no line and is not in `spans`.
    pub ends_with_break: bool,
    /// Alignment from an inline `text-align`, which replaces that of the element.
    pub align: Option<Align>,
    /// Margin above the block, px.
    pub margin_top: f64,
    /// Margin below the block, px.
    pub margin_bottom: f64,
    /// Indent on the left, px.
    pub indent_left: f64,
    /// Indent on the right, px.
    pub indent_right: f64,
    /// Additional indent of lists, px: on the right where the text reads from right to left, else on the left.
    pub indent_list: f64,
    /// Lines are broken only at `\n`, as in `<pre>`.
    pub no_wrap: bool,
    /// List marker before the first line.
    pub marker: Option<Marker>,
    /// Markers of enclosing items that have no line before this one, drawn before the first line too, with the list
    /// indent of the content of each, px.
    pub outer_markers: Vec<(Marker, f64)>,
    /// Strut from a size or line height set on the block, which replaces that of the element.
    pub strut: Option<Arc<SpanStyle>>,
}

/// A list marker and its style.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// A bullet or a number.
    pub kind: ListMarker,
    /// Style of the list item.
    pub style: Arc<SpanStyle>,
}

/// The kind of a list marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListMarker {
    /// A bullet, drawn as `•`.
    Bullet,
    /// The number of the item, drawn as `n.`.
    Number(i64),
}

/// A stretch of text in one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The characters, with `text-transform` applied; `\n` forces a line break.
    pub text: String,
    /// Style, shared by spans that look alike.
    pub style: Arc<SpanStyle>,
}

/// The text style of a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanStyle {
    /// Font family as in CSS: one name or a comma-separated list.
    pub family: Arc<str>,
    /// Font size (the em), px.
    pub font_size: f64,
    /// The inline size in px that `font_size` is or is relative to, which is rounded to whole px where the text
    /// shrinks.
    pub px_size: Option<f64>,
    /// Factor from `font_size` to the size drawn, for the axis `opsz` of a face: 1 unless the text was scaled to fit
    /// its box.
    pub optical_factor: f64,
    /// CSS font weight, 1 to 1000.
    pub weight: f32,
    /// Whether the text is italic or oblique.
    pub italic: bool,
    /// Colour that replaces the element's fill.
    pub color: Option<Color>,
    /// Background behind the text.
    pub background: Option<Arc<Highlight>>,
    /// Underlines and other lines, outermost element first.
    pub decorations: Vec<Decoration>,
    /// Letter spacing after every character, px.
    pub letter_spacing: f64,
    /// Markup gives the letter spacing in px, so it does not scale where the text shrinks.
    pub spacing_in_px: bool,
    /// Line height of lines that contain this text.
    pub line_height: LineHeight,
    /// Whether the text is a superscript or subscript.
    pub shift: VerticalShift,
    /// Target of an `<a href>`, for PDF.
    pub link: Option<Arc<str>>,
}

/// The background of an inline element.
#[derive(Clone, Debug, PartialEq)]
pub struct Highlight {
    /// Colour of the background.
    pub color: Color,
    /// Style of the element without a background. Its font gives the height of the box, also around letters of other
    /// sizes.
    pub style: Arc<SpanStyle>,
}

/// Line height, as CSS `line-height`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineHeight {
    /// Multiple of the font size.
    Times(f64),
    /// Height in px at the full size of the text, which scales where the text shrinks.
    Length(f64),
    /// Height in px that does not scale where the text shrinks.
    Px(f64),
    /// Ascent plus descent of the font.
    Auto,
}

/// Vertical position of text relative to the baseline of its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerticalShift {
    /// The text stands on the baseline.
    #[default]
    None,
    /// Raised by 0.40 of the line's largest size.
    Super,
    /// Lowered by 0.26 of the line's largest size.
    Sub,
}

/// One decoration line of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoration {
    /// Position of the line.
    pub line: DecorationLine,
    /// Line style; solid unless markup sets another.
    pub style: DecorationStyle,
    /// Colour that replaces the fill of the text.
    pub color: Option<Color>,
}

/// The position of a decoration line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecorationLine {
    /// A line below the baseline.
    Underline,
    /// A line through the letters.
    LineThrough,
    /// A line above the letters.
    Overline,
}

/// The line style of a decoration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecorationStyle {
    /// A single solid line.
    #[default]
    Solid,
    /// Two parallel solid lines.
    Double,
    /// A line of square dots.
    Dotted,
    /// A line of dashes.
    Dashed,
    /// A line of waves.
    Wavy,
}

/// Horizontal alignment of lines in their box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Left-aligned; also for `start`.
    Left,
    /// Centred, the default of text elements.
    #[default]
    Center,
    /// Right-aligned; also for `end`.
    Right,
    /// Justified by stretching spaces, except for last lines.
    Justify,
}

impl TextBlocks {
    /// Plain text as one block in the base style.
    pub fn plain(text: impl Into<String>, base: Arc<SpanStyle>) -> Self {
        let span = Span { text: text.into(), style: base.clone() };
        Self { blocks: vec![Block::of(vec![span])], base, rtl: false }
    }

    /// The same text for drawing it `factor` times as large: only `optical_factor` differs.
    pub(super) fn drawn_at(&self, factor: f64) -> Self {
        let style = |style: &Arc<SpanStyle>| Arc::new(SpanStyle { optical_factor: factor, ..(**style).clone() });
        let base = style(&self.base);
        // `is_plain` recognises plain text by the shared base style.
        let of = |it: &Arc<SpanStyle>| if Arc::ptr_eq(it, &self.base) { base.clone() } else { style(it) };
        let marker = |it: &Marker| Marker { kind: it.kind.clone(), style: of(&it.style) };
        let block = |block: &Block| Block {
            spans: block.spans.iter().map(|it| Span { text: it.text.clone(), style: of(&it.style) }).collect(),
            marker: block.marker.as_ref().map(marker),
            outer_markers: block.outer_markers.iter().map(|(it, indent)| (marker(it), *indent)).collect(),
            strut: block.strut.as_ref().map(of),
            ..block.clone()
        };
        Self { blocks: self.blocks.iter().map(block).collect(), base: base.clone(), rtl: self.rtl }
    }

    /// True for text from [`TextBlocks::plain`].
    pub(super) fn is_plain(&self) -> bool {
        let [block] = &self.blocks[..] else { return false };
        let [span] = &block.spans[..] else { return false };
        Arc::ptr_eq(&span.style, &self.base)
            && block.margin_top == 0.0
            && block.margin_bottom == 0.0
            && block.strut.is_none()
    }

    /// True when the text has no characters.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(|block| block.spans.iter().all(|span| span.text.is_empty()))
    }
}

impl Block {
    /// Removes a line break at the end of the block, which ends the last line and adds none.
    pub(super) fn take_last_break(&mut self) {
        let last = self.spans.last_mut().map(|span| &mut span.text).filter(|text| text.ends_with('\n'));
        self.ends_with_break = last.is_some();
        last.map(String::pop);
    }

    /// Creates a block without margins, indents or marker.
    pub fn of(spans: Vec<Span>) -> Self {
        Self {
            spans,
            ends_with_break: false,
            align: None,
            margin_top: 0.0,
            margin_bottom: 0.0,
            indent_left: 0.0,
            indent_right: 0.0,
            indent_list: 0.0,
            no_wrap: false,
            marker: None,
            outer_markers: Vec::new(),
            strut: None,
        }
    }
}

impl SpanStyle {
    /// True when both styles have the same face and size.
    pub(crate) fn has_font_of(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.family == other.family
                && self.font_size == other.font_size
                && self.weight == other.weight
                && self.italic == other.italic)
    }

    /// True when the editor draws neighbours in the two styles as one string, whatever their links and shifts.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.has_font_of(other)
                && self.color == other.color
                && self.background.as_ref().map(|it| it.color) == other.background.as_ref().map(|it| it.color)
                && self.decorations == other.decorations)
    }

    /// Factor of this style's size where the whole text is drawn `factor` times as large: the editor rounds sizes that
    /// markup gives in px (`rich-overflow-shrink` of the corpus).
    pub(crate) fn drawn_factor(&self, factor: f64) -> f64 {
        match self.px_size {
            Some(px) if px > 0.0 && factor != 1.0 => (px * factor).round() / px,
            _ => factor,
        }
    }

    /// Value of the axis `opsz` of a face: the size drawn, px.
    pub(crate) fn optical_size(&self) -> f64 {
        self.font_size * self.drawn_factor(self.optical_factor)
    }

    /// Factor of glyph advances, as shaped at the size of the style, where the whole text is drawn `factor` times as
    /// large.
    pub(crate) fn advance_factor(&self, factor: f64) -> f64 {
        let drawn = self.font_size * self.drawn_factor(factor);
        if self.font_size > 0.0 { advance_size(drawn) / self.font_size } else { 0.0 }
    }

    /// Line height in px, given the rounded ascent and descent of the face at this size.
    pub(crate) fn line_height_px(&self, ascent: f64, descent: f64) -> f64 {
        match self.line_height {
            LineHeight::Times(times) => times * self.font_size,
            LineHeight::Length(px) | LineHeight::Px(px) => px,
            LineHeight::Auto => ascent + descent,
        }
    }
}

/// Steps per px of font sizes in Chromium.
const SIZES: f32 = 100.0;

/// Steps per px of font sizes in FreeType.
const SCALES: f32 = 64.0;

/// The size at which Chromium draws text of `size` px: rounded down to hundredths of a px.
pub(crate) fn effective_size(size: f64) -> f64 {
    let hundredths = (size as f32 * SIZES).floor() / SIZES;
    if hundredths > 0.0 && hundredths.is_finite() { f64::from(hundredths) } else { size }
}

/// The size at which Chromium takes advances of text of `size` px: [`effective_size`] rounded down to 1/64 px.
pub(crate) fn advance_size(size: f64) -> f64 {
    let parts = (effective_size(size) as f32 * SCALES).floor() / SCALES;
    if parts > 0.0 && parts.is_finite() { f64::from(parts) } else { size }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::style;
    use super::*;

    #[test]
    fn advances_are_those_of_a_size_in_sixty_fourths() {
        // Measured in Chromium by the width of a W in Roboto.
        let measured = [
            (23.0491, 1474.0),
            (27.77, 1777.0),
            (23.4, 1497.0),
            (10.01, 640.0),
            (59.083_789_187_900_66, 3781.0),
            (33.3, 2131.0),
            (40.9, 2617.0),
            (16.6, 1062.0),
            (19.92, 1274.0),
            (0.5, 32.0),
            (200.77, 12849.0),
        ];
        for (size, parts) in measured {
            assert_eq!(advance_size(size) * 64.0, parts, "{size} px");
        }
        let style = SpanStyle { font_size: 40.0, ..(*style("Roboto", 40.0)).clone() };
        assert_eq!(style.advance_factor(0.585), 1497.0 / 64.0 / 40.0, "drawn at 23.4 px");
        assert_eq!((advance_size(1e-9), advance_size(1e300)), (1e-9, 1e300));
    }

    #[test]
    fn sizes_in_px_are_rounded_where_the_text_shrinks() {
        let px = SpanStyle { font_size: 41.5, px_size: Some(50.0), ..(*style("Roboto", 50.0)).clone() };
        // 50 px become 49.04, which is drawn as 49; sizes relative to it follow.
        assert_eq!(px.drawn_factor(25.5 / 26.0), 49.0 / 50.0);
        assert_eq!(px.drawn_factor(1.0), 1.0);
        assert_eq!(style("Roboto", 50.0).drawn_factor(0.7), 0.7);
    }
}
