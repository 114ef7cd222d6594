//! Tables: cell backgrounds, then borders, then texts (rendering.md §10).

use std::sync::Arc;

use kurbo::{Affine, BezPath, Cap, Rect, Shape as _, Stroke};

use super::super::elements::table::{Border, BorderStyle, Table, TableCell};
use super::super::elements::text_style::VerticalAlign;
use super::super::version::CellTextEngine;
use super::texts::{TextResolver, align, blocks, draw_style, span_style};
use crate::options::TextOverflow;
use crate::scene::{Group, Node, Path};
use crate::text::{self, CellText, DrawStyle, LaidOut, Overflow, Sizing};
use crate::units::Opacity;

/// Positions of the grid lines, px: one more than there are columns or rows.
struct Grid {
    xs: Vec<f64>,
    ys: Vec<f64>,
}

/// A cell with its row and column.
struct PlacedCell<'a> {
    cell: &'a TableCell,
    row: usize,
    col: usize,
}

/// The laid-out text of a cell.
enum FittedCell {
    Plain(CellText),
    /// Rich text and the font size drawn, px.
    Rich(LaidOut, f64),
}

impl FittedCell {
    fn height(&self) -> f64 {
        match self {
            Self::Plain(text) => text.height,
            Self::Rich(text, _) => text.height,
        }
    }

    fn font_size(&self) -> f64 {
        match self {
            Self::Plain(text) => text.font_size,
            Self::Rich(_, size) => *size,
        }
    }
}

impl PlacedCell<'_> {
    fn last_row(&self) -> usize {
        self.row + self.cell.row_span - 1
    }

    fn last_col(&self) -> usize {
        self.col + self.cell.col_span - 1
    }
}

