//! Text: shown with real fonts at the very places the layout gave, and readable: every glyph, or a few together, stand
//! for the characters they were made from.

use std::borrow::Cow;
use std::ops::Range;

use kurbo::{Affine, Join, Point, Rect, Stroke, Vec2};
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Name, Str, TextStr};
use peniko::{BlendMode, Brush, Color};

use super::PdfError;
use super::canvas::{Canvas, px};
use super::color::{ColorUse, Pen};
use super::drawn::{GlyphPicture, Look};
use super::font::{self, Code, Embedding};
use super::path::{scale_of, similarity};
use super::resources::Kind;
use crate::paint::{flatten, glyphs};
use crate::report::WarningCode;
use crate::scene::{Glyph, GlyphRun, GlyphStyle, Group, Node};
use crate::units::{DeviceScale, Opacity, Px};

/// Text above this size or farther away is not written.
const FARTHEST: f64 = 1e6;
/// Readers take a gap (or an overlap) of a tenth of an em inside a word for its end; letter spacing makes such gaps.
const SPLITS: f64 = 0.07;
/// Of synthetic weight, as the CPU painter's.
const MITER_LIMIT: f64 = 4.0;
/// Px an em, of pictures of colour glyphs.
const SMALLEST_PICTURE: u32 = 32;
const LARGEST_PICTURE: u32 = 512;
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

/// Whether text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Yes,
    No,
}

/// A run on its own, placed by a group: what texts on a curve are made of.
pub(super) struct Cell<'a> {
    run: &'a GlyphRun,
    /// From the run's coordinates to those of the group around.
    transform: Affine,
}

/// The cells of a text on a curve that `nodes` begin with: groups of a turned run each, one behind the other.
pub(super) fn cells(nodes: &[Node]) -> Vec<Cell<'_>> {
    let mut found: Vec<Cell<'_>> = Vec::new();
    for node in nodes {
        let Some(cell) = cell(node) else { break };
        if found.last().is_some_and(|last| !last.continues(&cell)) {
            break;
        }
        found.push(cell);
    }
    found
}

fn cell(node: &Node) -> Option<Cell<'_>> {
    let Node::Group(group) = node else { return None };
    let Group { origin, transform, blur, recolor, shadow, clip, mask, opacity, blend, children, links } = &**group;
    let plain = origin.is_none() && blur.0 == 0.0 && shadow.is_none() && clip.is_none() && mask.is_none();
    let plain = plain && recolor.is_empty() && *opacity == Opacity::OPAQUE && *blend == BlendMode::default() && links.is_empty();
    match &children[..] {
        [Node::Glyphs(run)] if plain && matches!(run.style, GlyphStyle::Fill) => {
            Some(Cell { run, transform: *transform })
        }
        _ => None,
    }
}

