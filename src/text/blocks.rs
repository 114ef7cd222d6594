//! Text before layout: blocks of styled spans. Plain text is one block; markup may be many.

use std::sync::Arc;

use peniko::Color;

/// A whole text, in reading order.
#[derive(Clone, Debug, PartialEq)]
pub struct TextBlocks {
    /// First is top.
    pub blocks: Vec<Block>,
    /// Of the element: gives every line its least height (the strut), and tab stops.
    pub base: Arc<SpanStyle>,
    /// Every paragraph is read from right to left, whatever letter it begins with; otherwise the first letter decides.
    pub rtl: bool,
}

/// A paragraph: lines are broken inside it, at `\n` and where the width runs out.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// In reading order.
    pub spans: Vec<Span>,
    /// A line break ended it, which is not in `spans`: it adds no line.
    pub ends_with_break: bool,
    /// Instead of the element's, from an inline `text-align`.
    pub align: Option<Align>,
    /// Room above, px.
    pub margin_top: f64,
    /// Room below, px.
    pub margin_bottom: f64,
    /// Indent on the left, px.
    pub indent_left: f64,
    /// Indent on the right, px.
    pub indent_right: f64,
    /// Further indent, of lists: on the right where the text reads from right to left, else on the left, px.
    pub indent_list: f64,
    /// Lines end only where `\n` says: `<pre>`.
    pub no_wrap: bool,
    /// Before the first line.
    pub marker: Option<Marker>,
    /// Before the first line too: those of items around this one that have no line before it, and the list indent of the
    /// content of each, px.
    pub outer_markers: Vec<(Marker, f64)>,
    /// Least height and baseline of its lines, instead of the element's: from a size or line height set on the block.
    pub strut: Option<Arc<SpanStyle>>,
}

/// What stands before a list item, and how it looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    /// What it is.
    pub kind: ListMarker,
    /// Of the item.
    pub style: Arc<SpanStyle>,
}

/// What stands before a list item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListMarker {
    /// A dot.
    Bullet,
    /// `n.`
    Number(i64),
}

/// Characters of one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Already transformed to upper or lower case; `\n` forces a line break.
    pub text: String,
    /// Shared by spans alike.
    pub style: Arc<SpanStyle>,
}

/// How characters of a span look.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanStyle {
    /// As in CSS: one name or a list.
    pub family: Arc<str>,
    /// Em size, px.
    pub font_size: f64,
    /// The inline size in px that `font_size` is, or is a share of: rounded to whole px where the text shrinks.
    pub px_size: Option<f64>,
    /// How much larger than `font_size` letters are drawn, as far as the axis `opsz` of a face is concerned: 1 unless the text
    /// was shrunk or enlarged to fit its box.
    pub optical_factor: f64,
    /// 1 to 1000.
    pub weight: f32,
    /// Italic or slanted.
    pub italic: bool,
    /// Instead of the element's fill.
    pub color: Option<Color>,
    /// Behind the run.
    pub background: Option<Arc<Highlight>>,
    /// Lines through or beside the run.
    pub decorations: Vec<Decoration>,
    /// Added after every character, px.
    pub letter_spacing: f64,
    /// Letter spacing stays where the text shrinks: markup gave it in px.
    pub spacing_in_px: bool,
    /// Of lines that hold this run.
    pub line_height: LineHeight,
    /// Raised or lowered.
    pub shift: VerticalShift,
    /// From `<a href>`: kept for PDF.
    pub link: Option<Arc<str>>,
}

/// The box behind an inline element that has a background.
#[derive(Clone, Debug, PartialEq)]
pub struct Highlight {
    /// Of the box.
    pub color: Color,
    /// Of the element: its font says how high the box is, also around letters of other sizes. Has no background itself.
    pub style: Arc<SpanStyle>,
}

/// Height of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineHeight {
    /// Multiple of the font size.
    Times(f64),
    /// In px of the text at its full size.
    Length(f64),
    /// In px that stay where the text shrinks.
    Px(f64),
    /// The font's own ascent and descent.
    Auto,
}

/// Where a run stands against its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerticalShift {
    /// On the baseline.
    #[default]
    None,
    /// Raised by 0.40 of the line's largest size.
    Super,
    /// Lowered by 0.26 of the line's largest size.
    Sub,
}

/// One decoration line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoration {
    /// Where.
    pub line: DecorationLine,
    /// Solid unless markup says otherwise.
    pub style: DecorationStyle,
    /// Instead of the text's colour.
    pub color: Option<Color>,
}

