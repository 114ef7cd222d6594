//! Detects transparency on a page, which PDF/X-1a forbids (pdf.md §7).

use peniko::{BlendMode, Brush, FontData};
use skrifa::raw::TableProvider;

use crate::scene::{GlyphRun, Group, Image, Node, Page, Paint, Path};

/// Maximum depth of nested groups on vector pages; deeper groups become pictures with alpha.
const MAX_DEPTH: usize = 50;

/// Whether anything on `page` may be translucent. Errs on the safe side: text in colour fonts counts, as some of its
/// glyphs are pictures with alpha, and so do elements that vector pages hold as pictures.
pub(super) fn has_transparency(page: &Page) -> bool {
    group(&page.root, 0)
}

fn group(group: &Group, depth: usize) -> bool {
    group.opacity.get() < 1.0
        || group.blend != BlendMode::default()
        || group.shadow.is_some()
        || group.blur.0 > 0.0
        || !group.recolor.is_empty()
        || group.mask.is_some()
        || depth > MAX_DEPTH
        || group.children.iter().any(|it| node(it, depth + 1))
}

fn node(node: &Node, depth: usize) -> bool {
    match node {
        Node::Group(it) => group(it, depth),
        Node::Path(it) => path(it),
        Node::Glyphs(it) => glyphs(it),
        Node::Image(it) => image(it),
    }
}

fn path(path: &Path) -> bool {
    path.fill.as_ref().is_some_and(|(it, _)| paint(it)) || path.stroke.as_ref().is_some_and(|(it, _)| paint(it))
}

fn glyphs(run: &GlyphRun) -> bool {
    paint(&run.paint) || has_colors(&run.font)
}

fn image(image: &Image) -> bool {
    image.opacity.get() < 1.0 || !image.picture.opaque
}

fn paint(paint: &Paint) -> bool {
    match &paint.brush {
        Brush::Solid(color) => color.components[3] < 1.0,
        Brush::Gradient(gradient) => gradient.stops.iter().any(|stop| stop.color.components[3] < 1.0),
        // Pictures are nodes of their own; a picture here might have alpha.
        Brush::Image(_) => true,
    }
}

/// An unreadable font paints nothing; the painter warns of it.
fn has_colors(font: &FontData) -> bool {
    let face = skrifa::FontRef::from_index(font.data.data(), font.index);
    face.is_ok_and(|it| it.colr().is_ok() || it.cbdt().is_ok() || it.sbix().is_ok())
}

#[cfg(test)]
mod tests {
    use kurbo::{Insets, Rect, Shape, Size};
    use peniko::Color;
    use peniko::color::palette::css::BLACK;

    use super::*;
    use crate::units::Opacity;

    fn page(root: Group) -> Page {
        Page { size: Size::new(10.0, 10.0), bleed: Insets::ZERO, root }
    }

    fn square(color: Color) -> Node {
        Node::Path(Path::filled(Rect::new(0.0, 0.0, 5.0, 5.0).to_path(0.1), color))
    }

    #[test]
    fn transparency_is_found_in_every_place() {
        let opaque = Group { children: vec![square(BLACK)], ..Group::default() };
        assert!(!has_transparency(&page(opaque.clone())));
        let clipped = Group { clip: Some(Rect::new(0.0, 0.0, 3.0, 3.0).to_path(0.1)), ..opaque.clone() };
        assert!(!has_transparency(&page(clipped)), "a clip has hard edges");
        let translucent = square(BLACK.multiply_alpha(0.5));
        let inner = Group { children: vec![translucent], ..Group::default() };
        assert!(has_transparency(&page(Group { children: vec![Node::Group(Box::new(inner))], ..Group::default() })));
        assert!(has_transparency(&page(Group { opacity: Opacity::new(0.5), ..opaque.clone() })));
        let nested = |inner: Group, _| Group { children: vec![Node::Group(Box::new(inner))], ..Group::default() };
        assert!(has_transparency(&page((0..=MAX_DEPTH).fold(opaque, nested))), "too deep for vectors");
    }
}
