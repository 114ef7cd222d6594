//! Resolved pages: the contents of each page in paint order, with nothing left to look up.
//!
//! In: positions, outlines, glyph ids, decoded pictures, colours — in design px, y down.
//! Not in: JSON names, URLs, font families, device pixels, anything from `wgpu`.
//! Imports: `units`, `report` (the opaque `Origin`), kurbo, peniko. `design` makes scenes, `paint` reads them.

mod bounds;
mod dump;
mod pass;

use std::sync::Arc;

use kurbo::{Affine, BezPath, Insets, Point, Rect, Shape, Size, Vec2};
use peniko::{BlendMode, Blob, Brush, Color, Fill, FontData};

use crate::report::Origin;
use crate::units::{Opacity, Px};
pub use pass::{PixelPass, Tone};

/// The outline of a `shape` with round parts, with a maximum error of 0.01 px or a millionth of its longer side.
///
/// The number of curves grows with the sixth root of size over tolerance. With a tolerance that is relative to the size
/// it stays bounded.
pub fn outline_of(shape: &impl Shape) -> BezPath {
    const MIN_TOLERANCE: f64 = 0.01;
    const RELATIVE_TOLERANCE: f64 = 1e-6;
    shape.to_path((shape.bounding_box().size().max_side() * RELATIVE_TOLERANCE).max(MIN_TOLERANCE))
}

/// The pages to draw, in design order.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Pages in design order; `design::resolve` returns at least one.
    pub pages: Vec<Page>,
}

/// One page. Its coordinates are design px with (0, 0) at the top-left corner of the trim box.
#[derive(Clone, Debug)]
pub struct Page {
    /// Trim size in design px.
    pub size: Size,
    /// Bleed beyond the trim box on each side, in design px; zero unless bleed was requested.
    pub bleed: Insets,
    /// Contents of the page in page coordinates, background first.
    pub root: Group,
}

impl Page {
    /// Size of the sheet, which is the trim size plus the bleed.
    pub fn sheet(&self) -> Size {
        Size::new(self.size.width + self.bleed.x_value(), self.size.height + self.bleed.y_value())
    }

    /// The sheet in page coordinates; everything outside is cut off.
    pub fn visible(&self) -> Rect {
        self.size.to_rect() + self.bleed
    }
}

/// One node of the scene. The set of kinds is closed: a painter is complete when it handles these four.
#[derive(Clone, Debug)]
pub enum Node {
    /// Nodes that are painted together, with effects in common.
    Group(Box<Group>),
    /// A filled and stroked outline.
    Path(Path),
    /// Shaped text of one font and size on one baseline.
    Glyphs(GlyphRun),
    /// A decoded picture and its placement.
    Image(Image),
}

/// A group of nodes with effects that apply to them together.
///
/// The order of painting is: children, mask, blur, recolor, shadow below them, clip, opacity, blend. A clip alone does
/// not isolate the children; every other effect does.
#[derive(Clone, Debug)]
pub struct Group {
    /// Origin in the design, which painters attach to warnings.
    pub origin: Option<Origin>,
    /// Maps this group's coordinates to its parent's.
    pub transform: Affine,
    /// Bitmap into which the children are drawn; `None` draws them directly. It is axis-aligned in this group's
    /// coordinates, cuts off what exceeds it, and text is aligned to its px. After the effects it is sampled through
    /// `transform`.
    pub bitmap: Option<Bitmap>,
    /// Radius of a stack blur over the composited children (rendering.md §4.2); 0 for none.
    pub blur: Px,
    /// Colour passes over the composited, blurred children, applied in device px. [`PixelPass::Blur`] is ignored here.
    pub recolor: Vec<PixelPass>,
    /// Shadow of the composited, blurred children.
    pub shadow: Option<Shadow>,
    /// Clip outline in this group's coordinates, by the nonzero rule.
    pub clip: Option<BezPath>,
    /// Mask in this group's coordinates. Its alpha is multiplied into that of the composited children; its colours are
    /// ignored.
    pub mask: Option<Box<Group>>,
    /// Opacity of the group as a whole. The opacity of an element is never here: it is multiplied into the element's
    /// parts (rendering.md §3).
    pub opacity: Opacity,
    /// Blend mode of the composited group with its backdrop.
    pub blend: BlendMode,
    /// Children, the bottommost first.
    pub children: Vec<Node>,
    /// Link areas of the children, which only PDF output uses.
    pub links: Vec<Link>,
}

