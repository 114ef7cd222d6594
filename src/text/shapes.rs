//! Shaped texts kept by a layouter: a template's texts are mostly the same from one request to the next.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::blocks::TextBlocks;
use super::breaks::LineBreaking;
use super::shaped_text::ShapedText;
use crate::cache::ByteBoundedLru;

/// Of all texts of one layouter.
const MOST_BYTES: usize = 4 << 20;
/// One text may take this part of it.
const LARGEST_SHARE: usize = 4;
/// Estimates: what a byte of text becomes (clusters, glyphs, tokens, levels), and what each text has besides.
const BYTES_A_BYTE: usize = 300;
const BYTES_A_TEXT: usize = 2048;

/// The latest, least recently used first out.
pub(super) struct Shapes(ByteBoundedLru<u64, Entry>);

struct Entry {
    text: TextBlocks,
    breaking: LineBreaking,
    shaped: Arc<ShapedText>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        Self(ByteBoundedLru::new(MOST_BYTES, LARGEST_SHARE))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// What became of an equal text, and the key to keep it by when there was none.
    pub(super) fn get(&mut self, text: &TextBlocks, breaking: LineBreaking) -> Result<Arc<ShapedText>, u64> {
        let key = key(text);
        match self.0.get(&key) {
            Some(entry) if entry.text == *text && entry.breaking == breaking => Ok(entry.shaped.clone()),
            _ => Err(key),
        }
    }

    /// Keeps `shaped`.
    pub(super) fn put(&mut self, key: u64, (text, breaking): (&TextBlocks, LineBreaking), shaped: &Arc<ShapedText>) {
        let bytes = BYTES_A_TEXT + length(text) * BYTES_A_BYTE;
        self.0.put(key, Entry { text: text.clone(), breaking, shaped: shaped.clone() }, bytes);
    }
}

/// Bytes of text.
pub(super) fn length(text: &TextBlocks) -> usize {
    text.blocks.iter().flat_map(|block| &block.spans).map(|span| span.text.len()).sum()
}

/// Tells most texts apart; equality is asked of the whole.
fn key(text: &TextBlocks) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.base.family.hash(&mut hasher);
    text.base.font_size.to_bits().hash(&mut hasher);
    text.base.weight.to_bits().hash(&mut hasher);
    text.base.color.map(|it| it.components.map(f32::to_bits)).hash(&mut hasher);
    text.blocks.iter().flat_map(|block| &block.spans).for_each(|span| span.text.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::{layouter, style};
    use super::*;

    fn blocks(text: &str) -> TextBlocks {
        TextBlocks::plain(text, style("Roboto", 20.0))
    }

    #[test]
    fn shapes_are_of_equal_texts_only() {
        let mut layouter = layouter();
        let first = layouter.shape(&blocks("Open"));
        assert!(Arc::ptr_eq(&first, &layouter.shape(&blocks("Open"))));
        assert!(!Arc::ptr_eq(&first, &layouter.shape(&blocks("Shut"))));
        assert!(!Arc::ptr_eq(&first, &layouter.shape(&TextBlocks::plain("Open", style("Roboto", 20.5)))));
        let mut indented = blocks("Open");
        indented.blocks[0].indent_left = 5.0;
        assert!(!Arc::ptr_eq(&first, &layouter.shape(&indented)), "the same key, another text");
    }

    #[test]
    fn shapes_are_bounded() {
        let (mut shapes, mut layouter) = (Shapes::new(), layouter());
        let shaped = layouter.shape(&blocks("a"));
        for at in 0..2000 {
            let text = blocks(&format!("{at:0100}"));
            let key = shapes.get(&text, LineBreaking::Editor).err().expect("new");
            shapes.put(key, (&text, LineBreaking::Editor), &shaped);
            assert!(shapes.bytes() <= MOST_BYTES);
        }
        assert!(shapes.0.count() > 10);
        let huge = blocks(&"a".repeat(MOST_BYTES));
        let key = shapes.get(&huge, LineBreaking::Editor).err().expect("new");
        let before = shapes.bytes();
        shapes.put(key, (&huge, LineBreaking::Editor), &shaped);
        assert_eq!(shapes.bytes(), before);
    }
}
