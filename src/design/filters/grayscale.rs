//! `grayscale`: the lightness of a colour in all channels (rendering.md §4.1).

use crate::scene::PixelPass;

/// The pass of `grayscale`, with the editor's weights, which are near those of Rec. 601.
pub(in crate::design) fn pass() -> PixelPass {
    PixelPass::ColorMatrix([[0.34, 0.5, 0.16, 0.0]; 3])
}
