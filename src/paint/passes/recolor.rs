//! The colour passes of one pixel, in order, with one conversion to straight colours and back.

use super::rgb::{Rgb, to_level};
use super::{color_matrix, tone};
use crate::scene::PixelPass;

/// Applies colour passes to one premultiplied pixel. They operate on straight colours and do not change alpha.
pub(super) fn recolor_pixel(pixel: &mut [u8], passes: &[PixelPass]) {
    let alpha = f64::from(pixel[3]);
    if alpha == 0.0 {
        return;
    }
    let mut rgb: Rgb = [0, 1, 2].map(|channel| to_level(f64::from(pixel[channel]) * 255.0 / alpha));
    for pass in passes {
        let changed = match pass {
            PixelPass::ColorMatrix(rows) => color_matrix::apply(rgb, rows),
            PixelPass::Tone(tone) => tone::apply(rgb, *tone),
            PixelPass::Blur { .. } => rgb,
        };
        rgb = changed.map(to_level);
    }
    for (byte, channel) in pixel.iter_mut().zip(rgb) {
        *byte = to_level(channel * alpha / 255.0) as u8;
    }
}
