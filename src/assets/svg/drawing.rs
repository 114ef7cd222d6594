//! The results of drawing a document: scene nodes or pixels.

use std::sync::Arc;

use kurbo::Size;

use crate::scene::{DecodedImage, Node};

/// A document as scene nodes.
#[derive(Clone, Debug)]
pub struct SvgNodes {
    /// Natural size; nodes reach from (0, 0) to here and are clipped to it. The caller stretches it to the box:
    /// `preserveAspectRatio` counts inside the document, not here (rendering.md §6.3).
    pub size: Size,
    /// Nodes from bottom to top.
    pub nodes: Vec<Node>,
    /// Parts were drawn at a lower resolution than requested to fit the memory limit of rasterised parts.
    pub reduced: bool,
    /// Sentences about dropped parts: external images, and images that cannot be decoded.
    pub skipped: Vec<String>,
}

/// A document as pixels.
#[derive(Clone, Debug)]
pub struct SvgPicture {
    /// The pixels, in the requested size.
    pub picture: Arc<DecodedImage>,
    /// Sentences about dropped parts, as in [`SvgNodes`].
    pub skipped: Vec<String>,
}
