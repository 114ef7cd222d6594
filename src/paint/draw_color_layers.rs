//! Drawing of colour glyphs: their recorded layers as fills, clips and layers of a [`DrawTarget`].

use kurbo::{Affine, Shape as _};
use peniko::{BlendMode, Color, Fill};

use super::color_layers::{ColorLayers, LayerStep};
use super::draw_target::DrawTarget;
use super::edges::polygons;
use crate::units::Opacity;

/// Draws a colour glyph on `target`.
///
/// `foreground` is the colour of the text, for layers that use it; `to_device` maps font units to device px.
pub(super) fn draw_color_layers(
    layers: &ColorLayers,
    target: &mut impl DrawTarget,
    foreground: Color,
    opacity: Opacity,
    to_device: Affine,
) {
    let isolated = layers.has_blends || opacity != Opacity::OPAQUE;
    let whole = to_device * layers.bounds.to_path(0.1);
    if isolated {
        target.push_layer(Some(&whole), opacity, BlendMode::default());
    }
    for step in &layers.steps {
        match step {
            LayerStep::Fill { outline, brush, to_glyph } => {
                let area = outline.as_ref().map_or_else(|| whole.clone(), |it| polygons(it, to_device));
                target.fill_path(&area, Fill::NonZero, &brush.resolve(foreground), to_device * *to_glyph);
            }
            LayerStep::PushClip(outline) => target.push_clip_path(&polygons(outline, to_device)),
            LayerStep::PopClip => target.pop_clip(),
            // Without blend modes, layers drawn over each other need no isolation.
            LayerStep::PushLayer(blend) if layers.has_blends => target.push_layer(None, Opacity::OPAQUE, *blend),
            LayerStep::PopLayer if layers.has_blends => target.pop_layer(),
            LayerStep::PushLayer(_) | LayerStep::PopLayer => {}
        }
    }
    if isolated {
        target.pop_layer();
    }
}
