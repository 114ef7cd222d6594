//! One line: glyphs in visual order on a baseline, and the boxes that backgrounds and decorations need.

use std::ops::Range;
use std::sync::Arc;

use kurbo::{Circle, Point, Vec2};
use peniko::FontData;

use super::blocks::{Align, SpanStyle, VerticalShift};
use super::breaks;
use super::layout::Strut;
use super::shape::{ClusterKind, Paragraph};
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
    /// Bullets before the line: one, or more where items begin together.
    pub bullets: Vec<Circle>,
    /// Numbers before the line.
    pub numbers: Vec<LineRun>,
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
    let mut runs = visual_runs(slice, paragraph, factor);
    if let Some(suffix) = slice.suffix {
        let pen = runs.last().map_or(0.0, |run| run.x + run.width);
        let end = LineSlice { clusters: 0..suffix.clusters.len(), suffix: None, ..slice.clone() };
        runs.extend(visual_runs(&end, suffix, factor).into_iter().map(|run| LineRun { x: run.x + pen, ..run }));
    }
    let mut width = runs.last().map_or(0.0, |run| run.x + run.width);
    if align == Align::Justify && !slice.last {
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
    let (height, baseline) = vertical(&mut runs, strut, factor);
    Line { top: 0.0, height, baseline, x, width, runs, bullets: Vec::new(), numbers: Vec::new() }
}

impl Line {
    pub(super) fn move_down(&mut self, by: f64) {
        self.top += by;
        self.baseline += by;
        self.runs.iter_mut().chain(&mut self.numbers).for_each(|run| run.baseline += by);
    }

    /// Bullets and numbers stand left of the content, wherever alignment moved it (rendering.md §9.9). A bullet where
    /// there is no `number`.
    pub(super) fn add_marker(&mut self, number: Option<&Paragraph>, content_left: f64, factor: f64, strut: &Strut) {
        let Some(number) = number else {
            let (ascent, _) = strut.ascent_descent(factor);
            let diameter = ascent / 3.0;
            let right = content_left - BULLET_GAP - diameter;
            self.bullets.push(Circle::new((right - diameter / 2.0, self.baseline - diameter), diameter / 2.0));
            return;
        };
        let slice =
            LineSlice { clusters: 0..number.clusters.len(), suffix: None, last: true, tabs: TabStops::default() };
        let mut runs = visual_runs(&slice, number, factor);
        // The marker's own trailing space is the gap.
        let width = runs.last().map_or(0.0, |run| run.x + run.width);
        for run in &mut runs {
            run.x += content_left - width;
            run.baseline = self.baseline;
        }
        self.numbers.extend(runs);
    }
}

/// Runs from left to right, the first at 0, baselines at 0.
pub(super) fn visual_runs(slice: &LineSlice<'_>, paragraph: &Paragraph, whole: f64) -> Vec<LineRun> {
    let mut runs: Vec<LineRun> = Vec::new();
    let mut pen = 0.0;
    let mut last_run = None;
    let mut bytes: Option<Range<usize>> = None;
    for at in visual_order(slice, paragraph) {
        let cluster = &paragraph.clusters[at];
        let style = &paragraph.styles[cluster.span];
        let factor = style.drawn_factor(whole);
        if last_run != Some(cluster.run) {
            close(&mut runs, &mut bytes, paragraph);
            let face = &paragraph.runs[cluster.run];
            let font_size = style.font_size * factor;
            let (ascent, descent) = face.ascent_descent(font_size);
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
                glyphs: Vec::new(),
                text: "".into(),
            });
            last_run = Some(cluster.run);
        }
        let Some(run) = runs.last_mut() else { continue };
        for glyph in &paragraph.glyphs[cluster.glyphs.clone()] {
            let offset = Vec2::new(pen - run.x + glyph.offset.x * factor, glyph.offset.y * factor);
            // Byte offsets are made relative to the run's text when the run is closed.
            let cluster = cluster.range.start as u32;
            run.glyphs.push(scene::Glyph { id: glyph.id, offset, advance: Px(glyph.advance * factor), cluster });
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
            pen + (cluster.advance + paragraph.letter_spacing(cluster)) * style.drawn_factor(factor)
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
pub(super) fn visual_order(slice: &LineSlice<'_>, paragraph: &Paragraph) -> Vec<usize> {
    let mut order: Vec<usize> = slice.clusters.clone().collect();
    let level = |at: usize| paragraph.levels[paragraph.clusters[at].range.start].number();
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

/// Height of the line box and its baseline; sets the runs' baselines (rendering.md §9.2, §9.9).
fn vertical(runs: &mut [LineRun], strut: &Strut, factor: f64) -> (f64, f64) {
    let strut_size = strut.style.font_size * factor;
    let (mut ascent, mut descent) = strut.ascent_descent(factor);
    let mut line_height = scaled_line_height(&strut.style, ascent, descent, factor);
    let mut largest = 0.0_f64;
    for run in runs.iter().filter(|run| run.style.shift == VerticalShift::None) {
        line_height = line_height.max(scaled_line_height(&run.style, run.ascent, run.descent, factor));
        ascent = ascent.max(run.ascent);
        descent = descent.max(run.descent);
        largest = largest.max(run.font_size);
    }
    let largest = if largest > 0.0 { largest } else { strut_size };
    let baseline = (line_height - (ascent + descent)) / 2.0 + ascent;
    let (mut above, mut below) = (0.0_f64, 0.0_f64);
    for run in runs {
        let shift = match run.style.shift {
            VerticalShift::None => 0.0,
            VerticalShift::Super => -SUPER_RISE * largest,
            VerticalShift::Sub => SUB_DROP * largest,
        };
        run.baseline = baseline + shift;
        if run.style.shift != VerticalShift::None {
            let (top, bottom) = (run.baseline - run.ascent, run.baseline + run.descent);
            above = above.max(-top);
            below = below.max(bottom - line_height);
        }
    }
    // What sticks out at the top also goes below: the line's own baseline stays (`rich-sub-sup` of the corpus).
    (line_height + above + below, baseline)
}

fn scaled_line_height(style: &SpanStyle, ascent: f64, descent: f64, factor: f64) -> f64 {
    match style.line_height {
        super::blocks::LineHeight::Auto => ascent + descent,
        _ => style.line_height_px(0.0, 0.0) * style.drawn_factor(factor),
    }
}

impl LineRun {
    /// Its words, and what is between them: the stretches that the editor measures and paints one by one. A run that reads
    /// from right to left is one stretch.
    pub(super) fn words(&self) -> Vec<Self> {
        let kind = |glyph: &scene::Glyph| {
            let rest = self.text.get(glyph.cluster as usize..).unwrap_or_default();
            (rest.starts_with(' '), breaks::stands_alone(rest))
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
