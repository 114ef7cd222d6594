//! Figures and lines (rendering.md §8).

use kurbo::{Affine, Join, Rect, Shape as _, Size, Stroke, Vec2};
use peniko::Brush;

use super::super::elements::dash::dashed;
use super::super::elements::figure::{Figure, outline};
use super::super::elements::line::Line;
use super::super::elements::line_heads::{LinePart, line_parts};
use super::paints::{GradientLength, is_transparent, paint};
use super::settings::ResolveSettings;
use super::shadow::{shadowed, shadowed_in};
use crate::report::{Warning, WarningCode};
use crate::scene::{Group, Node, Path};
use crate::units::Opacity;

/// Accuracy with which lengths of outlines are computed, px.
const LENGTH_ACCURACY: f64 = 1.0;

/// A side of 0 is drawn as 1 px (`zero-and-tiny-sizes` of the reference corpus).
fn at_least_a_px(size: Size) -> Size {
    let side = |length: f64| if length == 0.0 { 1.0 } else { length };
    Size::new(side(size.width), side(size.height))
}

fn mirrored(nodes: Vec<Node>, mirror: Affine) -> Vec<Node> {
    if mirror == Affine::IDENTITY {
        return nodes;
    }
    vec![Node::Group(Box::new(Group { transform: mirror, children: nodes, ..Group::default() }))]
}

/// The nodes of a figure. Its outline is stretched to the box together with everything in its own units: stroke,
/// dashes, shadow, and the gradient, whose line spans an area with the size of the box but in these units
/// (corrections.md F1).
pub(super) fn figure(figure: &Figure, opacity: Opacity, settings: &ResolveSettings) -> Vec<Node> {
    let size = at_least_a_px(figure.placement.size());
    let own_size = settings.rules.figure_units.outline_size(&figure.sub_type, size);
    let stretch = Vec2::new(size.width / own_size.width, size.height / own_size.height);
    let to_box = Affine::scale_non_uniform(stretch.x, stretch.y);
    let area = Rect::from_origin_size((0.0, 0.0), size);
    let length = GradientLength::of_shapes(settings);
    let mut nodes = Vec::new();
    if !is_transparent(&figure.fill) {
        let outline = outline::outline(&figure.sub_type, size, figure.corner_radius);
        let mut paint = paint(&figure.fill, area, length, opacity);
        if matches!(paint.brush, Brush::Gradient(_)) {
            paint.transform = to_box;
        }
        // Only the fill casts a shadow (rendering.md §5).
        nodes.extend(shadowed_in(vec![Node::Path(Path::filled(outline, paint))], &figure.effects, stretch));
    }
    if figure.stroke_width > 0.0 && !is_transparent(&figure.stroke) {
        let outline = outline::outline(&figure.sub_type, own_size, figure.corner_radius);
        // A stroke inside the outline is drawn twice as wide and clipped to the outline (rendering.md §8.1).
        let stroke = Stroke::new(2.0 * figure.stroke_width).with_join(Join::Miter).with_caps(kurbo::Cap::Butt);
        let stroke = dashed(stroke, &figure.dash, figure.stroke_width, outline.perimeter(LENGTH_ACCURACY));
        let stroked = Path::stroked(outline.clone(), paint(&figure.stroke, area, length, opacity), stroke);
        let inside =
            Group { transform: to_box, clip: Some(outline), children: vec![Node::Path(stroked)], ..Group::default() };
        nodes.push(Node::Group(Box::new(inside)));
    }
    mirrored(nodes, figure.mirror)
}

/// The nodes of a line: its shaft, then its heads.
pub(super) fn line(line: &Line, opacity: Opacity, warnings: &mut Vec<Warning>) -> Vec<Node> {
    let color = line.color.multiply_alpha(opacity.get());
    let parts = line_parts(line.placement.size(), &line.dash, line.start_head, line.end_head);
    if parts.is_empty() && line.placement.height > 0.0 {
        let message = "the line is too large; it is not drawn";
        warnings.push(line.common.origin.warn(WarningCode::ShapeSkipped, message));
    }
    let path = |part: LinePart| {
        let mut path = Path::stroked(part.outline, color, part.stroke);
        if part.fill {
            path.fill = Some((color.into(), peniko::Fill::NonZero));
        }
        Node::Path(path)
    };
    let mut parts = parts.into_iter().map(path);
    // Heads cast no shadow (corrections.md F3).
    let mut nodes = shadowed(parts.next().into_iter().collect(), &line.effects);
    nodes.extend(parts);
    mirrored(nodes, line.mirror)
}
