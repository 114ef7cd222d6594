//! Encodes commands as vello scenes: one for a whole surface, or one for each of its tiles.
//!
//! A surface that exceeds vello's limits is divided into tiles, which are rendered one after another.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use kurbo::{Affine, BezPath, Point, Rect, Shape, Vec2};
use peniko::{
    Blob, Brush, ColorStop, Fill, Gradient, GradientKind, ImageAlphaType, ImageBrush, ImageData, ImageQuality,
    ImageSampler, LinearGradientPosition,
};
use vello::Scene;

use super::commands::{GpuCommand, ImageCommand};
use super::fallback::FallbackReason;
use super::guards::{MAX_SCENE_SIDE, Meter};
use super::image_data::{image_data, placeholder};
use super::recolor::Recolor;
use super::vertical_edges::tilt_vertical_edges;
use crate::paint::cut::cut;
use crate::paint::draw_target::SurfacePlacement;
use crate::paint::plan::SurfaceId;
use crate::paint::prepared_image::{ImagePlacement, PreparedImages};
use crate::units::{DeviceSize, Opacity};

/// Maximum number of tiles of one surface. More would take longer than the CPU painter.
const MAX_TILES: usize = 64;
/// Minimum side of a tile, in px; smaller ones are not divided further.
const MIN_TILE_SIDE: u32 = 128;
/// Side of vello's own tiles, in px. Tiles start at multiples of it, so that each pixel lies in the same vello tile
/// as on the whole surface.
const VELLO_TILE: u32 = 16;
/// Distance outside of a tile, in px, at which outlines are cut: far enough to be invisible, and near enough for single
/// precision.
const CUT_MARGIN: f64 = 64.0;

/// A rectangle of a surface, in whole px.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TileArea {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl TileArea {
    fn rect(self) -> Rect {
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        Rect::new(x, y, x + f64::from(self.width), y + f64::from(self.height))
    }

    /// Divides the area in two along its longer side; `None` when the halves would be too small.
    fn halves(self) -> Option<[Self; 2]> {
        let half = |side: u32| (side / 2).next_multiple_of(VELLO_TILE);
        if self.width.max(self.height) < 2 * MIN_TILE_SIDE {
            return None;
        }
        Some(if self.width >= self.height {
            let left = half(self.width);
            [Self { width: left, ..self }, Self { x: self.x + left, width: self.width - left, ..self }]
        } else {
            let top = half(self.height);
            [Self { height: top, ..self }, Self { y: self.y + top, height: self.height - top, ..self }]
        })
    }
}

/// The scene of a surface or of one tile of it, ready to be rendered.
pub(super) struct SceneTile {
    pub(super) area: TileArea,
    pub(super) scene: Scene,
    /// Surfaces that the scene shows, each with its placeholder image in the scene.
    pub(super) surfaces: Vec<(SurfaceId, ImageData)>,
    /// Pictures whose passes run on the GPU before the scene is rendered.
    pub(super) recolored: Vec<Recolor>,
    /// Number of px that the pictures of the scene take in the atlas.
    pub(super) pixels: u64,
}

/// Encodes the surfaces of one plan.
#[derive(Clone, Copy)]
pub(super) struct SceneEncoder<'a> {
    pub(super) images: &'a PreparedImages,
    pub(super) surfaces: &'a [DeviceSize],
    /// For each surface, whether its pixels are premultiplied: passes write premultiplied pixels, vello straight ones.
    pub(super) premultiplied: &'a [bool],
    /// Maximum side of a texture, in px.
    pub(super) max_side: u32,
    /// True when nothing is refused, downscaled or divided, for tests that show why the guards are needed.
    pub(super) unguarded: bool,
}

