//! Images prepared for painting: passes applied, cropped, downscaled to the size at which they are shown, and cached
//! for the next page.
//!
//! A painter samples an image at one point for each device pixel, which drops most of a large photo, so an image that
//! is shown smaller than it is gets downscaled first. Upright images are also resampled here, to whole device px, and
//! the painter only copies them. Pixels of the downscaled image outside the source rectangle are never read.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use kurbo::{Affine, Rect};
use peniko::ImageAlphaType;
use vello_cpu::{PixelMetadata, Pixmap};

use super::passes;
use super::resample::{Downscale, Sample, bilinear, downscale};
use crate::cache::SharedLru;
use crate::scene::{DecodedImage, PixelPass, clip_axis};
use crate::units::DeviceSize;

/// Longest side of a pixmap.
const MAX_SIDE: f64 = u16::MAX as f64;
/// Margin of source px around the visible part, so that a filter at the surface's edge can read its neighbours.
const MARGIN: f64 = 2.0;
/// One image may take at most this fraction (1/n) of the cache, so that a poster does not evict everything else.
const LARGEST_SHARE: usize = 4;
/// Differences below this, in px, are invisible in 8 bits per channel.
const SAME: f64 = 1e-4;
/// Sines and cosines below this are floating-point noise of quarter turns.
const NO_TURN: f64 = 1e-9;

/// Browsers pick the bitmap of a colour font from a mipmap chain with a bias of this many levels towards the sharper
/// one.
const SHARPER: f64 = 0.5;

/// An image of the scene, its passes, and where it is drawn.
#[derive(Clone, Copy)]
pub(super) struct PlacedImage<'a> {
    /// The image before passes and cropping.
    pub(super) picture: &'a DecodedImage,
    /// Pixel passes applied to the whole image before it is cropped.
    pub(super) passes: &'a [PixelPass],
    /// The part that is shown, in image px and inside the image; mirrored as in [`crate::scene::Image::source`].
    pub(super) source: Rect,
    /// The rectangle that `source` is stretched to.
    pub(super) dest: Rect,
    /// Transform from the space of `dest` to device px.
    pub(super) transform: Affine,
    /// How the image is made smaller.
    pub(super) downscaling: Downscaling,
}

/// How images are made smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Downscaling {
    /// To the size at which they are shown, as the editor does with photos: one px for every `step` px of the image,
    /// rounded down to whole px.
    Shown {
        /// Image px per device px, of the axis that is downscaled less; at most 1 where the image is not downscaled.
        step: f64,
    },
    /// By powers of two, the rest by sampling, as browsers do with the bitmaps of colour fonts.
    Halved,
}

impl<'a> PlacedImage<'a> {
    /// Places an image of the scene, of which `source` is stretched to `dest`; `None` where `source` lies outside it.
    pub(super) fn cropped(
        picture: &'a DecodedImage,
        passes: &'a [PixelPass],
        source: Rect,
        dest: Rect,
        transform: Affine,
    ) -> Option<Self> {
        let [a, b, c, d, _, _] = (transform * stretch(source, dest)).as_coeffs();
        // Both axes by the less reduced one, as the editor does it; the rest is left to sampling.
        let step = (1.0 / a.hypot(b)).min(1.0 / c.hypot(d));
        let crop = |side: u32, source: (f64, f64), dest: (f64, f64)| {
            let whole = Axis::new(side, step).whole(source);
            clip_axis(whole, f64::from(side), dest)
        };
        let (x, across) = crop(picture.width, (source.x0, source.x1), (dest.x0, dest.x1));
        let (y, down) = crop(picture.height, (source.y0, source.y1), (dest.y0, dest.y1));
        let (source, dest) = (Rect::new(x.0, y.0, x.1, y.1), Rect::new(across.0, down.0, across.1, down.1));
        let downscaling = Downscaling::Shown { step };
        (!source.is_zero_area()).then_some(Self { picture, passes, source, dest, transform, downscaling })
    }

