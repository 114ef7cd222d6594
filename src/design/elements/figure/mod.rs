//! `figure` (design-format.md §6.4).

pub mod outline;

use std::sync::Arc;

use peniko::Color;

use crate::design::gradient::Fill;
use crate::design::input::Input;
use crate::design::props::{Common, DEFAULT_BOX, Effects, Placement};

/// A shape, stretched to the box.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Fields of every kind.
    pub common: Common,
    /// The box. Default 100 × 100.
    pub placement: Placement,
    /// Shadow; effects do nothing to figures (rendering.md §4).
    pub effects: Effects,
    /// `subType` — name of the shape, as written; a name that is not known is drawn as `rect`. Default `rect`.
    pub sub_type: Arc<str>,
    /// `fill` — default `rgb(0, 161, 255)`.
    pub fill: Fill,
    /// `stroke` — default `rgba(98, 197, 255, 1)`.
    pub stroke: Fill,
    /// `strokeWidth` — px, inside the outline. Default 0, not negative.
    pub stroke_width: f64,
    /// `dash` — in units of `stroke_width`, none negative; empty for a solid stroke.
    pub dash: Vec<f64>,
    /// `cornerRadius` — px, of `rect` only. Default 0, not negative.
    pub corner_radius: f64,
}

impl Figure {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        Self {
            common: Common::read(input),
            placement: Placement::read(input, DEFAULT_BOX),
            effects: Effects::read(input),
            sub_type: input.json.string("subType").unwrap_or("rect").into(),
            fill: input.fill("fill", Color::from_rgb8(0, 161, 255).into()),
            stroke: input.fill("stroke", Color::from_rgb8(98, 197, 255).into()),
            stroke_width: input.json.length_or("strokeWidth", 0.0),
            dash: input.dash(),
            corner_radius: input.json.length_or("cornerRadius", 0.0),
        }
    }
}
