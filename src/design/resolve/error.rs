//! The reasons why a design cannot be resolved.

use std::sync::Arc;

use crate::assets::AssetError;
use crate::assets::svg::SvgError;
use crate::report::JsonPath;

/// Why a design cannot become a scene.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// An image could not be loaded and `skipImageError` is off.
    #[error("{0}")]
    Image(AssetError),
    /// An SVG document cannot be drawn and `skipImageError` is off, or it was not tried because something is used up.
    #[error("image with id {element}: {error}")]
    Svg {
        /// Path of the element or field.
        at: JsonPath,
        /// The element's id.
        element: Arc<str>,
        /// Why it cannot be drawn.
        #[source]
        error: SvgError,
    },
    /// A glyph of a text cannot be drawn and `skipFontError` is off.
    #[error(
        "text with id {element}: glyph {glyph} of its font is damaged: {reason}; replace the font, or set skipFontError"
    )]
    Glyph {
        /// Path of the element.
        at: JsonPath,
        /// The element's id.
        element: Arc<str>,
        /// Index of the glyph in its font.
        glyph: u32,
        /// What is wrong with it.
        reason: String,
    },
}

impl ResolveError {
    /// Path in the JSON of the element that needs the asset.
    pub fn at(&self) -> &JsonPath {
        match self {
            Self::Image(error) => &error.at,
            Self::Svg { at, .. } | Self::Glyph { at, .. } => at,
        }
    }
}
