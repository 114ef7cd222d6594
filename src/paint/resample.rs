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

    /// True when every output pixel is one source pixel, in the same order.
    fn is_copy(&self) -> bool {
        self.step == 1.0 && !self.mirrored
    }
}

/// Downscales an image of `width` columns. Returns `4 * columns.count * rows.count` bytes.
pub(super) fn downscale(pixels: &[u8], width: u32, columns: &Downscale, rows: &Downscale) -> Vec<u8> {
    let stride = width as usize * 4;
    let mut out = vec![0; columns.count as usize * rows.count as usize * 4];
    let windows: Vec<_> = (0..columns.count).map(|column| columns.window(column)).collect();
    let left = windows.iter().map(|window| window.0).min().unwrap_or_default() * 4;
    let right = windows.iter().map(|window| window.1).max().unwrap_or_default() * 4;
    let plain = columns.is_copy() && rows.is_copy();
    let mut sums = vec![0u32; if plain { 0 } else { right - left }];
    for (row, out_row) in out.chunks_exact_mut(columns.count as usize * 4).enumerate() {
        let (top, bottom) = rows.window(row as u32);
        if plain {
            let start = top * stride + windows[0].0 * 4;
            out_row.copy_from_slice(&pixels[start..start + out_row.len()]);
            continue;
        }
        // Rows are summed before columns, so that every source pixel is read once per output row.
        sums.fill(0);
        for source in top..bottom {
            let line = &pixels[source * stride + left..source * stride + right];
            sums.iter_mut().zip(line).for_each(|(sum, value)| *sum += u32::from(*value));
        }
        for (&(start, end), pixel) in windows.iter().zip(out_row.chunks_exact_mut(4)) {
            let count = (end - start) as u64 * (bottom - top) as u64;
            let mut total = [0u64; 4];
            for sum in sums[start * 4 - left..end * 4 - left].chunks_exact(4) {
                total.iter_mut().zip(sum).for_each(|(total, sum)| *total += u64::from(*sum));
            }
            pixel.iter_mut().zip(total).for_each(|(value, total)| *value = ((total + count / 2) / count) as u8);
        }
    }
    out
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
pub(super) fn bilinear(pixels: &[u8], width: u32, height: u32, columns: &Sample, rows: &Sample) -> Vec<u8> {
    let stride = width as usize * 4;
    let mut out = vec![0; columns.count as usize * rows.count as usize * 4];
    let taps: Vec<_> = (0..columns.count).map(|column| columns.taps(column, width)).collect();
    let mut mixed = vec![0u16; stride];
    for (row, out_row) in out.chunks_exact_mut(columns.count as usize * 4).enumerate() {
        let (upper, lower, weight) = rows.taps(row as u32, height);
        let (near, far) = ((WEIGHTS - weight) as u16, weight as u16);
        let lines = pixels[upper * stride..][..stride].iter().zip(&pixels[lower * stride..][..stride]);
        for (mixed, (upper, lower)) in mixed.iter_mut().zip(lines) {
            *mixed = u16::from(*upper) * near + u16::from(*lower) * far;
        }
        for (&(left, right, weight), pixel) in taps.iter().zip(out_row.chunks_exact_mut(4)) {
            let pair = mixed[left * 4..left * 4 + 4].iter().zip(&mixed[right * 4..right * 4 + 4]);
            for (value, (left, right)) in pixel.iter_mut().zip(pair) {
                *value = ((u32::from(*left) * (WEIGHTS - weight) + u32::from(*right) * weight) >> 8) as u8;
            }
        }
    }
    out
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
