//! One line: glyphs in visual order on a baseline, and the boxes that backgrounds and decorations need.

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

/// A line in place: x from the left of the element's box, y from its top.
#[derive(Clone, Debug)]
pub struct Line {
    /// Of the line box.
    pub top: f64,
    /// Of the line box, with what sub- and superscripts stick out.
    pub height: f64,
    /// y.
    pub baseline: f64,
    /// Where the first run starts.
    pub x: f64,
    /// Of all runs, trailing letter spacing included.
    pub width: f64,
    /// Left to right.
    pub runs: Vec<LineRun>,
    /// Bullets and numbers before the line: one, or more where items begin together.
    pub markers: Vec<LineRun>,
}

/// Neighbouring glyphs of one face and one style.
#[derive(Clone, Debug)]
pub struct LineRun {
    /// As asked for; `font_size` is the size drawn.
    pub style: Arc<SpanStyle>,
    /// The face.
    pub font: FontData,
    /// Normalised variation coordinates.
    pub coords: Arc<[i16]>,
    /// Size drawn, px.
    pub font_size: f64,
    /// Synthetic weight wanted.
    pub embolden: bool,
    /// Synthetic slant wanted.
    pub slant: bool,
    /// Left edge.
    pub x: f64,
    /// Advance width, letter spacing included.
    pub width: f64,
    /// Of the run: the line's, or raised or lowered.
    pub baseline: f64,
    /// Rounded, px.
    pub ascent: f64,
    /// Rounded, px.
    pub descent: f64,
    /// Ascent and descent of the box behind it, rounded, px; where it has none, its own.
    pub highlight: (f64, f64),
    /// Offsets from (x, baseline).
    pub glyphs: Vec<scene::Glyph>,
    /// In logical order.
    pub text: Arc<str>,
}

/// What stands on one line, before it is put in place.
#[derive(Clone, Debug)]
pub(super) struct LineSlice<'a> {
    pub clusters: Range<usize>,
    /// Shown at its end: a hyphen or `…`.
    pub suffix: Option<&'a Paragraph>,
    /// The last of its paragraph: never justified.
    pub last: bool,
    /// It begins or ends inside a word: what the editor draws there was shaped without the rest.
    pub apart: bool,
    pub tabs: TabStops,
}

/// Where tabs end on a line, px from the line's start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct TabStops {
    /// Distance from stop to stop; 0 makes tabs take no room.
    pub every: f64,
    /// A stop that is nearer than this is passed over, as in the browser's engine.
    pub least: f64,
}

impl TabStops {
    /// The same for letters that are `factor` as large.
    pub(super) fn scaled(self, factor: f64) -> Self {
        Self { every: self.every * factor, least: self.least * factor }
    }

    /// The stop that a tab at `pen` leads to.
    fn after(self, pen: f64) -> f64 {
        if self.every <= 0.0 {
            return pen;
        }
        let next = ((pen / self.every).floor() + 1.0) * self.every;
        if next - pen < self.least { next + self.every } else { next }
    }
}

/// What stands before a list item.
pub(super) struct ShapedMarker {
    /// In the item's style, but of normal weight, upright and without decorations.
    pub drawn: Paragraph,
    /// Advance width in the item's style, px.
    pub width: f64,
    /// Advance width of the space after it, px.
    pub gap: f64,
    /// Of a bullet: its glyph in the item's style; `None` for a number.
    pub bullet: Option<Paragraph>,
    /// Of the item.
    pub strut: Strut,
}

/// Where a line goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// px from the left of the element's box.
    pub left: f64,
    /// px from the left of the element's box.
    pub right: f64,
    pub align: Align,
    /// Of every font size.
    pub factor: f64,
}

/// Puts a line between `left` and `right`, its top at 0.
pub(super) fn place(slice: &LineSlice<'_>, paragraph: &Paragraph, strut: &Strut, place: Place) -> Line {
    let Place { left, right, align, factor } = place;
    let justified = align == Align::Justify && !slice.last;
    let mut runs = visual_runs(slice, paragraph, factor, justified);
    if let Some(suffix) = slice.suffix {
        let pen = runs.last().map_or(0.0, |run| run.x + run.width);
        let end = LineSlice { clusters: 0..suffix.clusters.len(), suffix: None, apart: false, ..slice.clone() };
        runs.extend(visual_runs(&end, suffix, factor, false).into_iter().map(|run| LineRun { x: run.x + pen, ..run }));
    }
    let mut width = runs.last().map_or(0.0, |run| run.x + run.width);
    if justified {
        width += justify(&mut runs, right - left - width);
    }
    let offset = match align {
        // Lines that justification leaves short start at the side where their text begins.
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

    /// Bullets and numbers stand left of the content, right of it where `rtl`, wherever alignment moved it, and on the
    /// baseline that a line of the item's own style would have (rendering.md §9.9).
    pub(super) fn add_marker(&mut self, marker: &ShapedMarker, content_edge: f64, factor: f64, rtl: bool) {
        let (ascent, descent) = marker.strut.ascent_descent(factor);
        let line_height = scaled_line_height(&marker.strut.style, ascent, descent, factor);
        let mut baseline = self.top + (ascent - descent) / 2.0 + line_height / 2.0;
        let (mut scale, mut gap, mut width) = (factor, marker.gap * factor, marker.width * factor);
        let ink = marker.bullet.as_ref().and_then(|bullet| bullet.ink(factor)).filter(|ink| ink.height() > 0.0);
        if let Some(ink) = ink {
            // The glyph is drawn as large as the dot of browsers: a third of the ascent, that far from the content and 7 px
            // more, its middle that far above the baseline. It is measured in whole px.
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
            apart: false,
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
            close(&mut runs, &mut bytes, paragraph);
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
    close(&mut runs, &mut bytes, paragraph);
    runs
}

/// Where the pen is after cluster `at`, px from the line's start: tabs reach to the next stop, and letter spacing follows
/// every character that shows (rendering.md §9.5) and is not joined to its successor.
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

/// Gives the last run its text.
fn close(runs: &mut [LineRun], bytes: &mut Option<Range<usize>>, paragraph: &Paragraph) {
    if let (Some(run), Some(bytes)) = (runs.last_mut(), bytes.take()) {
        run.text = paragraph.text[bytes.clone()].into();
        run.glyphs.iter_mut().for_each(|glyph| glyph.cluster -= bytes.start as u32);
    }
}

/// Cluster numbers from left to right: UAX #9 L2 over the line's levels.
///
/// A paragraph that reads from right to left is put together of its styles: each stretch of one style is ordered by itself,
/// and they stand from right to left. Where `by_words`, every word and every space is a stretch.
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

/// Spreads `room` over the spaces; returns what was used.
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
        // Alone on a line they are measured by their own size, and the line does not grow.
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
    // What sticks out at the top also goes below: the line's own baseline stays (`rich-sub-sup` of the corpus).
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
    /// Its words, and what is between them: the stretches that the editor measures and paints one by one. A run that reads
    /// from right to left is one stretch.
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

    /// Where its baseline starts.
    pub fn origin(&self) -> Point {
        Point::new(self.x, self.baseline)
    }
}
