//! Pictures with passes, left for the GPU: the whole picture goes there, and comes out recoloured, reduced and cut.

use peniko::{Blob, ImageAlphaType, ImageData};

use super::scene::{image, stand_in};
use crate::paint::photo::{Photos, Placed, Recipe};
use crate::units::DeviceSize;

/// Px of the largest picture that is sent whole; beyond, the CPU does it and sends what is shown.
const MOST_PIXELS: u64 = 64_000_000;
/// Source px that one px of the outcome may average: their sum, 255 times as much, must fit 32 bits.
const MOST_AVERAGED: f64 = 16_000_000.0;

/// One picture, and what becomes of it.
pub(super) struct Recolor {
    /// Stands for the outcome in the scene.
    pub(super) image: ImageData,
    /// Premultiplied.
    pub(super) pixels: Blob<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) recipe: Recipe,
}

impl Recolor {
    /// `None` when there are no passes, when nothing is to be seen, or when the picture is too large for a texture of
    /// `max_side`.
    pub(super) fn of(placed: &Placed<'_>, surface: DeviceSize, max_side: u32) -> Option<Self> {
        let picture = placed.picture;
        let pixels = u64::from(picture.width) * u64::from(picture.height);
        if placed.passes.is_empty() || picture.width.max(picture.height) > max_side || pixels > MOST_PIXELS {
            return None;
        }
        let recipe = Photos::recipe(placed, surface)?;
        let (width, height) = recipe.size();
        let cut = recipe.columns.count.max(recipe.rows.count).max(width).max(height);
        if cut > max_side || (recipe.columns.step + 1.0) * (recipe.rows.step + 1.0) > MOST_AVERAGED {
            return None;
        }
        Some(Self {
            image: image(stand_in(), width, height, ImageAlphaType::AlphaPremultiplied),
            pixels: picture.pixels.clone(),
            width: picture.width,
            height: picture.height,
            recipe,
        })
    }
}
