//! Fills of an area: one colour, or `linear-gradient(…)` (rendering.md §7).
//!
//! In: parsing CSS to an angle and stops. Not in: the gradient line, which depends on the area filled. Imports:
//! `css_color`, `units`.

use std::sync::Arc;

use peniko::Color;

use crate::css_color;
use crate::units::Degrees;

/// A fill: one colour, or a linear gradient.
#[derive(Clone, Debug, PartialEq)]
pub enum Fill {
    /// The same colour everywhere.
    Solid(Color),
    /// A linear gradient, whose length depends on the area filled.
    Linear(LinearGradient),
}

impl From<Color> for Fill {
    fn from(color: Color) -> Self {
        Self::Solid(color)
    }
}

/// A linear gradient through the centre of a box.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearGradient {
    /// Direction in the CSS sense: 0 up, 90 right, 180 down. Finite.
    pub angle: Degrees,
    /// Stops, at least one, with ascending offsets; colours are interpolated unpremultiplied. Shared, because thousands
    /// of table cells may inherit them.
    pub stops: Arc<[Stop]>,
}

/// A colour at an offset of a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// Offset from start to end, `0.0..=1.0`.
    pub offset: f32,
    /// The colour at the offset.
    pub color: Color,
}

/// Maximum number of stops, because painters have a table of them. A gradient with more is invalid.
const MAX_STOPS: usize = 256;

/// Parses a colour or a `linear-gradient(…)`; `None` for anything else, other gradients included.
pub fn parse_fill(text: &str) -> Option<Fill> {
    let text = text.trim();
    if is_gradient(text) { parse_linear(text).map(Fill::Linear) } else { css_color::parse(text).map(Fill::Solid) }
}

/// True for every CSS gradient function, also those that are not supported.
pub fn is_gradient(text: &str) -> bool {
    let name = text.trim_start().split('(').next().unwrap_or_default().trim_end();
    name.len() < text.len() && name.len() <= 32 && name.to_ascii_lowercase().ends_with("-gradient")
}

/// Parses `linear-gradient(A, colour p%, …)`.
///
/// `A`: an angle (`deg`, `grad`, `rad`, `turn`) or `to` and sides; corners are multiples of 45°. Without it 0°,
/// upwards, as measured. Positions are in percent, one or two per colour; a missing first is 0, a missing last 1, and
/// others are spaced evenly between their neighbours. The gradient is clipped to 0–100 %, with interpolated colours at
/// the ends.
pub fn parse_linear(text: &str) -> Option<LinearGradient> {
    let (name, rest) = text.trim().split_once('(')?;
    if !name.trim().eq_ignore_ascii_case("linear-gradient") {
        return None;
    }
    let mut parts = split_outside_parentheses(rest.strip_suffix(')')?, |byte| byte == b',').peekable();
    let angle = parts.peek().and_then(|first| direction(first));
    if angle.is_some() {
        parts.next();
    }
    let mut stops = Vec::new();
    for part in parts {
        read_stop(part, &mut stops)?;
        if stops.len() > MAX_STOPS {
            return None;
        }
    }
    let stops = cut(&spread(&stops)?);
    (!stops.is_empty()).then_some(LinearGradient { angle: angle.unwrap_or_default(), stops: stops.into() })
}

/// Splits `text` at ASCII bytes outside parentheses for which `is_separator` holds.
fn split_outside_parentheses(text: &str, is_separator: impl Fn(u8) -> bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut depth = 0_usize;
        let end = text.bytes().position(|byte| {
            match byte {
                b'(' => depth += 1,
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && is_separator(byte)
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(end.map_or(text, |end| &text[..end]).trim())
    })
}

fn direction(text: &str) -> Option<Degrees> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split_ascii_whitespace();
    if words.next() == Some("to") {
        let (first, second) = (words.next(), words.next());
        let has = |side| first == Some(side) || second == Some(side);
        let angle = match (has("top"), has("right"), has("bottom"), has("left")) {
            (true, false, false, false) => 0.0,
            (true, true, false, false) => 45.0,
            (false, true, false, false) => 90.0,
            (false, true, true, false) => 135.0,
            (false, false, true, false) => 180.0,
            (false, false, true, true) => 225.0,
            (false, false, false, true) => 270.0,
            (true, false, false, true) => 315.0,
            _ => return None,
        };
        return Some(Degrees(angle));
    }
    // Longest unit first: `grad` ends in `rad`.
    let units = [("turn", 360.0), ("grad", 0.9), ("deg", 1.0), ("rad", 180.0 / std::f64::consts::PI)];
    let (number, unit) = units.iter().find_map(|(unit, degrees)| Some((text.strip_suffix(unit)?, degrees)))?;
    let angle = number.trim().parse::<f64>().ok()? * unit;
    angle.is_finite().then_some(Degrees(angle))
}

