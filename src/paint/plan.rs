//! A page and a scale become a list of drawing steps in device px.
//!
//! Pure: no device, no fonts opened, no pixels. Its text dump (`FramePlan::dump`) is the cheapest test there is.
//! Everything a painter would have to decide again is decided here: size, snapping of text, which groups need a layer.

use std::sync::Arc;

use kurbo::{Affine, BezPath, Point, Rect, Shape as _, Stroke, Vec2};
use peniko::color::ColorSpaceTag;
use peniko::{BlendMode, Brush, Color, Compose, Fill, FontData, InterpolationAlphaSpace, Mix};

use super::cut::parts_near;
use super::{PaintError, Series, SurfaceLimits, work};
use crate::report::{Origin, Warning, WarningCode};
use crate::scene::{self, GlyphStyle, Group, Node, Page, Paint, Pass, Picture};
use crate::units::{DeviceScale, DeviceSize, Opacity};

/// Coordinates beyond this many device px are not drawn: far outside any page, and single precision, which painters
/// use inside, would no longer tell two pixels apart.
const FARTHEST: f64 = 1e7;
/// Areas that reach farther are cut this many px outside of their surface.
const BEYOND: f64 = 64.0;
/// Dashes of one stroke. More would be finer than any pixel; the stroke is then drawn solid.
const MAX_DASHES: f64 = 100_000.0;
/// Sums of line heights that end on half a px but for floating-point noise count as half a px.
const NOISE: f64 = 1e-5;
/// Surfaces for blurs and shadows may take this many times the px of the largest page.
const SURFACES_BUDGET: f64 = 4.0;
/// A shadow fades to nothing this many standard deviations out (rendering.md §5).
const SIGMAS: f64 = 3.0;
/// Chromium rounds sines and cosines of text to 1/1024: less than half of that is none.
const STRAIGHT: f64 = 1.0 / 2048.0;
/// Text stands on quarters of a device px (rendering.md §9.2).
const GLYPH_STEPS: f64 = 4.0;

/// What to draw. Surface 0 is the result; a step reads only surfaces that earlier steps wrote.
#[derive(Clone, Debug)]
pub struct FramePlan {
    /// At least one.
    pub surfaces: Vec<DeviceSize>,
    /// In order.
    pub steps: Vec<Step>,
    /// What could not be drawn as asked.
    pub warnings: Vec<Warning>,
    /// Something opaque covers the result before anything else: its alphas are 255, whatever 8 bits make of them.
    pub opaque: bool,
    /// Pages that may begin like this one, and its place in their design. [`plan`] knows none.
    pub series: Option<(Arc<Series>, usize)>,
}

/// Index into `FramePlan::surfaces`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfaceId(pub usize);

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Step {
    /// Vector work on a surface that is cleared to transparent first.
    Draw {
        /// Where.
        into: SurfaceId,
        /// Pushes and pops are balanced.
        ops: Vec<Op>,
    },
    /// One pixel pass over a whole surface; `from` and `into` have the same size.
    Filter {
        /// What is read.
        from: SurfaceId,
        /// What is written.
        into: SurfaceId,
        /// How.
        kernel: Kernel,
    },
}

/// A pixel pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// Stack blur of this radius in device px; outside is transparent.
    Blur {
        /// At least 1.
        radius: u32,
    },
    /// Changes of colour, in order, in one go: premultiplied to straight and back once.
    Recolor(Arc<[Pass]>),
    /// The alpha of the source, blurred and tinted.
    Shadow {
        /// Standard deviation in device px; 0 for a hard shadow.
        sigma: f64,
        /// Straight; its alpha multiplies with the source's.
        color: Color,
    },
}