    /// True when the image has hard edges: an image of the scene that is upright or turned by quarters fills the pixels
    /// whose centres it covers, as on the editor's canvas (`public--design-photo-downscaled` of the reference designs).
    pub(super) fn has_sharp_edges(&self) -> bool {
        let [a, b, c, d, ..] = self.transform.as_coeffs();
        let none = |first: f64, second: f64| first.abs().max(second.abs()) < NO_TURN;
        matches!(self.downscaling, Downscaling::Shown { .. }) && (none(b, c) || none(a, d))
    }

    /// The device px that the image covers; its bounding box where it is turned.
    pub(super) fn bounds(&self) -> Rect {
        let bounds = self.transform.transform_rect_bbox(self.dest);
        if !self.has_sharp_edges() {
            return bounds;
        }
        let nearest = |edge: f64| (edge + 0.5 + SAME).floor();
        Rect::new(nearest(bounds.x0), nearest(bounds.y0), nearest(bounds.x1), nearest(bounds.y1))
    }
}

/// Pixels ready to be painted, and how they are painted.
pub(super) struct PreparedImage {
    /// Premultiplied pixels in the size in which they are painted.
    pub(super) pixmap: Arc<Pixmap>,
    /// How the pixels are painted onto the surface.
    pub(super) placement: ImagePlacement,
    /// Bytes of `pixmap` if this call computed it; 0 if it came from the cache.
    pub(super) new_bytes: usize,
    /// The bytes of `pixmap` under an id that is stable while they are cached, for painters that cache uploads by id.
    #[cfg(feature = "gpu")]
    pub(super) pixels: peniko::Blob<u8>,
}

/// The steps that lead from an image to the pixels of a [`PreparedImage`], for a painter that runs them itself.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug)]
pub(super) struct ResamplePlan {
    /// Pixel passes applied to the whole image first.
    pub(super) passes: Vec<PixelPass>,
    /// How columns are downscaled and cropped after the passes.
    pub(super) columns: Downscale,
    /// How rows are downscaled and cropped after the passes.
    pub(super) rows: Downscale,
    /// How columns and rows are then sampled to whole device px; `None` where the painter samples.
    pub(super) samples: Option<(Sample, Sample)>,
    /// How the result is painted onto the surface.
    pub(super) placement: ImagePlacement,
}

#[cfg(feature = "gpu")]
impl ResamplePlan {
    /// Columns and rows of the result.
    pub(super) fn size(&self) -> (u32, u32) {
        match &self.samples {
            Some((columns, rows)) => (columns.count, rows.count),
            None => (self.columns.count, self.rows.count),
        }
    }
}

/// A pixmap shared by a cache entry and its readers.
#[derive(Clone)]
struct CachedPixmap {
    pixmap: Arc<Pixmap>,
    #[cfg(feature = "gpu")]
    pixels: peniko::Blob<u8>,
}

impl CachedPixmap {
    fn new(pixmap: Pixmap) -> Self {
        let pixmap = Arc::new(pixmap);
        #[cfg(feature = "gpu")]
        let pixels = peniko::Blob::new(Arc::new(PixmapBytes(pixmap.clone())));
        Self {
            pixmap,
            #[cfg(feature = "gpu")]
            pixels,
        }
    }
}

#[cfg(feature = "gpu")]
struct PixmapBytes(Arc<Pixmap>);

#[cfg(feature = "gpu")]
impl AsRef<[u8]> for PixmapBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.data_as_u8_slice()
    }
}

/// How a prepared image is painted onto the surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ImagePlacement {
    /// Copied pixel for pixel, with its top-left corner at this device px.
    Copy(u32, u32),
    /// Sampled through this transform from pixmap px to the space of `dest`.
    Sample(Affine),
}

/// Prepares images and caches the most recently used ones, bounded in bytes.
pub(super) struct PreparedImages(SharedLru<PreparationKey, CachedPixmap>);

