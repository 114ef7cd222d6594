//! Downscaling and bilinear sampling of images in integer arithmetic, so that every machine gives the same bytes.
//!
//! The two filters were found by comparing with the editor's renders pixel for pixel (`image-scaling-quality` of the
//! corpus): a box of whole source pixels for downscaling, and bilinear weights in sixteenths for upscaling. Input and
//! output are premultiplied RGBA8.

/// One axis of a downscale with a box filter. Output `i` averages the source pixels from `round((first + i) * step)`
/// on, `round(step)` of them, counted from the far end when the axis is mirrored. With `step` 1 this copies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Downscale {
    /// Source pixels along the axis, at least 1.
    pub(super) side: u32,
    /// Source pixels per output pixel, at least 1.
    pub(super) step: f64,
    /// The image is mirrored along this axis before it is downscaled.
    pub(super) mirrored: bool,
    /// Index of the first output; earlier ones are not visible.
    pub(super) first: u32,
    /// Number of outputs, at least 1.
    pub(super) count: u32,
}

impl Downscale {
    /// The source pixels that output `output`, counted from `first`, averages: start and exclusive end.
    pub(super) fn window(&self, output: u32) -> (usize, usize) {
        let start = ((f64::from(self.first) + f64::from(output)) * self.step + 0.5).floor() as u32;
        let start = start.min(self.side - 1);
        let end = (f64::from(start) + (self.step + 0.5).floor()).min(f64::from(self.side)) as u32;
        let (start, end) = if self.mirrored { (self.side - end, self.side - start) } else { (start, end) };
        (start as usize, end as usize)
    }

    /// True when every output pixel is one source pixel.
    fn picks(&self) -> bool {
        self.step + 0.5 < 2.0
    }

    /// True when every output pixel is one source pixel, in the same order and without gaps.
    fn is_copy(&self) -> bool {
        self.step == 1.0 && !self.mirrored
    }

    /// Windows of all outputs; see [`Self::window`].
    fn windows(&self) -> Vec<(usize, usize)> {
        (0..self.count).map(|output| self.window(output)).collect()
    }
}

/// Downscales an image of `width` columns. Returns `4 * columns.count * rows.count` bytes.
pub(super) fn downscale(pixels: &[u8], width: u32, columns: &Downscale, rows: &Downscale) -> Vec<u8> {
    let stride = width as usize * 4;
    let mut out = vec![0; columns.count as usize * rows.count as usize * 4];
    let out_rows = out.chunks_exact_mut(columns.count as usize * 4).zip(rows.windows());
    let windows = columns.windows();
    if columns.picks() && rows.picks() {
        for (out_row, (top, _)) in out_rows {
            let line = &pixels[top * stride..][..stride];
            if columns.is_copy() {
                out_row.copy_from_slice(&line[windows[0].0 * 4..][..out_row.len()]);
                continue;
            }
            let line = line.as_chunks::<4>().0;
            for (&(start, _), pixel) in windows.iter().zip(out_row.as_chunks_mut::<4>().0) {
                *pixel = line[start];
            }
        }
        return out;
    }
    let left = windows.iter().map(|window| window.0).min().unwrap_or_default();
    let right = windows.iter().map(|window| window.1).max().unwrap_or_default();
    let mut sums = vec![0u32; (right - left) * 4];
    for (out_row, (top, bottom)) in out_rows {
        // Rows are summed before columns, so that every source pixel is read once per output row.
        sums.fill(0);
        for source in top..bottom {
            let line = &pixels[source * stride..][left * 4..right * 4];
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += u32::from(*value));
        }
        let mut divisor = Divisor::new(1);
        for (&(start, end), pixel) in windows.iter().zip(out_row.as_chunks_mut::<4>().0) {
            let count = (end - start) as u64 * (bottom - top) as u64;
            if divisor.count != count {
                divisor = Divisor::new(count);
            }
            let mut total = [0u64; 4];
            for sum in sums[(start - left) * 4..(end - left) * 4].as_chunks::<4>().0 {
                total.iter_mut().zip(sum).for_each(|(total, sum)| *total += u64::from(*sum));
            }
            *pixel = total.map(|total| divisor.mean(total));
        }
    }
    out
}

