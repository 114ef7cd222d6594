//! `sepia`: the brown tone of old photographs (rendering.md §4.1).

use crate::scene::PixelPass;

/// Brightens, too: the factors of red and green add up to more than 1.
pub(in crate::design) fn pass() -> PixelPass {
    PixelPass::ColorMatrix([[0.393, 0.769, 0.189, 0.0], [0.349, 0.686, 0.168, 0.0], [0.272, 0.534, 0.131, 0.0]])
}