/// Parses a colour with up to two positions (`red 10% 20%` is two stops); a position is `None` when absent.
fn read_stop(part: &str, stops: &mut Vec<(Option<f32>, Color)>) -> Option<()> {
    let words: Vec<_> =
        split_outside_parentheses(part, |byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).collect();
    let first_position = words.iter().position(|word| percent(word).is_some()).unwrap_or(words.len());
    let (name, positions) = words.split_at(first_position);
    // Joined again for `rgb (1, 2, 3)`, which browsers reject but designs contain.
    let color = css_color::parse(&name.join(" "))?;
    match positions {
        [] => stops.push((None, color)),
        [one] => stops.push((percent(one), color)),
        [from, to] => stops.extend([(Some(percent(from)?), color), (Some(percent(to)?), color)]),
        _ => return None,
    }
    Some(())
}

/// Parses a percentage as a fraction: `25%` is 0.25.
fn percent(word: &str) -> Option<f32> {
    let number: f32 = word.strip_suffix('%')?.trim().parse().ok()?;
    number.is_finite().then_some(number / 100.0)
}

/// Adds missing positions by CSS Images 3 §3.4.3, and sorts by position as the editor's canvas does. (CSS would move a
/// stop with a smaller position than the one before.)
fn spread(stops: &[(Option<f32>, Color)]) -> Option<Vec<Stop>> {
    let last = stops.len().checked_sub(1)?;
    let mut offsets: Vec<_> = stops.iter().map(|(offset, _)| *offset).collect();
    offsets[0].get_or_insert(0.0);
    offsets[last].get_or_insert(1.0);
    let mut result: Vec<Stop> = Vec::with_capacity(stops.len());
    for (at, (_, color)) in stops.iter().enumerate() {
        let offset = offsets[at].or_else(|| {
            // The stop before already has a position, as do the first and last.
            let before = result.last()?.offset;
            let (steps, after) = offsets[at..].iter().enumerate().find_map(|(steps, it)| Some((steps, (*it)?)))?;
            Some(before + (after - before) / (steps + 1) as f32)
        })?;
        result.push(Stop { offset, color: *color });
    }
    // A stable sort keeps the order of stops at one position.
    result.sort_by(|a, b| a.offset.total_cmp(&b.offset));
    Some(result)
}

/// Clips ascending stops to `0..=1`.
fn cut(stops: &[Stop]) -> Vec<Stop> {
    let inside = |stop: &&Stop| (0.0..=1.0).contains(&stop.offset);
    let mut result: Vec<_> = stops.iter().filter(inside).copied().collect();
    if stops.iter().any(|stop| stop.offset < 0.0) {
        result.insert(0, Stop { offset: 0.0, color: color_at(stops, 0.0) });
    }
    if stops.iter().any(|stop| stop.offset > 1.0) {
        result.push(Stop { offset: 1.0, color: color_at(stops, 1.0) });
    }
    result
}

