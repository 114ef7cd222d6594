//! Elements of type `video` (design-format.md §6.6), of which one frame is drawn like an image. Elements of type `gif`
//! are read as images, and their first frame is drawn.

use super::image::Image;
use crate::design::input::Input;

/// A video element, of which one frame is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// The image element as which the frame is drawn; its `src` is the video file.
    pub image: Image,
    /// `startTime` — the frame drawn, as a fraction of the duration. Default 0, within 0–1.
    pub start_time: f64,
}

impl Video {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let start_time = input.json.number_or("startTime", 0.0).clamp(0.0, 1.0);
        Self { image: Image::read(input), start_time }
    }
}