/// Divides sums of `count` bytes by their number. A multiplication is many times faster than a division.
struct Divisor {
    count: u64,
    /// 2⁴⁸ divided by `count`, rounded up, or up to 1 more.
    reciprocal: u64,
}

/// Number of fractional bits of [`Divisor::reciprocal`].
const RECIPROCAL_BITS: u32 = 48;
/// Counts from this on are divided, because the reciprocal is not exact enough: its error is at most `count`, and
/// quotients are exact while dividend times error, `256 * count²` at most, is below 2⁴⁸.
const MAX_RECIPROCAL_COUNT: u64 = 1 << 20;

impl Divisor {
    fn new(count: u64) -> Self {
        Self { count, reciprocal: (1 << RECIPROCAL_BITS) / count + 1 }
    }

    /// The mean of `count` bytes with this sum; halves are rounded up.
    fn mean(&self, sum: u64) -> u8 {
        let sum = sum + self.count / 2;
        if self.count < MAX_RECIPROCAL_COUNT {
            ((sum * self.reciprocal) >> RECIPROCAL_BITS) as u8
        } else {
            (sum / self.count) as u8
        }
    }
}

/// One axis of bilinear sampling: output `i` shows the source at `start + i * step`, where 0.5 is the centre of the
/// first source pixel. Outside the image the edge pixels are repeated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Source coordinate of the centre of the first output.
    pub(super) start: f64,
    /// Source pixels per output pixel; negative when mirrored.
    pub(super) step: f64,
    /// Number of outputs, at least 1.
    pub(super) count: u32,
}

/// Weights are in sixteenths, rounded down, as in Skia's software sampler.
const WEIGHTS: u32 = 16;
/// Added to positions, so that floating-point noise does not put a whole one into the pixel before.
const NOISE: f64 = 1e-9;

impl Sample {
    /// The two neighbouring source pixels of output `output`, and the weight of the second in sixteenths.
    pub(super) fn taps(&self, output: u32, side: u32) -> (usize, usize, u32) {
        let at = self.start + f64::from(output) * self.step - 0.5 + NOISE;
        let base = at.floor();
        let inside = |pixel: f64| pixel.clamp(0.0, f64::from(side - 1)) as usize;
        (inside(base), inside(base + 1.0), ((at - base) * f64::from(WEIGHTS)) as u32)
    }
}

/// Samples an image of `width` x `height` px. Returns `4 * columns.count * rows.count` bytes.
///
/// No intermediate result is rounded, so that columns may be mixed first: each source row once, into sixteenths.
pub(super) fn bilinear(pixels: &[u8], width: u32, height: u32, columns: &Sample, rows: &Sample) -> Vec<u8> {
    let (stride, out_stride) = (width as usize * 4, columns.count as usize * 4);
    let mut out = vec![0; out_stride * rows.count as usize];
    let taps: Vec<_> = (0..columns.count).map(|column| columns.taps(column, width)).collect();
    let mut mixed = MixedRows { taps: &taps, slots: [(None, vec![0; out_stride]), (None, vec![0; out_stride])] };
    for (row, out_row) in out.chunks_exact_mut(out_stride).enumerate() {
        let (upper, lower, weight) = rows.taps(row as u32, height);
        let (near, far) = ((WEIGHTS - weight) as u16, weight as u16);
        let (upper, lower) = mixed.rows(upper, lower, |row| &pixels[row * stride..][..stride]);
        for (value, (upper, lower)) in out_row.iter_mut().zip(upper.iter().zip(lower)) {
            *value = ((upper * near + lower * far) >> 8) as u8;
        }
    }
    out
}

