//! Shadows: the alpha of a surface, blurred by a Gaussian and tinted (rendering.md §5).

use peniko::Color;

use crate::scene::Shadow;

/// Largest sigma of a shadow, in device px: Skia's blurs clamp to it, so that browsers draw every larger shadow alike.
const MAX_SIGMA: f64 = 532.0;

/// Smallest sigma, in px, that is approximated by three box passes; smaller ones use a true Gaussian. After W3C Filter
/// Effects 1, `feGaussianBlur`, and as browsers do it.
const MIN_BOX_SIGMA: f64 = 2.0;

/// Returns the shadow of `source` as premultiplied RGBA8 of the same size.
///
/// `source`: premultiplied RGBA8 in rows of `width` px without padding. `sigma`: standard deviation in px. Outside of
/// the source is transparent, and the part of the shadow beyond the edges is lost, so the source needs a margin of
/// three sigmas.
pub(in crate::paint) fn shadow(source: &[u8], width: usize, sigma: f64, color: Color) -> Vec<u8> {
    let mut pixels = vec![0; source.len()];
    let Some(area) = ShadowBounds::of_shadow(source, width, sigma) else { return pixels };
    let row = |y: usize| (y * width + area.left) * 4..(y * width + area.right) * 4;
    let (columns, rows) = (area.right - area.left, area.bottom - area.top);
    let mut values = Vec::with_capacity(columns * rows);
    for y in area.top..area.bottom {
        values.extend(source[row(y)].chunks_exact(4).map(|pixel| f32::from(pixel[3])));
    }
    if sigma > 0.0 {
        // Both axes are blurred along columns, a whole row of sums at a time: the sums are independent of one another,
        // so that they vectorise. Rows are blurred as the columns of the transposed plane.
        let mut plane = Plane { width: columns, values }.transposed();
        plane.blur_columns(sigma);
        plane = plane.transposed();
        plane.blur_columns(sigma);
        values = plane.values;
    }
    for (y, values) in (area.top..area.bottom).zip(values.chunks_exact(columns)) {
        tint(values, color, &mut pixels[row(y)]);
    }
    pixels
}

/// Standard deviation of `shadow` in device px (rendering.md §5), at `scale` device px per design px.
pub(in crate::paint) fn sigma_of(shadow: &Shadow, scale: f64) -> f64 {
    (shadow.sigma.0 * scale).clamp(0.0, MAX_SIGMA)
}

