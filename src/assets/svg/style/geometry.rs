//! CSS transforms and basic shapes, converted to matrices and outlines.

use cssparser::{ParseError, Parser, Token};
use kurbo::{Affine, BezPath, Ellipse, Point, Rect, RoundedRect, RoundedRectRadii, Shape as _, Size, Vec2};

use super::length_units::to_px;

/// Tolerance of curves of shapes, px.
const TOLERANCE: f64 = 0.01;

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NumericValue {
    /// A plain number or a length in px.
    Number(f64),
    /// A percentage, as a fraction.
    Percent(f64),
    Degrees(f64),
}

impl NumericValue {
    /// A length in px; percentages are relative to `whole`.
    fn of(self, whole: f64) -> f64 {
        match self {
            Self::Number(number) | Self::Degrees(number) => number,
            Self::Percent(number) => number * whole,
        }
    }

    /// A factor, from a number or percentage.
    fn factor(self) -> f64 {
        self.of(1.0)
    }
}

fn value(input: &mut Parser<'_>) -> Option<NumericValue> {
    Some(match input.next().ok()?.clone() {
        Token::Number { value, .. } => NumericValue::Number(value.into()),
        Token::Percentage { unit_value, .. } => NumericValue::Percent(unit_value.into()),
        Token::Dimension { value, unit, .. } => {
            let value = f64::from(value);
            match unit.to_ascii_lowercase().as_str() {
                "deg" => NumericValue::Degrees(value),
                "grad" => NumericValue::Degrees(value * 0.9),
                "rad" => NumericValue::Degrees(value.to_degrees()),
                "turn" => NumericValue::Degrees(value * 360.0),
                "em" => NumericValue::Number(value * 16.0),
                unit => NumericValue::Number(to_px(value, unit, 16.0)?),
            }
        }
        _ => return None,
    })
}

/// Numbers separated by commas, spaces or nothing.
fn values(input: &mut Parser<'_>) -> Option<Vec<NumericValue>> {
    let mut found = Vec::new();
    while !input.is_exhausted() {
        let _ = input.try_parse(Parser::expect_comma);
        found.push(value(input)?);
    }
    Some(found)
}

fn nested<'i, T>(input: &mut Parser<'i>, read: impl FnOnce(&mut Parser<'i>) -> Option<T>) -> Option<T> {
    input.parse_nested_block(|inside| read(inside).ok_or_else(ParseError::<()>::unexpected_token)).ok()
}

/// The matrix of a list of transform functions, from CSS or an attribute. `size`: size of the reference box, for
/// percentages.
pub(super) fn transform(text: &str, size: Size) -> Option<Affine> {
    let mut input = Parser::new(text);
    let mut total = Affine::IDENTITY;
    if input.try_parse(|it| it.expect_ident_matching("none")).is_ok() {
        return input.is_exhausted().then_some(total);
    }
    while !input.is_exhausted() {
        let _ = input.try_parse(Parser::expect_comma);
        let name = input.expect_function().ok()?.to_ascii_lowercase();
        let arguments = nested(&mut input, values)?;
        total *= function(&name, &arguments, size)?;
    }
    total.is_finite().then_some(total)
}

fn function(name: &str, arguments: &[NumericValue], size: Size) -> Option<Affine> {
    let angle = |at: usize| arguments.get(at).map(|it| it.of(0.0).to_radians());
    let number = |at: usize| arguments.get(at).map(|it| it.of(0.0));
    let factor = |at: usize| arguments.get(at).map(|it| it.factor());
    let across = |at: usize| arguments.get(at).map(|it| it.of(size.width));
    let down = |at: usize| arguments.get(at).map(|it| it.of(size.height));
    Some(match (name, arguments.len()) {
        ("translate", 1 | 2) | ("translate3d", 3) => Affine::translate((across(0)?, down(1).unwrap_or(0.0))),
        ("translatex", 1) => Affine::translate((across(0)?, 0.0)),
        ("translatey", 1) => Affine::translate((0.0, down(0)?)),
        ("translatez", 1) | ("perspective", 1) => Affine::IDENTITY,
        ("scale", 1 | 2) | ("scale3d", 3) => Affine::scale_non_uniform(factor(0)?, factor(1).or_else(|| factor(0))?),
        ("scalex", 1) => Affine::scale_non_uniform(factor(0)?, 1.0),
        ("scaley", 1) => Affine::scale_non_uniform(1.0, factor(0)?),
        ("scalez", 1) => Affine::IDENTITY,
        ("rotate" | "rotatez", 1) => Affine::rotate(angle(0)?),
        ("rotate", 3) => Affine::rotate_about(angle(0)?, Point::new(number(1)?, number(2)?)),
        // Perspective is ignored, as if seen from an infinite distance.
        ("rotatex", 1) => Affine::scale_non_uniform(1.0, angle(0)?.cos()),
        ("rotatey", 1) => Affine::scale_non_uniform(angle(0)?.cos(), 1.0),
        ("skewx", 1) => Affine::skew(angle(0)?.tan(), 0.0),
        ("skewy", 1) => Affine::skew(0.0, angle(0)?.tan()),
        ("skew", 1 | 2) => Affine::skew(angle(0)?.tan(), angle(1).unwrap_or(0.0).tan()),
        ("matrix", 6) => Affine::new([number(0)?, number(1)?, number(2)?, number(3)?, number(4)?, number(5)?]),
        ("matrix3d", 16) => Affine::new([number(0)?, number(1)?, number(4)?, number(5)?, number(12)?, number(13)?]),
        _ => return None,
    })
}

