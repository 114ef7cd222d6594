//! Borders of pictures and text boxes (rendering.md §6.2).

use kurbo::{BezPath, Join, Rect, RoundedRect, Stroke};
use peniko::Color;

use crate::scene::{Group, Node, Path, outline_of};

/// A border of the box `area` as a stroke inside of it, whose centre line has the corner radius minus the size of the
/// border. `None` for a border that is not visible.
pub(super) fn box_border(area: Rect, size: f64, corner_radius: f64, color: Color) -> Option<Node> {
    let width = size.min(area.width()).min(area.height());
    if width <= 0.0 || color.components[3] <= 0.0 {
        return None;
    }
    let centre = area.inset(-width / 2.0);
    let radius = (corner_radius - size).max(0.0);
    let radius = radius.min(centre.width() / 2.0).min(centre.height() / 2.0);
    let outline = outline_of(&RoundedRect::from_rect(centre, radius));
    Some(Node::Path(Path::stroked(outline, color, Stroke::new(width).with_join(Join::Miter))))
}

/// A border along the inner side of `outline`. `None` for a border that is not visible.
pub(super) fn inner_border(outline: &BezPath, size: f64, color: Color) -> Option<Node> {
    if size <= 0.0 || color.components[3] <= 0.0 || outline.is_empty() {
        return None;
    }
    let stroke = Stroke::new(2.0 * size).with_join(Join::Miter);
    let children = vec![Node::Path(Path::stroked(outline.clone(), color, stroke))];
    Some(Node::Group(Box::new(Group { clip: Some(outline.clone()), children, ..Group::default() })))
}
