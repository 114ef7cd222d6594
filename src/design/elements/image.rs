//! Elements of type `image` (design-format.md §6.2).

use std::sync::Arc;

use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, DEFAULT_BOX, PictureBox, PictureFit, Placement};

/// An image element, whose picture is cropped to its box.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The fields of every kind.
    pub common: Common,
    /// The box. Default 100 × 100.
    pub placement: Placement,
    /// Effects and shadow of the element.
    pub effects: Effects,
    /// Source, crop, corners, border.
    pub picture: PictureBox,
    /// `clipSrc` — URL of an image whose alpha channel masks this one.
    pub clip_src: Option<Arc<str>>,
}

impl Image {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        Self {
            common: Common::read(input),
            placement: Placement::read(input, DEFAULT_BOX),
            effects: Effects::read(input),
            picture: PictureBox { fit: PictureFit::read(input), ..PictureBox::read(input, false) },
            clip_src: input.address("clipSrc"),
        }
    }
}
