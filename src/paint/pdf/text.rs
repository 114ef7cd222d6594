//! Text: shown with real fonts at the very places the layout gave, and readable: every glyph, or a few together, stand
//! for the characters they were made from.

use kurbo::{Affine, Join, Point, Rect, Stroke, Vec2};
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Name, Str, TextStr};
use peniko::Brush;

use super::PdfError;
use super::canvas::{Canvas, px};
use super::color::{ColorUse, Pen};
use super::drawn::Look;
use super::font::{Code, Embedding};
use super::path::scale_of;
use super::resources::Kind;
use super::words::{Piece, clusters, joined, shares};
use crate::report::WarningCode;
use crate::scene::{GlyphRun, GlyphStyle};

/// Text above this size or farther away is not written.
const FARTHEST: f64 = 1e6;
/// Of synthetic weight, as the CPU painter's.
const MITER_LIMIT: f64 = 4.0;
/// Steps of a TJ operator: thousandths of an em, tenths of them in large text.
const LARGE: f64 = 40.0;

/// A glyph, ready to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) code: Code,
    /// In page px.
    pub(super) at: Point,
}

/// Whether text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Yes,
    No,
}

/// From the em square, y up, to page px, without the place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// In page px.
    pub(super) size: f64,
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
    pub(super) fn to_text(self, page: Vec2) -> Vec2 {
        let [a, b, c, d] = self.linear;
        let area = a * d - b * c;
        Vec2::new((page.x * d - page.y * c) / area, (page.y * a - page.x * b) / area)
    }

    /// As it is written: finer than coordinates, for it counts once a glyph of a line.
    fn font_size(self) -> f32 {
        ((self.size * 1e4).round() / 1e4) as f32
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
            // The same run follows as a fill. Shown as text twice it would be read twice: not every reader heeds what a
            // file says to leave out.
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
                let (outlines, pictures) = split(pieces, &placed);
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
                let (placed, pieces) = self.pieces(run, &places, shape, Seen::Yes)?;
                let (outlines, drawn) = split(pieces, &placed);
                self.show(&placed, &outlines, shape, TextRenderingMode::Invisible)?;
                let alpha = if let Brush::Solid(color) = &run.paint.brush { color.components[3] } else { 1.0 };
                self.set_opacity(alpha)?;
                self.show(&placed, &drawn, shape, TextRenderingMode::Fill)
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

    /// Where the glyphs of `run` stand in page px; `None` when there is nothing to write.
    pub(super) fn placement(&mut self, run: &GlyphRun, transform: Affine) -> Option<(Vec<Point>, Shape)> {
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

    pub(super) fn begin_said(&mut self, text: &str) {
        self.content.begin_marked_content_with_properties(Name(b"Span")).properties().actual_text(TextStr(text));
    }

    /// Codes for the glyphs of `run`, and which characters they stand for.
    pub(super) fn pieces<'t>(
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

    pub(super) fn show_glyphs(&mut self, mut placed: &[Placed], shape: Shape, pen: &mut Option<Point>) {
        while let Some(first) = placed.first() {
            // As many as one operator can show: one font, one baseline.
            let on_line =
                |it: &Placed| it.code.font == first.code.font && shape.to_text(it.at - first.at).y.abs() < 0.002;
            let count = placed.iter().take_while(|it| on_line(it)).count();
            let (row, rest) = placed.split_at(count);
            placed = rest;
            let name = self.resources.name(Kind::Font, first.code.font).to_owned();
            self.set_font(&name, shape.font_size());
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

/// What is shown with the face itself, and what the file draws.
fn split<'t>(pieces: Vec<Piece<'t>>, placed: &[Placed]) -> (Vec<Piece<'t>>, Vec<Piece<'t>>) {
    pieces.into_iter().partition(|piece| placed[piece.glyphs.start].code.wide)
}
