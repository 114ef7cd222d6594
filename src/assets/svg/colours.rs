//! `colorsReplace` (rendering.md §6.3): colours are compared by value, so `red` replaces `#f00` and `rgb(255,0,0)`.
//!
//! Fills and strokes only. The stops of a gradient keep their colours: so does the reference of the corpus's
//! `svg-gradient`, against the recommendation in rendering.md.

use std::collections::HashMap;

use simplecss::{DeclarationTokenizer, StyleSheet};

use super::source::{self, Part};
use super::{SvgError, css};

/// Attributes and properties whose colours are replaced.
const COLOUR_PROPERTIES: [&str; 2] = ["fill", "stroke"];

type Rgba = [u8; 4];

/// `source` with its colours replaced; `None` when no pair is usable.
pub(super) fn replace(source: &str, pairs: &[(String, String)]) -> Result<Option<String>, SvgError> {
    let table: HashMap<Rgba, String> = pairs
        .iter()
        .filter_map(|(from, to)| Some((rgba(from)?, written(rgba(to)?))))
        .filter(|(from, to)| written(*from) != *to)
        .collect();
    if table.is_empty() {
        return Ok(None);
    }
    let document = source::parse(source)?;
    // Refuses sheets that would explode, before they are parsed for real below.
    css::sheet(&document)?;
    let look_up = |value: &str| table.get(&rgba(value)?).cloned();
    // `DeclarationTokenizer` and the sheet's rules hold slices of the text.
    let new = source::write(&document, &mut |part| match part {
        Part::Attribute { name: "style", value, .. } => css::splice(
            value,
            DeclarationTokenizer::from(value)
                .filter(|it| COLOUR_PROPERTIES.contains(&it.name))
                .filter_map(|it| Some((it.value, look_up(it.value)?))),
        ),
        Part::Attribute { name, value, .. } if COLOUR_PROPERTIES.contains(&name) => look_up(value),
        Part::Attribute { .. } => None,
        Part::StyleSheet(text) => {
            let sheet = StyleSheet::parse(text);
            let declarations = sheet.rules.iter().flat_map(|rule| &rule.declarations);
            css::splice(
                text,
                declarations
                    .filter(|it| COLOUR_PROPERTIES.contains(&it.name))
                    .filter_map(|it| Some((it.value, look_up(it.value)?))),
            )
        }
        // Shapes without a fill are black, and the editor lists that black among the colours.
        Part::RootAttributes(root) if root.attribute("fill").is_none() => {
            table.get(&[0, 0, 0, 255]).map(|black| format!(" fill=\"{black}\""))
        }
        Part::RootAttributes(_) => None,
    });
    Ok(Some(new))
}

/// A CSS colour; `None` for `none`, `currentColor`, `url(…)` and everything else.
fn rgba(text: &str) -> Option<Rgba> {
    csscolorparser::parse(text.trim()).ok().map(|color| color.to_rgba8())
}

/// In a form that every SVG reader knows.
fn written([r, g, b, a]: Rgba) -> String {
    if a == 255 { format!("#{r:02x}{g:02x}{b:02x}") } else { format!("rgba({r},{g},{b},{})", f64::from(a) / 255.0) }
}