/// The matrix of one of the properties `translate`, `rotate` and `scale`.
pub(super) fn single(name: &str, text: &str, size: Size) -> Option<Affine> {
    if text == "none" {
        return Some(Affine::IDENTITY);
    }
    function(name, &values(&mut Parser::new(text))?, size)
}

/// The point of `transform-origin` in a reference box; `None` when it is invalid.
pub(super) fn origin(text: &str, reference: Rect) -> Option<Point> {
    let mut input = Parser::new(text);
    let (mut x, mut y, mut rest) = (None, None, Vec::new());
    while !input.is_exhausted() && x.is_none() | y.is_none() | (rest.len() < 3) {
        let word = input.try_parse(|it| it.expect_ident_cloned());
        match word.as_ref().map(|it| it.to_ascii_lowercase()).as_deref() {
            Ok("left") => x = Some(NumericValue::Percent(0.0)),
            Ok("right") => x = Some(NumericValue::Percent(1.0)),
            Ok("top") => y = Some(NumericValue::Percent(0.0)),
            Ok("bottom") => y = Some(NumericValue::Percent(1.0)),
            Ok("center") => rest.push(NumericValue::Percent(0.5)),
            Ok(_) => return None,
            Err(_) => rest.push(value(&mut input)?),
        }
    }
    let mut rest = rest.into_iter();
    let x = x.or_else(|| rest.next()).unwrap_or(NumericValue::Percent(0.5));
    let y = y.or_else(|| rest.next()).unwrap_or(NumericValue::Percent(0.5));
    Some(reference.origin() + Vec2::new(x.of(reference.width()), y.of(reference.height())))
}

/// The outline of a basic shape of `clip-path`, and whether its fill rule is `evenodd`; `None` for anything else.
pub(super) fn shape(text: &str, reference: Rect) -> Option<(BezPath, bool)> {
    let mut input = Parser::new(text);
    // The reference box is before or after the shape: `fill-box circle(…)`.
    let _ = input.try_parse(Parser::expect_ident_cloned);
    let name = input.expect_function().ok()?.to_ascii_lowercase();
    nested(&mut input, |inside| match name.as_str() {
        "circle" | "ellipse" => round(name == "circle", inside, reference).map(|it| (it, false)),
        "inset" | "rect" | "xywh" => rectangle(&name, inside, reference).map(|it| (it, false)),
        "polygon" => polygon(inside, reference),
        "path" => {
            let is_even_odd = rule(inside);
            let data = inside.expect_string_cloned().ok()?;
            let path = BezPath::from_svg(&data).ok()?;
            Some((Affine::translate(reference.origin().to_vec2()) * path, is_even_odd))
        }
        _ => None,
    })
}

/// Parses an optional fill rule and the comma after it.
fn rule(input: &mut Parser<'_>) -> bool {
    let read = input.try_parse(|it| {
        let is_even_odd = it.expect_ident()?.eq_ignore_ascii_case("evenodd");
        it.expect_comma()?;
        Ok::<_, cssparser::BasicParseError>(is_even_odd)
    });
    read.unwrap_or(false)
}

