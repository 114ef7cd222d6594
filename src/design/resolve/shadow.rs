//! Drop shadows of elements (rendering.md §5).

use kurbo::Vec2;

use super::super::effects::Effects;
use crate::scene::{Group, Node, Shadow};
use crate::units::Px;

/// `children` with the shadow of `effects`.
pub(super) fn shadowed(children: Vec<Node>, effects: &Effects) -> Vec<Node> {
    shadowed_in(children, effects, Vec2::new(1.0, 1.0))
}

/// `children` with the shadow of `effects` in units of `unit` design px. As a canvas has a single blur for both axes,
/// it uses the shorter side of a unit.
pub(super) fn shadowed_in(children: Vec<Node>, effects: &Effects, unit: Vec2) -> Vec<Node> {
    if !effects.shadow_enabled || children.is_empty() {
        return children;
    }
    let shadow = Shadow {
        offset: Vec2::new(effects.shadow_offset_x * unit.x, effects.shadow_offset_y * unit.y),
        // As on a canvas: blur is two standard deviations (rendering.md §5).
        sigma: Px(effects.shadow_blur / 2.0 * unit.x.min(unit.y)),
        color: effects.shadow_color.multiply_alpha(effects.shadow_opacity.get()),
    };
    vec![Node::Group(Box::new(Group { shadow: Some(shadow), children, ..Group::default() }))]
}