/// The two source rows that were sampled last, mixed to the columns of the output: in sixteenths, at most 255 · 16.
struct MixedRows<'a> {
    /// Taps of each output column; see [`Sample::taps`].
    taps: &'a [(usize, usize, u32)],
    /// Index of a source row, and its values.
    slots: [(Option<usize>, Vec<u16>); 2],
}

impl MixedRows<'_> {
    /// The rows with these indices; `line` gives the bytes of a source row.
    fn rows<'p>(&mut self, upper: usize, lower: usize, line: impl Fn(usize) -> &'p [u8]) -> (&[u16], &[u16]) {
        let slot_of = |slots: &[(Option<usize>, Vec<u16>); 2], row| slots.iter().position(|it| it.0 == Some(row));
        let first = slot_of(&self.slots, upper);
        let second = slot_of(&self.slots, lower);
        let first = first.unwrap_or_else(|| {
            let free = second.map_or(0, |taken| 1 - taken);
            self.mix(free, upper, line(upper));
            free
        });
        let second = if lower == upper { first } else { second.unwrap_or(1 - first) };
        if self.slots[second].0 != Some(lower) {
            self.mix(second, lower, line(lower));
        }
        (&self.slots[first].1, &self.slots[second].1)
    }

    fn mix(&mut self, slot: usize, row: usize, line: &[u8]) {
        let line = line.as_chunks::<4>().0;
        let (index, values) = &mut self.slots[slot];
        *index = Some(row);
        for (&(left, right, weight), mixed) in self.taps.iter().zip(values.as_chunks_mut::<4>().0) {
            let both = lanes(line[left]) * u64::from(WEIGHTS - weight) + lanes(line[right]) * u64::from(weight);
            *mixed = std::array::from_fn(|at| (both >> (16 * at)) as u16);
        }
    }
}

