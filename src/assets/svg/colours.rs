//! `colorsReplace` (rendering.md §6.3): colours are compared by value, so `red` replaces `#f00` and `rgb(255,0,0)`.
//!
//! A colour may be replaced by a `linear-gradient()`, which fills each shape of that colour
//! (`public--colors-replace-gradient` of the reference designs), in fills and strokes only. Stops of gradients keep
//! their colours, as in the reference of the corpus's `svg-gradient`, contrary to rendering.md.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::error::SvgError;
use super::source::{self, ReplaceablePart};
use super::values;
use crate::css_color;
use crate::css_gradient::{self, Fill, LinearGradient, Stop};

/// Attributes whose colours are replaced.
const COLOUR_PROPERTIES: [&str; 2] = ["fill", "stroke"];

/// Prefix of the ids of gradients.
const GRADIENT_ID: &str = "replaced-colour-";

type Rgba = [u8; 4];

/// The replacement of a colour.
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
        match css_gradient::parse_fill(to) {
            Some(Fill::Linear(gradient)) => {
                table.insert(from, Replacement::Gradient { definition: definition(&gradient), number });
            }
            Some(Fill::Solid(to)) if from != to.to_rgba8().to_u8_array() => {
                table.insert(from, Replacement::Color(values::written(to)));
            }
            Some(Fill::Solid(_)) | None => {}
        }
    }
    if table.is_empty() {
        return Ok(None);
    }
    let document = source::parse(source)?;
    let look_up = |value: &str| table.get(&rgba(value)?).map(Replacement::paint);
    // Style sheets are already resolved to attributes.
    let new = source::write(&document, &mut |part| match part {
        ReplaceablePart::Attribute { name, value, .. } if COLOUR_PROPERTIES.contains(&name) => look_up(value),
        // Shapes without a fill are black, which the editor lists among the colours.
        ReplaceablePart::MoreAttributes(root) if source::is_root(root) && root.attribute("fill").is_none() => {
            table.get(&[0, 0, 0, 255]).map(|black| format!(" fill=\"{}\"", black.paint()))
        }
        ReplaceablePart::FirstChildren => {
            let definitions = table.values().filter_map(|it| match it {
                Replacement::Color(_) => None,
                Replacement::Gradient { definition, number } => {
                    Some(format!("<linearGradient id=\"{GRADIENT_ID}{number}\" {definition}</linearGradient>"))
                }
            });
            Some(definitions.collect())
        }
        ReplaceablePart::Attribute { .. } | ReplaceablePart::MoreAttributes(_) => None,
    });
    Ok(Some(new))
}

/// `gradient` across the box of each shape, as attributes and stops of a `<linearGradient>`.
fn definition(gradient: &LinearGradient) -> String {
    let (sin, cos) = gradient.angle.0.to_radians().sin_cos();
    let (x, y) = (sin / 2.0, cos / 2.0);
    let mut out = format!("x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\">", 0.5 - x, 0.5 + y, 0.5 + x, 0.5 - y);
    for Stop { offset, color } in gradient.stops.iter() {
        let alpha = color.components[3];
        let color = values::written(color.with_alpha(1.0));
        let _ = write!(out, "<stop offset=\"{offset}\" stop-color=\"{color}\" stop-opacity=\"{alpha}\"/>");
    }
    out
}

/// A CSS colour; `None` for `none`, `currentColor`, `url(…)` and everything else.
fn rgba(text: &str) -> Option<Rgba> {
    css_color::parse(text).map(|color| color.to_rgba8().to_u8_array())
}
