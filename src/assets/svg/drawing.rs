//! The results of drawing a document: scene nodes or pixels.

use std::sync::Arc;

use kurbo::{Rect, Size};

use crate::assets::memory::RequestMemory;
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

/// How a document is shown, for parts of it that have to be drawn to pixels.
#[derive(Clone, Copy)]
pub struct SvgView<'a> {
    /// Device px per px of the document.
    pub scale: f64,
    /// The part of the document that is on the page, as shares of its width and height; `None` for all of it.
    pub visible: Option<Rect>,
    /// The memory of the request's pictures, to which those inside the document are added.
    pub memory: Option<&'a Arc<RequestMemory>>,
    /// Returns true when the caller has left, so that drawing may stop.
    pub abandoned: &'a dyn Fn() -> bool,
}

impl SvgView<'_> {
    /// All of the document at `scale` device px per px of the document.
    pub fn whole(scale: f64) -> Self {
        Self { scale, visible: None, memory: None, abandoned: &|| false }
    }
}
