//! Resolved pages: what is on the paper, in paint order, with nothing left to look up.
//!
//! In: positions, outlines, glyph ids, decoded pictures, colours — in design px, y down.
//! Not in: JSON names, URLs, font families, device pixels, anything from `wgpu`.
//! Imports: `units`, `report` (the opaque `Origin`), kurbo, peniko. Made by `design`, read by `paint`.

mod bounds;
mod dump;
mod pass;

use std::sync::Arc;

use kurbo::{Affine, BezPath, Insets, Point, Rect, Shape, Size, Vec2};
use peniko::{BlendMode, Blob, Brush, Color, Fill, FontData};

use crate::report::Origin;
use crate::units::{Opacity, Px};
pub use pass::{Pass, Tone};

/// The outline of a `shape` with round parts, no more than 0.01 px, or a millionth of its longer side, off the true arc. Its curves
/// grow in number with the sixth root of size over tolerance, without end where the tolerance does not grow with the size.
pub fn outline_of(shape: &impl Shape) -> BezPath {
    const TOLERANCE: f64 = 0.01;
    const RELATIVE: f64 = 1e-6;
    shape.to_path((shape.bounding_box().size().max_side() * RELATIVE).max(TOLERANCE))
}

/// All pages to draw, in design order.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// At least one after `design::resolve`.
    pub pages: Vec<Page>,
}

/// One sheet. `root` is in page coordinates: (0, 0) is the top-left of the trim box.
#[derive(Clone, Debug)]
pub struct Page {
    /// Trim size.
    pub size: Size,
    /// What is shown beyond the trim on each side; zero unless bleed was asked for.
    pub bleed: Insets,
    /// Everything on the page, background first.
    pub root: Group,
}

impl Page {
    /// Size of the sheet: trim and bleed.
    pub fn sheet(&self) -> Size {
        Size::new(self.size.width + self.bleed.x_value(), self.size.height + self.bleed.y_value())
    }

    /// The sheet in page coordinates: everything else is cut off.
    pub fn visible(&self) -> Rect {
        self.size.to_rect() + self.bleed
    }
}

/// The closed set. A painter is complete when it handles these four.
#[derive(Clone, Debug)]
pub enum Node {
    /// Nodes painted together.
    Group(Box<Group>),
    /// A filled and stroked outline.
    Path(Path),
    /// Shaped text: one font, one size, one baseline.
    Glyphs(GlyphRun),
    /// A decoded picture.
    Image(Image),
}

/// Painted in this order: children, mask, blur, colours, shadow under them, clip, opacity, blend. Isolated only when one of them
/// asks for it; a clip alone does not.
#[derive(Clone, Debug)]
pub struct Group {
    /// Opaque tag set by `design`; painters hand it back in warnings.
    pub origin: Option<Origin>,
    /// From this group's coordinates to its parent's.
    pub transform: Affine,
    /// The children are drawn upright into a bitmap of this area, in this group's coordinates, and what reaches beyond it
    /// is cut off. Text is put on whole px of the bitmap, and the changed bitmap is then sampled at its place.
    pub bitmap: Option<Rect>,
    /// Radius of a stack blur over the flattened children (rendering.md §4.2); 0 for none.
    pub blur: Px,
    /// Changes of colour of the flattened, blurred children, pixel by pixel in device px. [`Pass::Blur`] has no place
    /// here and does nothing.
    pub recolor: Vec<Pass>,
    /// Cast by the flattened, blurred children.
    pub shadow: Option<Shadow>,
    /// In this group's own coordinates; nonzero.
    pub clip: Option<BezPath>,
    /// Its alpha multiplies into that of the flattened children; its colours do not count. In this group's coordinates.
    pub mask: Option<Box<Group>>,
    /// Of the whole group, flattened first. (Element opacity never lands here: rendering.md §3 multiplies it into the parts.)
    pub opacity: Opacity,
    /// How the flattened group meets what is below.
    pub blend: BlendMode,
    /// First is bottom.
    pub children: Vec<Node>,
    /// Areas of the children that lead somewhere when clicked. Pixels know nothing of them: for PDF.
    pub links: Vec<Link>,
}

