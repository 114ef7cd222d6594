//! Parts of a document drawn to pixels by resvg: filters, masks, patterns, clips and blends that nodes cannot hold.
//!
//! resvg takes a layer for every isolated group and has no limit on layers or time, so both are estimated first and the
//! resolution is lowered until they fit.

use std::sync::Arc;

use kurbo::Rect;
use resvg::tiny_skia::{Pixmap, Transform};

use super::SvgError;
use super::nodes::rect;
use crate::scene::{Image, Picture};
use crate::units::{DeviceSize, Opacity};

/// Pixels of one rasterised part: a 4096 px square.
const MAX_PIXELS: f64 = 16.8e6;

/// Pixels of all layers that are alive at once while drawing a part: 512 MB.
const MAX_ALIVE: f64 = 128e6;

/// Pixels touched while drawing a part, each filter step counted: five seconds, measured with a matrix of 900 numbers.
const MAX_TOUCHED: f64 = 1e9;

/// What to draw.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// A whole document.
    Tree(&'a usvg::Tree),
    /// One node, without the groups around it.
    Node(&'a usvg::Node),
}

/// A part as pixels.
pub(super) struct Drawn {
    /// Placed in the coordinates of the part's parent.
    pub(super) image: Image,
    /// Coarser than asked.
    pub(super) reduced: bool,
}

/// A part that takes too much work at any resolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooMuchWork;

/// Sides are rounded up to whole px, and margins do not shrink: small parts take up to this many times their estimate.
const ROUNDING: f64 = 2.0;

/// Draws what can be seen of `part` at `scale` px for each unit along x and y; `None` when nothing can.
pub(super) fn part(part: Part<'_>, visible: Rect, scale: [f64; 2]) -> Result<Option<Drawn>, TooMuchWork> {
    match place(part, visible, scale) {
        Some(placed) if placed.need.alive > MAX_ALIVE * ROUNDING || placed.need.touched > MAX_TOUCHED * ROUNDING => {
            Err(TooMuchWork)
        }
        Some(placed) => Ok(draw(part, &placed)),
        None => Ok(None),
    }
}

/// Where a part's pixels lie.
struct Placed {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    scale: [f64; 2],
    reduced: bool,
    need: Need,
}

/// The resolution nearest to `scale` that fits; `None` when nothing of `part` can be seen.
fn place(part: Part<'_>, visible: Rect, scale: [f64; 2]) -> Option<Placed> {
    let reach = match part {
        Part::Tree(_) => visible,
        Part::Node(node) => reach(node)?,
    };
    // One px more on each side for antialiasing.
    let [sx, sy] = scale;
    if !(sx > 0.0 && sy > 0.0 && sx.is_finite() && sy.is_finite()) {
        return None;
    }
    let area = reach.inflate(1.0 / sx, 1.0 / sy).intersect(visible);
    if area.is_zero_area() || !area.is_finite() {
        return None;
    }
    let full = need(part, area, scale);
    let excess = (area.area() * sx * sy / MAX_PIXELS).max(full.alive / MAX_ALIVE).max(full.touched / MAX_TOUCHED);
    let shrink = if excess > 1.0 { excess.sqrt().recip() } else { 1.0 };
    let [sx, sy] = [sx * shrink, sy * shrink];
    // Whole px, so that the picture lies on the grid it was drawn on.
    let (left, top) = ((area.x0 * sx).floor(), (area.y0 * sy).floor());
    let (width, height) = (((area.x1 * sx).ceil() - left).max(1.0), ((area.y1 * sy).ceil() - top).max(1.0));
    // What a pixel takes need not become less with their number: octaves of noise, a matrix.
    let drawn = Rect::new(left / sx, top / sy, (left + width) / sx, (top + height) / sy);
    let need = need(part, drawn, [sx, sy]);
    Some(Placed { left, top, width, height, scale: [sx, sy], reduced: shrink < 1.0, need })
}

fn draw(part: Part<'_>, placed: &Placed) -> Option<Drawn> {
    let Placed { left, top, width, height, scale: [sx, sy], reduced, .. } = *placed;
    let mut pixmap = Pixmap::new(width as u32, height as u32)?;
    let transform = Transform::from_row(sx as f32, 0.0, 0.0, sy as f32, -left as f32, -top as f32);
    match part {
        Part::Tree(tree) => resvg::render(tree, transform, &mut pixmap.as_mut()),
        Part::Node(node) => {
            // `render_node` moves the node's absolute box to the origin; we place it ourselves.
            let absolute = node.abs_layer_bounding_box()?;
            let transform = transform.pre_translate(absolute.x(), absolute.y());
            resvg::render_node(node, transform, &mut pixmap.as_mut())?;
        }
    }
    let dest = Rect::new(left / sx, top / sy, (left + width) / sx, (top + height) / sy);
    let picture = picture(pixmap)?;
    let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
    let image = Image { picture: Arc::new(picture), source, dest, passes: Vec::new(), opacity: Opacity::OPAQUE };
    Some(Drawn { image, reduced })
}

/// Draws a document stretched to `size`.
pub(super) fn whole(tree: &usvg::Tree, size: DeviceSize, megapixels: f64) -> Result<Picture, SvgError> {
    let refused = SvgError::TooManyPixels { width: size.width, height: size.height };
    let natural = Rect::new(0.0, 0.0, f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scale = [f64::from(size.width) / natural.width(), f64::from(size.height) / natural.height()];
    let need = need(Part::Tree(tree), natural, scale);
    if size.pixels() as f64 > megapixels * 1e6 || need.alive > MAX_ALIVE || need.touched > MAX_TOUCHED {
        return Err(refused);
    }
    let mut pixmap = Pixmap::new(size.width, size.height).ok_or_else(|| refused.clone())?;
    resvg::render(tree, Transform::from_scale(scale[0] as f32, scale[1] as f32), &mut pixmap.as_mut());
    picture(pixmap).ok_or(refused)
}

fn picture(pixmap: Pixmap) -> Option<Picture> {
    let (width, height) = (pixmap.width(), pixmap.height());
    Picture::new(width, height, pixmap.take())
}

/// What a node may touch, in its parent's coordinates.
fn reach(node: &usvg::Node) -> Option<Rect> {
    match node {
        usvg::Node::Group(group) => {
            let reach = group.layer_bounding_box().to_rect().transform(group.transform())?;
            Some(rect(reach))
        }
        node => Some(rect(node.stroke_bounding_box())),
    }
}

/// Pixels, at the scale in question.
#[derive(Clone, Copy, Default)]
struct Need {
    alive: f64,
    touched: f64,
}

impl Need {
    /// One after the other.
    fn then(self, other: Self) -> Self {
        Self { alive: self.alive.max(other.alive), touched: self.touched + other.touched }
    }
}

fn need(part: Part<'_>, area: Rect, [sx, sy]: [f64; 2]) -> Need {
    let count = Count { canvas: area.width() * sx * area.height() * sy };
    let scale = Transform::from_scale(sx as f32, sy as f32);
    match part {
        Part::Tree(tree) => count.group(tree.root(), scale),
        Part::Node(node) => count.node(node, scale),
    }
}

struct Count {
    /// Pixels of the picture itself.
    canvas: f64,
}

impl Count {
    /// resvg cuts layers to five times the canvas in each direction, and makes them of whole pixels.
    fn layer(&self, area: usvg::Rect, transform: Transform) -> f64 {
        let area = area.transform(transform).map_or(f64::INFINITY, |it| f64::from(it.width()) * f64::from(it.height()));
        area.clamp(1.0, (self.canvas * 25.0).max(1.0))
    }

    fn children(&self, group: &usvg::Group, transform: Transform) -> Need {
        group.children().iter().map(|node| self.node(node, transform)).fold(Need::default(), Need::then)
    }

    fn node(&self, node: &usvg::Node, transform: Transform) -> Need {
        match node {
            usvg::Node::Group(group) => self.group(group, transform),
            usvg::Node::Path(path) => {
                let paints = path.fill().map(|it| it.paint()).into_iter().chain(path.stroke().map(|it| it.paint()));
                let drawn = Need { alive: 0.0, touched: self.layer(path.stroke_bounding_box(), transform) };
                paints.map(|paint| self.paint(paint, transform)).fold(drawn, Need::then)
            }
            usvg::Node::Image(image) => match image.kind() {
                // A layer of the canvas's size.
                usvg::ImageKind::SVG(tree) => self.below(self.canvas, self.group(tree.root(), transform)),
                _ => {
                    let pixels = f64::from(image.size().width()) * f64::from(image.size().height());
                    Need { alive: pixels, touched: pixels + self.layer(image.bounding_box(), transform) }
                }
            },
            usvg::Node::Text(text) => self.group(text.flattened(), transform),
        }
    }

    /// A layer of `pixels` that is alive while `inner` is drawn.
    fn below(&self, pixels: f64, inner: Need) -> Need {
        Need { alive: pixels + inner.alive, touched: pixels * 2.0 + inner.touched }
    }

    fn paint(&self, paint: &usvg::Paint, transform: Transform) -> Need {
        let usvg::Paint::Pattern(pattern) = paint else { return Need::default() };
        let transform = transform.pre_concat(pattern.transform());
        let (sx, sy) = transform.get_scale();
        // A tile is drawn whole, whatever its size.
        let tile =
            f64::from(pattern.rect().width()) * f64::from(sx) * f64::from(pattern.rect().height()) * f64::from(sy);
        let inner = Self { canvas: tile };
        self.below(tile, inner.group(pattern.root(), Transform::from_scale(sx, sy)))
    }

    fn group(&self, group: &usvg::Group, transform: Transform) -> Need {
        let transform = transform.pre_concat(group.transform());
        let mut inner = self.children(group, transform);
        if !group.should_isolate() {
            return inner;
        }
        let layer = self.layer(group.layer_bounding_box().to_rect(), transform);
        let mut clip = group.clip_path();
        while let Some(it) = clip {
            inner = inner.then(self.below(layer, self.clips(it.root(), layer)));
            clip = it.clip_path();
        }
        let mut mask = group.mask();
        while let Some(it) = mask {
            inner = inner.then(self.below(layer, self.children(it.root(), transform)));
            mask = it.mask();
        }
        for filter in group.filters() {
            for primitive in filter.primitives() {
                inner = inner.then(self.primitive(primitive.kind(), layer, transform));
            }
            // Results stay until the filter is done.
            inner.alive += layer * (filter.primitives().len() + 1) as f64;
        }
        self.below(layer, inner)
    }

    /// Clipped parts of a clip take a layer each.
    fn clips(&self, group: &usvg::Group, layer: f64) -> Need {
        let groups = group.children().iter().filter_map(|node| match node {
            usvg::Node::Group(group) => Some(group),
            _ => None,
        });
        groups
            .map(|group| {
                let inner = self.clips(group, layer);
                if group.clip_path().is_some() { self.below(layer * 2.0, inner) } else { inner }
            })
            .fold(Need { alive: layer, touched: layer }, Need::then)
    }

    fn primitive(&self, kind: &usvg::filter::Kind, layer: f64, transform: Transform) -> Need {
        use usvg::filter::Kind;
        let (sx, sy) = transform.get_scale();
        // Times a pixel is visited.
        let visits = match kind {
            Kind::Turbulence(it) => 12.0 * f64::from(it.num_octaves()),
            Kind::ConvolveMatrix(it) => f64::from(it.matrix().columns()) * f64::from(it.matrix().rows()),
            Kind::Morphology(it) => {
                let window = |radius: f32, scale: f32| 2.0 * f64::from(radius) * f64::from(scale) + 1.0;
                window(it.radius_x().get(), sx) * window(it.radius_y().get(), sy)
            }
            Kind::GaussianBlur(_) | Kind::DropShadow(_) | Kind::DiffuseLighting(_) | Kind::SpecularLighting(_) => 12.0,
            Kind::Merge(it) => it.inputs().len() as f64,
            Kind::Image(it) => return self.below(layer, self.children(it.root(), transform)),
            _ => 4.0,
        };
        Need { alive: layer * 3.0, touched: layer * visits }
    }
}
