//! Text: shown with real fonts at the very places the layout gave, and readable: every glyph, or a few together, stand
//! for the characters they were made from.

use std::borrow::Cow;
use std::ops::Range;

use kurbo::{Affine, Point, Vec2};
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Name, Str, TextStr};
use peniko::Brush;

use super::PdfError;
use super::canvas::{Canvas, px};
use super::color::{ColorUse, Pen};
use super::font::{Code, Embedding};
use super::resources::Kind;
use crate::report::WarningCode;
use crate::scene::{GlyphRun, GlyphStyle};

/// Text above this size or farther away is not written.
const FARTHEST: f64 = 1e6;
/// Readers take a gap (or an overlap) of a tenth of an em inside a word for its end; letter spacing makes such gaps.
const SPLITS: f64 = 0.07;
/// Steps of a TJ operator: thousandths of an em, tenths of them in large text.
const LARGE: f64 = 40.0;

/// A glyph, ready to be shown.
#[derive(Clone, Copy, Debug)]
struct Placed {
    code: Code,
    /// In page px.
    at: Point,
}

/// Neighbouring glyphs that stand for some characters together.
struct Piece<'t> {
    glyphs: Range<usize>,
    text: Cow<'t, str>,
    /// The characters are what the glyphs stand for anyway.
    literal: bool,
}

/// From the em square, y up, to page px, without the place.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shape {
    /// In page px.
    size: f64,
    /// Of length 1 or so.
    linear: [f64; 4],
}

impl Shape {
    fn new(run: &GlyphRun, transform: Affine) -> Option<Self> {
        let [a, b, c, d, ..] = (transform * Affine::new([1.0, 0.0, run.skew, -1.0, 0.0, 0.0])).as_coeffs();
        let scale = (a * d - b * c).abs().sqrt();
        let size = run.font_size.0 * scale;
        let usable = scale > 0.0 && size > 0.0 && size < FARTHEST;
        usable.then(|| Self { size, linear: [a, b, c, d].map(|it| it / scale) })
    }

    /// `page` in text space: along the baseline, and up.
    fn to_text(self, page: Vec2) -> Vec2 {
        let [a, b, c, d] = self.linear;
        let area = a * d - b * c;
        Vec2::new((page.x * d - page.y * c) / area, (page.y * a - page.x * b) / area)
    }

    fn matrix(self, at: Point) -> [f32; 6] {
        let factor = |value: f64| ((value * 1e5).round() / 1e5) as f32;
        let [a, b, c, d] = self.linear.map(factor);
        [a, b, c, d, px(at.x), px(at.y)]
    }
}

impl Canvas<'_> {
    /// Paints `run`.
    pub(super) fn glyphs(&mut self, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
        let places: Vec<Point> = run.glyphs.iter().map(|glyph| transform * (run.origin + glyph.offset)).collect();
        if places.is_empty() || run.font_size.0 == 0.0 {
            return Ok(());
        }
        let near = |at: &Point| at.x.abs() < FARTHEST && at.y.abs() < FARTHEST;
        let shape = Shape::new(run, transform).filter(|_| transform.is_finite() && places.iter().all(near));
        let Some(shape) = shape else {
            self.skip("its text is too large or its position is not a finite number");
            return Ok(());
        };
        let face = self.painter.face(run)?;
        if let Embedding::Outlines(reason) = &face.embedding {
            let reason = reason.clone();
            if !std::mem::replace(&mut face.warned, true) {
                self.warn(WarningCode::NotSupported, &reason);
            }
        }
        let Brush::Solid(color) = run.paint.brush else { return Ok(()) };
        match &run.style {
            GlyphStyle::Fill => {
                self.set_color(color, Pen::Fill, ColorUse::Text)?;
                let (placed, pieces) = self.pieces(run, &places)?;
                self.show(&placed, &pieces, shape, TextRenderingMode::Fill)
            }
            GlyphStyle::Stroke(_) => Ok(()),
        }
    }

    /// Codes for the glyphs of `run`, and which characters they stand for.
    fn pieces<'t>(&mut self, run: &'t GlyphRun, places: &[Point]) -> Result<(Vec<Placed>, Vec<Piece<'t>>), PdfError> {
        let mut placed = Vec::with_capacity(run.glyphs.len());
        let mut pieces = Vec::new();
        for (glyphs, text) in clusters(run) {
            let ids = run.glyphs[glyphs.clone()].iter().map(|glyph| glyph.id);
            let shares = shares(text, glyphs.len());
            let mut literal = shares.is_some();
            for (at, id) in ids.enumerate() {
                let share = shares.as_ref().and_then(|shares| shares.get(at)).map(|it| &text[it.clone()]);
                let (code, agrees) = self.painter.face(run)?.show(id, share)?;
                literal &= agrees;
                placed.push(Placed { code, at: places[glyphs.start + at] });
            }
            pieces.push(Piece { glyphs, text: text.into(), literal });
        }
        Ok((placed, pieces))
    }

    fn show(
        &mut self,
        placed: &[Placed],
        pieces: &[Piece<'_>],
        shape: Shape,
        mode: TextRenderingMode,
    ) -> Result<(), PdfError> {
        self.content.begin_text();
        self.set_text_mode(mode);
        let words = joined(pieces, placed, shape);
        // Where the pen of the text object is, once a matrix was set.
        let mut pen: Option<Point> = None;
        for word in words {
            if !word.literal {
                self.content
                    .begin_marked_content_with_properties(Name(b"Span"))
                    .properties()
                    .actual_text(TextStr(&word.text));
            }
            self.show_glyphs(&placed[word.glyphs.clone()], shape, &mut pen);
            if !word.literal {
                self.content.end_marked_content();
            }
        }
        self.content.end_text();
        Ok(())
    }

    fn show_glyphs(&mut self, mut placed: &[Placed], shape: Shape, pen: &mut Option<Point>) {
        while let Some(first) = placed.first() {
            // As many as one operator can show: one font, one baseline.
            let on_line =
                |it: &Placed| it.code.font == first.code.font && shape.to_text(it.at - first.at).y.abs() < 0.002;
            let count = placed.iter().take_while(|it| on_line(it)).count();
            let (row, rest) = placed.split_at(count);
            placed = rest;
            let name = self.resources.name(Kind::Font, first.code.font).to_owned();
            self.set_font(&name, px(shape.size));
            let on_pen = pen.is_some_and(|pen| shape.to_text(first.at - pen).y.abs() < 0.002);
            if !on_pen {
                self.content.set_text_matrix(shape.matrix(first.at));
                *pen = Some(first.at);
            }
            let [a, b, ..] = shape.linear;
            let along = Vec2::new(a, b);
            let step = if shape.size > LARGE { 10.0 } else { 1.0 };
            let mut operation = self.content.show_positioned();
            let mut items = operation.items();
            let mut codes: Vec<u8> = Vec::new();
            for glyph in row {
                let at = pen.unwrap_or(glyph.at);
                let thousandths = shape.to_text(glyph.at - at).x * 1000.0 / shape.size;
                let adjust = (thousandths * step).round() / step;
                if adjust != 0.0 {
                    if !codes.is_empty() {
                        items.show(Str(&codes));
                        codes.clear();
                    }
                    items.adjust(-adjust as f32);
                }
                match glyph.code.wide {
                    true => codes.extend(glyph.code.code.to_be_bytes()),
                    false => codes.push(glyph.code.code as u8),
                }
                *pen = Some(at + along * (adjust / 1000.0 + glyph.code.width) * shape.size);
            }
            items.show(Str(&codes));
        }
    }
}

