//! Text as PDF text: glyphs of embedded fonts at the positions of the layout, each mapped to its characters.

use kurbo::{Affine, Join, Point, Rect, Stroke, Vec2};
use pdf_writer::types::TextRenderingMode;
use pdf_writer::{Name, Str, TextStr};
use peniko::Brush;

use super::canvas::Canvas;
use super::color::{ColorUse, PaintKind};
use super::color_glyphs::{color_glyph_code, is_color_glyph};
use super::error::PdfError;
use super::font::Embedding;
use super::glyph_outlines::draw_glyph_outlines;
use super::gradient::shade;
use super::outline::{scale_of, set_stroke_style};
use super::resources::ResourceKind;
use super::text_matrix::{MAX_COORDINATE, PlacedCode, TextMatrix};
use super::text_spans::{TextSpan, clusters, merge_spans, text_ranges};
use super::type3::GlyphAppearance;
use crate::report::WarningCode;
use crate::scene::{GlyphRun, GlyphStyle};

/// Miter limit of the stroke that emboldens synthetically, as in the CPU painter.
const MITER_LIMIT: f64 = 4.0;
/// Font size, in px, above which TJ adjustments are written in tenths of a thousandth em instead of thousandths.
const FINE_ADJUST_SIZE: f64 = 40.0;

/// Whether text is painted, or only present for search and copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextVisibility {
    Visible,
    Hidden,
}

/// Paints `run` and makes its text searchable.
pub(super) fn draw_glyphs(canvas: &mut Canvas<'_>, run: &GlyphRun, transform: Affine) -> Result<(), PdfError> {
    let Some((positions, text_matrix)) = place_glyphs(canvas, run, transform) else { return Ok(()) };
    let face = canvas.file.fonts.face(run, &mut canvas.file.objects)?;
    let embedded = face.embedding == Embedding::Subset;
    if let Embedding::Outlines(reason) = &face.embedding {
        let reason = reason.clone();
        if !std::mem::replace(&mut face.warned, true) {
            canvas.warn(WarningCode::NotSupported, &reason);
        }
    }
    let plain = embedded && run.embolden.0 == 0.0;
    match (&run.style, &run.paint.brush) {
        // The same run follows as a fill. Written as text twice, it would be read twice, because some readers
        // ignore marks that exclude content.
        (GlyphStyle::Stroke(_), _) => draw_glyph_outlines(canvas, run, transform),
        (GlyphStyle::Fill, Brush::Solid(color)) if embedded => {
            canvas.set_color(*color, PaintKind::Fill, ColorUse::Text)?;
            let (placed, spans) = text_spans(canvas, run, &positions, text_matrix, TextVisibility::Visible)?;
            if plain {
                return show_spans(canvas, &placed, &spans, text_matrix, TextRenderingMode::Fill);
            }
            // Synthetic weight: a stroke along the outline grows it by half of the line width.
            canvas.save();
            canvas.set_color(*color, PaintKind::Stroke, ColorUse::Text)?;
            let stroke = Stroke::new(2.0 * run.embolden.0).with_join(Join::Miter).with_miter_limit(MITER_LIMIT);
            set_stroke_style(canvas, &stroke, scale_of(transform));
            let shown = show_spans(canvas, &placed, &spans, text_matrix, TextRenderingMode::FillStroke);
            canvas.restore();
            shown
        }
        (GlyphStyle::Fill, Brush::Gradient(gradient)) if plain => {
            let (placed, spans) = text_spans(canvas, run, &positions, text_matrix, TextVisibility::Visible)?;
            let (outlines, pictures) = partition_by_font(spans, &placed);
            if !outlines.is_empty() {
                canvas.save();
                show_spans(canvas, &placed, &outlines, text_matrix, TextRenderingMode::Clip)?;
                let side = 3.0 * text_matrix.size;
                let bounds = positions.iter().map(|at| Rect::from_center_size(*at, (side, side)));
                let bounds = bounds.reduce(|a, b| a.union(b)).unwrap_or_default();
                let shaded = shade(canvas, gradient, transform * run.paint.transform, bounds, ColorUse::Text);
                canvas.restore();
                shaded?;
            }
            canvas.set_opacity(1.0)?;
            show_spans(canvas, &placed, &pictures, text_matrix, TextRenderingMode::Fill)
        }
        (GlyphStyle::Fill, Brush::Solid(_) | Brush::Gradient(_)) => {
            draw_glyph_outlines(canvas, run, transform)?;
            let (placed, spans) = text_spans(canvas, run, &positions, text_matrix, TextVisibility::Visible)?;
            let (outlines, drawn) = partition_by_font(spans, &placed);
            show_spans(canvas, &placed, &outlines, text_matrix, TextRenderingMode::Invisible)?;
            let alpha = if let Brush::Solid(color) = &run.paint.brush { color.components[3] } else { 1.0 };
            canvas.set_opacity(alpha)?;
            show_spans(canvas, &placed, &drawn, text_matrix, TextRenderingMode::Fill)
        }
        // The scene guarantees that there are no image brushes.
        (GlyphStyle::Fill, Brush::Image(_)) => Ok(()),
    }
}

