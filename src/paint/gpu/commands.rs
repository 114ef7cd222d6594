//! Operations of one surface recorded as commands: fills, clips, layers and pictures in device px, each with its
//! bounds.
//!
//! A list is recorded once, on the CPU pool, and encoded for the whole surface or for each of its tiles. A layer gets
//! the bounds of its contents, because a larger layer takes more of vello's buffers (see [`super::guards`]).

use std::cell::RefCell;
use std::sync::Arc;

use kurbo::{Affine, BezPath, Point, Rect, Shape};
use peniko::{BlendMode, Blob, Brush, Compose, Fill};

use super::fallback::FallbackReason;
use crate::paint::color_layers::ColorLayers;
use crate::paint::cut::cut;
use crate::paint::draw_target::{DrawTarget, SurfacePlacement};
use crate::paint::error::PaintError;
use crate::paint::ops::OpExecutor;
use crate::paint::ops_cpu::{CpuCanvas, Sources};
use crate::paint::plan::{Glyphs, Op, PlacedGlyph, SurfaceId};
use crate::paint::prepared_image::{Downscaling, PlacedImage, PreparedImages};
use crate::paint::surfaces::Surfaces;
use crate::paint::transforms::{is_axis_aligned, max_scale};
use crate::scene::{DecodedImage, PixelPass};
use crate::units::{DeviceSize, Opacity};

/// Maximum distance, in em, from the origin of a colour glyph to anything in its layers. Fonts in use stay within one.
const MAX_GLYPH_EXTENT: f64 = 2.0;

thread_local! {
    /// Executor of this thread, with the font faces that it has opened.
    static OP_EXECUTOR: RefCell<OpExecutor> = RefCell::new(OpExecutor::default());
    /// CpuCanvas of this thread for colour glyphs.
    static CANVAS: RefCell<Option<CpuCanvas>> = const { RefCell::new(None) };
}

/// One drawing command of a surface.
///
/// `bounds` are in device px. Pictures and surfaces that are neither rotated nor skewed are clipped to their bounds.
#[derive(Debug)]
pub(super) enum GpuCommand {
    /// Fills polygons with a brush.
    Fill { path: BezPath, bounds: Rect, rule: Fill, brush: Brush, to_device: Affine },
    /// Clips the following commands, up to the matching [`GpuCommand::Pop`].
    PushClip { path: BezPath, bounds: Rect },
    /// Composites the following commands, up to the matching [`GpuCommand::Pop`], as one layer.
    PushLayer { clip: Option<BezPath>, bounds: Rect, opacity: Opacity, blend: BlendMode },
    /// Ends the innermost open clip or layer.
    Pop,
    /// A picture of the scene, which is resampled for each tile of the surface that shows it.
    Image(ImageCommand),
    /// Pixels painted by the CPU, copied to whole device px at `at`.
    Pixels { pixels: Blob<u8>, width: u32, height: u32, at: Point, bounds: Rect },
    /// A surface that an earlier step has drawn.
    Surface { surface: SurfaceId, place: SurfacePlacement, bounds: Rect },
}

/// The owned form of [`PlacedImage`]: a picture, its passes, and where it is shown.
#[derive(Debug)]
pub(super) struct ImageCommand {
    pub(super) picture: DecodedImage,
    pub(super) passes: Vec<PixelPass>,
    pub(super) source: Rect,
    pub(super) dest: Rect,
    pub(super) transform: Affine,
    pub(super) downscaling: Downscaling,
    pub(super) opacity: Opacity,
    pub(super) bounds: Rect,
}

impl ImageCommand {
    /// The same picture in the coordinates of a tile whose top-left corner is at `origin`.
    pub(super) fn placed(&self, origin: Point) -> PlacedImage<'_> {
        PlacedImage {
            picture: &self.picture,
            passes: &self.passes,
            source: self.source,
            dest: self.dest,
            transform: Affine::translate(-origin.to_vec2()) * self.transform,
            downscaling: self.downscaling,
        }
    }
}

/// The reason why [`record`] has no commands.
pub(super) enum RecordError {
    /// vello would draw the surface wrong; the CPU painter can draw it.
    Refused(FallbackReason),
    /// No painter can draw the surface.
    Failed(PaintError),
}

