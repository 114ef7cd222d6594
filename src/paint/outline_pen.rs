//! Glyph outlines of skrifa as kurbo paths.

use kurbo::BezPath;
use skrifa::outline::OutlinePen;

/// Collects an outline from skrifa, y up.
#[derive(Default)]
pub(super) struct Pen(pub(super) BezPath);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to((f64::from(x), f64::from(y)));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to((f64::from(x), f64::from(y)));
    }
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to((f64::from(cx), f64::from(cy)), (f64::from(x), f64::from(y)));
    }
    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let point = |x, y| (f64::from(x), f64::from(y));
        self.0.curve_to(point(cx0, cy0), point(cx1, cy1), point(x, y));
    }
    fn close(&mut self) {
        self.0.close_path();
    }
}
