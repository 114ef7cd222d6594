//! Colour passes over pixels, in order, with one conversion to straight colours and back.

use super::rgb::{Rgb, to_level};
use super::{color_matrix, tone};
use crate::scene::PixelPass;

/// Applies colour passes to premultiplied RGBA8 `pixels`. They operate on straight colours and do not change alpha.
pub(super) fn recolor(pixels: &mut [u8], passes: &[PixelPass]) {
    let pixels = pixels.as_chunks_mut::<4>().0;
    let Some(curves) = Curves::of(passes) else {
        return pixels.iter_mut().for_each(|pixel| recolor_pixel(pixel, |rgb| changed(rgb, passes)));
    };
    for pixel in pixels {
        match *pixel {
            [r, g, b, 255] => *pixel = [curves.0[0][r as usize], curves.0[1][g as usize], curves.0[2][b as usize], 255],
            _ => recolor_pixel(pixel, |rgb| {
                std::array::from_fn(|channel| f64::from(curves.0[channel][rgb[channel] as usize]))
            }),
        }
    }
}

/// Applies `change` to the straight colour of one premultiplied pixel.
fn recolor_pixel(pixel: &mut [u8; 4], change: impl Fn(Rgb) -> Rgb) {
    let [r, g, b, alpha] = pixel.map(f64::from);
    let premultiplied = [r, g, b];
    if alpha == 0.0 {
        return;
    }
    let opaque = alpha == 255.0;
    let straight = if opaque { premultiplied } else { premultiplied.map(|it| to_level(it * 255.0 / alpha)) };
    let changed = change(straight);
    let result = if opaque { changed } else { changed.map(|it| to_level(it * alpha / 255.0)) };
    for (byte, channel) in pixel.iter_mut().zip(result) {
        *byte = channel as u8;
    }
}

/// The straight colour after `passes`, each rounded to levels.
fn changed(rgb: Rgb, passes: &[PixelPass]) -> Rgb {
    passes.iter().fold(rgb, |rgb, pass| {
        let changed = match pass {
            PixelPass::ColorMatrix(rows) => color_matrix::apply(rgb, rows),
            PixelPass::Tone(tone) => tone::apply(rgb, *tone),
            PixelPass::Blur { .. } => rgb,
        };
        changed.map(to_level)
    })
}

/// New levels of red, green and blue by their old ones, for passes that do not mix channels.
struct Curves([[u8; 256]; 3]);

impl Curves {
    /// The curves of `passes`; `None` when a pass mixes channels.
    fn of(passes: &[PixelPass]) -> Option<Self> {
        let keeps_channels_apart = |pass: &PixelPass| match pass {
            PixelPass::ColorMatrix([[_, rg, rb, _], [gr, _, gb, _], [br, bg, _, _]]) => {
                [rg, rb, gr, gb, br, bg].iter().all(|factor| **factor == 0.0)
            }
            PixelPass::Tone(_) => false,
            PixelPass::Blur { .. } => true,
        };
        if !passes.iter().all(keeps_channels_apart) {
            return None;
        }
        let mut curves = [[0; 256]; 3];
        for level in 0..=255_u8 {
            let rgb = changed([f64::from(level); 3], passes);
            for (curve, new) in curves.iter_mut().zip(rgb) {
                curve[usize::from(level)] = new as u8;
            }
        }
        Some(Self(curves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Tone;

    /// The passes applied to one pixel, with every conversion.
    fn reference(pixel: [u8; 4], passes: &[PixelPass]) -> [u8; 4] {
        let [r, g, b, alpha] = pixel.map(f64::from);
        if alpha == 0.0 {
            return pixel;
        }
        let level = |value: f64| value.clamp(0.0, 255.0).round_ties_even();
        let [r, g, b] = changed([r, g, b].map(|it| level(it * 255.0 / alpha)), passes);
        let [r, g, b] = [r, g, b].map(|it| level(it * alpha / 255.0) as u8);
        [r, g, b, pixel[3]]
    }

    #[test]
    fn recolored_pixels_match_the_reference_byte_for_byte() {
        let brighter = PixelPass::ColorMatrix([[1.3, 0.0, 0.0, -7.0], [0.0, 0.9, 0.0, 4.5], [0.0, 0.0, 1.7, 0.25]]);
        let grey = PixelPass::ColorMatrix([[0.3, 0.59, 0.11, 0.0]; 3]);
        let pixels: Vec<[u8; 4]> = (0..40_000_u32)
            .map(|at| {
                let alpha = if at % 3 == 0 { 255 } else { (at * 31 % 256) as u8 };
                let channel = |by: u32| ((at * by % 256) * u32::from(alpha) / 255) as u8;
                [channel(7), channel(13), channel(101), alpha]
            })
            .collect();
        for passes in
            [vec![brighter], vec![brighter, brighter], vec![grey], vec![PixelPass::Tone(Tone::Dark(-0.4)), brighter]]
        {
            let mut found = pixels.as_flattened().to_vec();
            recolor(&mut found, &passes);
            for (found, pixel) in found.as_chunks::<4>().0.iter().zip(&pixels) {
                assert_eq!(*found, reference(*pixel, &passes), "{pixel:?} {passes:?}");
            }
        }
    }
}
