//! Planning: a page and a scale become a list of drawing steps in device px.
//!
//! A pure function of its input. Decisions that every painter would have to make alike are made here: sizes, positions
//! of glyphs, which groups need a layer.

use kurbo::{Affine, BezPath, Rect, Shape as _, Size, Stroke, Vec2};
use peniko::color::ColorSpaceTag;
use peniko::{BlendMode, Brush, Color, Compose, InterpolationAlphaSpace, Mix};

use super::cut::parts_near;
use super::edge_budget::{EdgeBudget, Excess};
use super::error::PaintError;
use super::limits::SurfaceLimits;
use super::passes;
use super::plan::{FramePlan, Glyphs, Kernel, Op, PlacedGlyph, Snap, Step, SurfaceId};
use super::transforms::{is_axis_aligned, is_outline_below, is_rect_below, max_scale};
use super::work;
use crate::report::{Origin, Warning, WarningCode};
use crate::scene::{self, Bitmap, BitmapGrid, Group, Node, Page, Paint};
use crate::units::{DeviceScale, DeviceSize, Opacity};

/// Maximum absolute coordinate that is drawn, in device px. It is far outside any page, and beyond it single precision,
/// which painters use, cannot distinguish adjacent pixels.
const MAX_COORDINATE: f64 = 1e7;
/// Distance from the surface, in px, at which larger paths are cut.
const CUT_MARGIN: f64 = 64.0;
/// Maximum number of dashes of one stroke. More would be finer than a pixel, and the stroke is drawn solid.
const MAX_DASHES: f64 = 100_000.0;
/// Maximum px of all surfaces for blurs and shadows, as a multiple of the px of the largest page.
const EFFECT_SURFACES_FACTOR: f64 = 4.0;
/// Extent of a shadow in standard deviations (rendering.md §5).
const SHADOW_EXTENT_SIGMAS: f64 = 3.0;

/// Plans the drawing of `page` at `scale`.
///
/// # Errors
/// When the sheet exceeds `limits`; [`PaintError::TooMuchWork`], [`PaintError::TooManySegments`] or
/// [`PaintError::TooManyEdges`] when it would take too long or too much memory to paint.
pub fn plan(page: &Page, scale: DeviceScale, limits: SurfaceLimits) -> Result<FramePlan, PaintError> {
    let size = DeviceSize::of_page(page.sheet(), scale);
    limits.check(size)?;
    let to_device = Affine::scale(scale.get()) * Affine::translate((page.bleed.x0, page.bleed.y0));
    let mut planner = Planner {
        scale,
        ops: Vec::new(),
        view: Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height)),
        surfaces: vec![size],
        steps: Vec::new(),
        warnings: Vec::new(),
        edges: EdgeBudget::default(),
        refusal: None,
        pixels_left: (limits.megapixels * 1e6 * EFFECT_SURFACES_FACTOR) as u64,
        limits,
    };
    planner.walk(&page.root, to_device);
    let Planner { ops, view, surfaces, mut steps, warnings, edges, refusal, .. } = planner;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let opaque = ops.first().is_some_and(|op| covers(op, view));
    steps.push(Step::Draw { into: SurfaceId(0), ops });
    let plan = FramePlan { surfaces, steps, warnings, opaque };
    work::check(&plan, edges.cost(), limits)?;
    Ok(plan)
}

struct Planner {
    scale: DeviceScale,
    /// Operations on the current surface.
    ops: Vec<Op>,
    /// Area of the current surface, in its own px.
    view: Rect,
    surfaces: Vec<DeviceSize>,
    steps: Vec<Step>,
    warnings: Vec<Warning>,
    edges: EdgeBudget,
    /// The first limit that was exceeded, at which planning ends.
    refusal: Option<PaintError>,
    /// Px that further surfaces for effects may take.
    pixels_left: u64,
    limits: SurfaceLimits,
}

