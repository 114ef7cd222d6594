//! `line` (design-format.md §6.5).

use kurbo::Size;
use peniko::Color;

use crate::design::input::Input;
use crate::design::props::{Common, Effects, Placement};

/// A straight line along the middle of its box.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Fields of every kind.
    pub common: Common,
    /// The box: width is the length, height the thickness. Default 400 × 10.
    pub placement: Placement,
    /// Shadow; effects do nothing to lines (rendering.md §4).
    pub effects: Effects,
    /// `color` — default black.
    pub color: Color,
    /// `dash` — in units of the thickness, none negative; empty for a solid line.
    pub dash: Vec<f64>,
    /// `startHead` — at the left end.
    pub start_head: LineHead,
    /// `endHead` — at the right end.
    pub end_head: LineHead,
}

/// What an end of a line looks like (rendering.md §8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineHead {
    /// `""`, `none` — cut square.
    #[default]
    None,
    /// `arrow` — two strokes.
    Arrow,
    /// `triangle` — filled.
    Triangle,
    /// `circle` — filled.
    Circle,
    /// `square` — filled.
    Square,
    /// `bar` — one stroke across.
    Bar,
}

const HEADS: &[(&str, LineHead)] = &[
    ("none", LineHead::None),
    ("arrow", LineHead::Arrow),
    ("triangle", LineHead::Triangle),
    ("circle", LineHead::Circle),
    ("square", LineHead::Square),
    ("bar", LineHead::Bar),
];

impl Line {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        Self {
            common: Common::read(input),
            placement: Placement::read(input, Size::new(400.0, 10.0)),
            effects: Effects::read(input),
            color: input.color("color", Color::BLACK),
            dash: input.dash(),
            start_head: input.json.one_of("startHead", HEADS).unwrap_or_default(),
            end_head: input.json.one_of("endHead", HEADS).unwrap_or_default(),
        }
    }
}