/// Cache key: everything that determines the pixels of a prepared image.
#[derive(Clone, PartialEq)]
struct PreparationKey {
    picture: u64,
    passes: Vec<PixelPass>,
    columns: Downscale,
    rows: Downscale,
    samples: Option<(Sample, Sample)>,
}

impl PreparedImages {
    /// Creates a cache of at most `max_bytes` of pixels; 0 disables it.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(SharedLru::new(max_bytes, LARGEST_SHARE))
    }

    /// Prepares an image, or finds it in the cache; `None` when nothing of it is visible on `surface`.
    pub(super) fn prepare(&self, placed: &PlacedImage<'_>, surface: DeviceSize) -> Option<PreparedImage> {
        let (key, placement) = PreparationKey::of(placed, surface)?;
        let (cached, new_bytes) = self.get(key, placed.picture);
        Some(PreparedImage {
            pixmap: cached.pixmap,
            placement,
            new_bytes,
            #[cfg(feature = "gpu")]
            pixels: cached.pixels,
        })
    }

    /// The steps of [`Self::prepare`], for painters that run them themselves.
    #[cfg(feature = "gpu")]
    pub(super) fn resample_plan(placed: &PlacedImage<'_>, surface: DeviceSize) -> Option<ResamplePlan> {
        let (PreparationKey { passes, columns, rows, samples, .. }, placement) = PreparationKey::of(placed, surface)?;
        Some(ResamplePlan { passes, columns, rows, samples, placement })
    }

    /// The pixels for `key`, and the number of bytes that were allocated for them.
    fn get(&self, key: PreparationKey, picture: &DecodedImage) -> (CachedPixmap, usize) {
        if let Some(found) = self.0.get(&key) {
            return (found, 0);
        }
        let cached = CachedPixmap::new(key.resample(picture));
        let bytes = cached.pixmap.data_as_u8_slice().len();
        self.0.put(key, cached.clone(), bytes);
        (cached, bytes)
    }
}

impl PreparationKey {
    /// The key of an image and how its pixels are painted; `None` when nothing of it is visible on `surface`.
    fn of(placed: &PlacedImage<'_>, surface: DeviceSize) -> Option<(Self, ImagePlacement)> {
        let PlacedImage { picture, passes, source, dest, transform, downscaling } = *placed;
        let step = downscaling.step(transform * stretch(source, dest));
        let across = Axis { mirrored: source.x1 < source.x0, ..Axis::new(picture.width, step) };
        let down = Axis { mirrored: source.y1 < source.y0, ..Axis::new(picture.height, step) };
        // Everything below is in px of the mirrored image.
        let (x, y) = (across.unmirrored((source.x0, source.x1)), down.unmirrored((source.y0, source.y1)));
        let source = Rect::new(x.0, y.0, x.1, y.1);
        let to_dest = stretch(source, dest);
        let to_device = transform * to_dest;
        let page = Rect::new(0.0, 0.0, f64::from(surface.width), f64::from(surface.height));
        let shown = transform.transform_rect_bbox(dest).intersect(page);
        let back = to_device.inverse();
        if shown.is_zero_area() || !back.is_finite() {
            return None;
        }
        let visible = back.transform_rect_bbox(shown);
        let [_, b, c, ..] = to_device.as_coeffs();
        let (columns, to_x) = across.cut((source.x0, source.x1), (visible.x0, visible.x1));
        let (rows, to_y) = down.cut((source.y0, source.y1), (visible.y0, visible.y1));
        // From px of the downscaled image to px of the image.
        let from_reduced = Affine::scale_non_uniform(to_x, to_y)
            * Affine::translate((f64::from(columns.first), f64::from(rows.first)));
        let mut key =
            PreparationKey { picture: picture.pixels.id(), passes: passes.to_vec(), columns, rows, samples: None };
        if b.abs() > SAME / f64::from(picture.width) || c.abs() > SAME / f64::from(picture.height) {
            return Some((key, ImagePlacement::Sample(to_dest * from_reduced)));
        }
        let (x0, y0) = (shown.x0.floor(), shown.y0.floor());
        let [step_x, _, _, step_y, ..] = (to_device * from_reduced).inverse().as_coeffs();
        let start = (to_device * from_reduced).inverse() * kurbo::Point::new(x0 + 0.5, y0 + 0.5);
        let columns = Sample { start: start.x, step: step_x, count: (shown.x1.ceil() - x0) as u32 };
        let rows = Sample { start: start.y, step: step_y, count: (shown.y1.ceil() - y0) as u32 };
        key.samples = Some((columns, rows));
        Some((key, ImagePlacement::Copy(x0 as u32, y0 as u32)))
    }

