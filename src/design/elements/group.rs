//! Elements of type `group` (design-format.md §6.7).

use super::Element;
use crate::design::input::Input;
use crate::design::props::Common;

/// A group of elements. It has no position: its children have page coordinates, and its opacity multiplies into theirs
/// (rendering.md §3).
#[derive(Clone, Debug)]
pub struct Group {
    /// The fields of every kind.
    pub common: Common,
    /// `children` — from bottom to top; nested no deeper than the JSON may be.
    pub children: Vec<Element>,
}

impl Group {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let common = Common::read(&mut input);
        let children = Element::read_children(&mut input.json, input.reading, &input.index);
        Self { common, children }
    }
}
