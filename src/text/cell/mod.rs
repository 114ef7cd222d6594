//! Texts of table cells: plain text in one style, with its own rules of layout, fitting and decoration.
//!
//! The editor draws cells with the text shape of its canvas library and not with its rich-text engine: markup is
//! stripped, lines break at spaces and hyphens only, alignment is not clamped to the box, and decorations are stroked
//! lines that are not aligned to px. In: line breaking (`lines`), the size at which a text fits, painting (`draw`). Not
//! in: choice of faces and shaping, which all texts share. Imports: `blocks`, `layout`, `line`, `shape`, `draw`,
//! `markup`.

mod draw;
mod lines;

use std::borrow::Cow;
use std::sync::Arc;

use kurbo::Size;

pub use self::draw::draw_cell;
use self::lines::CellLine;
use super::blocks::{Align, LineHeight, SpanStyle, TextBlocks};
use super::fit::{LINEAR_TRIES, Overflow, STEP, first_true};
use super::layout::Layouter;
use super::line::Line;
use super::markup;
use super::shape::Paragraph;
use super::strut::Strut;

/// The positioned text of a cell. (0, 0) is the top-left corner of the room inside the cell's padding.
#[derive(Clone, Debug)]
pub struct CellText {
    /// Lines with their glyphs, top to bottom, which may be wider than the room.
    pub lines: Vec<Line>,
    /// Number of lines times the line height, px.
    pub height: f64,
    /// Font size drawn, px: the one written, or less where the text had to shrink.
    pub font_size: f64,
    /// Length of each line's decorations, px: the line's advance width, or the room's width where it is justified.
    decorated: Vec<f64>,
}

/// The shaped text of a cell, before a font size is chosen.
struct ShapedCell<'a> {
    paragraphs: Vec<Cow<'a, Paragraph>>,
    style: &'a Arc<SpanStyle>,
    strut: &'a Strut,
    align: Align,
}

impl ShapedCell<'_> {
    fn line_height(&self, font_size: f64) -> f64 {
        let factor = font_size / self.style.font_size;
        match self.style.line_height {
            LineHeight::Times(times) => times * font_size,
            LineHeight::Length(px) => px * factor,
            LineHeight::Px(px) => px,
            LineHeight::Auto => {
                let (ascent, descent) = self.strut.ascent_descent(factor);
                ascent + descent
            }
        }
    }

    /// Lines at `font_size`, broken at `width` px.
    fn broken(&self, width: f64, font_size: f64) -> Vec<CellLine> {
        let factor = font_size / self.style.font_size;
        let justified = self.align == Align::Justify;
        let of = |(nth, paragraph): (usize, &Cow<'_, Paragraph>)| {
            lines::break_paragraph(nth, paragraph, width / factor, justified)
        };
        self.paragraphs.iter().enumerate().flat_map(of).collect()
    }

    /// Advance width of all that is not white space at the size written, px.
    fn ink_advance(&self) -> f64 {
        self.paragraphs.iter().map(|paragraph| lines::ink_advance(paragraph)).sum()
    }

    /// Advance width of the widest word at the size written, px.
    fn longest_word(&self) -> f64 {
        self.paragraphs.iter().map(|paragraph| lines::longest_word(paragraph)).fold(0.0, f64::max)
    }

    /// Whether glyphs depend on the font size, so that the text has to be shaped again for each.
    fn follows_size(&self) -> bool {
        self.paragraphs.iter().any(|paragraph| paragraph.follows_size())
    }

    /// Whether all lines fit into `room` at `font_size` and no word is wider than it.
    fn fits(&self, room: Size, font_size: f64) -> bool {
        let lines = self.broken(room.width, font_size).len() as f64;
        self.longest_word() * font_size / self.style.font_size <= room.width
            && self.line_height(font_size) * lines <= room.height
    }

    /// The size written, or the largest size below it in steps of half a px at which the text fits; `None` where none
    /// above 0 fits. `at_size` shapes the text for another size, when its glyphs depend on the size.
    fn fitting_size(&self, room: Size, mut at_size: impl FnMut(f64) -> Self) -> Option<f64> {
        let written = self.style.font_size;
        let follows_size = self.follows_size();
        // With optical sizes, advances at one size do not bound those at another.
        let (longest, ink) = if follows_size { (0.0, 0.0) } else { (self.longest_word(), self.ink_advance()) };
        let size_at = |k: u32| written - STEP * f64::from(k);
        // A cheap lower bound rules out most sizes of a text that is much too large without breaking lines.
        let hopeless = |k: u32| {
            let size = size_at(k);
            let least_lines = (ink * size / written / room.width).floor().max(self.paragraphs.len() as f64);
            longest * size / written > room.width || self.line_height(size) * least_lines > room.height
        };
        let mut fits = |k: u32| {
            let size = size_at(k);
            !hopeless(k) && if follows_size { at_size(size).fits(room, size) } else { self.fits(room, size) }
        };
        // The last step is the last that leaves a size above 0.
        let last = ((written / STEP).ceil() - 1.0).clamp(0.0, f64::from(u32::MAX / 2)) as u32;
        let first = if hopeless(0) { first_true(0, last, |k| !hopeless(k))? } else { 0 };
        let linear = last.min(first.saturating_add(LINEAR_TRIES));
        let k = (first..=linear).find(|k| fits(*k)).or_else(|| first_true(linear, last, fits))?;
        Some(size_at(k))
    }
}

