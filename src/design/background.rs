//! The page background: a string that is a colour, a gradient or an image (design-format.md §3.1).

use std::sync::Arc;

use crate::css_color;
use crate::css_gradient::{self, Fill};

/// The background of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum Background {
    /// A colour or gradient; a transparent one paints nothing.
    Fill(Fill),
    /// URL or data URI of an image that covers the page and is centred. A misspelt colour is taken for one, as in the
    /// editor.
    Image(Arc<str>),
}

/// Parses a background; an empty string is transparent. `None` for gradients that are not supported.
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

/// The accepted values, for messages about strings that [`parse`] rejects.
pub(super) const ACCEPTED: &str = "a CSS colour, linear-gradient(<angle>deg, <colour> <position>%, …) of at most 256 \
     colours, or the URL of an image";

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
    fn background_rejects_unsupported_gradients() {
        for text in ["radial-gradient(circle, red, blue)", "conic-gradient(red, blue)", "linear-gradient(45deg)"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
