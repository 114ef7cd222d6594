//! Documents made into shapes or pixels, kept for the next page that shows them the same way.

use std::hash::Hash;
use std::sync::Arc;

use kurbo::Size;

use super::drawing::{SvgNodes, SvgPicture};
use crate::cache::SharedLru;
use crate::scene::{Group, Node};
use crate::units::DeviceSize;

/// Counted for each besides its shapes: key, list nodes.
const ENTRY_BYTES: usize = 512;
/// Of a group and of a path besides its outline, and of one element of an outline.
const NODE_BYTES: usize = 400;
const ELEMENT_BYTES: usize = 56;
/// One drawing may take this part of the cache.
const LARGEST_SHARE: usize = 4;

/// Everything that decides about a drawing besides the document's text and the fonts, which all requests share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DrawingKey {
    /// Where the document's text lies; the entry keeps it there.
    document: usize,
    /// Bits of a size given from outside.
    given_size: Option<(u64, u64)>,
    colors_replace: Vec<(String, String)>,
    form: Form,
}

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    /// At this scale, its bits.
    Nodes(u64),
    /// Of this size.
    Pixels(u32, u32),
}

impl DrawingKey {
    pub(super) fn nodes(
        document: &Arc<str>,
        given: Option<Size>,
        colors: &[(String, String)],
        scale_hint: f64,
    ) -> Self {
        Self::new(document, given, colors, Form::Nodes(scale_hint.to_bits()))
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

/// A drawing.
#[derive(Clone, Debug)]
pub(super) enum Drawing {
    Nodes(Arc<SvgNodes>),
    Pixels(Arc<SvgPicture>),
}

/// The latest drawings, least recently used first out.
#[derive(Debug)]
pub(super) struct DrawingCache(SharedLru<DrawingKey, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// Keeps the address taken that the key names.
    _document: Arc<str>,
    drawing: Drawing,
}

impl DrawingCache {
    /// `most_bytes`: 0 keeps nothing.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self(SharedLru::new(most_bytes, LARGEST_SHARE))
    }

    pub(super) fn get(&self, key: &DrawingKey) -> Option<Drawing> {
        self.0.get(key).map(|entry| entry.drawing)
    }

    pub(super) fn put(&self, key: DrawingKey, document: &Arc<str>, drawing: &Drawing) {
        let bytes = cost(drawing) + document.len() + ENTRY_BYTES;
        self.0.put(key, Entry { _document: document.clone(), drawing: drawing.clone() }, bytes);
    }
}

/// Bytes in memory, about.
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
