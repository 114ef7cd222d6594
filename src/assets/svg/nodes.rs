//! Conversion of usvg's tree to scene nodes. Parts that a scene cannot express are drawn by `raster`, as small as
//! possible.

use kurbo::{Affine, Rect};
use peniko::{BlendMode, Brush, Compose, Mix};

use super::images::Images;
use super::paints::{affine, outline, paint, rect, rule, stroke};
use super::{clips, raster};
use crate::scene::{Group, Image, Node, Paint, Path};
use crate::units::Opacity;

/// The nodes of a document, clipped to its size, and whether rasterised parts have a lower resolution than
/// `scale_hint`.
pub(super) fn from_tree(tree: &usvg::Tree, images: &Images, scale_hint: f64) -> (Vec<Node>, bool) {
    let size = Rect::new(0.0, 0.0, f64::from(tree.size().width()), f64::from(tree.size().height()));
    let device_scale = if scale_hint.is_finite() && scale_hint > 0.0 { scale_hint } else { 1.0 };
    let mut converter = NodeConverter { images, device_scale, reduced: false };
    // Blend modes apply to the document only, not to the page below it.
    let nodes = if has_blend(tree.root()) {
        converter.rasterize(raster::RasterSource::Tree(tree), LocalSpace { transform: Affine::IDENTITY, visible: size })
    } else {
        converter.group(tree.root(), LocalSpace { transform: Affine::IDENTITY, visible: size })
    };
    let bounds = rect(tree.root().abs_layer_bounding_box().to_rect());
    // Curves and f32 rounding extend slightly beyond the edge.
    let tolerance = size.inflate(size.width() * 1e-4, size.height() * 1e-4);
    let nodes =
        if tolerance.union(bounds) == tolerance || nodes.is_empty() { nodes } else { vec![clipped(size, nodes)] };
    (nodes, converter.reduced)
}

fn clipped(clip: Rect, children: Vec<Node>) -> Node {
    Node::Group(Box::new(Group { clip: Some(kurbo::Shape::to_path(&clip, 0.1)), children, ..Group::default() }))
}

fn has_blend(group: &usvg::Group) -> bool {
    group.children().iter().any(|node| match node {
        usvg::Node::Group(group) => group.blend_mode() != usvg::BlendMode::Normal || has_blend(group),
        _ => false,
    })
}

/// The coordinate system of a group's children.
#[derive(Clone, Copy)]
struct LocalSpace {
    /// Transform to px of the document.
    transform: Affine,
    /// The visible area, in its own coordinates.
    visible: Rect,
}

impl LocalSpace {
    fn inside(self, transform: Affine) -> Self {
        // Nothing is visible through a singular transform.
        let visible = if transform.determinant().abs() > 1e-12 {
            transform.inverse().transform_rect_bbox(self.visible)
        } else {
            Rect::ZERO
        };
        Self { transform: self.transform * transform, visible }
    }
}

/// Converts the nodes of one tree.
struct NodeConverter<'a> {
    images: &'a Images,
    /// Device px per px of the document.
    device_scale: f64,
    reduced: bool,
}

