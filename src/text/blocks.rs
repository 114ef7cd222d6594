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
    /// Lines end only where `\n` says: `<pre>`.
    pub no_wrap: bool,
    /// Before the first line.
    pub marker: Option<ListMarker>,
    /// Before the first line too: those of items around this one that have no line before it, and where the content of
    /// each would begin, px from the left.
    pub outer_markers: Vec<(ListMarker, f64)>,
    /// Least height and baseline of its lines, instead of the element's: from a size or line height set on the block.
    pub strut: Option<Arc<SpanStyle>>,
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
    /// 1 to 1000.
    pub weight: f32,
    /// Italic or slanted.
    pub italic: bool,
    /// Instead of the element's fill.
    pub color: Option<Color>,
    /// Behind the run.
    pub background: Option<Color>,
    /// Lines through or beside the run.
    pub decorations: Vec<Decoration>,
    /// Added after every character, px.
    pub letter_spacing: f64,
    /// Of lines that hold this run.
    pub line_height: LineHeight,
    /// Raised or lowered.
    pub shift: VerticalShift,
    /// From `<a href>`: kept for PDF.
    pub link: Option<Arc<str>>,
}

/// Height of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineHeight {
    /// Multiple of the font size.
    Times(f64),
    /// In px.
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

    /// The same text with every length that belongs to the font multiplied by `factor`: for shrinking to a box.
    pub fn scaled(&self, factor: f64) -> Self {
        let scale = |style: &SpanStyle| {
            let line_height = match style.line_height {
                LineHeight::Px(px) => LineHeight::Px(px * factor),
                other => other,
            };
            Arc::new(SpanStyle {
                font_size: style.font_size * factor,
                letter_spacing: style.letter_spacing * factor,
                line_height,
                ..style.clone()
            })
        };
        let block = |block: &Block| Block {
            spans: block.spans.iter().map(|span| Span { text: span.text.clone(), style: scale(&span.style) }).collect(),
            margin_top: block.margin_top * factor,
            margin_bottom: block.margin_bottom * factor,
            indent_left: block.indent_left * factor,
            indent_right: block.indent_right * factor,
            outer_markers: block.outer_markers.iter().map(|(marker, left)| (marker.clone(), left * factor)).collect(),
            strut: block.strut.as_ref().map(|strut| scale(strut)),
            ..block.clone()
        };
        Self { blocks: self.blocks.iter().map(block).collect(), base: scale(&self.base), rtl: self.rtl }
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
    /// Spans without margins, indents or marker.
    pub fn of(spans: Vec<Span>) -> Self {
        Self {
            spans,
            align: None,
            margin_top: 0.0,
            margin_bottom: 0.0,
            indent_left: 0.0,
            indent_right: 0.0,
            no_wrap: false,
            marker: None,
            outer_markers: Vec::new(),
            strut: None,
        }
    }
}

impl SpanStyle {
    /// How much larger than laid out it is drawn, where the text as a whole is drawn `factor` as large: the editor
    /// rounds sizes that markup gives in px (`rich-overflow-shrink` of the corpus).
    pub(crate) fn drawn_factor(&self, factor: f64) -> f64 {
        match self.px_size {
            Some(px) if px > 0.0 && factor != 1.0 => (px * factor).round() / px,
            _ => factor,
        }
    }

    /// Line height in px, given the rounded ascent and descent of the face at this size.
    pub(crate) fn line_height_px(&self, ascent: f64, descent: f64) -> f64 {
        match self.line_height {
            LineHeight::Times(times) => times * self.font_size,
            LineHeight::Px(px) => px,
            LineHeight::Auto => ascent + descent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::style;
    use super::*;

    #[test]
    fn sizes_in_px_are_rounded_where_the_text_shrinks() {
        let px = SpanStyle { font_size: 41.5, px_size: Some(50.0), ..(*style("Roboto", 50.0)).clone() };
        // 50 px become 49.04, which is drawn as 49: also what is a share of it.
        assert_eq!(px.drawn_factor(25.5 / 26.0), 49.0 / 50.0);
        assert_eq!(px.drawn_factor(1.0), 1.0);
        assert_eq!(style("Roboto", 50.0).drawn_factor(0.7), 0.7);
    }
}