    fn resample(&self, picture: &DecodedImage) -> Pixmap {
        if self.passes.is_empty() { self.crop(picture) } else { self.crop(&passes::apply(picture, &self.passes)) }
    }

    fn crop(&self, picture: &DecodedImage) -> Pixmap {
        let (mut width, mut height) = (self.columns.count, self.rows.count);
        let mut pixels = downscale(picture.pixels.data(), picture.width, &self.columns, &self.rows);
        if let Some((columns, rows)) = &self.samples {
            let identity = |sample: &Sample, side| {
                (sample.step - 1.0).abs() * f64::from(side) < SAME
                    && (sample.start - 0.5).abs() < SAME
                    && sample.count == side
            };
            if !(identity(columns, width) && identity(rows, height)) {
                pixels = bilinear(&pixels, width, height, columns, rows);
                (width, height) = (columns.count, rows.count);
            }
        }
        let metadata = PixelMetadata::new(ImageAlphaType::AlphaPremultiplied, !picture.opaque);
        Pixmap::from_parts(pixels, width as u16, height as u16, metadata)
    }

    fn bits(&self) -> impl Iterator<Item = u64> + '_ {
        let downscale =
            |it: Downscale| [it.side.into(), it.mirrored.into(), it.step.to_bits(), it.first.into(), it.count.into()];
        let sample = |it: Sample| [it.start.to_bits(), it.step.to_bits(), it.count.into()];
        let samples = self.samples.into_iter().flat_map(move |(x, y)| [sample(x), sample(y)]).flatten();
        let passes = self.passes.iter().flat_map(PixelPass::bits);
        let cut = [downscale(self.columns), downscale(self.rows)].into_iter().flatten();
        [self.picture].into_iter().chain(passes).chain(cut).chain(samples)
    }
}

// No NaN: `PreparationKey::of` checks the transform.
impl Eq for PreparationKey {}

impl Hash for PreparationKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut hasher = DefaultHasher::new();
        self.bits().for_each(|bits| bits.hash(&mut hasher));
        hasher.finish().hash(state);
    }
}

impl Downscaling {
    /// Image px per device px; at most 1 where the image is not downscaled. `to_device`: transform from image px.
    fn step(self, to_device: Affine) -> f64 {
        match self {
            Self::Shown { step } => step,
            Self::Halved => {
                let [a, b, c, d, _, _] = to_device.as_coeffs();
                let step = (1.0 / a.hypot(b)).min(1.0 / c.hypot(d));
                (step.log2() - SHARPER).max(0.0).round().exp2()
            }
        }
    }
}

/// The transform that maps `source` onto `dest`.
fn stretch(source: Rect, dest: Rect) -> Affine {
    Affine::translate(dest.origin().to_vec2())
        * Affine::scale_non_uniform(dest.width() / source.width(), dest.height() / source.height())
        * Affine::translate(-source.origin().to_vec2())
}

/// One axis of an image and how far it is downscaled.
struct Axis {
    side: u32,
    reduced: u32,
    /// The requested image px per device px. The downscaled image has whole px, so each of them covers slightly more.
    step: f64,
    mirrored: bool,
}

