//! One line: glyphs in visual order on a baseline, with the metrics that backgrounds and decorations need.

use std::ops::Range;
use std::sync::Arc;

use icu_segmenter::GraphemeClusterSegmenter;
use kurbo::{Point, Vec2};
use peniko::FontData;
use unicode_bidi::{BidiInfo, Level};

use super::blocks::{Align, LineHeight, SpanStyle, VerticalShift};
use super::graphemes;
use super::shape::{ClusterKind, Paragraph};
use super::strut::Strut;
use crate::scene;
use crate::units::Px;

/// Superscripts are raised and subscripts lowered by this share of the line's largest size (rendering.md §9.9).
const SUPER_RISE: f64 = 0.40;
const SUB_DROP: f64 = 0.26;

/// Gap between a bullet and its content beyond the bullet's own diameter, px (rendering.md §9.9).
const BULLET_GAP: f64 = 7.0;

/// A positioned line. Coordinates are px from the top-left corner of the element's box, y down.
#[derive(Clone, Debug)]
pub struct Line {
    /// Top of the line box.
    pub top: f64,
    /// Height of the line box, including the overhang of sub- and superscripts.
    pub height: f64,
    /// The y of the baseline.
    pub baseline: f64,
    /// The x at which the first run starts.
    pub x: f64,
    /// Width of all runs, trailing letter spacing included.
    pub width: f64,
    /// The runs from left to right.
    pub runs: Vec<LineRun>,
    /// Runs of the list markers before the line: several where nested items begin together.
    pub markers: Vec<LineRun>,
}

/// Consecutive glyphs of one face and one style.
#[derive(Clone, Debug)]
pub struct LineRun {
    /// The style as written; [`Self::font_size`] is the size drawn.
    pub style: Arc<SpanStyle>,
    /// The font file and face index.
    pub font: FontData,
    /// Normalised variation coordinates of the face, F2Dot14.
    pub coords: Arc<[i16]>,
    /// Font size drawn, px.
    pub font_size: f64,
    /// The run needs synthetic weight.
    pub embolden: bool,
    /// The run needs synthetic slant.
    pub slant: bool,
    /// The x of the left edge.
    pub x: f64,
    /// Advance width, letter spacing included, px.
    pub width: f64,
    /// The y of the run's baseline: that of the line, or raised or lowered.
    pub baseline: f64,
    /// Ascent of the style's face, rounded to whole px.
    pub ascent: f64,
    /// Descent of the style's face, rounded to whole px, positive downwards.
    pub descent: f64,
    /// Ascent and descent of the run's background, rounded to whole px; those of the run where it has none.
    pub highlight: (f64, f64),
    /// Glyphs in visual order, with offsets from ([`Self::x`], [`Self::baseline`]).
    pub glyphs: Vec<scene::Glyph>,
    /// Characters of the run, in logical order.
    pub text: Arc<str>,
}

/// The content of one line before it is positioned.
#[derive(Clone, Debug)]
pub(super) struct LineSlice<'a> {
    pub clusters: Range<usize>,
    /// A hyphen or `…` shown at the end of the line.
    pub suffix: Option<&'a Paragraph>,
    /// The line is the last one of its paragraph and so never justified.
    pub last: bool,
    /// The line begins or ends inside a word, whose parts the editor shapes separately.
    pub splits_word: bool,
    pub tabs: TabStops,
}

/// The tab stops of a line, px from the line's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TabStops {
    /// Distance between stops; with 0 tabs have no width.
    pub every: f64,
    /// A stop nearer than this is skipped, as in Chromium.
    pub min_distance: f64,
}

impl TabStops {
    /// The tab stops of a text drawn `factor` times as large.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { every: self.every * factor, min_distance: self.min_distance * factor }
    }

    /// The stop at which a tab at `pen` ends.
    fn after(self, pen: f64) -> f64 {
        if self.every <= 0.0 {
            return pen;
        }
        let next = ((pen / self.every).floor() + 1.0) * self.every;
        if next - pen < self.min_distance { next + self.every } else { next }
    }
}