/// The bytes of a pixel in four lanes of 16 bits, the first in the lowest one. A weighted sum of two pixels fits them.
fn lanes(pixel: [u8; 4]) -> u64 {
    let pairs = u64::from(u32::from_le_bytes(pixel));
    let pairs = (pairs | pairs << 16) & 0x0000_FFFF_0000_FFFF;
    (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[u8]) -> Vec<u8> {
        values.iter().flat_map(|v| [*v, *v, *v, 255]).collect()
    }

    fn reds(pixels: &[u8]) -> Vec<u8> {
        pixels.chunks_exact(4).map(|p| p[0]).collect()
    }

    const ONE: Downscale = Downscale { side: 1, step: 1.0, mirrored: false, first: 0, count: 1 };

    #[test]
    fn downscale_averages_whole_pixels() {
        let pixels = grey(&[0, 100, 200, 40, 60, 81]);
        let columns = |step, first, count| Downscale { side: 6, step, mirrored: false, first, count };
        let reduced = |columns| reds(&downscale(&pixels, 6, &columns, &ONE));
        assert_eq!(reduced(columns(2.0, 0, 3)), [50, 120, 71]);
        // round(2.5) = 3 pixels each: 0..3 and 3..6.
        assert_eq!(reduced(columns(2.5, 0, 2)), [100, 60]);
        // Below 1.5 the editor takes single pixels: 0, round(1.4), round(2.8), round(4.2).
        assert_eq!(reduced(columns(1.4, 0, 4)), [0, 100, 40, 60]);
        assert_eq!(reduced(columns(1.0, 2, 3)), [200, 40, 60]);
    }

    #[test]
    fn downscale_of_a_mirrored_image_starts_at_its_far_end() {
        let pixels = grey(&[0, 100, 200, 40, 60]);
        let columns = |step, first, count| Downscale { side: 5, step, mirrored: true, first, count };
        let reduced = |columns| reds(&downscale(&pixels, 5, &columns, &ONE));
        assert_eq!(reduced(columns(1.0, 0, 5)), [60, 40, 200, 100, 0]);
        assert_eq!(reduced(columns(1.0, 1, 2)), [40, 200]);
        // Mirrored pixels 0 and 1, then from round(2.5) = 3 on: 0..3 and 3..5 of 60, 40, 200, 100, 0.
        assert_eq!(reduced(columns(2.5, 0, 2)), [100, 50]);
        // 5 px to 4: mirrored pixels 0, round(1.25), round(2.5), round(3.75).
        assert_eq!(reduced(columns(1.25, 0, 4)), [60, 40, 100, 0]);
    }

    #[test]
    fn means_are_those_of_a_division() {
        for count in [1, 2, 3, 7, 9, 255, 4096, 65_537, MAX_RECIPROCAL_COUNT - 1, MAX_RECIPROCAL_COUNT, 1 << 40] {
            let divisor = Divisor::new(count);
            let near_steps =
                (0..=255).flat_map(|level| (-2..=2).map(move |by| (level * count).saturating_add_signed(by)));
            let halves = (0..255).map(|level| level * count + count.div_ceil(2));
            let near_halves = halves.flat_map(|half| (0..5).map(move |by| (half + by).saturating_sub(2)));
            for sum in near_steps.chain(near_halves).filter(|sum| *sum <= 255 * count) {
                assert_eq!(u64::from(divisor.mean(sum)), (sum + count / 2) / count, "{sum} of {count}");
            }
        }
    }

    /// The formula of [`bilinear`] for each byte alone.
    fn reference(pixels: &[u8], width: u32, height: u32, columns: &Sample, rows: &Sample) -> Vec<u8> {
        let value = |row: usize, column: usize, channel: usize| {
            u32::from(pixels[(row * width as usize + column) * 4 + channel])
        };
        let mut out = Vec::new();
        for (row, column) in (0..rows.count).flat_map(|row| (0..columns.count).map(move |column| (row, column))) {
            let (upper, lower, down) = rows.taps(row, height);
            let (left, right, across) = columns.taps(column, width);
            for channel in 0..4 {
                let mixed = |column| value(upper, column, channel) * (16 - down) + value(lower, column, channel) * down;
                out.push(((mixed(left) * (16 - across) + mixed(right) * across) >> 8) as u8);
            }
        }
        out
    }

    #[test]
    fn bilinear_matches_the_formula_byte_for_byte() {
        let (width, height) = (13, 9);
        let pixels: Vec<u8> = (0..width * height * 4).map(|at| (at * 7919 % 256) as u8).collect();
        let steps = [0.31, 0.97, 1.0, 1.31, 3.2, -0.4, -1.2];
        for (across, down) in steps.iter().flat_map(|across| steps.iter().map(move |down| (*across, *down))) {
            let sample = |step: f64, side: u32| Sample {
                start: if step < 0.0 { f64::from(side) - 0.7 } else { 0.3 },
                step,
                count: 17,
            };
            let (columns, rows) = (sample(across, width), sample(down, height));
            let expected = reference(&pixels, width, height, &columns, &rows);
            assert!(bilinear(&pixels, width, height, &columns, &rows) == expected, "{across} x {down}");
        }
        let white = vec![255; 4 * 4 * 4];
        let columns = Sample { start: 0.1, step: 0.3, count: 9 };
        assert_eq!(bilinear(&white, 4, 4, &columns, &columns), vec![255; 9 * 9 * 4]);
    }

    #[test]
    fn bilinear_weighs_in_sixteenths() {
        // Row 0 of an 8 x 8 chequerboard in 100 px, as the editor draws it but for the middle, where single precision
        // makes it 111.
        let pixels = grey(&[0, 255, 0, 255, 0, 255, 0, 255]);
        let columns = Sample { start: 0.04, step: 0.08, count: 20 };
        let rows = Sample { start: 0.5, step: 1.0, count: 1 };
        let expected = [0, 0, 0, 0, 0, 0, 0, 15, 31, 63, 79, 95, 127, 143, 159, 175, 207, 223, 239, 255];
        assert_eq!(reds(&bilinear(&pixels, 8, 1, &columns, &rows)), expected);
    }
}