/// A group that is drawn on a separate surface because of its effects, while its children are planned.
struct EffectGroup<'a> {
    group: &'a Group,
    /// Maps the group's space to the px of the outer surface.
    transform: Affine,
    /// Size of the group's surface.
    size: DeviceSize,
    /// Maps the group's space to the px of its surface.
    inner: Affine,
    /// Maps the px of the group's surface to those of the outer surface.
    to_outer: Affine,
    /// Operations and area of the outer surface.
    outer: (Vec<Op>, Rect),
}

/// The pixel grid on which a group with effects is rasterised.
struct PixelGrid {
    /// Maps the group's space to the grid.
    to_grid: Affine,
    /// Maps the grid to the px of the outer surface.
    to_outer: Affine,
    /// Extent of the grid; `None` when it is unbounded.
    extent: Option<Rect>,
}

/// An entry of the planner's stack. The planner does not recurse, because scenes may be nested deeper than its own
/// stack.
enum StackEntry<'a> {
    Node(&'a Node, Affine, Option<&'a Origin>),
    /// Masks the operations since the innermost layer began.
    Mask(&'a Group, Affine, Option<&'a Origin>),
    PopClip,
    PopLayer,
    EndEffects(Box<EffectGroup<'a>>),
}

/// The result of [`Planner::begin_effects`].
enum EffectsStart<'a> {
    Surface(Box<EffectGroup<'a>>),
    /// Nothing of the group is visible on the page.
    Invisible,
    /// The group is drawn without its effects, and a warning was added.
    Skipped,
}

impl Planner {
    fn walk(&mut self, root: &Group, to_device: Affine) {
        let mut stack = Vec::new();
        self.open(root, to_device, None, &mut stack);
        while let Some(next) = stack.pop() {
            if self.refusal.is_some() {
                return;
            }
            match next {
                StackEntry::PopClip => self.ops.push(Op::PopClip),
                StackEntry::PopLayer => self.ops.push(Op::PopLayer),
                StackEntry::Mask(mask, transform, origin) => self.mask(mask, transform, origin, &mut stack),
                StackEntry::EndEffects(effects) => self.end_effects(*effects),
                StackEntry::Node(Node::Group(group), transform, origin) => {
                    self.open(group, transform, origin, &mut stack)
                }
                StackEntry::Node(Node::Path(path), transform, origin) => self.path(path, transform, origin),
                StackEntry::Node(Node::Glyphs(run), transform, origin) => self.glyphs(run, transform, origin),
                StackEntry::Node(Node::Image(image), transform, origin) => self.image(image, transform, origin),
            }
        }
    }