/// A shaped list marker, and the metrics that position it.
pub(super) struct ShapedMarker {
    /// The marker in the item's style, but with normal weight, upright and without decorations.
    pub drawn: Paragraph,
    /// Advance width in the item's style, px.
    pub width: f64,
    /// Advance width of the space after the marker, px.
    pub gap: f64,
    /// The glyph of a bullet in the item's style; `None` for a number.
    pub bullet: Option<Paragraph>,
    /// Strut of the item's style.
    pub strut: Strut,
}

/// The horizontal position and size of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinePlacement {
    /// Left edge of the line box, px from the left of the element's box.
    pub left: f64,
    /// Right edge of the line box, px from the left of the element's box.
    pub right: f64,
    pub align: Align,
    /// Factor of every font size.
    pub factor: f64,
}

/// Positions a line between `left` and `right`, with its top at 0.
pub(super) fn place(slice: &LineSlice<'_>, paragraph: &Paragraph, strut: &Strut, place: LinePlacement) -> Line {
    let LinePlacement { left, right, align, factor } = place;
    let justified = align == Align::Justify && !slice.last;
    let mut runs = visual_runs(slice, paragraph, factor, justified);
    if let Some(suffix) = slice.suffix {
        let pen = runs.last().map_or(0.0, |run| run.x + run.width);
        let end = LineSlice { clusters: 0..suffix.clusters.len(), suffix: None, splits_word: false, ..slice.clone() };
        runs.extend(visual_runs(&end, suffix, factor, false).into_iter().map(|run| LineRun { x: run.x + pen, ..run }));
    }
    let mut width = runs.last().map_or(0.0, |run| run.x + run.width);
    if justified {
        width += justify(&mut runs, right - left - width);
    }
    let offset = match align {
        // Lines that justification does not fill start on the side where their text begins.
        Align::Justify if paragraph.rtl => right - left - width,
        Align::Left | Align::Justify => 0.0,
        Align::Center => (right - left - width) / 2.0,
        Align::Right => right - left - width,
    };
    // A line that could not be broken to fit starts at the left edge (rendering.md §9.5).
    let x = left + offset.max(0.0);
    runs.iter_mut().for_each(|run| run.x += x);
    let (mut height, baseline) = vertical(&mut runs, strut, factor, paragraph.rtl);
    if let Some((style, metrics)) = paragraph.styles.first().zip(paragraph.metrics.first())
        && paragraph.clusters.is_empty()
    {
        let (ascent, descent) = metrics.ascent_descent(style.font_size * style.drawn_factor(factor));
        height = height.max(scaled_line_height(style, ascent, descent, factor));
    }
    Line { top: 0.0, height, baseline, x, width, runs, markers: Vec::new() }
}

impl Line {
    pub(super) fn move_down(&mut self, by: f64) {
        self.top += by;
        self.baseline += by;
        self.runs.iter_mut().chain(&mut self.markers).for_each(|run| run.baseline += by);
    }

    /// Adds a list marker left of `content_edge`, or right of it where `rtl`, independent of alignment and on the
    /// baseline that a line of the item's own style would have (rendering.md §9.9).
    pub(super) fn add_marker(&mut self, marker: &ShapedMarker, content_edge: f64, factor: f64, rtl: bool) {
        let (ascent, descent) = marker.strut.ascent_descent(factor);
        let line_height = scaled_line_height(&marker.strut.style, ascent, descent, factor);
        let mut baseline = self.top + (ascent - descent) / 2.0 + line_height / 2.0;
        let (mut scale, mut gap, mut width) = (factor, marker.gap * factor, marker.width * factor);
        let ink = marker.bullet.as_ref().and_then(|bullet| bullet.ink(factor)).filter(|ink| ink.height() > 0.0);
        if let Some(ink) = ink {
            // The glyph is scaled to the size of the dot that browsers draw, a third of the ascent. Its centre is that
            // far above the baseline, and its distance from the content is that plus 7 px. Ink is measured in whole px.
            let diameter = ascent / 3.0;
            let magnified = diameter / ink.height();
            scale = factor * magnified;
            gap = BULLET_GAP + diameter;
            width = if rtl { -ink.x0 * magnified } else { ink.x1 * magnified };
            baseline += -diameter - ink.center().y * magnified;
        }
        let slice = LineSlice {
            clusters: 0..marker.drawn.clusters.len(),
            suffix: None,
            last: true,
            splits_word: false,
            tabs: TabStops::default(),
        };
        let mut runs = visual_runs(&slice, &marker.drawn, scale, false);
        let drawn_width = runs.last().map_or(0.0, |run| run.x + run.width);
        let left = match (rtl, ink) {
            (false, _) => content_edge - gap - width,
            (true, Some(_)) => content_edge + gap + width,
            (true, None) => content_edge + gap + width - drawn_width,
        };
        for run in &mut runs {
            run.x += left;
            run.baseline = baseline;
        }
        self.markers.extend(runs);
    }
}

