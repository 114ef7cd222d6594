//! The plan of a page: the drawing steps in device px that every rasterizer executes.
//!
//! A plan is a value without a device, fonts or pixels; tests read its text dump ([`FramePlan::dump`]).

use std::sync::Arc;

use kurbo::{Affine, BezPath, Point, Rect, Stroke};
use peniko::{BlendMode, Color, Fill, FontData};

use crate::report::Warning;
use crate::scene::{DecodedImage, GlyphStyle, Paint, PixelPass};
use crate::units::{DeviceSize, Opacity};

/// Tolerance, in steps of the grid, below which a glyph position counts as half a step: sums of line heights are
/// inexact.
const HALF_STEP_TOLERANCE: f64 = 1e-5;
/// Smallest sine or cosine of text that counts as a rotation: Chromium rounds them to 1/1024.
const MIN_ROTATION: f64 = 1.0 / 2048.0;
/// Subpixel positions of glyphs per device px (rendering.md §9.2).
const GLYPH_STEPS_PER_PX: f64 = 4.0;

/// The drawing steps of a page. Surface 0 is the result; a step reads only surfaces that earlier steps have written.
#[derive(Clone, Debug)]
pub struct FramePlan {
    /// Sizes of the surfaces; at least one.
    pub surfaces: Vec<DeviceSize>,
    /// Steps in order of execution; the last draws into surface 0.
    pub steps: Vec<Step>,
    /// Deviations from the scene.
    pub warnings: Vec<Warning>,
    /// True when the first operation covers the result with an opaque area, so that every alpha is 255 despite
    /// rounding.
    pub opaque: bool,
}

/// Index of a surface in [`FramePlan::surfaces`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfaceId(pub usize);

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Step {
    /// Draws operations on a surface that is transparent at first.
    Draw {
        /// Surface that is drawn on.
        into: SurfaceId,
        /// Operations in paint order, with balanced pushes and pops.
        ops: Vec<Op>,
    },
    /// Runs one pixel pass over a whole surface; `from` and `into` have the same size.
    Filter {
        /// Surface that is read.
        from: SurfaceId,
        /// Surface that is written.
        into: SurfaceId,
        /// The pixel pass to run.
        kernel: Kernel,
    },
}

/// A pixel pass over a surface.
#[derive(Clone, Debug, PartialEq)]
pub enum Kernel {
    /// Stack blur; edge pixels are replicated.
    Blur {
        /// Number of neighbours on each side, in device px; at least 1.
        radius: u32,
    },
    /// Colour passes in order, with one conversion from premultiplied to straight and back.
    Recolor(Arc<[PixelPass]>),
    /// Shadow of the source: its alpha, blurred and tinted.
    Shadow {
        /// Standard deviation in device px; 0 for a hard shadow.
        sigma: f64,
        /// Straight colour; its alpha is multiplied by the source's.
        color: Color,
    },
}

