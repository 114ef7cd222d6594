//! Draws crop marks (pdf.md §2): eight lines at the trim edges, from the edge of the sheet to the bleed.

use kurbo::Line;
use pdf_writer::{Chunk, Content, Name, Ref};

use super::boxes::{Sheet, number};

/// Width of a mark in points.
const WIDTH: f32 = 1.0;

/// Resource name of the registration colour, which prints on every plate.
pub(super) const REGISTRATION: Name<'static> = Name(b"Registration");

/// Draws the marks of `sheet`, if it has space for them. `registration`: in the registration colour instead of black.
pub(super) fn draw(content: &mut Content, sheet: &Sheet, registration: bool) {
    let lines = lines(sheet);
    if lines.is_empty() {
        return;
    }
    content.save_state().set_line_width(WIDTH);
    if registration {
        content.set_stroke_color_space(REGISTRATION).set_stroke_color([1.0]);
    } else {
        content.set_stroke_gray(0.0);
    }
    for Line { p0, p1 } in lines {
        content.move_to(number(p0.x), number(p0.y)).line_to(number(p1.x), number(p1.y));
    }
    content.stroke().restore_state();
}

/// Writes the registration colour space: `Separation` `All` prints on every plate (ISO 32000-1, 8.6.6.4).
pub(super) fn registration(chunk: &mut Chunk, id: Ref) {
    let mut space = chunk.color_space(id).separation(Name(b"All"));
    space.alternate_color_space().device_cmyk();
    space.tint_exponential().domain([0.0, 1.0]).c0([0.0; 4]).c1([1.0; 4]).n(1.0);
}

fn lines(sheet: &Sheet) -> Vec<Line> {
    let Sheet { media, bleed, trim, .. } = sheet;
    if bleed.x0 <= media.x0 {
        return Vec::new();
    }
    let mut lines = Vec::with_capacity(8);
    for y in [trim.y0, trim.y1] {
        lines.push(Line::new((media.x0, y), (bleed.x0, y)));
        lines.push(Line::new((bleed.x1, y), (media.x1, y)));
    }
    for x in [trim.x0, trim.x1] {
        lines.push(Line::new((x, media.y0), (x, bleed.y0)));
        lines.push(Line::new((x, bleed.y1), (x, media.y1)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use kurbo::{Insets, Size};

    use super::super::PaperScale;
    use super::*;
    use crate::units::Px;

    fn sheet(bleed: f64, marks: f64) -> Sheet {
        let scale = PaperScale::from_dpi(72.0).expect("a scale");
        Sheet::new(Size::new(400.0, 300.0), Insets::uniform(bleed), Px(marks), scale).expect("small")
    }

    #[test]
    fn marks_lie_at_the_trim_and_end_at_the_bleed() {
        // pdf.md §2: x = 50 and 450, y = 50 and 350, covering 0–30, 470–500 and 370–400
        let lines = lines(&sheet(20.0, 30.0));
        assert_eq!(lines.len(), 8);
        assert_eq!(lines[0], Line::new((0.0, 50.0), (30.0, 50.0)));
        assert_eq!(lines[3], Line::new((470.0, 350.0), (500.0, 350.0)));
        assert_eq!(lines[4], Line::new((50.0, 0.0), (50.0, 30.0)));
        assert_eq!(lines[7], Line::new((450.0, 370.0), (450.0, 400.0)));
    }

    #[test]
    fn marks_without_bleed_touch_the_trim_and_without_size_are_none() {
        assert_eq!(lines(&sheet(0.0, 30.0))[0], Line::new((0.0, 30.0), (30.0, 30.0)));
        assert_eq!(lines(&sheet(20.0, 0.0)), []);
    }
}
