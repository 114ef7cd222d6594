//! The link areas of pages that are written as pictures.

use kurbo::{Affine, Rect};

use super::canvas::LinkArea;
use crate::scene::{Group, Node, Page};

/// Maximum depth of nested groups, which bounds the recursion; links further inside are left out.
const MAX_DEPTH: usize = 500;

/// The links of `page`, the bottommost first.
pub fn page_links(page: &Page) -> Vec<LinkArea> {
    let mut links = Vec::new();
    collect(&page.root, Affine::IDENTITY, page.visible(), MAX_DEPTH, &mut links);
    links
}

fn collect(group: &Group, parent: Affine, view: Rect, depth: usize, links: &mut Vec<LinkArea>) {
    let transform = parent * group.transform;
    if group.opacity.is_zero() || !transform.is_finite() || depth == 0 {
        return;
    }
    links.extend(visible_links(group, transform, view));
    for child in &group.children {
        if let Node::Group(child) = child {
            collect(child, transform, view, depth - 1, links);
        }
    }
}

/// The links of `group` itself in page px, as far as they are in `view`. `transform`: from its coordinates to the page.
pub(super) fn visible_links(group: &Group, transform: Affine, view: Rect) -> impl Iterator<Item = LinkArea> + '_ {
    group.links.iter().filter_map(move |link| {
        let rect = transform.transform_rect_bbox(link.area).intersect(view);
        let is_visible = !rect.is_zero_area() && rect.is_finite();
        is_visible.then(|| LinkArea { rect, url: link.href.to_string() })
    })
}
