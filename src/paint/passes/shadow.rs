//! Shadows: alpha, blurred by a Gaussian and tinted (rendering.md §5).

use peniko::Color;

/// Below this a true Gaussian, from here on three box passes: W3C Filter Effects 1, `feGaussianBlur`, and what browsers do.
const BOX_SIGMA: f64 = 2.0;

/// The shadow of `source` (premultiplied RGBA8, `width` columns), as premultiplied RGBA8 of the same size. `sigma` in px;
/// outside of the source is transparent, and what would reach outside is lost: leave a margin of three sigmas.
pub(in crate::paint) fn shadow(source: &[u8], width: usize, sigma: f64, color: Color) -> Vec<u8> {
    let mut pixels = vec![0; source.len()];
    let Some(area) = Area::reached(source, width, sigma) else { return pixels };
    let row = |y: usize| (y * width + area.left) * 4..(y * width + area.right) * 4;
    let (columns, rows) = (area.right - area.left, area.bottom - area.top);
    let mut values = Vec::with_capacity(columns * rows);
    for y in area.top..area.bottom {
        values.extend(source[row(y)].chunks_exact(4).map(|pixel| f32::from(pixel[3])));
    }
    if sigma > 0.0 {
        // All work runs down columns, whole rows at a time: sums of neighbours are independent of one another, and vector
        // units take several at once. Rows are blurred as the columns of the plane laid on its side.
        let mut plane = Plane { width: columns, values }.turned();
        plane.blur_columns(sigma);
        plane = plane.turned();
        plane.blur_columns(sigma);
        values = plane.values;
    }
    for (y, values) in (area.top..area.bottom).zip(values.chunks_exact(columns)) {
        tint(values, color, &mut pixels[row(y)]);
    }
    pixels
}