impl SceneEncoder<'_> {
    /// Encodes `commands` as scenes that cover a surface of `size`, as few as the guards allow.
    ///
    /// # Errors
    /// The reason why vello would draw the surface wrong even in tiles.
    pub(super) fn tiles(&self, commands: &[GpuCommand], size: DeviceSize) -> Result<Vec<SceneTile>, FallbackReason> {
        let whole = TileArea { x: 0, y: 0, width: size.width, height: size.height };
        if self.unguarded {
            return Ok(vec![self.tile(commands, whole)?]);
        }
        let (mut todo, mut done) = (vec![whole], Vec::new());
        while let Some(area) = todo.pop() {
            let tile = if area.width.max(area.height) > MAX_SCENE_SIDE {
                Err(FallbackReason::SurfaceSize)
            } else {
                self.tile(commands, area)
            };
            match tile {
                Ok(tile) => done.push(tile),
                Err(refusal) => {
                    let divisible = refusal.tiling_helps() || refusal == FallbackReason::SurfaceSize;
                    let halves = area.halves().filter(|_| divisible && done.len() + todo.len() + 2 <= MAX_TILES);
                    todo.extend(halves.ok_or(refusal)?);
                }
            }
        }
        Ok(done)
    }

    fn tile(&self, commands: &[GpuCommand], area: TileArea) -> Result<SceneTile, FallbackReason> {
        let mut encoder = TileEncoder {
            encoder: *self,
            area,
            origin: area.rect().origin(),
            meter: Meter::new(area.width, area.height),
            counted_images: HashSet::new(),
            tile: SceneTile {
                area,
                scene: if self.unguarded { Scene::new() } else { blank_scene() },
                surfaces: Vec::new(),
                recolored: Vec::new(),
                pixels: 0,
            },
        };
        // Number of open clips and layers outside of this tile; nothing up to their end is visible.
        let mut hidden = 0usize;
        for command in commands {
            match command {
                GpuCommand::PushClip { .. } | GpuCommand::PushLayer { .. } if hidden > 0 => hidden += 1,
                GpuCommand::Pop if hidden > 0 => hidden -= 1,
                _ if hidden > 0 => {}
                GpuCommand::PushClip { bounds, .. } | GpuCommand::PushLayer { bounds, .. }
                    if !encoder.shows(*bounds) =>
                {
                    hidden = 1;
                }
                _ => encoder.draw(command)?,
            }
        }
        if !self.unguarded {
            encoder.meter.check(&encoder.tile.scene)?;
        }
        encoder.tile.pixels = encoder.meter.pixels();
        Ok(encoder.tile)
    }
}

/// Encoder of one tile.
struct TileEncoder<'a> {
    encoder: SceneEncoder<'a>,
    area: TileArea,
    /// Top-left corner of the tile on its surface.
    origin: Point,
    meter: Meter,
    /// Ids of the images that the meter has counted.
    counted_images: HashSet<u64>,
    tile: SceneTile,
}