fn round(is_circle: bool, input: &mut Parser<'_>, reference: Rect) -> Option<BezPath> {
    let size = reference.size();
    // To the nearest or farthest side, where that is asked for.
    let mut radii = Vec::new();
    while let Ok(radius) = input.try_parse(|it| match it.try_parse(Parser::expect_ident_cloned) {
        Ok(word) if word.eq_ignore_ascii_case("closest-side") => Ok(None),
        Ok(word) if word.eq_ignore_ascii_case("farthest-side") => Ok(Some(NumericValue::Percent(-1.0))),
        Ok(_) => Err(()),
        Err(_) => value(it).map(Some).ok_or(()),
    }) {
        radii.push(radius);
    }
    let centre = if input.try_parse(|it| it.expect_ident_matching("at")).is_ok() {
        let start = input.position();
        while input.next().is_ok() {}
        origin(input.slice_from(start), reference)?
    } else {
        reference.center()
    };
    let sides = [centre.x - reference.x0, reference.x1 - centre.x, centre.y - reference.y0, reference.y1 - centre.y];
    let sides = sides.map(f64::abs);
    let radius = |at: usize, sides: &[f64], whole: f64| match radii.get(at).copied().flatten() {
        None => sides.iter().copied().fold(f64::INFINITY, f64::min),
        Some(NumericValue::Percent(share)) if share < 0.0 => sides.iter().copied().fold(0.0, f64::max),
        Some(value) => value.of(whole),
    };
    let (x, y) = if is_circle {
        // Percentages of a circle are relative to the side of a square with the same diagonal (CSS Shapes 1).
        let whole = size.width.hypot(size.height) / std::f64::consts::SQRT_2;
        let radius = radius(0, &sides, whole);
        (radius, radius)
    } else {
        (radius(0, &sides[..2], size.width), radius(1, &sides[2..], size.height))
    };
    Some(Ellipse::new(centre, (x, y), 0.0).to_path(TOLERANCE))
}

fn rectangle(name: &str, input: &mut Parser<'_>, reference: Rect) -> Option<BezPath> {
    let (width, height) = (reference.width(), reference.height());
    let mut sides = Vec::new();
    while !input.is_exhausted() {
        if input.try_parse(|it| it.expect_ident_matching("round")).is_ok() {
            break;
        }
        let auto = name == "rect" && input.try_parse(|it| it.expect_ident_matching("auto")).is_ok();
        sides.push(if auto { None } else { Some(value(input)?) });
    }
    let radii: Vec<NumericValue> = {
        let mut found = Vec::new();
        // Second radii, after a slash, are those of the other axis; one is enough for corners that are round.
        while let Ok(radius) = input.try_parse(|it| value(it).ok_or(())) {
            found.push(radius);
        }
        while input.next().is_ok() {}
        found
    };
    let at = |index: usize| sides.get(index).copied().flatten();
    let rect = match (name, sides.len()) {
        ("inset", 1..=4) => {
            let top = at(0)?;
            let right = at(1).unwrap_or(top);
            let bottom = at(2).unwrap_or(top);
            let left = at(3).unwrap_or(right);
            Rect::new(
                reference.x0 + left.of(width),
                reference.y0 + top.of(height),
                reference.x1 - right.of(width),
                reference.y1 - bottom.of(height),
            )
        }
        ("rect", 4) => Rect::new(
            reference.x0 + at(3).map_or(0.0, |it| it.of(width)),
            reference.y0 + at(0).map_or(0.0, |it| it.of(height)),
            reference.x0 + at(1).map_or(width, |it| it.of(width)),
            reference.y0 + at(2).map_or(height, |it| it.of(height)),
        ),
        ("xywh", 4) => Rect::from_origin_size(
            reference.origin() + Vec2::new(at(0)?.of(width), at(1)?.of(height)),
            (at(2)?.of(width), at(3)?.of(height)),
        ),
        _ => return None,
    };
    if rect.x1 <= rect.x0 || rect.y1 <= rect.y0 {
        return Some(BezPath::new());
    }
    let radius = |index: usize| {
        let found = radii.get(index).or_else(|| radii.get(index % 2)).or(radii.first());
        found.map_or(0.0, |it| it.of(width).min(rect.width() / 2.0).min(rect.height() / 2.0))
    };
    let radii = RoundedRectRadii::new(radius(0), radius(1), radius(2), radius(3));
    Some(RoundedRect::from_rect(rect, radii).to_path(TOLERANCE))
}

fn polygon(input: &mut Parser<'_>, reference: Rect) -> Option<(BezPath, bool)> {
    let is_even_odd = rule(input);
    let mut path = BezPath::new();
    while !input.is_exhausted() {
        let (x, y) = (value(input)?, value(input)?);
        let point = reference.origin() + Vec2::new(x.of(reference.width()), y.of(reference.height()));
        if path.elements().is_empty() {
            path.move_to(point)
        } else {
            path.line_to(point)
        }
        if !input.is_exhausted() {
            input.expect_comma().ok()?;
        }
    }
    path.close_path();
    Some((path, is_even_odd))
}

