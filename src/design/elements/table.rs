//! Elements of type `table`, and their cells (design-format.md §6.8).

use std::sync::Arc;

use kurbo::Size;
use peniko::Color;

use super::text_style::{TextStyle, TextTransform, VerticalAlign};
use crate::design::input::{Input, ReadState};
use crate::design::props::{Common, Placement};
use crate::json::Reader;
use crate::report::{Origin, counted};
use crate::units::Opacity;

/// A table element: a grid of cells with text.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The fields of every kind.
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
    /// `cells` — row by row, exactly `rows × cols`, with everything inherited from the table filled in.
    pub cells: Vec<TableCell>,
    /// `borderColor`, `borderWidth`, `borderStyle` — default border of the cells.
    pub border: Border,
}

/// A cell of a table, with its text and style.
#[derive(Clone, Debug, PartialEq)]
pub struct TableCell {
    /// Path in the JSON, and `id` (generated when absent); those of the table for cells missing in the list.
    pub origin: Origin,
    /// `text` — drawn without markup.
    pub text: Arc<str>,
    /// `opacity` — applies to the text only. Default 1.
    pub opacity: Opacity,
    /// `rowSpan` — rows covered, within the table, at least 1.
    pub row_span: usize,
    /// `colSpan` — columns covered, within the table, at least 1.
    pub col_span: usize,
    /// `mergedInto` — id of the cell that covers this one, which is then not drawn.
    pub merged_into: Option<Arc<str>>,
    /// `borders` — absent sides are those of the table.
    pub borders: CellBorders,
    /// Font, colours, alignment of the text.
    pub style: TextStyle,
    /// `cellBackground` — colour behind the text. Default transparent.
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

/// The border line of one side of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Border {
    /// Colour of the line. Default `#000000`.
    pub color: Color,
    /// Width in px. Default 1, not negative.
    pub width: f64,
    /// Line style. Default solid.
    pub style: BorderStyle,
}

/// Line style of a cell border (rendering.md §10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BorderStyle {
    /// A line without gaps.
    #[default]
    Solid,
    /// Dashes of 4 widths, gaps of 2.
    Dashed,
    /// Dashes and gaps of 1 width.
    Dotted,
    /// No line is drawn, but its width counts for the layout.
    None,
}

const BORDER_STYLES: &[(&str, BorderStyle)] = &[
    ("solid", BorderStyle::Solid),
    ("dashed", BorderStyle::Dashed),
    ("dotted", BorderStyle::Dotted),
    ("none", BorderStyle::None),
];

/// The defaults that cells inherit from their table.
struct CellDefaults {
    style: TextStyle,
    background: Color,
    padding: f64,
    border: Border,
}

impl Table {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let border = Border { color: Color::BLACK, width: 1.0, style: BorderStyle::Solid };
        let inherited = CellDefaults {
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

/// Reads a text style without `textTransform`, which the editor ignores in tables (`table-cell-styles` of the reference
/// corpus).
fn read_style(input: &mut Input<'_>, inherited: &TextStyle) -> TextStyle {
    let style = TextStyle::read(input, inherited);
    if style.text_transform != TextTransform::None {
        input.warn(
            "textTransform",
            "textTransform has no effect in tables; the text is drawn as written, as in the editor",
        );
    }
    TextStyle { text_transform: TextTransform::None, ..style }
}

/// Numbers of rows and columns; 1 × 1 when there are too many cells. They are counted before anything is allocated for
/// them.
fn read_grid(input: &mut Input<'_>) -> (usize, usize) {
    let mut sides = ["rows", "cols"].map(|key| {
        const DEFAULT: usize = 3;
        let number = input.json.number_or(key, DEFAULT as f64);
        if number.fract() == 0.0 && number >= 1.0 {
            return number as usize; // saturates
        }
        if let Some(value) = input.json.get(key) {
            input.json.refuse(key, value, "a whole number of at least 1");
        }
        DEFAULT
    });
    let cells = sides[0].saturating_mul(sides[1]);
    if !input.reading.count(cells, &mut input.json, "cells") {
        sides = [1, 1];
    }
    (sides[0], sides[1])
}

/// Reads exactly `count` fractions; equal ones, with a warning, when the list has another length or no sum.
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
                "found {} with the sum {sum}; accepted: {count} with a sum above 0; equal sizes are used",
                counted(fractions.len() as u64, "fraction")
            ),
        );
    }
    vec![1.0 / count as f64; count]
}

/// Reads exactly `rows × cols` cells: missing cells are empty, surplus ones are ignored with a warning.
fn read_cells(input: &mut Input<'_>, rows: usize, cols: usize, inherited: &CellDefaults) -> Vec<TableCell> {
    let expected = rows * cols;
    let mut cells = Vec::with_capacity(expected);
    let mut beyond = 0_usize;
    let Input { json, reading, index, .. } = &mut *input;
    json.objects("cells", |_, cell| {
        if cells.len() < expected {
            let at = cells.len();
            let room = (rows - at / cols, cols - at % cols);
            cells.push(TableCell::read(cell, reading, format!("{index}-{at}"), inherited, room));
        } else {
            beyond += 1;
        }
    });
    if beyond > 0 {
        let cells = counted(beyond as u64, "cell");
        input.warn("cells", format!("{cells} more than the {rows} × {cols} of the table; ignored"));
    }
    while cells.len() < expected {
        cells.push(TableCell {
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

impl TableCell {
    /// `room`: rows and columns from this cell to the end of the table.
    fn read(
        mut json: Reader<'_>,
        reading: &mut ReadState,
        index: String,
        inherited: &CellDefaults,
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

fn read_span(input: &mut Input<'_>, key: &str, max: usize) -> usize {
    (input.json.number_or(key, 1.0) as usize).clamp(1, max)
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
    /// Width drawn in px; 0 for a border that is not drawn.
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
