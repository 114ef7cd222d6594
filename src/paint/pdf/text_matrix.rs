//! The text matrix of a run, and glyph codes at their positions.

use kurbo::{Affine, Point, Vec2};

use super::coordinates::px;
use super::font::GlyphCode;
use crate::scene::GlyphRun;

/// Maximum font size and absolute coordinate of text that is written, in page px.
pub(super) const MAX_COORDINATE: f64 = 1e6;

/// The code of a glyph and its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacedCode {
    pub(super) code: GlyphCode,
    /// Origin of the glyph, in page px.
    pub(super) at: Point,
}

/// Matrix from the em square, y up, to page px, without its translation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TextMatrix {
    /// Font size in page px.
    pub(super) size: f64,
    /// Linear part, normalised so that its determinant is 1 or -1.
    pub(super) linear: [f64; 4],
}

impl TextMatrix {
    /// The matrix of `run`, which `transform` maps to the page; `None` when nothing of it can be written.
    pub(super) fn new(run: &GlyphRun, transform: Affine) -> Option<Self> {
        let [a, b, c, d, ..] = (transform * Affine::new([1.0, 0.0, run.skew, -1.0, 0.0, 0.0])).as_coeffs();
        let scale = (a * d - b * c).abs().sqrt();
        let size = run.font_size.0 * scale;
        let usable = scale > 0.0 && size > 0.0 && size < MAX_COORDINATE;
        usable.then(|| Self { size, linear: [a, b, c, d].map(|it| it / scale) })
    }

    /// Converts a vector in page px to text space: x along the baseline, y up.
    pub(super) fn to_text(self, page: Vec2) -> Vec2 {
        let [a, b, c, d] = self.linear;
        let area = a * d - b * c;
        Vec2::new((page.x * d - page.y * c) / area, (page.y * a - page.x * b) / area)
    }

    /// The font size as written. It is finer than coordinates, because its error adds up over the glyphs of a line.
    pub(super) fn font_size(self) -> f32 {
        ((self.size * 1e4).round() / 1e4) as f32
    }

    /// The operands of `Tm` for a glyph with its origin at `at`, in page px.
    pub(super) fn operands(self, at: Point) -> [f32; 6] {
        let factor = |value: f64| ((value * 1e5).round() / 1e5) as f32;
        let [a, b, c, d] = self.linear.map(factor);
        [a, b, c, d, px(at.x), px(at.y)]
    }
}
