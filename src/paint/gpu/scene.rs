//! Commands to vello scenes: one for a surface, or one for each part of it that a GPU can paint at once.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use kurbo::{Affine, BezPath, Point, Rect, Shape, Vec2};
use peniko::{
    Blob, Brush, ColorStop, Fill, Gradient, GradientKind, ImageAlphaType, ImageBrush, ImageData, ImageFormat,
    ImageQuality, ImageSampler, LinearGradientPosition,
};
use vello::Scene;

use super::guards::{FallbackReason, MAX_SCENE_SIDE, Meter};
use super::list::{Command, ListedImage};
use super::recolor::Recolor;
use super::upright;
use crate::paint::cut::cut;
use crate::paint::plan::SurfaceId;
use crate::paint::prepared_image::{ImagePlacement, PreparedImages};
use crate::paint::target::Placement;
use crate::units::{DeviceSize, Opacity};

/// Parts of one surface. More would take longer than the CPU.
const MOST_PARTS: usize = 64;
/// Parts are not halved below this many px a side.
const LEAST_PART: u32 = 128;
/// Parts begin on whole tiles, so that each pixel sees the same tile as on the whole surface.
const TILE: u32 = 16;
/// Outlines are cut this many px outside of a part: far enough not to be seen, near enough for single precision.
const BEYOND: f64 = 64.0;

/// A rectangle of a surface, in whole px.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Area {
    fn rect(self) -> Rect {
        let (x, y) = (f64::from(self.x), f64::from(self.y));
        Rect::new(x, y, x + f64::from(self.width), y + f64::from(self.height))
    }

    /// Two halves along the longer side; `None` when they would be too small.
    fn halves(self) -> Option<[Self; 2]> {
        let half = |side: u32| (side / 2).next_multiple_of(TILE);
        if self.width.max(self.height) < 2 * LEAST_PART {
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

/// One part of a surface, ready for a GPU.
pub(super) struct SceneTile {
    pub(super) area: Area,
    pub(super) scene: Scene,
    /// Surfaces that the scene shows, by the images that stand for them.
    pub(super) surfaces: Vec<(SurfaceId, ImageData)>,
    /// Pictures that the GPU makes first.
    pub(super) recolored: Vec<Recolor>,
    /// Px of pictures in the atlas.
    pub(super) pixels: u64,
}

/// How scenes are made.
#[derive(Clone, Copy)]
pub(super) struct Encoder<'a> {
    pub(super) images: &'a PreparedImages,
    pub(super) surfaces: &'a [DeviceSize],
    /// For each surface, whether its pixels are premultiplied: what passes wrote is, what vello wrote is not.
    pub(super) premultiplied: &'a [bool],
    /// Longest side of a texture.
    pub(super) max_side: u32,
    /// Nothing is refused, shrunk or divided. For tests that show why it has to be.
    pub(super) unguarded: bool,
}

impl Encoder<'_> {
    /// Scenes that together make the surface: as few as the guards allow.
    pub(super) fn parts(&self, commands: &[Command], size: DeviceSize) -> Result<Vec<SceneTile>, FallbackReason> {
        let whole = Area { x: 0, y: 0, width: size.width, height: size.height };
        if self.unguarded {
            return Ok(vec![self.part(commands, whole)?]);
        }
        let (mut todo, mut done) = (vec![whole], Vec::new());
        while let Some(area) = todo.pop() {
            let part = if area.width.max(area.height) > MAX_SCENE_SIDE {
                Err(FallbackReason::PageSize)
            } else {
                self.part(commands, area)
            };
            match part {
                Ok(part) => done.push(part),
                Err(refusal) => {
                    let divisible = refusal.tiling_helps() || refusal == FallbackReason::PageSize;
                    let halves = area.halves().filter(|_| divisible && done.len() + todo.len() + 2 <= MOST_PARTS);
                    todo.extend(halves.ok_or(refusal)?);
                }
            }
        }
        Ok(done)
    }

    fn part(&self, commands: &[Command], area: Area) -> Result<SceneTile, FallbackReason> {
        let mut drawing = Drawing {
            encoder: *self,
            area,
            origin: area.rect().origin(),
            meter: Meter::new(area.width, area.height),
            seen: HashSet::new(),
            part: SceneTile {
                area,
                scene: if self.unguarded { Scene::new() } else { blank() },
                surfaces: Vec::new(),
                recolored: Vec::new(),
                pixels: 0,
            },
        };
        // Clips and layers that do not reach this part: nothing up to their end does.
        let mut hidden = 0usize;
        for command in commands {
            match command {
                Command::PushClip { .. } | Command::PushLayer { .. } if hidden > 0 => hidden += 1,
                Command::Pop if hidden > 0 => hidden -= 1,
                _ if hidden > 0 => {}
                Command::PushClip { bounds, .. } | Command::PushLayer { bounds, .. } if !drawing.shows(*bounds) => {
                    hidden = 1;
                }
                _ => drawing.draw(command)?,
            }
        }
        if !self.unguarded {
            drawing.meter.check(&drawing.part.scene)?;
        }
        drawing.part.pixels = drawing.meter.pixels();
        Ok(drawing.part)
    }
}

