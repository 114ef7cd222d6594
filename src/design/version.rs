//! Rules that depend on the version of the editor as which a design is drawn, chosen once per render.
//!
//! A [`Rules`] holds values and strategies, so that the rest of the room does not depend on version numbers.
//!
//! [`EditorVersion::V4_4`] was measured. Known later changes that are not implemented: strokes of figures in page px
//! (4.6), the shadow of a text cast by its background (4.13), texts sized by fields of their elements and words that
//! are never broken (4.16), rich text in table cells (4.20). A strategy with one variant stands where the first of
//! these versions adds the second one; the compiler then names every place that depends on it.

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
    /// What a word wider than the box of its text does, unless the request sets `textSizing`.
    pub wide_words: WideWords,
    /// What casts the shadow of a text with a background.
    pub text_shadow: TextShadow,
    /// How texts of table cells are laid out.
    pub cell_text: CellTextEngine,
}

/// What happens to a word that is wider than the box of its text. Cells of tables have a rule of their own
/// ([`CellTextEngine`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WideWords {
    /// It is broken anywhere, as in the editor up to SDK 4.15.
    Break,
    /// It makes the text smaller unless the option `textSplitAllowed` is set, as in the editor from SDK 4.16 on.
    Shrink,
}

/// What casts the shadow of a text that has a background. Without a background, the letters do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextShadow {
    /// The letters, onto the background, as in the editor up to SDK 4.12.
    Letters,
}

/// How texts of table cells are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellTextEngine {
    /// Plain text: markup is stripped, and a word wider than its cell makes the text smaller, as in the editor up to
    /// SDK 4.19.
    Plain,
}

impl Rules {
    /// The rules of an editor version.
    pub fn of(version: EditorVersion) -> Self {
        match version {
            EditorVersion::V4_4 => Self {
                figure_units: FigureUnits::Outline,
                text_sizing: TextSizing::Editor,
                wide_words: WideWords::Break,
                text_shadow: TextShadow::Letters,
                cell_text: CellTextEngine::Plain,
            },
        }
    }
}
