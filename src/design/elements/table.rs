//! `table` and its cells (design-format.md §6.8).

use std::sync::Arc;

use kurbo::Size;
use peniko::Color;

use super::text_style::{TextStyle, TextTransform, VerticalAlign};
use crate::design::input::{Input, Reading};
use crate::design::props::{Common, Placement};
use crate::json::Reader;
use crate::report::{Origin, counted};
use crate::units::Opacity;

/// A grid of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Fields of every kind.
    pub common: Common,
    /// The box. Default 300 × 200.
    pub placement: Placement,
    /// `rows` — at least 1. Default 3.
    pub rows: usize,
    /// `cols` — at least 1. Default 3.
    pub cols: usize,
    /// `colWidths` — as fractions of the width, one for each column, none negative, not all 0.
    pub col_widths: Vec<f64>,
    /// `rowHeights` — as fractions of the height, one for each row, none negative, not all 0.
    pub row_heights: Vec<f64>,
    /// `cells` — row by row, exactly `rows × cols`. Everything a cell inherits is already in it.
    pub cells: Vec<Cell>,
    /// `borderColor`, `borderWidth`, `borderStyle`
    pub border: Border,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Place in the JSON and `id` (made up when absent); of the table where the list of cells was too short.
    pub origin: Origin,
    /// `text`
    pub text: Arc<str>,
    /// `opacity` — of the text only. Default 1.
    pub opacity: Opacity,
    /// `rowSpan` — rows covered, within the table, at least 1.
    pub row_span: usize,
    /// `colSpan` — columns covered, within the table, at least 1.
    pub col_span: usize,
    /// `mergedInto` — id of the cell that has this one's place; such a cell is not drawn.
    pub merged_into: Option<Arc<str>>,
    /// `borders`; sides that are not written are the table's.
    pub borders: CellBorders,
    /// Font, colours, alignment of the text.
    pub style: TextStyle,
    /// `cellBackground` — default transparent.
    pub background: Color,
    /// `cellPadding` — px on all sides. Default 4, not negative.
    pub padding: f64,
}

/// The four edges of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "named after the sides")]
pub struct CellBorders {
    pub top: Border,
    pub right: Border,
    pub bottom: Border,
    pub left: Border,
}

/// An edge line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Border {
    /// Default `#000000`.
    pub color: Color,
    /// px. Default 1, not negative.
    pub width: f64,
    /// Default solid.
    pub style: BorderStyle,
}

/// Pattern of an edge line (rendering.md §10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BorderStyle {
    /// One line.
    #[default]
    Solid,
    /// 4 widths on, 2 off.
    Dashed,
    /// 1 width on, 1 off.
    Dotted,
    /// Nothing is drawn; the width counts for the layout.
    None,
}

const BORDER_STYLES: &[(&str, BorderStyle)] = &[
    ("solid", BorderStyle::Solid),
    ("dashed", BorderStyle::Dashed),
    ("dotted", BorderStyle::Dotted),
    ("none", BorderStyle::None),
];

/// What cells have from their table.
struct Inherited {
    style: TextStyle,
    background: Color,
    padding: f64,
    border: Border,
}

impl Table {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let border = Border { color: Color::BLACK, width: 1.0, style: BorderStyle::Solid };
        let inherited = Inherited {
            style: read_style(
                input,
                &TextStyle { font_size: 30.0, vertical_align: VerticalAlign::Middle, ..TextStyle::default() },
            ),
            background: input.color("cellBackground", Color::TRANSPARENT),
            padding: input.json.length_or("cellPadding", 4.0),
            border: Border::read(input, ["borderColor", "borderWidth", "borderStyle"], border),
        };
        let (rows, cols) = read_grid(input);
        Self {
            common: Common::read(input),
            placement: Placement::read(input, Size::new(300.0, 200.0)),
            rows,
            cols,
            col_widths: read_fractions(input, "colWidths", cols),
            row_heights: read_fractions(input, "rowHeights", rows),
            cells: read_cells(input, rows, cols, &inherited),
            border: inherited.border,
        }
    }
}

/// The editor draws the texts of tables as they are written, whatever `textTransform` says (`table-cell-styles` of the
/// reference corpus).
fn read_style(input: &mut Input<'_>, inherited: &TextStyle) -> TextStyle {
    let style = TextStyle::read(input, inherited);
    if style.text_transform != TextTransform::None {
        input.warn("textTransform", "has no effect in tables; the text is drawn as written, as the editor does");
    }
    TextStyle { text_transform: TextTransform::None, ..style }
}

