//! Line breaking and positioning of the text of table cells.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use unicode_bidi::{BidiInfo, Level};

use super::super::blocks::{Align, Span, SpanStyle};
use super::super::layout::Layouter;
use super::super::line::{self, Line, LineSlice, TabStops};
use super::super::shape::Paragraph;
use super::super::strut::Strut;

/// One line of a cell's text before it is positioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellLine {
    /// Index of the line's paragraph.
    pub paragraph: usize,
    /// Clusters that are shown.
    pub clusters: Range<usize>,
    /// The line is the last one of its paragraph and so not justified.
    pub last: bool,
}

/// The geometry that all lines of a cell's text share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placing {
    /// Width available to the text, px.
    pub width: f64,
    /// Ratio of the font size drawn to the size shaped.
    pub factor: f64,
    /// Height of the line in design px.
    pub line_height: f64,
    pub align: Align,
}

/// `paragraph` with the base direction left to right, which cells have whatever their first letter is.
pub(super) fn left_to_right(paragraph: &Paragraph) -> Cow<'_, Paragraph> {
    if !paragraph.levels.iter().any(|level| level.is_rtl()) {
        return Cow::Borrowed(paragraph);
    }
    let levels = BidiInfo::new(&paragraph.text, Some(Level::ltr())).levels;
    Cow::Owned(Paragraph { levels, ..paragraph.clone() })
}

/// Shapes a line whose glyphs are drawn one by one because they are spaced or justified: in logical order and without
/// kerning.
pub(super) fn shape_apart(layouter: &mut Layouter, line: &str, style: &Arc<SpanStyle>) -> Paragraph {
    let mut paragraph = layouter.shaper.shape_apart(&[Span { text: line.to_owned(), style: style.clone() }]);
    paragraph.levels.fill(Level::ltr());
    paragraph
}

/// Shapes the `…` at the end of a truncated text, in the text's own style.
pub(super) fn shape_dots(layouter: &mut Layouter, style: &Arc<SpanStyle>) -> Paragraph {
    layouter.shaper.shape(&[Span { text: "…".into(), style: style.clone() }])
}

/// Advance width of all of `paragraph` at the size shaped, px.
pub(super) fn width_of(paragraph: &Paragraph) -> f64 {
    advance(paragraph, 0..paragraph.clusters.len())
}

fn advance(paragraph: &Paragraph, clusters: Range<usize>) -> f64 {
    clusters.fold(0.0, |pen, at| line::after(pen, paragraph, at, 1.0, TabStops::default()))
}

fn text_at(paragraph: &Paragraph, at: usize) -> &str {
    &paragraph.text[paragraph.clusters[at].range.clone()]
}

fn is_white(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// Breaks `paragraph` into lines at most `width` px wide at the size shaped, at the last space or hyphen that fits; a
/// word without either is broken anywhere. Text from the first cluster that is wider than a line on is dropped.
pub(super) fn break_paragraph(nth: usize, paragraph: &Paragraph, width: f64, justified: bool) -> Vec<CellLine> {
    let count = paragraph.clusters.len();
    let breaks = |at: usize| matches!(text_at(paragraph, at), " " | "-");
    let mut lines = Vec::new();
    let mut start = 0;
    loop {
        let mut end = start;
        let mut pen = 0.0;
        while end < count {
            pen = line::after(pen, paragraph, end, 1.0, TabStops::default());
            if pen > width {
                break;
            }
            end += 1;
        }
        if end == count {
            // The last line keeps the spaces at its end.
            lines.push(CellLine { paragraph: nth, clusters: start..count, last: true });
            break;
        }
        if end == start {
            break;
        }
        if !breaks(end)
            && let Some(at) = (start..end).rev().find(|at| breaks(*at))
        {
            end = at + 1;
        }
        let next = (end..count).find(|at| !is_white(text_at(paragraph, *at))).unwrap_or(count);
        lines.push(CellLine { paragraph: nth, clusters: start..trimmed_end(paragraph, start..end), last: false });
        if next == count {
            break;
        }
        start = next;
    }
    if let Some(last) = lines.last_mut() {
        last.last = true;
    }
    if justified {
        for line in &mut lines {
            let end = trimmed_end(paragraph, line.clusters.clone());
            let start = line.clusters.clone().find(|at| !is_white(text_at(paragraph, *at))).unwrap_or(end);
            line.clusters = start.min(end)..end;
        }
    }
    lines
}

/// End of `clusters` without trailing white space.
fn trimmed_end(paragraph: &Paragraph, clusters: Range<usize>) -> usize {
    let start = clusters.start;
    clusters.rev().find(|at| !is_white(text_at(paragraph, *at))).map_or(start, |at| at + 1)
}

/// Advance width of the widest word, px at the size shaped. Words end before white space and after a hyphen.
pub(super) fn longest_word(paragraph: &Paragraph) -> f64 {
    let (mut longest, mut word) = (0.0_f64, 0.0);
    for at in 0..paragraph.clusters.len() {
        let text = text_at(paragraph, at);
        word = if is_white(text) { 0.0 } else { line::after(word, paragraph, at, 1.0, TabStops::default()) };
        longest = longest.max(word);
        if text == "-" {
            word = 0.0;
        }
    }
    longest
}

/// Advance width of all clusters that are not white space, px at the size shaped; negative ones count as 0.
pub(super) fn ink_advance(paragraph: &Paragraph) -> f64 {
    let ink = (0..paragraph.clusters.len()).filter(|at| !is_white(text_at(paragraph, *at)));
    ink.map(|at| line::after(0.0, paragraph, at, 1.0, TabStops::default()).max(0.0)).sum()
}

impl CellLine {
    /// Removes clusters from the end until the rest fits into `room` px at the size shaped.
    pub(super) fn shorten(&mut self, paragraph: &Paragraph, room: f64) {
        while !self.clusters.is_empty() && advance(paragraph, self.clusters.clone()) > room {
            self.clusters.end -= 1;
        }
    }
}

/// Positions a line, with its top at 0. A line wider than the room overflows on both sides when centred, on the left
/// when right-aligned.
pub(super) fn place(
    line: &CellLine,
    paragraph: &Paragraph,
    dots: Option<&Paragraph>,
    strut: &Strut,
    placing: Placing,
) -> Line {
    let Placing { width: room, factor, line_height, align } = placing;
    let slice =
        |clusters| LineSlice { clusters, suffix: None, last: line.last, splits_word: false, tabs: TabStops::default() };
    let mut runs = line::visual_runs(&slice(line.clusters.clone()), paragraph, factor, false);
    let mut width = runs.last().map_or(0.0, |run| run.x + run.width);
    if let Some(dots) = dots {
        let end = line::visual_runs(&slice(0..dots.clusters.len()), dots, factor, false);
        runs.extend(end.into_iter().map(|run| line::LineRun { x: run.x + width, ..run }));
        width = runs.last().map_or(0.0, |run| run.x + run.width);
    }
    if align == Align::Justify && !line.last && dots.is_none() {
        line::justify(&mut runs, room - width);
    }
    let x = match align {
        Align::Left | Align::Justify => 0.0,
        Align::Center => (room - width) / 2.0,
        Align::Right => room - width,
    };
    let (ascent, descent) = strut.ascent_descent(factor);
    let baseline = (ascent - descent) / 2.0 + line_height / 2.0;
    for run in &mut runs {
        run.x += x;
        run.baseline = baseline;
    }
    Line { top: 0.0, height: line_height, baseline, x, width, runs, markers: Vec::new() }
}
