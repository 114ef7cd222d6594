//! Shaped texts kept by a layouter: a template's texts are mostly the same from one request to the next.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use lru::LruCache;

use super::blocks::TextBlocks;
use super::breaks::LineBreaking;
use super::layout::ShapedText;

/// Of all texts of one layouter.
const MOST_BYTES: usize = 4 << 20;
/// Estimates: what a byte of text becomes (clusters, glyphs, tokens, levels), and what each text has besides.
const BYTES_A_BYTE: usize = 300;
const BYTES_A_TEXT: usize = 2048;

/// The latest, least recently used first out.
pub(super) struct Shapes {
    entries: LruCache<u64, Entry>,
    bytes: usize,
}

struct Entry {
    text: TextBlocks,
    breaking: LineBreaking,
    shaped: Arc<ShapedText>,
    bytes: usize,
}

impl Shapes {
    pub(super) fn new() -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What became of an equal text, and the key to keep it by when there was none.
    pub(super) fn get(&mut self, text: &TextBlocks, breaking: LineBreaking) -> Result<Arc<ShapedText>, u64> {
        let key = key(text);
        match self.entries.get(&key) {
            Some(entry) if entry.text == *text && entry.breaking == breaking => Ok(entry.shaped.clone()),
            _ => Err(key),
        }
    }

    /// Keeps `shaped`; one that is large does not push everything else out.
    pub(super) fn put(&mut self, key: u64, (text, breaking): (&TextBlocks, LineBreaking), shaped: &Arc<ShapedText>) {
        let bytes = BYTES_A_TEXT + length(text) * BYTES_A_BYTE;
        if bytes > MOST_BYTES / 4 {
            return;
        }
        let entry = Entry { text: text.clone(), breaking, shaped: shaped.clone(), bytes };
        self.bytes += bytes;
        self.bytes -= self.entries.put(key, entry).map_or(0, |old| old.bytes);
        while self.bytes > MOST_BYTES
            && let Some((_, oldest)) = self.entries.pop_lru()
        {
            self.bytes -= oldest.bytes;
        }
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
        assert_eq!(shapes.bytes(), shapes.entries.iter().map(|(_, it)| it.bytes).sum::<usize>());
        let huge = blocks(&"a".repeat(MOST_BYTES));
        let key = shapes.get(&huge, LineBreaking::Editor).err().expect("new");
        let before = shapes.bytes();
        shapes.put(key, (&huge, LineBreaking::Editor), &shaped);
        assert_eq!(shapes.bytes(), before);
    }
}
