//! Whether a page needs transparency, which PDF/X-1a forbids (pdf.md §7).

use peniko::{BlendMode, Brush, FontData};
use skrifa::raw::TableProvider;

use crate::scene::{GlyphRun, Group, Image, Node, Page, Paint, Path};

/// Groups inside groups that vector pages keep; what is deeper they turn into pictures with holes.
const DEEP: usize = 50;

/// True when anything on `page` lets through what is below it. Says so rather once too often: text in fonts with colours
/// of their own counts, since some of their glyphs are pictures with holes, and so does what vector pages hold as pictures.
pub(super) fn found(page: &Page) -> bool {
    group(&page.root, 0)
}

fn group(group: &Group, depth: usize) -> bool {
    group.opacity.get() < 1.0
        || group.blend != BlendMode::default()
        || group.shadow.is_some()
        || group.blur.0 > 0.0
        || !group.recolor.is_empty()
        || group.mask.is_some()
        || depth > DEEP
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
        // Pictures are nodes of their own; were one here, it might have holes.
        Brush::Image(_) => true,
    }
}

/// A font that cannot be read paints nothing, and the painter says so.
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
    fn transparency_is_found_wherever_it_is() {
        let opaque = Group { children: vec![square(BLACK)], ..Group::default() };
        assert!(!found(&page(opaque.clone())));
        let clipped = Group { clip: Some(Rect::new(0.0, 0.0, 3.0, 3.0).to_path(0.1)), ..opaque.clone() };
        assert!(!found(&page(clipped)), "a clip has hard edges");
        let translucent = square(BLACK.multiply_alpha(0.5));
        let inner = Group { children: vec![translucent], ..Group::default() };
        assert!(found(&page(Group { children: vec![Node::Group(Box::new(inner))], ..Group::default() })));
        assert!(found(&page(Group { opacity: Opacity::new(0.5), ..opaque.clone() })));
        let nested = |inner: Group, _| Group { children: vec![Node::Group(Box::new(inner))], ..Group::default() };
        assert!(found(&page((0..=DEEP).fold(opaque, nested))), "too deep for vectors");
    }
}
