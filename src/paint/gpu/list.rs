//! One surface's operations as areas, clips, layers and pictures in device px, each with its box.
//!
//! Made once on the CPU pool; encoded for the whole surface, or for each tile of it. Layers get the box of what is in
//! them: what lies outside costs a GPU memory that it does not have (see [`super::guards`]).

use std::cell::RefCell;
use std::sync::Arc;

use kurbo::{Affine, BezPath, Point, Rect, Shape};
use peniko::{BlendMode, Blob, Brush, Compose, Fill};

use super::guards::Refusal;
use crate::paint::PaintError;
use crate::paint::color_layers::ColorLayers;
use crate::paint::cut::cut;
use crate::paint::ops::{Ops, Placement, Target};
use crate::paint::ops_cpu::{Canvas, Sources};
use crate::paint::photo::{Photos, Placed, Reduction};
use crate::paint::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use crate::paint::surfaces::Surfaces;
use crate::scene::{Pass, Picture};
use crate::units::{DeviceSize, Opacity};

/// How far, in em, the layers of a colour glyph may reach from its origin; fonts in use stay within one.
const GLYPH_REACH: f64 = 2.0;

thread_local! {
    /// Faces that this thread has opened.
    static OPS: RefCell<Ops> = RefCell::new(Ops::default());
    /// For coloured glyphs.
    static CANVAS: RefCell<Option<Canvas>> = const { RefCell::new(None) };
}

/// One command. Boxes are in device px. Upright pictures and surfaces are shown only within theirs.
#[derive(Debug)]
pub(super) enum Command {
    /// Fills polygons.
    Fill { path: BezPath, bounds: Rect, rule: Fill, brush: Brush, to_device: Affine },
    /// Limits what follows up to its [`Command::Pop`].
    PushClip { path: BezPath, bounds: Rect },
    /// What follows up to its [`Command::Pop`] is flattened first.
    PushLayer { clip: Option<BezPath>, bounds: Rect, opacity: Opacity, blend: BlendMode },
    /// Ends the latest clip or layer.
    Pop,
    /// A picture of the scene, prepared for the tile that shows it.
    Photo(Photo),
    /// Pixels made here, copied to whole px.
    Pixels { pixels: Blob<u8>, width: u32, height: u32, at: Point, bounds: Rect },
    /// A surface drawn before.
    Surface { surface: SurfaceId, place: Placement, bounds: Rect },
}

/// A [`Placed`] that owns its picture.
#[derive(Debug)]
pub(super) struct Photo {
    pub(super) picture: Picture,
    pub(super) passes: Vec<Pass>,
    pub(super) source: Rect,
    pub(super) dest: Rect,
    pub(super) transform: Affine,
    pub(super) reduction: Reduction,
    pub(super) opacity: Opacity,
    pub(super) bounds: Rect,
}

impl Photo {
    /// As seen from a tile whose top-left corner is at `origin`.
    pub(super) fn placed(&self, origin: Point) -> Placed<'_> {
        Placed {
            picture: &self.picture,
            passes: &self.passes,
            source: self.source,
            dest: self.dest,
            transform: Affine::translate(-origin.to_vec2()) * self.transform,
            reduction: self.reduction,
        }
    }
}

/// Why there is no list.
pub(super) enum NoList {
    /// The CPU can do it.
    Refused(Refusal),
    /// Nobody can.
    Failed(PaintError),
}