impl Axis {
    /// `step`: image px per device px.
    fn new(side: u32, step: f64) -> Self {
        if step <= 1.0 + SAME {
            return Self { side, reduced: side, step: 1.0, mirrored: false };
        }
        let reduced = (f64::from(side) / step + SAME).floor().max(1.0) as u32;
        Self { side, reduced, step, mirrored: false }
    }

    /// Rounds a crop as the editor does, which mirrors an image, then downscales it, then crops it at whole pixels,
    /// both position and length rounded down (`weird-image` and `svg-without-size` of the corpus's published cases,
    /// `crop-of-slightly-reduced-image` and `flip-crop-side` of the others). `source` and the result are in image px,
    /// with the end first where mirrored.
    fn whole(&self, source: (f64, f64)) -> (f64, f64) {
        if self.reduced == self.side {
            return source;
        }
        let axis = Self { mirrored: source.1 < source.0, ..*self };
        let (low, high) = axis.unmirrored(source);
        let floor = |length: f64| (length / self.step + SAME).floor();
        let (first, count) = (floor(low), floor(high - low).max(1.0));
        axis.unmirrored((first * self.to_picture(), (first + count) * self.to_picture()))
    }

    /// Converts a range of image px to px of the mirrored image, or back.
    fn unmirrored(&self, range: (f64, f64)) -> (f64, f64) {
        let side = f64::from(self.side);
        if self.mirrored { (side - range.0, side - range.1) } else { range }
    }

    /// Image px per px of the downscaled image.
    fn to_picture(&self) -> f64 {
        f64::from(self.side) / f64::from(self.reduced)
    }