/// Where a decoration runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecorationLine {
    /// Below the baseline.
    Underline,
    /// Through the letters.
    LineThrough,
    /// Above them.
    Overline,
}

/// How a decoration is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecorationStyle {
    /// One band.
    #[default]
    Solid,
    /// Two bands.
    Double,
    /// Squares.
    Dotted,
    /// Dashes.
    Dashed,
    /// A wave.
    Wavy,
}

/// Where lines stand in the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Also `start`.
    Left,
    /// The element's default.
    #[default]
    Center,
    /// Also `end`.
    Right,
    /// Spaces stretched, but not on last lines.
    Justify,
}

impl TextBlocks {
    /// Plain text: one block, drawn literally.
    pub fn plain(text: impl Into<String>, base: Arc<SpanStyle>) -> Self {
        let span = Span { text: text.into(), style: base.clone() };
        Self { blocks: vec![Block::of(vec![span])], base, rtl: false }
    }

    /// The same text for drawing it `factor` as large: only the optical size of its letters differs.
    pub(super) fn drawn_at(&self, factor: f64) -> Self {
        let style = |style: &Arc<SpanStyle>| Arc::new(SpanStyle { optical_factor: factor, ..(**style).clone() });
        let base = style(&self.base);
        // Plain text is told by its sharing of the base style.
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

    /// True for what [`TextBlocks::plain`] makes.
    pub(super) fn is_plain(&self) -> bool {
        let [block] = &self.blocks[..] else { return false };
        let [span] = &block.spans[..] else { return false };
        Arc::ptr_eq(&span.style, &self.base)
            && block.margin_top == 0.0
            && block.margin_bottom == 0.0
            && block.strut.is_none()
    }

    /// True when there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().all(|block| block.spans.iter().all(|span| span.text.is_empty()))
    }
}

impl Block {
    /// A line break at the end of a block ends its last line rather than adding one.
    pub(super) fn take_last_break(&mut self) {
        let last = self.spans.last_mut().map(|span| &mut span.text).filter(|text| text.ends_with('\n'));
        self.ends_with_break = last.is_some();
        last.map(String::pop);
    }

    /// Spans without margins, indents or marker.
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
    /// True when both are drawn with the same face at the same size.
    pub(crate) fn has_font_of(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.family == other.family
                && self.font_size == other.font_size
                && self.weight == other.weight
                && self.italic == other.italic)
    }

    /// True when the editor draws neighbours in the two styles as one string: links and shifts do not count.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.has_font_of(other)
                && self.color == other.color
                && self.background.as_ref().map(|it| it.color) == other.background.as_ref().map(|it| it.color)
                && self.decorations == other.decorations)
    }

    /// How much larger than laid out it is drawn, where the text as a whole is drawn `factor` as large: the editor
    /// rounds sizes that markup gives in px (`rich-overflow-shrink` of the corpus).
    pub(crate) fn drawn_factor(&self, factor: f64) -> f64 {
        match self.px_size {
            Some(px) if px > 0.0 && factor != 1.0 => (px * factor).round() / px,
            _ => factor,
        }
    }

    /// Em size that the axis `opsz` of a face follows, px: the size drawn.
    pub(crate) fn optical_size(&self) -> f64 {
        self.font_size * self.drawn_factor(self.optical_factor)
    }

    /// What advances of glyphs, as shaped at the size of the style, are multiplied by where the text as a whole is drawn
    /// `factor` as large.
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

/// Sizes a px, of fonts in Chromium.
const SIZES: f32 = 100.0;

/// Sizes a px at which FreeType scales glyphs.
const SCALES: f32 = 64.0;

/// The size that Chromium draws letters of `size` px in: hundredths of a px, rounded down.
pub(crate) fn effective_size(size: f64) -> f64 {
    let hundredths = (size as f32 * SIZES).floor() / SIZES;
    if hundredths > 0.0 && hundredths.is_finite() { f64::from(hundredths) } else { size }
}

/// The size that it takes their advances at: sixty-fourths of a px, rounded down once more.
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
        // 50 px become 49.04, which is drawn as 49: also what is a share of it.
        assert_eq!(px.drawn_factor(25.5 / 26.0), 49.0 / 50.0);
        assert_eq!(px.drawn_factor(1.0), 1.0);
        assert_eq!(style("Roboto", 50.0).drawn_factor(0.7), 0.7);
    }
}