    /// Opens `group` and pushes its children on the stack.
    ///
    /// Only a mask, opacity or blend mode creates a layer. A clip alone does not isolate the children, so that they
    /// blend with the page directly.
    fn open<'a>(
        &mut self,
        group: &'a Group,
        parent: Affine,
        origin: Option<&'a Origin>,
        stack: &mut Vec<StackEntry<'a>>,
    ) {
        let origin = group.origin.as_ref().or(origin);
        if group.opacity.is_zero() || group.children.is_empty() {
            return;
        }
        let transform = parent * group.transform;
        if !transform.is_finite() {
            return self.skip(origin, "its position is not a finite number");
        }
        if group.clip.as_ref().is_some_and(|clip| !is_outline_below(clip, transform, 0.0, MAX_COORDINATE)) {
            return self.skip(origin, "its clip is too large");
        }
        if let Some(clip) = &group.clip
            && let Err(excess) = self.edges.add_area(clip, transform, self.view)
        {
            return self.refuse(origin, excess);
        }
        let mut inner = transform;
        let has_effects =
            group.bitmap.is_some() || group.blur.0 > 0.0 || !group.recolor.is_empty() || group.shadow.is_some();
        if has_effects {
            match self.begin_effects(group, transform, origin) {
                EffectsStart::Surface(effects) => {
                    inner = effects.inner;
                    stack.push(StackEntry::EndEffects(effects));
                }
                EffectsStart::Invisible => return,
                EffectsStart::Skipped => stack.extend(self.push_layer(group, transform)),
            }
        } else {
            stack.extend(self.push_layer(group, transform));
        }
        if let Some(mask) = &group.mask {
            let blend = BlendMode::default();
            self.ops.push(Op::PushLayer { clip: None, transform: inner, opacity: Opacity::OPAQUE, blend });
            stack.extend([StackEntry::PopLayer, StackEntry::Mask(mask, inner, origin)]);
        }
        stack.extend(group.children.iter().rev().map(|child| StackEntry::Node(child, inner, origin)));
    }

    /// Pushes the layer or clip that `group` needs, and returns the entry that ends it.
    fn push_layer<'a>(&mut self, group: &Group, transform: Affine) -> Option<StackEntry<'a>> {
        if group.opacity.get() < 1.0 || group.blend != BlendMode::default() {
            let (clip, opacity, blend) = (group.clip.clone(), group.opacity, group.blend);
            self.ops.push(Op::PushLayer { clip, transform, opacity, blend });
            return Some(StackEntry::PopLayer);
        }
        let outline = group.clip.clone()?;
        self.ops.push(Op::PushClip { outline, transform });
        Some(StackEntry::PopClip)
    }

    /// Starts a surface that is just large enough for the visible part of `group` and its effects.
    fn begin_effects<'a>(&mut self, group: &'a Group, transform: Affine, origin: Option<&Origin>) -> EffectsStart<'a> {
        let Some(content) = group.content_bounds() else { return EffectsStart::Invisible };
        let PixelGrid { to_grid, to_outer, extent } = self.grid(group, transform);
        if to_outer.determinant() == 0.0 {
            return EffectsStart::Invisible;
        }
        let content = to_grid.transform_rect_bbox(content);
        let (blur, sigma) = (f64::from(self.blur_radius(group)), self.shadow_sigma(group));
        let outset = blur + SHADOW_EXTENT_SIGMAS * sigma + 1.0;
        let offset = group.shadow.map_or(Vec2::ZERO, |shadow| shadow.offset * self.scale.get());
        if !(outset.is_finite()
            && is_rect_below(content.inflate(outset, outset), MAX_COORDINATE)
            && offset.hypot() < MAX_COORDINATE)
        {
            self.skip(origin, "its effects extend too far outside of the page");
            return EffectsStart::Skipped;
        }
        // The area that is visible itself or through its shadow.
        let visible = self.view.union(self.view - offset);
        let visible = to_outer.inverse().transform_rect_bbox(visible).inflate(outset, outset);
        let area = content.intersect(visible);
        if area.is_zero_area() {
            return EffectsStart::Invisible;
        }
        let area = area.inflate(outset, outset).expand();
        let area = extent.map_or(area, |extent| area.intersect(extent));
        let size = DeviceSize { width: area.width() as u32, height: area.height() as u32 };
        let passes = [blur > 0.0, !group.recolor.is_empty(), group.shadow.is_some()];
        let passes = 1 + passes.into_iter().map(u64::from).sum::<u64>();
        let pixels_left = size.pixels().checked_mul(passes).and_then(|pixels| self.pixels_left.checked_sub(pixels));
        let Some(pixels_left) = pixels_left.filter(|_| self.limits.check(size).is_ok()) else {
            let message = "its effects and shadow take too many pixels (TENTER_MAX_MEGAPIXELS); drawn without";
            self.warn(origin, WarningCode::ShapeSkipped, message);
            return EffectsStart::Skipped;
        };
        self.pixels_left = pixels_left;
        let view = Rect::from_origin_size((0.0, 0.0), area.size());
        let outer = (std::mem::take(&mut self.ops), std::mem::replace(&mut self.view, view));
        let inner = Affine::translate(-area.origin().to_vec2()) * to_grid;
        let to_outer = to_outer * Affine::translate(area.origin().to_vec2());
        EffectsStart::Surface(Box::new(EffectGroup { group, transform, size, inner, to_outer, outer }))
    }

    /// The pixel grid on which `group` is rasterised: that of the outer surface, or that of its bitmap.
    fn grid(&self, group: &Group, transform: Affine) -> PixelGrid {
        let Some(Bitmap { area, grid }) = group.bitmap else {
            return PixelGrid { to_grid: transform, to_outer: Affine::IDENTITY, extent: None };
        };
        let (scale, origin) = (self.scale.get(), area.origin().to_vec2());
        let size = area.size() * scale;
        let (size, to_px, from_px) = match grid {
            BitmapGrid::Covering => (size, Affine::scale(scale), Affine::scale(1.0 / scale)),
            BitmapGrid::Stretched => {
                let size = Size::new(size.width.floor().max(1.0), size.height.floor().max(1.0));
                let (x, y) = (size.width / area.width(), size.height / area.height());
                (size, Affine::scale_non_uniform(x, y), Affine::scale_non_uniform(1.0 / x, 1.0 / y))
            }
        };
        PixelGrid {
            to_grid: to_px * Affine::translate(-origin),
            to_outer: transform * Affine::translate(origin) * from_px,
            extent: Some(Rect::from_origin_size((0.0, 0.0), size).expand()),
        }
    }

    /// Called after the children: runs the passes, then composites the shadow and the result.
    fn end_effects(&mut self, effects: EffectGroup<'_>) {
        let EffectGroup { group, transform, size, to_outer, outer, .. } = effects;
        let ops = std::mem::replace(&mut self.ops, outer.0);
        self.view = outer.1;
        self.surfaces.push(size);
        let mut content = SurfaceId(self.surfaces.len() - 1);
        self.steps.push(Step::Draw { into: content, ops });
        let radius = self.blur_radius(group);
        if radius > 0 {
            content = self.filter(content, size, Kernel::Blur { radius });
        }
        if !group.recolor.is_empty() {
            content = self.filter(content, size, Kernel::Recolor(group.recolor.as_slice().into()));
        }
        let shadow = group.shadow.map(|shadow| {
            let sigma = self.shadow_sigma(group);
            let offset = shadow.offset * self.scale.get();
            (self.filter(content, size, Kernel::Shadow { sigma, color: shadow.color }), offset)
        });
        let end = self.push_layer(group, transform);
        if let Some((surface, offset)) = shadow {
            self.ops.push(Op::Surface { surface, transform: to_outer.then_translate(offset) });
        }
        self.ops.push(Op::Surface { surface: content, transform: to_outer });
        match end {
            Some(StackEntry::PopClip) => self.ops.push(Op::PopClip),
            Some(StackEntry::PopLayer) => self.ops.push(Op::PopLayer),
            Some(StackEntry::Node(..) | StackEntry::Mask(..) | StackEntry::EndEffects(_)) | None => {}
        }
    }

    fn filter(&mut self, from: SurfaceId, size: DeviceSize, kernel: Kernel) -> SurfaceId {
        self.surfaces.push(size);
        let into = SurfaceId(self.surfaces.len() - 1);
        self.steps.push(Step::Filter { from, into, kernel });
        into
    }

    /// Blur radius of `group` in device px (rendering.md §4.2).
    fn blur_radius(&self, group: &Group) -> u32 {
        self.scale.to_device(group.blur).round().clamp(0.0, f64::from(u16::MAX)) as u32
    }

    /// Standard deviation of the shadow of `group` in device px (rendering.md §5).
    fn shadow_sigma(&self, group: &Group) -> f64 {
        group.shadow.map_or(0.0, |shadow| passes::sigma_of(&shadow, self.scale.get()))
    }

    /// Draws `mask` as a layer of which only the alpha counts. The layer is pushed even when the mask is empty, because
    /// an empty mask hides everything.
    fn mask<'a>(
        &mut self,
        mask: &'a Group,
        transform: Affine,
        origin: Option<&'a Origin>,
        stack: &mut Vec<StackEntry<'a>>,
    ) {
        let blend = BlendMode::new(Mix::Normal, Compose::DestIn);
        self.ops.push(Op::PushLayer { clip: None, transform, opacity: Opacity::OPAQUE, blend });
        stack.push(StackEntry::PopLayer);
        self.open(mask, transform, origin, stack);
    }

    fn path(&mut self, path: &scene::Path, transform: Affine, origin: Option<&Origin>) {
        if path.outline.elements().is_empty() {
            return;
        }
        let outset = path.stroke.as_ref().map_or(0.0, |(_, stroke)| stroke.width);
        if !is_outline_below(&path.outline, transform, outset, MAX_COORDINATE) {
            return match parts_near(path, transform, self.view.inflate(CUT_MARGIN, CUT_MARGIN)) {
                Some(parts) => parts.iter().for_each(|part| self.path(part, Affine::IDENTITY, origin)),
                None => self.skip(origin, "it is too large or its position is not a finite number"),
            };
        }
        if let Some((paint, rule)) = &path.fill {
            if let Err(excess) = self.edges.add_area(&path.outline, transform, self.view) {
                return self.refuse(origin, excess);
            }
            let (outline, rule, paint) = (path.outline.clone(), *rule, canvas_paint(paint));
            self.ops.push(Op::Fill { outline, rule, paint, transform });
        }
        if let Some((paint, stroke)) = &path.stroke
            && stroke.width > 0.0
        {
            let mut stroke = stroke.clone();
            if !dashes_are_bounded(&stroke, &path.outline) {
                self.warn(origin, WarningCode::Ignored, "the dashes are too fine to see; the line is drawn solid");
                stroke.dash_pattern.clear();
            }
            if let Err(excess) = self.edges.add_stroke(&path.outline, &stroke, transform, self.view) {
                return self.refuse(origin, excess);
            }
            let (outline, paint) = (path.outline.clone(), canvas_paint(paint));
            self.ops.push(Op::Stroke { outline, stroke, paint, transform });
        }
    }

    fn glyphs(&mut self, run: &scene::GlyphRun, transform: Affine, origin: Option<&Origin>) {
        let [a, b, c, d, _, _] = transform.as_coeffs();
        let snap = Snap::of(transform);
        let placed = |glyph: &scene::Glyph| {
            let at = transform * (run.origin + glyph.offset);
            PlacedGlyph { id: glyph.id, at: snap.round(at) }
        };
        let glyphs: Vec<_> = run.glyphs.iter().map(placed).collect();
        let em = run.font_size.0 * max_scale(transform);
        let in_range = |glyph: &PlacedGlyph| glyph.at.x.abs() < MAX_COORDINATE && glyph.at.y.abs() < MAX_COORDINATE;
        // NaN fails every comparison, so that it is skipped too.
        if !(em > 0.0 && em < MAX_COORDINATE && glyphs.iter().all(in_range)) {
            if !glyphs.is_empty() && run.font_size.0 != 0.0 {
                self.skip(origin, "its text is too large or its position is not a finite number");
            }
            return;
        }
        let mut paint = canvas_paint(&run.paint);
        paint.transform = transform * paint.transform;
        self.ops.push(Op::Glyphs(Glyphs {
            font: run.font.clone(),
            coords: run.coords.clone(),
            size: run.font_size.0,
            skew: run.skew,
            embolden: run.embolden.0,
            style: run.style.clone(),
            paint,
            linear: Affine::new([a, b, c, d, 0.0, 0.0]),
            snap,
            glyphs,
        }));
    }

    fn image(&mut self, image: &scene::Image, transform: Affine, origin: Option<&Origin>) {
        let (source, dest) = (image.source, image.dest.abs());
        if !(transform.transform_rect_bbox(dest).inflate(1.0, 1.0).is_finite() && source.is_finite()) {
            return self.skip(origin, "its position is not a finite number");
        }
        // An empty source, an empty target or zero opacity draws nothing and needs no warning.
        if dest.is_zero_area() || image.visible().0.is_zero_area() || image.opacity.is_zero() {
            return;
        }
        if !is_rect_below(transform.transform_rect_bbox(dest), MAX_COORDINATE) {
            return self.skip(origin, "it is too large");
        }
        let (picture, passes, opacity) = (image.picture.clone(), image.passes.clone(), image.opacity);
        self.ops.push(Op::Image { picture, source, dest, passes, opacity, transform });
    }

    fn refuse(&mut self, origin: Option<&Origin>, excess: Excess) {
        let at = origin.map(|origin| origin.path.clone()).unwrap_or_default();
        self.refusal.get_or_insert(match excess {
            Excess::Segments(found, limit) => PaintError::TooManySegments { at, found, limit },
            Excess::Tiles(found, limit) => PaintError::TooManyEdges { at, found, limit },
        });
    }

    fn skip(&mut self, origin: Option<&Origin>, reason: &str) {
        self.warn(origin, WarningCode::ShapeSkipped, &format!("left out: {reason}"));
    }

    fn warn(&mut self, origin: Option<&Origin>, code: WarningCode, message: &str) {
        let nowhere = Origin { path: Default::default(), element: "".into() };
        self.warnings.push(origin.unwrap_or(&nowhere).warn(code, message));
    }
}