impl TileEncoder<'_> {
    fn shows(&self, bounds: Rect) -> bool {
        let visible = bounds.intersect(self.area.rect());
        visible.width() > 0.0 && visible.height() > 0.0
    }

    /// Converts `bounds` from px of the surface to px of the tile.
    fn to_tile(&self, bounds: Rect) -> Rect {
        bounds - self.origin.to_vec2()
    }

    fn draw(&mut self, command: &GpuCommand) -> Result<(), FallbackReason> {
        match command {
            GpuCommand::Fill { path, bounds, rule, brush, to_device } => {
                if self.shows(*bounds) {
                    self.meter.draw(self.to_tile(*bounds));
                    let path = self.tilted(self.cut(path, *bounds));
                    let to_tile_px = Affine::translate(-self.origin.to_vec2()) * *to_device;
                    let scene = &mut self.tile.scene;
                    match brush {
                        Brush::Solid(_) => scene.fill(*rule, Affine::IDENTITY, brush, None, &path),
                        Brush::Gradient(gradient) => {
                            self.meter.gradient();
                            let (mut gradient, to_tile_px) = gradient_for_vello(gradient, to_tile_px);
                            if !self.encoder.unguarded {
                                add_stop_at_zero(&mut gradient);
                            }
                            scene.fill(*rule, Affine::IDENTITY, &gradient, Some(to_tile_px), &path);
                        }
                        Brush::Image(_) => unreachable!("plan() lets no picture brush through"),
                    }
                }
            }
            GpuCommand::PushClip { path, bounds } => {
                let path = self.tilted(self.cut_to(path, *bounds));
                self.meter.push(path.control_box());
                self.tile.scene.push_clip_layer(Fill::NonZero, Affine::IDENTITY, &path);
            }
            GpuCommand::PushLayer { clip, bounds, opacity, blend } => {
                let path = match clip {
                    Some(clip) => self.cut_to(clip, *bounds),
                    None => self.to_tile(*bounds).to_path(0.1),
                };
                let path = self.tilted(path);
                self.meter.push(path.control_box());
                self.tile.scene.push_layer(Fill::NonZero, *blend, opacity.get(), Affine::IDENTITY, &path);
            }
            GpuCommand::Pop => {
                self.meter.pop();
                self.tile.scene.pop_layer();
            }
            GpuCommand::Image(image) => {
                if self.shows(image.bounds) {
                    self.draw_image(image)?;
                }
            }
            GpuCommand::Pixels { pixels, width, height, at, bounds } => {
                if self.shows(*bounds) {
                    let image = image_data(pixels.clone(), *width, *height, ImageAlphaType::AlphaPremultiplied);
                    let quality = if *at == at.round() { ImageQuality::Low } else { ImageQuality::Medium };
                    self.draw_upright(image, Affine::translate(at.to_vec2()), *bounds, quality);
                }
            }
            GpuCommand::Surface { surface, place, bounds } => {
                if self.shows(*bounds) {
                    let size = self.encoder.surfaces[surface.0];
                    let alpha = match self.encoder.premultiplied[surface.0] {
                        true => ImageAlphaType::AlphaPremultiplied,
                        false => ImageAlphaType::Alpha,
                    };
                    let image = image_data(placeholder(), size.width, size.height, alpha);
                    self.tile.surfaces.push((*surface, image.clone()));
                    match *place {
                        SurfacePlacement::Copied(at) => {
                            let transform = Affine::translate(at.to_vec2());
                            self.draw_upright(image, transform, *bounds, ImageQuality::Low);
                        }
                        SurfacePlacement::Upright(transform) => {
                            self.draw_upright(image, transform, *bounds, ImageQuality::Medium);
                        }
                        SurfacePlacement::Transformed(transform) => {
                            let (width, height) = (f64::from(size.width), f64::from(size.height));
                            let path = transform * Rect::new(0.0, 0.0, width, height).to_path(0.1);
                            let path = self.cut(&path, *bounds);
                            let to_tile_px = Affine::translate(-self.origin.to_vec2()) * transform;
                            self.fill_with_image(image, to_tile_px, path, ImageQuality::Medium, Opacity::OPAQUE);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Fills `bounds` with an image. `transform` maps its px to those of the surface.
    fn draw_upright(&mut self, image: ImageData, transform: Affine, bounds: Rect, quality: ImageQuality) {
        let to_tile_px = Affine::translate(-self.origin.to_vec2()) * transform;
        self.fill_with_image(image, to_tile_px, self.to_tile(bounds).to_path(0.1), quality, Opacity::OPAQUE);
    }

    /// Fills `path`, in px of the tile, with an image. `to_tile_px` maps its px to those of the tile.
    fn fill_with_image(
        &mut self,
        image: ImageData,
        to_tile_px: Affine,
        path: BezPath,
        quality: ImageQuality,
        opacity: Opacity,
    ) {
        self.meter.draw(path.control_box());
        if self.counted_images.insert(image.data.id()) {
            self.meter.picture(image.width, image.height);
        }
        let sampler = ImageSampler { quality, alpha: opacity.get(), ..ImageSampler::default() };
        let brush = ImageBrush { image, sampler };
        let path = self.tilted(path);
        self.tile.scene.fill(Fill::NonZero, Affine::IDENTITY, &brush, Some(to_tile_px), &path);
    }

    fn draw_image(&mut self, command: &ImageCommand) -> Result<(), FallbackReason> {
        let size = DeviceSize { width: self.area.width, height: self.area.height };
        let placed = command.placed(self.origin);
        if self.encoder.unguarded {
            let picture = &command.picture;
            let pixels = picture.pixels.clone();
            let image = image_data(pixels, picture.width, picture.height, ImageAlphaType::AlphaPremultiplied);
            let (source, dest) = (command.source, command.dest);
            let scale = Affine::scale_non_uniform(dest.width() / source.width(), dest.height() / source.height());
            let to_dest =
                Affine::translate(dest.origin().to_vec2()) * scale * Affine::translate(-source.origin().to_vec2());
            let path = placed.transform * dest.to_path(0.1);
            self.fill_with_image(image, placed.transform * to_dest, path, ImageQuality::Medium, command.opacity);
            return Ok(());
        }
        let on_gpu = Recolor::of(&placed, size, self.encoder.max_side);
        let (image, place) = match on_gpu {
            Some(recolor) => {
                let (image, place) = (recolor.image.clone(), recolor.resample_plan.placement);
                self.tile.recolored.push(recolor);
                (image, place)
            }
            None => {
                let Some(prepared) = self.encoder.images.prepare(&placed, size) else { return Ok(()) };
                let (width, height) = (prepared.pixmap.width().into(), prepared.pixmap.height().into());
                (image_data(prepared.pixels, width, height, ImageAlphaType::AlphaPremultiplied), prepared.placement)
            }
        };
        match place {
            ImagePlacement::Copy(x, y) => {
                let to_tile_px = Affine::translate((f64::from(x), f64::from(y)));
                let path = self.to_tile(command.bounds).to_path(0.1);
                self.fill_with_image(image, to_tile_px, path, ImageQuality::Low, command.opacity);
            }
            ImagePlacement::Sample(to_dest) => {
                let path = match placed.has_sharp_edges() {
                    true => placed.bounds().to_path(0.1),
                    false => placed.transform * placed.dest.to_path(0.1),
                };
                self.fill_with_image(image, placed.transform * to_dest, path, ImageQuality::Medium, command.opacity);
            }
        }
        Ok(())
    }

    /// Returns `path`, in px of the tile, with its vertical edges tilted.
    fn tilted(&self, path: BezPath) -> BezPath {
        if self.encoder.unguarded { path } else { tilt_vertical_edges(&path) }
    }

    /// Converts `path` to px of the tile and cuts it when its `bounds` reach far outside of the tile.
    fn cut(&self, path: &BezPath, bounds: Rect) -> BezPath {
        let near = self.area.rect().inflate(CUT_MARGIN, CUT_MARGIN);
        let offset = -self.origin.to_vec2();
        if self.encoder.unguarded || near.union(bounds) == near {
            return if offset == Vec2::ZERO { path.clone() } else { Affine::translate(offset) * path };
        }
        Affine::translate(offset) * cut(path, near)
    }

    /// Converts a clip to px of the tile and cuts it to `bounds`, within which something is drawn, and to the
    /// neighbourhood of the tile.
    fn cut_to(&self, path: &BezPath, bounds: Rect) -> BezPath {
        if self.encoder.unguarded {
            return self.cut(path, path.control_box());
        }
        let near = self.area.rect().inflate(CUT_MARGIN, CUT_MARGIN).intersect(bounds.inflate(1.0, 1.0));
        Affine::translate(-self.origin.to_vec2()) * cut(path, near)
    }
}

/// Converts a gradient and its transform to px so that vello paints it correctly.
///
/// vello evaluates a gradient at the corner of a px instead of its centre. It also transforms both ends of a linear
/// gradient to px and uses the line between them as the direction in which the colour changes, which is wrong for
/// transforms that skew or stretch. The result has ends in px along the direction of steepest change.
fn gradient_for_vello(gradient: &Gradient, to_tile_px: Affine) -> (Gradient, Affine) {
    let to_tile_px = Affine::translate((-0.5, -0.5)) * to_tile_px;
    let GradientKind::Linear(LinearGradientPosition { start, end }) = gradient.kind else {
        return (gradient.clone(), to_tile_px);
    };
    let along = end - start;
    let [a, b, c, d, ..] = to_tile_px.inverse().as_coeffs();
    // Change of the offset per px along x and y.
    let slope = Vec2::new(a * along.x + b * along.y, c * along.x + d * along.y) / along.hypot2();
    let start = to_tile_px * start;
    let end = start + slope / slope.hypot2();
    if !end.is_finite() {
        return (gradient.clone(), to_tile_px);
    }
    (Gradient { kind: LinearGradientPosition { start, end }.into(), ..gradient.clone() }, Affine::IDENTITY)
}

/// Adds a stop at 0 with the colour of the first one. vello 0.11 (`make_ramp`) treats the first stop as if it were at 0
/// and interpolates from there to the second, so that `#3b532a 20%, #b29aa6 94%` is up to 27 levels off.
fn add_stop_at_zero(gradient: &mut Gradient) {
    let stops = &mut gradient.stops.0;
    if let Some(first) = stops.first().copied().filter(|first| first.offset > 0.0) {
        stops.insert(0, ColorStop { offset: 0.0, ..first });
    }
}

/// A scene with one transparent px, with which every scene starts.
///
/// A scene without any resource makes vello 0.11 drop its atlas, while it still considers the pictures in it uploaded,
/// and later pages show other pixels in their place.
pub(super) fn blank_scene() -> Scene {
    static TRANSPARENT: OnceLock<ImageData> = OnceLock::new();
    let transparent =
        TRANSPARENT.get_or_init(|| image_data(Blob::new(Arc::new([0; 4])), 1, 1, ImageAlphaType::AlphaPremultiplied));
    let mut scene = Scene::new();
    scene.draw_image(&ImageBrush::new(transparent.clone()), Affine::IDENTITY);
    scene
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_halved_at_multiples_of_vello_tiles() {
        let page = TileArea { x: 0, y: 0, width: 1080, height: 500 };
        let halves = page.halves().expect("large enough");
        assert_eq!(halves[0], TileArea { width: 544, ..page });
        assert_eq!(halves[1], TileArea { x: 544, width: 536, ..page });
        assert_eq!(TileArea { x: 0, y: 0, width: 255, height: 255 }.halves(), None);
    }

    #[test]
    fn gradients_keep_their_lines_of_equal_colour_under_a_stretching_transform() {
        // Twice as wide: the lines of equal colour of the diagonal are steeper in px than its perpendicular.
        let (converted, to_tile_px) =
            gradient_for_vello(&Gradient::new_linear((0.0, 0.0), (1.0, 1.0)), Affine::scale_non_uniform(2.0, 1.0));
        let expected = LinearGradientPosition { start: Point::new(-0.5, -0.5), end: Point::new(0.3, 1.1) };
        assert_eq!(to_tile_px, Affine::IDENTITY);
        let GradientKind::Linear(found) = converted.kind else { panic!("{converted:?}") };
        assert!(found.start == expected.start && found.end.distance(expected.end) < 1e-9, "{found:?}");
    }

    #[test]
    fn gradients_get_a_stop_at_zero() {
        let offsets = |stops: [f32; 2]| {
            let stops = stops.map(|offset| ColorStop::from((offset, peniko::Color::BLACK)));
            let mut gradient = Gradient::new_linear((0.0, 0.0), (1.0, 1.0)).with_stops(stops);
            add_stop_at_zero(&mut gradient);
            gradient.stops.iter().map(|stop| stop.offset).collect::<Vec<_>>()
        };
        assert_eq!(offsets([0.2, 0.9]), [0.0, 0.2, 0.9]);
        assert_eq!(offsets([0.0, 0.9]), [0.0, 0.9]);
    }
}