    /// The px of the downscaled image to compute, and image px per downscaled px. `source` is the requested range and
    /// `visible` the visible part of it, both in px of the mirrored image.
    fn cut(&self, source: (f64, f64), visible: (f64, f64)) -> (Downscale, f64) {
        let to_picture = self.to_picture();
        let within = |range: (f64, f64)| {
            let low = (range.0 / to_picture + SAME).floor().clamp(0.0, f64::from(self.reduced - 1));
            (low, (range.1 / to_picture - SAME).ceil().clamp(low + 1.0, f64::from(self.reduced)))
        };
        let ((first, last), shown) = (within(source), within(visible));
        let first = first.max(shown.0 - MARGIN).min(last - 1.0);
        let last = last.min(shown.1 + MARGIN).clamp(first + 1.0, first + MAX_SIDE);
        let count = (last - first) as u32;
        let (side, mirrored) = (self.side, self.mirrored);
        (Downscale { side, step: to_picture, mirrored, first: first as u32, count }, to_picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURFACE: DeviceSize = DeviceSize { width: 100, height: 100 };

    fn stripes(width: u32, height: u32) -> DecodedImage {
        let pixel = |x: u32| if x.is_multiple_of(2) { [255, 255, 255, 255] } else { [0, 0, 0, 255] };
        let pixels = (0..width * height).flat_map(|at| pixel(at % width)).collect();
        DecodedImage::new(width, height, pixels).expect("as many bytes as pixels")
    }

    fn prepare(
        images: &PreparedImages,
        picture: &DecodedImage,
        dest: Rect,
        transform: Affine,
    ) -> Option<PreparedImage> {
        let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
        images.prepare(&PlacedImage::cropped(picture, &[], source, dest, transform)?, SURFACE)
    }

    #[test]
    fn image_at_its_own_size_is_copied() {
        let picture = stripes(8, 4);
        let prepared = prepare(&PreparedImages::new(0), &picture, Rect::new(10.0, 20.0, 18.0, 24.0), Affine::IDENTITY);
        let prepared = prepared.expect("visible");
        assert_eq!(prepared.placement, ImagePlacement::Copy(10, 20));
        assert_eq!(prepared.pixmap.data_as_u8_slice(), picture.pixels.data());
    }

    #[test]
    fn image_is_downscaled_to_the_size_shown() {
        let prepared =
            prepare(&PreparedImages::new(0), &stripes(512, 8), Rect::new(0.0, 0.0, 64.0, 1.0), Affine::IDENTITY);
        let pixmap = prepared.expect("visible").pixmap;
        assert_eq!((pixmap.width(), pixmap.height()), (64, 1));
        assert!(pixmap.data().iter().all(|p| p.r == 128 && p.a == 255));
    }

    #[test]
    fn bitmap_of_a_glyph_is_halved_only() {
        let picture = stripes(128, 8);
        let (source, dest) = (Rect::new(0.0, 0.0, 128.0, 8.0), Rect::new(0.0, 0.0, 50.0, 3.125));
        let placed = PlacedImage {
            picture: &picture,
            passes: &[],
            source,
            dest,
            transform: Affine::IDENTITY,
            downscaling: Downscaling::Halved,
        };
        let pixmap = PreparedImages::new(0).prepare(&placed, SURFACE).expect("visible").pixmap;
        assert!(pixmap.data().iter().all(|p| p.r.abs_diff(128) <= 1));
    }

    #[test]
    fn image_is_cropped_at_whole_px_of_the_downscaled_image() {
        let picture = stripes(480, 320);
        let dest = Rect::new(0.0, 0.0, 220.0, 220.0);
        let cut = |source: Rect, dest: Rect| {
            let placed = PlacedImage::cropped(&picture, &[], source, dest, Affine::IDENTITY).expect("visible");
            let surface = DeviceSize { width: 300, height: 300 };
            let (key, _) = PreparationKey::of(&placed, surface).expect("visible");
            let cut = |it: Downscale| (it.step, it.mirrored, it.first, it.count);
            (cut(key.columns), cut(key.rows), placed.dest)
        };
        // 272 px in 220: downscaled to floor(480 / 1.236) x floor(320 / 1.236); 96 / 1.236 = 77.6.
        let (across, down) = (480.0 / 388.0, 320.0 / 258.0);
        let found = cut(Rect::new(96.0, 0.0, 368.0, 272.0), dest);
        assert_eq!(found, ((across, false, 77, 220), (down, false, 0, 220), dest));
        // The same crop of the mirrored image.
        let found = cut(Rect::new(384.0, 0.0, 112.0, 272.0), dest);
        assert_eq!(found, ((across, true, 77, 220), (down, false, 0, 220), dest));
        // Beyond the picture: 300 / 1.236 = 242.6, of which 388 - 242 = 146 px are there.
        let found = cut(Rect::new(300.0, 0.0, 572.0, 272.0), dest);
        assert_eq!((found.0, found.1), ((across, false, 242, 146), (down, false, 0, 220)));
        assert!((found.2.x1 - 146.0).abs() < 1e-9 && found.2.y1 == 220.0);
        let nothing = Rect::new(480.0, 0.0, 752.0, 272.0);
        assert!(PlacedImage::cropped(&picture, &[], nothing, dest, Affine::IDENTITY).is_none());
    }

    #[test]
    fn image_off_the_surface_is_not_prepared() {
        let images = PreparedImages::new(1 << 20);
        assert!(prepare(&images, &stripes(4, 4), Rect::new(100.0, 0.0, 104.0, 4.0), Affine::IDENTITY).is_none());
        let huge = prepare(&images, &stripes(4, 4), Rect::new(-1e6, -1e6, 1e6, 1e6), Affine::IDENTITY);
        let pixmap = huge.expect("visible").pixmap;
        assert_eq!((pixmap.width(), pixmap.height()), (100, 100));
    }

    #[test]
    fn image_cache_is_bounded() {
        let (images, picture) = (PreparedImages::new(8 * 1024), stripes(16, 16));
        for shift in 0..20 {
            let dest = Rect::new(0.0, 0.0, 16.0, 16.0) + kurbo::Vec2::new(f64::from(shift) + 0.5, 0.0);
            prepare(&images, &picture, dest, Affine::IDENTITY);
        }
        assert!(images.0.bytes() <= 8 * 1024);
        assert!(images.0.count() > 0);
    }
}
