//! Synthetic slant and weight, for families without an italic or bold face.

/// Synthetic slant: horizontal shift per unit of height, as in Skia.
pub(super) const SKEW: f64 = 0.25;

/// Synthetic weight as pairs of a font size in px and how much wider stems become at it, as a fraction of the font
/// size. Skia fills an outline and strokes it with a line of that width.
const BOLDNESS: [(f64, f64); 2] = [(9.0, 1.0 / 24.0), (36.0, 1.0 / 32.0)];

/// How much wider stems become at `font_size` px, as a fraction of it: interpolated linearly between the ends of
/// [`BOLDNESS`].
pub(super) fn boldness(font_size: f64) -> f64 {
    let [(small, max), (large, min)] = BOLDNESS;
    let along = ((font_size - small) / (large - small)).clamp(0.0, 1.0);
    max + (min - max) * along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_weight_is_lighter_in_large_letters() {
        assert_eq!([1.0, 9.0, 36.0, 500.0].map(boldness), [1.0 / 24.0, 1.0 / 24.0, 1.0 / 32.0, 1.0 / 32.0]);
        assert!((boldness(22.5) - 7.0 / 192.0).abs() < 1e-12, "half way");
    }
}
