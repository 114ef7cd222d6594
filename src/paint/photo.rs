//! Pictures, ready to be painted: sent through their passes, cropped, reduced to the size they are shown at, and kept for the next page.
//!
//! A painter samples a picture at one point a device pixel, which drops most of a large photo; so everything shown
//! smaller than it is gets reduced first. Upright pictures are sampled here too, to whole device px, and then only
//! copied by the painter. Of the reduced picture nothing outside the source rectangle is ever read.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use kurbo::{Affine, Rect};
use peniko::ImageAlphaType;
use vello_cpu::{PixelMetadata, Pixmap};

use super::passes;
use super::resample::{Reduce, Sample, bilinear, reduce};
use crate::cache::SharedLru;
use crate::scene::{Pass, Picture, clip_axis};
use crate::units::DeviceSize;

/// Longest side of a pixmap.
const MAX_SIDE: f64 = u16::MAX as f64;
/// Source px kept around what is visible, so that a filter at the surface's edge sees its neighbours.
const MARGIN: f64 = 2.0;
/// One picture may take this part of the cache, so that a poster does not push everything else out.
const LARGEST_SHARE: usize = 4;
/// Differences below this, in px, cannot be seen in 8 bits.
const SAME: f64 = 1e-4;
/// Sines and cosines below this are floating-point noise of quarter turns.
const NO_TURN: f64 = 1e-9;

/// Browsers take the pictures of colour fonts from a chain of halved ones, as if they were shown this many halvings larger.
const SHARPER: f64 = 0.5;

/// A picture with everything that says where it goes.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    /// The pixels.
    pub(super) picture: &'a Picture,
    /// What happens to all of the picture first.
    pub(super) passes: &'a [Pass],
    /// In picture px, inside the picture; mirrored as in [`crate::scene::Image::source`].
    pub(super) source: Rect,
    /// Where `source` is stretched to.
    pub(super) dest: Rect,
    /// From the space of `dest` to device px.
    pub(super) transform: Affine,
    /// How to make it smaller.
    pub(super) reduction: Reduction,
}

/// How pictures are made smaller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reduction {
    /// To the size they are shown at, as the editor does with photos: one px of the reduced picture for every `step` px of
    /// the picture, rounded down to whole px. At most 1 where the picture is not reduced.
    Shown {
        /// Picture px a device px, of the less reduced axis.
        step: f64,
    },
    /// By halving, the rest by sampling, as browsers do with the pictures of colour fonts.
    Halved,
}

impl<'a> Placed<'a> {
    /// A picture of the scene, of which `source` is stretched to `dest`. `None` where nothing of the picture is shown.
    pub(super) fn cropped(
        picture: &'a Picture,
        passes: &'a [Pass],
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
        let reduction = Reduction::Shown { step };
        (!source.is_zero_area()).then_some(Self { picture, passes, source, dest, transform, reduction })
    }

    /// True when the picture has sharp edges: a picture of the scene that stands upright, or is turned by quarters, fills
    /// the pixels whose middles it covers, as on the editor's canvas (`public--design-photo-downscaled` of the reference
    /// designs).
    pub(super) fn has_sharp_edges(&self) -> bool {
        let [a, b, c, d, ..] = self.transform.as_coeffs();
        let none = |first: f64, second: f64| first.abs().max(second.abs()) < NO_TURN;
        matches!(self.reduction, Reduction::Shown { .. }) && (none(b, c) || none(a, d))
    }

    /// The device px that the picture covers, or lies within where it is turned.
    pub(super) fn bounds(&self) -> Rect {
        let bounds = self.transform.transform_rect_bbox(self.dest);
        if !self.has_sharp_edges() {
            return bounds;
        }
        let nearest = |edge: f64| (edge + 0.5 + SAME).floor();
        Rect::new(nearest(bounds.x0), nearest(bounds.y0), nearest(bounds.x1), nearest(bounds.y1))
    }
}

/// What is to be painted, and where.
pub(super) struct Prepared {
    /// Premultiplied.
    pub(super) pixmap: Arc<Pixmap>,
    /// How it goes onto the surface.
    pub(super) place: Place,
    /// Bytes of `pixmap` when it was made for this call, else 0.
    pub(super) made: usize,
    /// The bytes of `pixmap`, with an id that stays theirs as long as they are kept here: for painters that keep uploads.
    #[cfg(feature = "gpu")]
    pub(super) pixels: peniko::Blob<u8>,
}