/// One drawing operation. `transform` maps the operation's own space to device px.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Clips the following operations, by the nonzero rule, without isolating them.
    PushClip {
        /// Outline in the operation's own space.
        outline: BezPath,
        /// Transform to device px.
        transform: Affine,
    },
    /// Ends the innermost clip.
    PopClip,
    /// Composites the following operations as one layer.
    PushLayer {
        /// Clip in the operation's own space, by the nonzero rule.
        clip: Option<BezPath>,
        /// Transform of the clip to device px.
        transform: Affine,
        /// Opacity of the layer.
        opacity: Opacity,
        /// Blend mode of the layer with the backdrop.
        blend: BlendMode,
    },
    /// Ends the innermost layer.
    PopLayer,
    /// Fills an outline with a paint.
    Fill {
        /// Outline in the operation's own space.
        outline: BezPath,
        /// Rule that decides which points are inside of the outline.
        rule: Fill,
        /// Paint, whose transform maps brush space to the outline's space.
        paint: Paint,
        /// Transform to device px.
        transform: Affine,
    },
    /// Strokes an outline with a paint.
    Stroke {
        /// Outline in the operation's own space.
        outline: BezPath,
        /// Stroke with its width and dashes in the operation's own space.
        stroke: Stroke,
        /// Paint, whose transform maps brush space to the outline's space.
        paint: Paint,
        /// Transform to device px.
        transform: Affine,
    },
    /// Draws glyphs of one face.
    Glyphs(Glyphs),
    /// Draws a part of a picture, scaled to `dest`.
    Image {
        /// The decoded picture, before its passes.
        picture: Arc<DecodedImage>,
        /// The part in picture px; it may be mirrored or exceed the picture, see [`crate::scene::Image::source`].
        source: Rect,
        /// Target in the operation's own space.
        dest: Rect,
        /// Passes that are applied to the whole picture first, in order.
        passes: Vec<PixelPass>,
        /// Opacity of the picture.
        opacity: Opacity,
        /// Transform to device px.
        transform: Affine,
    },
    /// Composites a surface that an earlier step has written.
    Surface {
        /// The surface to composite.
        surface: SurfaceId,
        /// Maps its px to those of the target surface. A translation by whole px copies it, any other transform samples
        /// it.
        transform: Affine,
    },
}

/// Glyphs of one face at their final positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Glyphs {
    /// Font data of the face.
    pub font: FontData,
    /// Normalised variation coordinates, empty for a static face.
    pub coords: Arc<[i16]>,
    /// Font size before `linear` is applied.
    pub size: f64,
    /// Synthetic slant: horizontal shift per unit of height.
    pub skew: f64,
    /// Synthetic weight: growth of outlines on every side, before `linear` is applied.
    pub embolden: f64,
    /// Whether glyphs are filled or stroked.
    pub style: GlyphStyle,
    /// Paint, whose transform maps brush space to device px.
    pub paint: Paint,
    /// Transform from the run's space to device px, without translation.
    pub linear: Affine,
    /// PixelGrid that the positions are rounded to.
    pub snap: Snap,
    /// Glyphs in visual order.
    pub glyphs: Vec<PlacedGlyph>,
}

/// PixelGrid of glyph positions. Chromium rasterises each glyph for a position on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snap {
    /// Whole rows and quarter columns, for horizontal text.
    Rows,
    /// Whole columns and quarter rows, for vertical text.
    Columns,
    /// Quarter rows and quarter columns, for text at any other angle.
    Quarters,
}

impl Snap {
    /// The grid of text that `transform` maps to device px.
    pub(super) fn of(transform: Affine) -> Self {
        let [a, b, c, d, ..] = transform.as_coeffs();
        let is_zero = |x: f64| x.abs() < MIN_ROTATION * a.hypot(b).max(c.hypot(d));
        match (is_zero(b) && is_zero(c), is_zero(a) && is_zero(d)) {
            (true, _) => Self::Rows,
            (false, true) => Self::Columns,
            (false, false) => Self::Quarters,
        }
    }

    /// Rounds `at` to the grid, half up (rendering.md §9.2).
    pub(super) fn round(self, at: Point) -> Point {
        let quarter = |it: f64| (it * GLYPH_STEPS_PER_PX + 0.5 + HALF_STEP_TOLERANCE).floor() / GLYPH_STEPS_PER_PX;
        let whole = |it: f64| (it + 0.5 + HALF_STEP_TOLERANCE).floor();
        match self {
            Self::Rows => Point::new(quarter(at.x), whole(at.y)),
            Self::Columns => Point::new(whole(at.x), quarter(at.y)),
            Self::Quarters => Point::new(quarter(at.x), quarter(at.y)),
        }
    }
}

/// A glyph and its position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacedGlyph {
    /// Glyph id in the face.
    pub id: u32,
    /// Origin of the glyph on the baseline, in device px.
    pub at: Point,
}