/// True when `op` alone covers all of `view` with opaque pixels.
fn covers(op: &Op, view: Rect) -> bool {
    let contains = |outer: Rect| outer.union(view) == outer;
    match op {
        Op::Fill { outline, paint, transform, .. } => {
            let opaque = match &paint.brush {
                Brush::Solid(color) => color.components[3] >= 1.0,
                Brush::Gradient(gradient) => gradient.stops.iter().all(|stop| stop.color.components[3] >= 1.0),
                Brush::Image(_) => false,
            };
            let bounds = outline.bounding_box();
            let is_rect = outline.elements().len() <= 6 && outline.area().abs() >= bounds.area();
            opaque && is_rect && is_axis_aligned(*transform) && contains(transform.transform_rect_bbox(bounds))
        }
        Op::Image { picture, source, dest, opacity, transform, .. } => {
            let pixels = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
            let opaque = picture.opaque && *opacity == Opacity::OPAQUE && pixels.union(source.abs()) == pixels;
            opaque && is_axis_aligned(*transform) && contains(transform.transform_rect_bbox(*dest))
        }
        _ => false,
    }
}

/// A copy of `paint` whose gradient interpolates straight sRGB colours, as canvas and SVG do (rendering.md §7).
/// peniko's default interpolates premultiplied colours, as CSS does.
fn canvas_paint(paint: &Paint) -> Paint {
    let mut paint = paint.clone();
    match &mut paint.brush {
        Brush::Solid(_) => {}
        Brush::Gradient(gradient) => {
            gradient.interpolation_cs = ColorSpaceTag::Srgb;
            gradient.interpolation_alpha_space = InterpolationAlphaSpace::Unpremultiplied;
        }
        // The scene guarantees that there are no image brushes: pictures are nodes.
        Brush::Image(_) => paint.brush = Brush::Solid(Color::TRANSPARENT),
    }
    paint
}

/// False when the stroke would have more than [`MAX_DASHES`] dashes, or dashes without length.
fn dashes_are_bounded(stroke: &Stroke, outline: &BezPath) -> bool {
    if stroke.dash_pattern.is_empty() {
        return true;
    }
    let period: f64 = stroke.dash_pattern.iter().sum();
    let positive = stroke.dash_pattern.iter().all(|dash| *dash >= 0.0);
    // The length of the control polygon is an upper bound.
    let length: f64 = outline.segments().map(|segment| segment.to_cubic()).map(polygon_length).sum();
    let dashes = length / period * stroke.dash_pattern.len() as f64;
    positive && stroke.dash_offset.is_finite() && dashes.is_finite() && dashes <= MAX_DASHES
}

fn polygon_length(cubic: kurbo::CubicBez) -> f64 {
    cubic.p0.distance(cubic.p1) + cubic.p1.distance(cubic.p2) + cubic.p2.distance(cubic.p3)
}
