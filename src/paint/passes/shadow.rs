//! Shadows: alpha, blurred by a Gaussian and tinted (rendering.md §5).

use peniko::Color;

/// Below this a true Gaussian, from here on three box passes: W3C Filter Effects 1, `feGaussianBlur`, and what browsers do.
const BOX_SIGMA: f64 = 2.0;

/// The shadow of `source` (premultiplied RGBA8, `width` columns), as premultiplied RGBA8 of the same size. `sigma` in px;
/// outside of the source is transparent, and what would reach outside is lost: leave a margin of three sigmas.
pub(in crate::paint) fn shadow(source: &[u8], width: usize, sigma: f64, color: Color) -> Vec<u8> {
    let mut alpha: Vec<f32> = source.chunks_exact(4).map(|pixel| f32::from(pixel[3])).collect();
    if sigma > 0.0 && width > 0 {
        let height = alpha.len() / width;
        let mut turned = vec![0.0; alpha.len()];
        // Rows, turn, columns as rows, turn back: memory is walked in order both times.
        blur_rows(&mut alpha, width, sigma);
        transpose(&alpha, width, &mut turned);
        blur_rows(&mut turned, height, sigma);
        transpose(&turned, height, &mut alpha);
    }
    let [r, g, b, a] = color.components;
    let mut pixels = Vec::with_capacity(source.len());
    for value in alpha {
        let level = value * a;
        let channel = |c: f32| (c * level).round().clamp(0.0, 255.0) as u8;
        pixels.extend([channel(r), channel(g), channel(b), channel(1.0)]);
    }
    pixels
}

/// One step of the blur along one axis: a weight for each neighbour, the first of them `before` px to the left.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, PartialEq)]
pub(in crate::paint) struct Spread {
    pub(in crate::paint) before: usize,
    pub(in crate::paint) weights: Vec<f32>,
}

/// All steps of the blur along one axis, in order, for painters that do it elsewhere.
#[cfg(feature = "gpu")]
pub(in crate::paint) fn spreads(sigma: f64) -> Vec<Spread> {
    if sigma <= 0.0 {
        return Vec::new();
    }
    if sigma < BOX_SIGMA {
        let side = gaussian(sigma);
        let weights = side.iter().skip(1).rev().chain(&side).copied().collect();
        return vec![Spread { before: side.len() - 1, weights }];
    }
    let even = |size: usize| vec![(1.0 / size as f64) as f32; size];
    boxes(sigma).into_iter().map(|(size, before)| Spread { before, weights: even(size) }).collect()
}

fn transpose(from: &[f32], width: usize, into: &mut [f32]) {
    let height = from.len() / width;
    for (y, row) in from.chunks_exact(width).enumerate() {
        for (x, value) in row.iter().enumerate() {
            into[x * height + y] = *value;
        }
    }
}

fn blur_rows(values: &mut [f32], width: usize, sigma: f64) {
    let mut scratch = vec![0.0; width];
    if sigma < BOX_SIGMA {
        let kernel = gaussian(sigma);
        for row in values.chunks_exact_mut(width) {
            scratch.copy_from_slice(row);
            convolve(&scratch, &kernel, row);
        }
        return;
    }
    for row in values.chunks_exact_mut(width) {
        for (size, shift) in boxes(sigma) {
            scratch.copy_from_slice(row);
            box_blur(&scratch, size, shift, row);
        }
    }
}

/// One side of a Gaussian and its middle, adding up to 1 over both sides.
fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=reach).map(|i| (-((i * i) as f64) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

fn convolve(from: &[f32], kernel: &[f32], into: &mut [f32]) {
    let at = |index: Option<usize>| index.and_then(|index| from.get(index)).copied().unwrap_or(0.0);
    for (x, value) in into.iter_mut().enumerate() {
        let sides = kernel.iter().enumerate().skip(1);
        *value = from[x] * kernel[0]
            + sides.map(|(i, weight)| weight * (at(x.checked_sub(i)) + at(Some(x + i)))).sum::<f32>();
    }
}

/// Size and left reach of the three boxes that together stand for a Gaussian: of odd size `d` all centred, of even size
/// one half a px to the left, one to the right, and one of `d + 1` (Filter Effects 1).
fn boxes(sigma: f64) -> [(usize, usize); 3] {
    let d = (sigma * 3.0 * (2.0 * std::f64::consts::PI).sqrt() / 4.0 + 0.5).floor() as usize;
    if d % 2 == 1 { [(d, d / 2); 3] } else { [(d, d / 2), (d, d / 2 - 1), (d + 1, d / 2)] }
}

/// Means of `size` values, from `left` before each; zero outside.
fn box_blur(from: &[f32], size: usize, left: usize, into: &mut [f32]) {
    let scale = 1.0 / size as f64;
    let right = size - left; // one past the last value, relative to the middle
    let mut sum: f64 = from.iter().take(right.saturating_sub(1)).map(|value| f64::from(*value)).sum();
    for (x, value) in into.iter_mut().enumerate() {
        sum += from.get(x + right - 1).map_or(0.0, |value| f64::from(*value));
        *value = (sum * scale) as f32;
        sum -= x.checked_sub(left).map_or(0.0, |first| f64::from(from[first]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alphas along the middle of a wide opaque box that begins at `x = 100`.
    fn edge(sigma: f64) -> Vec<u8> {
        let (width, height) = (300, 201);
        let source: Vec<u8> =
            (0..width * height).flat_map(|i| if i % width >= 100 { [0, 0, 0, 255] } else { [0; 4] }).collect();
        let pixels = shadow(&source, width, sigma, Color::BLACK);
        pixels.chunks_exact(4).skip(100 * width).take(width).map(|pixel| pixel[3]).collect()
    }

    #[test]
    fn shadow_edge_is_half_there_and_falls_like_a_gaussian() {
        // rendering.md §5: blur 20 is sigma 10: 251, 122, 36 on white at −20, 0, +10 px.
        let alphas = edge(10.0);
        let white = |x: usize| 255 - i32::from(alphas[x]);
        assert!((white(80) - 249).abs() <= 3, "{}", white(80));
        assert!((white(100) - 122).abs() <= 3, "{}", white(100));
        assert!((white(110) - 37).abs() <= 4, "{}", white(110));
    }

    #[test]
    fn shadow_without_blur_is_the_alpha_tinted() {
        let half_red = Color::from_rgba8(255, 0, 0, 128);
        assert_eq!(shadow(&[9, 9, 9, 255, 0, 0, 0, 0], 2, 0.0, half_red), [128, 0, 0, 128, 0, 0, 0, 0]);
    }

    #[test]
    fn shadow_of_small_sigma_keeps_its_weight() {
        let mut source = vec![0u8; 4 * 21 * 21];
        source[4 * (10 * 21 + 10) + 3] = 255;
        for sigma in [0.5, 1.5, 2.0, 2.5] {
            let sum: u32 = shadow(&source, 21, sigma, Color::BLACK).chunks_exact(4).map(|p| u32::from(p[3])).sum();
            assert!((225..=285).contains(&sum), "{sigma}: {sum}");
        }
    }
}