/// Runs from left to right, the first at 0, baselines at 0. `by_words`: see [`visual_order`].
pub(super) fn visual_runs(slice: &LineSlice<'_>, paragraph: &Paragraph, whole: f64, by_words: bool) -> Vec<LineRun> {
    let mut runs: Vec<LineRun> = Vec::new();
    let mut pen = 0.0;
    let mut last_run = None;
    let mut bytes: Option<Range<usize>> = None;
    for at in visual_order(slice, paragraph, by_words) {
        let cluster = &paragraph.clusters[at];
        let style = &paragraph.styles[cluster.span];
        let (factor, advances) = (style.drawn_factor(whole), paragraph.advance_factor(cluster.span, whole));
        if last_run != Some(cluster.run) {
            finish_run(&mut runs, &mut bytes, paragraph);
            let face = &paragraph.runs[cluster.run];
            let font_size = style.font_size * factor;
            let (ascent, descent) = paragraph.metrics[cluster.span].ascent_descent(font_size);
            let highlight = style.background.as_ref().zip(paragraph.highlights[cluster.span]);
            let highlight = highlight.map_or((ascent, descent), |(it, metrics)| {
                metrics.ascent_descent(it.style.font_size * it.style.drawn_factor(whole))
            });
            runs.push(LineRun {
                style: style.clone(),
                font: face.font.clone(),
                coords: face.coords.clone(),
                font_size,
                embolden: face.embolden,
                slant: face.slant,
                x: pen,
                width: 0.0,
                baseline: 0.0,
                ascent,
                descent,
                highlight,
                glyphs: Vec::new(),
                text: "".into(),
            });
            last_run = Some(cluster.run);
        }
        let Some(run) = runs.last_mut() else { continue };
        for glyph in &paragraph.glyphs[cluster.glyphs.clone()] {
            let offset = Vec2::new(pen - run.x + glyph.offset.x * advances, glyph.offset.y * advances);
            // Byte offsets are made relative to the run's text when the run is closed.
            let cluster = cluster.range.start as u32;
            run.glyphs.push(scene::Glyph { id: glyph.id, offset, advance: Px(glyph.advance * advances), cluster });
        }
        pen = after(pen, paragraph, at, whole, slice.tabs);
        run.width = pen - run.x;
        let range = &cluster.range;
        bytes = Some(bytes.map_or(range.clone(), |b| b.start.min(range.start)..b.end.max(range.end)));
    }
    finish_run(&mut runs, &mut bytes, paragraph);
    runs
}

/// The pen position after cluster `at`, px from the line's start: tabs extend to the next stop, and letter spacing
/// follows every visible character (rendering.md §9.5) that is not joined to its successor.
pub(super) fn after(pen: f64, paragraph: &Paragraph, at: usize, factor: f64, tabs: TabStops) -> f64 {
    let cluster = &paragraph.clusters[at];
    match cluster.kind {
        ClusterKind::Tab => tabs.after(pen),
        ClusterKind::SoftHyphen | ClusterKind::ZeroWidthSpace => pen,
        ClusterKind::Text | ClusterKind::Space => {
            let style = &paragraph.styles[cluster.span];
            let spacing = paragraph.letter_spacing(cluster, style.drawn_factor(factor));
            pen + cluster.advance * paragraph.advance_factor(cluster.span, factor) + spacing
        }
    }
}