/// The bounding box of a shape element in its own coordinates, without its stroke. `get` returns an attribute of it.
/// `None` for other elements and for empty ones.
pub(super) fn bounds(element: &str, get: &dyn Fn(&str) -> Option<String>) -> Option<Rect> {
    let length = |name: &str| {
        let text = get(name)?;
        value(&mut Parser::new(&text)).filter(|it| !matches!(it, NumericValue::Percent(_))).map(|it| it.of(0.0))
    };
    let or_zero = |name: &str| length(name).unwrap_or(0.0);
    match element {
        "rect" | "image" | "use" | "svg" => {
            let size = (length("width")?, length("height")?);
            Some(Rect::from_origin_size((or_zero("x"), or_zero("y")), size))
        }
        "circle" | "ellipse" => {
            let (rx, ry) = match element {
                "circle" => (length("r")?, length("r")?),
                _ => (length("rx").or_else(|| length("ry"))?, length("ry").or_else(|| length("rx"))?),
            };
            Some(Rect::from_center_size((or_zero("cx"), or_zero("cy")), (2.0 * rx, 2.0 * ry)))
        }
        "line" => Some(Rect::from_points((or_zero("x1"), or_zero("y1")), (or_zero("x2"), or_zero("y2")))),
        "path" => {
            let path = BezPath::from_svg(&get("d")?).ok()?;
            (!path.is_empty()).then(|| path.bounding_box())
        }
        "polygon" | "polyline" => {
            let numbers = values(&mut Parser::new(&get("points")?))?;
            let points = numbers.chunks_exact(2).map(|it| Point::new(it[0].of(0.0), it[1].of(0.0)));
            points.map(|it| Rect::from_points(it, it)).reduce(|a, b| a.union(b))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: Rect = Rect::new(10.0, 20.0, 110.0, 70.0);

    fn close(a: Affine, b: Affine) -> bool {
        a.as_coeffs().iter().zip(b.as_coeffs()).all(|(a, b)| (a - b).abs() < 1e-6)
    }

    #[test]
    fn transforms_of_css_and_of_attributes() {
        let read = |text| transform(text, BOX.size()).unwrap_or_else(|| panic!("{text}"));
        assert!(close(read("translate(20px, 50%)"), Affine::translate((20.0, 25.0))));
        assert!(close(read("rotate(.25turn)"), Affine::rotate(90_f64.to_radians())));
        assert!(close(read("scale(2) translateX(3px)"), Affine::new([2.0, 0.0, 0.0, 2.0, 6.0, 0.0])));
        assert!(close(read("rotate(90 10-20)"), Affine::rotate_about(90_f64.to_radians(), (10.0, -20.0))));
        assert!(close(read("none"), Affine::IDENTITY));
        assert_eq!(transform("turn(9)", BOX.size()), None);
    }

    #[test]
    fn transform_origin_is_a_point_of_the_box() {
        assert_eq!(origin("center", BOX), Some(Point::new(60.0, 45.0)));
        assert_eq!(origin("left bottom", BOX), Some(Point::new(10.0, 70.0)));
        assert_eq!(origin("top", BOX), Some(Point::new(60.0, 20.0)));
        assert_eq!(origin("25% 5px 0", BOX), Some(Point::new(35.0, 25.0)));
    }

    #[test]
    fn shapes_of_clips_lie_in_the_box() {
        let bounds = |text| shape(text, BOX).unwrap_or_else(|| panic!("{text}")).0.bounding_box();
        assert_eq!(bounds("inset(10px 25%)"), Rect::new(35.0, 30.0, 85.0, 60.0));
        assert_eq!(bounds("polygon(0 0, 90px 0, 45px 40px)"), Rect::new(10.0, 20.0, 100.0, 60.0));
        let circle = bounds("circle(40px at 45px 45px)");
        assert!((circle.x0 - 15.0).abs() < 0.05 && (circle.y1 - 105.0).abs() < 0.05, "{circle:?}");
        let ellipse = bounds("ellipse()");
        assert!((ellipse.width() - 100.0).abs() < 0.05 && (ellipse.height() - 50.0).abs() < 0.05);
        assert!(shape("url(#a)", BOX).is_none());
    }
}
