//! `calc()` in lengths: sums and products of numbers, lengths and percentages.

use cssparser::{ParseError, Parser, Token};
use kurbo::Size;

use super::length_units::to_px;

/// A number, or a length as the sum of px, percentage and em.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    number: f64,
    px: f64,
    percent: f64,
    em: f64,
    is_length: bool,
}

impl Sum {
    fn plus(self, other: Self, sign: f64) -> Option<Self> {
        (self.is_length == other.is_length).then_some(Self {
            number: self.number + sign * other.number,
            px: self.px + sign * other.px,
            percent: self.percent + sign * other.percent,
            em: self.em + sign * other.em,
            is_length: self.is_length,
        })
    }

    fn times(self, factor: f64) -> Self {
        let Self { number, px, percent, em, is_length } = self;
        Self { number: number * factor, px: px * factor, percent: percent * factor, em: em * factor, is_length }
    }
}

/// Evaluates the content of `calc(…)`, which must be all of `input`, to a number of px, a percentage or a number of em.
/// `plain`: the property also accepts plain numbers. `whole`: length of 100 %, px, where the property is relative to
/// the viewport. `None` when it is invalid or mixes units that only usvg can resolve.
pub(super) fn written(input: &mut Parser<'_>, plain: bool, whole: Option<f64>) -> Option<String> {
    let sum = sum(input).filter(|_| input.is_exhausted())?;
    let Sum { number, px, percent, em, is_length } = sum;
    let text = match (percent != 0.0, em != 0.0) {
        _ if !is_length => plain.then(|| format!("{}", number as f32))?,
        (false, false) => format!("{}", px as f32),
        (true, false) if px == 0.0 => format!("{}%", percent as f32),
        (true, false) => format!("{}", (px + percent / 100.0 * whole?) as f32),
        (false, true) if px == 0.0 => format!("{}em", em as f32),
        (_, true) => return None,
    };
    [number, px, percent, em].iter().all(|it| it.is_finite()).then_some(text)
}

/// The length of 100 % of `property` in a viewport of this size, px; `None` when percentages are not relative to the
/// viewport.
pub(super) fn whole(property: &str, viewport: Size) -> Option<f64> {
    match property {
        "cx" | "fx" | "rx" | "width" | "x" | "x1" | "x2" => Some(viewport.width),
        "cy" | "fy" | "ry" | "height" | "y" | "y1" | "y2" => Some(viewport.height),
        // SVG 2 §8.9: relative to the side of a square with the same diagonal.
        "r" | "stroke-dasharray" | "stroke-dashoffset" | "stroke-width" => {
            Some(viewport.width.hypot(viewport.height) / std::f64::consts::SQRT_2)
        }
        _ => None,
    }
}

fn sum(input: &mut Parser<'_>) -> Option<Sum> {
    let mut total = product(input)?;
    loop {
        let state = input.state();
        let sign = match input.next() {
            Ok(Token::Delim('+')) => 1.0,
            Ok(Token::Delim('-')) => -1.0,
            Ok(_) => {
                input.reset(&state);
                return Some(total);
            }
            Err(_) => return Some(total),
        };
        total = total.plus(product(input)?, sign)?;
    }
}

fn product(input: &mut Parser<'_>) -> Option<Sum> {
    let mut total = term(input)?;
    loop {
        let state = input.state();
        match input.next() {
            Ok(Token::Delim('*')) => {
                let other = term(input)?;
                total = match (total.is_length, other.is_length) {
                    (_, false) => total.times(other.number),
                    (false, true) => other.times(total.number),
                    (true, true) => return None,
                };
            }
            Ok(Token::Delim('/')) => {
                let other = term(input).filter(|it| !it.is_length && it.number != 0.0)?;
                total = total.times(1.0 / other.number);
            }
            Ok(_) => {
                input.reset(&state);
                return Some(total);
            }
            Err(_) => return Some(total),
        }
    }
}

fn term(input: &mut Parser<'_>) -> Option<Sum> {
    let length = Sum { is_length: true, ..Sum::default() };
    Some(match input.next().ok()?.clone() {
        Token::Number { value, .. } => Sum { number: value.into(), ..Sum::default() },
        Token::Percentage { unit_value, .. } => Sum { percent: f64::from(unit_value) * 100.0, ..length },
        Token::Dimension { value, unit, .. } if unit.eq_ignore_ascii_case("em") => Sum { em: value.into(), ..length },
        Token::Dimension { value, unit, .. } => Sum { px: to_px(value.into(), &unit, 16.0)?, ..length },
        Token::ParenthesisBlock => nested(input)?,
        Token::Function(name) if name.eq_ignore_ascii_case("calc") => nested(input)?,
        _ => return None,
    })
}

fn nested(input: &mut Parser<'_>) -> Option<Sum> {
    let inside =
        |it: &mut Parser<'_>| sum(it).filter(|_| it.is_exhausted()).ok_or_else(ParseError::<()>::unexpected_token);
    input.parse_nested_block(inside).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, plain: bool) -> Option<String> {
        written(&mut Parser::new(text), plain, whole("x", Size::new(200.0, 100.0)))
    }

    #[test]
    fn calc_adds_and_multiplies_lengths() {
        assert_eq!(read("10px + 2 * 5px", false).as_deref(), Some("20"));
        assert_eq!(read("(1in - 6px) / 3", false).as_deref(), Some("30"));
        assert_eq!(read("calc(50% / 2)", false).as_deref(), Some("25%"));
        assert_eq!(read("2em * 1.5", false).as_deref(), Some("3em"));
        assert_eq!(read("50% - 10px", false).as_deref(), Some("90"), "of 200 px");
    }

    #[test]
    fn calc_of_what_does_not_fit_is_invalid() {
        assert_eq!(read("2 * 3", true).as_deref(), Some("6"));
        for text in ["2 * 3", "1px * 1px", "1px + 2", "1px / 0", "1em + 1px", "1px +", "", "1px) + (2px"] {
            assert_eq!(read(text, false), None, "{text}");
        }
    }

    #[test]
    fn percentages_are_of_a_side_or_of_the_diagonal() {
        let viewport = Size::new(30.0, 40.0);
        let wholes = ["width", "cy", "r", "font-size"].map(|it| whole(it, viewport));
        assert_eq!(wholes, [Some(30.0), Some(40.0), Some(50.0 / std::f64::consts::SQRT_2), None]);
    }
}