/// The interpolated colour of ascending, nonempty `stops` at `offset`.
fn color_at(stops: &[Stop], offset: f32) -> Color {
    let after = stops.partition_point(|stop| stop.offset <= offset);
    match (after.checked_sub(1).map(|before| stops[before]), stops.get(after)) {
        (Some(before), Some(after)) => {
            let t = (offset - before.offset) / (after.offset - before.offset);
            let mix = |channel| {
                let (from, to): (f32, f32) = (before.color.components[channel], after.color.components[channel]);
                (from + (to - from) * t).clamp(0.0, 1.0)
            };
            Color::new([mix(0), mix(1), mix(2), mix(3)])
        }
        (Some(only), None) => only.color,
        (None, only) => only.map_or(Color::TRANSPARENT, |stop| stop.color),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Angle and `offset:#rrggbbaa` of each stop.
    fn linear(text: &str) -> Option<(f64, String)> {
        let gradient = parse_linear(text)?;
        let stop = |stop: &Stop| {
            let [r, g, b, a] = stop.color.to_rgba8().to_u8_array();
            format!("{}:{r:02x}{g:02x}{b:02x}{a:02x}", stop.offset)
        };
        Some((gradient.angle.0, gradient.stops.iter().map(stop).collect::<Vec<_>>().join(" ")))
    }

    #[test]
    fn gradient_as_the_editor_writes_it() {
        let text = "linear-gradient(45deg, rgba(131,58,180,1) 0%, rgba(253,29,29,0.5) 50%, #fcb045 100%)";
        assert_eq!(linear(text), Some((45.0, "0:833ab4ff 0.5:fd1d1d80 1:fcb045ff".to_owned())));
    }

    #[test]
    fn gradient_without_angle_goes_up() {
        assert_eq!(linear("linear-gradient(#f00, #00f)"), Some((0.0, "0:ff0000ff 1:0000ffff".to_owned())));
    }

    #[test]
    fn gradient_keywords_are_angles() {
        for (text, angle) in [
            ("to top", 0.0),
            ("to right", 90.0),
            ("TO  Bottom", 180.0),
            ("to left", 270.0),
            ("to top right", 45.0),
            ("to right bottom", 135.0),
            ("to bottom left", 225.0),
            ("to left top", 315.0),
            ("-90deg", -90.0),
            ("0.25turn", 90.0),
            ("100grad", 90.0),
        ] {
            assert_eq!(linear(&format!("linear-gradient({text}, red, blue)")).map(|it| it.0), Some(angle), "{text}");
        }
    }

    #[test]
    fn gradient_missing_positions_spread_evenly() {
        let stops = |text: &str| linear(&format!("linear-gradient(0deg, {text})")).expect("a gradient").1;
        assert_eq!(
            stops("#000, #111, #222, #333, #444"),
            "0:000000ff 0.25:111111ff 0.5:222222ff 0.75:333333ff 1:444444ff"
        );
        assert_eq!(stops("#000 20%, #111, #222 40%, #333"), "0.2:000000ff 0.3:111111ff 0.4:222222ff 1:333333ff");
        assert_eq!(stops("#000 50%, #111, #222 100%, #333"), "0.5:000000ff 0.75:111111ff 1:222222ff 1:333333ff");
        assert_eq!(stops("#000 25% 75%, #222"), "0.25:000000ff 0.75:000000ff 1:222222ff");
    }

    #[test]
    fn gradient_stops_are_sorted_by_position() {
        let stops = |text: &str| linear(&format!("linear-gradient(90deg, {text})")).expect("a gradient").1;
        assert_eq!(stops("red 80%, blue 20%"), "0.2:0000ffff 0.8:ff0000ff");
        assert_eq!(stops("#f00 60%, #0f0 20%, #00f 90%"), "0.2:00ff00ff 0.6:ff0000ff 0.9:0000ffff");
        assert_eq!(stops("#000 50%, #111 20%, #222"), "0.2:111111ff 0.5:000000ff 1:222222ff");
    }

    #[test]
    fn gradient_is_cut_to_its_line() {
        let stops = |text: &str| linear(&format!("linear-gradient(0deg, {text})")).expect("a gradient").1;
        assert_eq!(stops("#000000 -100%, #646464 100%"), "0:323232ff 1:646464ff");
        assert_eq!(stops("#000000 0%, #646464 200%"), "0:000000ff 1:323232ff");
        assert_eq!(stops("red 150%, blue 200%"), "1:ff0000ff");
        assert_eq!(stops("red -50%, blue -20%"), "0:0000ffff");
    }

    #[test]
    fn gradient_rejects_everything_else() {
        let many = format!("linear-gradient({})", vec!["red"; MAX_STOPS + 1].join(","));
        for text in [
            "linear-gradient()",
            "linear-gradient(45deg)",
            "linear-gradient(45deg, nocolor, red)",
            "linear-gradient(45deg, red 1px, blue)",
            "linear-gradient(45deg, red, blue",
            "linear-gradient(to center, red, blue)",
            "linear-gradient(red 1% 2% 3%, blue)",
            "radial-gradient(circle, red, blue)",
            "linear-gradient(é, é)",
            &many,
        ] {
            assert_eq!(parse_fill(text), None, "{text}");
        }
        assert!(is_gradient(" Radial-Gradient(circle, red)") && is_gradient("repeating-linear-gradient("));
        assert!(!is_gradient("linear-gradient") && !is_gradient("https://a/b-gradient.png"));
    }

    #[test]
    fn fill_is_a_colour_or_a_gradient() {
        assert_eq!(parse_fill(" white "), Some(Fill::Solid(Color::WHITE)));
        assert!(matches!(parse_fill("linear-gradient(90deg, red, blue)"), Some(Fill::Linear(_))));
        assert_eq!(parse_fill("notacolor"), None);
    }
}
