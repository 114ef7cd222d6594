//! Laid-out text to scene nodes, in the editor's paint order: background, stroke, fill, decorations (rendering.md
//! §9.6). Nothing is drawn in an isolated group: every part has the element's opacity applied to its colour (§3).

use kurbo::{Rect, Stroke};

use super::blocks::{SpanStyle, effective_size};
use super::decorate::{self, TextBackground, faded};
use super::layout::LaidOut;
use super::line::LineRun;
use super::synthetic::{SKEW, boldness};
use crate::scene::{GlyphRun, GlyphStyle, Group, Link, Node, Paint, Path};
use crate::units::{Opacity, Px};

/// The paint of a laid-out text: fill, stroke, background and opacity.
#[derive(Clone, Debug)]
pub struct DrawStyle {
    /// Fill of the glyphs, in the element's coordinates and with its opacity applied.
    pub fill: Paint,
    /// Stroke behind the fill, with the element's opacity applied.
    pub stroke: Option<(Paint, Stroke)>,
    /// The shape behind the whole text.
    pub background: Option<TextBackground>,
    /// Opacity of the element, for runs that have a colour of their own.
    pub opacity: Opacity,
    /// Every word becomes a node of its own, also without a stroke: for shadows that are drawn word by word.
    pub word_by_word: bool,
    /// The pieces in which decoration lines are drawn.
    pub decoration_pieces: DecorationPieces,
}

/// The pieces in which underlines and similar lines are drawn. Those on a curve follow the curve in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecorationPieces {
    /// Word by word with its letters, which leaves a faint seam where two bands meet inside a px.
    #[default]
    Words,
    /// One band for all neighbouring runs of a line whose bands have the same place and paint, over the letters.
    Lines,
}

/// The scene nodes of a text, bottom to top. (0, 0) is the top-left corner of its box.
#[derive(Clone, Debug, Default)]
pub struct TextNodes {
    /// The background shape, which casts no shadow.
    pub background: Vec<Node>,
    /// Outlines of glyphs and bullets, below their fill.
    pub strokes: Vec<Node>,
    /// Glyphs, backgrounds of inline elements, and decoration lines.
    pub fills: Vec<Node>,
    /// Numbers of strokes and fills after each word. Words are painted one after another, so that the stroke of one may
    /// cover part of the word before it.
    pub ends: Vec<(usize, usize)>,
    /// Groups without children that carry the areas of links.
    pub links: Vec<Node>,
}

impl TextNodes {
    /// All nodes, in paint order.
    pub fn into_nodes(mut self) -> Vec<Node> {
        let letters = self.take_letters();
        self.background.extend(letters);
        self.background.append(&mut self.links);
        self.background
    }

    /// Removes the strokes and fills and returns them in paint order, word by word.
    pub fn take_letters(&mut self) -> Vec<Node> {
        let (mut strokes, mut fills) = (self.strokes.drain(..), self.fills.drain(..));
        let mut letters = Vec::with_capacity(strokes.len() + fills.len());
        let (mut strokes_before, mut fills_before) = (0, 0);
        for (strokes_after, fills_after) in self.ends.drain(..) {
            letters.extend(strokes.by_ref().take(strokes_after - strokes_before));
            letters.extend(fills.by_ref().take(fills_after - fills_before));
            (strokes_before, fills_before) = (strokes_after, fills_after);
        }
        letters.extend(strokes);
        letters.extend(fills);
        letters
    }
}

/// Turns a laid-out text into scene nodes.
pub fn draw(text: &LaidOut, style: &DrawStyle) -> TextNodes {
    let mut drawn = TextNodes::default();
    if let Some(background) = &style.background {
        let outline = decorate::background(text, background);
        drawn.background.extend(outline.map(|outline| Node::Path(Path::filled(outline, background.color))));
    }
    for line in &text.lines {
        let boxes = decorate::run_backgrounds(line, style.opacity);
        drawn.fills.extend(boxes);
        drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
        for run in line.markers.iter().chain(&line.runs) {
            if style.stroke.is_some() || style.word_by_word {
                for word in run.words() {
                    draw_run(&word, style, &mut drawn);
                    drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
                }
            } else {
                draw_run(run, style, &mut drawn);
            }
        }
        if style.decoration_pieces == DecorationPieces::Lines {
            draw_whole_decorations(&line.markers, style, &mut drawn);
            draw_whole_decorations(&line.runs, style, &mut drawn);
            drawn.ends.push((drawn.strokes.len(), drawn.fills.len()));
        }
        drawn.links.extend(links(&line.runs));
    }
    drawn
}

