//! Facts measured on the editor: each test renders a small design and checks coordinates and colours of its picture.
//!
//! `fact_NN_…` carries the fact's number in the list of hand-checkable facts. Unless a test says otherwise the page is
//! 400 × 300 px and white; colours may be 2 levels off.

#![expect(clippy::unwrap_used, reason = "tests panic on failure")]

#[path = "../support/painter.rs"]
mod painter;

mod curves;
mod design;
mod effects;
mod pages;
mod pictures;
mod rich;
mod shapes;
mod text;
mod text_fit;
mod versions;

use std::ops::Range;

use painter::Painter;
use serde_json::{Value, json};
use tenter::raster::{Raster, Straight};

type Rgb = [u8; 3];

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
const RED: Rgb = [255, 0, 0];
const GREEN: Rgb = [0, 255, 0];
const BLUE: Rgb = [0, 0, 255];
const YELLOW: Rgb = [255, 255, 0];
/// The default background of texts.
const LIME: Rgb = [126, 211, 33];

/// Allowed difference of a channel in levels, for the rounding of blends.
const LEVELS: u8 = 2;

/// A pixel on white counts as ink when a channel is below this level. Any value from 196 to 206 agrees with all facts
/// whose edges fall inside a pixel (29, 30, 45).
const SEEN: u8 = 200;

/// Returns `base` with the members of `more` added or replaced.
fn with(mut base: Value, more: Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

/// A design with a white page of 400 × 300 px, these elements, and the font DejaVu Sans.
fn design(children: Value) -> Value {
    json!({
        "schemaVersion": 4, "width": 400, "height": 300,
        "fonts": [{"fontFamily": "DejaVu Sans", "url": "file:DejaVuSans-subset.ttf"}],
        "pages": [{"children": children}],
    })
}

/// The rectangle F of the list of facts: x 100–200, y 100–150, red.
fn f(more: Value) -> Value {
    let base = json!({"type": "figure", "x": 100, "y": 100, "width": 100, "height": 50, "fill": "#ff0000"});
    with(base, more)
}

/// A left-aligned text in DejaVu Sans at (50, 50), in a box of 340 × 240 px.
fn text(text: &str, more: Value) -> Value {
    let base = json!({
        "type": "text", "x": 50, "y": 50, "width": 340, "height": 240, "text": text,
        "fontFamily": "DejaVu Sans", "fontSize": 100, "align": "left",
    });
    with(base, more)
}

/// Renders a design that may have the member `exportOptions`.
fn draw(case: Value) -> Picture {
    Picture(Painter::shared().paint(case).unwrap())
}

/// Renders one element on the page of [`design`].
fn draw_one(element: Value) -> Picture {
    draw(design(json!([element])))
}

/// A rendered picture, with queries by position.
struct Picture(Raster<Straight>);

/// Columns `x` and rows `y`, each `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bounds {
    x: Range<u32>,
    y: Range<u32>,
}

fn bounds(x: Range<u32>, y: Range<u32>) -> Bounds {
    Bounds { x, y }
}

/// Coverage from which a pixel counts as ink.
#[derive(Clone, Copy)]
enum Ink {
    /// Darker than [`SEEN`], about a fifth of black: the threshold with which the facts were measured.
    Seen,
    /// Any coverage at all.
    Any,
}

impl Picture {
    fn size(&self) -> (u32, u32) {
        (self.0.size().width, self.0.size().height)
    }

    fn rgb(&self, x: u32, y: u32) -> Rgb {
        let [r, g, b, _] = self.0.pixel(x, y);
        [r, g, b]
    }

    /// Fails unless the pixel at (x, y) has this colour.
    #[track_caller]
    fn has(&self, x: u32, y: u32, expected: Rgb) {
        let found = self.rgb(x, y);
        assert!(is_near(found, expected), "({x}, {y}) is {found:?}, expected {expected:?}");
    }

    fn is_inked(&self, x: u32, y: u32, ink: Ink) -> bool {
        let darkest = self.rgb(x, y).into_iter().min().unwrap();
        match ink {
            Ink::Seen => darkest < SEEN,
            Ink::Any => darkest < 255 - LEVELS,
        }
    }

    /// Bounds of all ink in these rows.
    fn bounds_in(&self, rows: Range<u32>, ink: Ink) -> Bounds {
        let width = self.size().0;
        let is_row = |y: u32| (0..width).any(|x| self.is_inked(x, y, ink));
        let is_column = |x: u32| rows.clone().any(|y| self.is_inked(x, y, ink));
        bounds(around(0..width, is_column), around(rows.clone(), is_row))
    }

    /// Bounds of all ink, with the threshold [`SEEN`].
    fn bounds(&self) -> Bounds {
        self.bounds_in(0..self.size().1, Ink::Seen)
    }

    /// Bounds of all pixels of exactly this colour, as the facts measure backgrounds.
    fn solid(&self, color: Rgb) -> Bounds {
        let (width, height) = self.size();
        let is_row = |y: u32| (0..width).any(|x| is_near(self.rgb(x, y), color));
        let is_column = |x: u32| (0..height).any(|y| is_near(self.rgb(x, y), color));
        bounds(around(0..width, is_column), around(0..height, is_row))
    }

    /// Runs of rows with ink, which are the lines of a text without descenders.
    fn lines(&self) -> Vec<Range<u32>> {
        runs(self.size().1, |y| (0..self.size().0).any(|x| self.is_inked(x, y, Ink::Seen)))
    }

    /// Runs of rows with ink in the column `x`.
    fn column(&self, x: u32) -> Vec<Range<u32>> {
        runs(self.size().1, |y| self.is_inked(x, y, Ink::Seen))
    }

    /// Runs of columns with ink in the row `y`.
    fn row(&self, y: u32) -> Vec<Range<u32>> {
        runs(self.size().0, |x| self.is_inked(x, y, Ink::Seen))
    }

    /// Fails unless both pictures have the same size and nearly the same colours.
    #[track_caller]
    fn is_like(&self, other: &Self) {
        assert_eq!(self.size(), other.size());
        let (width, height) = self.size();
        let differs = |(x, y): &(u32, u32)| !is_near(self.rgb(*x, *y), other.rgb(*x, *y));
        let different = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).find(differs);
        if let Some((x, y)) = different {
            panic!("first difference at ({x}, {y}): {:?}, expected {:?}", self.rgb(x, y), other.rgb(x, y));
        }
    }
}

fn is_near(found: Rgb, expected: Rgb) -> bool {
    found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= LEVELS)
}

/// Range from the first to the last position for which `is_in` holds.
fn around(mut positions: Range<u32>, is_in: impl Fn(u32) -> bool) -> Range<u32> {
    let first = positions.find(|at| is_in(*at)).unwrap_or(positions.end);
    let last = positions.rev().find(|at| is_in(*at)).unwrap_or(first);
    first..last + 1
}

/// Runs `[start, end)` of the positions below `end` for which `is_in` holds.
fn runs(end: u32, is_in: impl Fn(u32) -> bool) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for at in (0..end).filter(|at| is_in(*at)) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end = at + 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}