/// Sets the text of the last run.
fn finish_run(runs: &mut [LineRun], bytes: &mut Option<Range<usize>>, paragraph: &Paragraph) {
    if let (Some(run), Some(bytes)) = (runs.last_mut(), bytes.take()) {
        run.text = paragraph.text[bytes.clone()].into();
        run.glyphs.iter_mut().for_each(|glyph| glyph.cluster -= bytes.start as u32);
    }
}

/// Cluster numbers from left to right: UAX #9 L2 over the line's levels.
///
/// In a right-to-left paragraph each stretch of one style is ordered by itself, and the stretches follow one another
/// from right to left. With `by_words`, every word and every space is a stretch.
fn visual_order(slice: &LineSlice<'_>, paragraph: &Paragraph, by_words: bool) -> Vec<usize> {
    let logical: Vec<usize> = slice.clusters.clone().collect();
    let start = |at: usize| paragraph.clusters[at].range.start;
    let is_space = |at: usize| paragraph.clusters[at].kind == ClusterKind::Space;
    let style = |at: usize| &paragraph.styles[paragraph.clusters[at].span];
    let together =
        |a: &usize, b: &usize| style(*a).looks_like(style(*b)) && !(by_words && (is_space(*a) || is_space(*b)));
    let stretches: Vec<&[usize]> = if paragraph.rtl { logical.chunk_by(together).collect() } else { Vec::new() };
    if stretches.len() < 2 {
        return in_order_of_levels(logical, |at| paragraph.levels[start(at)]);
    }
    let mut order = Vec::with_capacity(logical.len());
    for stretch in stretches.into_iter().rev() {
        let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
        let bytes = start(*first)..paragraph.clusters[*last].range.end;
        let levels = BidiInfo::new(&paragraph.text[bytes.clone()], Some(Level::rtl())).levels;
        order.extend(in_order_of_levels(stretch.to_vec(), |at| levels[start(at) - bytes.start]));
    }
    order
}

fn in_order_of_levels(mut order: Vec<usize>, level: impl Fn(usize) -> Level) -> Vec<usize> {
    let level = |at: usize| level(at).number();
    let Some(highest) = order.iter().map(|at| level(*at)).max() else { return order };
    let lowest_odd = order.iter().map(|at| level(*at)).filter(|it| it % 2 == 1).min();
    let Some(lowest_odd) = lowest_odd else { return order };
    for reversed in (lowest_odd..=highest).rev() {
        let mut start = 0;
        while start < order.len() {
            let len = order[start..].iter().take_while(|at| level(**at) >= reversed).count();
            order[start..start + len].reverse();
            start += len.max(1);
        }
    }
    order
}

/// Distributes `room` px over the spaces, and returns the px that were used.
pub(super) fn justify(runs: &mut [LineRun], room: f64) -> f64 {
    let spaces: usize = runs.iter().map(|run| run.text.matches(' ').count()).sum();
    if spaces == 0 || room <= 0.0 {
        return 0.0;
    }
    let extra = room / spaces as f64;
    let mut shift = 0.0;
    for run in runs {
        run.x += shift;
        let before = shift;
        let text = run.text.clone();
        for glyph in &mut run.glyphs {
            glyph.offset.x += shift - before;
            if text.as_bytes().get(glyph.cluster as usize) == Some(&b' ') {
                shift += extra;
            }
        }
        run.width += shift - before;
    }
    shift
}