/// Lays `text` out in a room of this size. Markup is stripped and entities are decoded, as in the editor.
///
/// `style.decorations` are drawn by [`draw_cell`] except overlines, which the editor leaves out. With `Overflow::Grow`
/// the height of the room does not matter, with `Overflow::Shrink` the font becomes smaller until every line and every
/// word fits. Returns `None` where there is nothing to draw, or where no size above 0 fits.
pub fn lay_out_cell(
    layouter: &mut Layouter,
    text: &str,
    style: &Arc<SpanStyle>,
    room: Size,
    align: Align,
    overflow: Overflow,
) -> Option<CellText> {
    let content = normalize_white_space(&markup::text_content(text));
    if content.is_empty() || style.font_size <= 0.0 {
        return None;
    }
    let blocks = TextBlocks::plain(content, style.clone());
    let shaped = layouter.shape(&blocks);
    let apart = style.letter_spacing != 0.0 || align == Align::Justify;
    let paragraphs =
        if apart { shape_apart(layouter, &blocks) } else { shaped.paragraphs().map(lines::left_to_right).collect() };
    let mut cell = ShapedCell { paragraphs, style, strut: &shaped.strut, align };
    let mut at_size = |size: f64| {
        let blocks = blocks.drawn_at(size / style.font_size);
        let paragraphs = if apart {
            shape_apart(layouter, &blocks)
        } else {
            let shaped = layouter.shape(&blocks);
            shaped.paragraphs().map(|it| Cow::Owned(lines::left_to_right(it).into_owned())).collect()
        };
        ShapedCell { paragraphs, style, strut: &shaped.strut, align }
    };
    let font_size = match overflow {
        Overflow::Shrink { height } => cell.fitting_size(Size::new(room.width, height), &mut at_size)?,
        Overflow::Fit { .. } | Overflow::Grow | Overflow::Ellipsis { .. } => style.font_size,
    };
    if cell.follows_size() && font_size != style.font_size {
        cell = at_size(font_size);
    }
    let mut lines = cell.broken(room.width, font_size);
    let line_height = cell.line_height(font_size);
    let mut suffix = None;
    if let Overflow::Ellipsis { height } = overflow {
        let visible = ((height / line_height).floor() as usize).max(1);
        if lines.len() > visible {
            lines.truncate(visible);
            let dots = lines::shape_dots(layouter, style);
            if let Some(last) = lines.last_mut() {
                last.shorten(&cell.paragraphs[last.paragraph], room.width - lines::width_of(&dots));
            }
            suffix = Some(dots);
        }
    }
    let placing = lines::Placing { width: room.width, factor: font_size / style.font_size, line_height, align };
    let count = lines.len();
    let mut placed =
        CellText { lines: Vec::new(), height: count as f64 * line_height, font_size, decorated: Vec::new() };
    for (nth, line) in lines.iter().enumerate() {
        let dots = suffix.as_ref().filter(|_| nth + 1 == count);
        let mut drawn = lines::place(line, &cell.paragraphs[line.paragraph], dots, cell.strut, placing);
        drawn.move_down(nth as f64 * line_height);
        let stretched = align == Align::Justify && !line.last && dots.is_none();
        placed.decorated.push(if stretched { room.width } else { drawn.width });
        placed.lines.push(drawn);
    }
    Some(placed)
}

/// Shapes the paragraphs of `blocks` for glyphs that are drawn one by one.
fn shape_apart<'a>(layouter: &mut Layouter, blocks: &TextBlocks) -> Vec<Cow<'a, Paragraph>> {
    let spans = blocks.blocks.iter().flat_map(|block| &block.spans);
    let lines = spans.flat_map(|span| span.text.split('\n').map(|line| (line, &span.style)));
    lines.map(|(line, style)| Cow::Owned(lines::shape_apart(layouter, line, style))).collect()
}

/// `text` with every line break as `\n`, and white space that a canvas does not treat as such as spaces.
fn normalize_white_space(text: &str) -> String {
    let space = |c: char| matches!(c, '\t' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}');
    text.replace("\r\n", "\n").replace('\r', "\n").replace(space, " ")
}

#[cfg(test)]
mod tests;
