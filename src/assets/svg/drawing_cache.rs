//! A cache of drawings of documents, for the next page that shows a document in the same way.

use std::hash::Hash;
use std::sync::Arc;

use kurbo::Size;

use super::drawing::{SvgNodes, SvgPicture, SvgView};
use crate::cache::SharedLru;
use crate::scene::{Group, Node};
use crate::units::DeviceSize;

/// Bytes counted for each entry besides its drawing.
const ENTRY_BYTES: usize = 512;
/// Bytes counted for a node besides its outline, and for one element of an outline.
const NODE_BYTES: usize = 400;
const ELEMENT_BYTES: usize = 56;
/// One drawing may take at most this fraction (1/n) of the cache.
const LARGEST_SHARE: usize = 4;

/// Cache key: everything that determines a drawing, except the fonts, which all requests share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DrawingKey {
    /// Address of the document's text, which the entry keeps alive.
    document: usize,
    /// Bits of the size set on the document, if any.
    given_size: Option<(u64, u64)>,
    colors_replace: Vec<(String, String)>,
    form: Form,
}

/// The kind of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// Scene nodes at this scale, of this visible part (left, top, right, bottom), as bits.
    Nodes(u64, Option<[u64; 4]>),
    /// Pixels of this size.
    Pixels(u32, u32),
}

impl DrawingKey {
    pub(super) fn nodes(
        document: &Arc<str>,
        given: Option<Size>,
        colors: &[(String, String)],
        view: SvgView<'_>,
    ) -> Self {
        let visible = view.visible.map(|it| [it.x0, it.y0, it.x1, it.y1].map(f64::to_bits));
        Self::new(document, given, colors, Form::Nodes(view.scale.to_bits(), visible))
    }

    pub(super) fn pixels(
        document: &Arc<str>,
        given: Option<Size>,
        colors: &[(String, String)],
        size: DeviceSize,
    ) -> Self {
        Self::new(document, given, colors, Form::Pixels(size.width, size.height))
    }

    fn new(document: &Arc<str>, given: Option<Size>, colors: &[(String, String)], form: Form) -> Self {
        Self {
            document: document.as_ptr().addr(),
            given_size: given.map(|size| (size.width.to_bits(), size.height.to_bits())),
            colors_replace: colors.to_vec(),
            form,
        }
    }
}

/// A cached drawing: scene nodes or pixels.
#[derive(Clone, Debug)]
pub(super) enum Drawing {
    Nodes(Arc<SvgNodes>),
    Pixels(Arc<SvgPicture>),
}

/// Drawings by key, evicted least recently used first.
#[derive(Debug)]
pub(super) struct DrawingCache(SharedLru<DrawingKey, CachedDrawing>);

#[derive(Clone, Debug)]
struct CachedDrawing {
    /// Keeps the address in the key from being reused.
    _document: Arc<str>,
    drawing: Drawing,
}

impl DrawingCache {
    /// Creates a cache of at most `max_bytes`; 0 disables it.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self(SharedLru::new(max_bytes, LARGEST_SHARE))
    }

    pub(super) fn get(&self, key: &DrawingKey) -> Option<Drawing> {
        self.0.get(key).map(|entry| entry.drawing)
    }

    pub(super) fn put(&self, key: DrawingKey, document: &Arc<str>, drawing: &Drawing) {
        let bytes = cost(drawing) + document.len() + ENTRY_BYTES;
        self.0.put(key, CachedDrawing { _document: document.clone(), drawing: drawing.clone() }, bytes);
    }
}

/// Approximate bytes of a drawing in memory.
fn cost(drawing: &Drawing) -> usize {
    match drawing {
        Drawing::Nodes(drawing) => drawing.nodes.iter().map(of_node).sum(),
        Drawing::Pixels(drawing) => drawing.picture.pixels.len(),
    }
}

fn of_node(node: &Node) -> usize {
    NODE_BYTES
        + match node {
            Node::Group(group) => of_group(group),
            Node::Path(path) => path.outline.elements().len() * ELEMENT_BYTES,
            Node::Glyphs(run) => std::mem::size_of_val(run.glyphs.as_slice()) + run.text.len(),
            Node::Image(image) => image.picture.pixels.len(),
        }
}

fn of_group(group: &Group) -> usize {
    let clip = group.clip.as_ref().map_or(0, |clip| clip.elements().len() * ELEMENT_BYTES);
    let mask = group.mask.as_ref().map_or(0, |mask| NODE_BYTES + of_group(mask));
    clip + mask + group.children.iter().map(of_node).sum::<usize>()
}
