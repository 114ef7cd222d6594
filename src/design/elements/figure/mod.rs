//! Elements of type `figure` (design-format.md §6.4).

pub mod outline;

use std::sync::Arc;

use kurbo::{Affine, Size};
use peniko::Color;

use crate::css_gradient::Fill;
use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, DEFAULT_BOX, Placement};

/// The units of stroke, dashes, gradient and shadow of outlines with a natural size, which the editor changed with SDK
/// 4.6. Outlines without a natural size use design px in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureUnits {
    /// The outline's own units, stretched to the box with it, as in the editor up to SDK 4.5.
    Outline,
    /// Design px, as in the editor from SDK 4.6 on.
    Page,
}

impl FigureUnits {
    /// Size in these units of the outline of `subtype`, which is stretched to a box of `size` px.
    pub fn outline_size(self, subtype: &str, size: Size) -> Size {
        match self {
            Self::Outline => outline::natural_size(subtype).unwrap_or(size),
            Self::Page => size,
        }
    }
}

/// A figure element: a shape stretched to its box.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The fields of every kind.
    pub common: Common,
    /// The box. Default 100 × 100.
    pub placement: Placement,
    /// The transform that mirrors the box at its corner when `width` or `height` is negative.
    pub mirror: Affine,
    /// The shadow; figures have no other effects (rendering.md §4).
    pub effects: Effects,
    /// `subType` — name of the shape, as written; an unknown name is drawn as `rect`. Default `rect`.
    pub sub_type: Arc<str>,
    /// `fill` — default `rgb(0, 161, 255)`.
    pub fill: Fill,
    /// `stroke` — default `rgba(98, 197, 255, 1)`.
    pub stroke: Fill,
    /// `strokeWidth` — units of the outline, inside of it. Default 0, not negative.
    pub stroke_width: f64,
    /// `dash` — in units of `stroke_width`, none negative; empty for a solid stroke.
    pub dash: Vec<f64>,
    /// `cornerRadius` — px, of `rect` only. Default 0, not negative.
    pub corner_radius: f64,
}

impl Figure {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let common = Common::read(input);
        let (placement, mirror) = Placement::read_mirrored(input, DEFAULT_BOX);
        Self {
            common,
            placement,
            mirror,
            effects: Effects::read(input),
            sub_type: input.json.string("subType").map_or_else(|| "rect".into(), Into::into),
            fill: input.fill("fill", Color::from_rgb8(0, 161, 255).into()),
            stroke: input.fill("stroke", Color::from_rgb8(98, 197, 255).into()),
            stroke_width: input.json.length_or("strokeWidth", 0.0),
            dash: input.dash(),
            corner_radius: input.json.length_or("cornerRadius", 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_units_are_the_outlines_or_the_pages() {
        let size = Size::new(115.0, 90.0);
        let of = |units: FigureUnits, name| units.outline_size(name, size);
        assert_eq!(of(FigureUnits::Outline, "bookmark"), Size::new(199.0, 238.0));
        assert_eq!([of(FigureUnits::Outline, "star"), of(FigureUnits::Page, "bookmark")], [size; 2]);
    }
}
