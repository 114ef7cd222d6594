//! `video` (design-format.md §6.6): for still pictures, one frame drawn like an image. A `gif` has nothing that an image
//! has not, and its first frame is drawn: it is read as one.

use super::image::Image;
use crate::design::input::Input;

/// A film; the frame at its start is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Where and how the frame is drawn; `src` is the film.
    pub image: Image,
    /// `startTime` — which frame, as a fraction of the film. Default 0, within 0–1.
    pub start_time: f64,
}

impl Video {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let start_time = input.json.number_or("startTime", 0.0).clamp(0.0, 1.0);
        Self { image: Image::read(input), start_time }
    }
}
