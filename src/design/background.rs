//! The page background: one string in three forms (design-format.md §3.1).

use std::sync::Arc;

use crate::css_color;
use crate::css_gradient::{self, Fill};

/// What lies under a page's elements.
#[derive(Clone, Debug, PartialEq)]
pub enum Background {
    /// A colour or gradient; a transparent one paints nothing.
    Fill(Fill),
    /// URL or data URI of a picture, fitted cover and centred. A misspelt colour ends up here, as in the editor.
    Image(Arc<str>),
}

/// Reads the string. `None` for gradients that cannot be drawn; an empty string is transparent.
pub(super) fn parse(text: &str) -> Option<Background> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Some(Background::Fill(peniko::Color::TRANSPARENT.into()));
    }
    if css_gradient::is_gradient(trimmed) {
        return css_gradient::parse_linear(trimmed).map(|linear| Background::Fill(Fill::Linear(linear)));
    }
    Some(match css_color::parse(trimmed) {
        Some(color) => Background::Fill(color.into()),
        None => Background::Image(trimmed.into()),
    })
}

/// For messages about strings that [`parse`] refuses.
pub(super) const ACCEPTED: &str = "a CSS colour, linear-gradient(<angle>deg, <colour> <position>%, …) of at most 256 colours, \
     or the address of an image";

#[cfg(test)]
mod tests {
    use peniko::Color;

    use super::*;

    #[test]
    fn background_has_three_forms() {
        assert_eq!(parse("white"), Some(Background::Fill(Color::WHITE.into())));
        assert!(matches!(parse("linear-gradient(90deg, red, blue)"), Some(Background::Fill(Fill::Linear(_)))));
        for image in ["https://example.com/a.png", "data:image/svg+xml,<svg/>", "notacolor", "abc"] {
            assert_eq!(parse(image), Some(Background::Image(image.into())));
        }
        assert_eq!(parse(" "), Some(Background::Fill(Color::TRANSPARENT.into())));
    }

    #[test]
    fn background_refuses_gradients_it_cannot_draw() {
        for text in ["radial-gradient(circle, red, blue)", "conic-gradient(red, blue)", "linear-gradient(45deg)"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
