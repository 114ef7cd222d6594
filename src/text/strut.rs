//! The line box that every line of a text has at least.

use std::sync::Arc;

use super::blocks::SpanStyle;
use super::shape::LineMetrics;

/// The line box that every line has at least.
#[derive(Clone, Debug)]
pub(super) struct Strut {
    pub style: Arc<SpanStyle>,
    /// Of the style's own face.
    pub metrics: LineMetrics,
}

impl Strut {
    /// Rounded to whole px at the drawn size (rendering.md §9.2).
    pub(super) fn ascent_descent(&self, factor: f64) -> (f64, f64) {
        self.metrics.ascent_descent(self.style.font_size * self.style.drawn_factor(factor))
    }
}