/// Height of the line box and its baseline; sets the runs' baselines (rendering.md §9.2, §9.9). Where `rtl`, sub- and
/// superscripts make room for themselves but stay on the baseline, as in the editor.
fn vertical(runs: &mut [LineRun], strut: &Strut, factor: f64, rtl: bool) -> (f64, f64) {
    let (mut ascent, mut descent) = strut.ascent_descent(factor);
    let mut line_height = scaled_line_height(&strut.style, ascent, descent, factor);
    let mut largest = 0.0_f64;
    for run in runs.iter() {
        line_height = line_height.max(scaled_line_height(&run.style, run.ascent, run.descent, factor));
        if run.style.shift == VerticalShift::None {
            ascent = ascent.max(run.ascent);
            descent = descent.max(run.descent);
            largest = largest.max(run.font_size);
        }
    }
    let baseline = (line_height - (ascent + descent)) / 2.0 + ascent;
    let (mut above, mut below) = (0.0_f64, 0.0_f64);
    for run in runs {
        // On a line of only sub- or superscripts their own size counts, and the line does not grow.
        let size = if largest > 0.0 { largest } else { run.font_size };
        let shift = match run.style.shift {
            VerticalShift::None => 0.0,
            VerticalShift::Super => -SUPER_RISE * size,
            VerticalShift::Sub => SUB_DROP * size,
        };
        run.baseline = baseline + if rtl { 0.0 } else { shift };
        if run.style.shift != VerticalShift::None && largest > 0.0 {
            let (top, bottom) = (baseline + shift - run.ascent, baseline + shift + run.descent);
            above = above.max(-top);
            below = below.max(bottom - line_height);
        }
    }
    // The overhang at the top is also added below: the baseline within the line box stays (`rich-sub-sup` of the
    // corpus).
    (line_height + above + below, baseline)
}

fn scaled_line_height(style: &SpanStyle, ascent: f64, descent: f64, factor: f64) -> f64 {
    match style.line_height {
        LineHeight::Auto => ascent + descent,
        LineHeight::Px(px) => px,
        LineHeight::Times(_) | LineHeight::Length(_) => style.line_height_px(0.0, 0.0) * style.drawn_factor(factor),
    }
}

impl LineRun {
    /// Splits the run into words and the spaces between them, which the editor measures and paints one by one. A
    /// right-to-left run is not split.
    pub(super) fn words(&self) -> Vec<Self> {
        let kind = |glyph: &scene::Glyph| {
            let rest = self.text.get(glyph.cluster as usize..).unwrap_or_default();
            let end = GraphemeClusterSegmenter::new().segment_str(rest).nth(1).unwrap_or(rest.len());
            (rest.starts_with(' '), graphemes::stands_alone(&rest[..end]))
        };
        let starts_word = |before: &scene::Glyph, glyph: &scene::Glyph| {
            let (kind, (is_space, alone)) = (kind(before), kind(glyph));
            let between = self.text.get(before.cluster as usize..glyph.cluster as usize).unwrap_or_default();
            let may_break = between.contains(['\u{ad}', '\u{200b}']);
            before.cluster != glyph.cluster && (kind != (is_space, alone) || alone || may_break)
        };
        let rightward = self.glyphs.windows(2).all(|pair| pair[0].cluster <= pair[1].cluster);
        let parts: Vec<_> = self.glyphs.chunk_by(|a, b| !starts_word(a, b)).collect();
        if !rightward || parts.len() < 2 {
            return vec![self.clone()];
        }
        let from = |at: usize| if at == 0 { 0.0 } else { parts.get(at).map_or(self.width, |part| part[0].offset.x) };
        let byte = |at: usize| match parts.get(at) {
            _ if at == 0 => 0,
            Some(part) => part[0].cluster as usize,
            None => self.text.len(),
        };
        let word = |(at, part): (usize, &&[scene::Glyph])| {
            let moved = |glyph: &scene::Glyph| scene::Glyph {
                offset: glyph.offset - Vec2::new(from(at), 0.0),
                cluster: glyph.cluster - byte(at) as u32,
                ..*glyph
            };
            Self {
                x: self.x + from(at),
                width: from(at + 1) - from(at),
                glyphs: part.iter().map(moved).collect(),
                text: self.text[byte(at)..byte(at + 1)].into(),
                ..self.clone()
            }
        };
        parts.iter().enumerate().map(word).collect()
    }

    /// The start of the baseline.
    pub fn origin(&self) -> Point {
        Point::new(self.x, self.baseline)
    }
}