/// Writes `run` as invisible text, which can be searched and copied.
pub(super) fn draw_invisible_glyphs(
    canvas: &mut Canvas<'_>,
    run: &GlyphRun,
    transform: Affine,
) -> Result<(), PdfError> {
    if matches!(run.style, GlyphStyle::Stroke(_)) {
        return Ok(());
    }
    let Some((positions, text_matrix)) = place_glyphs(canvas, run, transform) else { return Ok(()) };
    let (placed, spans) = text_spans(canvas, run, &positions, text_matrix, TextVisibility::Hidden)?;
    show_spans(canvas, &placed, &spans, text_matrix, TextRenderingMode::Invisible)
}

/// Origins of the glyphs of `run` in page px, and their text matrix; `None` when there is nothing to write.
pub(super) fn place_glyphs(
    canvas: &mut Canvas<'_>,
    run: &GlyphRun,
    transform: Affine,
) -> Option<(Vec<Point>, TextMatrix)> {
    let positions: Vec<Point> = run.glyphs.iter().map(|glyph| transform * (run.origin + glyph.offset)).collect();
    if positions.is_empty() || run.font_size.0 == 0.0 {
        return None;
    }
    let in_range = |at: &Point| at.x.abs() < MAX_COORDINATE && at.y.abs() < MAX_COORDINATE;
    let text_matrix =
        TextMatrix::new(run, transform).filter(|_| transform.is_finite() && positions.iter().all(in_range));
    if text_matrix.is_none() {
        canvas.skip("its text is too large or its position is not a finite number");
    }
    text_matrix.map(|text_matrix| (positions, text_matrix))
}

pub(super) fn begin_actual_text(canvas: &mut Canvas<'_>, text: &str) {
    canvas.content.begin_marked_content_with_properties(Name(b"Span")).properties().actual_text(TextStr(text));
}

/// Codes of the glyphs of `run`, and spans of them with their characters.
pub(super) fn text_spans<'t>(
    canvas: &mut Canvas<'_>,
    run: &'t GlyphRun,
    positions: &[Point],
    text_matrix: TextMatrix,
    visibility: TextVisibility,
) -> Result<(Vec<PlacedCode>, Vec<TextSpan<'t>>), PdfError> {
    let embedded = canvas.file.fonts.face(run, &mut canvas.file.objects)?.embedding == Embedding::Subset;
    let coloured = canvas.file.faces.get(&run.font, &run.coords)?.has_colour();
    let mut placed = Vec::with_capacity(run.glyphs.len());
    let mut spans = Vec::new();
    for (glyphs, text) in clusters(run) {
        let start = placed.len();
        let position = positions[glyphs.start];
        let cluster = &run.glyphs[glyphs.clone()];
        let colour = coloured && is_color_glyph(canvas, run, cluster[0].id, text_matrix)?;
        if colour || !embedded {
            let width = cluster.iter().map(|glyph| glyph.advance.0).sum::<f64>() / run.font_size.0;
            let code = match visibility {
                TextVisibility::Visible if colour => {
                    color_glyph_code(canvas, run, cluster[0].id, width, text, text_matrix)?
                }
                TextVisibility::Visible | TextVisibility::Hidden => canvas.file.type3_fonts.code(
                    &mut canvas.file.objects,
                    GlyphAppearance::Blank,
                    width,
                    text,
                    |_| Ok(None),
                )?,
            };
            placed.push(PlacedCode { code, at: position });
            spans.push(TextSpan { glyphs: start..start + 1, text: text.into(), literal: true });
            continue;
        }
        let ranges = text_ranges(text, glyphs.len());
        let mut literal = ranges.is_some();
        for (at, glyph) in cluster.iter().enumerate() {
            let characters = ranges.as_ref().and_then(|ranges| ranges.get(at)).map(|it| &text[it.clone()]);
            let (code, agrees) = canvas.file.fonts.face(run, &mut canvas.file.objects)?.encode(glyph.id, characters)?;
            literal &= agrees;
            placed.push(PlacedCode { code, at: positions[glyphs.start + at] });
        }
        spans.push(TextSpan { glyphs: start..placed.len(), text: text.into(), literal });
    }
    Ok((placed, spans))
}