/// A rectangle that links to a URL.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Area in the group's coordinates.
    pub area: Rect,
    /// Target as written in the design: a URL of any scheme, absolute or relative.
    pub href: Arc<str>,
}

/// A bitmap into which the children of a group are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bitmap {
    /// The part of the group that the bitmap shows, in the group's coordinates.
    pub area: Rect,
    /// Number and size of its px.
    pub grid: BitmapGrid,
}

/// Number and size of the px of a bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapGrid {
    /// Px as large as those of the page, from the top-left corner of the area on, as many as it touches.
    Covering,
    /// As many px as fit into the area at the scale of the page, at least one, stretched to it: a canvas whose width is
    /// set to a fraction drops the fraction.
    Stretched,
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

/// A shadow as on a canvas: the alpha of its caster, moved, blurred and tinted (rendering.md §5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shadow {
    /// Offset along the page's axes, in design px, independent of the group's transform.
    pub offset: Vec2,
    /// Standard deviation of the Gaussian in design px; not negative.
    pub sigma: Px,
    /// Straight colour; its alpha is multiplied by the caster's.
    pub color: Color,
}

/// Paint of an area: a solid colour, or a gradient with its placement.
#[derive(Clone, Debug, PartialEq)]
pub struct Paint {
    /// Solid or gradient, never `Brush::Image`: pictures are [`Node::Image`].
    pub brush: Brush,
    /// Maps brush space to the node's space; the identity for solids.
    pub transform: Affine,
}

impl<T: Into<Brush>> From<T> for Paint {
    fn from(brush: T) -> Self {
        Self { brush: brush.into(), transform: Affine::IDENTITY }
    }
}

/// An outline with an optional fill and an optional stroke, painted in this order and not isolated.
#[derive(Clone, Debug)]
pub struct Path {
    /// Outline in the parent group's coordinates.
    pub outline: BezPath,
    /// Paint and rule of the fill.
    pub fill: Option<(Paint, Fill)>,
    /// Paint and style of the stroke.
    pub stroke: Option<(Paint, kurbo::Stroke)>,
}

impl Path {
    /// A path with a fill by the nonzero rule and no stroke.
    pub fn filled(outline: BezPath, paint: impl Into<Paint>) -> Self {
        Self { outline, fill: Some((paint.into(), Fill::NonZero)), stroke: None }
    }

    /// A path with a stroke and no fill.
    pub fn stroked(outline: BezPath, paint: impl Into<Paint>, stroke: kurbo::Stroke) -> Self {
        Self { outline, fill: None, stroke: Some((paint.into(), stroke)) }
    }
}

/// A run of glyphs of one font and size on one baseline, with its characters, so that the text of a PDF is searchable.
#[derive(Clone, Debug)]
pub struct GlyphRun {
    /// Font data of the face.
    pub font: FontData,
    /// Normalised variation coordinates, empty for a static face.
    pub coords: Arc<[i16]>,
    /// Font size in design px.
    pub font_size: Px,
    /// Start of the baseline, in the parent group's coordinates.
    pub origin: Point,
    /// Synthetic slant: horizontal shift per unit of height (0.25 leans right); 0 for none.
    pub skew: f64,
    /// Synthetic weight: growth of outlines on every side, in design px; 0 for none.
    pub embolden: Px,
    /// Whether glyphs are filled or stroked.
    pub style: GlyphStyle,
    /// Paint in the parent group's coordinates.
    pub paint: Paint,
    /// Glyphs in visual order, left to right.
    pub glyphs: Vec<Glyph>,
    /// Characters of the run in logical order. The runs of a text are ordered by line, and within a line from left to
    /// right.
    pub text: Arc<str>,
}

/// Painting of glyph outlines.
#[derive(Clone, Debug, PartialEq)]
pub enum GlyphStyle {
    /// Glyphs are filled; colour fonts keep their own colours.
    Fill,
    /// Outlines are stroked, with the stroke centred on them. The same run follows as a fill, and text extraction uses
    /// only the fill.
    Stroke(kurbo::Stroke),
}