/// Takes `ops` on a surface of `size` apart. `surfaces`: sizes of all surfaces of the plan. `unguarded`: see
/// [`super::scene::Encoder`].
pub(super) fn record(
    ops: &[Op],
    size: DeviceSize,
    surfaces: &[DeviceSize],
    photos: &Photos,
    unguarded: bool,
    abandoned: &dyn Fn() -> bool,
) -> Result<Vec<Command>, NoList> {
    let mut list =
        Recorder { commands: Vec::with_capacity(ops.len()), refusal: None, open: Vec::new(), size, surfaces, photos };
    OPS.with(|tools| {
        // Absent while in use, so that a panic cannot leave broken ones behind.
        let mut own = tools.take();
        for op in ops {
            if abandoned() {
                return Err(PaintError::Abandoned);
            }
            own.draw(op, &mut list)?;
        }
        tools.replace(own);
        Ok(())
    })
    .map_err(NoList::Failed)?;
    if let Some(refusal) = list.refusal.filter(|_| !unguarded) {
        return Err(NoList::Refused(refusal));
    }
    let mut commands = list.commands;
    bound_layers(&mut commands, Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height)));
    Ok(commands)
}

struct Recorder<'a> {
    commands: Vec<Command>,
    refusal: Option<Refusal>,
    open: Vec<Open>,
    size: DeviceSize,
    surfaces: &'a [DeviceSize],
    photos: &'a Photos,
}

/// A clip or layer that is open.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Open {
    /// Flattened first; what is clipped around it stays clipped.
    Layer,
    /// A clip of so many commands.
    Clip(usize),
    /// An upright clip, no command at all: what is drawn inside is cut. So does vello_cpu with rectangles, whose edges
    /// then count once, not squared where a picture ends with its clip.
    Box(Rect),
}

impl Recorder<'_> {
    /// The upright clip that what is drawn now has to be cut with.
    fn cut(&self) -> Option<Rect> {
        let innermost = self.open.iter().rev().find(|it| **it != Open::Layer);
        innermost.and_then(|it| if let Open::Box(rect) = it { Some(*rect) } else { None })
    }

    fn fill(&mut self, path: BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        if path.elements().is_empty() {
            return;
        }
        let bounds = path.control_box();
        let fill = |path: BezPath, bounds| Command::Fill { path, bounds, rule, brush: brush.clone(), to_device };
        match self.cut().filter(|cut| cut.union(bounds) != *cut) {
            None => self.commands.push(fill(path, bounds)),
            Some(clip) if clip == clip.round() => {
                self.commands.push(fill(cut(&path, clip), bounds.intersect(clip)));
            }
            // Edges on parts of a px multiply, as in vello_cpu.
            Some(clip) => self.clipped(clip, fill(path, bounds)),
        }
    }

    /// `command` inside of a clip of its own.
    fn clipped(&mut self, clip: Rect, command: Command) {
        self.commands.extend([Command::PushClip { path: clip.to_path(0.1), bounds: clip }, command, Command::Pop]);
    }

    /// A clip of another shape. The upright one around it, if there is one, goes with it.
    fn clip(&mut self, path: BezPath) {
        let around = self.cut();
        let around = around.map(|clip| Command::PushClip { path: clip.to_path(0.1), bounds: clip });
        self.open.push(Open::Clip(1 + usize::from(around.is_some())));
        self.commands.extend(around);
        let bounds = path.control_box();
        self.commands.push(Command::PushClip { path, bounds });
    }
}

