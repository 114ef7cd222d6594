//! Rules that depend on the version of the editor as which a design is drawn, chosen once per render.
//!
//! A [`Rules`] holds values and strategies, so that the rest of the room does not depend on version numbers.
//!
//! [`EditorVersion::V4_4`] was measured. Known later changes that are not implemented: strokes of figures in page px
//! (4.6), the shadow of a text cast by its background (4.13), texts sized by fields of their elements (4.16), rich text
//! in table cells (4.20).

use super::elements::figure::FigureUnits;
use crate::config::EditorVersion;
use crate::options::TextSizing;

/// The rules by which one version of the editor draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Units of strokes, dashes, gradients and shadows of figures.
    pub figure_units: FigureUnits,
    /// Whether elements decide how their texts fit their boxes, unless the request sets it.
    pub text_sizing: TextSizing,
}

impl Rules {
    /// The rules of an editor version.
    pub fn of(version: EditorVersion) -> Self {
        match version {
            EditorVersion::V4_4 => Self { figure_units: FigureUnits::Outline, text_sizing: TextSizing::Editor },
        }
    }
}
