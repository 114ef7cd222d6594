//! Conditions of style sheets: `@media`, `media=""` and `@supports`, evaluated for an image on a screen with a light
//! scheme.

use cssparser::{BasicParseError, Delimiter, ParseError, Parser, Token};
use kurbo::Size;

use super::length_units::to_px;
use super::properties;

/// Whether some media query of a list matches; an empty list matches.
pub(super) fn applies(input: &mut Parser<'_>, viewport: Size) -> bool {
    if input.is_exhausted() {
        return true;
    }
    let mut any = false;
    loop {
        let one = input.parse_until_before(Delimiter::Comma, |query| {
            let answer = query_applies(query, viewport);
            while query.next().is_ok() {}
            Ok::<_, ParseError<()>>(answer)
        });
        any |= one.unwrap_or(false);
        if input.next().is_err() {
            return any;
        }
    }
}

/// One media query, such as `only screen and (min-width: 10px)`. An unknown one does not match.
fn query_applies(input: &mut Parser<'_>, viewport: Size) -> bool {
    let mut feature = |inside: &mut Parser<'_>| feature(inside, viewport);
    let (negated, medium) = if let Ok(medium) = input.try_parse(|it| {
        it.expect_ident_matching("not")?;
        it.expect_ident_cloned()
    }) {
        (true, medium)
    } else {
        let _ = input.try_parse(|it| it.expect_ident_matching("only"));
        match input.try_parse(|it| match it.expect_ident_cloned()? {
            word if word.eq_ignore_ascii_case("not") => Err(BasicParseError::unexpected_token()),
            word => Ok(word),
        }) {
            Ok(medium) => (false, medium),
            // A condition without a media type.
            Err(_) => return condition(input, &mut feature).unwrap_or(false) && input.is_exhausted(),
        }
    };
    let of_medium = medium.eq_ignore_ascii_case("all") || medium.eq_ignore_ascii_case("screen");
    let rest = if input.is_exhausted() {
        Some(true)
    } else if input.try_parse(|it| it.expect_ident_matching("and")).is_ok() {
        condition(input, &mut feature).filter(|_| input.is_exhausted())
    } else {
        None
    };
    rest.is_some_and(|rest| (of_medium && rest) != negated)
}

/// A condition of terms in parentheses joined by `and` or `or`; `None` when it is invalid.
fn condition(input: &mut Parser<'_>, leaf: &mut dyn FnMut(&mut Parser<'_>) -> Option<bool>) -> Option<bool> {
    if input.try_parse(|it| it.expect_ident_matching("not")).is_ok() {
        return term(input, leaf).map(|it| !it);
    }
    let mut answer = term(input, leaf)?;
    loop {
        if input.try_parse(|it| it.expect_ident_matching("and")).is_ok() {
            answer &= term(input, leaf)?;
        } else if input.try_parse(|it| it.expect_ident_matching("or")).is_ok() {
            answer |= term(input, leaf)?;
        } else {
            return Some(answer);
        }
    }
}

fn term(input: &mut Parser<'_>, leaf: &mut dyn FnMut(&mut Parser<'_>) -> Option<bool>) -> Option<bool> {
    match input.next().ok()? {
        Token::ParenthesisBlock => {}
        // The only function in use is `selector()` of `@supports`, which the selector engine parses like a browser.
        Token::Function(name) => {
            let known = name.eq_ignore_ascii_case("selector");
            let skip = |inside: &mut Parser<'_>| {
                while inside.next().is_ok() {}
                Ok::<_, ParseError<()>>(known)
            };
            return input.parse_nested_block(skip).ok();
        }
        _ => return None,
    }
    input
        .parse_nested_block(|inside| {
            let start = inside.state();
            let answer = match condition(inside, leaf) {
                Some(answer) if inside.is_exhausted() => answer,
                _ => {
                    inside.reset(&start);
                    leaf(inside).unwrap_or(false)
                }
            };
            while inside.next().is_ok() {}
            Ok::<_, ParseError<()>>(answer)
        })
        .ok()
}