/// One drawing operation. `transform` always leads to device px.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Limits what follows, nonzero, without isolating it.
    PushClip {
        /// In the space that `transform` starts from.
        outline: BezPath,
        /// To device px.
        transform: Affine,
    },
    /// Ends the latest clip.
    PopClip,
    /// What follows is flattened, then composited.
    PushLayer {
        /// In the space that `transform` starts from; nonzero.
        clip: Option<BezPath>,
        /// To device px.
        transform: Affine,
        /// Of the flattened layer.
        opacity: Opacity,
        /// How it meets what is below.
        blend: BlendMode,
    },
    /// Ends the latest layer.
    PopLayer,
    /// Fills an outline.
    Fill {
        /// In the space that `transform` starts from.
        outline: BezPath,
        /// Inside, by this rule.
        rule: Fill,
        /// Its transform leads from brush space to the outline's space.
        paint: Paint,
        /// To device px.
        transform: Affine,
    },
    /// Strokes an outline.
    Stroke {
        /// In the space that `transform` starts from.
        outline: BezPath,
        /// Width and dashes in the same space.
        stroke: Stroke,
        /// Its transform leads from brush space to the outline's space.
        paint: Paint,
        /// To device px.
        transform: Affine,
    },
    /// Draws glyphs of one face.
    Glyphs(Glyphs),
    /// Draws a part of a picture, stretched to `dest`.
    Image {
        /// The pixels.
        picture: Arc<Picture>,
        /// In picture px, mirrored and beyond the picture as in [`scene::Image::source`].
        source: Rect,
        /// In the space that `transform` starts from.
        dest: Rect,
        /// Applied to the whole picture first, in order.
        passes: Vec<Pass>,
        /// Of the picture.
        opacity: Opacity,
        /// To device px.
        transform: Affine,
    },
    /// Composites a surface that an earlier step wrote.
    Surface {
        /// Which.
        surface: SurfaceId,
        /// From its px to those of the surface drawn on; copied when that moves it by whole px, else sampled.
        transform: Affine,
    },
}

/// Glyphs of one face, each at its final place.
#[derive(Clone, Debug, PartialEq)]
pub struct Glyphs {
    /// The face.
    pub font: FontData,
    /// Normalised variation coordinates, empty for a static face.
    pub coords: Arc<[i16]>,
    /// Em size before `linear`.
    pub size: f64,
    /// Synthetic slant: horizontal shift for each unit up.
    pub skew: f64,
    /// Outlines grow by this much on every side, before `linear`.
    pub embolden: f64,
    /// Fill or outline.
    pub style: GlyphStyle,
    /// Its transform leads from brush space to device px.
    pub paint: Paint,
    /// From the run's space to device px, without translation.
    pub linear: Affine,
    /// What positions were put on.
    pub snap: Snap,
    /// In visual order.
    pub glyphs: Vec<PlacedGlyph>,
}

/// The grid that glyphs stand on. Chromium makes every glyph a bitmap for a place on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snap {
    /// Whole rows and quarter columns: text that stands upright or on its head.
    Rows,
    /// Whole columns and quarter rows: text that runs up or down.
    Columns,
    /// Quarters of both: text at any other angle.
    Quarters,
}

impl Snap {
    /// For text that `transform` leads to device px.
    fn of(transform: Affine) -> Self {
        let [a, b, c, d, ..] = transform.as_coeffs();
        let none = |x: f64| x.abs() < STRAIGHT * a.hypot(b).max(c.hypot(d));
        match (none(b) && none(c), none(a) && none(d)) {
            (true, _) => Self::Rows,
            (false, true) => Self::Columns,
            (false, false) => Self::Quarters,
        }
    }

    /// The place on the grid that is nearest to `at`, half up (rendering.md §9.2).
    fn place(self, at: Point) -> Point {
        let quarter = |it: f64| (it * GLYPH_STEPS + 0.5 + NOISE).floor() / GLYPH_STEPS;
        let whole = |it: f64| (it + 0.5 + NOISE).floor();
        match self {
            Self::Rows => Point::new(quarter(at.x), whole(at.y)),
            Self::Columns => Point::new(whole(at.x), quarter(at.y)),
            Self::Quarters => Point::new(quarter(at.x), quarter(at.y)),
        }
    }
}

/// One glyph at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedGlyph {
    /// Index in the face.
    pub id: u32,
    /// Its origin on the baseline, in device px.
    pub at: Point,
}

