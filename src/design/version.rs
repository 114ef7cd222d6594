//! What depends on the version of the editor that a design is drawn as: one place, read once for each render.
//!
//! A [`Rules`] holds values and strategies; the rest of the room asks it and never for the version.
//!
//! [`EditorVersion::V4_4`] is measured. Known to have changed later, and not built: strokes of figures in page px (4.6),
//! the shadow of a text cast by its background (4.13), texts sized as their elements wish (4.16), rich text in table
//! cells (4.20).

use super::elements::figure::FigureUnits;
use crate::config::EditorVersion;
use crate::options::TextSizing;

/// How one version of the editor draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What strokes, dashes, gradients and shadows of figures are measured in.
    pub figure_units: FigureUnits,
    /// Whose wishes count for how texts fit their boxes, where the caller does not say.
    pub text_sizing: TextSizing,
}

impl Rules {
    /// Those of `version`.
    pub fn of(version: EditorVersion) -> Self {
        match version {
            EditorVersion::V4_4 => Self { figure_units: FigureUnits::Outline, text_sizing: TextSizing::Editor },
        }
    }
}