/// Where a shadow is not transparent: nothing else is looked at. Rows and columns, the ends not included.
struct Area {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl Area {
    /// The box around what `source` shows, as far as a blur carries it; `None` when it shows nothing.
    fn reached(source: &[u8], width: usize, sigma: f64) -> Option<Self> {
        let stride = width * 4;
        if stride == 0 {
            return None;
        }
        let (mut left, mut right, mut top, mut bottom) = (width, 0, None, 0);
        for (y, row) in source.chunks_exact(stride).enumerate() {
            let shows = |pixel: &[u8]| pixel[3] != 0;
            let Some(first) = row.chunks_exact(4).position(shows) else { continue };
            let last = row.chunks_exact(4).rposition(shows).unwrap_or(first);
            (left, right) = (left.min(first), right.max(last + 1));
            top.get_or_insert(y);
            bottom = y + 1;
        }
        let reach = reach(sigma);
        let height = source.len() / stride;
        Some(Self {
            left: left.saturating_sub(reach),
            right: (right + reach).min(width),
            top: top?.saturating_sub(reach),
            bottom: (bottom + reach).min(height),
        })
    }
}

/// px that a blur carries a value, to either side.
fn reach(sigma: f64) -> usize {
    match sigma {
        _ if sigma <= 0.0 => 0,
        _ if sigma < BOX_SIGMA => gaussian(sigma).len(),
        _ => boxes(sigma).iter().map(|(size, _)| size / 2 + 1).sum(),
    }
}

/// `values`: alphas in levels. Rounds halves away from zero.
fn tint(values: &[f32], color: Color, pixels: &mut [u8]) {
    let [r, g, b, a] = color.components;
    // Without `f32::round`, which is a call where the processor is not known to have an instruction for it. Both parts are
    // exact for levels.
    let whole = |value: f32| {
        let down = value as i32;
        (down + i32::from(value - down as f32 >= 0.5)).clamp(0, 255) as u8
    };
    for (value, pixel) in values.iter().zip(pixels.as_chunks_mut::<4>().0) {
        let level = value * a;
        *pixel = [whole(r * level), whole(g * level), whole(b * level), whole(level)];
    }
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

/// Numbers in rows.
struct Plane {
    width: usize,
    values: Vec<f32>,
}

/// Side of the squares in which a plane is turned: both sides of a square stay in the first cache.
const SQUARE: usize = 16;

impl Plane {
    fn height(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Rows become columns.
    fn turned(&self) -> Self {
        let (width, height) = (self.width, self.height());
        let mut values = vec![0.0; self.values.len()];
        for top in (0..height).step_by(SQUARE) {
            let rows = SQUARE.min(height - top);
            for x in 0..width {
                let column = &mut values[x * height + top..][..rows];
                for (value, from) in column.iter_mut().zip(self.values[top * width + x..].iter().step_by(width)) {
                    *value = *from;
                }
            }
        }
        Self { width: height, values }
    }

    fn blur_columns(&mut self, sigma: f64) {
        let mut blurred = vec![0.0; self.values.len()];
        if sigma < BOX_SIGMA {
            convolve(self, &gaussian(sigma), &mut blurred);
            self.values = blurred;
            return;
        }
        for (size, before) in boxes(sigma) {
            box_blur(self, size, before, &mut blurred);
            std::mem::swap(&mut self.values, &mut blurred);
        }
    }

    /// `None` above and below.
    fn row(&self, y: Option<usize>) -> Option<&[f32]> {
        self.values.get(y?.checked_mul(self.width)?..)?.get(..self.width)
    }
}

/// One side of a Gaussian and its middle, adding up to 1 over both sides.
fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=reach).map(|i| (-((i * i) as f64) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// `kernel`: one side of a symmetric one and its middle; zero outside of the plane.
fn convolve(plane: &Plane, kernel: &[f32], into: &mut [f32]) {
    let zeros = vec![0.0; plane.width];
    let mut sides = vec![0.0f32; plane.width];
    for (y, into) in into.chunks_exact_mut(plane.width).enumerate() {
        sides.fill(0.0);
        for (i, weight) in kernel.iter().enumerate().skip(1) {
            let above = plane.row(y.checked_sub(i)).unwrap_or(&zeros);
            let below = plane.row(Some(y + i)).unwrap_or(&zeros);
            for (sum, (above, below)) in sides.iter_mut().zip(above.iter().zip(below)) {
                *sum += weight * (above + below);
            }
        }
        let middle = plane.row(Some(y)).unwrap_or(&zeros);
        for (value, (middle, sides)) in into.iter_mut().zip(middle.iter().zip(&sides)) {
            *value = middle * kernel[0] + sides;
        }
    }
}

/// Size and left reach of the three boxes that together stand for a Gaussian: of odd size `d` all centred, of even size
/// one half a px to the left, one to the right, and one of `d + 1` (Filter Effects 1).
fn boxes(sigma: f64) -> [(usize, usize); 3] {
    let d = (sigma * 3.0 * (2.0 * std::f64::consts::PI).sqrt() / 4.0 + 0.5).floor() as usize;
    if d % 2 == 1 { [(d, d / 2); 3] } else { [(d, d / 2), (d, d / 2 - 1), (d + 1, d / 2)] }
}

/// Means of `size` values down a column, from `before` above each; zero outside.
fn box_blur(plane: &Plane, size: usize, before: usize, into: &mut [f32]) {
    let scale = 1.0 / size as f64;
    let after = size - before - 1;
    let zeros = vec![0.0f32; plane.width];
    let mut sums = vec![0.0f64; plane.width];
    for row in (0..after).map_while(|y| plane.row(Some(y))) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    for (y, into) in into.chunks_exact_mut(plane.width).enumerate() {
        let enters = plane.row(Some(y + after)).unwrap_or(&zeros);
        let leaves = plane.row(y.checked_sub(before)).unwrap_or(&zeros);
        for ((sum, value), (enters, leaves)) in sums.iter_mut().zip(into).zip(enters.iter().zip(leaves)) {
            let with = *sum + f64::from(*enters);
            *value = (with * scale) as f32;
            *sum = with - f64::from(*leaves);
        }
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

    /// The same sums in the plainest words: along a row, looking each neighbour up.
    fn slow(source: &[u8], width: usize, sigma: f64, color: Color) -> Vec<u8> {
        let blurred = |row: &[f32]| -> Vec<f32> {
            let at = |row: &[f32], x: usize, by: isize| {
                x.checked_add_signed(by).and_then(|x| row.get(x)).copied().unwrap_or(0.0)
            };
            if sigma == 0.0 {
                return row.to_vec();
            }
            if sigma < BOX_SIGMA {
                let kernel = gaussian(sigma);
                let sides = |x: usize| {
                    (1..kernel.len())
                        .map(|i| kernel[i] * (at(row, x, -(i as isize)) + at(row, x, i as isize)))
                        .sum::<f32>()
                };
                return (0..row.len()).map(|x| row[x] * kernel[0] + sides(x)).collect();
            }
            boxes(sigma).iter().fold(row.to_vec(), |row, (size, before)| {
                let sum =
                    |x: usize| (0..*size).map(|i| f64::from(at(&row, x, i as isize - *before as isize))).sum::<f64>();
                (0..row.len()).map(|x| (sum(x) * (1.0 / *size as f64)) as f32).collect()
            })
        };
        let height = source.len() / 4 / width;
        let alpha: Vec<f32> = source.chunks_exact(4).map(|pixel| f32::from(pixel[3])).collect();
        let rows: Vec<Vec<f32>> = alpha.chunks_exact(width).map(blurred).collect();
        let columns: Vec<Vec<f32>> =
            (0..width).map(|x| blurred(&rows.iter().map(|row| row[x]).collect::<Vec<_>>())).collect();
        let [r, g, b, a] = color.components;
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        places
            .flat_map(|(x, y)| {
                let level = columns[x][y] * a;
                [r, g, b, 1.0].map(|c| (c * level).round().clamp(0.0, 255.0) as u8)
            })
            .collect()
    }

    #[test]
    fn shadow_is_the_plain_sum_byte_for_byte() {
        let color = Color::from_rgba8(200, 90, 31, 180);
        let alpha = |x: usize, y: usize| match (x, y) {
            (20..50, 12..30) => 255,
            (55..58, 3..40) => (x * y % 256) as u8,
            _ => 0,
        };
        let source: Vec<u8> = (0..45).flat_map(|y| (0..61).flat_map(move |x| [9, 9, 9, alpha(x, y)])).collect();
        for sigma in [0.0, 0.4, 1.3, 1.99, 2.0, 2.7, 5.0, 9.6, 40.0] {
            assert!(shadow(&source, 61, sigma, color) == slow(&source, 61, sigma, color), "sigma {sigma}");
        }
    }

    #[test]
    fn shadow_of_nothing_is_nothing() {
        assert_eq!(shadow(&[7, 7, 7, 0].repeat(6), 3, 4.0, Color::BLACK), [0; 24]);
        assert!(shadow(&[], 0, 4.0, Color::BLACK).is_empty());
    }
}
