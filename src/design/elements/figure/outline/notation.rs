//! The notation of outlines in the tables of shapes, on a grid of 1000 × 1000 units.

/// Side of the grid, so that coordinates are thousandths of the box.
pub(super) const GRID: f64 = 1000.0;

/// Left, top, right and bottom on the grid.
pub(super) type Edges = (f64, f64, f64, f64);

/// The grid from edge to edge.
pub(super) const WHOLE: Edges = (0.0, 0.0, GRID, GRID);

/// The notation of an outline. Coordinates are on the grid, x to the right, y down.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// The whole box, the only shape with a corner radius.
    Rect,
    /// The ellipse inscribed in the box.
    Ellipse,
    /// An outline as SVG path data.
    Path(&'static str),
    /// A star about the centre of the box: tips on the radius 500, the first one at the top, and notches on the radius
    /// `notch`.
    Star { tips: u32, notch: f64 },
    /// A regular polygon with corners on the radius 500 about the centre of the box, the first one at the top.
    RegularPolygon { corners: u32 },
    /// One `sector` as SVG path data about the origin, repeated `times` around it, then stretched to fill `within`.
    Rotated { sector: &'static str, times: u32, within: Edges },
    /// Control points of a closed uniform cubic B-spline.
    Spline(&'static [(i16, i16)]),
}

/// The units of an outline's stroke, dashes, gradient and shadow (corrections.md F1).
#[derive(Clone, Copy, Debug)]
pub(super) enum Units {
    /// Design px: the outline has the size of the box.
    DesignPx,
    /// Units of an outline of this width and height, which is stretched to the box together with its stroke and shadow.
    /// Measured on the editor's renders to ±1 (figure-natural-sizes.json).
    Natural(u16, u16),
}

/// A row of a table: the value of `subType`, the units of the outline and its shape.
pub(super) type ShapeRow = (&'static str, Units, Shape);

/// A table of shapes.
pub(super) type ShapeTable = &'static [ShapeRow];