/// Plans `page` at `scale`. Fails only when the sheet breaks `limits` or would take too long to paint.
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
        pixels_left: (limits.megapixels * 1e6 * SURFACES_BUDGET) as u64,
        limits,
    };
    planner.walk(&page.root, to_device);
    let Planner { ops, view, surfaces, mut steps, warnings, .. } = planner;
    let opaque = ops.first().is_some_and(|op| covers(op, view));
    steps.push(Step::Draw { into: SurfaceId(0), ops });
    let plan = FramePlan { surfaces, steps, warnings, opaque, series: None };
    work::check(&plan, limits)?;
    Ok(plan)
}

struct Planner {
    scale: DeviceScale,
    /// Of the surface that is being drawn on.
    ops: Vec<Op>,
    /// That surface, in its own px.
    view: Rect,
    surfaces: Vec<DeviceSize>,
    steps: Vec<Step>,
    warnings: Vec<Warning>,
    /// What surfaces for effects may still take.
    pixels_left: u64,
    limits: SurfaceLimits,
}

/// A group whose effects need a surface of its own, while its children are drawn on that.
struct Effects<'a> {
    group: &'a Group,
    /// From the group's space to the px of the surface around it.
    transform: Affine,
    /// Of what is drawn on.
    size: DeviceSize,
    /// From the group's space to the px of what is drawn on.
    inner: Affine,
    /// From the px of what is drawn on to those of the surface around it.
    place: Affine,
    /// The surface around it, with what was drawn there so far.
    outer: (Vec<Op>, Rect),
}

/// The px in which a group with effects is flattened.
struct Grid {
    /// From the group's space.
    to_grid: Affine,
    /// To the px of the surface around the group.
    to_outer: Affine,
    /// All there is of the grid; `None` where it has no end.
    whole: Option<Rect>,
}

/// What is left to do, latest first. A list instead of recursion: scenes may be nested deeper than a stack is.
enum Work<'a> {
    Node(&'a Node, Affine, Option<&'a Origin>),
    /// What was drawn since the latest layer stays only where this is.
    Mask(&'a Group, Affine, Option<&'a Origin>),
    PopClip,
    PopLayer,
    EndEffects(Box<Effects<'a>>),
}

/// What came of asking for a surface.
enum Begun<'a> {
    Surface(Box<Effects<'a>>),
    /// Nothing of the group is on the page.
    Unseen,
    /// The group is drawn without its effects; the caller was told.
    Refused,
}

impl Planner {
    fn walk(&mut self, root: &Group, to_device: Affine) {
        let mut work = Vec::new();
        self.open(root, to_device, None, &mut work);
        while let Some(next) = work.pop() {
            match next {
                Work::PopClip => self.ops.push(Op::PopClip),
                Work::PopLayer => self.ops.push(Op::PopLayer),
                Work::Mask(mask, transform, origin) => self.mask(mask, transform, origin, &mut work),
                Work::EndEffects(effects) => self.end_effects(*effects),
                Work::Node(Node::Group(group), transform, origin) => self.open(group, transform, origin, &mut work),
                Work::Node(Node::Path(path), transform, origin) => self.path(path, transform, origin),
                Work::Node(Node::Glyphs(run), transform, origin) => self.glyphs(run, transform, origin),
                Work::Node(Node::Image(image), transform, origin) => self.image(image, transform, origin),
            }
        }
    }