fn show_spans(
    canvas: &mut Canvas<'_>,
    placed: &[PlacedCode],
    spans: &[TextSpan<'_>],
    text_matrix: TextMatrix,
    mode: TextRenderingMode,
) -> Result<(), PdfError> {
    if spans.is_empty() {
        return Ok(());
    }
    canvas.set_text_mode(mode);
    canvas.content.begin_text();
    let words = merge_spans(spans, placed, text_matrix);
    // Position of the pen of the text object; `None` until a matrix is set.
    let mut pen: Option<Point> = None;
    for word in words {
        if !word.literal {
            begin_actual_text(canvas, &word.text);
        }
        show_glyphs(canvas, &placed[word.glyphs.clone()], text_matrix, &mut pen);
        if !word.literal {
            canvas.content.end_marked_content();
        }
    }
    canvas.content.end_text();
    Ok(())
}

/// Writes the operators that show `placed`; `pen` is the position of the pen before and after.
pub(super) fn show_glyphs(
    canvas: &mut Canvas<'_>,
    mut placed: &[PlacedCode],
    text_matrix: TextMatrix,
    pen: &mut Option<Point>,
) {
    while let Some(first) = placed.first() {
        // One operator shows glyphs of one font on one baseline.
        let on_line =
            |it: &PlacedCode| it.code.font == first.code.font && text_matrix.to_text(it.at - first.at).y.abs() < 0.002;
        let count = placed.iter().take_while(|it| on_line(it)).count();
        let (row, rest) = placed.split_at(count);
        placed = rest;
        let name = canvas.resources.name(ResourceKind::Font, first.code.font).to_owned();
        canvas.set_font(&name, text_matrix.font_size());
        let on_pen = pen.is_some_and(|pen| text_matrix.to_text(first.at - pen).y.abs() < 0.002);
        if !on_pen {
            canvas.content.set_text_matrix(text_matrix.operands(first.at));
            *pen = Some(first.at);
        }
        let [a, b, ..] = text_matrix.linear;
        let along = Vec2::new(a, b);
        let step = if text_matrix.size > FINE_ADJUST_SIZE { 10.0 } else { 1.0 };
        let mut operation = canvas.content.show_positioned();
        let mut items = operation.items();
        let mut codes: Vec<u8> = Vec::new();
        for glyph in row {
            let at = pen.unwrap_or(glyph.at);
            let thousandths = text_matrix.to_text(glyph.at - at).x * 1000.0 / text_matrix.size;
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
            *pen = Some(at + along * (adjust / 1000.0 + glyph.code.width) * text_matrix.size);
        }
        items.show(Str(&codes));
    }
}

/// Partitions `spans` into those in embedded faces and those in Type 3 fonts.
fn partition_by_font<'t>(spans: Vec<TextSpan<'t>>, placed: &[PlacedCode]) -> (Vec<TextSpan<'t>>, Vec<TextSpan<'t>>) {
    spans.into_iter().partition(|span| placed[span.glyphs.start].code.wide)
}
