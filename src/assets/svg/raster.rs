//! Parts of a document drawn to pixels by resvg: filters, masks, patterns, clips and blends that scene nodes cannot
//! express.
//!
//! resvg allocates a layer for every isolated group and has no limit of memory or time, so both are estimated first and
//! the resolution is lowered until they fit.

use std::sync::Arc;

use kurbo::Rect;
use resvg::tiny_skia::{Pixmap, Transform};

use super::error::SvgError;
use super::paints::rect;
use crate::pool::catch_panic;
use crate::scene::{DecodedImage, Image};
use crate::units::{DeviceSize, Opacity};

/// Maximum pixels of one rasterised part: a 4096 px square.
const MAX_PIXELS: f64 = 16.8e6;

/// Maximum pixels of all layers that are alive at once while a part is drawn: 512 MB.
const MAX_LIVE_PIXELS: f64 = 128e6;

/// Maximum pixels touched while the parts of a document are drawn, counting each filter step: two seconds, measured
/// with a matrix of 900 numbers. resvg cannot be interrupted.
pub(super) const MAX_TOUCHED_PIXELS: f64 = 4e8;

/// The part of a document to draw.
#[derive(Clone, Copy)]
pub(super) enum RasterSource<'a> {
    /// The document with all its nodes.
    Tree(&'a usvg::Tree),
    /// One node, without the groups around it.
    Node(&'a usvg::Node),
}

/// A part drawn to pixels.
pub(super) struct RasterizedPart {
    /// The pixels, positioned in the coordinates of the part's parent.
    pub(super) image: Image,
    /// The resolution is lower than requested.
    pub(super) reduced: bool,
    /// Pixels that were touched, by the estimate.
    pub(super) touched_pixels: f64,
}

/// Factor by which small parts may exceed their estimate, because sides are rounded up to whole px and margins are
/// constant.
const ROUNDING: f64 = 2.0;

/// Draws the visible part of `part` at `scale` px per unit along x and y; `None` when nothing is visible. `before`: px
/// that other parts of the document have touched.
///
/// # Errors
/// [`SvgError::RasterWork`] for a part that takes too much work at any resolution.
pub(super) fn rasterize_part(
    part: RasterSource<'_>,
    visible: Rect,
    scale: [f64; 2],
    before: f64,
) -> Result<Option<RasterizedPart>, SvgError> {
    let Some(bounds) = raster_bounds(part, visible, scale) else { return Ok(None) };
    let touched = before + bounds.cost.touched_pixels;
    if bounds.cost.live_pixels > MAX_LIVE_PIXELS * ROUNDING || touched > MAX_TOUCHED_PIXELS * ROUNDING {
        return Err(SvgError::RasterWork { found: touched / 1e6, limit: MAX_TOUCHED_PIXELS / 1e6 });
    }
    // resvg panics on some extreme values where overflow is checked.
    catch_panic(|| draw(part, &bounds)).map_err(SvgError::Parser)
}

/// Px that drawing the visible part of `part` at `scale` would touch.
pub(super) fn touched_pixels(part: RasterSource<'_>, visible: Rect, scale: [f64; 2]) -> f64 {
    raster_bounds(part, visible, scale).map_or(0.0, |bounds| bounds.full.touched_pixels)
}

/// The bounds and resolution of a part's pixels.
struct RasterBounds {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    scale: [f64; 2],
    reduced: bool,
    /// What drawing at the requested resolution would take.
    full: DrawingCost,
    /// What drawing at `scale` takes.
    cost: DrawingCost,
}

/// The bounds at the resolution nearest to `scale` within the limits; `None` when nothing of `part` is visible.
fn raster_bounds(part: RasterSource<'_>, visible: Rect, scale: [f64; 2]) -> Option<RasterBounds> {
    let painted = match part {
        RasterSource::Tree(_) => visible,
        RasterSource::Node(node) => painted_bounds(node)?,
    };
    // One more px on each side for antialiasing.
    let [sx, sy] = scale;
    if !(sx > 0.0 && sy > 0.0 && sx.is_finite() && sy.is_finite()) {
        return None;
    }
    let area = painted.inflate(1.0 / sx, 1.0 / sy).intersect(visible);
    if area.is_zero_area() || !area.is_finite() {
        return None;
    }
    let full = estimate(part, area, scale);
    let excess = (area.area() * sx * sy / MAX_PIXELS)
        .max(full.live_pixels / MAX_LIVE_PIXELS)
        .max(full.touched_pixels / MAX_TOUCHED_PIXELS);
    let shrink = if excess > 1.0 { excess.sqrt().recip() } else { 1.0 };
    let [sx, sy] = [sx * shrink, sy * shrink];
    // Whole px, so that the picture is aligned to the grid on which it was drawn.
    let (left, top) = ((area.x0 * sx).floor(), (area.y0 * sy).floor());
    let (width, height) = (((area.x1 * sx).ceil() - left).max(1.0), ((area.y1 * sy).ceil() - top).max(1.0));
    // The work per pixel may be independent of the resolution: octaves of noise, a convolution matrix.
    let drawn = Rect::new(left / sx, top / sy, (left + width) / sx, (top + height) / sy);
    let cost = estimate(part, drawn, [sx, sy]);
    Some(RasterBounds { left, top, width, height, scale: [sx, sy], reduced: shrink < 1.0, full, cost })
}

fn draw(part: RasterSource<'_>, bounds: &RasterBounds) -> Option<RasterizedPart> {
    let RasterBounds { left, top, width, height, scale: [sx, sy], reduced, cost, .. } = *bounds;
    let transform = Transform::from_row(sx as f32, 0.0, 0.0, sy as f32, -left as f32, -top as f32);
    let size = DeviceSize { width: width as u32, height: height as u32 };
    let picture = with_whole_tiles(part, size, [sx, sy], &mut |pixmap, factors| {
        let transform = transform.post_scale(factors[0], factors[1]);
        match part {
            RasterSource::Tree(tree) => resvg::render(tree, transform, &mut pixmap.as_mut()),
            RasterSource::Node(node) => {
                // `render_node` moves the node's absolute box to the origin, which is undone here.
                let absolute = node.abs_layer_bounding_box()?;
                let transform = transform.pre_translate(absolute.x(), absolute.y());
                resvg::render_node(node, transform, &mut pixmap.as_mut())?;
            }
        }
        Some(())
    })?;
    let dest = Rect::new(left / sx, top / sy, (left + width) / sx, (top + height) / sy);
    let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
    let image = Image { picture: Arc::new(picture), source, dest, passes: Vec::new(), opacity: Opacity::OPAQUE };
    Some(RasterizedPart { image, reduced, touched_pixels: cost.touched_pixels })
}

/// Draws a document to pixels, stretched to `size`.
pub(super) fn rasterize_document(
    tree: &usvg::Tree,
    size: DeviceSize,
    megapixels: f64,
) -> Result<DecodedImage, SvgError> {
    let refused = SvgError::TooManyPixels { width: size.width, height: size.height };
    let natural = Rect::new(0.0, 0.0, f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scale = [f64::from(size.width) / natural.width(), f64::from(size.height) / natural.height()];
    let cost = estimate(RasterSource::Tree(tree), natural, scale);
    if size.pixels() as f64 > megapixels * 1e6
        || cost.live_pixels > MAX_LIVE_PIXELS
        || cost.touched_pixels > MAX_TOUCHED_PIXELS
    {
        return Err(refused);
    }
    let mut draw = |pixmap: &mut Pixmap, factors: [f32; 2]| {
        let transform = Transform::from_scale(scale[0] as f32 * factors[0], scale[1] as f32 * factors[1]);
        resvg::render(tree, transform, &mut pixmap.as_mut());
        Some(())
    };
    let picture = catch_panic(|| with_whole_tiles(RasterSource::Tree(tree), size, scale, &mut draw));
    let picture = picture.map_err(SvgError::Parser)?;
    picture.ok_or(refused)
}

/// Calls `draw` for a picture of `size`. resvg rounds tiles of patterns to whole pixels, an error that adds up over
/// many tiles. Where it matters, the picture is drawn at a higher resolution at which tiles have whole pixels, and
/// downscaled. `draw` gets the supersampling factors along x and y.
fn with_whole_tiles(
    part: RasterSource<'_>,
    size: DeviceSize,
    scale: [f64; 2],
    draw: &mut dyn FnMut(&mut Pixmap, [f32; 2]) -> Option<()>,
) -> Option<DecodedImage> {
    let tile = match part {
        RasterSource::Tree(tree) => tile(tree.root(), Transform::identity()),
        RasterSource::Node(node) => tile_of(node, Transform::identity()),
    };
    let factors = tile
        .map_or([1.0, 1.0], |tile| [supersample_factor(tile[0] * scale[0]), supersample_factor(tile[1] * scale[1])]);
    let (width, height) = (f64::from(size.width) * factors[0], f64::from(size.height) * factors[1]);
    if factors == [1.0, 1.0] || width * height > MAX_PIXELS {
        let mut pixmap = Pixmap::new(size.width, size.height)?;
        draw(&mut pixmap, [1.0, 1.0])?;
        return DecodedImage::new(size.width, size.height, pixmap.take());
    }
    let mut pixmap = Pixmap::new(width.ceil() as u32, height.ceil() as u32)?;
    draw(&mut pixmap, factors.map(|it| it as f32))?;
    DecodedImage::new(size.width, size.height, averaged(&pixmap, size, factors))
}

/// The factor at which a side of a tile has whole pixels: between 2 and 3, or 1.
fn supersample_factor(pixels: f64) -> f64 {
    let is_whole = (pixels - pixels.round()).abs() < 1e-3;
    if is_whole || pixels < 1.0 { 1.0 } else { (2.0 * pixels).ceil() / pixels }
}

/// The sides of the first pattern's tile, in the units of `group`'s parent.
fn tile(group: &usvg::Group, outer: Transform) -> Option<[f64; 2]> {
    let transform = outer.pre_concat(group.transform());
    group.children().iter().find_map(|child| tile_of(child, transform))
}

fn tile_of(node: &usvg::Node, transform: Transform) -> Option<[f64; 2]> {
    match node {
        usvg::Node::Group(group) => tile(group, transform),
        usvg::Node::Path(path) => {
            let paints = [path.fill().map(usvg::Fill::paint), path.stroke().map(usvg::Stroke::paint)];
            paints.into_iter().flatten().find_map(|paint| match paint {
                usvg::Paint::Pattern(pattern) => {
                    let (sx, sy) = transform.pre_concat(pattern.transform()).get_scale();
                    let rect = pattern.rect();
                    Some([f64::from(rect.width() * sx), f64::from(rect.height() * sy)])
                }
                _ => None,
            })
        }
        usvg::Node::Text(text) => tile(text.flattened(), transform),
        usvg::Node::Image(_) => None,
    }
}

/// Downscales to `size`: each pixel is the mean of the `factors[0]` by `factors[1]` pixels that it covers,
/// premultiplied.
fn averaged(pixmap: &Pixmap, size: DeviceSize, factors: [f64; 2]) -> Vec<u8> {
    /// First source pixel, and the weights from there on, with the sum 1.
    fn coverage(at: u32, factor: f64, side: u32) -> (usize, Vec<f32>) {
        let (from, to) = (f64::from(at) * factor, (f64::from(at + 1) * factor).min(f64::from(side)));
        let first = from.floor();
        let pixels = (first as usize)..(to.ceil() as usize).max(first as usize + 1);
        let covered = |pixel: usize| (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0) / (to - from);
        (first as usize, pixels.map(|pixel| covered(pixel) as f32).collect())
    }
    let (width, height, data) = (pixmap.width() as usize, pixmap.height(), pixmap.data());
    let columns: Vec<_> = (0..size.width).map(|x| coverage(x, factors[0], pixmap.width())).collect();
    let mut out = Vec::with_capacity(size.width as usize * size.height as usize * 4);
    for y in 0..size.height {
        let (top, rows) = coverage(y, factors[1], height);
        for (left, weights) in &columns {
            let mut sum = [0.0_f32; 4];
            for (row, down) in (top..).zip(&rows) {
                for (column, across) in (*left..).zip(weights) {
                    let at = (row * width + column) * 4;
                    for (sum, value) in sum.iter_mut().zip(&data[at..at + 4]) {
                        *sum += f32::from(*value) * down * across;
                    }
                }
            }
            out.extend(sum.map(|it| (it + 0.5) as u8));
        }
    }
    out
}

/// Bounds of everything that a node may paint, in its parent's coordinates.
fn painted_bounds(node: &usvg::Node) -> Option<Rect> {
    match node {
        usvg::Node::Group(group) => Some(rect(group.layer_bounding_box().to_rect().transform(group.transform())?)),
        node => Some(rect(node.stroke_bounding_box())),
    }
}

/// The estimated pixels that drawing takes, at one scale.
#[derive(Clone, Copy, Default)]
struct DrawingCost {
    live_pixels: f64,
    touched_pixels: f64,
}

impl DrawingCost {
    /// The cost of drawing `self` and then `other`.
    fn then(self, other: Self) -> Self {
        Self {
            live_pixels: self.live_pixels.max(other.live_pixels),
            touched_pixels: self.touched_pixels + other.touched_pixels,
        }
    }
}

fn estimate(part: RasterSource<'_>, area: Rect, [sx, sy]: [f64; 2]) -> DrawingCost {
    let estimator = CostEstimator { canvas: area.width() * sx * area.height() * sy };
    let scale = Transform::from_scale(sx as f32, sy as f32);
    match part {
        RasterSource::Tree(tree) => estimator.group(tree.root(), scale),
        RasterSource::Node(node) => estimator.node(node, scale),
    }
}

/// Estimates the cost of drawing the nodes of one part.
struct CostEstimator {
    /// Pixels of the part itself.
    canvas: f64,
}

impl CostEstimator {
    /// Pixels of a layer: resvg limits layers to five times the canvas in each direction and rounds them to whole
    /// pixels.
    fn layer(&self, area: usvg::Rect, transform: Transform) -> f64 {
        let area = area.transform(transform).map_or(f64::INFINITY, |it| f64::from(it.width()) * f64::from(it.height()));
        area.clamp(1.0, (self.canvas * 25.0).max(1.0))
    }

    fn children(&self, group: &usvg::Group, transform: Transform) -> DrawingCost {
        group.children().iter().map(|node| self.node(node, transform)).fold(DrawingCost::default(), DrawingCost::then)
    }

    fn node(&self, node: &usvg::Node, transform: Transform) -> DrawingCost {
        match node {
            usvg::Node::Group(group) => self.group(group, transform),
            usvg::Node::Path(path) => {
                let paints = path.fill().map(|it| it.paint()).into_iter().chain(path.stroke().map(|it| it.paint()));
                let drawn =
                    DrawingCost { live_pixels: 0.0, touched_pixels: self.layer(path.stroke_bounding_box(), transform) };
                paints.map(|paint| self.paint(paint, transform)).fold(drawn, DrawingCost::then)
            }
            usvg::Node::Image(image) => match image.kind() {
                // A layer with the size of the canvas.
                usvg::ImageKind::SVG(tree) => self.with_layer(self.canvas, self.group(tree.root(), transform)),
                _ => {
                    let pixels = f64::from(image.size().width()) * f64::from(image.size().height());
                    DrawingCost {
                        live_pixels: pixels,
                        touched_pixels: pixels + self.layer(image.bounding_box(), transform),
                    }
                }
            },
            usvg::Node::Text(text) => self.group(text.flattened(), transform),
        }
    }

    /// A layer of `pixels` that is alive while `inner` is drawn.
    fn with_layer(&self, pixels: f64, inner: DrawingCost) -> DrawingCost {
        DrawingCost { live_pixels: pixels + inner.live_pixels, touched_pixels: pixels * 2.0 + inner.touched_pixels }
    }

    fn paint(&self, paint: &usvg::Paint, transform: Transform) -> DrawingCost {
        let usvg::Paint::Pattern(pattern) = paint else { return DrawingCost::default() };
        let transform = transform.pre_concat(pattern.transform());
        let (sx, sy) = transform.get_scale();
        // A tile is always drawn as a whole.
        let tile =
            f64::from(pattern.rect().width()) * f64::from(sx) * f64::from(pattern.rect().height()) * f64::from(sy);
        let inner = Self { canvas: tile };
        self.with_layer(tile, inner.group(pattern.root(), Transform::from_scale(sx, sy)))
    }

    fn group(&self, group: &usvg::Group, transform: Transform) -> DrawingCost {
        let transform = transform.pre_concat(group.transform());
        let mut inner = self.children(group, transform);
        if !group.should_isolate() {
            return inner;
        }
        let layer = self.layer(group.layer_bounding_box().to_rect(), transform);
        let mut clip = group.clip_path();
        while let Some(it) = clip {
            inner = inner.then(self.with_layer(layer, self.clips(it.root(), layer)));
            clip = it.clip_path();
        }
        let mut mask = group.mask();
        while let Some(it) = mask {
            inner = inner.then(self.with_layer(layer, self.children(it.root(), transform)));
            mask = it.mask();
        }
        for filter in group.filters() {
            for primitive in filter.primitives() {
                inner = inner.then(self.primitive(primitive.kind(), layer, transform));
            }
            // Results are alive until the filter ends.
            inner.live_pixels += layer * (filter.primitives().len() + 1) as f64;
        }
        self.with_layer(layer, inner)
    }

    /// Layers of a clip path: one for each part that is clipped itself.
    fn clips(&self, group: &usvg::Group, layer: f64) -> DrawingCost {
        let groups = group.children().iter().filter_map(|node| match node {
            usvg::Node::Group(group) => Some(group),
            _ => None,
        });
        groups
            .map(|group| {
                let inner = self.clips(group, layer);
                if group.clip_path().is_some() { self.with_layer(layer * 2.0, inner) } else { inner }
            })
            .fold(DrawingCost { live_pixels: layer, touched_pixels: layer }, DrawingCost::then)
    }

    fn primitive(&self, kind: &usvg::filter::Kind, layer: f64, transform: Transform) -> DrawingCost {
        use usvg::filter::Kind;
        let (sx, sy) = transform.get_scale();
        // How often a pixel is read.
        let visits = match kind {
            Kind::Turbulence(it) => 12.0 * f64::from(it.num_octaves()),
            Kind::ConvolveMatrix(it) => f64::from(it.matrix().columns()) * f64::from(it.matrix().rows()),
            Kind::Morphology(it) => {
                let window = |radius: f32, scale: f32| 2.0 * f64::from(radius) * f64::from(scale) + 1.0;
                window(it.radius_x().get(), sx) * window(it.radius_y().get(), sy)
            }
            Kind::GaussianBlur(_) | Kind::DropShadow(_) | Kind::DiffuseLighting(_) | Kind::SpecularLighting(_) => 12.0,
            Kind::Merge(it) => it.inputs().len() as f64,
            Kind::Image(it) => return self.with_layer(layer, self.children(it.root(), transform)),
            _ => 4.0,
        };
        DrawingCost { live_pixels: layer * 3.0, touched_pixels: layer * visits }
    }
}
