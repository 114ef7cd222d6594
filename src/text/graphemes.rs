//! Which graphemes the editor measures and places apart from their neighbours.

use icu_properties::CodePointSetData;
use icu_properties::props::ExtendedPictographic;

/// True when neither kerning nor ligatures apply between these neighbouring graphemes: the editor measures and places
/// each word between spaces, soft hyphens and zero-width spaces by itself, and every CJK character and emoji too.
pub(super) fn are_shaped_apart(before: &str, after: &str) -> bool {
    let space = |text: &str| matches!(text, " " | "\t");
    let alone = |text: &str| matches!(text, "\u{ad}" | "\u{200b}") || stands_alone(text);
    space(before) != space(after) || alone(before) || alone(after)
}

/// True for a CJK character or an emoji: a line may break on either side of it, whatever the neighbour. The ranges are
/// the editor's: jamo, bopomofo and compatibility ideographs, pictures below U+1F000 without U+FE0F, and flags are not
/// in them.
pub(super) fn stands_alone(grapheme: &str) -> bool {
    let Some(first) = grapheme.chars().next() else { return false };
    let cjk = matches!(
        u32::from(first),
        0x3000..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xac00..=0xd7af | 0xff00..=0xffef | 0x20000..=0x2a6df
    );
    let pictographic = || grapheme.chars().any(|c| CodePointSetData::new::<ExtendedPictographic>().contains(c));
    cjk || (grapheme.chars().any(|c| c >= '\u{1f000}' || matches!(c, '\u{200d}' | '\u{fe0f}')) && pictographic())
}