/// A group with one area for each sequence of runs with the same link, as tall as their letters; `None` without links.
pub(super) fn links(runs: &[LineRun]) -> Option<Node> {
    let mut links: Vec<Link> = Vec::new();
    for same in runs.chunk_by(|a, b| a.style.link == b.style.link) {
        let Some(href) = same.first().and_then(|run| run.style.link.clone()) else { continue };
        let boxes = same
            .iter()
            .map(|run| Rect::new(run.x, run.baseline - run.ascent, run.x + run.width, run.baseline + run.descent));
        links.extend(boxes.reduce(|a, b| a.union(b)).map(|area| Link { area, href }));
    }
    (!links.is_empty()).then(|| Node::Group(Box::new(Group { links, ..Group::default() })))
}

pub(super) fn draw_run(run: &LineRun, style: &DrawStyle, drawn: &mut TextNodes) {
    draw_glyphs(run, style, drawn);
    if run.style.decorations.is_empty() || style.decoration_pieces == DecorationPieces::Lines {
        return;
    }
    let stroke = style.stroke.as_ref().map(|(paint, stroke)| (paint, stroke.width));
    for word in run.words() {
        decorate::decorations(&word, &style.fill, stroke, style.opacity, &mut drawn.fills);
    }
}

/// The decoration lines of one line of text, each as long as its neighbours continue it.
fn draw_whole_decorations(runs: &[LineRun], style: &DrawStyle, drawn: &mut TextNodes) {
    let stroke = style.stroke.as_ref().map(|(paint, stroke)| (paint, stroke.width));
    let place = |run: &LineRun| (run.baseline, run.font_size, run.ascent);
    let continues = |a: &LineRun, b: &LineRun| a.style.decorations == b.style.decorations && place(a) == place(b);
    for alike in runs.chunk_by(continues) {
        let [first, .., last] = alike else {
            alike
                .iter()
                .for_each(|run| decorate::decorations(run, &style.fill, stroke, style.opacity, &mut drawn.fills));
            continue;
        };
        let whole = LineRun { width: last.x + last.width - first.x, glyphs: Vec::new(), ..first.clone() };
        decorate::decorations(&whole, &style.fill, stroke, style.opacity, &mut drawn.fills);
    }
}

/// The glyphs of a run, without decorations.
pub(super) fn draw_glyphs(run: &LineRun, style: &DrawStyle, drawn: &mut TextNodes) {
    if !run.glyphs.is_empty() {
        if let Some((paint, stroke)) = &style.stroke {
            drawn.strokes.push(Node::Glyphs(glyph_run(run, paint.clone(), GlyphStyle::Stroke(stroke.clone()))));
        }
        drawn.fills.push(Node::Glyphs(glyph_run(run, style_fill(&run.style, style), GlyphStyle::Fill)));
    }
}

/// The fill of a run: its own colour if it has one, also over a gradient (rendering.md §7).
fn style_fill(of: &SpanStyle, style: &DrawStyle) -> Paint {
    of.color.map_or_else(|| style.fill.clone(), |color| faded(color, style.opacity).into())
}