/// Rows and columns; 1 × 1 when they are too many. Counts the cells before anything of their number is allocated.
fn read_grid(input: &mut Input<'_>) -> (usize, usize) {
    let mut sides = ["rows", "cols"].map(|key| {
        const DEFAULT: usize = 3;
        let number = input.json.number_or(key, DEFAULT as f64);
        if number.fract() == 0.0 && number >= 1.0 {
            return number as usize; // saturates
        }
        if let Some(value) = input.json.get(key) {
            input.json.refuse(key, value, "a whole number from 1");
        }
        DEFAULT
    });
    let cells = sides[0].saturating_mul(sides[1]);
    if !input.reading.count(cells, &mut input.json, "cells") {
        sides = [1, 1];
    }
    (sides[0], sides[1])
}

/// Equal shares unless there is one for each of `count`.
fn read_fractions(input: &mut Input<'_>, key: &str, count: usize) -> Vec<f64> {
    let fractions: Vec<f64> = input.json.numbers(key).unwrap_or_default().iter().map(|it| it.max(0.0)).collect();
    let sum: f64 = fractions.iter().sum();
    if fractions.len() == count && sum > 0.0 && sum.is_finite() {
        return fractions;
    }
    if !fractions.is_empty() {
        input.warn(
            key,
            format!(
                "found {} adding up to {sum}, for {count}; drawn as equal ones",
                counted(fractions.len() as u64, "fraction")
            ),
        );
    }
    vec![1.0 / count as f64; count]
}

/// Exactly `rows × cols`: missing cells are empty, those beyond are left out with a warning.
fn read_cells(input: &mut Input<'_>, rows: usize, cols: usize, inherited: &Inherited) -> Vec<Cell> {
    let expected = rows * cols;
    let mut cells = Vec::with_capacity(expected);
    let mut beyond = 0_usize;
    let Input { json, reading, index, .. } = &mut *input;
    json.objects("cells", |_, cell| {
        if cells.len() < expected {
            let at = cells.len();
            let room = (rows - at / cols, cols - at % cols);
            cells.push(Cell::read(cell, reading, format!("{index}-{at}"), inherited, room));
        } else {
            beyond += 1;
        }
    });
    if beyond > 0 {
        let cells = counted(beyond as u64, "cell");
        input.warn("cells", format!("{cells} more than the {rows} × {cols} of the table; left out"));
    }
    while cells.len() < expected {
        cells.push(Cell {
            origin: input.origin.clone(),
            text: Arc::default(),
            opacity: Opacity::OPAQUE,
            row_span: 1,
            col_span: 1,
            merged_into: None,
            borders: CellBorders::all(inherited.border),
            style: inherited.style.clone(),
            background: inherited.background,
            padding: inherited.padding,
        });
    }
    cells
}

impl Cell {
    /// `room`: rows and columns from this cell to the end of the table.
    fn read(
        mut json: Reader<'_>,
        reading: &mut Reading,
        index: String,
        inherited: &Inherited,
        room: (usize, usize),
    ) -> Self {
        let id = reading.id(&mut json, || format!("cell-{index}"));
        let origin = Origin { path: json.at().clone(), element: id };
        let input = &mut Input { json, origin, index, reading };
        Self {
            origin: input.origin.clone(),
            text: input.text("text"),
            opacity: Opacity::new(input.json.number_or("opacity", 1.0)),
            row_span: read_span(input, "rowSpan", room.0),
            col_span: read_span(input, "colSpan", room.1),
            merged_into: input.json.name("mergedInto").filter(|id| !id.is_empty()).map(Into::into),
            borders: CellBorders::read(input, inherited.border),
            style: read_style(input, &inherited.style),
            background: input.color("cellBackground", inherited.background),
            padding: input.json.length_or("cellPadding", inherited.padding),
        }
    }
}

fn read_span(input: &mut Input<'_>, key: &str, most: usize) -> usize {
    (input.json.number_or(key, 1.0) as usize).clamp(1, most)
}

impl CellBorders {
    fn all(border: Border) -> Self {
        Self { top: border, right: border, bottom: border, left: border }
    }

    fn read(input: &mut Input<'_>, table: Border) -> Self {
        let Input { json, origin, index, reading } = input;
        let Some(mut sides) = json.object("borders") else { return Self::all(table) };
        let [top, right, bottom, left] = ["top", "right", "bottom", "left"].map(|side| match sides.object(side) {
            None => table,
            Some(json) => {
                let mut side = Input { json, origin: origin.clone(), index: index.clone(), reading };
                Border::read(&mut side, ["color", "width", "style"], table)
            }
        });
        Self { top, right, bottom, left }
    }
}

impl Border {
    /// px; 0 for a border that is not drawn.
    pub fn drawn_width(&self) -> f64 {
        if self.style == BorderStyle::None { 0.0 } else { self.width }
    }

    fn read(input: &mut Input<'_>, [color, width, style]: [&str; 3], inherited: Self) -> Self {
        Self {
            color: input.color(color, inherited.color),
            width: input.json.length_or(width, inherited.width),
            style: input.json.one_of(style, BORDER_STYLES).unwrap_or(inherited.style),
        }
    }
}
