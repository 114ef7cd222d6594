//! Elements of type `line` (design-format.md §6.5).

use kurbo::{Affine, Size};
use peniko::Color;

use super::line_heads::Head;
use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, Placement};

/// A straight line along the middle of its box.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The fields of every kind.
    pub common: Common,
    /// The box: width is the length, height the thickness. Default 400 × 10.
    pub placement: Placement,
    /// The transform that mirrors the line at its corner when `width` is negative.
    pub mirror: Affine,
    /// The shadow; lines have no other effects (rendering.md §4).
    pub effects: Effects,
    /// `color` — colour of the shaft and the heads. Default black.
    pub color: Color,
    /// `dash` — in units of the thickness, none negative; empty for a solid line.
    pub dash: Vec<f64>,
    /// `startHead` — the head at the left end.
    pub start_head: Head,
    /// `endHead` — the head at the right end.
    pub end_head: Head,
}

impl Line {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let common = Common::read(input);
        let (placement, mirror) = Placement::read_mirrored(input, Size::new(400.0, 10.0));
        Self {
            common,
            placement,
            mirror,
            effects: Effects::read(input),
            color: input.color("color", Color::BLACK),
            dash: input.dash(),
            start_head: input.json.one_of("startHead", &Head::NAMES).unwrap_or_default(),
            end_head: input.json.one_of("endHead", &Head::NAMES).unwrap_or_default(),
        }
    }
}