    /// Opens `group` and queues its children. A layer only where mask, opacity or blend need one: a clip alone does not
    /// isolate, so that blending and translucent edges inside meet the page directly.
    fn open<'a>(&mut self, group: &'a Group, parent: Affine, origin: Option<&'a Origin>, work: &mut Vec<Work<'a>>) {
        let origin = group.origin.as_ref().or(origin);
        if group.opacity.is_zero() || group.children.is_empty() {
            return;
        }
        let transform = parent * group.transform;
        if !transform.is_finite() {
            return self.skip(origin, "its position is not a finite number");
        }
        if group.clip.as_ref().is_some_and(|clip| !reachable(clip, transform, 0.0)) {
            return self.skip(origin, "its clip is too large");
        }
        let mut inner = transform;
        let apart = group.bitmap.is_some() || group.blur.0 > 0.0 || !group.recolor.is_empty() || group.shadow.is_some();
        if apart {
            match self.begin_effects(group, transform, origin) {
                Begun::Surface(effects) => {
                    inner = effects.inner;
                    work.push(Work::EndEffects(effects));
                }
                Begun::Unseen => return,
                Begun::Refused => work.extend(self.push_layer(group, transform)),
            }
        } else {
            work.extend(self.push_layer(group, transform));
        }
        if let Some(mask) = &group.mask {
            let blend = BlendMode::default();
            self.ops.push(Op::PushLayer { clip: None, transform: inner, opacity: Opacity::OPAQUE, blend });
            work.extend([Work::PopLayer, Work::Mask(mask, inner, origin)]);
        }
        work.extend(group.children.iter().rev().map(|child| Work::Node(child, inner, origin)));
    }

    /// Pushes what clip, opacity and blend of `group` ask for; returns what ends it.
    fn push_layer<'a>(&mut self, group: &Group, transform: Affine) -> Option<Work<'a>> {
        if group.opacity.get() < 1.0 || group.blend != BlendMode::default() {
            let (clip, opacity, blend) = (group.clip.clone(), group.opacity, group.blend);
            self.ops.push(Op::PushLayer { clip, transform, opacity, blend });
            return Some(Work::PopLayer);
        }
        let outline = group.clip.clone()?;
        self.ops.push(Op::PushClip { outline, transform });
        Some(Work::PopClip)
    }

    /// Starts a surface just large enough for what can be seen of `group` and its effects.
    fn begin_effects<'a>(&mut self, group: &'a Group, transform: Affine, origin: Option<&Origin>) -> Begun<'a> {
        let Some(content) = group.content_bounds() else { return Begun::Unseen };
        let Grid { to_grid, to_outer, whole } = self.grid(group, transform);
        if to_outer.determinant() == 0.0 {
            return Begun::Unseen;
        }
        let content = to_grid.transform_rect_bbox(content);
        let (blur, sigma) = (f64::from(self.blur_radius(group)), self.shadow_sigma(group));
        let reach = blur + SIGMAS * sigma + 1.0;
        let offset = group.shadow.map_or(Vec2::ZERO, |shadow| shadow.offset * self.scale.get());
        if !(reach.is_finite() && near(content.inflate(reach, reach)) && offset.hypot() < FARTHEST) {
            self.skip(origin, "its effects reach too far");
            return Begun::Refused;
        }
        // What is seen itself, or through its shadow.
        let seen = self.view.union(self.view - offset);
        let seen = to_outer.inverse().transform_rect_bbox(seen).inflate(reach, reach);
        let area = content.intersect(seen);
        if area.is_zero_area() {
            return Begun::Unseen;
        }
        let area = area.inflate(reach, reach).expand();
        let area = whole.map_or(area, |whole| area.intersect(whole));
        let size = DeviceSize { width: area.width() as u32, height: area.height() as u32 };
        let passes = [blur > 0.0, !group.recolor.is_empty(), group.shadow.is_some()];
        let passes = 1 + passes.into_iter().map(u64::from).sum::<u64>();
        let within = size.pixels().checked_mul(passes).and_then(|pixels| self.pixels_left.checked_sub(pixels));
        let Some(left) = within.filter(|_| self.limits.check(size).is_ok()) else {
            let message = "its effects and shadow take too many pixels (TENTER_MAX_MEGAPIXELS); drawn without";
            self.warn(origin, WarningCode::ShapeSkipped, message);
            return Begun::Refused;
        };
        self.pixels_left = left;
        let view = Rect::from_origin_size((0.0, 0.0), area.size());
        let outer = (std::mem::take(&mut self.ops), std::mem::replace(&mut self.view, view));
        let inner = Affine::translate(-area.origin().to_vec2()) * to_grid;
        let place = to_outer * Affine::translate(area.origin().to_vec2());
        Begun::Surface(Box::new(Effects { group, transform, size, inner, place, outer }))
    }

    /// The px in which `group` is flattened: those of the surface around it, or of its own bitmap.
    fn grid(&self, group: &Group, transform: Affine) -> Grid {
        let Some(area) = group.bitmap else {
            return Grid { to_grid: transform, to_outer: Affine::IDENTITY, whole: None };
        };
        let (scale, origin) = (self.scale.get(), area.origin().to_vec2());
        Grid {
            to_grid: Affine::scale(scale) * Affine::translate(-origin),
            to_outer: transform * Affine::translate(origin) * Affine::scale(1.0 / scale),
            whole: Some(Rect::from_origin_size((0.0, 0.0), area.size() * scale).expand()),
        }
    }

    /// The children are drawn: runs the passes and composites their outcome, the shadow first.
    fn end_effects(&mut self, effects: Effects<'_>) {
        let Effects { group, transform, size, place, outer, .. } = effects;
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
            self.ops.push(Op::Surface { surface, transform: place.then_translate(offset) });
        }
        self.ops.push(Op::Surface { surface: content, transform: place });
        match end {
            Some(Work::PopClip) => self.ops.push(Op::PopClip),
            Some(Work::PopLayer) => self.ops.push(Op::PopLayer),
            Some(Work::Node(..) | Work::Mask(..) | Work::EndEffects(_)) | None => {}
        }
    }

    fn filter(&mut self, from: SurfaceId, size: DeviceSize, kernel: Kernel) -> SurfaceId {
        self.surfaces.push(size);
        let into = SurfaceId(self.surfaces.len() - 1);
        self.steps.push(Step::Filter { from, into, kernel });
        into
    }

    /// In device px (rendering.md §4.2).
    fn blur_radius(&self, group: &Group) -> u32 {
        self.scale.to_device(group.blur).round().clamp(0.0, f64::from(u16::MAX)) as u32
    }

    /// In device px (rendering.md §5).
    fn shadow_sigma(&self, group: &Group) -> f64 {
        group.shadow.map_or(0.0, |shadow| self.scale.to_device(shadow.sigma).max(0.0))
    }

    /// A layer of its own, of which only the alpha counts. It is pushed even when nothing is in it: then nothing of
    /// what it masks stays.
    fn mask<'a>(&mut self, mask: &'a Group, transform: Affine, origin: Option<&'a Origin>, work: &mut Vec<Work<'a>>) {
        let blend = BlendMode::new(Mix::Normal, Compose::DestIn);
        self.ops.push(Op::PushLayer { clip: None, transform, opacity: Opacity::OPAQUE, blend });
        work.push(Work::PopLayer);
        self.open(mask, transform, origin, work);
    }

    fn path(&mut self, path: &scene::Path, transform: Affine, origin: Option<&Origin>) {
        if path.outline.elements().is_empty() {
            return;
        }
        let reach = path.stroke.as_ref().map_or(0.0, |(_, stroke)| stroke.width);
        if !reachable(&path.outline, transform, reach) {
            return match parts_near(path, transform, self.view.inflate(BEYOND, BEYOND)) {
                Some(parts) => parts.iter().for_each(|part| self.path(part, Affine::IDENTITY, origin)),
                None => self.skip(origin, "it is too large or its position is not a finite number"),
            };
        }
        if let Some((paint, rule)) = &path.fill {
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
            let (outline, paint) = (path.outline.clone(), canvas_paint(paint));
            self.ops.push(Op::Stroke { outline, stroke, paint, transform });
        }
    }

    fn glyphs(&mut self, run: &scene::GlyphRun, transform: Affine, origin: Option<&Origin>) {
        let [a, b, c, d, _, _] = transform.as_coeffs();
        let snap = Snap::of(transform);
        let place = |glyph: &scene::Glyph| {
            let at = transform * (run.origin + glyph.offset);
            PlacedGlyph { id: glyph.id, at: snap.place(at) }
        };
        let glyphs: Vec<_> = run.glyphs.iter().map(place).collect();
        let em = run.font_size.0 * a.hypot(b).max(c.hypot(d));
        let near = |glyph: &PlacedGlyph| glyph.at.x.abs() < FARTHEST && glyph.at.y.abs() < FARTHEST;
        // NaN fails every comparison, so this also refuses what is not a number.
        if !(em > 0.0 && em < FARTHEST && glyphs.iter().all(near)) {
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
        // Nothing of the picture, or nowhere to show it: nothing to draw, and nothing to tell.
        if dest.is_zero_area() || image.visible().0.is_zero_area() || image.opacity.is_zero() {
            return;
        }
        if !near(transform.transform_rect_bbox(dest)) {
            return self.skip(origin, "it is too large");
        }
        let (picture, passes, opacity) = (image.picture.clone(), image.passes.clone(), image.opacity);
        self.ops.push(Op::Image { picture, source, dest, passes, opacity, transform });
    }

    fn skip(&mut self, origin: Option<&Origin>, why: &str) {
        self.warn(origin, WarningCode::ShapeSkipped, &format!("left out: {why}"));
    }

    fn warn(&mut self, origin: Option<&Origin>, code: WarningCode, message: &str) {
        let nowhere = Origin { path: Default::default(), element: "".into() };
        self.warnings.push(origin.unwrap_or(&nowhere).warn(code, message));
    }
}

