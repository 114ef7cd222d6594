//! Sheet size and the positions of bleed and trim box (pdf.md §1).

use kurbo::{Affine, Insets, Rect, Size};

use super::super::OutputError;
use crate::units::Px;

const POINTS_PER_INCH: f64 = 72.0;

/// Maximum side of a page in points without `UserUnit`, which PDF/X-1a does not support (ISO 32000-1, Annex C).
const MAX_SIDE: f64 = 14_400.0;

/// Points per design px. Finite and > 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperScale(f64);

impl PaperScale {
    /// From design px per inch of paper. `None` unless the result is finite and > 0.
    pub fn from_dpi(dpi: f64) -> Option<Self> {
        let points = POINTS_PER_INCH / dpi;
        (points.is_finite() && points > 0.0).then_some(Self(points))
    }

    /// Points per design px.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Design px per inch of paper.
    pub fn dpi(self) -> f64 {
        POINTS_PER_INCH / self.0
    }
}

/// A sheet of paper in points, (0, 0) at the bottom-left, y up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sheet {
    /// MediaBox and CropBox: the whole sheet with crop marks.
    pub media: Rect,
    /// BleedBox: the printed area before cutting.
    pub bleed: Rect,
    /// TrimBox: the finished page after cutting.
    pub trim: Rect,
    scale: PaperScale,
}

impl Sheet {
    /// Lays a page out on a sheet. `trim`: page size in design px. `bleed`: included bleed per side in design px.
    /// `marks`: length of crop marks.
    ///
    /// # Errors
    /// [`OutputError::SheetTooLarge`] for a side above 14 400 pt.
    pub fn new(trim: Size, bleed: Insets, marks: Px, scale: PaperScale) -> Result<Self, OutputError> {
        // All coordinates are relative to the top-left of the sheet, so that boxes that coincide in px do so in points.
        let left = marks.0 + bleed.x0;
        let top = marks.0 + bleed.y0;
        let trim = Rect::from_origin_size((left, top), trim);
        let bleed = trim + bleed;
        let media = Rect::new(0.0, 0.0, bleed.x1 + marks.0, bleed.y1 + marks.0);
        let points = |it: f64| it * scale.0;
        let (width, height) = (points(media.x1), points(media.y1));
        let fits = |side: f64| side.is_finite() && side <= MAX_SIDE;
        if !fits(width) || !fits(height) {
            return Err(OutputError::SheetTooLarge { width, height, limit: MAX_SIDE });
        }
        let up = |it: Rect| Rect::new(points(it.x0), height - points(it.y1), points(it.x1), height - points(it.y0));
        Ok(Self { media: up(media), bleed: up(bleed), trim: up(trim), scale })
    }

    /// Transform from design px, y down, (0, 0) at the top-left of the trim box, to points.
    pub(super) fn to_points(self) -> Affine {
        let scale = self.scale.0;
        Affine::new([scale, 0.0, 0.0, -scale, self.trim.x0, self.trim.y1])
    }
}

/// Converts a rectangle to pdf-writer's type.
pub(super) fn rect(rect: Rect) -> pdf_writer::Rect {
    let [x0, y0, x1, y1] = [rect.x0, rect.y0, rect.x1, rect.y1].map(number);
    pdf_writer::Rect::new(x0, y0, x1, y1)
}

/// Rounds to four decimals, far below the resolution of a printing press. Rounding keeps the order of numbers, so boxes
/// stay nested.
pub(super) fn number(points: f64) -> f32 {
    ((points * 1e4).round() / 1e4) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(bleed: Insets, marks: f64, dpi: f64) -> Sheet {
        let scale = PaperScale::from_dpi(dpi).expect("a scale");
        Sheet::new(Size::new(400.0, 300.0), bleed, Px(marks), scale).expect("small")
    }

    #[test]
    fn media_box_follows_bleed_marks_and_dpi() {
        // pdf.md §1
        let none = Insets::ZERO;
        let twenty = Insets::uniform(20.0);
        let media = |bleed, marks, dpi| sheet(bleed, marks, dpi).media.size();
        assert_eq!(media(none, 0.0, 72.0), Size::new(400.0, 300.0));
        assert_eq!(media(none, 0.0, 300.0), Size::new(96.0, 72.0));
        assert_eq!(media(none, 0.0, 144.0), Size::new(200.0, 150.0));
        assert_eq!(media(twenty, 0.0, 72.0), Size::new(440.0, 340.0));
        assert_eq!(media(twenty, 30.0, 72.0), Size::new(500.0, 400.0));
        assert_eq!(media(none, 30.0, 72.0), Size::new(460.0, 360.0));
    }

    #[test]
    fn boxes_nest_with_a_bleed_for_each_side() {
        let sheet = sheet(Insets::new(1.0, 2.0, 3.0, 4.0), 10.0, 72.0);
        assert_eq!(sheet.media, Rect::new(0.0, 0.0, 424.0, 326.0));
        assert_eq!(sheet.bleed, Rect::new(10.0, 10.0, 414.0, 316.0));
        assert_eq!(sheet.trim, Rect::new(11.0, 14.0, 411.0, 314.0), "y runs up: the bottom bleed is below");
        assert_eq!(sheet.to_points() * kurbo::Point::ORIGIN, kurbo::Point::new(11.0, 314.0));
    }

    #[test]
    fn boxes_too_large_name_the_limit() {
        let scale = PaperScale::from_dpi(1.0).expect("a scale");
        let error = Sheet::new(Size::new(400.0, 300.0), Insets::ZERO, Px(0.0), scale).expect_err("too large");
        assert!(error.to_string().contains("28800 x 21600 pt") && error.to_string().contains("14400"), "{error}");
        for dpi in [0.0, -72.0, f64::NAN, 1e-320] {
            assert_eq!(PaperScale::from_dpi(dpi), None, "{dpi}");
        }
    }
}
