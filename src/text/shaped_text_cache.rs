//! A cache of shaped texts in each layouter: most texts of a template are the same from one request to the next.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::blocks::TextBlocks;
use super::breaks::LineBreaking;
use super::shaped_text::ShapedText;
use crate::cache::ByteBoundedLru;

/// Maximum estimated bytes of all cached texts of one layouter.
const MAX_BYTES: usize = 4 << 20;
/// One text may take at most this fraction (1/n) of the cache.
const LARGEST_SHARE: usize = 4;
/// Estimated memory per byte of text (clusters, glyphs, tokens, levels), and the overhead per text.
const BYTES_PER_TEXT_BYTE: usize = 300;
const BYTES_PER_TEXT: usize = 2048;

/// Shaped texts by hash, evicted least recently used first.
pub(super) struct ShapedTextCache(ByteBoundedLru<u64, CachedText>);

struct CachedText {
    text: TextBlocks,
    breaking: LineBreaking,
    shaped: Arc<ShapedText>,
}

impl ShapedTextCache {
    pub(super) fn new() -> Self {
        Self(ByteBoundedLru::new(MAX_BYTES, LARGEST_SHARE))
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The shaped form of an equal text, or the key to store it under when there is none.
    pub(super) fn get(&mut self, text: &TextBlocks, breaking: LineBreaking) -> Result<Arc<ShapedText>, u64> {
        let key = key(text);
        match self.0.get(&key) {
            Some(entry) if entry.text == *text && entry.breaking == breaking => Ok(entry.shaped.clone()),
            _ => Err(key),
        }
    }

    /// Stores `shaped` under the key that [`Self::get`] returned for the same text.
    pub(super) fn put(&mut self, key: u64, (text, breaking): (&TextBlocks, LineBreaking), shaped: &Arc<ShapedText>) {
        let bytes = BYTES_PER_TEXT + length(text) * BYTES_PER_TEXT_BYTE;
        self.0.put(key, CachedText { text: text.clone(), breaking, shaped: shaped.clone() }, bytes);
    }
}

/// Length of all spans of a text, in bytes.
pub(super) fn length(text: &TextBlocks) -> usize {
    text.blocks.iter().flat_map(|block| &block.spans).map(|span| span.text.len()).sum()
}

/// A hash of the most distinctive fields; `get` compares the whole text.
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
    fn cached_shapes_are_of_equal_texts_only() {
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
    fn cached_shapes_are_bounded() {
        let (mut cache, mut layouter) = (ShapedTextCache::new(), layouter());
        let shaped = layouter.shape(&blocks("a"));
        for at in 0..2000 {
            let text = blocks(&format!("{at:0100}"));
            let key = cache.get(&text, LineBreaking::Editor).err().expect("new");
            cache.put(key, (&text, LineBreaking::Editor), &shaped);
            assert!(cache.bytes() <= MAX_BYTES);
        }
        assert!(cache.0.count() > 10);
        let huge = blocks(&"a".repeat(MAX_BYTES));
        let key = cache.get(&huge, LineBreaking::Editor).err().expect("new");
        let before = cache.bytes();
        cache.put(key, (&huge, LineBreaking::Editor), &shaped);
        assert_eq!(cache.bytes(), before);
    }
}