/// The rows and columns in which a shadow may be visible, ends excluded. The blur skips all others.
struct ShadowBounds {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl ShadowBounds {
    /// The bounding box of the visible pixels of `source`, inflated by the extent of the blur; `None` when all are
    /// transparent.
    fn of_shadow(source: &[u8], width: usize, sigma: f64) -> Option<Self> {
        let stride = width * 4;
        if stride == 0 {
            return None;
        }
        let (mut left, mut right, mut top, mut bottom) = (width, 0, None, 0);
        for (y, row) in source.chunks_exact(stride).enumerate() {
            let is_visible = |pixel: &[u8]| pixel[3] != 0;
            let Some(first) = row.chunks_exact(4).position(is_visible) else { continue };
            let last = row.chunks_exact(4).rposition(is_visible).unwrap_or(first);
            (left, right) = (left.min(first), right.max(last + 1));
            top.get_or_insert(y);
            bottom = y + 1;
        }
        let extent = blur_extent(sigma);
        let height = source.len() / stride;
        Some(Self {
            left: left.saturating_sub(extent),
            right: (right + extent).min(width),
            top: top?.saturating_sub(extent),
            bottom: (bottom + extent).min(height),
        })
    }
}

/// Maximum distance, in px, over which a blur spreads a value to either side.
fn blur_extent(sigma: f64) -> usize {
    match sigma {
        _ if sigma <= 0.0 => 0,
        _ if sigma < MIN_BOX_SIGMA => gaussian(sigma).len(),
        _ => boxes(sigma).iter().map(|(size, _)| size / 2 + 1).sum(),
    }
}

/// Writes `color`, scaled by `values`, to `pixels` as premultiplied RGBA8.
///
/// `values`: alphas, `0.0..=255.0`. Halves are rounded away from zero.
fn tint(values: &[f32], color: Color, pixels: &mut [u8]) {
    let [r, g, b, a] = color.components;
    // `f32::round` is a function call unless the target is known to have an instruction for it. For values in this
    // range both operations below are exact.
    let round_to_level = |value: f32| {
        let floor = value as i32;
        (floor + i32::from(value - floor as f32 >= 0.5)).clamp(0, 255) as u8
    };
    for (value, pixel) in values.iter().zip(pixels.as_chunks_mut::<4>().0) {
        let level = value * a;
        *pixel =
            [round_to_level(r * level), round_to_level(g * level), round_to_level(b * level), round_to_level(level)];
    }
}

/// One convolution of the blur along one axis: a weight for each neighbour, the first of which is `before` px to the
/// left.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug, PartialEq)]
pub(in crate::paint) struct Spread {
    pub(in crate::paint) before: usize,
    pub(in crate::paint) weights: Vec<f32>,
}

/// All convolutions of the blur along one axis, in order, for the GPU's passes.
#[cfg(feature = "gpu")]
pub(in crate::paint) fn spreads(sigma: f64) -> Vec<Spread> {
    if sigma <= 0.0 {
        return Vec::new();
    }
    if sigma < MIN_BOX_SIGMA {
        let side = gaussian(sigma);
        let weights = side.iter().skip(1).rev().chain(&side).copied().collect();
        return vec![Spread { before: side.len() - 1, weights }];
    }
    let even = |size: usize| vec![(1.0 / size as f64) as f32; size];
    boxes(sigma).into_iter().map(|(size, before)| Spread { before, weights: even(size) }).collect()
}

/// A plane of values in rows.
struct Plane {
    width: usize,
    values: Vec<f32>,
}

/// Side of the blocks in which a plane is transposed: source and target of a block fit the first-level cache.
const TRANSPOSE_BLOCK: usize = 16;

impl Plane {
    fn height(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    fn transposed(&self) -> Self {
        let (width, height) = (self.width, self.height());
        let mut values = vec![0.0; self.values.len()];
        for top in (0..height).step_by(TRANSPOSE_BLOCK) {
            let rows = TRANSPOSE_BLOCK.min(height - top);
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
        if sigma < MIN_BOX_SIGMA {
            convolve(self, &gaussian(sigma), &mut blurred);
            self.values = blurred;
            return;
        }
        for (size, before) in boxes(sigma) {
            box_blur(self, size, before, &mut blurred);
            std::mem::swap(&mut self.values, &mut blurred);
        }
    }

    /// The row with index `y`; `None` above and below the plane.
    fn row(&self, y: Option<usize>) -> Option<&[f32]> {
        self.values.get(y?.checked_mul(self.width)?..)?.get(..self.width)
    }
}

/// Weights of a Gaussian from its centre to one side, normalised so that both sides and the centre add up to 1.
fn gaussian(sigma: f64) -> Vec<f32> {
    let radius = (3.0 * sigma).ceil() as usize;
    let weights: Vec<f64> = (0..=radius).map(|i| (-((i * i) as f64) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// Convolves each column with a symmetric kernel, of which `kernel` is the centre and one side. Outside is zero.
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

/// Size and number of left neighbours of the three boxes that approximate a Gaussian (Filter Effects 1).
///
/// Boxes of odd size `d` are all centred. Of even `d`, one box is shifted half a px to the left, one to the right, and
/// the third has the size `d + 1`.
fn boxes(sigma: f64) -> [(usize, usize); 3] {
    let d = (sigma * 3.0 * (2.0 * std::f64::consts::PI).sqrt() / 4.0 + 0.5).floor() as usize;
    if d % 2 == 1 { [(d, d / 2); 3] } else { [(d, d / 2), (d, d / 2 - 1), (d + 1, d / 2)] }
}

/// Means of `size` values along each column, beginning `before` rows above each value. Outside is zero.
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

    #[test]
    fn sigma_is_at_most_that_of_browsers() {
        let sigma_of = |sigma, scale| {
            let shadow = Shadow { offset: kurbo::Vec2::ZERO, sigma: crate::units::Px(sigma), color: Color::BLACK };
            super::sigma_of(&shadow, scale)
        };
        assert_eq!((sigma_of(10.0, 2.0), sigma_of(300.0, 2.0), sigma_of(1e308, 0.1)), (20.0, 532.0, 532.0));
    }

    /// Alphas of a shadow along the middle row of a wide opaque box that begins at `x = 100`.
    fn edge(sigma: f64) -> Vec<u8> {
        let (width, height) = (300, 201);
        let source: Vec<u8> =
            (0..width * height).flat_map(|i| if i % width >= 100 { [0, 0, 0, 255] } else { [0; 4] }).collect();
        let pixels = shadow(&source, width, sigma, Color::BLACK);
        pixels.chunks_exact(4).skip(100 * width).take(width).map(|pixel| pixel[3]).collect()
    }

    #[test]
    fn shadow_edge_follows_a_gaussian() {
        // rendering.md §5: a blur of 20, sigma 10, gives 251, 122 and 36 on white at −20, 0 and +10 px.
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

    /// Reference implementation, which looks up every neighbour along a row.
    fn reference(source: &[u8], width: usize, sigma: f64, color: Color) -> Vec<u8> {
        let blurred = |row: &[f32]| -> Vec<f32> {
            let at = |row: &[f32], x: usize, by: isize| {
                x.checked_add_signed(by).and_then(|x| row.get(x)).copied().unwrap_or(0.0)
            };
            if sigma == 0.0 {
                return row.to_vec();
            }
            if sigma < MIN_BOX_SIGMA {
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
        let positions = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        positions
            .flat_map(|(x, y)| {
                let level = columns[x][y] * a;
                [r, g, b, 1.0].map(|c| (c * level).round().clamp(0.0, 255.0) as u8)
            })
            .collect()
    }

    #[test]
    fn shadow_matches_the_reference_byte_for_byte() {
        let color = Color::from_rgba8(200, 90, 31, 180);
        let alpha = |x: usize, y: usize| match (x, y) {
            (20..50, 12..30) => 255,
            (55..58, 3..40) => (x * y % 256) as u8,
            _ => 0,
        };
        let source: Vec<u8> = (0..45).flat_map(|y| (0..61).flat_map(move |x| [9, 9, 9, alpha(x, y)])).collect();
        for sigma in [0.0, 0.4, 1.3, 1.99, 2.0, 2.7, 5.0, 9.6, 40.0] {
            assert!(shadow(&source, 61, sigma, color) == reference(&source, 61, sigma, color), "sigma {sigma}");
        }
    }

    #[test]
    fn shadow_of_a_transparent_source_is_transparent() {
        assert_eq!(shadow(&[7, 7, 7, 0].repeat(6), 3, 4.0, Color::BLACK), [0; 24]);
        assert!(shadow(&[], 0, 4.0, Color::BLACK).is_empty());
    }
}