/// The pixels that [`Prepared`] would hold, not made yet.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    /// What becomes of all of the picture first.
    pub(super) passes: Vec<Pass>,
    /// Then it is reduced and cut.
    pub(super) columns: Reduce,
    /// The same for rows.
    pub(super) rows: Reduce,
    /// Then sampled to whole device px, columns and rows.
    pub(super) samples: Option<(Sample, Sample)>,
    /// How the outcome goes onto the surface.
    pub(super) place: Place,
}

#[cfg(feature = "gpu")]
impl Recipe {
    /// Columns and rows of the outcome.
    pub(super) fn size(&self) -> (u32, u32) {
        match &self.samples {
            Some((columns, rows)) => (columns.count, rows.count),
            None => (self.columns.count, self.rows.count),
        }
    }
}

/// A pixmap that a cache entry and its readers share.
#[derive(Clone)]
struct Kept {
    pixmap: Arc<Pixmap>,
    #[cfg(feature = "gpu")]
    pixels: peniko::Blob<u8>,
}

impl Kept {
    fn new(pixmap: Pixmap) -> Self {
        let pixmap = Arc::new(pixmap);
        #[cfg(feature = "gpu")]
        let pixels = peniko::Blob::new(Arc::new(Bytes(pixmap.clone())));
        Self {
            pixmap,
            #[cfg(feature = "gpu")]
            pixels,
        }
    }
}

/// A pixmap seen as bytes.
#[cfg(feature = "gpu")]
struct Bytes(Arc<Pixmap>);

#[cfg(feature = "gpu")]
impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.0.data_as_u8_slice()
    }
}

/// How a prepared picture goes onto the surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Pixel for pixel, its top-left at this device px.
    Copy(u32, u32),
    /// Sampled through this transform from pixmap px to the space of `dest`.
    Sample(Affine),
}

/// Makes prepared pictures and keeps the latest, bounded in bytes.
pub(super) struct Photos(SharedLru<Key, Kept>);

/// Everything that decides about the pixels.
#[derive(Clone, PartialEq)]
struct Key {
    picture: u64,
    passes: Vec<Pass>,
    columns: Reduce,
    rows: Reduce,
    samples: Option<(Sample, Sample)>,
}

impl Photos {
    /// `max_bytes`: of pixels kept; 0 keeps none.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(SharedLru::new(max_bytes, LARGEST_SHARE))
    }

    /// `None` when nothing of it can be seen on `surface`.
    pub(super) fn prepare(&self, placed: &Placed<'_>, surface: DeviceSize) -> Option<Prepared> {
        let (key, place) = Key::of(placed, surface)?;
        let (kept, made) = self.get(key, placed.picture);
        Some(Prepared {
            pixmap: kept.pixmap,
            place,
            made,
            #[cfg(feature = "gpu")]
            pixels: kept.pixels,
        })
    }

    /// What [`Self::prepare`] would make, for painters that make it themselves.
    #[cfg(feature = "gpu")]
    pub(super) fn recipe(placed: &Placed<'_>, surface: DeviceSize) -> Option<Recipe> {
        let (Key { passes, columns, rows, samples, .. }, place) = Key::of(placed, surface)?;
        Some(Recipe { passes, columns, rows, samples, place })
    }

    /// And how many bytes were made for it.
    fn get(&self, key: Key, picture: &Picture) -> (Kept, usize) {
        if let Some(found) = self.0.get(&key) {
            return (found, 0);
        }
        let kept = Kept::new(key.make(picture));
        let bytes = kept.pixmap.data_as_u8_slice().len();
        self.0.put(key, kept.clone(), bytes);
        (kept, bytes)
    }
}

impl Key {
    /// What is to be made, and how it goes onto the surface; `None` when nothing of it can be seen there.
    fn of(placed: &Placed<'_>, surface: DeviceSize) -> Option<(Self, Place)> {
        let Placed { picture, passes, source, dest, transform, reduction } = *placed;
        let step = reduction.step(transform * stretch(source, dest));
        let across = Axis { mirrored: source.x1 < source.x0, ..Axis::new(picture.width, step) };
        let down = Axis { mirrored: source.y1 < source.y0, ..Axis::new(picture.height, step) };
        // From here on in px of the mirrored picture.
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
        // From pixels of the reduced picture to pixels of the picture.
        let from_reduced = Affine::scale_non_uniform(to_x, to_y)
            * Affine::translate((f64::from(columns.first), f64::from(rows.first)));
        let mut key = Key { picture: picture.pixels.id(), passes: passes.to_vec(), columns, rows, samples: None };
        if b.abs() > SAME / f64::from(picture.width) || c.abs() > SAME / f64::from(picture.height) {
            return Some((key, Place::Sample(to_dest * from_reduced)));
        }
        let (x0, y0) = (shown.x0.floor(), shown.y0.floor());
        let [step_x, _, _, step_y, ..] = (to_device * from_reduced).inverse().as_coeffs();
        let start = (to_device * from_reduced).inverse() * kurbo::Point::new(x0 + 0.5, y0 + 0.5);
        let columns = Sample { start: start.x, step: step_x, count: (shown.x1.ceil() - x0) as u32 };
        let rows = Sample { start: start.y, step: step_y, count: (shown.y1.ceil() - y0) as u32 };
        key.samples = Some((columns, rows));
        Some((key, Place::Copy(x0 as u32, y0 as u32)))
    }