impl Target for Recorder<'_> {
    fn fill(&mut self, polygons: &BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        Recorder::fill(self, polygons.clone(), rule, brush, to_device);
    }

    fn fill_rect(&mut self, rect: Rect, transform: Affine, brush: &Brush, to_rect: Affine) {
        let path = match self.cut().filter(|_| is_upright(transform)) {
            Some(cut) => {
                let rect = transform.transform_rect_bbox(rect).intersect(cut);
                if rect.is_zero_area() { BezPath::new() } else { rect.to_path(0.1) }
            }
            None => transform * rect.to_path(0.1),
        };
        Recorder::fill(self, path, Fill::NonZero, brush, transform * to_rect);
    }

    fn push_clip(&mut self, polygons: &BezPath) {
        self.clip(polygons.clone());
    }

    fn push_clip_rect(&mut self, rect: Rect, transform: Affine) {
        let in_shape = matches!(self.open.iter().rev().find(|it| **it != Open::Layer), Some(Open::Clip(_)));
        if in_shape || !is_upright(transform) {
            return self.clip(transform * rect.to_path(0.1));
        }
        let rect = transform.transform_rect_bbox(rect);
        self.open.push(Open::Box(self.cut().map_or(rect, |around| around.intersect(rect))));
    }

    fn pop_clip(&mut self) {
        let commands = match self.open.pop() {
            Some(Open::Clip(commands)) => commands,
            Some(Open::Layer) => 1,
            Some(Open::Box(_)) | None => 0,
        };
        self.commands.extend((0..commands).map(|_| Command::Pop));
    }

    fn push_layer(&mut self, clip: Option<&BezPath>, opacity: Opacity, blend: BlendMode) {
        // vello isolates what a clip holds, so that a blend inside would not see the page (its issue 1198); and a
        // destructive blend is right only where its layer covers all of what it may destroy.
        let in_clip = self.open.iter().rev().take_while(|it| **it != Open::Layer).any(|it| matches!(it, Open::Clip(_)));
        if (blend != BlendMode::default() && in_clip) || (destroys(blend) && clip.is_some()) {
            self.refusal.get_or_insert(Refusal::Blend);
        }
        self.open.push(Open::Layer);
        let bounds = clip.map_or(Rect::ZERO, Shape::bounding_box);
        self.commands.push(Command::PushLayer { clip: clip.cloned(), bounds, opacity, blend });
    }

    fn pop_layer(&mut self) {
        self.pop_clip();
    }

    fn picture(&mut self, placed: &Placed<'_>, opacity: Opacity) {
        let Placed { picture, passes, source, dest, transform, reduction } = *placed;
        let bounds = placed.bounds();
        let cut = self.cut().filter(|cut| cut.union(bounds) != *cut);
        let (picture, passes) = (picture.clone(), passes.to_vec());
        let photo =
            |bounds| Command::Photo(Photo { picture, passes, source, dest, transform, reduction, opacity, bounds });
        match cut {
            Some(cut) if is_upright(transform) => self.commands.push(photo(bounds.intersect(cut))),
            Some(cut) => self.clipped(cut, photo(bounds)),
            None => self.commands.push(photo(bounds)),
        }
    }

    /// Painted by the CPU on a surface of its own: the same pixels as there, and no layers for the GPU.
    fn color_glyph(
        &mut self,
        run: &Glyphs,
        glyph: PlacedGlyph,
        _layers: &ColorLayers,
        _to_device: Affine,
    ) -> Result<(), PaintError> {
        let [a, b, c, d, ..] = run.linear.as_coeffs();
        let reach = run.size * a.hypot(b).max(c.hypot(d)) * GLYPH_REACH;
        let surface = Rect::new(0.0, 0.0, f64::from(self.size.width), f64::from(self.size.height));
        let area = Rect::from_center_size(glyph.at, (2.0 * reach, 2.0 * reach)).expand().intersect(surface);
        if area.is_zero_area() {
            return Ok(());
        }
        let mut paint = run.paint.clone();
        paint.transform = Affine::translate(-area.origin().to_vec2()) * paint.transform;
        let alone = PlacedGlyph { at: glyph.at - area.origin().to_vec2(), ..glyph };
        let op = Op::Glyphs(Glyphs { glyphs: vec![alone], paint, ..run.clone() });
        let size = DeviceSize { width: area.width() as u32, height: area.height() as u32 };
        let (photos, surfaces) = (self.photos, Surfaces::new());
        let mut canvas = CANVAS.with(RefCell::take).unwrap_or_else(Canvas::new);
        let raster = canvas.draw(size, &[op], Sources { photos, surfaces: &surfaces }, &|| false)?;
        canvas.end();
        CANVAS.with(|keep| keep.replace(Some(canvas)));
        let (width, height, at) = (size.width, size.height, area.origin());
        let pixels = Blob::new(Arc::new(raster.into_pixels()));
        let bounds = self.cut().map_or(area, |cut| area.intersect(cut));
        self.commands.push(Command::Pixels { pixels, width, height, at, bounds });
        Ok(())
    }

    fn surface(&mut self, surface: SurfaceId, place: Placement) -> Result<(), PaintError> {
        let size = self.surfaces.get(surface.0);
        let size = size.ok_or_else(|| PaintError::Internal("a surface that the plan does not have".into()))?;
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let bounds = match place {
            Placement::Copied(at) => Rect::from_origin_size(at, (width, height)),
            Placement::Moved(at) => Placement::covered(at, width, height),
            Placement::Turned(transform) => transform.transform_rect_bbox(Rect::new(0.0, 0.0, width, height)),
        };
        let bounds = self.cut().map_or(bounds, |cut| bounds.intersect(cut));
        self.commands.push(Command::Surface { surface, place, bounds });
        Ok(())
    }
}