impl TextResolver<'_> {
    pub(super) fn table(&mut self, table: &Table, opacity: Opacity) -> Vec<Node> {
        let cells: Vec<PlacedCell<'_>> = placed_cells(table).collect();
        let mut grid = Grid {
            xs: edges(&table.col_widths, table.placement.width),
            ys: edges(&table.row_heights, table.placement.height),
        };
        if self.settings.text.overflow == TextOverflow::Resize {
            self.grow_rows(table, &cells, &mut grid);
        }
        let mut nodes = Vec::new();
        for placed in &cells {
            let color = placed.cell.background.multiply_alpha(opacity.get());
            if color.components[3] > 0.0 {
                nodes.push(Node::Path(Path::filled(grid.area(placed).to_path(0.1), color)));
            }
        }
        for placed in &cells {
            nodes.extend(borders(table, placed, &grid, opacity));
        }
        for placed in &cells {
            let area = grid.text_area(table, placed);
            nodes.extend(self.cell_text(placed.cell, area, opacity * placed.cell.opacity));
        }
        nodes
    }

    /// Makes rows tall enough for the texts that start in them; a text that spans several rows makes the last one grow.
    fn grow_rows(&mut self, table: &Table, cells: &[PlacedCell<'_>], grid: &mut Grid) {
        for placed in cells {
            let area = grid.text_area(table, placed);
            let Some(laid_out) = self.fitted(placed.cell, area, Overflow::Grow) else { continue };
            let missing = laid_out.height() - area.height();
            if missing > 0.0 {
                grid.ys[placed.last_row() + 1..].iter_mut().for_each(|y| *y += missing);
            }
        }
    }

    fn cell_text(&mut self, cell: &TableCell, area: Rect, opacity: Opacity) -> Option<Node> {
        if opacity.is_zero() {
            return None;
        }
        let overflow = match self.settings.text.overflow {
            TextOverflow::ChangeFontSize => Overflow::Shrink { height: area.height() },
            TextOverflow::Resize => Overflow::Grow,
            TextOverflow::Ellipsis => Overflow::Ellipsis { height: area.height() },
        };
        let fitted = self.fitted(cell, area, overflow);
        self.warn_of_glyphs(&cell.origin);
        if !cell.text.is_empty() && cell.style.font_size > 0.0 && !(self.abandoned)() {
            let drawn_size = fitted.as_ref().map(FittedCell::font_size);
            self.warn_of_shrinking(&cell.origin, cell.style.font_size, drawn_size);
        }
        let laid_out = fitted?;
        let room = area.height() - laid_out.height();
        let top = match cell.style.vertical_align {
            VerticalAlign::Top => 0.0,
            VerticalAlign::Middle => room / 2.0,
            VerticalAlign::Bottom => room,
        };
        let style = draw_style(&cell.style, Rect::new(0.0, 0.0, area.width(), laid_out.height()), opacity);
        let children = match &laid_out {
            FittedCell::Plain(laid_out) => text::draw_cell(laid_out, &style),
            FittedCell::Rich(laid_out, drawn_size) => {
                let factor = drawn_size / cell.style.font_size;
                let stroke = style.stroke.map(|(paint, stroke)| {
                    let width = stroke.width * factor;
                    (paint, Stroke { width, ..stroke })
                });
                let decoration_pieces = self.settings.rules.decoration_pieces;
                text::draw(laid_out, &DrawStyle { stroke, decoration_pieces, ..style }).into_nodes()
            }
        };
        let transform = Affine::translate((area.x0, area.y0 + top));
        let origin = Some(cell.origin.clone());
        Some(Node::Group(Box::new(Group { origin, transform, children, ..Group::default() })))
    }

    fn fitted(&mut self, cell: &TableCell, area: Rect, overflow: Overflow) -> Option<FittedCell> {
        if cell.text.is_empty() || cell.style.font_size <= 0.0 || (self.abandoned)() {
            return None;
        }
        let align = align(cell.style.align);
        match self.settings.rules.cell_text {
            CellTextEngine::Plain => {
                let style = Arc::new(span_style(&cell.style));
                let laid_out = text::lay_out_cell(self.layouter, &cell.text, &style, area.size(), align, overflow);
                laid_out.map(FittedCell::Plain)
            }
            CellTextEngine::Rich => {
                let shaped = self.layouter.shape(&blocks(&cell.text, &cell.style));
                let sizing = Sizing { split_words: self.settings.text.split_words, ..overflow.into() };
                let (laid_out, size) = text::fit(self.layouter, &shaped, area.width(), align, sizing);
                Some(FittedCell::Rich(laid_out, size))
            }
        }
    }
}

/// The cells that are drawn. A cell that another one spans is drawn on top unless it has `mergedInto` (rendering.md
/// §10).
fn placed_cells(table: &Table) -> impl Iterator<Item = PlacedCell<'_>> {
    let cols = table.cols;
    let cells = table.cells.iter().enumerate().filter(|(_, cell)| cell.merged_into.is_none());
    cells.map(move |(at, cell)| PlacedCell { cell, row: at / cols, col: at % cols })
}

fn edges(fractions: &[f64], length: f64) -> Vec<f64> {
    let sum: f64 = fractions.iter().sum();
    let mut at = 0.0;
    let ends = fractions.iter().map(|fraction| {
        at += fraction / sum * length;
        at
    });
    std::iter::once(0.0).chain(ends).collect()
}

impl Grid {
    fn area(&self, placed: &PlacedCell<'_>) -> Rect {
        let (right, bottom) = (self.xs[placed.last_col() + 1], self.ys[placed.last_row() + 1]);
        Rect::new(self.xs[placed.col], self.ys[placed.row], right, bottom)
    }

