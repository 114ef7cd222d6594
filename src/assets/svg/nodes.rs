//! Conversion of usvg's tree to scene nodes. Parts that a scene cannot express are drawn by `raster`, as small as
//! possible.

use kurbo::{Affine, Rect};
use peniko::{BlendMode, Brush, Compose, Mix};

use super::drawing::SvgView;
use super::error::SvgError;
use super::images::Images;
use super::paints::{affine, outline, paint, rect, rule, stroke};
use super::{clips, raster};
use crate::scene::{Group, Image, Node, Paint, Path};
use crate::units::Opacity;

/// The nodes of a document, clipped to its size, and whether rasterised parts have a lower resolution than that of
/// `view`.
///
/// # Errors
/// Parts that take too much work to rasterise, and [`SvgError::Abandoned`].
pub(super) fn from_tree(tree: &usvg::Tree, images: &Images, view: SvgView<'_>) -> Result<(Vec<Node>, bool), SvgError> {
    let size = Rect::new(0.0, 0.0, f64::from(tree.size().width()), f64::from(tree.size().height()));
    let device_scale = if view.scale.is_finite() && view.scale > 0.0 { view.scale } else { 1.0 };
    let visible = view.visible.map_or(size, |it| {
        let (width, height) = (size.width(), size.height());
        size.intersect(Rect::new(it.x0 * width, it.y0 * height, it.x1 * width, it.y1 * height))
    });
    let space = LocalSpace { transform: Affine::IDENTITY, visible };
    let mut converter = NodeConverter::new(tree, space, images, device_scale, view.abandoned);
    let nodes = converter.document();
    let bounds = rect(tree.root().abs_layer_bounding_box().to_rect());
    // Curves and f32 rounding extend slightly beyond the edge.
    let tolerance = size.inflate(size.width() * 1e-4, size.height() * 1e-4);
    let nodes =
        if tolerance.union(bounds) == tolerance || nodes.is_empty() { nodes } else { vec![clipped(size, nodes)] };
    converter.refusal.map_or(Ok((nodes, converter.reduced)), Err)
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
    tree: &'a usvg::Tree,
    /// The document's coordinate system and visible area.
    space: LocalSpace,
    images: &'a Images,
    /// Device px per px of the document.
    device_scale: f64,
    abandoned: &'a dyn Fn() -> bool,
    /// Parts are only measured, not rasterised.
    measures: bool,
    /// Px that rasterised parts have touched so far, by the estimate.
    touched_pixels: f64,
    /// Factor of the resolution, at most 1, with which all parts together stay within the limit; computed at the first
    /// part.
    shrink: Option<f64>,
    reduced: bool,
    /// The first reason why the document cannot be drawn; what follows is left out.
    refusal: Option<SvgError>,
}

impl<'a> NodeConverter<'a> {
    fn new(
        tree: &'a usvg::Tree,
        space: LocalSpace,
        images: &'a Images,
        device_scale: f64,
        abandoned: &'a dyn Fn() -> bool,
    ) -> Self {
        let (measures, touched_pixels, shrink, reduced, refusal) = (false, 0.0, None, false, None);
        Self { tree, space, images, device_scale, abandoned, measures, touched_pixels, shrink, reduced, refusal }
    }

    fn document(&mut self) -> Vec<Node> {
        let (tree, space) = (self.tree, self.space);
        // Blend modes apply to the document only, not to the page below it.
        if has_blend(tree.root()) {
            self.rasterize(raster::RasterSource::Tree(tree), space)
        } else {
            self.group(tree.root(), space)
        }
    }

    /// Px that all parts of the document would touch at full resolution.
    fn measured(&self) -> f64 {
        let mut measure = Self::new(self.tree, self.space, self.images, self.device_scale, self.abandoned);
        measure.measures = true;
        measure.document();
        measure.touched_pixels
    }

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
        if self.refusal.is_none() && (self.abandoned)() {
            self.refusal = Some(SvgError::Abandoned);
        }
        if self.refusal.is_some() {
            return Vec::new();
        }
        // Length of the document's unit along the axes of this coordinate system.
        let [a, b, c, d, ..] = space.transform.as_coeffs();
        let scale = [a.hypot(b) * self.device_scale, c.hypot(d) * self.device_scale];
        if self.measures {
            self.touched_pixels += raster::touched_pixels(part, space.visible, scale);
            return Vec::new();
        }
        let shrink = match self.shrink {
            Some(shrink) => shrink,
            None => (raster::MAX_TOUCHED_PIXELS / self.measured().max(1.0)).sqrt().min(1.0),
        };
        self.shrink = Some(shrink);
        match raster::rasterize_part(part, space.visible, scale.map(|it| it * shrink), self.touched_pixels) {
            Ok(Some(drawn)) => {
                self.reduced |= drawn.reduced || shrink < 1.0;
                self.touched_pixels += drawn.touched_pixels;
                vec![Node::Image(drawn.image)]
            }
            Ok(None) => Vec::new(),
            Err(refusal) => {
                self.refusal = Some(refusal);
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