/// True when `op` alone leaves nothing of `view` translucent.
fn covers(op: &Op, view: Rect) -> bool {
    let contains = |outer: Rect| outer.union(view) == outer;
    let upright = |transform: &Affine| transform.as_coeffs()[1] == 0.0 && transform.as_coeffs()[2] == 0.0;
    match op {
        Op::Fill { outline, paint, transform, .. } => {
            let opaque = match &paint.brush {
                Brush::Solid(color) => color.components[3] >= 1.0,
                Brush::Gradient(gradient) => gradient.stops.iter().all(|stop| stop.color.components[3] >= 1.0),
                Brush::Image(_) => false,
            };
            let bounds = outline.bounding_box();
            let is_rect = outline.elements().len() <= 6 && outline.area().abs() >= bounds.area();
            opaque && is_rect && upright(transform) && contains(transform.transform_rect_bbox(bounds))
        }
        Op::Image { picture, source, dest, opacity, transform, .. } => {
            let pixels = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
            let opaque = picture.opaque && *opacity == Opacity::OPAQUE && pixels.union(source.abs()) == pixels;
            opaque && upright(transform) && contains(transform.transform_rect_bbox(*dest))
        }
        _ => false,
    }
}

/// Every gradient we draw means a canvas or an SVG one: straight colours, mixed as sRGB numbers (rendering.md §7).
/// peniko's default is CSS, which mixes premultiplied ones.
fn canvas_paint(paint: &Paint) -> Paint {
    let mut paint = paint.clone();
    match &mut paint.brush {
        Brush::Solid(_) => {}
        Brush::Gradient(gradient) => {
            gradient.interpolation_cs = ColorSpaceTag::Srgb;
            gradient.interpolation_alpha_space = InterpolationAlphaSpace::Unpremultiplied;
        }
        // The scene promises that this does not happen: pictures are nodes of their own.
        Brush::Image(_) => paint.brush = Brush::Solid(Color::TRANSPARENT),
    }
    paint
}