    /// The area of the text, inside the padding and the cell's own borders (outer ones at full width, inner ones at
    /// half). The editor uses the cell's own left and top border also where the neighbour's is drawn.
    fn text_area(&self, table: &Table, placed: &PlacedCell<'_>) -> Rect {
        let area = self.area(placed);
        let own = &placed.cell.borders;
        let widths = [own.left, own.top, own.right, own.bottom].map(|border| border.drawn_width());
        let widths = Widths { left: widths[0], top: widths[1], right: widths[2], bottom: widths[3] };
        let share = |outer: bool, width: f64| if outer { width } else { width / 2.0 };
        let padding = placed.cell.padding;
        let left = area.x0 + share(placed.col == 0, widths.left) + padding;
        let top = area.y0 + share(placed.row == 0, widths.top) + padding;
        let right = area.x1 - share(placed.last_col() + 1 == table.cols, widths.right) - padding;
        let bottom = area.y1 - share(placed.last_row() + 1 == table.rows, widths.bottom) - padding;
        Rect::new(left, top, right.max(left), bottom.max(top))
    }
}

/// Widths of the borders drawn around a cell, px. Inner ones belong to the cell to the left or above.
struct Widths {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Widths {
    fn of(table: &Table, placed: &PlacedCell<'_>) -> Self {
        let neighbour = |row: usize, col: usize| &table.cells[row * table.cols + col].borders;
        let own = &placed.cell.borders;
        let left = if placed.col == 0 { &own.left } else { &neighbour(placed.row, placed.col - 1).right };
        let top = if placed.row == 0 { &own.top } else { &neighbour(placed.row - 1, placed.col).bottom };
        Self {
            left: left.drawn_width(),
            top: top.drawn_width(),
            right: own.right.drawn_width(),
            bottom: own.bottom.drawn_width(),
        }
    }
}

/// The border lines of one cell, each extended across the borders that it meets.
fn borders(table: &Table, placed: &PlacedCell<'_>, grid: &Grid, opacity: Opacity) -> Vec<Node> {
    let area = grid.area(placed);
    let own = &placed.cell.borders;
    let widths = Widths::of(table, placed);
    let (first_col, first_row) = (placed.col == 0, placed.row == 0);
    let (last_col, last_row) = (placed.last_col() + 1 == table.cols, placed.last_row() + 1 == table.rows);
    let over = |outer: bool, width: f64| if outer { 0.0 } else { width / 2.0 };
    let (x0, x1) = (area.x0 - over(first_col, widths.left), area.x1 + over(last_col, widths.right));
    let (y0, y1) = (area.y0 - over(first_row, widths.top), area.y1 + over(last_row, widths.bottom));
    // Outer borders lie inside the table, inner ones are centred on the grid line.
    let inside = |outer: bool, width: f64| if outer { width / 2.0 } else { 0.0 };
    let mut nodes = Vec::new();
    if first_row {
        let y = area.y0 + own.top.width / 2.0;
        nodes.extend(edge(&own.top, (x0, y), (x1, y), opacity));
    }
    let x = area.x1 - inside(last_col, own.right.width);
    nodes.extend(edge(&own.right, (x, y0), (x, y1), opacity));
    let y = area.y1 - inside(last_row, own.bottom.width);
    nodes.extend(edge(&own.bottom, (x0, y), (x1, y), opacity));
    if first_col {
        let x = area.x0 + own.left.width / 2.0;
        nodes.extend(edge(&own.left, (x, y0), (x, y1), opacity));
    }
    nodes
}

fn edge(border: &Border, from: (f64, f64), to: (f64, f64), opacity: Opacity) -> Option<Node> {
    let color = border.color.multiply_alpha(opacity.get());
    if border.width <= 0.0 || color.components[3] <= 0.0 {
        return None;
    }
    let stroke = Stroke::new(border.width).with_caps(Cap::Butt);
    let stroke = match border.style {
        BorderStyle::None => return None,
        BorderStyle::Solid => stroke,
        BorderStyle::Dashed => stroke.with_dashes(0.0, [4.0 * border.width, 2.0 * border.width]),
        BorderStyle::Dotted => stroke.with_dashes(0.0, [border.width, border.width]),
    };
    let mut line = BezPath::new();
    line.move_to(from);
    line.line_to(to);
    Some(Node::Path(Path::stroked(line, color, stroke)))
}