/// A media feature: `min-width: 10px`, `width >= 10px`, `prefers-color-scheme: dark`, `color`.
fn feature(input: &mut Parser<'_>, viewport: Size) -> Option<bool> {
    let Ok(name) = input.try_parse(Parser::expect_ident_cloned) else {
        let low = length(input)?;
        let below = comparison(input)?;
        let name = input.expect_ident_cloned().ok()?;
        let side = side(&name, viewport)?;
        // A range with two bounds: `10px <= width <= 20px`.
        let within = comparison(input).map_or(Some(true), |above| Some(above(side, length(input)?)))?;
        return Some(below(low, side) && within);
    };
    let name = name.to_ascii_lowercase();
    if let Some(compare) = comparison(input) {
        return Some(compare(side(&name, viewport)?, length(input)?));
    }
    if input.is_exhausted() {
        return Some(matches!(name.as_str(), "color" | "width" | "height" | "aspect-ratio" | "resolution" | "update"));
    }
    input.expect_colon().ok()?;
    if let Some(name) = name.strip_prefix("min-") {
        return Some(side(name, viewport)? >= length(input)?);
    }
    if let Some(name) = name.strip_prefix("max-") {
        return Some(side(name, viewport)? <= length(input)?);
    }
    if let Some(side) = side(&name, viewport) {
        return Some(side == length(input)?);
    }
    let value = input.expect_ident().ok()?.to_ascii_lowercase();
    Some(match name.as_str() {
        "prefers-color-scheme" => value == "light",
        "prefers-reduced-motion" | "prefers-contrast" | "prefers-reduced-data" | "prefers-reduced-transparency" => {
            value == "no-preference"
        }
        "forced-colors" | "inverted-colors" | "scripting" => value == "none",
        "hover" | "any-hover" => value == "hover",
        "pointer" | "any-pointer" => value == "fine",
        "color-gamut" => value == "srgb",
        "orientation" => value == if viewport.width > viewport.height { "landscape" } else { "portrait" },
        _ => false,
    })
}

fn side(name: &str, viewport: Size) -> Option<f64> {
    match name.to_ascii_lowercase().as_str() {
        "width" => Some(viewport.width),
        "height" => Some(viewport.height),
        "aspect-ratio" => Some(viewport.width / viewport.height),
        _ => None,
    }
}

/// A value of a media feature: a length in px, or the quotient of an aspect ratio.
fn length(input: &mut Parser<'_>) -> Option<f64> {
    let number = match input.next().ok()?.clone() {
        Token::Number { value, .. } => f64::from(value),
        Token::Dimension { value, unit, .. } => return to_px(f64::from(value), &unit, 16.0),
        _ => return None,
    };
    if input.try_parse(|it| it.expect_delim('/')).is_ok() {
        return Some(number / f64::from(input.expect_number().ok()?));
    }
    Some(number)
}

fn comparison(input: &mut Parser<'_>) -> Option<fn(f64, f64) -> bool> {
    let sign = input.try_parse(|it| match it.next()?.clone() {
        Token::Delim(sign @ ('<' | '>' | '=')) => Ok(sign),
        _ => Err(BasicParseError::unexpected_token()),
    });
    let sign = sign.ok()?;
    let equal = sign != '=' && input.try_parse(|it| it.expect_delim('=')).is_ok();
    Some(match (sign, equal) {
        ('<', false) => |a, b| a < b,
        ('<', true) => |a, b| a <= b,
        ('>', false) => |a, b| a > b,
        ('>', true) => |a, b| a >= b,
        _ => |a, b| a == b,
    })
}

/// Whether a declaration in `@supports` is supported.
pub(super) fn is_supported(input: &mut Parser<'_>) -> bool {
    let answer = condition(input, &mut |inside| {
        let name = inside.expect_ident_cloned().ok()?;
        inside.expect_colon().ok()?;
        let start = inside.position();
        while inside.next().is_ok() {}
        let mut known = false;
        properties::declared(&name, inside.slice_from(start).trim(), Size::ZERO, &mut |_, _| known = true);
        Some(known)
    });
    answer.unwrap_or(false) && input.is_exhausted()
}