    fn make(&self, picture: &Picture) -> Pixmap {
        if self.passes.is_empty() { self.cut(picture) } else { self.cut(&passes::apply(picture, &self.passes)) }
    }

    fn cut(&self, picture: &Picture) -> Pixmap {
        let (mut width, mut height) = (self.columns.count, self.rows.count);
        let mut pixels = reduce(picture.pixels.data(), picture.width, &self.columns, &self.rows);
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
        let reduce =
            |it: Reduce| [it.side.into(), it.mirrored.into(), it.step.to_bits(), it.first.into(), it.count.into()];
        let sample = |it: Sample| [it.start.to_bits(), it.step.to_bits(), it.count.into()];
        let samples = self.samples.into_iter().flat_map(move |(x, y)| [sample(x), sample(y)]).flatten();
        let passes = self.passes.iter().flat_map(Pass::bits);
        let cut = [reduce(self.columns), reduce(self.rows)].into_iter().flatten();
        [self.picture].into_iter().chain(passes).chain(cut).chain(samples)
    }
}

/// Never NaN: `prepare` checked the transform.
impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut own = DefaultHasher::new();
        self.bits().for_each(|bits| bits.hash(&mut own));
        own.finish().hash(state);
    }
}

impl Reduction {
    /// Picture px a device px; at most 1 where the picture is not reduced. `to_device`: from picture px.
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

/// `source` over `dest`.
fn stretch(source: Rect, dest: Rect) -> Affine {
    Affine::translate(dest.origin().to_vec2())
        * Affine::scale_non_uniform(dest.width() / source.width(), dest.height() / source.height())
        * Affine::translate(-source.origin().to_vec2())
}

/// One side of a picture and how far it is reduced.
struct Axis {
    side: u32,
    reduced: u32,
    /// As asked for. The reduced picture has whole px, so that one of them stands for a little more.
    step: f64,
    mirrored: bool,
}

impl Axis {
    /// `step`: picture px a device px.
    fn new(side: u32, step: f64) -> Self {
        if step <= 1.0 + SAME {
            return Self { side, reduced: side, step: 1.0, mirrored: false };
        }
        let reduced = (f64::from(side) / step + SAME).floor().max(1.0) as u32;
        Self { side, reduced, step, mirrored: false }
    }

    /// The editor mirrors a picture, then reduces it, then crops it at whole pixels, both position and length rounded
    /// down (`weird-image` and `svg-without-size` of the corpus's published cases, `crop-of-slightly-reduced-image` and
    /// `flip-crop-side` of the others). `source` and the outcome: picture px, the end first where mirrored.
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

    /// From px of the picture to those of the mirrored picture, or back.
    fn unmirrored(&self, range: (f64, f64)) -> (f64, f64) {
        let side = f64::from(self.side);
        if self.mirrored { (side - range.0, side - range.1) } else { range }
    }

    /// Picture px a px of the reduced picture.
    fn to_picture(&self) -> f64 {
        f64::from(self.side) / f64::from(self.reduced)
    }

