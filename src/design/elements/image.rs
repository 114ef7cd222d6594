//! `image` (design-format.md §6.2).

use std::sync::Arc;

use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, DEFAULT_BOX, PictureBox, Placement};

/// A picture, cut to the box.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Fields of every kind.
    pub common: Common,
    /// The box. Default 100 × 100.
    pub placement: Placement,
    /// Effects and shadow.
    pub effects: Effects,
    /// Source, crop, corners, border.
    pub picture: PictureBox,
    /// `clipSrc` — address of a mask, whose alpha counts.
    pub clip_src: Option<Arc<str>>,
}

impl Image {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        Self {
            common: Common::read(input),
            placement: Placement::read(input, DEFAULT_BOX),
            effects: Effects::read(input),
            picture: PictureBox::read(input, false),
            clip_src: input.address("clipSrc"),
        }
    }
}
