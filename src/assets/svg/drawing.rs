//! What a document becomes: scene nodes or pixels.

use std::sync::Arc;

use kurbo::Size;

use crate::scene::{Node, Picture};

/// A document as scene nodes.
#[derive(Clone, Debug)]
pub struct SvgNodes {
    /// Natural size; nodes reach from (0, 0) to here and are clipped to it. The caller stretches it to the box:
    /// `preserveAspectRatio` counts inside the document, not here (rendering.md §6.3).
    pub size: Size,
    /// First is bottom.
    pub nodes: Vec<Node>,
    /// Parts had to be drawn coarser than asked to fit the memory for rasterised parts.
    pub reduced: bool,
    /// What was left out, a sentence each: external images, pictures that cannot be decoded.
    pub skipped: Vec<String>,
}

/// A document as pixels.
#[derive(Clone, Debug)]
pub struct SvgPicture {
    /// Of the size asked for.
    pub picture: Arc<Picture>,
    /// What was left out, as in [`SvgNodes`].
    pub skipped: Vec<String>,
}