    /// Which pixels are made, and picture px a reduced px. `source`: what is asked for, `visible`: what can be seen of
    /// it, both in px of the mirrored picture.
    fn cut(&self, source: (f64, f64), visible: (f64, f64)) -> (Reduce, f64) {
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
        (Reduce { side, step: to_picture, mirrored, first: first as u32, count }, to_picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURFACE: DeviceSize = DeviceSize { width: 100, height: 100 };

    fn stripes(width: u32, height: u32) -> Picture {
        let pixel = |x: u32| if x.is_multiple_of(2) { [255, 255, 255, 255] } else { [0, 0, 0, 255] };
        let pixels = (0..width * height).flat_map(|at| pixel(at % width)).collect();
        Picture::new(width, height, pixels).expect("as many bytes as pixels")
    }

    fn prepare(photos: &Photos, picture: &Picture, dest: Rect, transform: Affine) -> Option<Prepared> {
        let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
        photos.prepare(&Placed::cropped(picture, &[], source, dest, transform)?, SURFACE)
    }

    #[test]
    fn photo_at_its_own_size_is_copied() {
        let picture = stripes(8, 4);
        let prepared = prepare(&Photos::new(0), &picture, Rect::new(10.0, 20.0, 18.0, 24.0), Affine::IDENTITY);
        let prepared = prepared.expect("visible");
        assert_eq!(prepared.place, Place::Copy(10, 20));
        assert_eq!(prepared.pixmap.data_as_u8_slice(), picture.pixels.data());
    }

    #[test]
    fn photo_is_reduced_to_what_is_shown() {
        let prepared = prepare(&Photos::new(0), &stripes(512, 8), Rect::new(0.0, 0.0, 64.0, 1.0), Affine::IDENTITY);
        let pixmap = prepared.expect("visible").pixmap;
        assert_eq!((pixmap.width(), pixmap.height()), (64, 1));
        assert!(pixmap.data().iter().all(|p| p.r == 128 && p.a == 255));
    }

    #[test]
    fn photo_of_a_glyph_is_halved_only() {
        let picture = stripes(128, 8);
        let (source, dest) = (Rect::new(0.0, 0.0, 128.0, 8.0), Rect::new(0.0, 0.0, 50.0, 3.125));
        let placed = Placed {
            picture: &picture,
            passes: &[],
            source,
            dest,
            transform: Affine::IDENTITY,
            reduction: Reduction::Halved,
        };
        let pixmap = Photos::new(0).prepare(&placed, SURFACE).expect("visible").pixmap;
        assert!(pixmap.data().iter().all(|p| p.r.abs_diff(128) <= 1));
    }

    #[test]
    fn photo_is_cropped_at_whole_px_of_the_reduced_picture() {
        let picture = stripes(480, 320);
        let dest = Rect::new(0.0, 0.0, 220.0, 220.0);
        let cut = |source: Rect, dest: Rect| {
            let placed = Placed::cropped(&picture, &[], source, dest, Affine::IDENTITY).expect("visible");
            let surface = DeviceSize { width: 300, height: 300 };
            let (key, _) = Key::of(&placed, surface).expect("visible");
            let cut = |it: Reduce| (it.step, it.mirrored, it.first, it.count);
            (cut(key.columns), cut(key.rows), placed.dest)
        };
        // 272 px in 220: reduced to floor(480 / 1.236) x floor(320 / 1.236); 96 / 1.236 = 77.6.
        let (across, down) = (480.0 / 388.0, 320.0 / 258.0);
        let found = cut(Rect::new(96.0, 0.0, 368.0, 272.0), dest);
        assert_eq!(found, ((across, false, 77, 220), (down, false, 0, 220), dest));
        // The same of the mirrored picture.
        let found = cut(Rect::new(384.0, 0.0, 112.0, 272.0), dest);
        assert_eq!(found, ((across, true, 77, 220), (down, false, 0, 220), dest));
        // Beyond the picture: 300 / 1.236 = 242.6, of which 388 - 242 = 146 px are there.
        let found = cut(Rect::new(300.0, 0.0, 572.0, 272.0), dest);
        assert_eq!((found.0, found.1), ((across, false, 242, 146), (down, false, 0, 220)));
        assert!((found.2.x1 - 146.0).abs() < 1e-9 && found.2.y1 == 220.0);
        let nothing = Rect::new(480.0, 0.0, 752.0, 272.0);
        assert!(Placed::cropped(&picture, &[], nothing, dest, Affine::IDENTITY).is_none());
    }

    #[test]
    fn photo_off_the_surface_is_not_made() {
        let photos = Photos::new(1 << 20);
        assert!(prepare(&photos, &stripes(4, 4), Rect::new(100.0, 0.0, 104.0, 4.0), Affine::IDENTITY).is_none());
        let huge = prepare(&photos, &stripes(4, 4), Rect::new(-1e6, -1e6, 1e6, 1e6), Affine::IDENTITY);
        let pixmap = huge.expect("visible").pixmap;
        assert_eq!((pixmap.width(), pixmap.height()), (100, 100));
    }

    #[test]
    fn photo_cache_is_bounded() {
        let (photos, picture) = (Photos::new(8 * 1024), stripes(16, 16));
        for shift in 0..20 {
            let dest = Rect::new(0.0, 0.0, 16.0, 16.0) + kurbo::Vec2::new(f64::from(shift) + 0.5, 0.0);
            prepare(&photos, &picture, dest, Affine::IDENTITY);
        }
        assert!(photos.0.bytes() <= 8 * 1024);
        assert!(photos.0.count() > 0);
    }
}