impl Cell<'_> {
    fn is_turned(&self) -> bool {
        let [_, b, ..] = self.transform.as_coeffs();
        b != 0.0
    }

    /// True when `next` stands where this one ends, more or less, on the same arc.
    fn continues(&self, next: &Self) -> bool {
        let advance: f64 = self.run.glyphs.iter().map(|glyph| glyph.advance.0).sum();
        let end = self.transform * (self.run.origin + Vec2::new(advance, 0.0));
        let near = end.distance(next.transform * next.run.origin) < 2.0 * self.run.font_size.0;
        near && (self.is_turned() || next.is_turned())
    }
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
        let Some((places, shape)) = self.placement(run, transform) else { return Ok(()) };
        let face = self.painter.face(run)?;
        let embedded = face.embedding == Embedding::Subset;
        if let Embedding::Outlines(reason) = &face.embedding {
            let reason = reason.clone();
            if !std::mem::replace(&mut face.warned, true) {
                self.warn(WarningCode::NotSupported, &reason);
            }
        }
        let plain = embedded && run.embolden.0 == 0.0;
        match (&run.style, &run.paint.brush) {
            (GlyphStyle::Stroke(stroke), Brush::Solid(color)) if plain && similarity(transform).is_some() => {
                self.stroked(run, stroke, *color, (&places, shape), transform)
            }
            (GlyphStyle::Stroke(_), _) => self.outlined(run, transform),
            (GlyphStyle::Fill, Brush::Solid(color)) if embedded => {
                self.set_color(*color, Pen::Fill, ColorUse::Text)?;
                let (placed, pieces) = self.pieces(run, &places, shape, Seen::Yes)?;
                if plain {
                    return self.show(&placed, &pieces, shape, TextRenderingMode::Fill);
                }
                // Synthetic weight: the outline grows by half of a line along it.
                self.save();
                self.set_color(*color, Pen::Stroke, ColorUse::Text)?;
                let stroke = Stroke::new(2.0 * run.embolden.0).with_join(Join::Miter).with_miter_limit(MITER_LIMIT);
                self.pen(&stroke, scale_of(transform));
                let shown = self.show(&placed, &pieces, shape, TextRenderingMode::FillStroke);
                self.restore();
                shown
            }
            (GlyphStyle::Fill, Brush::Gradient(gradient)) if plain => {
                let (placed, pieces) = self.pieces(run, &places, shape, Seen::Yes)?;
                let (outlines, pictures): (Vec<_>, Vec<_>) =
                    pieces.into_iter().partition(|piece| placed[piece.glyphs.start].code.wide);
                if !outlines.is_empty() {
                    self.save();
                    self.show(&placed, &outlines, shape, TextRenderingMode::Clip)?;
                    let reach = 1.5 * shape.size;
                    let bounds = places.iter().map(|at| Rect::from_center_size(*at, (reach * 2.0, reach * 2.0)));
                    let bounds = bounds.reduce(|a, b| a.union(b)).unwrap_or_default();
                    let shaded = self.shade(gradient, transform * run.paint.transform, bounds, ColorUse::Text);
                    self.restore();
                    shaded?;
                }
                self.set_opacity(1.0)?;
                self.show(&placed, &pictures, shape, TextRenderingMode::Fill)
            }
            (GlyphStyle::Fill, Brush::Solid(_) | Brush::Gradient(_)) => {
                self.outlined(run, transform)?;
                self.unseen(run, transform)
            }
            // The scene promises that this does not happen.
            (GlyphStyle::Fill, Brush::Image(_)) => Ok(()),
        }
    }

    /// Text that can be found and copied, not seen.
    pub(super) fn unseen(&mut self, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
        if matches!(run.style, GlyphStyle::Stroke(_)) {
            return Ok(());
        }
        let Some((places, shape)) = self.placement(run, transform) else { return Ok(()) };
        let (placed, pieces) = self.pieces(run, &places, shape, Seen::No)?;
        self.show(&placed, &pieces, shape, TextRenderingMode::Invisible)
    }

    /// Text whose words are turned glyph by glyph: readers would take each glyph for a word.
    pub(super) fn curved(&mut self, cells: &[Cell<'_>], transform: Affine) -> Result<(), PdfError> {
        let is_space = |cell: &Cell<'_>| cell.run.text.trim().is_empty();
        for word in cells.chunk_by(|a, b| !is_space(a) && !is_space(b)) {
            let mut simple = true;
            for cell in word {
                let embedded = self.painter.face(cell.run)?.embedding == Embedding::Subset;
                simple &= embedded && cell.run.embolden.0 == 0.0 && matches!(cell.run.paint.brush, Brush::Solid(_));
            }
            if !simple {
                word.iter().try_for_each(|cell| self.outlined(cell.run, transform * cell.transform))?;
            }
            let seen = if simple { Seen::Yes } else { Seen::No };
            let text: String = word.iter().map(|cell| &*cell.run.text).collect();
            let said = word.len() > 1 && !text.chars().any(is_rtl);
            self.content.begin_text();
            if said {
                self.begin_said(&text);
            }
            for cell in word {
                let Some((places, shape)) = self.placement(cell.run, transform * cell.transform) else { continue };
                let (placed, pieces) = self.pieces(cell.run, &places, shape, seen)?;
                if let (Seen::Yes, Brush::Solid(color)) = (seen, &cell.run.paint.brush) {
                    self.set_color(*color, Pen::Fill, ColorUse::Text)?;
                    self.set_text_mode(TextRenderingMode::Fill);
                } else {
                    self.set_text_mode(TextRenderingMode::Invisible);
                }
                let mut pen = None;
                pieces.iter().for_each(|piece| self.show_glyphs(&placed[piece.glyphs.clone()], shape, &mut pen));
            }
            if said {
                self.content.end_marked_content();
            }
            self.content.end_text();
        }
        Ok(())
    }

    /// Where the glyphs of `run` stand in page px; `None` when there is nothing to write.
    fn placement(&mut self, run: &GlyphRun, transform: Affine) -> Option<(Vec<Point>, Shape)> {
        let places: Vec<Point> = run.glyphs.iter().map(|glyph| transform * (run.origin + glyph.offset)).collect();
        if places.is_empty() || run.font_size.0 == 0.0 {
            return None;
        }
        let near = |at: &Point| at.x.abs() < FARTHEST && at.y.abs() < FARTHEST;
        let shape = Shape::new(run, transform).filter(|_| transform.is_finite() && places.iter().all(near));
        if shape.is_none() {
            self.skip("its text is too large or its position is not a finite number");
        }
        shape.map(|shape| (places, shape))
    }

    /// Along the outlines, before the same run is filled: only that one is read.
    fn stroked(
        &mut self,
        run: &GlyphRun,
        stroke: &Stroke,
        color: Color,
        (places, shape): (&[Point], Shape),
        transform: Affine,
    ) -> Result<(), PdfError> {
        let (placed, pieces) = self.pieces(run, places, shape, Seen::Yes)?;
        // Coloured glyphs have no outline to stroke.
        let pieces: Vec<Piece<'_>> = pieces
            .into_iter()
            .filter(|piece| placed[piece.glyphs.start].code.wide)
            .map(|piece| Piece { literal: true, ..piece })
            .collect();
        self.save();
        self.set_color(color, Pen::Stroke, ColorUse::Text)?;
        self.pen(stroke, scale_of(transform));
        self.begin_said("");
        let shown = self.show(&placed, &pieces, shape, TextRenderingMode::Stroke);
        self.content.end_marked_content();
        self.restore();
        shown
    }

    fn begin_said(&mut self, text: &str) {
        self.content.begin_marked_content_with_properties(Name(b"Span")).properties().actual_text(TextStr(text));
    }

    /// Codes for the glyphs of `run`, and which characters they stand for.
    fn pieces<'t>(
        &mut self,
        run: &'t GlyphRun,
        places: &[Point],
        shape: Shape,
        seen: Seen,
    ) -> Result<(Vec<Placed>, Vec<Piece<'t>>), PdfError> {
        let embedded = self.painter.face(run)?.embedding == Embedding::Subset;
        let coloured = self.painter.faces.get(&run.font, &run.coords)?.has_colour();
        let mut placed = Vec::with_capacity(run.glyphs.len());
        let mut pieces = Vec::new();
        for (glyphs, text) in clusters(run) {
            let start = placed.len();
            let place = places[glyphs.start];
            let cluster = &run.glyphs[glyphs.clone()];
            let colour = coloured && self.is_coloured(run, cluster[0].id, shape)?;
            if colour || !embedded {
                let width = cluster.iter().map(|glyph| glyph.advance.0).sum::<f64>() / run.font_size.0;
                let code = match seen {
                    Seen::Yes if colour => self.coloured(run, cluster[0].id, width, text, shape)?,
                    Seen::Yes | Seen::No => self.painter.drawn(Look::Blank, width, text, |_| Ok(None))?,
                };
                placed.push(Placed { code, at: place });
                pieces.push(Piece { glyphs: start..start + 1, text: text.into(), literal: true });
                continue;
            }
            let shares = shares(text, glyphs.len());
            let mut literal = shares.is_some();
            for (at, glyph) in cluster.iter().enumerate() {
                let share = shares.as_ref().and_then(|shares| shares.get(at)).map(|it| &text[it.clone()]);
                let (code, agrees) = self.painter.face(run)?.show(glyph.id, share)?;
                literal &= agrees;
                placed.push(Placed { code, at: places[glyphs.start + at] });
            }
            pieces.push(Piece { glyphs: start..placed.len(), text: text.into(), literal });
        }
        Ok((placed, pieces))
    }

    fn is_coloured(&mut self, run: &GlyphRun, glyph: u32, shape: Shape) -> Result<bool, PdfError> {
        let size = self.colour_size(shape);
        let found = self.painter.glyph_shape(run, glyph, size)?;
        Ok(matches!(found, glyphs::Shape::Picture(..) | glyphs::Shape::Layers))
    }

    /// Px an em of a colour glyph's picture: the next power of two, so that texts of like sizes share it.
    fn colour_size(&self, shape: Shape) -> u32 {
        let wanted = shape.size * self.painter.settings.raster_scale.get();
        (wanted.clamp(1.0, 4096.0).ceil() as u32).next_power_of_two().clamp(SMALLEST_PICTURE, LARGEST_PICTURE)
    }

    fn coloured(&mut self, run: &GlyphRun, glyph: u32, width: f64, text: &str, shape: Shape) -> Result<Code, PdfError> {
        let size = self.colour_size(shape);
        let Brush::Solid(color) = run.paint.brush.clone() else {
            return self.layers(run, glyph, (width, text), size, Color::BLACK);
        };
        self.layers(run, glyph, (width, text), size, color.with_alpha(1.0))
    }

    fn layers(
        &mut self,
        run: &GlyphRun,
        glyph: u32,
        (width, text): (f64, &str),
        size: u32,
        foreground: Color,
    ) -> Result<Code, PdfError> {
        let abandoned = self.abandoned;
        let found = self.painter.glyph_shape(run, glyph, size)?;
        // Layers may use the colour of the text.
        let color = if matches!(found, glyphs::Shape::Layers) { foreground.to_rgba8().to_u32() } else { 0 };
        let look = Look::Colour(font::key(run), glyph, size, color);
        self.painter.drawn(look, width, text, |painter| match found {
            glyphs::Shape::Blank | glyphs::Shape::Outline(..) => Ok(None),
            glyphs::Shape::Picture(picture, to_em) => {
                let object = painter.glyph_picture(&picture)?;
                let to_em = to_em * Affine::scale_non_uniform(picture.width.into(), picture.height.into());
                Ok(object.map(|object| GlyphPicture { object, to_em }))
            }
            glyphs::Shape::Layers => {
                let em = f64::from(size);
                let alone = GlyphRun {
                    font_size: Px(em),
                    origin: Point::ZERO,
                    skew: 0.0,
                    embolden: Px(0.0),
                    paint: foreground.into(),
                    glyphs: vec![Glyph { id: glyph, offset: Vec2::ZERO, advance: Px(em), cluster: 0 }],
                    ..run.clone()
                };
                let group = Group { children: vec![Node::Glyphs(alone)], ..Group::default() };
                let seen = Rect::from_center_size(Point::ZERO, (em * 6.0, em * 6.0));
                let limits = painter.settings.limits;
                let flat = flatten::flatten(&group, seen, DeviceScale::ONE, limits, abandoned)?;
                let Some((flat, _)) = flat else { return Ok(None) };
                let (origin, size) = (flat.area.origin(), flat.area.size());
                let to_em = Affine::scale(1.0 / em)
                    * Affine::translate(origin.to_vec2())
                    * Affine::scale_non_uniform(size.width, size.height);
                Ok(painter.flat_picture(flat)?.map(|object| GlyphPicture { object, to_em }))
            }
        })
    }

    fn show(
        &mut self,
        placed: &[Placed],
        pieces: &[Piece<'_>],
        shape: Shape,
        mode: TextRenderingMode,
    ) -> Result<(), PdfError> {
        if pieces.is_empty() {
            return Ok(());
        }
        self.set_text_mode(mode);
        self.content.begin_text();
        let words = joined(pieces, placed, shape);
        // Where the pen of the text object is, once a matrix was set.
        let mut pen: Option<Point> = None;
        for word in words {
            if !word.literal {
                self.begin_said(&word.text);
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
