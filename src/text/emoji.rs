//! Emoji presentation: which graphemes are drawn with a colour glyph.

use icu_properties::CodePointSetData;
use icu_properties::props::{Emoji, EmojiPresentation};

/// Variation selector 15, which asks for a glyph without colour.
const TEXT: char = '\u{fe0e}';

/// True when `cluster` (one grapheme) asks for a glyph without colour.
pub(super) fn wants_text(cluster: &str) -> bool {
    cluster.contains(TEXT)
}

/// True when a browser would draw `cluster` (one grapheme) as a colour picture: emoji by default, or asked for with
/// U+FE0F, keycaps and flags included; false when U+FE0E asks for text.
pub(super) fn wants_colour(cluster: &str) -> bool {
    const COLOUR: char = '\u{fe0f}';
    let Some(first) = cluster.chars().next() else { return false };
    if first.is_ascii() && !cluster.contains(COLOUR) || cluster.contains(TEXT) {
        return false;
    }
    let by_default = CodePointSetData::new::<EmojiPresentation>().contains(first);
    by_default || (cluster.contains(COLOUR) && CodePointSetData::new::<Emoji>().contains(first))
}

#[cfg(test)]
mod tests {
    use super::wants_colour;

    #[test]
    fn emoji_presentation_follows_unicode() {
        for colour in ["😀", "👩‍👩‍👧", "🇩🇪", "❤️", "1️⃣", "👍🏽"] {
            assert!(wants_colour(colour), "{colour}");
        }
        for text in ["a", "1", "❤", "☎︎", "©", "é", ""] {
            assert!(!wants_colour(text), "{text}");
        }
    }
}