/// Records `ops`, drawn on a surface of `size`, as commands.
///
/// `surfaces`: sizes of all surfaces of the plan. `unguarded`: see [`super::scene::SceneEncoder`]. `abandoned` is
/// called before each operation.
pub(super) fn record(
    ops: &[Op],
    size: DeviceSize,
    surfaces: &[DeviceSize],
    images: &PreparedImages,
    unguarded: bool,
    abandoned: &dyn Fn() -> bool,
) -> Result<Vec<GpuCommand>, RecordError> {
    let mut recorder = CommandRecorder {
        commands: Vec::with_capacity(ops.len()),
        refusal: None,
        open: Vec::new(),
        size,
        surfaces,
        images,
    };
    OP_EXECUTOR
        .with(|slot| {
            // Taken out of the slot while in use, so that a panic cannot leave an inconsistent state behind.
            let mut executor = slot.take();
            for op in ops {
                if abandoned() {
                    return Err(PaintError::Abandoned);
                }
                executor.draw(op, &mut recorder, abandoned)?;
            }
            slot.replace(executor);
            Ok(())
        })
        .map_err(RecordError::Failed)?;
    if let Some(refusal) = recorder.refusal.filter(|_| !unguarded) {
        return Err(RecordError::Refused(refusal));
    }
    let mut commands = recorder.commands;
    bound_layers(&mut commands, Rect::new(0.0, 0.0, f64::from(size.width), f64::from(size.height)));
    Ok(commands)
}

struct CommandRecorder<'a> {
    commands: Vec<GpuCommand>,
    refusal: Option<FallbackReason>,
    open: Vec<OpenScope>,
    size: DeviceSize,
    surfaces: &'a [DeviceSize],
    images: &'a PreparedImages,
}

/// A clip or layer that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum OpenScope {
    /// A composited layer. Clips around it apply to the layer, not to each command inside.
    Layer,
    /// A clip that was recorded as this many commands.
    Clip(usize),
    /// An axis-aligned clip, which records no command: the geometry inside is cut instead. vello_cpu does the same with
    /// rectangles, so that the coverage of an edge shared by a picture and its clip counts once, not squared.
    Rect(Rect),
}

impl CommandRecorder<'_> {
    /// The axis-aligned clip that the next command must be cut with.
    fn rect_clip(&self) -> Option<Rect> {
        let innermost = self.open.iter().rev().find(|it| **it != OpenScope::Layer);
        innermost.and_then(|it| if let OpenScope::Rect(rect) = it { Some(*rect) } else { None })
    }

    fn record_fill(&mut self, path: BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        if path.elements().is_empty() {
            return;
        }
        let bounds = path.control_box();
        let fill = |path: BezPath, bounds| GpuCommand::Fill { path, bounds, rule, brush: brush.clone(), to_device };
        match self.rect_clip().filter(|clip| clip.union(bounds) != *clip) {
            None => self.commands.push(fill(path, bounds)),
            Some(clip) if clip == clip.round() => {
                self.commands.push(fill(cut(&path, clip), bounds.intersect(clip)));
            }
            // Where clip edges lie between px, their coverage is multiplied, as in vello_cpu.
            Some(clip) => self.push_clipped(clip, fill(path, bounds)),
        }
    }

    /// Records `command` inside a separate clip.
    fn push_clipped(&mut self, clip: Rect, command: GpuCommand) {
        self.commands.extend([
            GpuCommand::PushClip { path: clip.to_path(0.1), bounds: clip },
            command,
            GpuCommand::Pop,
        ]);
    }

    /// Opens a clip that is not an axis-aligned rectangle, together with the axis-aligned clip around it, if any.
    fn record_clip(&mut self, path: BezPath) {
        let outer = self.rect_clip();
        let outer = outer.map(|clip| GpuCommand::PushClip { path: clip.to_path(0.1), bounds: clip });
        self.open.push(OpenScope::Clip(1 + usize::from(outer.is_some())));
        self.commands.extend(outer);
        let bounds = path.control_box();
        self.commands.push(GpuCommand::PushClip { path, bounds });
    }
}

