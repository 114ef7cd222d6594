//! Stand-in until the decoding room is merged.

/// A parsed drawing.
#[derive(Debug)]
pub struct SvgAsset;

impl SvgAsset {
    /// Bytes that this document occupies in a cache.
    pub fn cost(&self) -> usize {
        0
    }
}
