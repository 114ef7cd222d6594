//! `colorsReplace` (rendering.md §6.3): colours are compared by value, so `red` replaces `#f00` and `rgb(255,0,0)`.
//!
//! A colour may become a `linear-gradient()`, which fills each shape that has it (`public--colors-replace-gradient` of the
//! reference designs). Fills and strokes only. The stops of a gradient keep their colours: so does the reference of the corpus's
//! `svg-gradient`, against the recommendation in rendering.md.

use std::collections::HashMap;
use std::fmt::Write as _;

use peniko::Color;

use super::source::{self, Part};
use super::{SvgError, values};
use crate::css_color;

/// Attributes whose colours are replaced.
const COLOUR_PROPERTIES: [&str; 2] = ["fill", "stroke"];

/// Stops of one gradient.
const MAX_STOPS: usize = 256;

/// Ids of gradients begin with this.
const GRADIENT_ID: &str = "replaced-colour-";

type Rgba = [u8; 4];

/// What is drawn instead of a colour.
enum Replacement {
    /// A colour in a form that every SVG reader knows.
    Color(String),
    /// A gradient definition's attributes and stops, and the number in its id.
    Gradient { definition: String, number: usize },
}

impl Replacement {
    fn paint(&self) -> String {
        match self {
            Self::Color(color) => color.clone(),
            Self::Gradient { number, .. } => format!("url(#{GRADIENT_ID}{number})"),
        }
    }
}

/// `source` with its colours replaced; `None` when no pair is usable.
pub(super) fn replace(source: &str, pairs: &[(String, String)]) -> Result<Option<String>, SvgError> {
    let mut table: HashMap<Rgba, Replacement> = HashMap::new();
    for (number, (from, to)) in pairs.iter().enumerate() {
        let Some(from) = rgba(from) else { continue };
        if let Some(definition) = gradient(to) {
            table.insert(from, Replacement::Gradient { definition, number });
        } else if let Some(to) = css_color::parse(to).filter(|to| from != to.to_rgba8().to_u8_array()) {
            table.insert(from, Replacement::Color(values::written(to)));
        }
    }
    if table.is_empty() {
        return Ok(None);
    }
    let document = source::parse(source)?;
    let look_up = |value: &str| table.get(&rgba(value)?).map(Replacement::paint);
    // Style sheets have become attributes by now.
    let new = source::write(&document, &mut |part| match part {
        Part::Attribute { name, value, .. } if COLOUR_PROPERTIES.contains(&name) => look_up(value),
        // Shapes without a fill are black, and the editor lists that black among the colours.
        Part::MoreAttributes(root) if source::is_root(root) && root.attribute("fill").is_none() => {
            table.get(&[0, 0, 0, 255]).map(|black| format!(" fill=\"{}\"", black.paint()))
        }
        Part::FirstChildren => {
            let definitions = table.values().filter_map(|it| match it {
                Replacement::Color(_) => None,
                Replacement::Gradient { definition, number } => {
                    Some(format!("<linearGradient id=\"{GRADIENT_ID}{number}\" {definition}</linearGradient>"))
                }
            });
            Some(definitions.collect())
        }
        Part::Attribute { .. } | Part::MoreAttributes(_) => None,
    });
    Ok(Some(new))
}

/// `linear-gradient(<angle>, <colour> <percentage>, …)` across the box of each shape, as attributes and stops of a
/// `<linearGradient>`; `None` for anything else. Without an angle 0°, as the editor has it.
fn gradient(text: &str) -> Option<String> {
    let inside = text.trim().strip_suffix(')')?;
    let (name, inside) = inside.split_once('(')?;
    if !name.trim().eq_ignore_ascii_case("linear-gradient") {
        return None;
    }
    let mut parts = split_at_commas(inside).into_iter().peekable();
    let angle = parts.next_if(|it| css_color::parse(without_offset(it).0).is_none());
    let angle = angle.map_or(Some(0.0), degrees)?;
    let stops: Vec<_> = parts.map(without_offset).collect();
    if stops.is_empty() || stops.len() > MAX_STOPS {
        return None;
    }
    let (sin, cos) = angle.to_radians().sin_cos();
    let (x, y) = (sin / 2.0, cos / 2.0);
    let mut out = format!("x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\">", 0.5 - x, 0.5 + y, 0.5 + x, 0.5 - y);
    let last = (stops.len() - 1).max(1) as f64;
    for (at, (color, offset)) in stops.into_iter().enumerate() {
        let [r, g, b, a] = css_color::parse(color)?.components;
        let color = values::written(Color::new([r, g, b, 1.0]));
        let offset = offset.unwrap_or(at as f64 / last);
        let _ = write!(out, "<stop offset=\"{offset}\" stop-color=\"{color}\" stop-opacity=\"{a}\"/>");
    }
    Some(out)
}

/// A colour and its place, `0..=1`, where it has one.
fn without_offset(part: &str) -> (&str, Option<f64>) {
    let part = part.trim();
    let offset = part.rsplit_once(|c: char| c.is_ascii_whitespace()).and_then(|(color, offset)| {
        let percent = offset.strip_suffix('%')?.parse::<f64>().ok()?;
        Some((color.trim_end(), Some(percent / 100.0)))
    });
    offset.unwrap_or((part, None))
}

/// An angle, or sides: corners count as multiples of 45°.
fn degrees(text: &str) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(sides) = text.strip_prefix("to ") {
        let has = |side: &str| sides.split_ascii_whitespace().any(|it| it == side);
        let (x, y) =
            (f64::from(has("right")) - f64::from(has("left")), f64::from(has("top")) - f64::from(has("bottom")));
        return (x != 0.0 || y != 0.0).then(|| x.atan2(y).to_degrees());
    }
    const UNITS: [(&str, f64); 4] = [("deg", 1.0), ("grad", 0.9), ("rad", 57.295_779_513_082_32), ("turn", 360.0)];
    let (number, factor) = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    number.trim_end().parse::<f64>().ok().filter(|it| it.is_finite()).map(|number| number * factor)
}

/// The parts between commas that are not in parentheses.
fn split_at_commas(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A CSS colour; `None` for `none`, `currentColor`, `url(…)` and everything else.
fn rgba(text: &str) -> Option<Rgba> {
    css_color::parse(text).map(|color| color.to_rgba8().to_u8_array())
}