/// One glyph of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glyph {
    /// Glyph id in the face.
    pub id: u32,
    /// Offset from the run's origin, y down.
    pub offset: Vec2,
    /// Advance width, used for text extraction only.
    pub advance: Px,
    /// Byte offset in the run's `text` of the first character of its cluster.
    pub cluster: u32,
}

/// A decoded picture and its placement.
#[derive(Clone, Debug)]
pub struct Image {
    /// Decoded pixels, shared with the asset cache.
    pub picture: Arc<DecodedImage>,
    /// Visible part in picture px. If `x0 > x1` the picture is mirrored left to right, if `y0 > y1` top to bottom.
    /// Areas outside of the picture are empty. Sampling at the edges of the part replicates its edge pixels and never
    /// reads their neighbours.
    pub source: Rect,
    /// Target rectangle that `source` is scaled to, in the parent group's coordinates.
    pub dest: Rect,
    /// Passes that are applied in order to the whole picture at its natural size, before it is cropped or scaled
    /// (rendering.md §4).
    pub passes: Vec<PixelPass>,
    /// Opacity of the picture.
    pub opacity: Opacity,
}

/// A decoded picture: premultiplied RGBA8 in sRGB, rows from top to bottom without padding.
#[derive(Clone, Debug)]
pub struct DecodedImage {
    /// `4 * width * height` bytes. `Blob::id` identifies the content in caches.
    pub pixels: Blob<u8>,
    /// Width in px, at least 1.
    pub width: u32,
    /// Height in px, at least 1.
    pub height: u32,
    /// True when every alpha is 255.
    pub opaque: bool,
    /// The JPEG file whose pixels these are, for output formats that can embed it.
    pub jpeg: Option<JpegFile>,
    /// True when the file ended early; the missing pixels are transparent.
    pub truncated: bool,
}

/// A JPEG file whose decoded and oriented pixels are those of a picture: grey or YCbCr, 8 bits, sRGB.
#[derive(Clone, Debug)]
pub struct JpegFile {
    /// The file without comments, camera data and profiles.
    pub bytes: Arc<[u8]>,
    /// Width in px, as stored.
    pub width: u32,
    /// Height in px, as stored.
    pub height: u32,
    /// True when it has one channel instead of three.
    pub grey: bool,
    /// Maps the stored picture to the upright one, both as unit squares, y down.
    pub orientation: Affine,
}

/// Pictures are equal when they share the same pixels in memory; equal files that were decoded twice differ.
impl PartialEq for DecodedImage {
    fn eq(&self, other: &Self) -> bool {
        self.pixels.id() == other.pixels.id() && (self.width, self.height) == (other.width, other.height)
    }
}

impl Image {
    /// The part of `source` that lies inside the picture, mirrored as `source`, and the part of `dest` that it is
    /// scaled to.
    ///
    /// Both have zero area when nothing of the picture is visible.
    pub fn visible(&self) -> (Rect, Rect) {
        let (source, dest) = (self.source, self.dest.abs());
        let (x, across) = clip_axis((source.x0, source.x1), f64::from(self.picture.width), (dest.x0, dest.x1));
        let (y, down) = clip_axis((source.y0, source.y1), f64::from(self.picture.height), (dest.y0, dest.y1));
        (Rect::new(x.0, y.0, x.1, y.1), Rect::new(across.0, down.0, across.1, down.1))
    }
}

/// Clips one axis of a scaled picture to its pixels, `0.0..=side`, and returns the clipped ranges.
///
/// `source`: range in picture px, with the end first when the picture is mirrored. `dest`: range that it is scaled to.
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

impl DecodedImage {
    /// Creates a picture from premultiplied RGBA8 pixels.
    ///
    /// `None` unless `pixels.len() == 4 * width * height` and both sides are at least 1.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let bytes = u64::from(width) * u64::from(height) * 4;
        if bytes == 0 || pixels.len() as u64 != bytes {
            return None;
        }
        let opaque = pixels.chunks_exact(4).all(|p| p[3] == 255);
        Some(Self { pixels: Blob::from(pixels), width, height, opaque, jpeg: None, truncated: false })
    }
}