/// Where a click leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// In the group's own coordinates.
    pub area: Rect,
    /// As the caller wrote it: an address of any scheme, absolute or not.
    pub href: Arc<str>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            origin: None,
            transform: Affine::IDENTITY,
            bitmap: None,
            blur: Px(0.0),
            recolor: Vec::new(),
            shadow: None,
            clip: None,
            mask: None,
            opacity: Opacity::OPAQUE,
            blend: BlendMode::default(),
            children: Vec::new(),
            links: Vec::new(),
        }
    }
}

/// A shadow as on a canvas: the alpha of what casts it, moved, blurred and tinted (rendering.md §5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shadow {
    /// Along the page's axes, however the group is turned; design px.
    pub offset: Vec2,
    /// Standard deviation of the Gaussian, design px; not negative.
    pub sigma: Px,
    /// Its alpha multiplies with that of what casts it.
    pub color: Color,
}

/// What colours an area: a solid or a gradient, placed by `transform` (brush space to the node's space).
#[derive(Clone, Debug, PartialEq)]
pub struct Paint {
    /// Never `Brush::Image`: pictures are `Node::Image`.
    pub brush: Brush,
    /// Identity for solids.
    pub transform: Affine,
}

impl<T: Into<Brush>> From<T> for Paint {
    fn from(brush: T) -> Self {
        Self { brush: brush.into(), transform: Affine::IDENTITY }
    }
}

/// An outline, painted fill first, then stroke, not isolated.
#[derive(Clone, Debug)]
pub struct Path {
    /// In the parent group's coordinates.
    pub outline: BezPath,
    /// Inside, by this rule.
    pub fill: Option<(Paint, Fill)>,
    /// Along the outline.
    pub stroke: Option<(Paint, kurbo::Stroke)>,
}

impl Path {
    /// A nonzero fill and no stroke.
    pub fn filled(outline: BezPath, paint: impl Into<Paint>) -> Self {
        Self { outline, fill: Some((paint.into(), Fill::NonZero)), stroke: None }
    }

    /// A stroke and no fill.
    pub fn stroked(outline: BezPath, paint: impl Into<Paint>, stroke: kurbo::Stroke) -> Self {
        Self { outline, fill: None, stroke: Some((paint.into(), stroke)) }
    }
}

/// One font, one size, one baseline. Keeps text and clusters so that a PDF stays searchable.
#[derive(Clone, Debug)]
pub struct GlyphRun {
    /// The face.
    pub font: FontData,
    /// Normalised variation coordinates, empty for a static face.
    pub coords: Arc<[i16]>,
    /// Em size.
    pub font_size: Px,
    /// Where the baseline starts, in the parent group's coordinates.
    pub origin: Point,
    /// Synthetic slant: horizontal shift for each unit up (0.25 leans right); 0 for none.
    pub skew: f64,
    /// Synthetic weight: outline grown by this much on every side; 0 for none.
    pub embolden: Px,
    /// Fill or outline.
    pub style: GlyphStyle,
    /// In the parent group's coordinates.
    pub paint: Paint,
    /// In visual order, left to right.
    pub glyphs: Vec<Glyph>,
    /// The characters these glyphs stand for, in logical order. Runs of a text follow one another line by line, within a
    /// line from left to right.
    pub text: Arc<str>,
}

/// How glyph outlines are painted.
#[derive(Clone, Debug, PartialEq)]
pub enum GlyphStyle {
    /// Colour fonts keep their own colours.
    Fill,
    /// Centred on the outline. The same run follows as a fill: who reads text out counts only that one.
    Stroke(kurbo::Stroke),
}

/// One glyph of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glyph {
    /// Index in the face.
    pub id: u32,
    /// From the run's origin; y down.
    pub offset: Vec2,
    /// How far the pen moves; only for text extraction.
    pub advance: Px,
    /// Byte offset into the run's `text` of the first character it stands for.
    pub cluster: u32,
}

