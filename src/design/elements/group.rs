//! `group` (design-format.md §6.7).

use super::Element;
use crate::design::input::Input;
use crate::design::props::Common;

/// Elements kept together. Has no place of its own: children carry page coordinates. Its opacity multiplies into
/// every child (rendering.md §3).
#[derive(Clone, Debug)]
pub struct Group {
    /// Fields of every kind.
    pub common: Common,
    /// `children` — first is bottom. Nests no deeper than the JSON may.
    pub children: Vec<Element>,
}

impl Group {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let common = Common::read(&mut input);
        let children = Element::read_children(&mut input.json, input.reading, &input.index);
        Self { common, children }
    }
}