/// True when `outline`, grown by `reach`, stays where painters can count.
fn reachable(outline: &BezPath, transform: Affine, reach: f64) -> bool {
    let bounds = outline.control_box().inflate(reach, reach);
    // The box alone would not tell: it passes over points that are not numbers.
    outline.is_finite() && transform.is_finite() && near(transform.transform_rect_bbox(bounds))
}

fn near(device: Rect) -> bool {
    [device.x0, device.y0, device.x1, device.y1].iter().all(|side| side.abs() < FARTHEST)
}

/// False when the dashes would be too many to make, or make no progress at all.
fn dashes_are_bounded(stroke: &Stroke, outline: &BezPath) -> bool {
    if stroke.dash_pattern.is_empty() {
        return true;
    }
    let period: f64 = stroke.dash_pattern.iter().sum();
    let positive = stroke.dash_pattern.iter().all(|dash| *dash >= 0.0);
    // A rough length, rather too long: the control polygon.
    let length: f64 = outline.segments().map(|segment| segment.to_cubic()).map(polygon_length).sum();
    let dashes = length / period * stroke.dash_pattern.len() as f64;
    positive && stroke.dash_offset.is_finite() && dashes.is_finite() && dashes <= MAX_DASHES
}

fn polygon_length(cubic: kurbo::CubicBez) -> f64 {
    cubic.p0.distance(cubic.p1) + cubic.p1.distance(cubic.p2) + cubic.p2.distance(cubic.p3)
}
