//! Rules that depend on the version of the editor as which a design is drawn, chosen once per render.
//!
//! A [`Rules`] holds values and strategies, so that the rest of the room does not depend on version numbers. Following
//! a release that draws differently is a row in [`RELEASES`]: its constant names what changes, the rest is that of the
//! release before. Release 4.4 was measured, later ones are documented changes (docs/design-json.md, "Behaviour by
//! version").

use super::elements::figure::FigureUnits;
use crate::config::EditorVersion;
use crate::options::TextSizing;
use crate::text::DecorationPieces;

/// The rules by which one version of the editor draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Units of strokes, dashes, gradients and shadows of figures.
    pub figure_units: FigureUnits,
    /// The pieces in which underlines and similar lines are drawn.
    pub decoration_pieces: DecorationPieces,
    /// Whether elements decide how their texts fit their boxes, unless the request sets it.
    pub text_sizing: TextSizing,
    /// What a word wider than the box of its text does, unless the request sets `textSizing`.
    pub wide_words: WideWords,
    /// What casts the shadow of a text with a background.
    pub text_shadow: TextShadow,
    /// How texts of table cells are laid out.
    pub cell_text: CellTextEngine,
    /// How a picture that a variable replaces fits its box, unless the element has `fit`.
    pub replaced_pictures: ReplacedPictures,
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
    /// The background alone, as in the editor from SDK 4.13 on.
    Background,
}

/// How texts of table cells are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellTextEngine {
    /// Plain text: markup is stripped, and a word wider than its cell makes the text smaller, as in the editor up to
    /// SDK 4.19.
    Plain,
    /// Rich text, laid out like that of text elements, as in the editor from SDK 4.20 on. Words are as wide as
    /// [`WideWords`] allows.
    Rich,
}

/// How a picture that a variable replaces fits its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacedPictures {
    /// Like the picture that it replaces: with its crop, and stretched if that was, as up to SDK 4.21.
    AsReplaced,
    /// It covers the box, about its focus, as in the editor from SDK 4.22 on.
    Cover,
}

const V4_4: Rules = Rules {
    figure_units: FigureUnits::Outline,
    decoration_pieces: DecorationPieces::Words,
    text_sizing: TextSizing::Editor,
    wide_words: WideWords::Break,
    text_shadow: TextShadow::Letters,
    cell_text: CellTextEngine::Plain,
    replaced_pictures: ReplacedPictures::AsReplaced,
};
const V4_6: Rules = Rules { figure_units: FigureUnits::Page, ..V4_4 };
const V4_8: Rules = Rules { decoration_pieces: DecorationPieces::Lines, ..V4_6 };
const V4_13: Rules = Rules { text_shadow: TextShadow::Background, ..V4_8 };
const V4_16: Rules = Rules { text_sizing: TextSizing::Element, wide_words: WideWords::Shrink, ..V4_13 };
const V4_20: Rules = Rules { cell_text: CellTextEngine::Rich, ..V4_16 };
const V4_22: Rules = Rules { replaced_pictures: ReplacedPictures::Cover, ..V4_20 };

/// The releases that draw differently from the one before, oldest first.
pub const RELEASES: [(EditorVersion, Rules); 7] = [
    (EditorVersion::v4(4), V4_4),
    (EditorVersion::v4(6), V4_6),
    (EditorVersion::v4(8), V4_8),
    (EditorVersion::v4(13), V4_13),
    (EditorVersion::v4(16), V4_16),
    (EditorVersion::v4(20), V4_20),
    (EditorVersion::v4(22), V4_22),
];

impl Rules {
    /// The rules of an editor version: those of the last release up to it that changed any.
    pub fn of(version: EditorVersion) -> Self {
        let last = RELEASES.iter().rfind(|(since, _)| *since <= version);
        last.map_or(V4_4, |(_, rules)| *rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_those_of_the_last_release_that_changed_them() {
        assert!(RELEASES.is_sorted_by_key(|(since, _)| *since));
        let of = |minor| Rules::of(EditorVersion::v4(minor));
        assert_eq!([of(4), of(5)], [V4_4; 2]);
        assert_eq!([of(6), of(7)], [V4_6; 2]);
        assert_eq!((of(12), of(13), of(15)), (V4_8, V4_13, V4_13));
        assert_eq!((of(16), of(19), of(21), of(24)), (V4_16, V4_16, V4_20, V4_22));
        assert_eq!(Rules::of(EditorVersion::NEWEST), V4_22);
    }

    #[test]
    fn table_in_the_docs_names_every_release_that_changes_rules() {
        let docs = include_str!("../../docs/design-json.md");
        let section = docs.split("### Behaviour by version").nth(1).expect("the section");
        let section = section.split("\n#").next().expect("its text");
        for (since, _) in &RELEASES[1..] {
            let row = format!("| {} |", since.as_str());
            assert!(section.lines().any(|line| line.starts_with(&row)), "no row {row}");
        }
    }
}
