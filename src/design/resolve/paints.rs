//! Fills as paints: colours with opacity applied, and gradient lines across a box (rendering.md §7).

use kurbo::Rect;
use peniko::{ColorStop, ColorStops, Gradient, InterpolationAlphaSpace};

use super::settings::ResolveSettings;
use crate::css_gradient::{Fill, LinearGradient};
use crate::scene::Paint;
use crate::units::Opacity;

/// The rule for the length of a gradient line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GradientLength {
    /// The width or height of the box, whichever axis the angle is nearer to: page backgrounds and figures.
    Side,
    /// From corner to corner as in CSS: text.
    Css,
}

impl GradientLength {
    /// The rule for page backgrounds and figures.
    pub(super) fn of_shapes(settings: &ResolveSettings) -> Self {
        if settings.css_gradients { Self::Css } else { Self::Side }
    }
}

/// The paint of `fill` in `area`, with every alpha multiplied by `opacity`.
pub(super) fn paint(fill: &Fill, area: Rect, length: GradientLength, opacity: Opacity) -> Paint {
    match fill {
        Fill::Solid(color) => color.multiply_alpha(opacity.get()).into(),
        Fill::Linear(gradient) => linear(gradient, area, length, opacity).into(),
    }
}

/// True when `fill` is fully transparent.
pub(super) fn is_transparent(fill: &Fill) -> bool {
    let clear = |color: &peniko::Color| color.components[3] <= 0.0;
    match fill {
        Fill::Solid(color) => clear(color),
        Fill::Linear(gradient) => gradient.stops.iter().all(|stop| clear(&stop.color)),
    }
}

fn linear(gradient: &LinearGradient, area: Rect, length: GradientLength, opacity: Opacity) -> Gradient {
    let (sin, cos) = gradient.angle.to_radians().sin_cos();
    let length = match length {
        GradientLength::Css => area.width() * sin.abs() + area.height() * cos.abs(),
        // At exactly 45° the height counts; the tolerance absorbs rounding of the sine.
        GradientLength::Side if sin.abs() > cos.abs() + 1e-9 => area.width(),
        GradientLength::Side => area.height(),
    };
    let half = kurbo::Vec2::new(sin, -cos) * (length / 2.0);
    let stop = |offset: f32, color: peniko::Color| ColorStop::from((offset, color.multiply_alpha(opacity.get())));
    let stops: Vec<ColorStop> = gradient.stops.iter().map(|it| stop(it.offset, it.color)).collect();
    let mut line = Gradient::new_linear(area.center() - half, area.center() + half);
    line.stops = ColorStops::from(stops.as_slice());
    line.interpolation_alpha_space = InterpolationAlphaSpace::Unpremultiplied;
    line
}

#[cfg(test)]
mod tests {
    use peniko::GradientKind;

    use super::*;
    use crate::css_gradient::parse_fill;

    fn line(text: &str, area: Rect, length: GradientLength) -> f64 {
        let fill = parse_fill(text).expect("a gradient");
        let peniko::Brush::Gradient(gradient) = paint(&fill, area, length, Opacity::OPAQUE).brush else { return 0.0 };
        let GradientKind::Linear(line) = gradient.kind else { return 0.0 };
        (line.end - line.start).hypot()
    }

    #[test]
    fn gradient_line_is_a_side_of_the_box_and_in_text_as_in_css() {
        let area = Rect::new(0.0, 0.0, 300.0, 100.0);
        let measured =
            |angle: &str, length| line(&format!("linear-gradient({angle}, red, blue)"), area, length).round();
        assert_eq!(measured("45deg", GradientLength::Side), 100.0);
        assert_eq!(measured("135deg", GradientLength::Side), 100.0);
        assert_eq!(measured("60deg", GradientLength::Side), 300.0);
        assert_eq!(measured("45deg", GradientLength::Css), 283.0);
    }
}