impl DrawTarget for CommandRecorder<'_> {
    fn fill_path(&mut self, polygons: &BezPath, rule: Fill, brush: &Brush, to_device: Affine) {
        self.record_fill(polygons.clone(), rule, brush, to_device);
    }

    fn fill_rect(&mut self, rect: Rect, transform: Affine, brush: &Brush, to_rect: Affine) {
        let path = match self.rect_clip().filter(|_| is_axis_aligned(transform)) {
            Some(clip) => {
                let rect = transform.transform_rect_bbox(rect).intersect(clip);
                if rect.is_zero_area() { BezPath::new() } else { rect.to_path(0.1) }
            }
            None => transform * rect.to_path(0.1),
        };
        self.record_fill(path, Fill::NonZero, brush, transform * to_rect);
    }

    fn push_clip_path(&mut self, polygons: &BezPath) {
        self.record_clip(polygons.clone());
    }

    fn push_clip_rect(&mut self, rect: Rect, transform: Affine) {
        let in_path_clip =
            matches!(self.open.iter().rev().find(|it| **it != OpenScope::Layer), Some(OpenScope::Clip(_)));
        if in_path_clip || !is_axis_aligned(transform) {
            return self.record_clip(transform * rect.to_path(0.1));
        }
        let rect = transform.transform_rect_bbox(rect);
        self.open.push(OpenScope::Rect(self.rect_clip().map_or(rect, |outer| outer.intersect(rect))));
    }

    fn pop_clip(&mut self) {
        let commands = match self.open.pop() {
            Some(OpenScope::Clip(commands)) => commands,
            Some(OpenScope::Layer) => 1,
            Some(OpenScope::Rect(_)) | None => 0,
        };
        self.commands.extend((0..commands).map(|_| GpuCommand::Pop));
    }

    fn push_layer(&mut self, clip: Option<&BezPath>, opacity: Opacity, blend: BlendMode) {
        // vello isolates the contents of a clip, so that a blend inside would not see the backdrop (vello issue 1198).
        // A destructive blend is correct only when its layer covers everything that it may erase.
        let in_clip =
            self.open.iter().rev().take_while(|it| **it != OpenScope::Layer).any(|it| matches!(it, OpenScope::Clip(_)));
        if (blend != BlendMode::default() && in_clip) || (is_destructive(blend) && clip.is_some()) {
            self.refusal.get_or_insert(FallbackReason::Blend);
        }
        self.open.push(OpenScope::Layer);
        let bounds = clip.map_or(Rect::ZERO, Shape::bounding_box);
        self.commands.push(GpuCommand::PushLayer { clip: clip.cloned(), bounds, opacity, blend });
    }

    fn pop_layer(&mut self) {
        self.pop_clip();
    }

    fn draw_image(&mut self, placed: &PlacedImage<'_>, opacity: Opacity) {
        let PlacedImage { picture, passes, source, dest, transform, downscaling } = *placed;
        let bounds = placed.bounds();
        let clip = self.rect_clip().filter(|clip| clip.union(bounds) != *clip);
        let (picture, passes) = (picture.clone(), passes.to_vec());
        let command = |bounds| {
            GpuCommand::Image(ImageCommand { picture, passes, source, dest, transform, downscaling, opacity, bounds })
        };
        match clip {
            Some(clip) if is_axis_aligned(transform) => self.commands.push(command(bounds.intersect(clip))),
            Some(clip) => self.push_clipped(clip, command(bounds)),
            None => self.commands.push(command(bounds)),
        }
    }

    /// Paints the glyph on the CPU into a separate surface. It gets the same pixels as on the CPU painter, and needs
    /// no layers on the GPU.
    fn draw_color_glyph(
        &mut self,
        run: &Glyphs,
        glyph: PlacedGlyph,
        _layers: &ColorLayers,
        _to_device: Affine,
    ) -> Result<(), PaintError> {
        let extent = run.size * max_scale(run.linear) * MAX_GLYPH_EXTENT;
        let surface = Rect::new(0.0, 0.0, f64::from(self.size.width), f64::from(self.size.height));
        let area = Rect::from_center_size(glyph.at, (2.0 * extent, 2.0 * extent)).expand().intersect(surface);
        if area.is_zero_area() {
            return Ok(());
        }
        let mut paint = run.paint.clone();
        paint.transform = Affine::translate(-area.origin().to_vec2()) * paint.transform;
        let alone = PlacedGlyph { at: glyph.at - area.origin().to_vec2(), ..glyph };
        let op = Op::Glyphs(Glyphs { glyphs: vec![alone], paint, ..run.clone() });
        let size = DeviceSize { width: area.width() as u32, height: area.height() as u32 };
        let (images, surfaces) = (self.images, Surfaces::new());
        let mut canvas = CANVAS.with(RefCell::take).unwrap_or_else(CpuCanvas::new);
        let raster = canvas.draw(size, &[op], Sources { images, surfaces: &surfaces }, &|| false)?;
        canvas.release_pictures();
        CANVAS.with(|slot| slot.replace(Some(canvas)));
        let (width, height, at) = (size.width, size.height, area.origin());
        let pixels = Blob::new(Arc::new(raster.into_pixels()));
        let bounds = self.rect_clip().map_or(area, |clip| area.intersect(clip));
        self.commands.push(GpuCommand::Pixels { pixels, width, height, at, bounds });
        Ok(())
    }

    fn draw_surface(&mut self, surface: SurfaceId, place: SurfacePlacement) -> Result<(), PaintError> {
        let size = self.surfaces.get(surface.0);
        let size =
            size.ok_or_else(|| PaintError::Internal("an operation shows a surface that the plan lacks".into()))?;
        let (width, height) = (f64::from(size.width), f64::from(size.height));
        let bounds = match place {
            SurfacePlacement::Copied(at) => Rect::from_origin_size(at, (width, height)),
            SurfacePlacement::Upright(transform) => SurfacePlacement::covered(transform, width, height),
            SurfacePlacement::Transformed(transform) => {
                transform.transform_rect_bbox(Rect::new(0.0, 0.0, width, height))
            }
        };
        let bounds = self.rect_clip().map_or(bounds, |clip| bounds.intersect(clip));
        self.commands.push(GpuCommand::Surface { surface, place, bounds });
        Ok(())
    }
}