fn glyph_run(run: &LineRun, paint: Paint, style: GlyphStyle) -> GlyphRun {
    let extra = if run.embolden { run.font_size * boldness(run.font_size) } else { 0.0 };
    let (style, embolden) = match style {
        GlyphStyle::Fill => (GlyphStyle::Fill, extra / 2.0),
        // The stroke becomes wider around the unchanged outline.
        GlyphStyle::Stroke(stroke) => (GlyphStyle::Stroke(Stroke { width: stroke.width + extra, ..stroke }), 0.0),
    };
    GlyphRun {
        font: run.font.clone(),
        coords: run.coords.clone(),
        font_size: Px(effective_size(run.font_size)),
        origin: run.origin(),
        skew: if run.slant { SKEW } else { 0.0 },
        embolden: Px(embolden),
        style,
        paint,
        glyphs: run.glyphs.clone(),
        text: run.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peniko::Color;

    use super::super::blocks::{Align, TextBlocks};
    use super::super::layout::LayoutOptions;
    use super::super::layout::tests::{layouter, style};
    use super::super::markup;
    use super::super::transform::Case;
    use super::*;

    fn drawn(text: &str, width: f64) -> TextNodes {
        drawn_in(text, width, DecorationPieces::Words)
    }

    fn drawn_in(text: &str, width: f64, decoration_pieces: DecorationPieces) -> TextNodes {
        let mut layouter = layouter();
        let base = style("Liberation Sans", 20.0);
        let blocks: TextBlocks = markup::parse(text, &Arc::clone(&base), Case::None);
        let shaped = layouter.shape(&blocks);
        let options = LayoutOptions::new(width, Align::Left);
        let laid_out = layouter.lay_out(&shaped, options);
        let style = DrawStyle {
            fill: Color::BLACK.into(),
            stroke: None,
            background: None,
            opacity: Opacity::OPAQUE,
            word_by_word: false,
            decoration_pieces,
        };
        draw(&laid_out, &style)
    }

    #[test]
    fn synthetic_weight_widens_fill_and_stroke_alike() {
        let mut layouter = layouter();
        let shaped = layouter.shape(&markup::parse("H", &style("Liberation Sans", 36.0), Case::None));
        let mut run = layouter.lay_out(&shaped, LayoutOptions::new(100.0, Align::Left)).lines[0].runs[0].clone();
        run.embolden = true;
        let fill = glyph_run(&run, Color::BLACK.into(), GlyphStyle::Fill);
        assert_eq!(fill.embolden.0, 36.0 / 64.0, "on each side");
        let stroke = glyph_run(&run, Color::BLACK.into(), GlyphStyle::Stroke(Stroke::new(2.0)));
        assert_eq!(stroke.embolden.0, 0.0);
        assert!(matches!(stroke.style, GlyphStyle::Stroke(it) if it.width == 2.0 + 36.0 / 32.0));
    }

    #[test]
    fn strokes_are_painted_word_by_word() {
        let mut layouter = layouter();
        let shaped = layouter.shape(&markup::parse("HH I", &style("Liberation Sans", 20.0), Case::None));
        let laid_out = layouter.lay_out(&shaped, LayoutOptions::new(200.0, Align::Left));
        let stroke = Some((Color::WHITE.into(), Stroke::new(2.0)));
        let style = DrawStyle {
            fill: Color::BLACK.into(),
            stroke,
            background: None,
            opacity: Opacity::OPAQUE,
            word_by_word: false,
            decoration_pieces: DecorationPieces::Words,
        };
        let letters = draw(&laid_out, &style).take_letters();
        let of_node = |node: &Node| match node {
            Node::Glyphs(run) => (run.text.to_string(), run.style == GlyphStyle::Fill, run.origin.x.round()),
            Node::Group(_) | Node::Path(_) | Node::Image(_) => unreachable!("only glyphs"),
        };
        let word = |text: &str, x| [(text.to_owned(), false, x), (text.to_owned(), true, x)];
        // H is 14.44 px wide, the space 5.56.
        let expected = [word("HH", 0.0), word(" ", 29.0), word("I", 34.0)].concat();
        assert_eq!(letters.iter().map(of_node).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn link_areas_cover_all_runs_of_a_link_line_by_line() {
        let drawn = drawn(r#"<p>I <a href="https://x.org">H<b>H</b> HH</a></p>"#, 50.0);
        let of_node = |node: &Node| match node {
            Node::Group(group) => group.links.clone(),
            Node::Path(_) | Node::Glyphs(_) | Node::Image(_) => Vec::new(),
        };
        let links: Vec<_> = drawn.links.iter().flat_map(of_node).collect();
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links.iter().all(|link| &*link.href == "https://x.org"));
        // H is 14.4 px wide, I and the space 5.6 px each; ascent 18, descent 4 px.
        let first = links[0].area;
        assert!((first.x0 - 11.1).abs() < 0.1 && (first.width() - 28.9).abs() < 0.1, "{first:?}");
        assert_eq!(first.height(), 22.0);
        assert_eq!((links[1].area.x0, links[1].area.y0 - first.y0), (0.0, 24.0));
    }

    #[test]
    fn decoration_lines_are_one_band_or_one_for_each_word() {
        let text = "<p><u>H <b>H</b> H</u> H</p>";
        let bands = |pieces| {
            let fills = drawn_in(text, 200.0, pieces).fills;
            let of_node = |node: &Node| match node {
                Node::Path(path) => Some(kurbo::Shape::bounding_box(&path.outline)),
                Node::Group(_) | Node::Glyphs(_) | Node::Image(_) => None,
            };
            fills.iter().filter_map(of_node).collect::<Vec<_>>()
        };
        let words = bands(DecorationPieces::Words);
        let whole = bands(DecorationPieces::Lines);
        assert!(words.len() > 2, "{words:?}");
        let all = words.iter().copied().reduce(|a, b| a.union(b)).expect("bands");
        assert_eq!(whole.len(), 1, "{whole:?}");
        assert!((whole[0].x0 - all.x0).abs() < 1e-9 && (whole[0].x1 - all.x1).abs() < 1e-9, "{whole:?} {all:?}");
        assert_eq!((whole[0].y0, whole[0].y1), (all.y0, all.y1));
    }

    #[test]
    fn link_areas_are_absent_without_links() {
        assert!(drawn("<p>H <a>H</a></p>", 50.0).links.is_empty());
    }
}