impl NodeConverter<'_> {
    fn children(&mut self, group: &usvg::Group, space: LocalSpace) -> Vec<Node> {
        group.children().iter().flat_map(|node| self.node(node, space)).collect()
    }

    fn node(&mut self, node: &usvg::Node, space: LocalSpace) -> Vec<Node> {
        match node {
            usvg::Node::Group(group) => self.group_node(group, node, space),
            usvg::Node::Path(path) => self.path(path, node, space),
            usvg::Node::Image(image) => self.image(image, node, space),
            usvg::Node::Text(text) => self.children(text.flattened(), space),
        }
    }

    /// The root, which is never isolated.
    fn group(&mut self, root: &usvg::Group, space: LocalSpace) -> Vec<Node> {
        let transform = affine(root.transform());
        let children = self.children(root, space.inside(transform));
        wrap(Group { transform, children, ..Group::default() })
    }

    fn group_node(&mut self, group: &usvg::Group, node: &usvg::Node, space: LocalSpace) -> Vec<Node> {
        let clips = match group.clip_path().map(clips::outlines) {
            None => Vec::new(),
            Some(Some(clips)) => clips,
            Some(None) => return self.rasterize(raster::RasterSource::Node(node), space),
        };
        if group.mask().is_some() || !group.filters().is_empty() {
            return self.rasterize(raster::RasterSource::Node(node), space);
        }
        let transform = affine(group.transform());
        let mut children = self.children(group, space.inside(transform));
        // Clips are in the group's coordinates: inside its transform, innermost last.
        let mut clips = clips.into_iter();
        let outermost = clips.next();
        for clip in clips.rev() {
            children = wrap(Group { clip: Some(clip), children, ..Group::default() });
        }
        let mut opacity = Opacity::new(f64::from(group.opacity().get()));
        if let [Node::Path(path)] = children.as_mut_slice()
            && apply_opacity(path, opacity)
        {
            opacity = Opacity::OPAQUE;
        }
        wrap(Group { transform, clip: outermost, opacity, children, ..Group::default() })
    }

    fn path(&mut self, path: &usvg::Path, node: &usvg::Node, space: LocalSpace) -> Vec<Node> {
        if !path.is_visible() {
            return Vec::new();
        }
        let fill = path.fill().map(|it| (paint(it.paint(), it.opacity().get()), rule(it.rule())));
        let line = path.stroke().map(|it| (paint(it.paint(), it.opacity().get()), stroke(it)));
        let (fill, line) = match (fill, line) {
            (Some((None, _)), _) | (_, Some((None, _))) => {
                return self.rasterize(raster::RasterSource::Node(node), space);
            }
            (fill, line) => (
                fill.and_then(|(paint, rule)| Some((paint?, rule))),
                line.and_then(|(paint, stroke)| Some((paint?, stroke))),
            ),
        };
        let outline = outline(path.data());
        let fill = fill.filter(|(paint, _)| is_visible_paint(paint));
        let line = line.filter(|(paint, _)| is_visible_paint(paint));
        match (fill, line) {
            (None, None) => Vec::new(),
            (fill @ Some(_), stroke @ Some(_)) if path.paint_order() == usvg::PaintOrder::StrokeAndFill => vec![
                Node::Path(Path { outline: outline.clone(), fill: None, stroke }),
                Node::Path(Path { outline, fill, stroke: None }),
            ],
            (fill, stroke) => vec![Node::Path(Path { outline, fill, stroke })],
        }
    }

    fn image(&mut self, image: &usvg::Image, node: &usvg::Node, space: LocalSpace) -> Vec<Node> {
        if !image.is_visible() {
            return Vec::new();
        }
        let dest = Rect::new(0.0, 0.0, f64::from(image.size().width()), f64::from(image.size().height()));
        // Painters interpolate, so images with hard pixels are drawn by resvg.
        let pixelated = matches!(
            image.rendering_mode(),
            usvg::ImageRendering::OptimizeSpeed | usvg::ImageRendering::CrispEdges | usvg::ImageRendering::Pixelated
        );
        let bytes = match image.kind() {
            usvg::ImageKind::SVG(tree) if has_blend(tree.root()) => {
                return self.rasterize(raster::RasterSource::Node(node), space);
            }
            // Already clipped: see `source::clipped`.
            usvg::ImageKind::SVG(tree) => {
                return self.group(tree.root(), LocalSpace { visible: space.visible.intersect(dest), ..space });
            }
            usvg::ImageKind::PNG(bytes)
            | usvg::ImageKind::JPEG(bytes)
            | usvg::ImageKind::GIF(bytes)
            | usvg::ImageKind::WEBP(bytes) => bytes,
        };
        match self.images.picture(bytes) {
            Some(picture) if !pixelated => {
                let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
                vec![Node::Image(Image { picture, source, dest, passes: Vec::new(), opacity: Opacity::OPAQUE })]
            }
            _ => self.rasterize(raster::RasterSource::Node(node), space),
        }
    }

    fn rasterize(&mut self, part: raster::RasterSource<'_>, space: LocalSpace) -> Vec<Node> {
        // Length of the document's unit along the axes of this coordinate system.
        let [a, b, c, d, ..] = space.transform.as_coeffs();
        let scale = [a.hypot(b) * self.device_scale, c.hypot(d) * self.device_scale];
        match raster::rasterize_part(part, space.visible, scale) {
            Ok(Some(drawn)) => {
                self.reduced |= drawn.reduced;
                vec![Node::Image(drawn.image)]
            }
            Ok(None) => Vec::new(),
            Err(raster::TooMuchWork) => {
                self.images
                    .skip("a part of the SVG is not drawn: its filters, masks or patterns take too much work".into());
                Vec::new()
            }
        }
    }
}

/// The group, or its children when the group has no effect.
fn wrap(group: Group) -> Vec<Node> {
    let plain = group.transform == Affine::IDENTITY
        && group.clip.is_none()
        && group.opacity == Opacity::OPAQUE
        && group.blend == BlendMode::new(Mix::Normal, Compose::SrcOver);
    if group.children.is_empty() || group.opacity.is_zero() {
        Vec::new()
    } else if plain {
        group.children
    } else {
        vec![Node::Group(Box::new(group))]
    }
}

/// False for a fully transparent paint. Icons have shapes with such paints to fix their bounding box.
fn is_visible_paint(paint: &Paint) -> bool {
    !matches!(&paint.brush, Brush::Solid(color) if color.components[3] <= 0.0)
}

/// Applies `opacity` to the paint of a path with only a fill or only a stroke, where that equals a layer.
fn apply_opacity(path: &mut Path, opacity: Opacity) -> bool {
    let paint = match (&mut path.fill, &mut path.stroke) {
        (Some((paint, _)), None) | (None, Some((paint, _))) => paint,
        _ => return false,
    };
    paint.brush = paint.brush.clone().multiply_alpha(opacity.get());
    true
}