/// True when a transparent source erases the backdrop in this blend mode.
fn is_destructive(blend: BlendMode) -> bool {
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

/// Sets the bounds of every clip and layer to those of its contents, within its own outline. A layer with a destructive
/// blend gets the bounds of the clip or layer around it.
fn bound_layers(commands: &mut [GpuCommand], surface: Rect) {
    let to_whole_px = |rect: Rect| rect.expand();
    let mut open: Vec<(usize, Option<Rect>)> = vec![(usize::MAX, None)];
    for at in 0..commands.len() {
        let drawn = match &commands[at] {
            GpuCommand::Fill { bounds, .. }
            | GpuCommand::Pixels { bounds, .. }
            | GpuCommand::Surface { bounds, .. } => Some(*bounds),
            GpuCommand::Image(image) => Some(image.bounds),
            GpuCommand::PushClip { .. } | GpuCommand::PushLayer { .. } => {
                open.push((at, None));
                continue;
            }
            GpuCommand::Pop => {
                let Some((start, content)) = open.pop().filter(|(start, _)| *start != usize::MAX) else { continue };
                let mut content = content.unwrap_or(Rect::ZERO);
                match &mut commands[start] {
                    GpuCommand::PushClip { bounds, .. } => {
                        *bounds = to_whole_px(bounds.intersect(content));
                        content = *bounds;
                    }
                    GpuCommand::PushLayer { clip, bounds, blend, .. } => {
                        *bounds = to_whole_px(if clip.is_some() { bounds.intersect(content) } else { content });
                        content = if is_destructive(*blend) { Rect::ZERO } else { *bounds };
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
            GpuCommand::PushClip { bounds, .. } => around.push(*bounds),
            GpuCommand::PushLayer { bounds, blend, .. } => {
                if is_destructive(*blend) {
                    *bounds = around.last().copied().unwrap_or(surface);
                }
                around.push(*bounds);
            }
            GpuCommand::Pop => drop(around.pop()),
            GpuCommand::Fill { .. } | GpuCommand::Image(_) | GpuCommand::Pixels { .. } | GpuCommand::Surface { .. } => {
            }
        }
    }
}