/// Glyphs that stand for the same characters, with those characters: controls and marks of layout left out.
fn clusters(run: &GlyphRun) -> Vec<(Range<usize>, &str)> {
    let mut starts: Vec<usize> = run.glyphs.iter().map(|glyph| glyph.cluster as usize).collect();
    starts.sort_unstable();
    starts.dedup();
    let mut found = Vec::new();
    let mut first = 0;
    for same in run.glyphs.chunk_by(|a, b| a.cluster == b.cluster) {
        let start = same[0].cluster as usize;
        let next = starts.partition_point(|it| *it <= start);
        let end = starts.get(next).copied().unwrap_or(run.text.len());
        // The scene may be built by hand: an offset inside a character stands for nothing.
        let text = run.text.get(start..end).unwrap_or("");
        found.push((first..first + same.len(), text.trim_matches(is_layout)));
        first += same.len();
    }
    found
}

/// Characters that break or join lines and words and are not drawn.
fn is_layout(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Which part of `text` each of `count` glyphs stands for, in visual order: all of it for one, a character each for as
/// many as there are; else there is no telling.
fn shares(text: &str, count: usize) -> Option<Vec<Range<usize>>> {
    if count == 1 && !text.is_empty() {
        return Some(vec![0..text.len()]);
    }
    let mut shares: Vec<_> = text.char_indices().map(|(at, c)| at..at + c.len_utf8()).collect();
    if text.chars().any(is_rtl) {
        shares.reverse();
    }
    (shares.len() == count).then_some(shares)
}

/// Hebrew, Arabic and their kin.
fn is_rtl(c: char) -> bool {
    matches!(u32::from(c), 0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff | 0x10800..=0x10fff | 0x1e800..=0x1efff)
}

/// Pieces put together to what is written as one: where readers would see gaps inside a word, its characters are said.
fn joined<'t>(pieces: &[Piece<'t>], placed: &[Placed], shape: Shape) -> Vec<Piece<'t>> {
    let is_space = |piece: &Piece<'_>| piece.text.chars().all(char::is_whitespace);
    let splits = |left: &Piece<'_>, right: &Piece<'_>| {
        let (last, next) = (placed[left.glyphs.end - 1], placed[right.glyphs.start]);
        let gap = shape.to_text(next.at - last.at).x / shape.size - last.code.width;
        gap.abs() > SPLITS
    };
    let mut words: Vec<Piece<'t>> = Vec::new();
    for word in pieces.chunk_by(|a, b| !is_space(a) && !is_space(b)) {
        let text = || word.iter().map(|piece| &*piece.text).collect::<String>();
        let (Some(first), Some(last)) = (word.first(), word.last()) else { continue };
        // Said characters are taken in the order written; readers turn those of right-to-left scripts around once more.
        let spaced = word.windows(2).any(|pair| splits(&pair[0], &pair[1]));
        if spaced && !text().chars().any(is_rtl) {
            words.push(Piece { glyphs: first.glyphs.start..last.glyphs.end, text: text().into(), literal: false });
            continue;
        }
        for piece in word {
            match words.last_mut() {
                Some(open) if open.literal && piece.literal => open.glyphs.end = piece.glyphs.end,
                _ => {
                    words.push(Piece { glyphs: piece.glyphs.clone(), text: piece.text.clone(), literal: piece.literal })
                }
            }
        }
    }
    words
}
