//! Elements of type `svg` (design-format.md §6.3).

use std::sync::Arc;

use serde_json::Value;

use crate::css_color;
use crate::css_gradient::parse_fill;
use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, DEFAULT_BOX, PictureBox, Placement};
use crate::json::describe;

/// An SVG element, stretched to its box. Free-hand drawings are of this kind too.
#[derive(Clone, Debug, PartialEq)]
pub struct Svg {
    /// The fields of every kind.
    pub common: Common,
    /// The box. Default 100 × 100.
    pub placement: Placement,
    /// Effects and shadow of the element.
    pub effects: Effects,
    /// Source, crop, corners, border. `stretch_enabled` is true by default.
    pub picture: PictureBox,
    /// `maskSrc` — URL of an image that fills the shape of the SVG.
    pub mask_src: Option<Arc<str>>,
    /// `colorsReplace` — colours of the file, compared by value, and the CSS colours or gradients that replace them, in
    /// the order written.
    pub colors_replace: Vec<(String, String)>,
}

impl Svg {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let mut picture = PictureBox::read(input, true);
        if picture.src.is_empty() {
            // Very old designs have this name.
            picture.src = input.address("svgSource").unwrap_or_default();
        }
        Self {
            common: Common::read(input),
            placement: Placement::read(input, DEFAULT_BOX),
            effects: Effects::read(input),
            picture,
            mask_src: input.address("maskSrc"),
            colors_replace: read_colors(input),
        }
    }
}

/// Reads pairs of a colour and a colour or gradient. Other pairs are ignored, with a warning.
fn read_colors(input: &mut Input<'_>) -> Vec<(String, String)> {
    const KEY: &str = "colorsReplace";
    let (mut colors, mut unread) = (Vec::new(), Vec::new());
    if let Some(json) = input.json.object(KEY) {
        for (from, to) in json.members() {
            let Value::String(to) = to else {
                unread.push(format!("{from:.40?}: found {}; accepted: a CSS colour; ignored", describe(to)));
                continue;
            };
            if css_color::parse(from).is_some() && parse_fill(to).is_some() {
                colors.push((from.to_owned(), to.to_owned()));
            } else {
                unread.push(format!(
                    "{from:.40?}: {to:.40?}; accepted: a CSS colour and its replacement, a CSS colour or \
                     linear-gradient(); ignored"
                ));
            }
        }
    }
    for message in unread {
        input.warn(KEY, message);
    }
    colors
}