/// A decoded picture and where it goes.
#[derive(Clone, Debug)]
pub struct Image {
    /// Shared with the asset cache.
    pub picture: Arc<Picture>,
    /// The part that is shown, in picture px. Where `x0` is greater than `x1` the picture is mirrored left to right, where
    /// `y0` is greater than `y1` top to bottom. What lies beyond the picture is empty; the edge pixels of the rest are
    /// replicated, never its neighbours shown.
    pub source: Rect,
    /// Where `source` is stretched to, in the parent group's coordinates.
    pub dest: Rect,
    /// Applied in order to the whole picture at its natural size, before anything of it is cut or scaled
    /// (rendering.md §4).
    pub passes: Vec<Pass>,
    /// Of the picture.
    pub opacity: Opacity,
}

/// Decoded pixels: premultiplied RGBA8 in sRGB, rows top to bottom without padding.
#[derive(Clone, Debug)]
pub struct Picture {
    /// `4 * width * height` bytes. `Blob::id` names the content for caches.
    pub pixels: Blob<u8>,
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// Every alpha is 255.
    pub opaque: bool,
    /// The file behind the pixels, where it says the same: for file formats that can take it over.
    pub jpeg: Option<JpegFile>,
    /// The file ended before the picture did: the pixels that it does not have are transparent.
    pub cut_short: bool,
}

/// A JPEG whose decoded, turned pixels are a picture's: grey or YCbCr, 8 bits, sRGB.
#[derive(Clone, Debug)]
pub struct JpegFile {
    /// Without what says nothing about pixels: comments, camera data, profiles.
    pub bytes: Arc<[u8]>,
    /// Columns, as stored.
    pub width: u32,
    /// Rows, as stored.
    pub height: u32,
    /// One channel instead of three.
    pub grey: bool,
    /// From the stored picture to the upright one, both as unit squares, y down.
    pub turn: Affine,
}

/// The same pixels in memory: those of equal files that were decoded twice differ.
impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.pixels.id() == other.pixels.id() && (self.width, self.height) == (other.width, other.height)
    }
}

impl Image {
    /// The part of `source` that lies inside the picture, mirrored as `source` is, and the upright part of `dest` that it
    /// is stretched to. Both have no area where nothing of the picture is shown.
    pub fn visible(&self) -> (Rect, Rect) {
        let (source, dest) = (self.source, self.dest.abs());
        let (x, across) = clip_axis((source.x0, source.x1), f64::from(self.picture.width), (dest.x0, dest.x1));
        let (y, down) = clip_axis((source.y0, source.y1), f64::from(self.picture.height), (dest.y0, dest.y1));
        (Rect::new(x.0, y.0, x.1, y.1), Rect::new(across.0, down.0, across.1, down.1))
    }
}

/// Clips one axis of a stretched picture to its pixels, `0.0..=side`. `source` is a range in picture px, the end first
/// where the picture is mirrored; `dest` is the range that it is stretched to. Returns both, clipped.
pub fn clip_axis(source: (f64, f64), side: f64, dest: (f64, f64)) -> ((f64, f64), (f64, f64)) {
    let inside = |at: f64| (0.0..=side).contains(&at);
    if inside(source.0) && inside(source.1) {
        return (source, dest);
    }
    let clipped = (source.0.clamp(0.0, side), source.1.clamp(0.0, side));
    let scale = (dest.1 - dest.0) / (source.1 - source.0);
    let to_dest = |at: f64| dest.0 + (at - source.0) * scale;
    (clipped, (to_dest(clipped.0), to_dest(clipped.1)))
}

impl Picture {
    /// `None` unless `pixels.len() == 4 * width * height` and both sides are at least 1.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let bytes = u64::from(width) * u64::from(height) * 4;
        if bytes == 0 || pixels.len() as u64 != bytes {
            return None;
        }
        let opaque = pixels.chunks_exact(4).all(|p| p[3] == 255);
        Some(Self { pixels: Blob::from(pixels), width, height, opaque, jpeg: None, cut_short: false })
    }
}