/// One part while it is encoded.
struct Drawing<'a> {
    encoder: Encoder<'a>,
    area: Area,
    /// Top-left corner of the part on its surface.
    origin: Point,
    meter: Meter,
    /// Pictures that the meter has counted.
    seen: HashSet<u64>,
    part: SceneTile,
}

impl Drawing<'_> {
    fn shows(&self, bounds: Rect) -> bool {
        let seen = bounds.intersect(self.area.rect());
        seen.width() > 0.0 && seen.height() > 0.0
    }

    /// From the surface to the part.
    fn moved(&self, bounds: Rect) -> Rect {
        bounds - self.origin.to_vec2()
    }

    fn draw(&mut self, command: &Command) -> Result<(), FallbackReason> {
        match command {
            Command::Fill { path, bounds, rule, brush, to_device } => {
                if self.shows(*bounds) {
                    self.meter.draw(self.moved(*bounds));
                    let path = self.leaned(self.cut(path, *bounds));
                    let to_part = Affine::translate(-self.origin.to_vec2()) * *to_device;
                    let scene = &mut self.part.scene;
                    match brush {
                        Brush::Solid(_) => scene.fill(*rule, Affine::IDENTITY, brush, None, &path),
                        Brush::Gradient(gradient) => {
                            self.meter.gradient();
                            let (mut gradient, to_part) = gradient_for_vello(gradient, to_part);
                            if !self.encoder.unguarded {
                                begin_at_zero(&mut gradient);
                            }
                            scene.fill(*rule, Affine::IDENTITY, &gradient, Some(to_part), &path);
                        }
                        Brush::Image(_) => unreachable!("plan() lets no picture brush through"),
                    }
                }
            }
            Command::PushClip { path, bounds } => {
                let path = self.leaned(self.cut_to(path, *bounds));
                self.meter.push(path.control_box());
                self.part.scene.push_clip_layer(Fill::NonZero, Affine::IDENTITY, &path);
            }
            Command::PushLayer { clip, bounds, opacity, blend } => {
                let path = match clip {
                    Some(clip) => self.cut_to(clip, *bounds),
                    None => self.moved(*bounds).to_path(0.1),
                };
                let path = self.leaned(path);
                self.meter.push(path.control_box());
                self.part.scene.push_layer(Fill::NonZero, *blend, opacity.get(), Affine::IDENTITY, &path);
            }
            Command::Pop => {
                self.meter.pop();
                self.part.scene.pop_layer();
            }
            Command::ListedImage(photo) => {
                if self.shows(photo.bounds) {
                    self.photo(photo)?;
                }
            }
            Command::Pixels { pixels, width, height, at, bounds } => {
                if self.shows(*bounds) {
                    let image = image(pixels.clone(), *width, *height, ImageAlphaType::AlphaPremultiplied);
                    self.whole(image, *at, *bounds);
                }
            }
            Command::Surface { surface, place, bounds } => {
                if self.shows(*bounds) {
                    let size = self.encoder.surfaces[surface.0];
                    let alpha = match self.encoder.premultiplied[surface.0] {
                        true => ImageAlphaType::AlphaPremultiplied,
                        false => ImageAlphaType::Alpha,
                    };
                    let image = image(stand_in(), size.width, size.height, alpha);
                    self.part.surfaces.push((*surface, image.clone()));
                    match *place {
                        Placement::Copied(at) | Placement::Translated(at) => self.whole(image, at, *bounds),
                        Placement::Transformed(transform) => {
                            let (width, height) = (f64::from(size.width), f64::from(size.height));
                            let path = transform * Rect::new(0.0, 0.0, width, height).to_path(0.1);
                            let path = self.cut(&path, *bounds);
                            let to_part = Affine::translate(-self.origin.to_vec2()) * transform;
                            self.image(image, to_part, path, ImageQuality::Medium, Opacity::OPAQUE);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// An image as large as it is, at `at` on the surface: copied when that is on whole px, else sampled.
    fn whole(&mut self, image: ImageData, at: Point, bounds: Rect) {
        let quality = if at == at.round() { ImageQuality::Low } else { ImageQuality::Medium };
        let to_part = Affine::translate(at - self.origin);
        self.image(image, to_part, self.moved(bounds).to_path(0.1), quality, Opacity::OPAQUE);
    }

    fn image(&mut self, image: ImageData, to_part: Affine, path: BezPath, quality: ImageQuality, opacity: Opacity) {
        self.meter.draw(path.control_box());
        if self.seen.insert(image.data.id()) {
            self.meter.picture(image.width, image.height);
        }
        let sampler = ImageSampler { quality, alpha: opacity.get(), ..ImageSampler::default() };
        let brush = ImageBrush { image, sampler };
        let path = self.leaned(path);
        self.part.scene.fill(Fill::NonZero, Affine::IDENTITY, &brush, Some(to_part), &path);
    }

    fn photo(&mut self, photo: &ListedImage) -> Result<(), FallbackReason> {
        let size = DeviceSize { width: self.area.width, height: self.area.height };
        let placed = photo.placed(self.origin);
        if self.encoder.unguarded {
            let of = &photo.picture;
            let image = image(of.pixels.clone(), of.width, of.height, ImageAlphaType::AlphaPremultiplied);
            let (source, dest) = (photo.source, photo.dest);
            let scale = Affine::scale_non_uniform(dest.width() / source.width(), dest.height() / source.height());
            let to_dest =
                Affine::translate(dest.origin().to_vec2()) * scale * Affine::translate(-source.origin().to_vec2());
            let path = placed.transform * dest.to_path(0.1);
            self.image(image, placed.transform * to_dest, path, ImageQuality::Medium, photo.opacity);
            return Ok(());
        }
        let on_gpu = Recolor::of(&placed, size, self.encoder.max_side);
        let (image, place) = match on_gpu {
            Some(recolor) => {
                let (image, place) = (recolor.image.clone(), recolor.resample_plan.placement);
                self.part.recolored.push(recolor);
                (image, place)
            }
            None => {
                let Some(prepared) = self.encoder.images.prepare(&placed, size) else { return Ok(()) };
                let (width, height) = (prepared.pixmap.width().into(), prepared.pixmap.height().into());
                (image(prepared.pixels, width, height, ImageAlphaType::AlphaPremultiplied), prepared.placement)
            }
        };
        match place {
            ImagePlacement::Copy(x, y) => {
                let to_part = Affine::translate((f64::from(x), f64::from(y)));
                let path = self.moved(photo.bounds).to_path(0.1);
                self.image(image, to_part, path, ImageQuality::Low, photo.opacity);
            }
            ImagePlacement::Sample(to_dest) => {
                let path = match placed.has_sharp_edges() {
                    true => placed.bounds().to_path(0.1),
                    false => placed.transform * placed.dest.to_path(0.1),
                };
                self.image(image, placed.transform * to_dest, path, ImageQuality::Medium, photo.opacity);
            }
        }
        Ok(())
    }

    /// `path`, in px of the part, as vello measures it best.
    fn leaned(&self, path: BezPath) -> BezPath {
        if self.encoder.unguarded { path } else { upright::lean(&path) }
    }

    /// `path` as seen from the part, and not far outside of it.
    fn cut(&self, path: &BezPath, bounds: Rect) -> BezPath {
        let near = self.area.rect().inflate(BEYOND, BEYOND);
        let offset = -self.origin.to_vec2();
        if self.encoder.unguarded || near.union(bounds) == near {
            return if offset == Vec2::ZERO { path.clone() } else { Affine::translate(offset) * path };
        }
        Affine::translate(offset) * cut(path, near)
    }

    /// The part of a clip that matters: where something is drawn, in `bounds`, and not far outside of the part.
    fn cut_to(&self, path: &BezPath, bounds: Rect) -> BezPath {
        if self.encoder.unguarded {
            return self.cut(path, path.control_box());
        }
        let near = self.area.rect().inflate(BEYOND, BEYOND).intersect(bounds.inflate(1.0, 1.0));
        Affine::translate(-self.origin.to_vec2()) * cut(path, near)
    }
}

/// A gradient and the way to px, so that vello draws it right: it takes the colour at the corner of a px, not in its middle;
/// and it leads the two ends of a linear one to px and takes the line between them for its direction, which a transform
/// that skews or stretches makes another.
fn gradient_for_vello(gradient: &Gradient, to_part: Affine) -> (Gradient, Affine) {
    let to_part = Affine::translate((-0.5, -0.5)) * to_part;
    let GradientKind::Linear(LinearGradientPosition { start, end }) = gradient.kind else {
        return (gradient.clone(), to_part);
    };
    let along = end - start;
    let [a, b, c, d, ..] = to_part.inverse().as_coeffs();
    // How fast the colour changes for each px along x and y.
    let slope = Vec2::new(a * along.x + b * along.y, c * along.x + d * along.y) / along.hypot2();
    let start = to_part * start;
    let end = start + slope / slope.hypot2();
    if !end.is_finite() {
        return (gradient.clone(), to_part);
    }
    (Gradient { kind: LinearGradientPosition { start, end }.into(), ..gradient.clone() }, Affine::IDENTITY)
}

/// Gives the gradient a stop at 0. vello 0.11 (`make_ramp`) takes the first stop for one at 0, wherever it is, and mixes
/// from there to the second: `#3b532a 20%, #b29aa6 94%` is up to 27 levels off.
fn begin_at_zero(gradient: &mut Gradient) {
    let stops = &mut gradient.stops.0;
    if let Some(first) = stops.first().copied().filter(|first| first.offset > 0.0) {
        stops.insert(0, ColorStop { offset: 0.0, ..first });
    }
}

/// A scene that shows nothing but one transparent px.
///
/// Every scene begins so: one without any resource makes vello 0.11 drop its atlas, while it still takes the pictures in it
/// for uploaded, and later pages show other pixels in their place.
pub(super) fn blank() -> Scene {
    static NOTHING: OnceLock<ImageData> = OnceLock::new();
    let nothing = NOTHING.get_or_init(|| image(Blob::new(Arc::new([0; 4])), 1, 1, ImageAlphaType::AlphaPremultiplied));
    let mut scene = Scene::new();
    scene.draw_image(&ImageBrush::new(nothing.clone()), Affine::IDENTITY);
    scene
}

/// An image whose pixels vello reads from a blob, or from the texture that overrides it.
pub(super) fn image(data: Blob<u8>, width: u32, height: u32, alpha_type: ImageAlphaType) -> ImageData {
    ImageData { data, format: ImageFormat::Rgba8, alpha_type, width, height }
}

/// Stands for pixels that only the GPU has.
pub(super) fn stand_in() -> Blob<u8> {
    Blob::new(Arc::new([]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_halved_on_tiles() {
        let page = Area { x: 0, y: 0, width: 1080, height: 500 };
        let halves = page.halves().expect("large enough");
        assert_eq!(halves[0], Area { width: 544, ..page });
        assert_eq!(halves[1], Area { x: 544, width: 536, ..page });
        assert_eq!(Area { x: 0, y: 0, width: 255, height: 255 }.halves(), None);
    }

    #[test]
    fn gradients_are_led_to_px_across_their_lines_of_one_colour() {
        // Twice as wide: lines of one colour of the diagonal are steeper in px than across the diagonal there.
        let (led, to_part) =
            gradient_for_vello(&Gradient::new_linear((0.0, 0.0), (1.0, 1.0)), Affine::scale_non_uniform(2.0, 1.0));
        let expected = LinearGradientPosition { start: Point::new(-0.5, -0.5), end: Point::new(0.3, 1.1) };
        assert_eq!(to_part, Affine::IDENTITY);
        let GradientKind::Linear(found) = led.kind else { panic!("{led:?}") };
        assert!(found.start == expected.start && found.end.distance(expected.end) < 1e-9, "{found:?}");
    }

    #[test]
    fn gradients_begin_at_zero() {
        let offsets = |stops: [f32; 2]| {
            let stops = stops.map(|offset| ColorStop::from((offset, peniko::Color::BLACK)));
            let mut gradient = Gradient::new_linear((0.0, 0.0), (1.0, 1.0)).with_stops(stops);
            begin_at_zero(&mut gradient);
            gradient.stops.iter().map(|stop| stop.offset).collect::<Vec<_>>()
        };
        assert_eq!(offsets([0.2, 0.9]), [0.0, 0.2, 0.9]);
        assert_eq!(offsets([0.0, 0.9]), [0.0, 0.9]);
    }
}
