//! The strut: the minimum line box of every line of a text.

use std::sync::Arc;

use super::blocks::SpanStyle;
use super::shape::LineMetrics;

/// The minimum line box of a text's lines, from the style of its element.
#[derive(Clone, Debug)]
pub(super) struct Strut {
    pub style: Arc<SpanStyle>,
    /// Line metrics of the style's own face.
    pub metrics: LineMetrics,
}

impl Strut {
    /// Ascent and descent where the text is drawn `factor` times as large, each rounded to whole px (rendering.md
    /// §9.2).
    pub(super) fn ascent_descent(&self, factor: f64) -> (f64, f64) {
        self.metrics.ascent_descent(self.style.font_size * self.style.drawn_factor(factor))
    }
}