/// Neither turned nor skewed.
fn is_upright(transform: Affine) -> bool {
    let [_, b, c, ..] = transform.as_coeffs();
    b == 0.0 && c == 0.0
}

/// Nothing drawn in such a layer erases what is below.
fn destroys(blend: BlendMode) -> bool {
    match blend.compose {
        Compose::Clear | Compose::Copy | Compose::SrcIn | Compose::DestIn | Compose::SrcOut | Compose::DestAtop => true,
        Compose::Dest
        | Compose::SrcOver
        | Compose::DestOver
        | Compose::DestOut
        | Compose::SrcAtop
        | Compose::Xor
        | Compose::Plus
        | Compose::PlusLighter => false,
    }
}

/// Gives every clip and layer the box of what is drawn inside, within its own outline. A layer that destroys covers
/// all of what is around it.
fn bound_layers(commands: &mut [Command], surface: Rect) {
    let whole = |rect: Rect| rect.expand();
    let mut open: Vec<(usize, Option<Rect>)> = vec![(usize::MAX, None)];
    for at in 0..commands.len() {
        let drawn = match &commands[at] {
            Command::Fill { bounds, .. } | Command::Pixels { bounds, .. } | Command::Surface { bounds, .. } => {
                Some(*bounds)
            }
            Command::Photo(photo) => Some(photo.bounds),
            Command::PushClip { .. } | Command::PushLayer { .. } => {
                open.push((at, None));
                continue;
            }
            Command::Pop => {
                let Some((start, content)) = open.pop().filter(|(start, _)| *start != usize::MAX) else { continue };
                let mut content = content.unwrap_or(Rect::ZERO);
                match &mut commands[start] {
                    Command::PushClip { bounds, .. } => {
                        *bounds = whole(bounds.intersect(content));
                        content = *bounds;
                    }
                    Command::PushLayer { clip, bounds, blend, .. } => {
                        *bounds = whole(if clip.is_some() { bounds.intersect(content) } else { content });
                        content = if destroys(*blend) { Rect::ZERO } else { *bounds };
                    }
                    _ => {}
                }
                Some(content)
            }
        };
        if let (Some(drawn), Some((_, around))) = (drawn, open.last_mut())
            && drawn.area() > 0.0
        {
            *around = Some(around.map_or(drawn, |it| it.union(drawn)));
        }
    }
    let mut around = vec![surface];
    for command in commands {
        match command {
            Command::PushClip { bounds, .. } => around.push(*bounds),
            Command::PushLayer { bounds, blend, .. } => {
                if destroys(*blend) {
                    *bounds = around.last().copied().unwrap_or(surface);
                }
                around.push(*bounds);
            }
            Command::Pop => drop(around.pop()),
            Command::Fill { .. } | Command::Photo(_) | Command::Pixels { .. } | Command::Surface { .. } => {}
        }
    }
}
