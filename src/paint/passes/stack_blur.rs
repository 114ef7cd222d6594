//! Stack blur: each pixel becomes the mean of its neighbours with triangular weights (rendering.md §4.2).
//!
//! After Mario Klingemann's StackBlur, including its fixed-point division, so that the results equal the editor's.

/// Returns `pixels` blurred along rows and then along columns.
///
/// `pixels`: premultiplied RGBA8, rows of `width` px without padding. `radius`: number of neighbours on each side, in
/// px. Edge pixels are replicated beyond the edge. A picture of one colour is unchanged.
pub(super) fn blur(pixels: &[u8], width: u32, radius: u32) -> Vec<u8> {
    if radius == 0 {
        return pixels.to_vec();
    }
    let stride = width as usize * 4;
    let (mut rows, mut out) = (vec![0; pixels.len()], vec![0; pixels.len()]);
    for (from, into) in pixels.chunks_exact(stride).zip(rows.chunks_exact_mut(stride)) {
        blur_along(from, into, 4, radius);
    }
    // All columns at once, row by row, so that memory is read sequentially.
    blur_along(&rows, &mut out, stride, radius);
    out
}

/// Blurs a line of items of `item` bytes each; every byte of an item is a separate channel.
fn blur_along(from: &[u8], into: &mut [u8], item: usize, radius: u32) {
    let (last, radius_items) = (from.len() / item - 1, radius as usize);
    let at = |index: usize| &from[index.min(last) * item..][..item];
    let mean = Mean::of(radius);
    // Sums around the first item; items before it have its value.
    let mut sums: Vec<Sums> = at(0).iter().map(|first| Sums::of_edge(*first, radius)).collect();
    for ahead in 1..=radius_items {
        for (sums, value) in sums.iter_mut().zip(at(ahead)) {
            sums.weighted += u64::from(*value) * (radius_items + 1 - ahead) as u64;
            sums.ahead += u64::from(*value);
        }
    }
    for (index, into) in into.chunks_exact_mut(item).enumerate() {
        let (entering, next, leaving) =
            (at(index + radius_items + 1), at(index + 1), at(index.saturating_sub(radius_items)));
        for (channel, sums) in sums.iter_mut().enumerate() {
            into[channel] = mean.divide(sums.weighted);
            sums.ahead += u64::from(entering[channel]);
            sums.weighted = sums.weighted + sums.ahead - sums.behind;
            sums.ahead -= u64::from(next[channel]);
            sums.behind = sums.behind + u64::from(next[channel]) - u64::from(leaving[channel]);
        }
    }
}

/// Running sums of one channel around one item.
#[derive(Clone, Copy)]
struct Sums {
    /// Sum of all neighbours, multiplied by their weights.
    weighted: u64,
    /// Sum of the `radius` items ahead, whose weights grow with the next step.
    ahead: u64,
    /// Sum of the item itself and the `radius` items behind, whose weights shrink with the next step.
    behind: u64,
}

impl Sums {
    /// Sums at the first item, whose value is replicated behind it, without the items ahead.
    fn of_edge(value: u8, radius: u32) -> Self {
        let (value, count) = (u64::from(value), u64::from(radius) + 1);
        Self { weighted: value * (count * (count + 1) / 2), ahead: 0, behind: value * count }
    }
}

/// Division by the sum of all weights, (r + 1)², as a multiplication and a shift, as in StackBlur's tables.
///
/// The factor is at most 512 and rounded up, so that the quotient is slightly too large, by less than one level.
#[derive(Clone, Copy)]
struct Mean {
    factor: u64,
    shift: u32,
}

/// Factor and shift of the division for `radius`, for the GPU's passes.
#[cfg(feature = "gpu")]
pub(in crate::paint) fn division(radius: u32) -> (u64, u32) {
    let Mean { factor, shift } = Mean::of(radius);
    (factor, shift)
}

impl Mean {
    fn of(radius: u32) -> Self {
        let weights = (u64::from(radius) + 1).pow(2);
        let shift = weights.saturating_mul(512).ilog2();
        Self { factor: (1u64 << shift).div_ceil(weights), shift }
    }

    fn divide(self, weighted: u64) -> u8 {
        // The result is below 256, because the factor is at most 1/256 too large.
        (weighted.saturating_mul(self.factor) >> self.shift) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(width: u32, height: u32) -> Vec<u8> {
        let pixel = |at: u32| if at % width < width / 2 { [0, 0, 0, 255] } else { [255; 4] };
        (0..width * height).flat_map(pixel).collect()
    }

    fn mixed(radius: u32) -> Vec<u8> {
        let blurred = blur(&halves(40, 20), 40, radius);
        let row = blurred[10 * 160..][..160].chunks_exact(4).map(|pixel| pixel[0]);
        row.filter(|value| !matches!(value, 0 | 255)).collect()
    }

    #[test]
    fn stack_blur_of_two_halves_as_measured() {
        // fixtures.md 44
        assert_eq!(mixed(1), [63, 191]);
        assert_eq!(mixed(4), [10, 30, 61, 102, 153, 193, 224, 245]);
    }

    #[test]
    fn stack_blur_division_matches_the_original_tables() {
        let parts = |radius| (Mean::of(radius).factor, Mean::of(radius).shift);
        let original = [(512, 9), (512, 11), (456, 12), (512, 13), (328, 13), (456, 14), (335, 14)];
        assert_eq!((0..7).map(parts).collect::<Vec<_>>(), original);
        assert_eq!((parts(12), parts(30), parts(63)), ((388, 16), (273, 18), (512, 21)));
    }

    #[test]
    fn stack_blur_does_not_change_a_single_colour() {
        for radius in [0, 1, 2, 5, 17, 300] {
            let flat = [200, 100, 50, 255].repeat(7 * 3);
            assert_eq!(blur(&flat, 7, radius), flat, "radius {radius}");
        }
    }

    #[test]
    fn stack_blur_spreads_alpha_in_all_directions() {
        let mut pixels = vec![0; 5 * 5 * 4];
        pixels[12 * 4..13 * 4].copy_from_slice(&[255; 4]);
        let blurred = blur(&pixels, 5, 1);
        let alpha = |x: usize, y: usize| blurred[(y * 5 + x) * 4 + 3];
        // 255/4 = 63 and 255/2 = 127 along the row; then the same down the columns.
        assert_eq!([alpha(2, 2), alpha(1, 2), alpha(2, 1), alpha(1, 1), alpha(0, 2)], [63, 31, 31, 15, 0]);
    }
}
